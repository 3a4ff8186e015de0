"""The table of real and drawn digits, data/mnist-sweep.json: how it is made, read, and what it must show."""

import json
from statistics import mean

import pytest
import torch
from helpers import network

from cfgedu.checkpoints import DATA, load_checkpoint, save_checkpoint
from cfgedu.metrics import generate, judged, moments, swept
from cfgedu.models import MLP, Judge, TwinMLP, weights_from
from cfgedu.protocol import seeded
from cfgedu.schedule import linear
from tools import checkpoints


def every_setting():
    """(network, r, seed) of the shipped table: every scale with seed 0, some of the U-Net's with two more."""
    once = {(name, r, 0) for name in ("unet", "twin") for r in (0, 0.5, 1, 1.5, 2, 3, 5, 8)}
    return once | {("unet", r, seed) for r in (0, 1, 1.5, 2, 5) for seed in (1, 2)}


# ---- making it ----


@pytest.fixture
def small(tmp_path):
    """Checkpoints of networks and a judge of 8x8 images, as `load_checkpoint` gives them."""
    with weights_from(seeded(1)):
        judge = Judge(width=4, features=4).eval()
    real = torch.randn(100, 1, 8, 8, generator=seeded(2)).clamp(-1, 1)
    centre, covariance = moments(judge.features(real).detach())
    save_checkpoint(tmp_path / "j.safetensors", judge, None, {}, {"mean": centre, "covariance": covariance})
    for name, kind in (("unet", MLP), ("twin", TwinMLP)):
        save_checkpoint(tmp_path / f"{name}.safetensors", network(kind), linear(), {})
    networks = {name: load_checkpoint(tmp_path / f"{name}.safetensors") for name in ("unet", "twin")}
    return networks, load_checkpoint(tmp_path / "j.safetensors")


def small_sweep(path, networks, judge, samplers=("DDIM", "DDPM"), scales=(0, 2.0), n=40, **more):
    return checkpoints.sweep(path, networks, judge, samplers, scales, shape=(1, 8, 8), n=n, steps=2, **more)


def settings(rows):
    return [(row["network"], row["sampler"], row["r"]) for row in rows]


def by_setting(rows):
    return sorted(rows, key=lambda row: (row["network"], row["sampler"], row["r"], row["seed"]))


def test_a_sweep_measures_every_setting(tmp_path, small):
    networks, judge = small
    path = tmp_path / "sweep.json"
    rows = small_sweep(path, networks, judge)
    assert settings(rows) == [(n, s, r) for n in ("unet", "twin") for s in ("DDIM", "DDPM") for r in (0, 2.0)]
    assert json.loads(path.read_text()) == by_setting(rows)
    net, schedule, about = networks["twin"]
    images, y = generate(net, schedule, "DDPM", 2.0, shape=(1, 8, 8), n=40, steps=2)
    extra = judge[2]["extra"]
    row = rows[-1]
    for key, value in judged(judge[0], (extra["mean"], extra["covariance"]), images, y).items():
        assert row[key] == value, key
    centre = judge[0].features(images).detach().double().mean(0)
    assert row["mean_part"] == pytest.approx(float((centre - extra["mean"]).square().sum()))
    assert 0 < row["mean_part"] <= row["frechet"]
    given = {"n": 40, "steps": 2, "seed": 0, "checkpoint": about["sha256"], "judge": judge[2]["sha256"]}
    assert {key: row[key] for key in given} == given
    assert row["seconds"] >= 0
    assert list(tmp_path.glob("*.part")) == []


