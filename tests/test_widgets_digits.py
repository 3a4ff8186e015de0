"""The digits lab: its pictures are guided samples, its numbers what the judge says of them, every control moves it."""

import pytest
import torch
from matplotlib.figure import Figure

from cfgedu.guidance import clip_x0, guided, null_pair
from cfgedu.metrics import judge_accuracy
from cfgedu.models import MLP, Judge, TwinUNet, UNet, weights_from
from cfgedu.plots import tiles
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import linear
from cfgedu.widgets.digits import COLUMNS, COUNT, GAP, SIZE, START, digits_lab, digits_lab_demo

SCHEDULE = linear()


def random_network(make):
    """An untrained network with outputs that depend on everything (a new one predicts 0)."""
    generator = torch.Generator().manual_seed(0)
    with weights_from(generator):
        net = make()
    with torch.no_grad():
        for p in net.parameters():
            if not p.any():
                p.normal_(std=0.2, generator=generator)
    return net.eval()


NET, JUDGE = random_network(lambda: MLP(10, dim=64, width=16)), random_network(Judge)
BIG = [random_network(lambda make=make: make(10, width=8, mults=(1, 1))) for make in (UNet, TwinUNet)]
BIG_JUDGE = random_network(lambda: Judge(size=28, width=4))


def expected(pair, size, label, r, steps, seed, clip=False):
    x_T = torch.randn(COUNT, 1, size, size, generator=torch.Generator().manual_seed(seed))
    model = guided(pair, r)
    model = clip_x0(model, SCHEDULE) if clip else model
    return sample(ddim_step, model, SCHEDULE, x_T, torch.full((COUNT,), label), steps)


@pytest.mark.parametrize("change", [{}, {"label": 7, "r": 0.5}, {"steps": 3, "seed": 4}, {"clip": True, "r": 6.0}])
def test_the_picture_shows_guided_samples_and_the_readout_the_judge(change):
    figure, state = Figure(figsize=SIZE), START | change
    text = digits_lab(figure, NET, JUDGE, SCHEDULE)(**state)
    x = expected(null_pair(NET), 8, **state)
    torch.testing.assert_close(torch.as_tensor(figure.axes[0].images[0].get_array()), tiles(x, COLUMNS, GAP))
    label = state["label"]
    agreed = round(COUNT * judge_accuracy(JUDGE, x, torch.full((COUNT,), label)))
    assert f"agrees on {agreed} of {COUNT}" in text
    assert f"largest |pixel| {float(x.abs().max()):.1f}" in text
    with torch.no_grad():
        p = JUDGE(x).softmax(1)
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    torch.testing.assert_close(torch.tensor(heights), p.mean(0), rtol=1e-4, atol=1e-6)
    marked = [text.get_text() for text in figure.axes[0].texts if text.get_visible()]
    assert marked == [str(k) for k in p.argmax(1).tolist() if k != label]


@pytest.mark.parametrize("network", ["one", "twin"])
def test_a_twin_draws_from_its_own_heads(network):
    figure, (net, twin) = Figure(figsize=SIZE), BIG
    lab = digits_lab(figure, net, BIG_JUDGE, SCHEDULE, size=28, twin=twin)
    lab(**START | {"steps": 2}, network=network)
    pair = null_pair(net) if network == "one" else twin.pair
    x = expected(pair, 28, **START | {"steps": 2})
    torch.testing.assert_close(torch.as_tensor(figure.axes[0].images[0].get_array()), tiles(x, COLUMNS, GAP))


@pytest.mark.parametrize("size", [8, 28])
def test_every_control_changes_the_picture(size):
    demo = digits_lab_demo(NET, JUDGE, SCHEDULE)
    if size == 28:
        demo = digits_lab_demo(BIG[0], BIG_JUDGE, SCHEDULE, size=28, twin=BIG[1])
        assert not demo.controls["r"].continuous_update
        assert "cfgedu-on-release" in demo._dom_classes  # which gives it another budget in the browser
        assert "twin=twin" in demo.code
    moves = {"label": 5, "r": 7.0, "steps": 4, "seed": 3, "clip": True, "network": "twin"}
    assert set(demo.controls) == set(moves) - ({"network"} if size == 8 else set())
    for name, control in demo.controls.items():
        before = demo.picture.value
        control.value = moves[name]
        assert demo.picture.value != before, name
        assert not demo.error.value
