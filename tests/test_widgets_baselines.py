"""Baselines: the cloud, its numbers and the curve behind them are what they say."""

import re

import pytest
import torch
from helpers import Later, random_network

from cfgedu.guidance import guided, null_pair, two_models
from cfgedu.metrics import lost_share, off_support
from cfgedu.models import MLP
from cfgedu.protocol import seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import even_angles, linear
from cfgedu.toy import branches
from cfgedu.widgets.baselines import EXACT, LABEL, NO_LABEL, POINTS, RANDOM, SCALES, STEPS, baselines_demo, random_label

NETWORKS = {name: random_network(lambda: MLP(2, width=8), seed) for seed, name in enumerate(("strong", "weak"))}
DEMO = Later(baselines_demo, NETWORKS)


def drawn(**state):
    """The cloud (POINTS,2), how many of its points are crossed, and (off, lost) of the readout in percent."""
    text = DEMO.update(**DEMO.start | state)
    inside, outside = (torch.tensor(line.get_xydata()).float().reshape(-1, 2) for line in DEMO.figure.axes[0].lines)
    return torch.cat([inside, outside]), len(outside), [float(v) for v in re.findall(r"([\d.]+)% (?:stray|of)", text)]


def by_hand(model="strong", baseline="weak", r=2.0):
    schedule = linear()
    net = branches().denoiser(schedule) if model == EXACT else NETWORKS[model]
    pair = null_pair(net) if baseline == NO_LABEL else two_models(NETWORKS["weak"], net)
    x, y = torch.randn(POINTS, 2, generator=seeded(7)), torch.full((POINTS,), LABEL)
    return sample(ddim_step, guided(pair, r), schedule, x, y, even_angles(schedule, STEPS)), y


@pytest.mark.parametrize(
    "state",
    [{}, {"r": 1.0}, {"baseline": NO_LABEL, "r": 3.0}, {"model": EXACT}, {"model": EXACT, "baseline": NO_LABEL}],
)
def test_the_cloud_and_its_numbers(state):
    cloud, crossed, (off, lost) = drawn(**state)
    x, y = by_hand(**state)
    order = lambda points: points[points.sum(1).argsort()]
    torch.testing.assert_close(order(cloud), order(x), atol=1e-3, rtol=0)
    assert crossed / POINTS * 100 == pytest.approx(off, abs=0.06)
    assert off / 100 == pytest.approx(off_support(branches(), x, y, seeded(1)), abs=0.02)
    assert lost / 100 == pytest.approx(lost_share(branches(), x, y), abs=6e-4)


def test_the_curve_runs_through_the_cloud():
    for baseline in (NO_LABEL, "weak", RANDOM):
        for r in (1.0, 3.0):
            drawn(baseline=baseline, r=r)
            curve, first, here = (line.get_xydata() for line in DEMO.figure.axes[1].lines)
            assert len(curve) == len(SCALES)
            assert tuple(first[0]) == tuple(curve[0])
            if baseline != RANDOM:  # whose labels depend on the size of the batch
                assert curve[SCALES.index(r)] == pytest.approx(here[0], abs=0.02)


def test_at_one_the_baseline_plays_no_part():
    clouds = [drawn(baseline=baseline, r=1.0)[0] for baseline in (NO_LABEL, "weak", RANDOM)]
    torch.testing.assert_close(clouds[0], clouds[1], atol=1e-3, rtol=0)
    torch.testing.assert_close(clouds[1], clouds[2], atol=1e-3, rtol=0)


def test_random_labels_are_of_all_classes_and_come_again():
    asked = []
    model = lambda x, t, y: asked.append(y)
    for _ in range(2):
        random_label(model, 3)(torch.zeros(300, 2), None, torch.zeros(300).long())
    assert asked[0].unique().tolist() == [0, 1, 2]
    assert torch.equal(*asked)
