"""Every check of notebook 10: the right answer passes, and each named mistake is named."""

from math import sqrt

import numpy as np
import pytest
import torch
from helpers import assert_verdict, cases

from cfgedu.exercises.n10 import check_interval, check_same_accuracy, check_same_end, check_x0_step
from cfgedu.guidance import from_x0, guided, two_models, within
from cfgedu.samplers import ddim_step
from cfgedu.schedule import Schedule, from_betas, linear


def x0_step(mix=lambda un, cond, r: (1 - r) * un + r * cond, noise=lambda un, cond, x0: x0, level=lambda a_t, a_s: a_s):
    """The step with room for one mistake each: how x_0 is guided, which x_0 eps comes from, the level of the mix."""

    def answer(x, un, cond, r, a_t, a_s):
        x0 = mix(un, cond, r)
        eps = (x - sqrt(a_t) * noise(un, cond, x0)) / sqrt(1 - a_t)
        a = level(a_t, a_s)
        return sqrt(a) * x0 + sqrt(1 - a) * eps

    return answer


def by_the_package(x, x0_un, x0_cond, r, a_t, a_s):
    schedule = Schedule(torch.tensor([1.0, a_s, a_t], dtype=torch.float64))
    pair = two_models(*(from_x0(lambda x, t, y, x0=x0: x0, schedule) for x0 in (x0_un, x0_cond)))
    y = torch.zeros(len(x), dtype=torch.long)
    return ddim_step(x, guided(pair, r)(x, y + 2, y), a_t, a_s, torch.zeros_like(x))


X0_STEP = {
    "": by_the_package,
    "swapped": x0_step(lambda un, cond, r: cond + r * (un - cond)),
    "w = r - 1": x0_step(lambda un, cond, r: cond + r * (cond - un)),
    "from the conditional x_0": x0_step(noise=lambda un, cond, x0: cond),
    "from the unconditional x_0": x0_step(noise=lambda un, cond, x0: un),
    "that is the guided x_0": lambda x, un, cond, r, a_t, a_s: un + r * (cond - un),
    "gives back x": x0_step(level=lambda a_t, a_s: a_t),
    "that step is conditional": x0_step(lambda un, cond, r: cond),
}


def interval(inside=lambda t, low, high: (t > low) & (t <= high), scale=lambda r: r, outside=lambda r: 1.0):
    return lambda r, low, high: lambda t: torch.where(inside(t, low, high), scale(r), outside(r))


INTERVAL = {
    "": within,
    "No guidance is 1": interval(outside=lambda r: 0.0),
    "swapped": interval(scale=lambda r: 1.0, outside=lambda r: r),
    "high belongs to the interval, low does not": interval(lambda t, low, high: (t >= low) & (t < high)),
    "low does not belong to the interval": interval(lambda t, low, high: (t >= low) & (t <= high)),
    "the edges: high belongs to the interval.": interval(lambda t, low, high: (t > low) & (t < high)),
    "r at every t": interval(outside=lambda r: r),
    "every real r is meant": interval(scale=lambda r: r if r > 1 else 1.0),
}


def thinned_betas(alpha_bar, n):
    every = (len(alpha_bar) - 1) // n
    return from_betas((1 - alpha_bar[1:] / alpha_bar[:-1])[every - 1 :: every]).alpha_bar


def evenly(alpha_bar, n):
    return alpha_bar[torch.arange(n + 1) * (len(alpha_bar) - 1) // n]


SAME_END = {
    "": evenly,
    "the first levels": lambda alpha_bar, n: alpha_bar[: n + 1],
    "the last levels": lambda alpha_bar, n: alpha_bar[len(alpha_bar) - 1 - n :],
    "clean data, is missing": lambda alpha_bar, n: evenly(alpha_bar, n)[1:],
    "the noise to start from, is missing": lambda alpha_bar, n: evenly(alpha_bar, n)[:-1],
    "thinned out the betas": thinned_betas,
    "squeezed the usual betas": lambda alpha_bar, n: linear(n).alpha_bar,
    "the wrong way": lambda alpha_bar, n: evenly(alpha_bar, n).flip(0),
    "on a straight line": lambda alpha_bar, n: torch.linspace(1, float(alpha_bar[-1]), n + 1, dtype=torch.float64),
}


def neighbours(accuracy, spread, target, weight):
    i = int(torch.searchsorted(accuracy, target).clamp(min=1))
    share = float((target - accuracy[i - 1]) / (accuracy[i] - accuracy[i - 1]))
    return float(spread[i - 1] + weight(share) * (spread[i] - spread[i - 1]))


def with_weight(weight):
    return lambda accuracy, spread, target: neighbours(accuracy, spread, target, weight)


SAME_ACCURACY = {
    "": lambda accuracy, spread, target: np.interp(target, accuracy, spread),
    "nearest scale": lambda accuracy, spread, target: spread[(accuracy - target).abs().argmin()],
    "last scale below": with_weight(lambda share: 0.0),
    "plain mean": with_weight(lambda share: 0.5),
    "weights are swapped": with_weight(lambda share: 1 - share),
    "that is the accuracy": lambda accuracy, spread, target: target,
    "through the two ends": lambda accuracy, spread, target: np.interp(target, accuracy[[0, -1]], spread[[0, -1]]),
}
ANSWERS = {
    check_x0_step: X0_STEP,
    check_interval: INTERVAL,
    check_same_end: SAME_END,
    check_same_accuracy: SAME_ACCURACY,
}


@pytest.mark.parametrize(("check", "mistake", "answer"), cases(ANSWERS))
def test_answers(capsys, check, mistake, answer):
    assert_verdict(capsys, check, mistake, answer)


@pytest.mark.parametrize("check", ANSWERS)
def test_no_answer_yet(capsys, check):
    check(lambda *arguments: None)
    assert "no answer yet" in capsys.readouterr().out


def test_other_ways_to_write_it_pass(capsys):
    check_x0_step(x0_step())
    check_interval(interval())
    check_same_end(lambda alpha_bar, n: alpha_bar[:: (len(alpha_bar) - 1) // n])
    check_same_accuracy(with_weight(lambda share: share))
    assert "✗" not in capsys.readouterr().out
