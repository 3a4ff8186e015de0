"""Notebook 11: wrong answers as learners write them, each with a diagnosis of its own, and right ones beside them."""

import pytest
import torch
from helpers import wrong_answers

from cfgedu.exercises.n11 import check_expected_accuracy, check_grid, check_unconditional
from cfgedu.guidance import guided, null_pair
from cfgedu.protocol import NULL
from cfgedu.samplers import ddim_step, sample, trajectory

# ---------------------------------------------------------------- 1: ask for nothing


def mean_picture(net, schedule, x_T, steps):
    """The mean of ten conditional samples, added up one class after the other."""
    total = 0
    for k in range(10):
        total = total + sample(ddim_step, net, schedule, x_T, torch.full((len(x_T),), k), steps)
    return total / 10


def labels_by_chance(net, schedule, x_T, steps):
    return sample(ddim_step, net, schedule, x_T, torch.randint(0, 10, (len(x_T),)), steps)


def every_level(net, schedule, x_T, steps):
    return list(trajectory(ddim_step, net, schedule, x_T, torch.full((len(x_T),), NULL), steps))


WRONG_SAMPLES = {
    "is a mean picture, not a sample": mean_picture,
    "draw no label by chance": labels_by_chance,
    "That is the whole trajectory": every_level,
}


def asks_null_whatever_y(net, schedule, x_T, steps):
    """Any labels will do, also random ones, where the model replaces them."""
    y = torch.randint(0, 10, (len(x_T),))
    *_, x_0 = trajectory(ddim_step, lambda x, t, y: net(x, t, torch.full_like(y, NULL)), schedule, x_T, y, steps)
    return x_0


def one_after_the_other(net, schedule, x_T, steps):
    return [sample(ddim_step, net, schedule, x[None], torch.tensor([NULL]), steps)[0].numpy() for x in x_T]


# ---------------------------------------------------------------- 2: what r = 0 must score


def frequencies(shares, y):
    return torch.tensor([(y == k).double().mean() for k in range(len(shares))])


WRONG_ACCURACIES = {
    "not by the number of classes": lambda shares, y: sum(float(shares[k]) for k in y) / 10,
    "the best that any order of the labels could reach": (
        lambda shares, y: 1 - (shares - frequencies(shares, y)).abs().sum() / 2
    ),
    "you counted each kind once": lambda shares, y: torch.stack([shares[k] for k in {*y.tolist()}]).mean(),
}

# ---------------------------------------------------------------- 3: a grid in one call


def in_one_call(r, x, y, shape):
    """A grid whose batch is laid out by the four functions of (scales, x_T, y, R, C) or (x_0, R, C)."""

    def draw(net, schedule, x_T, labels, scales, steps):
        R, C = len(scales), len(x_T)
        model = guided(null_pair(net), r(scales, C))
        return shape(sample(ddim_step, model, schedule, x(x_T, R), y(labels, R), steps), R, C)

    return draw


def again(x, R):
    return torch.cat([x] * R)


def each(x, R):
    return x.repeat_interleave(R, 0)


def rows(x_0, R, C):
    return x_0.unflatten(0, (R, C))


def columns(x_0, R, C):
    return x_0.unflatten(0, (C, R)).transpose(0, 1)


def in_halves(net, schedule, x_T, y, scales, steps):
    """Two calls of sample, the second for the second half of the scales."""
    return torch.cat(
        [in_one_call(each, again, again, rows)(net, schedule, x_T, y, part, steps) for part in scales.chunk(2)]
    )


def model_in_chunks(net, schedule, x_T, y, scales, steps):
    """One call of sample; the model asks the network, by name, for half of the batch at a time."""

    def half(x, t, y, r):
        un, cond = net(x, t=t, y=torch.full_like(y, NULL)), net(x, t=t, y=y)
        return un + r[:, None, None, None] * (cond - un)

    def model(x, t, y):
        parts = zip(*(part.chunk(2) for part in (x, t, y, r)), strict=True)
        return torch.cat([half(*part) for part in parts])

    R, C = len(scales), len(x_T)
    r = each(scales, C)
    return rows(sample(ddim_step, model, schedule, again(x_T, R), again(y, R), steps), R, C)


def without_guidance(net, schedule, x_T, y, scales, steps):
    row = sample(ddim_step, net, schedule, x_T, y, steps)
    return torch.stack([row] * len(scales))


WRONG_GRIDS = {
    "and so must the noises": in_one_call(each, each, again, rows),
    "and so must the labels": in_one_call(each, again, each, rows),
    "then swap the two axes": in_one_call(again, each, each, rows),
    "every column got the first noise": in_one_call(each, lambda x, R: again(x[:1], R * len(x)), again, rows),
    "the scales play no part": without_guidance,
    "`sample` ran more than once": in_halves,
}

# ---------------------------------------------------------------- tests


@pytest.mark.parametrize(
    ("check", "sentence", "answer"),
    wrong_answers(
        (check_unconditional, WRONG_SAMPLES), (check_expected_accuracy, WRONG_ACCURACIES), (check_grid, WRONG_GRIDS)
    ),
)
def test_a_wrong_answer_gets_its_own_diagnosis(check, sentence, answer, capsys):
    assert not check(answer)
    out = capsys.readouterr().out
    assert sentence in out
    assert out.count("✗") == 1


RIGHT = (
    (check_unconditional, asks_null_whatever_y),
    (check_unconditional, one_after_the_other),
    (check_expected_accuracy, lambda shares, y: frequencies(shares, y) @ shares),
    (check_grid, in_one_call(again, each, each, columns)),
    (check_grid, model_in_chunks),
)


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_another_right_form_passes(check, answer):
    assert check(answer)
