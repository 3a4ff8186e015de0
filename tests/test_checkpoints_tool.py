"""`course.py checkpoints`, and what it made: the files in data/."""

import pytest
import torch
from test_images import REAL
from test_sweep import every_setting

from cfgedu import checkpoints as files
from cfgedu.checkpoints import load_checkpoint, save_checkpoint, write
from cfgedu.images import load
from cfgedu.metrics import features, judge_accuracy, moments
from cfgedu.models import Judge, TwinUNet, UNet
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
    monkeypatch.setattr(checkpoints, "demo_networks", lambda name: made.append(name) or 0)
    assert checkpoints.main([]) == 0
    sweep = ["DDIM", "DDPM", "Euler-Maruyama"]
    first = ["mnist-unet", "mnist-twin-unet", "mnist-judge", "mnist-judge-2", sweep]
    assert made == [*first, "branches", "variants", "dropout", "twins", "lab", "digits", "repair"]
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
    asked, real = [], []
    for name, kind in (("mnist-unet", UNet), ("mnist-twin-unet", TwinUNet)):
        save_checkpoint(name, kind(10, width=8), linear(), {})
    save_checkpoint("mnist-judge", Judge(size=28, width=4, features=4), None, {})
    monkeypatch.setattr(checkpoints, "load", lambda name, split="train": spots(split))
    monkeypatch.setattr(checkpoints, "real_digits", lambda path, judge, train, test: real.append((path, *train, *test)))
    monkeypatch.setattr(checkpoints, "sweep", lambda *given, seed=0: asked.append((*given, seed)))
    assert checkpoints.main(["mnist-sweep", "--samplers", "DDIM", "Euler-Maruyama"]) == 0
    ((path, *sets),) = real
    assert path == folder / "data/mnist-sweep.json"
    assert all(torch.equal(got, expected) for got, expected in zip(sets, (*spots(), *spots("test")), strict=True))
    kinds = {"unet": UNet, "twin": TwinUNet}
    rows = set()
    for path, networks, _, samplers, scales, seed in asked:
        assert path == folder / "data/mnist-sweep.json"
        assert samplers == ["DDIM", "Euler-Maruyama"]
        ((name, net),) = networks.items()
        assert type(net[0]) is kinds[name]
        rows |= {(name, r, seed) for r in scales}
    assert rows == every_setting()


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
    seen = features(judge, x)
    accuracy = (judge.head(seen).argmax(1) == y).double().mean().item()  # judge_accuracy, with one look at the images
    assert accuracy == pytest.approx(about["accuracy"], abs=3e-4)
    for part, value in zip(("mean", "covariance"), moments(seen), strict=True):
        torch.testing.assert_close(about["extra"][part], value, rtol=1e-3, atol=1e-4)


def test_the_help_of_the_training_command_shows_the_recipe_that_ships():
    for leg in checkpoints.LEGS["mnist-unet"]:
        recipe = " ".join(checkpoints.arguments_of("mnist-unet", *leg)).removeprefix("--data mnist --model unet ")
        assert f"{command.PROGRAM} {recipe.removesuffix(' --threads 1')} --name mine" in command.MORE


@pytest.mark.parametrize(("name", "own"), [("mnist-unet", "mine"), ("mnist-twin-unet", "my-twin")])
def test_the_words_beside_the_checkpoints_show_the_commands_that_make_them(name, own):
    lines = [line.strip() for line in (SHIPPED / "README.md").read_text(encoding="utf-8").splitlines()]
    told = [line for line in lines if line.startswith(command.PROGRAM) and line.split("--name ")[1].split()[0] == own]
    resumed = ["", *[" --resume"] * (len(checkpoints.LEGS[name]) - 1)]
    legs = zip(checkpoints.LEGS[name], resumed, strict=True)
    assert told == [
        command.command_line(checkpoints.arguments_of(name, *leg), 1) + f" --name {own}{end}" for leg, end in legs
    ]
