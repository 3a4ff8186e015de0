"""Every check of notebook 04: the right answer passes, and each named mistake is named."""

from itertools import pairwise
from math import sqrt

import pytest
import torch
from helpers import assert_verdict, cases

from cfgedu.exercises.n04 import check_beta_step, check_ddim_as_euler, check_loop, check_reverse_variance
from cfgedu.samplers import ddpm_step


def said(capsys, check, answer):
    check(answer)
    return capsys.readouterr().out


def sigma(a):
    return sqrt((1 - a) / a)


EULER = {
    "": lambda x, eps, a_t, a_s, z: sqrt(a_s) * (x / sqrt(a_t) + (sigma(a_s) - sigma(a_t)) * eps),
    "still in the rescaled variable": lambda x, eps, a_t, a_s, z: x / sqrt(a_t) + (sigma(a_s) - sigma(a_t)) * eps,
    "scaled back with sqrt(a_t)": lambda x, eps, a_t, a_s, z: x + sqrt(a_t) * (sigma(a_s) - sigma(a_t)) * eps,
    "not sqrt(1 - a)": lambda x, eps, a_t, a_s, z: sqrt(a_s) * (x / sqrt(a_t) + (sqrt(1 - a_s) - sqrt(1 - a_t)) * eps),
    "sign of the step": lambda x, eps, a_t, a_s, z: sqrt(a_s) * (x / sqrt(a_t) - (sigma(a_s) - sigma(a_t)) * eps),
    "not divided by sqrt(a_t)": lambda x, eps, a_t, a_s, z: sqrt(a_s) * (x + (sigma(a_s) - sigma(a_t)) * eps),
}


def mean(x, eps, a_t, a_s):
    return (x - (1 - a_t / a_s) / sqrt(1 - a_t) * eps) / sqrt(a_t / a_s)


BETA = {
    "": lambda x, eps, a_t, a_s, z: mean(x, eps, a_t, a_s) + sqrt(1 - a_t / a_s) * z,
    "beta-tilde": ddpm_step,
    "standard deviation is sqrt(beta)": lambda x, eps, a_t, a_s, z: mean(x, eps, a_t, a_s) + (1 - a_t / a_s) * z,
    "whole way from 0 to t": lambda x, eps, a_t, a_s, z: mean(x, eps, a_t, a_s) + sqrt(1 - a_t) * z,
    "no noise was added": lambda x, eps, a_t, a_s, z: mean(x, eps, a_t, a_s),
    "not divided by sqrt(1 - beta)": lambda x, eps, a_t, a_s, z: (
        sqrt(a_t / a_s) * mean(x, eps, a_t, a_s) + sqrt(1 - a_t / a_s) * z
    ),
}


def V(v, a):
    return a * v + 1 - a


VARIANCE = {
    "": lambda v, a_t, a_s: (1 - a_t / a_s) * V(v, a_s) / V(v, a_t),
    "this is beta-tilde": lambda v, a_t, a_s: (1 - a_t / a_s) * V(0, a_s) / V(0, a_t),
    "this is beta,": lambda v, a_t, a_s: 1 - a_t / a_s,
    "upside down": lambda v, a_t, a_s: (1 - a_t / a_s) * V(v, a_t) / V(v, a_s),
    "this is V_s": lambda v, a_t, a_s: V(v, a_s),
    "square it": lambda v, a_t, a_s: sqrt((1 - a_t / a_s) * V(v, a_s) / V(v, a_t)),
}


def loop(told=lambda t, s: t, levels=lambda a, t, s: (a[t], a[s]), noise=lambda s: s > 0, order=list):
    """A sampling loop with room for one bug each."""

    def run(step, model, schedule, x, y, times):
        a, generator = schedule.alpha_bar.tolist(), torch.Generator().manual_seed(0)
        for t, s in pairwise(order(times)):
            eps = model(x, torch.full_like(y, told(t, s)), y)
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype) if noise(s) else torch.zeros_like(x)
            x = step(x, eps, *levels(a, t, s), z)
        return x

    return run


LOOPS = {
    "": loop(),
    "last step is missing": loop(order=lambda times: times[:-1]),
    "told s, where the step goes, in": loop(told=lambda t, s: max(s, 1)),
    "told s, where the step goes (0": loop(told=lambda t, s: s),
    "told t - 1": loop(told=lambda t, s: t - 1),
    "the times run upwards": loop(order=lambda times: times[::-1]),
    "a_t and a_s are swapped": loop(levels=lambda a, t, s: (a[s], a[t])),
    "one index off": loop(levels=lambda a, t, s: (a[t - 1], a[max(s - 1, 0)])),
    "adds fresh noise": loop(noise=lambda s: True),
    "no step gets fresh noise": loop(noise=lambda s: False),
}
ANSWERS = {check_ddim_as_euler: EULER, check_beta_step: BETA, check_reverse_variance: VARIANCE, check_loop: LOOPS}


@pytest.mark.parametrize(("check", "mistake", "answer"), cases(ANSWERS))
def test_answers(capsys, check, mistake, answer):
    assert_verdict(capsys, check, mistake, answer)


@pytest.mark.parametrize("check", [check_ddim_as_euler, check_beta_step, check_reverse_variance, check_loop])
def test_no_answer_yet(capsys, check):
    assert "no answer yet" in said(capsys, check, lambda *arguments: None)
