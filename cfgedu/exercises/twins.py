"""Small twins for the exercises of 09_twin_head, and tests of them, right and wrong."""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from cfgedu.models import TwinMLP, weights_from
from cfgedu.protocol import NULL, seeded

K, B = 3, 6


class Twin(TwinMLP):
    """A small twin whose input is moved by leak(y) (B,) before the trunk; without a leak it is a late-fusion twin."""

    def __init__(self, leak: Callable[[Tensor], Tensor] | None = None):
        super().__init__(K, width=16)
        self.leak = leak

    def pair(self, x, t, y):
        return super().pair(x if self.leak is None else x + self.leak(y).to(x)[:, None], t, y)


class Deaf(Twin):
    """A twin that ignores the label in both heads."""

    def pair(self, x, t, y):
        return super().pair(x, t, torch.zeros_like(y))


@torch.no_grad()
def example(make: Callable[[], nn.Module], seed: int, trained: bool = True):
    """(net in float64, x (B,2), t (B,)); trained: both heads and both outlets differ, as in no new network."""
    generator = seeded(seed)
    with weights_from(generator):
        net = make().double()
    if trained:
        for part in (net.head_un, net.head_cond, net.outlet_un, net.outlet_cond):
            for weight in part.parameters():
                weight.normal_(std=weight.shape[-1] ** -0.5, generator=generator)
    x = torch.randn(B, 2, generator=generator, dtype=torch.float64)
    return net, x, torch.randint(1, net.T + 1, (B,), generator=generator)


# ---------------------------------------------------------------- tests of exercise 1


@torch.no_grad()
def awake(net: nn.Module, seed: int = 0) -> nn.Module:
    """A copy whose zero layers hold random numbers."""
    net = deepcopy(net)
    for p in net.parameters():
        if not p.any():
            p.normal_(generator=seeded(seed))
    return net


def filled(net: nn.Module) -> nn.Module:
    """The given network itself, all its weights overwritten."""
    with torch.no_grad():
        for p in net.parameters():
            p.normal_(generator=seeded(0))
    return net


def constant(net, t: Tensor) -> list[Tensor]:
    """Batches in which every row asks for the same label, one batch for each label there is."""
    return [torch.full_like(t, k) for k in range(NULL, net.K)]


def shuffled(net, t: Tensor) -> list[Tensor]:
    """Batches that hold the same labels in other orders."""
    y = torch.arange(len(t)) % (net.K + 1) - 1
    return [y.roll(k) for k in range(net.K + 1)]


def invariance(labels=constant, wake=awake, head=0, same=torch.equal) -> Callable:
    """The test of exercise 1, with room for one mistake each."""

    def ignores_label(net, x, t):
        net = wake(net)
        first, *others = [net.pair(x, t, y)[head] for y in labels(net, t)]
        return all(same(first, other) for other in others)

    return ignores_label


def woken_anew(net, x, t):
    """Each label asks another network: every copy is filled with random numbers of its own."""
    first, *others = [awake(net, seed).pair(x, t, y)[0] for seed, y in enumerate(constant(net, t))]
    return all(torch.equal(first, other) for other in others)


def by_one_row(net, x, t):
    """One row asks for another label, and no row of the prediction may change."""
    net, y = awake(net), torch.full_like(t, NULL)
    un = [net.pair(x, t, torch.where(torch.arange(len(t)) == 0, k, y))[0] for k in range(NULL, net.K)]
    return all(torch.equal(un[0], other) for other in un)


def by_largest_change(net, x, t):
    net = awake(net)
    un = torch.stack([net.pair(x, t, y)[0] for y in constant(net, t)])
    return (un - un[0]).abs().max() == 0


def by_bytes(net, x, t):
    net = awake(net)
    return len({net.pair(x, t, y)[0].numpy(force=True).tobytes() for y in constant(net, t)}) == 1
