"""`course.py checkpoints`, and what it made: the files in data/."""

import json

import pytest
import torch
from helpers import network
from test_images import REAL

from cfgedu import checkpoints as files
from cfgedu.checkpoints import load_checkpoint, save_checkpoint, write
from cfgedu.images import load
from cfgedu.metrics import features, generate, judge_accuracy, judged, moments
from cfgedu.models import MLP, Judge, TwinMLP, TwinUNet, UNet, weights_from
from cfgedu.protocol import seeded
from cfgedu.schedule import linear
from cfgedu.training import command
from tools import checkpoints

SHIPPED = files.DATA  # before any test puts another folder in its place
MOST_BYTES = 6_000_000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for module in (files, command, checkpoints):
        monkeypatch.setattr(module, "DATA", tmp_path / "data")
    monkeypatch.setattr(checkpoints, "RUNS", tmp_path / "runs")
    return tmp_path


def spots(split="train"):
    """Images that a judge learns in no time: class c is a bright row."""
    y = torch.arange(400 if split == "train" else 100) % 10
    x = torch.full((len(y), 1, 10, 10), -1.0)
    x[torch.arange(len(y)), :, y] = 1
    return x + 0.01 * torch.randn(x.shape, generator=seeded(len(y))), y


# ---- the tool ----


def test_the_commands_are_good_ones_for_the_names_they_make():
    for name, legs in checkpoints.LEGS.items():
        assert legs == sorted(legs)  # each goes on from the one before
        for leg in legs:
            options = command.parse([*checkpoints.arguments_of(name, *leg), "--overwrite"])
            assert options.out == SHIPPED / f"{name}.safetensors"
            assert options.state == checkpoints.RUNS / options.out.name


def test_a_run_is_made_leg_by_leg_gone_on_with_or_started_over(folder, monkeypatch):
    asked, codes = [], []

    def main(arguments):
        asked.append((arguments[5], arguments[7], arguments[-1]))
        return codes.pop() if codes else 0

    monkeypatch.setattr(checkpoints.training, "main", main)
    monkeypatch.setattr(checkpoints, "LEGS", {"mnist-unet": [(20, 10), (50, 15), (90, 30)]})
    first, second, third = ("20", "10"), ("50", "15"), ("90", "30")
    fresh = [(*first, "--overwrite"), (*second, "--resume"), (*third, "--resume")]
    assert checkpoints.main(["mnist-unet"]) == 0
    assert asked == fresh
    for done, legs in ((5, 3), (20, 2), (34, 2), (50, 1), (90, 1)):  # a finished run: its file in data/ is made again
        asked.clear()
        write(folder / "runs/mnist-unet.safetensors", {}, {"step": done})
        assert checkpoints.main(["mnist-unet"]) == 0
        assert asked == [(*leg, "--resume") for leg in (first, second, third)[-legs:]], done
    asked.clear()
    assert checkpoints.main(["mnist-unet", "--fresh"]) == 0
    assert asked == fresh
    asked.clear()
    codes.append(130)  # Ctrl-C
    assert checkpoints.main(["mnist-unet", "--fresh"]) == 130
    assert asked == fresh[:1]


