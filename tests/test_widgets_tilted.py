"""Tilted against guided: the clouds are what their titles say."""

import matplotlib.pyplot as plt
import pytest
import torch
from helpers import assert_every_control_matters
from matplotlib.figure import Figure

from cfgedu.guidance import guided, null_pair
from cfgedu.samplers import ddim_step, ddpm_step, sample
from cfgedu.schedule import linear
from cfgedu.toy import islands
from cfgedu.widgets.tilted import (
    POINTS,
    SAMPLERS,
    SIZE,
    START,
    STEPS,
    ellipse,
    even_angles,
    main_axis,
    near_island,
    side_by_side,
    tilted_against_guided,
    tilted_against_guided_demo,
)

FIGURE = Figure(figsize=SIZE)
UPDATE = tilted_against_guided(FIGURE)


def clouds(**state):
    """The three clouds (n,2) of a state, and the readout."""
    text = UPDATE(**START | state)
    return [torch.tensor(ax.lines[0].get_xydata()) for ax in FIGURE.axes], text


def test_unguided_clouds_agree_and_guided_ones_do_not():
    def spread(r):
        return [float(near_island(x, main_axis(islands(), 0))[:, 1].var()) for x in clouds(r=r)[0]]

    v = islands().std[0] ** 2
    assert all(0.7 * v < found < 1.3 * v for found in spread(1.0))
    tilted, ddim, ddpm = spread(4.0)
    assert ddim < 0.2 * ddpm < 0.2 * tilted


@pytest.mark.parametrize("label", range(3))
def test_the_first_cloud_is_the_tilted_density(label):
    (tilted, *guided_clouds), _ = clouds(r=6.0, label=label)
    assert all(len(x) == POINTS for x in (tilted, *guided_clouds))
    mixture = islands()
    x, y = mixture.sample(200_000, torch.Generator().manual_seed(9))
    x = x[y == label].double()
    weight = mixture.posterior(x)[:, label] ** 5
    mean = (weight[:, None] * x).sum(0) / weight.sum()
    variance = (weight[:, None] * (x - mean) ** 2).sum(0) / weight.sum()
    assert ((tilted.mean(0) - mean).abs() < 4 * (variance / POINTS).sqrt()).all()
    torch.testing.assert_close(tilted.var(0), variance, rtol=0.3, atol=0)


def test_the_guided_clouds_are_the_packages():
    mixture, schedule = islands(), linear()
    x_T, y = torch.randn(POINTS, 2, generator=torch.Generator().manual_seed(9)), torch.full((POINTS,), 1)
    model = guided(null_pair(mixture.denoiser(schedule)), 3.0)
    expected = sample(ddim_step, model, schedule, x_T, y, even_angles(schedule, STEPS))
    (_, ddim, _), _ = clouds(r=3.0, label=1)
    torch.testing.assert_close(ddim, expected.double(), atol=1e-4, rtol=0)


def test_side_by_side_is_two_steps():
    x, eps, z = torch.randn(3, 8, 2, generator=torch.Generator().manual_seed(0))
    both = side_by_side(ddim_step, ddpm_step)(x, eps, 0.3, 0.5, z)
    assert torch.equal(both[:4], ddim_step(x[:4], eps[:4], 0.3, 0.5, z[:4]))
    assert torch.equal(both[4:], ddpm_step(x[4:], eps[4:], 0.3, 0.5, z[4:]))


def test_helpers():
    times = even_angles(linear(), STEPS)
    assert times[0] == 1000
    assert times[-1] == 0
    assert len(times) == STEPS + 1
    assert times == sorted(times, reverse=True)
    axis = main_axis(islands(), 1)
    torch.testing.assert_close(axis, islands().mean[2])  # at distance 1 from the origin
    points = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.1, 0.4]) + 2 * axis
    outline = ellipse(near_island(points, axis), axis, radius=0.0)
    torch.testing.assert_close(outline, points.mean(0).expand(61, 2))


def test_the_picture_follows_every_control():
    assert_every_control_matters(tilted_against_guided_demo(), r=1.0, label=2, sampler=list(SAMPLERS)[1])


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("label", range(3))
def test_extremes_are_finite(sampler, label):
    found, text = clouds(r=8.0, label=label, sampler=sampler)
    assert all(torch.isfinite(x).all() for x in found)
    assert "nan" not in text


def test_code_of_the_demo_draws_it(capsys):
    demo = tilted_against_guided_demo()
    exec(demo.code, {})
    assert capsys.readouterr().out.startswith("r = 4.00, class 0")
    plt.close("all")
