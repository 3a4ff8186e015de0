"""The noise explorer's picture and numbers agree with the package."""

import pytest
import torch
from helpers import Later

from cfgedu.toy import islands, two_gaussians
from cfgedu.widgets.noise import SCHEDULES, TRACKED_EPS, noise_explorer_demo

DEMO = Later(noise_explorer_demo)
STATES = [{}, {"t": 0, "schedule": "cosine", "label": 0}, {"t": 1000, "schedule": "linear", "label": 2}]


@pytest.mark.parametrize("state", STATES)
def test_numbers_are_the_packages(state):
    state = DEMO.start | state
    world, s = islands(), SCHEDULES[state["schedule"]]
    text = DEMO.update(**state)
    largest = max((j for j in range(6) if world.label[j] == state["label"]), key=lambda j: world.weight[j])
    a = float(s.alpha_bar[state["t"]])
    x = a**0.5 * world.mean[largest].double() + (1 - a) ** 0.5 * torch.tensor(TRACKED_EPS, dtype=torch.float64)
    p = world.posterior(x[None], a)[0]

    cloud, bars, curves = DEMO.figure.axes
    star = next(line for line in cloud.lines if line.get_marker() == "*")
    torch.testing.assert_close(torch.as_tensor(star.get_xydata())[0].double(), x, atol=1e-5, rtol=0)
    heights = torch.tensor([bar.get_height() for bar in bars.patches], dtype=torch.float64)
    torch.testing.assert_close(heights, p, atol=1e-5, rtol=0)
    dots = [line for line in curves.lines if line.get_marker() == "o"]
    torch.testing.assert_close(torch.tensor([float(dot.get_ydata()[0]) for dot in dots]).double(), p, atol=1e-5, rtol=0)
    assert f"t = {state['t']}: alpha-bar = {a:.4g}" in text
    assert ", ".join(f"{v:.3f}" for v in p.tolist()) in text


def test_at_the_end_the_posterior_is_the_prior():
    text = DEMO.update(t=1000, schedule="cosine", label=2)
    assert text.endswith("0.500, 0.300, 0.200")


def test_every_point_moves_on_the_closed_form():
    """At t = 0 the cloud is data, at t = T of the cosine schedule it is its own noise."""
    update = DEMO.update
    clouds = [line for line in DEMO.figure.axes[0].lines if line.get_marker() == "o"]
    update(t=0, schedule="cosine", label=0)
    x0 = [torch.as_tensor(line.get_xydata()).clone() for line in clouds]
    update(t=1000, schedule="cosine", label=0)
    eps = [torch.as_tensor(line.get_xydata()).clone() for line in clouds]
    update(t=300, schedule="cosine", label=0)
    a = float(SCHEDULES["cosine"].alpha_bar[300])
    for line, start, end in zip(clouds, x0, eps, strict=True):
        x = torch.as_tensor(line.get_xydata())
        torch.testing.assert_close(x, a**0.5 * start + (1 - a) ** 0.5 * end, atol=1e-3, rtol=0)


def test_another_world_has_its_own_classes():
    assert "classes 0 to 1" in noise_explorer_demo(two_gaussians()).readout.value
