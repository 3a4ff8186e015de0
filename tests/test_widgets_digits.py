"""The digits labs: pictures are guided samples, numbers what the judge says of them, every control moves them."""

import pytest
import torch
from helpers import Later, random_network

from cfgedu.checkpoints import load_checkpoint
from cfgedu.guidance import clip_x0, guided, null_pair
from cfgedu.metrics import judge_accuracy
from cfgedu.models import MLP, Judge, TwinUNet, UNet
from cfgedu.plots import enlarged, tiles
from cfgedu.protocol import seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import linear
from cfgedu.widgets.digits import COLUMNS, COUNT, digits_lab_demo
from cfgedu.widgets.mnist import mnist_lab_demo

SCHEDULE = linear()


NET, JUDGE = random_network(lambda: MLP(10, dim=64, width=16)), random_network(Judge)
BIG = [random_network(lambda make=make: make(10, width=8, mults=(1, 1))) for make in (UNet, TwinUNet)]
BIG_JUDGE = random_network(lambda: Judge(size=28, width=4))
DEMO = Later(digits_lab_demo, NET, JUDGE, SCHEDULE)


def expected(pair, size, label, r, steps, seed, clip=False):
    x_T = torch.randn(COUNT, 1, size, size, generator=seeded(seed))
    model = guided(pair, r)
    model = clip_x0(model, SCHEDULE) if clip else model
    return sample(ddim_step, model, SCHEDULE, x_T, torch.full((COUNT,), label), steps)


@pytest.mark.parametrize("change", [{}, {"label": 7, "r": 0.5}, {"steps": 3, "seed": 4}, {"clip": True, "r": 6.0}])
def test_the_picture_shows_guided_samples_and_the_readout_the_judge(change):
    figure, state = DEMO.figure, DEMO.start | change
    text = DEMO.update(**state)
    x = expected(null_pair(NET), 8, **state)
    shown = tiles(enlarged(x, 6), COLUMNS, gap=6)
    torch.testing.assert_close(torch.as_tensor(figure.axes[0].images[0].get_array()), shown)
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
    assert figure.axes[0].xaxis.label.get_alpha() == bool(marked)


@pytest.mark.parametrize("network", ["one", "twin"])
def test_a_twin_draws_from_its_own_heads(network):
    net, twin = BIG
    demo = mnist_lab_demo(net, BIG_JUDGE, SCHEDULE, twin=twin)
    demo.update(**DEMO.start | {"steps": 2}, network=network)
    pair = null_pair(net) if network == "one" else twin.pair
    x = expected(pair, 28, **DEMO.start | {"steps": 2})
    torch.testing.assert_close(torch.as_tensor(demo.figure.axes[0].images[0].get_array()), tiles(x, COLUMNS))


def test_the_mnist_lab_alone_has_the_networks_of_the_course():
    net, schedule, _ = load_checkpoint("mnist-unet")
    twin, judge = (load_checkpoint(name)[0] for name in ("mnist-twin-unet", "mnist-judge"))
    alone, given = mnist_lab_demo(), mnist_lab_demo(net, judge, schedule, twin)
    assert alone.code.startswith("from cfgedu.widgets.mnist import mnist_lab_demo\n\ndemo = mnist_lab_demo()\n")
    assert alone.readout.value == given.readout.value
    assert list(alone.controls) == list(given.controls)
    assert "network" not in mnist_lab_demo(net, judge, schedule).controls
