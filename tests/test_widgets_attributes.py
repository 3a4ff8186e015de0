"""Two attributes: the cloud is the one that the chosen formula draws, and the readout counts it."""

import re

import pytest
import torch
from helpers import Later

from cfgedu.metrics import off_support
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import even_angles, straight
from cfgedu.toy import Mixture, two_attributes
from cfgedu.widgets.attributes import FIRST, POINTS, SECOND, STEPS, two_attributes_demo

DEMO = Later(two_attributes_demo)
A, B = two_attributes()
BOTH = Mixture(A.mean, A.std, A.weight, 2 * A.label + B.label)
SCHEDULE = straight()
JOINT, OF_A, OF_B = (world.denoiser(SCHEDULE) for world in (BOTH, A, B))


def shown(**state):
    """The cloud (n,2) of a state and the line below the demo."""
    text = DEMO.update(**DEMO.start | state)
    return torch.tensor(DEMO.figure.axes[0].lines[0].get_xydata()), text


def expected(weighted):
    """The samples of a weighted sum [(weight, model, label), ...] of exact predictions, from the demo's start."""

    def composed(x, t, y):
        return sum(weight * model(x, t, torch.full_like(y, label)) for weight, model, label in weighted)

    x_T, y = torch.randn(POINTS, 2, generator=seeded(9)), torch.zeros(POINTS, dtype=torch.long)
    return sample(ddim_step, composed, SCHEDULE, x_T, y, even_angles(SCHEDULE, STEPS)).double()


def same(x, y):
    torch.testing.assert_close(x, y, atol=1e-3, rtol=0)


@pytest.mark.parametrize("first", range(2))
@pytest.mark.parametrize("second", range(2))
def test_the_cloud_is_what_the_formulas_say(first, second):
    state = {"first": FIRST[first], "second": SECOND[second], "r_a": 3.0, "r_b": 2.0}
    a, b, ab = (OF_A, first), (OF_B, second), (JOINT, 2 * first + second)
    chain = [(-2, JOINT, NULL), (1, *a), (2, *ab)]  # 1 - r_a, r_a - r_b, r_b
    same(shown(**state, formula="chained")[0], expected(chain))
    total = [(-4, JOINT, NULL), (3, *a), (2, *b)]  # 1 - r_a - r_b, r_a, r_b
    same(shown(**state, formula="summed")[0], expected(total))


def test_at_one_and_one_the_chain_is_the_joint_conditional_and_the_sum_is_not():
    joint = expected([(1, JOINT, 1)])  # left, up
    same(shown(r_a=1.0, r_b=1.0, formula="chained")[0], joint)
    assert (shown(r_a=1.0, r_b=1.0, formula="summed")[0] - joint).norm(dim=1).mean() > 0.1


def test_a_negative_condition_takes_the_place_of_the_baseline():
    state = {"r_a": 1.5, "r_b": 2.0, "negative": "down"}
    same(shown(**state, formula="chained")[0], expected([(-0.5, OF_B, 0), (-0.5, OF_A, 0), (2, JOINT, 1)]))
    same(shown(**state, formula="summed")[0], expected([(-2.5, OF_B, 0), (1.5, OF_A, 0), (2, OF_B, 1)]))
    assert "baseline: down" in shown(**state)[1]
    assert "baseline: no condition" in shown()[1]


def test_equal_scales_do_not_ask_for_the_first_attribute_alone():
    same(shown(r_a=4.0, r_b=4.0)[0], expected([(-3, JOINT, NULL), (4, JOINT, 1)]))


@pytest.mark.parametrize("state", [{}, {"formula": "summed"}, {"r_a": 5.0, "r_b": 5.0}, {"r_b": 4.0}])
def test_the_readout_counts_what_lies_off_the_data(state):
    x, text = shown(**state)
    (percent,) = re.findall(r"(\d+)% lie off the data of left, up", text)
    share = off_support(BOTH, x, torch.full((POINTS,), 1), seeded(1), n=200_000)  # from other data than the demo's
    assert abs(int(percent) / 100 - share) < 0.04


def test_the_readout_and_the_bars_are_mean_posteriors():
    x, text = shown(first="right", second="down", r_a=2.0)
    for world, name in ((A, "right"), (B, "down")):
        k = (FIRST + SECOND).index(name) % 2
        (found,) = re.findall(rf"p\({name} \| x\) = (\d\.\d\d)", text)
        assert abs(float(found) - world.posterior(x)[:, k].mean()) < 0.006
    heights = torch.tensor([bar.get_height() for bar in DEMO.figure.axes[1].patches[:4]], dtype=torch.float64)
    torch.testing.assert_close(heights, BOTH.posterior(x).mean(0).double(), atol=1e-3, rtol=0)
