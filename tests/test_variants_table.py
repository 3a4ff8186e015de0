"""The table of notebook 13: its tool on tiny networks, and the file that ships."""

import json

import pytest
import torch
from test_checkpoints_tool import MOST_BYTES, SHIPPED, shipped, spots

from cfgedu.checkpoints import load_checkpoint, save_checkpoint
from cfgedu.guidance import guided, null_pair, within
from cfgedu.metrics import generate, moments
from cfgedu.models import Judge, UNet, weights_from
from cfgedu.protocol import seeded
from cfgedu.schedule import linear
from tools import checkpoints, variants_table
from tools.variants_table import REAL, methods, table

FILE = SHIPPED / "mnist-variants.json"


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A tiny U-Net and judge of 28x28 pictures, as `load_checkpoint` gives them; two steps a row."""
    monkeypatch.setattr(variants_table, "STEPS", 2)
    monkeypatch.setattr(
        variants_table, "load", lambda name: (torch.randn(200, 1, 28, 28, generator=seeded(1)), spots()[1][:200])
    )
    with weights_from(seeded(1)):
        net, judge = UNet(10, width=8, mults=(1, 1)), Judge(size=28, width=4, features=4)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=seeded(2)))
        mean, covariance = moments(judge.eval().features(torch.randn(50, 1, 28, 28, generator=seeded(3))))
    save_checkpoint(tmp_path / "net.safetensors", net, linear(), {})
    save_checkpoint(tmp_path / "judge.safetensors", judge, None, {}, {"mean": mean, "covariance": covariance})
    return tmp_path, load_checkpoint(tmp_path / "net.safetensors"), load_checkpoint(tmp_path / "judge.safetensors")


def test_every_row_is_made_and_an_interrupted_table_goes_on(small, monkeypatch):
    folder, network, judge = small
    path, every = folder / "t.json", list(methods(network[0], network[1]))
    rows = table(path, network, judge, n=20, names=[REAL, *every[:2]])
    assert [row["method"] for row in rows] == [REAL, *every[:2]]
    monkeypatch.setattr(variants_table, "real_row", None)  # what is there is not made again
    after = table(path, network, judge, n=20)
    assert after[:3] == rows
    assert [row["method"] for row in after] == [REAL, *every]
    assert json.loads(path.read_text()) == after
    for row in after:
        assert 0 <= row["accuracy"] <= 1
        assert row["diversity_error"] >= 0
        assert row["frechet_error"] > 0
    costs = {row["method"]: row["predictions"] for row in after}
    assert costs[REAL] == 0
    assert costs["r = 1"] == 2  # one prediction a step, guided two
    assert costs["r = 5"] == 4
    assert [costs[name] for name in every if "interval" in name] == [2, 3, 3]  # the steps start at t = 1000 and 500
    other = table(path, network, judge, n=40, names=every[:1])
    assert [(row["method"], row["n"]) for row in other] == [(every[0], 40)]


def test_a_row_is_what_generate_makes(small):
    _, (net, schedule, _), _ = small
    denoisers = methods(net, schedule)
    for name, r in {"r = 1": 1.0, "r = 5": 5.0}.items():
        images, y = variants_table.images_of(denoisers[name], schedule, 20)
        expected, labels = generate(net, schedule, "DDIM", r, n=20, steps=2)
        torch.testing.assert_close(images, expected, atol=1e-4, rtol=0)
        assert torch.equal(y, labels)


def test_an_interval_asks_for_the_second_prediction_inside_alone(small):
    _, (net, *_), _ = small
    x, y = torch.randn(4, 1, 28, 28, generator=seeded(0)), torch.arange(4)
    r = within(5.0, 300, 600)
    thrifty, both = variants_table.thrifty(net, r), guided(null_pair(net), r)
    for level in (900, 600, 450, 300, 20):
        t = torch.full((4,), level)
        torch.testing.assert_close(thrifty(x, t, y), both(x, t, y), atol=1e-5, rtol=0)


def test_the_word_calls_it(monkeypatch):
    asked = []
    monkeypatch.setattr(variants_table, "measure", lambda fresh: asked.append(fresh) or 0)
    assert checkpoints.main(["mnist-variants"]) == checkpoints.main(["mnist-variants", "--fresh"]) == 0
    assert asked == [False, True]


# ---- what ships ----


def test_the_shipped_table_is_of_the_shipped_checkpoints():
    assert FILE.stat().st_size <= MOST_BYTES
    rows = json.loads(FILE.read_text(encoding="utf-8"))
    net, schedule, about = shipped("mnist-unet")
    assert [row["method"] for row in rows] == [REAL, *methods(net, schedule)]
    judge = shipped("mnist-judge")[2]["sha256"]
    for row in rows:
        assert (row["checkpoint"], row["judge"]) == (about["sha256"], judge)
        assert (row["n"], row["steps"], row["seed"]) == (500, 50, 0)
        assert 0 <= row["accuracy"] <= 1
        assert sum(row["classes"]) == pytest.approx(1) if row["method"] != REAL else "classes" not in row


def test_what_the_shipped_table_shows():
    """What notebook 13 reads from it: real digits are the floor, r = 5 is far from it, the late interval near."""
    rows = {row["method"]: row for row in json.loads(FILE.read_text(encoding="utf-8"))}
    floor, late = rows[REAL], rows["r = 5, late interval (0, 333]"]
    assert all(row["frechet"] > floor["frechet"] - 2 * floor["frechet_error"] for row in rows.values())
    assert rows["r = 5"]["frechet"] > 3 * floor["frechet"]
    assert late["frechet"] < floor["frechet"] + 2 * late["frechet_error"]
    assert late["accuracy"] > rows["r = 1"]["accuracy"]
    assert late["diversity"] > 1.5 * rows["r = 5"]["diversity"]