def test_an_interrupted_sweep_goes_on(tmp_path, small, monkeypatch):
    path, made = tmp_path / "sweep.json", []

    def interrupted(*args, **kwargs):
        made.append(1)
        if len(made) == 4:
            raise KeyboardInterrupt
        return generate(*args, **kwargs)

    monkeypatch.setattr(checkpoints, "generate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small_sweep(path, *small)
    kept = json.loads(path.read_text())
    assert len(kept) == 3
    rows = small_sweep(path, *small)
    assert len(made) == 4 + 5  # of eight rows, the five that were missing
    assert rows[:3] == kept
    assert small_sweep(path, *small) == by_setting(rows)
    assert len(made) == 4 + 5


def test_rows_of_other_checkpoints_are_made_again(tmp_path, small):
    networks, judge = small
    path = tmp_path / "sweep.json"
    before = small_sweep(path, networks, judge)
    other = save_checkpoint(tmp_path / "other.safetensors", network(seed=9), linear(), {})
    after = small_sweep(path, {**networks, "unet": load_checkpoint(other)}, judge, samplers=["DDIM"])
    assert sorted(settings(after)) == sorted(set(settings(before)) - {("unet", "DDPM", 0), ("unet", "DDPM", 2.0)})
    old = dict(zip(settings(before), before, strict=True))
    for setting, row in zip(settings(after), after, strict=True):
        assert (row == old[setting]) == (setting[0] == "twin")
    assert len(small_sweep(path, {"twin": networks["twin"]}, judge, samplers=["Euler-Maruyama"])) == len(after) + 2
    fewer = small_sweep(path, {"twin": networks["twin"]}, judge, samplers=["DDPM"], n=20)
    assert {(row["network"], row["sampler"], row["n"]) for row in fewer} == {("unet", "DDIM", 40), ("twin", "DDPM", 20)}


def test_rows_of_other_seeds_stand_side_by_side(tmp_path, small):
    path = tmp_path / "sweep.json"
    first = small_sweep(path, *small)
    second = small_sweep(path, *small, samplers=["DDIM"], scales=[2.0], seed=1)
    assert second[: len(first)] == by_setting(first)
    assert [(*setting, row["seed"]) for setting, row in zip(settings(second), second, strict=True)][len(first) :] == [
        ("unet", "DDIM", 2.0, 1),
        ("twin", "DDIM", 2.0, 1),
    ]
    zero, one = (row for row in second if settings([row]) == [("unet", "DDIM", 2.0)])
    assert zero["frechet"] != one["frechet"]
    assert small_sweep(path, *small, samplers=["DDIM"], scales=[2.0], seed=1) == by_setting(second)


def test_real_digits_are_measured_as_drawn_ones_are(tmp_path, small):
    networks, judge = small
    path = tmp_path / "sweep.json"
    y = torch.arange(120) % 10  # 12 of each class: two draws of 5
    train = torch.randn(120, 1, 8, 8, generator=seeded(3)).clamp(-1, 1), y
    test = torch.randn(60, 1, 8, 8, generator=seeded(4)).clamp(-1, 1), y[:60]
    drawn = small_sweep(path, networks, judge)
    seen = []

    def recorded(judge, real, images, labels):
        seen.append((images, labels))
        return judged(judge, real, images, labels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "judged", recorded)
        rows = checkpoints.real_digits(path, judge, train, test, n=50, draws=2)
    assert [row for row in rows if row["network"] in networks] == by_setting(drawn)  # kept, beside the others
    real = [row for row in rows if row["network"] == "real"]
    assert [(row["sampler"], row["r"], row["n"], row["seed"]) for row in real] == [(None, None, 50, k) for k in (0, 1)]
    (whole,) = [row for row in rows if row["network"] == "test"]
    assert (whole["n"], whole["frechet"], whole["mean_part"]) == (60, None, None)
    assert (
        whole["diversity"]
        == judged(judge[0], (judge[2]["extra"]["mean"], judge[2]["extra"]["covariance"]), *test)["diversity"]
    )
    (first, labels), (second, _), last = seen
    assert torch.equal(labels.bincount(), torch.full((10,), 5))
    whole = torch.cat([first, second]).flatten(1)
    assert len(whole.unique(dim=0)) == 100  # no digit twice
    assert all((train[0].flatten(1) == digit).all(1).any() for digit in whole)
    assert all(torch.equal(got, given) for got, given in zip(last, test, strict=True))
    checkpoints.real_digits(path, judge, train, test, n=50, draws=2)  # made again, and not twice
    assert len(json.loads(path.read_text())) == len(rows)
    assert small_sweep(path, networks, judge) == sorted(rows, key=lambda row: settings([row])[0][0])


# ---- reading it ----


def test_a_column_of_the_table_has_a_value_for_each_seed(tmp_path, small):
    path = tmp_path / "sweep.json"
    small_sweep(path, *small, scales=[2.0, 0])
    rows = small_sweep(path, *small, samplers=["DDPM"], scales=[2.0], seed=1)
    zero, one = ([row for row in rows if settings([row]) == [("unet", "DDPM", r)]] for r in (0, 2.0))
    expected = {0: [zero[0]["frechet"]], 2.0: [row["frechet"] for row in sorted(one, key=lambda row: row["seed"])]}
    assert swept("frechet", "unet", "DDPM", rows[::-1]) == expected
    assert list(swept("frechet", "unet", "DDPM", rows)) == [0, 2.0]
    real = [{"network": "real", "sampler": None, "r": None, "n": 50, "seed": k, "accuracy": k} for k in (1, 0)]
    assert swept("accuracy", "real", None, rows + real) == {None: [0, 1]}


def test_rows_of_two_sizes_are_not_put_in_one_column(tmp_path, small):
    rows = small_sweep(tmp_path / "sweep.json", *small)
    rows[0]["n"] = 20
    with pytest.raises(ValueError, match=r"of one n, got n of \[20, 40\]"):
        swept("frechet", "unet", "DDIM", rows)
    assert len(swept("frechet", "twin", "DDIM", rows)) == 2
    with pytest.raises(ValueError, match="rows of 'mlp' with 'DDIM' must be there"):
        swept("frechet", "mlp", "DDIM", rows)


# ---- what ships ----


def test_the_shipped_sweep_is_of_the_shipped_checkpoints():
    rows = json.loads((DATA / "mnist-sweep.json").read_text(encoding="utf-8"))
    sums = {"unet": load_checkpoint("mnist-unet")[2]["sha256"], "twin": load_checkpoint("mnist-twin-unet")[2]["sha256"]}
    about = load_checkpoint("mnist-judge")[2]
    drawn, real, whole = ([row for row in rows if row["network"] in names] for names in (sums, ["real"], ["test"]))
    assert len(drawn) + len(real) + len(whole) == len(rows)
    settings = {(row["network"], row["sampler"], row["r"], row["seed"]) for row in drawn}
    assert settings == {(n, s, r, seed) for s in checkpoints.MEASURED for n, r, seed in every_setting()}
    assert len(settings) == len(drawn)
    for row in rows:
        assert row["judge"] == about["sha256"]
        assert row.get("checkpoint") == sums.get(row["network"])
        assert row["n"] == (10_000 if row in whole else 500)
        assert row["steps"] == (50 if row in drawn else None)
        assert 0 <= row["accuracy"] <= 1
        assert sum(row["classes"]) == pytest.approx(1)
    assert sorted(row["seed"] for row in real) == list(range(20))
    for row in real:
        assert row["classes"] == pytest.approx([0.1] * 10, abs=0.01)  # 50 of each digit
        assert row["frechet"] < 0.2
    assert [(row["accuracy"], row["frechet"]) for row in whole] == [(about["accuracy"], None)]
    assert {row["test"] for row in real + whole} == {about["test_sha256"]}
    assert {row["data"] for row in real + whole} == {about["data_sha256"]}


def test_the_shipped_networks_are_good_enough():
    """The bars of the course, on 500 images a seed with 50 DDIM steps; the sums above tie the table to the networks."""
    unet, twin = (
        {key: swept(key, network) for key in ("accuracy", "classes", "frechet")} for network in ("unet", "twin")
    )
    assert mean(unet["accuracy"][1]) >= 0.95  # 1500 images
    assert twin["accuracy"][1][0] >= 0.95  # 500
    assert mean(unet["accuracy"][2]) >= 0.99
    assert abs(mean(unet["accuracy"][2]) - twin["accuracy"][2][0]) <= 0.02
    for table in (unet, twin):
        for shares in table["classes"][0]:
            assert all(0.04 <= share <= 0.20 for share in shares)  # r = 0: samples of p(x), every class
        distance = {r: mean(values) for r, values in table["frechet"].items()}
        assert 1 <= min(distance, key=distance.get) <= 2
