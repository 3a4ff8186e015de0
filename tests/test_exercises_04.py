"""Notebook 04: the loop that is to be mended, bug by bug, and the variance of a reverse step on samples."""

import pytest
import torch

from cfgedu.exercises.loops import LEVELS, NOISE, ORDER, TOLD, by_index, found, loop
from cfgedu.exercises.n04 import check_loop, check_reverse_variance
from cfgedu.protocol import seeded
from cfgedu.samplers import ddpm_step, trajectory
from cfgedu.schedule import linear
from cfgedu.toy import oracle

MISSING = list(ORDER)[1]


def said(capsys, answer):
    check_loop(answer)
    return capsys.readouterr().out


def test_the_loop_as_it_was_found_is_named_with_both_bugs_that_show(capsys):
    out = said(capsys, found)
    assert f"{MISSING}; {list(TOLD)[1]}." in out
    assert "The shapes differ" not in out


@pytest.mark.parametrize("told", TOLD)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("noise", NOISE)
def test_bugs_do_not_hide_each_other(capsys, told, level, noise):
    out = said(capsys, loop(told, level, noise))
    for bug in (told, level, noise):
        assert (f"Likely mistake: {bug}." in out) == bool(bug)
    assert out.count("✗") == 0 or told or level or noise


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
    """With DDIM-like steps and with noise at the end: only with all three mended is the oracle's point reached."""
    x_T, x0 = torch.randn(2, 100, 2, generator=seeded(0), dtype=torch.float64)
    y, schedule = torch.zeros(100, dtype=torch.long), linear()
    bugs = {"told": list(TOLD)[1], "order": MISSING}
    for mended in ({}, {"told": ""}, {"order": ""}, {"told": "", "order": ""}):
        end = loop(**(bugs | mended))(ddpm_step, oracle(schedule, x0), schedule, x_T, y, schedule.grid(20))
        assert bool((end - x0).abs().max() < 1e-9) == (len(mended) == 2)


def test_the_reverse_variance_is_the_one_measured():
    v, (a_s, a_t) = 0.3, linear().alpha_bar[[50, 100]]
    x0, e_s, e_t = torch.randn(3, 400_000, generator=seeded(5), dtype=torch.float64)
    x_s = (a_s * v).sqrt() * x0 + (1 - a_s).sqrt() * e_s
    x_t = (a_t / a_s).sqrt() * x_s + (1 - a_t / a_s).sqrt() * e_t
    slope = (x_s * x_t).mean() / x_t.square().mean()
    measured = float((x_s - slope * x_t).square().mean())
    assert measured == pytest.approx(float(check_reverse_variance.right[0](v, a_t, a_s)), rel=0.01)
