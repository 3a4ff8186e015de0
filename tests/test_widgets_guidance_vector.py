"""The hero demo's picture and numbers agree with the package."""

import re

import matplotlib.pyplot as plt
import pytest
import torch
from helpers import assert_every_control_matters
from matplotlib.figure import Figure

from cfgedu.guidance import null_pair
from cfgedu.plots import LIM, grid
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import islands, spirals, two_gaussians
from cfgedu.widgets.guidance_vector import (
    ARROWS,
    LONGEST,
    POINTER,
    SIZE,
    START,
    guidance_vector,
    guidance_vector_demo,
)


def drawn(mixture=None, **state):
    """The scene's four quivers (field, pointer; scores, sums), its two notes, and the readout."""
    figure = Figure(figsize=SIZE)
    text = guidance_vector(figure, mixture)(**START | state)
    quivers = [part for ax in figure.axes for part in ax.collections if hasattr(part, "U")]
    return [vectors(q) for q in quivers], [ax.get_title(loc="right") for ax in figure.axes], text


def vectors(quiver):
    return torch.stack([torch.as_tensor(quiver.U.data), torch.as_tensor(quiver.V.data)], 1).double()


def scores(x, t, label):
    schedule, B = linear(), len(x)
    pair = null_pair(islands().denoiser(schedule))
    eps_un, eps_cond = pair(x, torch.full((B,), t), torch.full((B,), label))
    return schedule.score(x, t, eps_un), schedule.score(x, t, eps_cond)


def number(pattern, text):
    return float(re.search(pattern, text)[1])


STATES = [START, {"t": 10, "r": 8.0, "label": 2, "px": -2.7}, {"t": 1000, "r": 0.0, "label": 1, "py": 0.0}]


@pytest.mark.parametrize("state", STATES)
def test_numbers_are_the_packages(state):
    state = START | state
    (field, pointer, parts, sums), (left, right), text = drawn(**state)
    points = grid(ARROWS, LIM * (1 - 1 / ARROWS)).double()
    s_un, s_cond = scores(points, state["t"], state["label"])
    g = s_cond - s_un
    torch.testing.assert_close(field, LONGEST * g / g.norm(dim=1).max(), atol=1e-6, rtol=1e-5)
    assert number(r"longest arrow ([\d.e+-]+)", left) == pytest.approx(float(g.norm(dim=1).max()), rel=0.06)

    here = torch.tensor([[state["px"], state["py"]]], dtype=torch.float64)
    (s_un,), (s_cond,) = scores(here, state["t"], state["label"])
    guided = s_un + state["r"] * (s_cond - s_un)
    reach = number(r"outer circle ([\d.e+-]+)", right)
    close = {"atol": 1e-6, "rtol": 1e-5}
    torch.testing.assert_close(parts * reach, torch.stack([s_un, s_cond]), **close)
    torch.testing.assert_close(sums * reach, torch.stack([guided - s_un, guided]), **close)
    torch.testing.assert_close(pointer[0], POINTER * guided / guided.norm(), **close)
    a = float(linear().alpha_bar[state["t"]])
    p = float(islands().posterior(here, a)[0, state["label"]])
    assert number(r"x_t\) = ([\d.]+)", text) == pytest.approx(p, abs=6e-4)
    assert number(r"\|g\| = ([\d.e+-]+)", text) == pytest.approx(float((s_cond - s_un).norm()), rel=0.01, abs=1e-6)
    assert "nan" not in text


def test_every_arrow_of_the_sum_lies_inside_the_outer_circle():
    for t in (10, 100, 500, 1000):
        for r in (0.0, 1.0, 8.0):
            (_, _, parts, sums), _, _ = drawn(t=t, r=r, px=-2.0, py=1.5)
            assert torch.cat([parts, sums[1:]]).norm(dim=1).max() <= 1 + 1e-5


def test_the_picture_follows_every_control():
    assert_every_control_matters(guidance_vector_demo(), t=500, r=3.0, label=1, px=-1.0, py=-0.5)


def test_the_slider_of_t_stays_in_the_schedule():
    demo = guidance_vector_demo()
    t = demo.controls["t"]
    assert t.min >= 1
    assert t.max == linear().T
    for value in (t.min, t.max):
        t.value = value
        assert demo.readout.value.startswith(f"t = {value},")


def test_code_of_the_demo_draws_it(capsys):
    demo = guidance_vector_demo()
    exec(demo.code, {})
    assert capsys.readouterr().out.startswith("t = 150")
    plt.close("all")


@pytest.mark.parametrize("world", [two_gaussians, spirals])
def test_other_worlds_and_schedules(world):
    schedule = Schedule(linear().alpha_bar[::20])  # T = 50
    demo = guidance_vector_demo(world(), schedule)
    assert demo.controls["t"].max == 50
    assert len(demo.controls["label"].options) == world().K
    assert "partial(guidance_vector, mixture=mixture, schedule=schedule)" in demo.code
    assert bytes(demo.picture.value).startswith(b"\x89PNG")
