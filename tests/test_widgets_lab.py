"""The sampling lab: the cloud, its numbers and the curve behind them are what they say."""

import re
from itertools import pairwise

import pytest
import torch
from helpers import Later, random_network

from cfgedu.checkpoints import load_checkpoint
from cfgedu.guidance import guided, null_pair
from cfgedu.metrics import off_support
from cfgedu.models import MLP
from cfgedu.protocol import seeded
from cfgedu.samplers import SAMPLERS
from cfgedu.schedule import linear
from cfgedu.toy import branches, islands
from cfgedu.widgets.lab import EXACT, OFFERED, POINTS, SHIPPED, sampling_lab_demo, support

NETWORKS = {"a network": random_network(lambda: MLP(3, width=16), 3)}
DEMO = Later(sampling_lab_demo, NETWORKS)


def drawn(**state):
    """The cloud (POINTS,2), which of its points are marked as off support, the numbers of the readout, and the text."""
    text = DEMO.update(**DEMO.start | state)
    inside, outside = (torch.tensor(line.get_xydata()).float().reshape(-1, 2) for line in DEMO.figure.axes[0].lines)
    marked = torch.arange(POINTS) >= len(inside)
    numbers = re.search(r"accuracy (\S+) .*spread (\S+) .*off support (\S+)%", text).groups()
    return torch.cat([inside, outside]), marked, [float(v) for v in numbers], text


def by_hand(model=EXACT, sampler="DDIM", r=3.0, steps=30, label=0, high=1000, low=0):
    """The cloud of a state from the package's own functions, the scale written as one number a step."""
    mixture, schedule = islands(), linear()
    net = mixture.denoiser(schedule) if model == EXACT else NETWORKS[model]
    x, y = torch.randn(POINTS, 2, generator=seeded(2)), torch.full((POINTS,), label)
    noise, a, times = seeded(3), schedule.alpha_bar.tolist(), schedule.grid(steps)
    with torch.no_grad():
        for t, s in pairwise(times):
            scale = r if low < t <= high else 1.0
            eps = guided(null_pair(net), scale)(x, torch.full_like(y, t), y)
            z = torch.randn(x.shape, generator=noise) if s else torch.zeros_like(x)
            x = SAMPLERS[sampler](x, eps, a[t], a[s], z)
    return x, y


STATES = [
    {"r": 0.0},
    {"r": -1.0, "sampler": "DDPM"},
    {"r": 8.0, "label": 2, "high": 600, "low": 200},
    {"r": 4.0, "sampler": "Euler-Maruyama", "steps": 12, "label": 1},
    {"model": "a network", "r": 2.0, "label": 1},
]


@pytest.mark.parametrize("state", STATES)
def test_the_cloud_and_its_numbers(state):
    mixture = islands()
    cloud, marked, (hit, width, share), _ = drawn(**state)
    x, y = by_hand(**state)
    torch.testing.assert_close(cloud.sort(0).values, x.sort(0).values, atol=2e-3, rtol=1e-3)
    rows = x.double()
    p = mixture.posterior(rows)[:, y[0]].mean()
    assert hit == pytest.approx(float(p), abs=2e-3)
    own = mixture.mean[mixture.label == y[0]].double()
    first = (rows - own[0]).norm(dim=1) < (rows - own[1]).norm(dim=1)
    parts = [rows[first], rows[~first]]
    squares = sum(float((part - part.mean(0)).square().sum()) for part in parts)
    assert width == pytest.approx((squares / rows.numel()) ** 0.5, abs=2e-3)
    # the threshold is a quantile of one finite sample of data, and theirs is another one
    assert share / 100 == pytest.approx(off_support(mixture, x, y, seeded(99)), abs=0.02)
    assert float(marked.float().mean()) == pytest.approx(share / 100, abs=6e-4)


def test_what_is_marked_lies_below_what_is_not():
    cloud, marked, _, _ = drawn(r=8.0, label=2)
    logp = islands().log_prob(cloud, torch.full((POINTS,), 2))
    assert marked.any()
    assert logp[marked].max() < logp[~marked].min()


