"""Tilted against guided: the clouds are what their titles say."""

import pytest
import torch
from helpers import Later

from cfgedu.guidance import guided, null_pair
from cfgedu.protocol import seeded
from cfgedu.samplers import ddim_step, ddpm_step, sample
from cfgedu.schedule import even_angles, linear
from cfgedu.toy import islands
from cfgedu.widgets.tilted import (
    POINTS,
    STEPS,
    ellipse,
    main_axis,
    near_island,
    side_by_side,
    tilted_against_guided_demo,
)

DEMO = Later(tilted_against_guided_demo)


def clouds(**state):
    """The three clouds (n,2) of a state."""
    DEMO.update(**DEMO.start | state)
    return [torch.tensor(ax.lines[0].get_xydata()) for ax in DEMO.figure.axes]


def test_unguided_clouds_agree_and_guided_ones_do_not():
    def spread(r):
        return [float(near_island(x, main_axis(islands(), 0))[:, 1].var()) for x in clouds(r=r)]

    v = islands().std[0] ** 2
    assert all(0.7 * v < found < 1.3 * v for found in spread(1.0))
    tilted, ddim, ddpm = spread(4.0)
    assert ddim < 0.2 * ddpm < 0.2 * tilted


@pytest.mark.parametrize("label", range(3))
def test_so_few_points_show_what_the_goal_and_notebook_07_say(label):
    def islands_of(**state):
        return [near_island(x, main_axis(islands(), label)) for x in clouds(label=label, **state)]

    def widest_to_narrowest(**state):
        across = [float(island[:, 1].var()) for island in islands_of(**state)]
        return max(across) / min(across)

    assert widest_to_narrowest(r=1.0) < 1.25 < widest_to_narrowest(r=1.25)
    assert widest_to_narrowest(r=1.0, sampler="DDIM, eta = 0.5") < 1.25
    _, ddim, ddpm = islands_of(r=4.0)
    *_, between = islands_of(r=4.0, sampler="DDIM, eta = 0.5")
    assert ddpm[:, 0].mean() < between[:, 0].mean() < ddim[:, 0].mean()
    assert ddim[:, 1].var() < between[:, 1].var() < ddpm[:, 1].var()


@pytest.mark.parametrize("label", range(3))
def test_the_first_cloud_is_the_tilted_density(label):
    tilted, *guided_clouds = clouds(r=6.0, label=label)
    assert all(len(x) == POINTS for x in (tilted, *guided_clouds))
    mixture = islands()
    x, y = mixture.sample(200_000, seeded(9))
    x = x[y == label].double()
    weight = mixture.posterior(x)[:, label] ** 5
    mean = (weight[:, None] * x).sum(0) / weight.sum()
    variance = (weight[:, None] * (x - mean) ** 2).sum(0) / weight.sum()
    assert ((tilted.mean(0) - mean).abs() < 4 * (variance / POINTS).sqrt()).all()
    torch.testing.assert_close(tilted.var(0), variance, rtol=0.3, atol=0)


def test_the_guided_clouds_are_the_packages():
    mixture, schedule = islands(), linear()
    x_T, y = torch.randn(POINTS, 2, generator=seeded(190)), torch.full((POINTS,), 1)
    model = guided(null_pair(mixture.denoiser(schedule)), 3.0)
    expected = sample(ddim_step, model, schedule, x_T, y, even_angles(schedule, STEPS))
    _, ddim, _ = clouds(r=3.0, label=1)
    torch.testing.assert_close(ddim, expected.double(), atol=1e-4, rtol=0)


def test_side_by_side_is_two_steps():
    x, eps, z = torch.randn(3, 8, 2, generator=seeded(0))
    both = side_by_side(ddim_step, ddpm_step)(x, eps, 0.3, 0.5, z)
    assert torch.equal(both[:4], ddim_step(x[:4], eps[:4], 0.3, 0.5, z[:4]))
    assert torch.equal(both[4:], ddpm_step(x[4:], eps[4:], 0.3, 0.5, z[4:]))


def test_helpers():
    axis = main_axis(islands(), 1)
    torch.testing.assert_close(axis, islands().mean[2])  # at distance 1 from the origin
    points = torch.randn(1000, 2, generator=seeded(0)) * torch.tensor([0.1, 0.4]) + 2 * axis
    outline = ellipse(near_island(points, axis), axis, radius=0.0)
    torch.testing.assert_close(outline, points.mean(0).expand(61, 2))
