"""The small networks of the web edition answer as the package's do, and so does what judges their images."""

from functools import cache

import pytest
import torch

from cfgedu.checkpoints import load_checkpoint
from cfgedu.files import DATA
from cfgedu.guidance import guided, two_models
from cfgedu.metrics import diversity, features
from cfgedu.models import NULLS, with_null
from cfgedu.protocol import NULL, seeded
from cfgedu.widgets.twin import shipped_twins
from tests.site import ask, needs_node, planted, wrong
from tools.site_data import NETS, SOURCE, WORLD

SCRIPTS = [SOURCE / script for script in (*WORLD, *NETS)]
OF_MLPS = ("branches-", "dropout-", "lab-")
MLPS = sorted(path.stem for path in DATA.glob("*.safetensors") if path.stem.startswith(OF_MLPS))
CLOSE = 5e-6


def flat(*parts) -> list[float]:
    return [float(value) for part in parts for value in part.flatten()]


def row(asked, *found):
    """A golden row: float32 answers, which may be off by so much of their size."""
    numbers = flat(*found)
    return asked, numbers, CLOSE * max(1.0, *map(abs, numbers))


def batches(net):
    """(x, t, y) of one row, of three, and of more than go through the layers at a time, some without a label."""
    g = seeded(net.dim)
    for B in (1, 3, 150):
        x = 1.3 * torch.randn(B, net.dim, generator=g)
        y = torch.randint(NULL, net.K, (B,), generator=g)
        y[: B // 3] = NULL
        yield x, torch.randint(1, net.T + 1, (B,), generator=g), y


def alike(x, t, y):
    """The same points, all at one time and under one label, as JavaScript's numbers say it."""
    return x, torch.full_like(t, int(t[0])), torch.full_like(y, int(y[-1]))


@torch.no_grad()
def answers_of(name, net, **how):
    """Rows of one network: mixed times and labels, and the same ones for all points."""
    pair = getattr(net, "pair", None) or (lambda x, t, y: (net(x, t, y),))
    for x, t, y in batches(net):
        asked = {"ask": "net", "name": name, "x": x.tolist(), **how}
        yield row(asked | {"t": t.tolist(), "y": y.tolist()}, *pair(x, t, y))
        x, t, y = alike(x, t, y)
        yield row(asked | {"t": int(t[0]), "y": int(y[0])}, *pair(x, t, y))


def nets():
    for name in MLPS:
        yield from answers_of(name, load_checkpoint(name)[0], kind="mlp", none=NULLS[0])
    for none in NULLS:
        yield from answers_of("dropout-10", with_null(load_checkpoint("dropout-10")[0], none), kind="mlp", none=none)
    yield from answers_of("dropout-10", load_checkpoint("dropout-10")[0], kind="mlp", none=NULLS[0], fast=False)
    yield from answers_of("digits-mlp", load_checkpoint("digits-mlp")[0], kind="mlp", none=NULLS[0])
    for kind, net in zip(("late", "leaky"), shipped_twins(), strict=True):
        yield from answers_of(f"twin-{kind}", net, kind=kind)


@torch.no_grad()
def others():
    """Two models as a pair, in the order that the formula has; and the judge of digits, with what is read of it."""
    strong, weak = (load_checkpoint(f"branches-{size}")[0] for size in ("strong", "weak"))
    for x, t, y in batches(strong):
        found = guided(two_models(weak, strong), 2.0)(x, t, y)
        asked = {"un": "branches-weak", "cond": "branches-strong", "r": 2, "t": t.tolist(), "y": y.tolist()}
        yield row({"ask": "autoguided", "x": x.tolist(), **asked}, found)
    judge, x = load_checkpoint("digits-judge")[0], torch.randn(7, 1, 8, 8, generator=seeded(1))
    seen = features(judge, x)
    spread = diversity(seen, torch.zeros(7).long())
    asked = {"ask": "judge", "name": "digits-judge", "x": x.flatten(1).tolist()}
    yield row(asked, seen, judge.head(seen).softmax(1), torch.tensor([spread]))


@cache
def golden() -> list:
    return [*nets(), *others()]


@needs_node
def test_the_page_has_the_answers_of_the_package():
    off = wrong(golden(), SCRIPTS)
    assert not off, [({key: q[key] for key in q if key not in "xty"}, far) for q, far in off][:10]


@needs_node
def test_a_leaky_twin_is_no_other():
    """Without this, the test above could pass on two twins of one kind."""
    x, t = [[0.3, -0.8]], 200
    for kind, same in (("late", True), ("leaky", False)):
        asked = [{"ask": "net", "name": f"twin-{kind}", "kind": kind, "x": x, "t": t, "y": y} for y in (0, 1)]
        first, second = (answer[:2] for answer in ask(asked, SCRIPTS))
        assert (first == second) == same


# (what stands in nets.js once, the error planted in its place)
ERRORS = [
    ("Math.max(B, FEWEST)", "FEWEST"),
    ("+ silu(memory[next + i])", "+ memory[next + i]"),
    ("memory[h + i] + silu(", "silu("),
    ("after + memory[c + i]", "after"),
    ("memory[i] = silu(memory[i])", ""),
    ("memory[inside + i] = memory[h + i] + memory[c + i]", "memory[inside + i] = memory[h + i]"),
    ("k && i < at + width", "i < at + width"),
    ("told(valueAt(t, i + k))", "told(valueAt(t, k))"),
    ("(valueAt(y, i + k) + 1) * width", "Math.max(valueAt(y, i + k), 0) * width"),
    ("memory[c + at + j] + rows[from + j]", "rows[from + j]"),
    ("x[(i + k) * dim + d]", "x[k * dim + d]"),
    ("eps[(i + k) * dim + d] =", "eps[k * dim + d] ="),
    ("Math.floor(depth / 2)", "Math.ceil(depth / 2)"),
    ("leaky ? both : time", "time"),
    ("net.copy(h, fused, B)", ""),
    ("headUn(h, time, B)", "headUn(h, both, B)"),
    ("headCond(fused, both, B)", "headCond(fused, time, B)"),
    ("=== NULL ? un[k] : eps", "=== NULL ? eps : eps"),
    ("(k + 1) * width + j]", "k * width + j]"),
    ('none === "zeros" ? 0', 'none === "zeros" ? data[j]'),
    ("[un(x, t, y), cond(x, t, y)]", "[cond(x, t, y), un(x, t, y)]"),
]


@needs_node
@pytest.mark.parametrize("error", ERRORS, ids=[f"nets-{k}" for k in range(len(ERRORS))])
def test_a_planted_error_is_found(error, tmp_path):
    assert wrong(golden(), planted(SCRIPTS, "nets", *error, tmp_path))


# (script, what stands there once, the error planted in its place): what the networks share with others
SHARED = [
    ("gemm", "data[(o * inner + i) * high", "data[(i * out + o) * high"),
    ("gemm", "memory.set(bias.data, b)", ""),
    ("layers", "1 + Math.exp(-u)", "1 + Math.exp(u)"),
    ("layers", "1000 * 10 ** (-4 * k / n)", "1000 * 10 ** (-4 * k / (n - 1))"),
    ("layers", "t / T * f", "t * f"),
    ("layers", "...angle.map(Math.cos)]", "...angle.map(Math.sin)]"),
    ("metrics", "/ (n - 1);", "/ n;"),
    ("metrics", "centre[i % F] += value / n", "0"),
]


@needs_node
@pytest.mark.parametrize("error", SHARED, ids=[f"{script}-{k}" for k, (script, *_) in enumerate(SHARED)])
def test_an_error_in_what_they_share_is_found(error, tmp_path):
    assert wrong(list(others()), planted(SCRIPTS, *error, tmp_path))
