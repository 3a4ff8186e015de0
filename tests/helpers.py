"""Stubs and small worlds that the tests of the core share."""

import re
from functools import cache

import pytest
import torch
from torch import nn

from cfgedu.models import MLP, TwinMLP, weights_from
from cfgedu.protocol import NULL, seeded
from cfgedu.toy import Mixture


def random_mixture(seed: int, K: int, J: int, D: int = 2) -> Mixture:
    """J >= K components; the first K see to it that every class occurs."""
    g = seeded(seed)
    weight = torch.rand(J, generator=g, dtype=torch.float64) + 0.05
    return Mixture(
        mean=1.5 * torch.randn(J, D, generator=g, dtype=torch.float64),
        std=0.1 + torch.rand(J, generator=g, dtype=torch.float64),
        weight=weight / weight.sum(),
        label=torch.cat([torch.arange(K), torch.randint(K, (J - K,), generator=g)]),
    )


def random_batch(seed: int, K: int, T: int, B: int = 16, D=(2,), dtype=torch.float64):
    """x (B,*D), t (B,) in 1..T, y (B,) in {NULL, 0..K-1}: the first row without a label, the second with one."""
    g = seeded(seed)
    x = 1.5 * torch.randn(B, *D, generator=g, dtype=dtype)
    t = torch.randint(1, T + 1, (B,), generator=g)
    y = torch.randint(NULL, K, (B,), generator=g)
    y[0] = NULL
    y[1:2] = 0
    return x, t, y


class Net(nn.Module):
    """A random smooth network on data of any shape: what a Denoiser sees of the real ones."""

    def __init__(self, K: int = 3, D=(2,), width: int = 32, seed: int = 0, dtype=torch.float64):
        super().__init__()
        self.K, size = K, int(torch.tensor(D).prod())
        shapes = {"inp": (size, width), "hidden": (width, width), "out": (width, size), "label": (K + 1, width)}
        g = seeded(seed)
        for name, shape in shapes.items():
            weight = torch.randn(shape, generator=g, dtype=torch.float64) / shape[0] ** 0.5
            self.register_parameter(name, nn.Parameter(weight.to(dtype)))

    def forward(self, x, t, y):
        h = torch.tanh(x.flatten(1) @ self.inp + self.label[y + 1] + t[:, None].to(x) / 1000)
        return (torch.tanh(h @ self.hidden) @ self.out).reshape(x.shape)


class Later:
    """What make(*given) returns, made when it is first asked for something: collecting the tests makes no demo."""

    def __init__(self, make, *given):
        self.made = cache(lambda: make(*given))

    def __getattr__(self, name):
        if name.startswith("_"):  # for which pytest asks whatever stands in a file of tests
            raise AttributeError(name)
        return getattr(self.made(), name)


class Recorder:
    """A Denoiser that notes what it was asked; its answer tells the label: eps = x (y + 2)."""

    def __init__(self, K: int = 3):
        self.K, self.calls = K, []

    def __call__(self, x, t, y):
        self.calls.append((x.clone(), t.clone(), y.clone()))
        return x * (y + 2).to(x).reshape(-1, *[1] * (x.ndim - 1))

    def pair(self, x, t, y):
        """A bound method as Pair, as TwinMLP.pair is."""
        return self(x, t, torch.full_like(y, NULL)), self(x, t, y)


# ---------------------------------------------------------------- demos


def random_network(make, seed: int = 0):
    """An untrained network whose answers depend on everything: where a new one has zeros, this one has noise."""
    generator = seeded(seed)
    with weights_from(generator):
        net = make()
    with torch.no_grad():
        for p in net.parameters():
            if not p.any():
                p.normal_(std=0.2, generator=generator)
    return net.eval()


def network(kind=MLP, seed: int = 0):
    """A tiny random network for 8x8 digits."""
    return random_network(lambda: kind(10, dim=64, width=8, depth=2), seed)


class LeakyTwin(TwinMLP):
    """A twin whose trunk sees the label, through a shift of x."""

    def pair(self, x, t, y):
        return super().pair(x + 0.5 * y[:, None], t, y)


def quivers(demo) -> list:
    """Every set of arrows of a demo, in the order in which they were made."""
    return [part for ax in demo.figure.axes for part in ax.collections if hasattr(part, "U")]


def vectors(quiver) -> torch.Tensor:
    """The arrows (n,2) of a quiver as drawn, in float64."""
    return torch.stack([torch.as_tensor(quiver.U.data), torch.as_tensor(quiver.V.data)], 1).double()


def number(pattern: str, text: str) -> float:
    return float(re.search(pattern, text)[1])


def wrong_answers(*tables) -> list:
    """(check, sentence, answer) for pytest, of pairs (check, {sentence of its diagnosis: wrong answer})."""
    return [
        pytest.param(check, sentence, answer, id=f"{check.name}: {sentence}")
        for check, table in tables
        for sentence, answer in table.items()
    ]