def test_the_dot_lies_where_the_readout_says():
    _, _, (hit, width, _), _ = drawn(r=2.0)
    dot = DEMO.figure.axes[1].lines[2].get_xydata()[0]
    assert dot == pytest.approx([width, hit], abs=1e-3)


def test_the_curve_runs_through_the_scales():
    """Its points at r = 0 and 8 are clouds of their own: accuracy near p(y) at one end, near 1 at the other."""
    DEMO.update(**DEMO.start | {"label": 1})
    curve = DEMO.figure.axes[1].lines[0].get_xydata()
    assert curve[0, 1] == pytest.approx(float(islands().prior[1]), abs=0.1)
    assert curve[-1, 1] > 0.99
    assert curve[0, 0] > curve[2, 0] > curve[-1, 0]


def test_support_holds_99_per_cent():
    mixture = islands()
    x, y = mixture.sample(40_000, seeded(6))
    lowest, outlines = support(mixture, x[y == 1], 1)
    fresh, label = mixture.sample(40_000, seeded(7))
    inside = mixture.log_prob(fresh[label == 1], label[label == 1]) > lowest
    assert float(inside.float().mean()) == pytest.approx(0.99, abs=0.005)
    assert len(outlines) == 2  # one round each island


@pytest.mark.parametrize("sampler", OFFERED)
@pytest.mark.parametrize("r", [-2.0, 8.0])
def test_extremes_are_finite(sampler, r):
    cloud, _, numbers, text = drawn(sampler=sampler, r=r, steps=5, label=2)
    assert torch.isfinite(cloud).all()
    assert "nan" not in text
    assert all(n == n for n in numbers)
    low, high = DEMO.figure.axes[1].get_xlim()
    assert low <= DEMO.figure.axes[1].lines[2].get_xdata()[0] <= high  # the dot stays in sight


def test_the_networks_are_offered_and_a_short_schedule_fits():
    assert list(sampling_lab_demo(NETWORKS).controls["model"].options) == [EXACT, "a network"]
    demo = sampling_lab_demo(mixture=branches(), schedule=linear(20, 0.05, 0.5))
    assert demo.controls["steps"].value <= demo.controls["steps"].max == 20
    assert demo.controls["high"].value == 20
    assert not demo.error.value


def test_the_networks_that_ship_are_offered_in_their_own_world_alone():
    demo = sampling_lab_demo()
    assert list(demo.controls["model"].options) == [EXACT, *SHIPPED]
    assert "= sampling_lab_demo()" in demo.code
    for given in ({"networks": {}}, {"mixture": islands()}, {"schedule": linear()}):
        assert list(sampling_lab_demo(**given).controls["model"].options) == [EXACT]


def test_each_name_stands_for_its_network():
    demo, state = sampling_lab_demo(), {"r": 8.0, "label": 2}
    told = {name: demo.update(**demo.start | state | {"model": name}) for name in SHIPPED}
    assert len({text.split(":")[1] for text in told.values()}) == 3
    for name, file in SHIPPED.items():
        alone = sampling_lab_demo({name: load_checkpoint(file)[0]})
        assert alone.update(**alone.start | state | {"model": name}) == told[name]


def test_what_one_is_told_to_try_is_to_be_seen():
    """Section 6 of notebook 10: when the crosses come, which end of an interval takes them away, eight steps."""
    demo = sampling_lab_demo()

    def crosses(**state):
        demo.update(**demo.start | {"label": 2} | state)
        return len(demo.figure.axes[0].lines[1].get_xdata()) / POINTS

    one = {"model": "network 1"}
    at_one, at_two, at_four, at_eight = (crosses(**one, r=r) for r in (1.0, 2.0, 4.0, 8.0))
    assert at_two < at_one < at_four < at_eight
    assert crosses(**one, r=8.0, high=600) > 0.75 * at_eight
    assert crosses(**one, r=8.0, low=200) < 0.7 * at_eight
    few = [crosses(**demo.presets[f"8 steps, {sampler}"]) for sampler in OFFERED]
    assert few[0] < 0.2
    assert min(few[1:]) > 0.6
