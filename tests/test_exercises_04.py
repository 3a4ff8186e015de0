"""Notebook 04: the loop that is to be mended, bug by bug, and the variance of a reverse step on samples."""

from itertools import pairwise
from math import sqrt

import pytest
import torch
from helpers import wrong_answers

from cfgedu.exercises.loops import LEVELS, NOISE, ORDER, TOLD, by_index, found, loop
from cfgedu.exercises.n04 import check_beta_step, check_ddim_as_euler, check_loop, check_reverse_variance
from cfgedu.protocol import seeded
from cfgedu.samplers import ddim_step, ddpm_step, trajectory
from cfgedu.schedule import linear
from cfgedu.toy import oracle

MISSING = list(ORDER)[1]


def in_sigma(first, clock, last):
    """An answer to exercise 1 from what brings x to u, the clock, and what brings u back."""
    return lambda x, eps, a_t, a_s, z: last(a_s) * (first(x, a_t) + (clock(a_s) - clock(a_t)) * eps)


def to_u(x, a):
    return x / sqrt(a)


def noise_to_signal(a):
    return sqrt((1 - a) / a)


def beta_step(divisor=sqrt, eps_over=lambda a_t, a_s: sqrt(1 - a_t), deviation=lambda a_t, a_s: sqrt(1 - a_t / a_s)):
    """An answer to exercise 2; divisor: what the mean is divided by, from 1 - beta."""

    def step(x, eps, a_t, a_s, z):
        mean = (x - (1 - a_t / a_s) / eps_over(a_t, a_s) * eps) / divisor(a_t / a_s)
        return mean + deviation(a_t, a_s) * z

    return step


def variance(V_s, V_t):
    """An answer to exercise 3 from its two variances."""
    return lambda v, a_t, a_s: (1 - a_t / a_s) * V_s(v, a_s) / V_t(v, a_t)


def spread(v, a):
    return a * v + (1 - a)


WRONG_EULER = {
    "here a is outside the root": in_sigma(to_u, lambda a: sqrt(1 - a) / a, sqrt),
    "1 - a / a is 0": in_sigma(to_u, lambda a: sqrt(1 - a / a), sqrt),
    "the step in sigma is missing": lambda x, eps, a_t, a_s, z: sqrt(a_s) * to_u(x, a_t),
    "the roots are missing, at the beginning and at the end": in_sigma(
        lambda x, a: x / a, noise_to_signal, lambda a: a
    ),
    "x was multiplied by sqrt(a_t)": in_sigma(lambda x, a: x * sqrt(a), noise_to_signal, sqrt),
    "this one goes on to sigma = 0": lambda x, eps, a_t, a_s, z: sqrt(a_s / a_t) * (x - sqrt(1 - a_t) * eps),
}
WRONG_BETA = {
    "the noise has the variance beta": beta_step(deviation=lambda a_t, a_s: sqrt(a_t / a_s)),
    "that is for the loop to do": beta_step(deviation=lambda a_t, a_s: sqrt(1 - a_t / a_s) if a_s < 1 else 0.0),
    "the mean is divided by 1 - beta": beta_step(divisor=lambda alpha: alpha),
    "the score is taken at x_t": beta_step(eps_over=lambda a_t, a_s: sqrt(1 - a_s)),
}
WRONG_VARIANCES = {
    "V_s is the numerator, V_t the denominator": lambda v, a_t, a_s: (1 - a_t / a_s) * spread(v, a_t) / spread(v, a_s),
    "the precision of x_t holds that of one step": lambda v, a_t, a_s: (
        1 / (1 / spread(v, a_s) + (a_t / a_s) / (1 - a_t))
    ),
    "beta-tilde holds": variance(lambda v, a: (1 - a) * spread(v, a), lambda v, a: (1 - a) * spread(v, a)),
    "this is the share of V_s": lambda v, a_t, a_s: 1 - a_t / a_s * spread(v, a_s) / spread(v, a_t),
    "v enters V_s as a_s v": variance(lambda v, a: v + 1 - a, lambda v, a: v + 1 - a),
    "that of its variance v is a": variance(lambda v, a: sqrt(a) * v + 1 - a, lambda v, a: sqrt(a) * v + 1 - a),
}
TABLES = ((check_ddim_as_euler, WRONG_EULER), (check_beta_step, WRONG_BETA))
TABLES += ((check_reverse_variance, WRONG_VARIANCES),)


@pytest.mark.parametrize(("check", "sentence", "answer"), wrong_answers(*TABLES))
def test_a_wrong_function_gets_its_diagnosis(capsys, check, sentence, answer):
    assert not check(answer)
    assert sentence in capsys.readouterr().out


def test_right_answers_in_a_learners_own_way():
    assert check_ddim_as_euler(in_sigma(to_u, noise_to_signal, sqrt))
    assert check_beta_step(beta_step())
    assert check_reverse_variance(variance(spread, spread))


def test_the_beta_step_may_take_its_levels_in_float32():
    def step(x, eps, a_t, a_s, z):
        a_t, a_s = a_t.float(), a_s.float()
        beta = 1 - a_t / a_s
        return (x - beta / (1 - a_t).sqrt() * eps) / (1 - beta).sqrt() + beta.sqrt() * z

    assert check_beta_step(step)


def said(capsys, answer):
    check_loop(answer)
    return capsys.readouterr().out


