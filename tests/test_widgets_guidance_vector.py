"""The hero demo's numbers are the package's."""

import pytest
import torch
from helpers import Later, number, quivers, vectors

from cfgedu.guidance import null_pair
from cfgedu.plots import LIM, grid
from cfgedu.schedule import linear
from cfgedu.toy import islands
from cfgedu.widgets.guidance_vector import ARROWS, LONGEST, POINTER, guidance_vector_demo

DEMO = Later(guidance_vector_demo)


def drawn(**state):
    """The scene's four quivers (field, pointer; scores, sums), its two notes, and the readout."""
    text = DEMO.update(**DEMO.start | state)
    return [vectors(q) for q in quivers(DEMO)], [ax.get_title(loc="right") for ax in DEMO.figure.axes], text


def scores(x, t, label):
    schedule, B = linear(), len(x)
    pair = null_pair(islands().denoiser(schedule))
    eps_un, eps_cond = pair(x, torch.full((B,), t), torch.full((B,), label))
    return schedule.score(x, t, eps_un), schedule.score(x, t, eps_cond)


STATES = [{}, {"t": 10, "r": 8.0, "label": 2, "px": -2.7}, {"t": 1000, "r": 0.0, "label": 1, "py": 0.0}]


@pytest.mark.parametrize("state", STATES)
def test_numbers_are_the_packages(state):
    state = DEMO.start | state
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


def test_every_arrow_of_the_sum_lies_inside_the_outer_circle():
    for t in (10, 100, 500, 1000):
        for r in (0.0, 1.0, 8.0):
            (_, _, parts, sums), _, _ = drawn(t=t, r=r, px=-2.0, py=1.5)
            assert torch.cat([parts, sums[1:]]).norm(dim=1).max() <= 1 + 1e-5


def test_the_slider_of_t_stays_in_the_schedule():
    t = DEMO.controls["t"]
    assert t.min >= 1
    assert t.max == linear().T
    for value in (t.min, t.max):
        t.value = value
        assert DEMO.readout.value.startswith(f"t = {value},")
