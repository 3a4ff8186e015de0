"""Every check of notebook 09: the right answer passes, and each named mistake is named."""

from copy import deepcopy

import pytest
import torch
from helpers import assert_verdict, cases

from cfgedu.exercises.n09 import check_film_pair, check_fork_costs, check_ignores_label
from cfgedu.protocol import NULL, where_labelled


@torch.no_grad()
def awake(net):
    """A copy whose zero layers hold random numbers."""
    net = deepcopy(net)
    for p in net.parameters():
        if not p.any():
            p.normal_(generator=torch.Generator().manual_seed(0))
    return net


def filled(net):
    """The given network itself, with all its weights overwritten."""
    with torch.no_grad():
        for p in net.parameters():
            p.normal_(generator=torch.Generator().manual_seed(0))
    return net


def constant(net, t):
    """Batches in which every row asks for the same label, one batch for each label there is."""
    return [torch.full_like(t, k) for k in range(NULL, net.K)]


def shuffled(net, t):
    """Batches with the same labels in another order."""
    y = torch.arange(len(t)) % (net.K + 1) - 1
    return [y.roll(k) for k in range(net.K + 1)]


def invariance(labels=constant, wake=awake, head=0, same=torch.equal):
    """The test of exercise 1, with room for one mistake each."""

    def answer(net, x, t):
        net = wake(net)
        first, *others = [net.pair(x, t, y)[head] for y in labels(net, t)]
        return all(same(first, other) for other in others)

    return answer


IGNORES = {
    "": invariance(),
    "you compared the second prediction": invariance(head=1),
    "a test must leave what it tests as it was": invariance(wake=filled),
    "try each of 0..K-1": invariance(labels=lambda net, t: constant(net, t)[:3]),
    "you never ask with NULL": invariance(labels=lambda net, t: constant(net, t)[1:]),
    "allclose forgives small leaks": invariance(same=torch.allclose),
    "every row asks for the same label": invariance(labels=shuffled),
    "a new network predicts 0": invariance(wake=lambda net: net),
    "must not change when y alone does": lambda net, x, t: True,
    "another fault": lambda net, x, t: (
        invariance()(net, x, t) and not torch.equal(*(awake(net).pair(x, t, y)[1] for y in constant(net, t)[1:3]))
    ),
}


def film_pair(place="head", row=lambda y: y + 1, modulate=lambda h, a, b: h * (1 + a) + b, null=True, added=False):
    """The pair of exercise 2, with room for one mistake each; place: where the label enters."""

    def answer(net, film, x, t, y):
        c, (a, b) = net.time(t), film(row(y)).chunk(2, dim=1)
        h = net.inlet(x)
        h = net.trunk(modulate(h, a, b) if place == "before" else h, c)
        if place == "both":
            h = modulate(h, a, b)
        seen = modulate(h, a, b) if place == "head" else h
        eps_un = net.outlet_un(net.head_un(h, c))
        eps_cond = net.outlet_cond(net.head_cond(seen, c + net.label(y + 1) if added else c))
        return eps_un, where_labelled(y, eps_cond, eps_un) if null else eps_cond

    return answer


FILM = {
    "": film_pair(),
    "both heads read the modulated h: the label must": film_pair("both"),
    "both heads read the modulated h, and NULL rows": film_pair("both", null=False),
    "before the trunk": film_pair("before"),
    "in the rows where y is NULL": film_pair(null=False),
    "label y is at row y + 1": film_pair(row=lambda y: y.clamp_min(0)),
    "multiplied by 1 + scale": film_pair(modulate=lambda h, a, b: a * h + b),
    "scale and shift are swapped": film_pair(modulate=lambda h, a, b: h * (1 + b) + a),
    "added to c as well": film_pair(added=True),
    "unconditional first": lambda *arguments: film_pair()(*arguments)[::-1],
}
COSTS = {
    "": lambda f: (f + 2 * (1 - f), (f + 2 * (1 - f)) / 2),
    "it is f that is counted once": lambda f: (1 + f, (1 + f) / 2),
    "divide by 2": lambda f: (2 - f, 2 - f),
    "not the weights": lambda f: (1 - f / 2, 1 - f / 2),
    "two whole networks": lambda f: (2, 1),
    "weights first, then time": lambda f: (1 - f / 2, 2 - f),
    "count both heads": lambda f: (1.0, 0.5),
}
ANSWERS = {check_ignores_label: IGNORES, check_film_pair: FILM, check_fork_costs: COSTS}


@pytest.mark.parametrize(("check", "mistake", "answer"), cases(ANSWERS))
def test_answers(capsys, check, mistake, answer):
    assert_verdict(capsys, check, mistake, answer)


@pytest.mark.parametrize("check", ANSWERS)
def test_no_answer_yet(capsys, check):
    check(lambda *arguments: None)
    out = capsys.readouterr().out
    assert "no answer yet" in out
    assert "✓" not in out
    assert "✗" not in out


def test_a_test_that_always_fails_is_no_test(capsys):
    check_ignores_label(lambda net, x, t: False)
    assert "✗ a late-fusion twin passes" in capsys.readouterr().out
