"""Checks for the exercises of 09_twin_head."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from cfgedu.checks import check
from cfgedu.models import TwinMLP, weights_from
from cfgedu.protocol import NULL, where_labelled

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


def example(make: Callable[[], nn.Module], seed: int, trained: bool = True):
    """(net in float64, x (B,2), t (B,)); trained: the outlets, zero in a new network, hold random numbers."""
    generator = torch.Generator().manual_seed(seed)
    with weights_from(generator):
        net = make().double()
    if trained:
        with torch.no_grad():
            for outlet in (net.outlet_un, net.outlet_cond):
                outlet.weight.normal_(generator=generator)
    x = torch.randn(B, 2, generator=generator, dtype=torch.float64)
    return net, x, torch.randint(1, net.T + 1, (B,), generator=generator)


def only(k: int) -> Callable[[Tensor], Tensor]:
    """A leak that sets rows of label k apart from all others."""
    return lambda y: y == k


LEAKS = {  # how the label gets into the trunk: (the leak, what a test that misses it probably does)
    "each label moves the trunk": (lambda y: y, "the first of the two predictions must not change when y alone does"),
    "a leak of one class": (only(K - 1), "you compare some labels only: try each of 0..K-1"),
    "a leak of NULL": (only(NULL), "you never ask with NULL = -1: eps_un must be the same then, too"),
    "a leak of 1e-9": (lambda y: 1e-9 * y, "allclose forgives small leaks; the claim is exact, so use torch.equal"),
    "a leak through the batch": (
        lambda y: y.double().mean().expand(len(y)),
        "you shuffle labels or change one row among many: compare batches in which every row asks for the same label",
    ),
}


def check_ignores_label(answer: Callable) -> None:
    """answer(net, x (B,2), t (B,)) -> True where the first prediction of net.pair(x, t, y) is the same for every y."""
    net, x, t = example(Twin, 1)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    got = answer(net, x, t)
    mistake = "you compared the second prediction: that one is conditional, and should change with y"
    check("a late-fusion twin passes", got, True, mistakes={mistake: False})
    changed = any(not torch.equal(value, before[name]) for name, value in net.state_dict().items())
    mistake = "fill in a copy (deepcopy): a test must leave what it tests as it was"
    check("its weights are untouched", None if got is None else changed, False, mistakes={mistake: True})
    mistake = "that a conditional head ignores the label is another fault; this test is about the unconditional one"
    check("a twin that ignores y everywhere passes", answer(*example(Deaf, 2)), True, mistakes={mistake: False})
    for name, (leak, mistake) in LEAKS.items():
        check(f"{name} is caught", answer(*example(partial(Twin, leak), 3)), False, mistakes={mistake: True})
    fresh = answer(*example(partial(Twin, lambda y: y), 4, trained=False))
    mistake = "a new network predicts 0 whatever it is asked: fill the outlets of a copy first"
    check("a leak in an untrained twin is caught", fresh, False, mistakes={mistake: True})


def check_film_pair(answer: Callable) -> None:
    """answer(net, film, x (B,2), t (B,), y (B,)) -> (eps_un, eps_cond), each (B,2)

    net has the parts of a TwinMLP; film: Embedding (K + 1, 2 width), row y + 1 holds the (scale, shift) of label y:
    h (1 + scale) + shift is what the conditional head reads.
    """
    net, x, t = example(Twin, 5)
    with weights_from(torch.Generator().manual_seed(6)):
        film = nn.Embedding(K + 1, 2 * net.config["width"]).double()
    y = torch.tensor([0, 1, 2, 2, 1, NULL])

    def pair(row=1, one=1.0, before=False, everywhere=False, null=False, swapped=False, added=False):
        """The right answer, with room for one mistake each."""
        c = net.time(t)
        scale, shift = film(y + row if row else y.clamp_min(0)).chunk(2, dim=1)
        scale, shift = (shift, scale) if swapped else (scale, shift)
        h = net.inlet(x)
        h = net.trunk(h * (one + scale) + shift if before else h, c)
        seen = h if before else h * (one + scale) + shift
        eps_un = net.outlet_un(net.head_un(seen if everywhere else h, c))
        eps_cond = net.outlet_cond(net.head_cond(seen, c + net.label(y + 1) if added else c))
        return torch.stack([eps_un, eps_cond if null else where_labelled(y, eps_cond, eps_un)])

    with torch.no_grad():
        got, right = answer(net, film, x, t, y), pair()
        mistakes = {
            "both heads read the modulated h: the label must enter the conditional head only": pair(everywhere=True),
            "both heads read the modulated h, and NULL rows differ in them": pair(everywhere=True, null=True),
            "the label enters before the trunk, which both heads share": pair(before=True),
            "eps_cond must be eps_un in the rows where y is NULL (where_labelled does it)": pair(null=True),
            "film has a row for NULL: label y is at row y + 1": pair(row=0),
            "h is multiplied by 1 + scale, so that a scale of 0 changes nothing": pair(one=0.0),
            "scale and shift are swapped: the first half of a row is the scale": pair(swapped=True),
            "the label is added to c as well: here film does its work alone": pair(added=True),
            "the order is (eps_un, eps_cond), unconditional first": right.flip(0),
        }
        got = torch.stack(list(got)) if isinstance(got, tuple | list) else got
        check("the pair", got, right, mistakes=mistakes)


def check_fork_costs(answer: Callable) -> None:
    """answer(f) -> (weights of a twin / weights of one network, time of a twin / time of a doubled batch)

    f: the share of one network's weights and time that lies in the trunk.
    """
    for f in (0.25, 0.6):
        mistakes = {
            "the trunk is shared, so it is f that is counted once, and the heads, 1 - f, twice": (1 + f, (1 + f) / 2),
            "time against the doubled batch, which runs everything twice: divide by 2": (2 - f, 2 - f),
            "the doubled batch has one network's weights: divide the time by 2, not the weights": (1 - f / 2,) * 2,
            "that is two whole networks: the trunk is there once, and runs once": (2.0, 1.0),
            "the two are the other way round: weights first, then time": (1 - f / 2, 2 - f),
            "with one head the trunk saves nothing: count both heads": (1.0, 0.5),
        }
        check(f"costs with f = {f}", answer(f), (2 - f, 1 - f / 2), mistakes=mistakes)