def test_the_loop_as_it_was_found_is_named_with_both_bugs_that_show(capsys):
    out = said(capsys, found)
    assert f"{MISSING}; {list(TOLD)[1]}." in out
    assert "The shapes differ" not in out


@pytest.mark.parametrize("order", [order for order in ORDER if order])
def test_a_wrong_order_of_the_times_is_named_at_every_look(capsys, order):
    assert said(capsys, loop(order=order)).count(f"Likely mistake: {order}.") == 3


def test_the_last_step_missing_and_no_noise_in_the_one_before_is_no_first_step_missing(capsys):
    def half_mended(step, model, schedule, x, y, times):
        a = schedule.alpha_bar.tolist()
        for i in range(len(times) - 2):
            t, s = times[i], times[i + 1]
            z = torch.randn_like(x) if i < len(times) - 3 else torch.zeros_like(x)
            x = step(x, model(x, torch.full_like(y, t), y), a[t], a[s], z)
        return x

    out = said(capsys, half_mended)
    assert MISSING in out
    assert "the first step is missing" not in out


def test_a_model_told_s_and_never_0_ends_nowhere_near_the_point(capsys):
    assert said(capsys, loop(told=list(TOLD)[1])).count("The largest difference") == 2


@pytest.mark.parametrize("told", TOLD)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("noise", NOISE)
def test_bugs_do_not_hide_each_other(capsys, told, level, noise):
    out = said(capsys, loop(told, level, noise))
    for bug in (told, level, noise):
        assert (f"Likely mistake: {bug}." in out) == bool(bug)
    assert out.count("✗") == 0 or told or level or noise


@pytest.mark.parametrize(
    ("times_with_noise", "words"),
    [
        (lambda t, s: t > 1, "the noise is left out where t is 1"),  # right where all 1000 steps are taken
        (lambda t, s: s > 1, "the step to s = 1 gets no noise"),  # right where no list of times visits 1
    ],
)
def test_a_rule_for_t_or_s_of_1_is_named(capsys, times_with_noise, words):
    def run(step, model, schedule, x, y, times):
        a = schedule.alpha_bar.tolist()
        for t, s in pairwise(times):
            z = torch.randn_like(x) if times_with_noise(t, s) else torch.zeros_like(x)
            x = step(x, model(x, torch.full_like(y, t), y), a[t], a[s], z)
        return x

    assert f"Likely mistake: {words}" in said(capsys, run)


def test_any_way_to_write_it_is_right(capsys):
    def by_while(step, model, schedule, x, y, times, generator=None):
        times, a = list(times), schedule.alpha_bar.float()
        t = times.pop(0)
        while times:
            s = times.pop(0)
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype) if s else 0.0
            x = step(x, model(x, torch.full((len(x),), t), y), float(a[t]), float(a[s]), z)
            t = s
        return x

    for answer in (by_while, by_index, lambda *given: list(trajectory(*given))[-1]):
        assert "✗" not in said(capsys, answer)


def test_what_is_no_end_of_a_walk_is_named(capsys):
    assert "the whole trajectory" in said(capsys, lambda *given: torch.stack(list(trajectory(*given))))
    assert "generator" in said(capsys, trajectory)
    assert "a step wants a tensor for z" in said(capsys, lambda step, m, sch, x, y, times: step(x, x, 0.1, 0.2, None))
    ignores_times = said(capsys, lambda step, m, sch, x, y, times: loop()(step, m, sch, x, y, sch.grid(5)))
    assert "are asked for" in ignores_times


def test_the_found_loop_has_the_bugs_that_the_exercise_tells_of():
    """With DDPM, whose last noise is 0, and with DDIM the oracle's point is reached as soon as two are mended."""
    x_T, x0 = torch.randn(2, 100, 2, generator=seeded(0), dtype=torch.float64)
    y, schedule = torch.zeros(100, dtype=torch.long), linear()
    bugs = {"told": list(TOLD)[1], "order": MISSING}
    for mended in ({}, {"told": ""}, {"order": ""}, {"told": "", "order": ""}):
        for step, small in ((ddpm_step, 1e-9), (ddim_step, 1e-12)):
            run = loop(**(bugs | {"noise": list(NOISE)[1]} | mended))
            end = run(step, oracle(schedule, x0), schedule, x_T, y, schedule.grid(20))
            assert bool((end - x0).abs().max() < small) == (len(mended) == 2)


def test_the_last_step_added_first_asks_the_oracle_about_0():
    x_T, x0 = torch.randn(2, 100, 2, generator=seeded(0), dtype=torch.float64)
    run, schedule = loop(told=list(TOLD)[2], noise=list(NOISE)[1]), linear()
    end = run(ddim_step, oracle(schedule, x0), schedule, x_T, torch.zeros(100, dtype=torch.long), schedule.grid(20))
    assert not bool(torch.isfinite(end).any())


def test_the_reverse_variance_is_the_one_measured():
    v, (a_s, a_t) = 0.3, linear().alpha_bar[[50, 100]]
    x0, e_s, e_t = torch.randn(3, 400_000, generator=seeded(5), dtype=torch.float64)
    x_s = (a_s * v).sqrt() * x0 + (1 - a_s).sqrt() * e_s
    x_t = (a_t / a_s).sqrt() * x_s + (1 - a_t / a_s).sqrt() * e_t
    slope = (x_s * x_t).mean() / x_t.square().mean()
    measured = float((x_s - slope * x_t).square().mean())
    assert measured == pytest.approx(float(check_reverse_variance.right[0](v, a_t, a_s)), rel=0.01)
