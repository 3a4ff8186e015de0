"""`course.py checkpoints dropout twins lab digits repair`: what the demos of notebooks 08, 09, 10, 11 and 16 show."""

from functools import partial

import pytest
import torch

from cfgedu import checkpoints as files
from cfgedu.checkpoints import load_checkpoint, read
from cfgedu.exercises.repair import made
from cfgedu.files import DATA
from cfgedu.guidance import from_score, guidance_vector, null_pair
from cfgedu.images import load
from cfgedu.lights import measures
from cfgedu.metrics import field_error, judge_accuracy
from cfgedu.models import MLP, TwinMLP
from cfgedu.protocol import seeded
from cfgedu.schedule import linear
from cfgedu.toy import islands
from cfgedu.widgets.dropout import RATES, shipped_name
from cfgedu.widgets.gallery import CHOICES, NETWORKS, code_of, trained_as, training_part
from cfgedu.widgets.lab import SHIPPED
from cfgedu.widgets.twin import LeakyTwin, shipped_twins
from tools import checkpoints, demo_networks

# of one file, by the beginning of its name
MOST_BYTES = {"dropout": 60_000, "lab": 60_000, "twin": 150_000, "digits": 500_000}


@pytest.fixture
def short(tmp_path, monkeypatch):
    """Three steps in place of a thousand, and another place than data/."""
    monkeypatch.setattr(files, "DATA", tmp_path)
    for name in ("DROPOUT", "TWINS", "LAB", "DIGITS"):
        recipe = getattr(demo_networks, name)
        few = {"steps": 3, "batch": 8} | ({"cool_down": 1} if "cool_down" in recipe else {})
        monkeypatch.setattr(demo_networks, name, recipe | few)
    monkeypatch.setattr(demo_networks, "JUDGE_STEPS", 3)
    return tmp_path


MADE = {
    "dropout": [shipped_name(p) for p in RATES],
    "twins": ["twin-late", "twin-leaky"],
    "lab": list(SHIPPED.values()),
    "digits": ["digits-judge", "digits-mlp"],
}


@pytest.mark.parametrize("family", MADE)
def test_it_makes_what_ships(short, family):
    assert demo_networks.make(family) == 0
    assert sorted(path.stem for path in short.glob("*.safetensors")) == sorted(MADE[family])
    for name in MADE[family]:
        own, shipped = (load_checkpoint(path)[2] for path in (short / f"{name}.safetensors", name_of(name)))
        assert own["command"] == f"python3 course.py checkpoints {family}"
        assert set(own) == set(shipped)
        assert [own[key] for key in ("data", "class", "config", "seed")] == [
            shipped[key] for key in ("data", "class", "config", "seed")
        ]


def test_it_makes_the_networks_of_the_broken_files(short, monkeypatch):
    monkeypatch.setattr(demo_networks, "trained", lambda text: made(text)["Net"]())
    assert demo_networks.make("repair") == 0
    own, shipped = (read(folder / f"{NETWORKS}.safetensors") for folder in (short, DATA))
    for tensors, about in (own, shipped):
        assert about["command"] == "python3 course.py checkpoints repair"
        assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
        assert {name.split(".")[0] for name in tensors} == {trained_as(name) for name in CHOICES}
    assert {name: t.shape for name, t in own[0].items()} == {name: t.shape for name, t in shipped[0].items()}


def test_each_broken_file_has_its_own_network():
    x, t = torch.randn(50, 2, generator=seeded(1)), torch.full((50,), 300)
    said = {name: code_of(name).model(x, t, torch.ones_like(t)) for name in CHOICES}
    for name in CHOICES:
        assert torch.equal(said[name], said["none"]) == (training_part(name) == training_part("none"))
    assert spread_of_g("none") < 0.4  # of the signal: what it trained from is the right file
    assert spread_of_g("M") > 0.52  # no label was ever dropped: the light is red


def spread_of_g(name):
    code = code_of(name)
    return measures.error_of_g(code, islands(), 0)[0]


def name_of(name):
    return DATA / f"{name}.safetensors"


