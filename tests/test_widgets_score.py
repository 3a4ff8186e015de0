"""The score explorer's picture and numbers agree with the package."""

import pytest
import torch
from helpers import Later, quivers, vectors

from cfgedu.plots import LIM, grid
from cfgedu.protocol import NULL
from cfgedu.schedule import linear
from cfgedu.widgets.score import ARROWS, DEPTH, LONGEST, PIXELS, WORLDS, score_explorer_demo

DEMO = Later(score_explorer_demo)
STATES = [
    {},
    {"t": 1, "data": "two Gaussians", "px": -2.7, "py": 2.7},
    {"t": 1000, "data": "branches", "px": 0.0, "py": 0.0},
    {"t": 300, "data": "spirals", "px": 1.5, "py": 0.2},
]


def slope(mixture, x, a):
    x = x.double().clone().requires_grad_()
    return torch.autograd.grad(mixture.log_prob(x, torch.full((len(x),), NULL), a).sum(), x)[0]


@pytest.mark.parametrize("state", STATES)
def test_numbers_are_the_packages(state):
    state = DEMO.start | state
    world, schedule = WORLDS[state["data"]](), linear()
    text = DEMO.update(**state)
    a, x = float(schedule.alpha_bar[state["t"]]), torch.tensor([[state["px"], state["py"]]], dtype=torch.float64)
    s = slope(world, x, a)
    x0 = (x + (1 - a) * s) / a**0.5
    eps = -((1 - a) ** 0.5) * s
    v = a**0.5 * eps - (1 - a) ** 0.5 * x0
    for name, value in {"score": s, "eps": eps, "x0": x0, "v": v}.items():
        numbers = text.split(f"{name} = (")[-1].split(")")[0].split(", ")
        found = torch.tensor([float(number) for number in numbers], dtype=torch.float64)
        torch.testing.assert_close(found, value[0], atol=0.006, rtol=1e-3)
    yellow = next(line for line in DEMO.figure.axes[1].lines if "hat" in line.get_label())
    torch.testing.assert_close(torch.as_tensor(yellow.get_xydata()).double(), x0, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("state", STATES)
def test_arrows_are_the_score(state):
    """Where data come, the arrows are autograd's score, the longest of them drawn LONGEST long; elsewhere are none."""
    state = DEMO.start | state
    world = WORLDS[state["data"]]()
    text = DEMO.update(**state)
    field, _ = quivers(DEMO)
    drawn = vectors(field)
    a, at = float(linear().alpha_bar[state["t"]]), torch.cat([grid(ARROWS), torch.tensor([[state["px"], state["py"]]])])
    pixels = world.log_prob(grid(PIXELS), torch.full((PIXELS**2,), NULL), a)
    inside = world.log_prob(at, torch.full((len(at),), NULL), a) > pixels.max() - DEPTH
    s = slope(world, at, a)
    longest = float(s[inside].norm(dim=1).max())
    assert f"longest arrow {longest:.2g};" in text
    shown = ~torch.as_tensor(field.Umask).expand(len(drawn))
    assert torch.equal(shown, inside[:-1])
    torch.testing.assert_close(drawn[shown], (s[:-1] * LONGEST / longest)[shown], atol=1e-4, rtol=1e-3)


def test_yellow_is_the_mean_of_blue():
    """On the pixels of the right panel, the mean of p(x_0 given x_t) by Bayes' rule is Tweedie's x_0."""
    state, world, schedule = DEMO.start, WORLDS[DEMO.start["data"]](), linear()
    a, x, n = float(schedule.alpha_bar[state["t"]]), torch.tensor([[state["px"], state["py"]]]), 201
    pixels = grid(n, LIM).double()
    log_noise = -(x - a**0.5 * pixels).square().sum(1) / (2 * (1 - a))
    log_belief = world.log_prob(pixels, torch.full((n * n,), NULL)) + log_noise
    DEMO.update(**state)
    yellow = next(line for line in DEMO.figure.axes[1].lines if "hat" in line.get_label())
    mean = log_belief.softmax(0) @ pixels
    torch.testing.assert_close(torch.as_tensor(yellow.get_xydata())[0].double(), mean, atol=1e-3, rtol=0)
