"""Every check of notebook 08: the right answer passes, and each named mistake is named."""

from copy import deepcopy

import pytest
import torch
from helpers import assert_verdict

from cfgedu.exercises.n08 import check_drop_labels, check_mean_null, check_which_rate
from cfgedu.losses import drop_labels
from cfgedu.protocol import NULL


def dropper(mask, null=NULL):
    """An answer that puts `null` where mask(y, p, generator) says so."""
    return lambda y, p, generator: torch.where(mask(y, p, generator), null, y)


def coins(y, p, generator):
    return torch.rand(y.shape, generator=generator) < p


def in_place(y, p, generator):
    y[coins(y, p, generator)] = NULL
    return y


def in_place_on_a_view(y, p, generator):
    new = y[:]
    new[coins(y, p, generator)] = NULL
    return new


def first_rows(y, p, generator):
    return torch.where(torch.arange(len(y)) < p * len(y), NULL, y)


def fixed_number(y, p, generator):
    order = torch.randperm(len(y), generator=generator)
    return torch.where(order < round(p * len(y)), NULL, y)


def twice(y, p, generator):
    return drop_labels(drop_labels(y, p, generator), p, generator)


def normal(y, p, generator):
    return torch.randn(y.shape, generator=generator) < p


DROPS = {
    "": [drop_labels, dropper(coins), lambda y, p, g: torch.where(torch.rand(y.shape, generator=g) >= 1 - p, NULL, y)],
    "the mask is inverted": [dropper(lambda y, p, g: torch.rand(y.shape, generator=g) > p)],
    "one coin for the whole batch": [
        dropper(lambda y, p, g: torch.rand(1, generator=g) < p),
        dropper(lambda y, p, g: torch.rand(1, generator=g) > p),
    ],
    "wrote into y": [in_place, in_place_on_a_view],
    "are randn, normal": [dropper(normal)],
    "randn, and the mask is inverted": [dropper(lambda *args: ~normal(*args))],
    "a fair coin": [dropper(lambda y, p, g: torch.rand(y.shape, generator=g) < 0.5)],
    "nothing is ever dropped": [lambda y, p, g: y.clone()],
    "everything is dropped": [lambda y, p, g: torch.full_like(y, NULL)],
    "dropped twice over": [twice],
    "both fall": [dropper(lambda *args: coins(*args) & coins(*args))],
    "the same number of labels": [first_rows, fixed_number],
    "3 is one past the last class": [dropper(coins, null=3)],
    "0 is a class": [dropper(coins, null=0), lambda y, p, g: y * ~coins(y, p, g)],
    "that is the mask": [coins],
    "what is kept must stay": [lambda y, p, g: torch.where(coins(y, p, g), NULL, y.clamp(min=1))],
    "come from somewhere else": [dropper(lambda y, p, g: torch.rand(y.shape) < p)],
}
RATES = {
    "": [lambda loss, cond, un: (loss - cond) / (un - cond)],
    "were kept": [lambda loss, cond, un: (un - loss) / (un - cond)],
    "the sign": [lambda loss, cond, un: (cond - loss) / (un - cond)],
    "the height above": [lambda loss, cond, un: loss - cond],
    "not by the unconditional one": [lambda loss, cond, un: (loss - cond) / un],
    "ratio of two losses": [lambda loss, cond, un: loss / un],
    "upside down": [lambda loss, cond, un: (un - cond) / max(loss - cond, 1e-9)],
}


def with_null(row, copy=deepcopy):
    """An answer whose null row is row(weight (K+1, width))."""

    def answer(net):
        net = copy(net)
        with torch.no_grad():
            net.label.weight[0] = row(net.label.weight)
        return net

    return answer


def another_row(net):
    net = deepcopy(net)
    with torch.no_grad():
        net.label.weight[-1] = net.label.weight[1:].mean(0)
    return net


NULLS = {
    "": [with_null(lambda weight: weight[1:].mean(0))],
    "you changed the network itself": [with_null(lambda weight: weight[1:].mean(0), copy=lambda net: net)],
    "over all rows": [with_null(lambda weight: weight.mean(0))],
    "the last class is left out": [with_null(lambda weight: weight[:-1].mean(0))],
    "the sum of the class rows": [with_null(lambda weight: weight[1:].sum(0))],
    "the null row is as it was": [deepcopy, another_row],
    "those are zeros": [with_null(lambda weight: torch.zeros(weight.shape[1]))],
}
ANSWERS = {check_drop_labels: DROPS, check_which_rate: RATES, check_mean_null: NULLS}
CASES = [
    (check, mistake, answer)
    for check, answers in ANSWERS.items()
    for mistake, group in answers.items()
    for answer in group
]


@pytest.mark.parametrize(("check", "mistake", "answer"), CASES)
def test_answers(capsys, check, mistake, answer):
    assert_verdict(capsys, check, mistake, answer)


def test_the_class_rows_must_stay(capsys):
    def answer(net):
        net = with_null(lambda weight: weight[1:].mean(0))(net)
        with torch.no_grad():
            net.label.weight[1] = 0
        return net

    check_mean_null(answer)
    assert "✗ the class rows" in capsys.readouterr().out


@pytest.mark.parametrize("check", ANSWERS)
def test_no_answer_yet(capsys, check):
    check(lambda *arguments: None)
    assert "no answer yet" in capsys.readouterr().out


def test_an_answer_that_is_no_network(capsys):
    check_mean_null(lambda net: net.label.weight)
    assert "got a Parameter" in capsys.readouterr().out


def test_an_answer_of_another_shape(capsys):
    check_drop_labels(lambda y, p, generator: y[:2])
    assert "The shapes differ" in capsys.readouterr().out
