"""The trajectory player: state in, a finite readout and a picture that follows it; its numbers are the package's."""

import re

import pytest
import torch

from cfgedu.protocol import seeded
from cfgedu.samplers import SAMPLERS, ddim_step, sample
from cfgedu.schedule import linear
from cfgedu.toy import islands
from cfgedu.widgets.trajectories import POINTS, trajectory_player_demo


@pytest.fixture(scope="module")
def demo():
    return trajectory_player_demo()


def radius(readout):
    return [float(number) for number in re.findall(r"(?:cloud|p_t) (\d+\.\d+)", readout)]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("progress", [0, 37, 100])
def test_the_cloud_keeps_the_radius_of_the_exact_density(demo, sampler, progress):
    got, exact = radius(demo.update(sampler, 100, 0.0, progress))
    assert got == pytest.approx(exact, rel=0.15)  # of 240 points


def test_its_end_is_what_sample_returns(demo):
    demo.update("DDIM", 20, 0.0, 100)
    mixture, schedule, generator = islands(), linear(), seeded(4)
    _, y = mixture.sample(POINTS, generator)
    x_T = torch.randn(POINTS, 2, generator=generator)
    x0 = sample(ddim_step, mixture.denoiser(schedule), schedule, x_T, y, 20)
    drawn = torch.tensor(demo.figure.axes[0].collections[0].get_offsets().tolist())
    torch.testing.assert_close(drawn, x0)


def test_eta_is_read_by_ddim_alone(demo):
    assert demo.update("ODE", 20, 0.0, 50) == demo.update("ODE", 20, 1.0, 50)
    assert demo.update("DDIM", 20, 0.0, 50) != demo.update("DDIM", 20, 1.0, 50)


def test_progress_walks_the_grid(demo):
    times = [int(re.search(r"t = (\d+);", demo.update("DDPM", 10, 0.0, p))[1]) for p in range(0, 101, 10)]
    assert times == linear().grid(10)