def test_everything_is_made_in_order_until_something_fails(monkeypatch):
    made = []
    monkeypatch.setattr(checkpoints, "network", lambda name, fresh: made.append(name) or 0)
    monkeypatch.setattr(checkpoints, "judge", lambda fresh, name: made.append(name) or 0)
    monkeypatch.setattr(checkpoints, "small_networks", lambda: made.append("branches") or 0)
    monkeypatch.setattr(checkpoints, "measure", lambda samplers, fresh: made.append(samplers) or 0)
    monkeypatch.setattr(checkpoints, "variants", lambda fresh: made.append("variants") or 0)
    assert checkpoints.main([]) == 0
    sweep = ["DDIM", "DDPM", "Euler-Maruyama"]
    assert made == ["mnist-unet", "mnist-twin-unet", "mnist-judge", "mnist-judge-2", sweep, "branches", "variants"]
    made.clear()
    assert checkpoints.main(["mnist-sweep", "mnist-unet", "--samplers", "DDPM"]) == 0
    assert made == ["mnist-unet", ["DDPM"]]
    monkeypatch.setattr(checkpoints, "judge", lambda fresh, name: 1)
    made.clear()
    assert checkpoints.main([]) == 1
    assert made == ["mnist-unet", "mnist-twin-unet"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mnist-gan"], "there is no mnist-gan; there are " + ", ".join(checkpoints.NAMES)),
        (["--samplers", "heun"], "invalid choice: 'heun'"),
        (["--threads", "0"], "--threads: must be a whole number of 1 or more, got '0'"),
    ],
)
def test_what_it_does_not_know(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        checkpoints.main(arguments)
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


@pytest.fixture
def quick_judge(folder, monkeypatch):
    monkeypatch.setattr(checkpoints, "load", lambda name, split="train": spots(split))
    monkeypatch.setattr(checkpoints, "JUDGES", {"mnist-judge": (0, 120), "mnist-judge-2": (1, 300)})
    monkeypatch.setattr(checkpoints, "Judge", lambda size: Judge(size=size, width=8, features=8))
    monkeypatch.setattr(checkpoints, "judge_loss", lambda net, x, y, g: torch.nn.functional.cross_entropy(net(x), y))
    return folder


def test_the_judge_comes_with_its_accuracy_and_the_moments_of_real_images(quick_judge):
    assert checkpoints.main(["mnist-judge"]) == 0
    judge, schedule, about = load_checkpoint("mnist-judge")
    assert schedule is None
    x, y = spots("test")
    assert about["accuracy"] == judge_accuracy(judge, x, y) >= 0.99
    mean, covariance = moments(features(judge, x))
    torch.testing.assert_close(about["extra"]["mean"], mean)
    torch.testing.assert_close(about["extra"]["covariance"], covariance)
    assert about["command"] == "python3 course.py checkpoints mnist-judge"
    assert about["steps"] == 120
    assert about["data_sha256"] == command.data_sum(*spots())
    assert about["test_sha256"] == command.data_sum(x, y)


def test_the_second_judge_is_another_one(quick_judge):
    assert checkpoints.main(["mnist-judge", "mnist-judge-2"]) == 0
    (first, _, _), (second, _, about) = (load_checkpoint(name) for name in ("mnist-judge", "mnist-judge-2"))
    assert not torch.equal(first.head.weight, second.head.weight)
    assert about["command"] == "python3 course.py checkpoints mnist-judge-2"


def test_a_judge_below_the_bar_is_not_kept(quick_judge, monkeypatch, capsys):
    monkeypatch.setattr(checkpoints, "JUDGES", {"mnist-judge": (0, 1)})
    assert checkpoints.main(["mnist-judge"]) == 1
    assert "less than 0.99: it is not kept" in capsys.readouterr().err
    assert not (quick_judge / "data").exists()


def test_the_judges_images_move_by_up_to_two_pixels_and_nothing_is_lost():
    x = torch.full((1, 1, 28, 28), -1.0)
    x[0, 0, 4, 23] = 1
    seen = []

    def net(images):
        seen.append(images[0, 0])
        return torch.zeros(1, 10)

    g = seeded()
    for _ in range(200):
        checkpoints.judge_loss(net, x, torch.zeros(1, dtype=torch.long), g)
    places = {divmod(int(image.argmax()), 28) for image in seen}
    assert places == {(4 + down, 23 + right) for down in range(-2, 3) for right in range(-2, 3)}
    assert torch.stack(seen)[:, :2].std() == pytest.approx(0.3, abs=0.01)


def test_the_sweep_reads_the_shipped_names(folder, monkeypatch):
    asked = []
    for name, kind in (("mnist-unet", UNet), ("mnist-twin-unet", TwinUNet)):
        save_checkpoint(name, kind(10, width=8), linear(), {})
    save_checkpoint("mnist-judge", Judge(size=28, width=4, features=4), None, {})
    monkeypatch.setattr(checkpoints, "sweep", lambda *given, n: asked.append((*given, n)))
    assert checkpoints.main(["mnist-sweep", "--samplers", "DDIM", "Euler-Maruyama"]) == 0
    for path, networks, _, _, scales, _ in asked:
        assert path == folder / "data/mnist-sweep.json"
        assert {name: type(net[0]) for name, net in networks.items()} == {"unet": UNet, "twin": TwinUNet}
        assert scales == (0, 0.5, 1, 1.5, 2, 3, 5, 8)
    assert [(samplers, n) for *_, samplers, _, n in asked] == [(["DDIM"], 1000), (["Euler-Maruyama"], 500)]


# ---- the sweep ----


@pytest.fixture
def small(tmp_path):
    """Checkpoints of networks and a judge of 8x8 images, as `load_checkpoint` gives them."""
    with weights_from(seeded(1)):
        judge = Judge(width=4, features=4).eval()
    real = torch.randn(100, 1, 8, 8, generator=seeded(2)).clamp(-1, 1)
    mean, covariance = moments(judge.features(real).detach())
    save_checkpoint(tmp_path / "j.safetensors", judge, None, {}, {"mean": mean, "covariance": covariance})
    for name, kind in (("unet", MLP), ("twin", TwinMLP)):
        save_checkpoint(tmp_path / f"{name}.safetensors", network(kind), linear(), {})
    networks = {name: load_checkpoint(tmp_path / f"{name}.safetensors") for name in ("unet", "twin")}
    return networks, load_checkpoint(tmp_path / "j.safetensors")


def small_sweep(path, networks, judge, samplers=("DDIM", "DDPM"), scales=(0, 2.0), n=40, **more):
    return checkpoints.sweep(path, networks, judge, samplers, scales, shape=(1, 8, 8), n=n, steps=2, **more)


def settings(rows):
    return [(row["network"], row["sampler"], row["r"]) for row in rows]


def test_a_sweep_measures_every_setting(tmp_path, small):
    networks, judge = small
    path = tmp_path / "sweep.json"
    rows = small_sweep(path, networks, judge)
    assert settings(rows) == [(n, s, r) for n in ("unet", "twin") for s in ("DDIM", "DDPM") for r in (0, 2.0)]
    assert json.loads(path.read_text()) == rows
    net, schedule, about = networks["twin"]
    images, y = generate(net, schedule, "DDPM", 2.0, shape=(1, 8, 8), n=40, steps=2)
    extra = judge[2]["extra"]
    row = rows[-1]
    for key, value in judged(judge[0], (extra["mean"], extra["covariance"]), images, y).items():
        assert row[key] == value, key
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
    assert small_sweep(path, *small) == rows
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
    assert {(row["sampler"], row["n"]) for row in fewer} == {("DDIM", 40), ("DDPM", 20), ("Euler-Maruyama", 40)}
    again = small_sweep(path, networks, judge, samplers=["DDIM"], scales=[0], seed=1)
    assert {row["seed"] for row in again} == {1}


# ---- what ships ----


def shipped(name):
    path = SHIPPED / f"{name}.safetensors"
    assert path.stat().st_size <= MOST_BYTES
    return load_checkpoint(path)  # which compares the sum of the tensors


@pytest.mark.parametrize("name", checkpoints.LEGS)
def test_a_shipped_network_says_how_it_was_made(name):
    net, schedule, about = shipped(name)
    last = checkpoints.arguments_of(name, *checkpoints.LEGS[name][-1])
    options = command.parse([*last, "--overwrite"])
    assert type(net) is command.NETWORKS[options.model]
    assert about["command"] == command.command_line(last, 1)
    ends = [0, *(steps for steps, _ in checkpoints.LEGS[name])]
    legs = zip(ends, checkpoints.LEGS[name])
    told = [{key: leg[key] for key in ("after", "steps", "cool_down")} for leg in about["legs"]]
    assert told == [{"after": n, "steps": steps, "cool_down": cool} for n, (steps, cool) in legs]
    assert [leg.get("optimizer") for leg in about["legs"]] == [None, None, "new"]
    assert torch.equal(schedule.alpha_bar, linear().alpha_bar)
    assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in net.parameters())
    for key in ("steps", "cool_down", "batch", "lr", "ema", "data", "p_drop", "seed"):
        assert about[key] == getattr(options, key), key
    assert len(about["data_sha256"]) == 64
    assert 0 < about["final_loss"] < 0.1
    assert 0 < about["timed_steps"] <= about["steps"]
    assert {"torch", "python", "numpy", "safetensors", "cfgedu"} <= set(about["versions"])


