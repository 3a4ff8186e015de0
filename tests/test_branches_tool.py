"""`course.py checkpoints branches`: the networks of notebook 14, and what they do as baselines of one another."""

import json

import pytest
import torch

from cfgedu import checkpoints as files
from cfgedu.checkpoints import load_checkpoint
from cfgedu.files import DATA
from cfgedu.guidance import guided, two_models
from cfgedu.models import MLP
from cfgedu.schedule import linear
from cfgedu.toy import branches as world
from tools import branches, checkpoints

MOST_BYTES = 400_000  # of the three networks


def rows():
    return json.loads((DATA / "branches.json").read_text(encoding="utf-8"))


def test_it_trains_and_measures_every_seed(tmp_path, monkeypatch, capsys):
    for module in (files, branches):
        monkeypatch.setattr(module, "DATA", tmp_path)
    monkeypatch.setattr(branches, "SIZES", dict.fromkeys(branches.SIZES, (8, 1)))
    monkeypatch.setattr(branches, "RUNS", {size: {"steps": 3, "batch": 8} for size in branches.SIZES})
    monkeypatch.setattr(branches, "N", 40)
    monkeypatch.setattr(branches, "STEPS", 2)
    assert branches.make() == 0
    made = json.loads((tmp_path / "branches.json").read_text())
    assert all(len(row["off"]) == len(row["lost"]) == len(branches.SEEDS) for row in made)
    assert len(capsys.readouterr().out.splitlines()) == len(made) * len(branches.SEEDS)
    assert sorted(path.stem for path in tmp_path.glob("*.safetensors")) == [
        "branches-strong",
        "branches-too-weak",
        "branches-weak",
    ]
    _, schedule, about = load_checkpoint("branches-weak")
    assert torch.equal(schedule.alpha_bar, linear().alpha_bar)
    assert about["command"] == "python3 course.py checkpoints branches"
    assert about["seed"] == 1


def test_the_tool_calls_it(monkeypatch):
    asked = []
    monkeypatch.setattr(checkpoints, "small_networks", lambda: asked.append(1) or 3)
    assert checkpoints.main(["branches"]) == 3
    assert asked == [1]


def test_the_shipped_networks_are_small_and_say_how_they_were_made():
    paths = [DATA / f"branches-{size}.safetensors" for size in branches.SIZES]
    assert sum(path.stat().st_size for path in paths) <= MOST_BYTES
    for place, (size, (width, depth)) in enumerate(branches.SIZES.items()):
        net, schedule, about = load_checkpoint(f"branches-{size}")
        assert net.config == MLP(2, width=width, depth=depth).config
        assert torch.equal(schedule.alpha_bar, linear().alpha_bar)
        assert about["seed"] == place
        assert {key: about[key] for key in branches.RUNS[size]} == branches.RUNS[size]


def test_the_shipped_table_is_of_the_shipped_networks():
    schedule = linear()
    strong, weak = (load_checkpoint(f"branches-{size}")[0] for size in ("strong", "weak"))
    [row] = [row for row in rows() if (row["model"], row["baseline"], row["r"]) == ("strong", "weak", 2.0)]
    found = branches.judged(world(), guided(two_models(weak, strong), 2.0), schedule)
    assert found["off"] == pytest.approx(row["off"][0], abs=0.01)
    assert found["lost"] == pytest.approx(row["lost"][0], abs=0.03)


@pytest.mark.parametrize("seed", branches.SEEDS)
def test_what_the_notebook_says_holds_for_every_seed(seed):
    own = {
        (row["model"], row["baseline"], row["r"]): {key: row[key][seed] for key in ("off", "lost")} for row in rows()
    }
    first, weaker, cfg = (own["strong", foot, r] for foot, r in (("none", 1.0), ("weak", 2.0), ("unconditional", 2.0)))
    assert weaker["off"] < 0.8 * first["off"]
    assert cfg["off"] > 1.3 * first["off"]
    assert weaker["off"] < 0.65 * cfg["off"]
    assert weaker["lost"] < 0.5 * cfg["lost"]
    assert own["weak", "none", 1.0]["off"] > 1.5 * first["off"]
    assert own["exact", "none", 1.0]["lost"] == 0
