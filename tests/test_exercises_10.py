"""Notebook 10: wrong answers as learners write them, each with a diagnosis of its own, and right ones beside them."""

from itertools import pairwise
from math import log, sqrt

import numpy as np
import pytest
import torch
from helpers import wrong_answers

from cfgedu.exercises.n10 import check_gain, check_same_accuracy, check_steps, check_x0_step
from cfgedu.guidance import within

LOST = "the two no longer make up x"

# ---------------------------------------------------------------- 1: a step on x_0


def parts(x, un, cond, r, a_t):
    """The guided x_0 and its eps."""
    x0 = un + r * (cond - un)
    return x0, (x - sqrt(a_t) * x0) / sqrt(1 - a_t)


def without_noise(x, un, cond, r, a_t, a_s):
    return sqrt(a_s) * (un + r * (cond - un))


def with_fresh_noise(x, un, cond, r, a_t, a_s):
    return sqrt(a_s) * (un + r * (cond - un)) + sqrt(1 - a_s) * torch.randn_like(x)


def without_the_last_roots(x, un, cond, r, a_t, a_s):
    x0, eps = parts(x, un, cond, r, a_t)
    return a_s * x0 + (1 - a_s) * eps


def eps_undivided(x, un, cond, r, a_t, a_s):
    x0 = un + r * (cond - un)
    return sqrt(a_s) * x0 + sqrt(1 - a_s) * (x - sqrt(a_t) * x0)


def x_for_eps(x, un, cond, r, a_t, a_s):
    return sqrt(a_s) * (un + r * (cond - un)) + sqrt(1 - a_s) * x


def guided_eps_alone(which):
    def step(x, un, cond, r, a_t, a_s):
        of_un, of_cond = ((x - sqrt(a_t) * x0) / sqrt(1 - a_t) for x0 in (un, cond))
        return sqrt(a_s) * (un, cond)[which] + sqrt(1 - a_s) * (of_un + r * (of_cond - of_un))

    return step


WRONG_STEPS = {
    "the noise is missing": without_noise,
    "gives two answers: does it draw random numbers": with_fresh_noise,
    "the roots are missing in the mix": without_the_last_roots,
    "eps is left undivided": eps_undivided,
    "x takes the place of eps": x_for_eps,
    f"eps belongs to the guided x_0, but you mix it with the unconditional x_0: {LOST}": guided_eps_alone(0),
    f"eps belongs to the guided x_0, but you mix it with the conditional x_0: {LOST}": guided_eps_alone(1),
    "that is the eps of the guided x_0": lambda x, un, cond, r, a_t, a_s: parts(x, un, cond, r, a_t)[1],
}

# ---------------------------------------------------------------- 2: the spread at an accuracy


def on_the_logit_axis(accuracy, spread, target):
    height = [log(p / (1 - p)) for p in accuracy.tolist()]
    return np.interp(log(target / (1 - target)), height, spread)


def of_the_two_nearest(accuracy, spread, target):
    i, j = sorted(range(len(accuracy)), key=lambda k: abs(accuracy[k] - target))[:2]
    return spread[i] + (target - accuracy[i]) / (accuracy[j] - accuracy[i]) * (spread[j] - spread[i])


def one_too_far(accuracy, spread, target):
    i = torch.searchsorted(accuracy, target)
    w = (target - accuracy[i]) / (accuracy[i + 1] - accuracy[i])
    return (1 - w) * spread[i] + w * spread[i + 1]


WRONG_SPREADS = {
    "on the logit axis": on_the_logit_axis,
    "the two nearest scales": of_the_two_nearest,
    "the neighbour above and the next one": one_too_far,
    "the position of a neighbour": lambda accuracy, spread, target: np.searchsorted(accuracy.numpy(), target),
}

# ---------------------------------------------------------------- 3: an interval


def as_accurate(measure, interval):
    low, high = 1.0, 8.0
    for _ in range(20):
        middle = (low + high) / 2
        if measure(middle)[0] < measure(interval)[0]:
            low = middle
        else:
            high = middle
    return middle


def nearest_whole(measure, interval):
    accuracy, spread = measure(interval)
    return spread / measure(min(range(1, 9), key=lambda r: abs(measure(r)[0] - accuracy)))[1]


WRONG_GAINS = {
    "at the nearest whole scale": nearest_whole,
    "against r = 3.5, which section 7 found for its own clouds": lambda measure, it: measure(it)[1] / measure(3.5)[1],
    "the ratio less 1": lambda measure, it: measure(it)[1] / measure(as_accurate(measure, it))[1] - 1,
    "the ratio of the accuracies": lambda measure, it: measure(it)[0] / measure(as_accurate(measure, it))[0],
}

# ---------------------------------------------------------------- 4: enough steps


def band(counts, values, tolerance):
    for i in range(len(counts)):
        if max(values[i:]) - min(values[i:]) <= tolerance * values[-1]:
            break
    return counts[i]


def last_far(counts, values, tolerance):
    return [c for c, v in zip(counts, values) if abs(v - values[-1]) > tolerance * values[-1]][-1]


WRONG_COUNTS = {
    "you hold the later values against each other": band,
    "where all are near: your function raised IndexError": last_far,
}

CASES = wrong_answers(
    (check_x0_step, WRONG_STEPS),
    (check_same_accuracy, WRONG_SPREADS),
    (check_gain, WRONG_GAINS),
    (check_steps, WRONG_COUNTS),
)


@pytest.mark.parametrize(("check", "sentence", "answer"), CASES)
def test_a_wrong_answer_is_recognised(capsys, check, sentence, answer):
    assert not check(answer)
    assert sentence in capsys.readouterr().out


def test_right_answers_in_a_learners_own_way():
    def with_powers(x, un, cond, r, a_t, a_s):
        x0, eps = parts(x, un, cond, r, a_t)
        return x0 * a_s**0.5 + eps * (1 - a_s) ** 0.5

    def between(accuracy, spread, target):
        rows = list(zip(accuracy.tolist(), spread.tolist()))
        return next(s + (target - p) / (q - p) * (u - s) for (p, s), (q, u) in pairwise(rows) if p <= target <= q)

    def constant_as_a_function(measure, interval):
        r = as_accurate(lambda scale: measure(scale if callable(scale) else lambda t: scale), interval)
        return measure(interval)[1] / measure(within(r, 0, 1000))[1]

    def numpy_counts(counts, values, tolerance):
        far = np.abs(np.array(values) - values[-1]) > tolerance * values[-1]
        return counts[np.flatnonzero(far)[-1] + 1] if far.any() else counts[0]

    assert check_x0_step(with_powers)
    assert check_same_accuracy(between)
    assert check_gain(lambda measure, it: measure(it)[1] / measure(as_accurate(measure, it))[1])
    assert check_gain(constant_as_a_function)
    assert check_steps(numpy_counts)