@pytest.mark.parametrize("name", checkpoints.JUDGES)
def test_a_shipped_judge_is_good_enough(name):
    judge, schedule, about = shipped(name)
    assert judge.config == Judge(size=28).config
    assert schedule is None
    assert about["accuracy"] >= checkpoints.JUDGE_BAR
    assert about["steps"] == checkpoints.JUDGES[name][1]
    mean, covariance = about["extra"]["mean"], about["extra"]["covariance"]
    assert mean.shape == (32,)
    assert covariance.shape == (32, 32)
    assert torch.linalg.eigvalsh(covariance).min() > 0


@pytest.mark.skipif(REAL is None, reason="MNIST is not on this machine: set CFGEDU_DATA")
@pytest.mark.parametrize("name", checkpoints.JUDGES)
def test_a_shipped_judge_on_the_real_images(name, monkeypatch):
    monkeypatch.setenv("CFGEDU_DATA", str(REAL.resolve()))
    x, y = load("mnist", "test")
    judge, _, about = shipped(name)
    assert about["test_sha256"] == command.data_sum(x, y)
    assert judge_accuracy(judge, x, y) == pytest.approx(about["accuracy"], abs=3e-4)
    for part, value in zip(("mean", "covariance"), moments(features(judge, x)), strict=True):
        torch.testing.assert_close(about["extra"][part], value, rtol=1e-3, atol=1e-4)


