"""The contested mode: what the demo says is what the package finds, and only what is affine sees no other world."""

import re

import pytest
import torch
from helpers import Later

from cfgedu.guidance import guided, null_pair, within
from cfgedu.protocol import seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import even_angles, linear
from cfgedu.toy import contested
from cfgedu.widgets.contested import BETWEEN, METHODS, POINTS, STEPS, WORLDS, contested_mode_demo

DEMO = Later(contested_mode_demo)


def told(**state):
    """(share of the contested mode, of the tilted density's, mean posterior) as the readout has them."""
    text = DEMO.update(**DEMO.start | state)
    share, tilted = (int(found) / 100 for found in re.findall(r"(\d+)%", text)[:2])
    return share, tilted, float(re.search(r"p\(c \| x\) ([\d.]+);", text)[1])


def test_guidance_loses_the_mode_and_a_late_interval_keeps_it():
    everywhere, middle, late = told(), told(low=200, high=600), told(high=200)
    assert all(0.44 < tilted < 0.55 for _, tilted, _ in (everywhere, middle, late))
    assert everywhere[0] < 0.05
    assert middle[0] < 0.1
    assert abs(late[0] - late[1]) < 0.08
    assert min(everywhere[2], middle[2], late[2]) > 0.999


def test_the_cloud_is_the_packages():
    schedule, y = linear(), torch.zeros(POINTS, dtype=torch.long)
    x_T = torch.randn(POINTS, 2, generator=seeded(3))
    model = guided(null_pair(contested().denoiser(schedule)), within(3.0, 0, 400))
    expected = sample(ddim_step, model, schedule, x_T, y, even_angles(schedule, STEPS))
    DEMO.update(**DEMO.start | {"r": 3.0, "high": 400})
    drawn = torch.cat([torch.tensor(line.get_xydata()) for line in DEMO.figure.axes[0].lines])
    order, wanted = drawn[:, 0].argsort(), expected[:, 0].argsort()
    torch.testing.assert_close(drawn[order], expected[wanted].double(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_which_methods_see_that_the_world_has_moved(method):
    shares = [told(method=method, world=world, r=3.0)[0] for world in WORLDS]
    moved = max(shares) - min(shares) > 0.02
    assert moved == (method != "plain guidance")


def test_at_scale_1_every_method_but_the_threshold_is_the_conditional_model():
    shares = {method: told(method=method, r=1.0)[0] for method in METHODS}
    del shares["dynamic threshold"]
    assert max(shares.values()) == min(shares.values())
    assert pytest.approx(float(contested().mean[:2, 0].mean())) == BETWEEN