def test_the_tool_calls_it(monkeypatch):
    asked = []
    monkeypatch.setattr(checkpoints, "demo_networks", lambda name: asked.append(name) or 3 * (name == "digits"))
    assert checkpoints.DEMOS == demo_networks.NAMES
    assert checkpoints.main(["digits", "twins"]) == 3
    assert asked == ["twins", "digits"]


@pytest.mark.parametrize("name", [name for names in MADE.values() for name in names])
def test_a_shipped_network_is_small_and_has_the_schedule(name):
    net, schedule, _ = load_checkpoint(name)
    assert name_of(name).stat().st_size <= MOST_BYTES[name.split("-")[0]]
    assert not net.training
    if schedule:
        assert torch.equal(schedule.alpha_bar, linear().alpha_bar)


@pytest.mark.parametrize("family", demo_networks.HALF)
def test_what_lies_in_float16_is_read_as_float32(family):
    for name in MADE[family]:
        stored, _ = read(name_of(name))
        net, schedule, _ = load_checkpoint(name)
        assert {t.dtype for key, t in stored.items() if key != "alpha_bar"} == {torch.float16}
        assert {p.dtype for p in net.parameters()} == {torch.float32}
        assert all(torch.equal(p, stored[f"model.{key}"].float()) for key, p in net.state_dict().items())
        assert schedule.alpha_bar.dtype == torch.float64


def test_the_recipes_are_in_the_files():
    for p in RATES:
        net, _, about = load_checkpoint(shipped_name(p))
        assert net.config == MLP(3).config
        assert {"p_drop": p, **demo_networks.DROPOUT}.items() <= about.items()
    for name, leaky in (("twin-late", False), ("twin-leaky", True)):
        net, _, about = load_checkpoint(name)
        assert net.config == TwinMLP(3).config
        assert {"leaky": leaky, **demo_networks.TWINS}.items() <= about.items()
    for k, name in enumerate(SHIPPED.values(), 1):
        net, _, about = load_checkpoint(name)
        assert net.config == MLP(3).config
        assert {"network": k, "p_drop": 0.1, **demo_networks.LAB}.items() <= about.items()
    net, _, about = load_checkpoint("digits-mlp")
    assert net.config == MLP(10, dim=64, width=128, depth=4).config
    assert demo_networks.DIGITS.items() <= about.items()


def error_of_g(pair):
    """The error of g in eps units at t = 150, as a share of the signal, as notebook 08 measures it."""
    schedule, exact = linear(), null_pair(islands().denoiser(linear()))
    x, y = islands().sample(500, seeded(7))
    in_eps = lambda pair: from_score(guidance_vector(pair, schedule), schedule)
    error = lambda pair: float(field_error(in_eps(pair), in_eps(exact), schedule, x, y, [150], seeded(8)))
    return error(pair) / error(lambda x, t, y: (x, x))


@torch.no_grad()
def test_they_are_what_the_notebooks_tell_of():
    off = {p: error_of_g(null_pair(load_checkpoint(shipped_name(p))[0])) for p in RATES}
    assert off[0.0] > 1  # without dropout the learned g is worse than none
    assert max(off[p] for p in RATES[1:]) < 0.5
    late, leaky = map(error_of_g, (twin.pair for twin in shipped_twins()))
    assert late < 0.15
    assert leaky > 0.8
    judge, _, about = load_checkpoint("digits-judge")
    assert judge_accuracy(judge, *load("digits", "test")) == pytest.approx(about["accuracy"], abs=0.003)
    assert about["accuracy"] > 0.96


def test_the_leaky_twin_is_that_of_the_notebook():
    """Its pair, written out there, and the one here are one formula; late fusion's ignores the label."""
    x, t = torch.randn(5, 2, generator=seeded(2)), torch.full((5,), 200)
    late, leaky = shipped_twins()
    assert (type(late), type(leaky)) == (TwinMLP, LeakyTwin)
    same = [partial(torch.equal, twin.pair(x, t, torch.zeros_like(t))[0]) for twin in (late, leaky)]
    assert [equal(twin.pair(x, t, torch.ones_like(t))[0]) for equal, twin in zip(same, (late, leaky))] == [True, False]