def test_the_help_of_the_training_command_shows_the_recipe_that_ships():
    for leg in checkpoints.LEGS["mnist-unet"]:
        recipe = " ".join(checkpoints.arguments_of("mnist-unet", *leg)).removeprefix("--data mnist --model unet ")
        assert f"{command.PROGRAM} {recipe.removesuffix(' --threads 1')} --name mine" in command.MORE


def test_the_shipped_sweep_is_of_the_shipped_checkpoints():
    rows = json.loads((SHIPPED / "mnist-sweep.json").read_text(encoding="utf-8"))
    sums = {"unet": shipped("mnist-unet")[2]["sha256"], "twin": shipped("mnist-twin-unet")[2]["sha256"]}
    judge = shipped("mnist-judge")[2]["sha256"]
    settings = {(row["network"], row["sampler"], row["r"]) for row in rows}
    assert settings == {(n, s, r) for n in sums for s in checkpoints.IMAGES for r in checkpoints.SCALES}
    assert len(settings) == len(rows)
    for row in rows:
        assert (row["checkpoint"], row["judge"]) == (sums[row["network"]], judge)
        assert (row["n"], row["steps"]) == (checkpoints.IMAGES[row["sampler"]], 50)
        assert 0 <= row["accuracy"] <= 1
        assert sum(row["classes"]) == pytest.approx(1)


def test_the_shipped_networks_are_good_enough():
    """The bars of the course, on 1000 images with 50 DDIM steps; the sums above tie the table to the networks."""
    rows = json.loads((SHIPPED / "mnist-sweep.json").read_text(encoding="utf-8"))
    unet, twin = (
        {row["r"]: row for row in rows if (row["network"], row["sampler"]) == (name, "DDIM")}
        for name in ("unet", "twin")
    )
    assert min(unet[1]["accuracy"], twin[1]["accuracy"]) >= 0.95
    assert unet[2]["accuracy"] >= 0.99
    assert abs(unet[2]["accuracy"] - twin[2]["accuracy"]) <= 0.02
    for table in (unet, twin):
        assert all(0.04 <= share <= 0.20 for share in table[0]["classes"])  # r = 0: samples of p(x), every class
        distance = {r: row["frechet"] for r, row in table.items()}
        assert 1 <= min(distance, key=distance.get) <= 2
