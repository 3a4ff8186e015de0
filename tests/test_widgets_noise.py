"""The noise explorer's picture and numbers agree with the package."""

import matplotlib.pyplot as plt
import pytest
import torch
from helpers import assert_every_control_matters
from matplotlib.figure import Figure

from cfgedu.toy import islands, two_gaussians
from cfgedu.widgets.live import still
from cfgedu.widgets.noise import SCHEDULES, SIZE, START, TRACKED_EPS, noise_explorer, noise_explorer_demo

STATES = [START, {"t": 0, "schedule": "cosine", "label": 0}, {"t": 1000, "schedule": "linear", "label": 2}]


@pytest.mark.parametrize("state", STATES)
def test_numbers_are_the_packages(state):
    figure, world, s = Figure(figsize=SIZE), islands(), SCHEDULES[state["schedule"]]
    text = noise_explorer(figure)(**state)
    largest = max((j for j in range(6) if world.label[j] == state["label"]), key=lambda j: world.weight[j])
    a = float(s.alpha_bar[state["t"]])
    x = a**0.5 * world.mean[largest].double() + (1 - a) ** 0.5 * torch.tensor(TRACKED_EPS, dtype=torch.float64)
    p = world.posterior(x[None], a)[0]

    cloud, bars, curves = figure.axes
    star = next(line for line in cloud.lines if line.get_marker() == "*")
    torch.testing.assert_close(torch.as_tensor(star.get_xydata())[0].double(), x, atol=1e-5, rtol=0)
    heights = torch.tensor([bar.get_height() for bar in bars.patches], dtype=torch.float64)
    torch.testing.assert_close(heights, p, atol=1e-5, rtol=0)
    dots = [line for line in curves.lines if line.get_marker() == "o"]
    torch.testing.assert_close(torch.tensor([float(dot.get_ydata()[0]) for dot in dots]).double(), p, atol=1e-5, rtol=0)
    assert f"t = {state['t']}: alpha-bar = {a:.4g}" in text
    assert ", ".join(f"{v:.3f}" for v in p.tolist()) in text
    assert "nan" not in text


def test_at_the_end_the_posterior_is_the_prior():
    text = noise_explorer(Figure(figsize=SIZE))(t=1000, schedule="cosine", label=2)
    assert text.endswith("0.500, 0.300, 0.200")


def test_every_point_moves_on_the_closed_form():
    """At t = 0 the cloud is data, at t = T of the cosine schedule it is its own noise."""
    figure = Figure(figsize=SIZE)
    update = noise_explorer(figure)
    clouds = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    update(t=0, schedule="cosine", label=0)
    x0 = [torch.as_tensor(line.get_xydata()).clone() for line in clouds]
    update(t=1000, schedule="cosine", label=0)
    eps = [torch.as_tensor(line.get_xydata()).clone() for line in clouds]
    update(t=300, schedule="cosine", label=0)
    a = float(SCHEDULES["cosine"].alpha_bar[300])
    for line, start, end in zip(clouds, x0, eps, strict=True):
        x = torch.as_tensor(line.get_xydata())
        torch.testing.assert_close(x, a**0.5 * start + (1 - a) ** 0.5 * end, atol=1e-3, rtol=0)


def test_the_picture_follows_every_control():
    assert_every_control_matters(noise_explorer_demo(), t=400, schedule="cosine", label=2)


def test_still_and_another_world(capsys):
    still(noise_explorer, size=SIZE, **START)
    plt.close("all")
    assert capsys.readouterr().out.startswith("t = 150: alpha-bar")
    assert "classes 0 to 1" in noise_explorer(Figure(figsize=SIZE), two_gaussians())(t=10, schedule="linear", label=1)
