"""What holds of every demo: it lives, it can be told as code, it is stored, and it has no state that breaks it."""

import base64
import importlib
import inspect
import io
import json
import pkgutil
import re
from functools import cache
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers import LeakyTwin, quivers, random_network
from matplotlib.text import Text
from PIL import Image, ImageChops

import cfgedu.widgets
from cfgedu.models import MLP, Judge, TwinMLP, TwinUNet, UNet
from cfgedu.saving import DEMO
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import spirals, two_gaussians
from cfgedu.widgets.live import INVITATION, LiveFigure

SCHEDULE, SHORT = linear(), Schedule(linear().alpha_bar[::10])  # T = 1000 and 100


def no_networks(K=3, T=1000):
    return {}


def digits(K=10, T=1000):
    net = random_network(lambda: MLP(10, dim=64, width=16))
    return {"net": net, "judge": random_network(Judge), "schedule": SCHEDULE}


def big_digits(K=10, T=1000):
    net, twin = (random_network(lambda make=make: make(10, width=8, mults=(1, 1))) for make in (UNet, TwinUNet))
    judge = random_network(lambda: Judge(size=28, width=4))
    return {"net": net, "judge": judge, "schedule": SCHEDULE, "twin": twin}


def two_rates(K=3, T=1000):
    return {"nets": {p: random_network(lambda: MLP(K, T, width=8), seed) for seed, p in enumerate((0.0, 0.1))}}


def two_twins(K=3, T=1000):
    twins = {"late": TwinMLP, "leaky": LeakyTwin}
    return {name: random_network(lambda kind=kind: kind(K, T, width=16)) for name, kind in twins.items()}


def three_networks(K=2, T=1000):
    names = ("the strong network", "a weaker one", "one too weak")
    networks = {name: random_network(lambda: MLP(K, T, width=8), seed) for seed, name in enumerate(names)}
    return {"networks": networks}


def one_network(K=3, T=1000):
    return {"networks": {"a network": random_network(lambda: MLP(K, T, width=16))}}


# demo: (the networks it is given, a state that differs from its start in every control, the state they are tried from)
DEMOS = {
    "baselines": (three_networks, {"model": "exact scores", "baseline": "no label (CFG)", "r": 0.5}, {}),
    "contested_mode": (
        no_networks,
        {"method": "projected (APG)", "r": 2.0, "low": 100, "high": 400, "sampler": "DDPM", "world": "moved"},
        {"method": "rescaled, x0"},  # for plain guidance it is all one where the world lies
    ),
    "digits_lab": (digits, {"label": 5, "r": 7.0, "steps": 4, "seed": 3, "clip": True}, {}),
    "mnist_lab": (
        big_digits,
        {"label": 5, "r": 7.0, "steps": 4, "seed": 3, "clip": True, "network": "twin"},
        {"steps": 3},
    ),
    "dropout_explorer": (two_rates, {"p_drop": 0.1, "null": "zeros", "t": 500, "label": 1}, {}),
    "gallery": (no_networks, {"bug": "D", "r": 0.0}, {}),
    "guidance_vector": (no_networks, {"t": 500, "r": 3.0, "label": 1, "px": -1.0, "py": -0.5}, {}),
    "loss_explorer": (no_networks, {"bucket": 9, "label": 1}, {}),
    "noise_explorer": (no_networks, {"t": 400, "schedule": "cosine", "label": 2}, {}),
    "sampling_lab": (
        one_network,
        {"model": "a network", "sampler": "DDPM", "label": 2, "r": 1.0, "steps": 9, "high": 600, "low": 300},
        {},
    ),
    "scales": (no_networks, {"r": 4.0}, {}),
    "score_explorer": (no_networks, {"t": 400, "data": "spirals", "px": -1.0, "py": -0.1}, {}),
    "score_mixer": (no_networks, {"t": 400, "px": -1.0, "py": -0.5}, {}),
    "tilted_against_guided": (no_networks, {"r": 1.0, "label": 2, "sampler": "Euler-Maruyama"}, {}),
    "trajectory_player": (
        no_networks,
        {"sampler": "ODE", "steps": 7, "eta": 0.6, "progress": 20},
        {"sampler": "DDIM"},  # which alone reads eta
    ),
    "two_attributes": (
        no_networks,
        {"first": "right", "second": "down", "r_a": 3.0, "r_b": 2.0, "formula": "summed", "negative": "up"},
        {"r_a": 2.0},  # at 1 and 1 the chain is the pair's own prediction, whatever the baseline
    ),
    "twin_heads": (two_twins, {"t": 500, "label": 1, "shown": "conditional score"}, {}),
}
every_demo = pytest.mark.parametrize("name", DEMOS)


def makers() -> dict:
    """{demo: the function that makes it}, of every function ..._demo in cfgedu.widgets."""
    paths = [module.name for module in pkgutil.iter_modules(cfgedu.widgets.__path__, "cfgedu.widgets.")]
    found = [pair for path in paths for pair in inspect.getmembers(importlib.import_module(path), inspect.isfunction)]
    return {name.removesuffix("_demo"): make for name, make in found if name.endswith("_demo")}


@cache
def given(name):
    return DEMOS[name][0]()


@cache
def made(name) -> LiveFigure:
    return makers()[name](**given(name))


@pytest.fixture
def demo(name, monkeypatch):
    """The demo at its start; a frame stays as it is while controls move."""
    monkeypatch.setattr(LiveFigure, "sharpen", lambda self: None)
    demo = made(name)
    demo.drawn = None  # so that it is drawn also where it stands at its start
    demo.set(**demo.start)
    yield demo
    plt.close("all")


def test_the_table_holds_every_demo():
    assert DEMOS.keys() == makers().keys()
    assert all(made(name).name == name for name in DEMOS)


@every_demo
def test_every_control_changes_the_picture_and_the_readout_and_reset_restores(name, demo):
    _, moves, first = DEMOS[name]
    assert moves.keys() == demo.controls.keys() == demo.start.keys()
    begin = bytes(demo.picture.value)
    demo.set(**first)
    picture, text = demo.picture.value, demo.readout.value
    for part, value in moves.items():
        demo.controls[part].value = value
        assert demo.picture.value != picture, part
        assert demo.readout.value != text, part
        assert not demo.error.value
        demo.set(**demo.start | first)
        assert (demo.picture.value, demo.readout.value) == (picture, text), part
    demo.set(**moves)
    demo.set(**demo.start)
    assert demo.picture.value == begin


def ends(control) -> list:
    """The ends of a slider; all of a short list, the ends of a long one."""
    if not hasattr(control, "options"):
        return [control.min, control.max]
    options = [value for _, value in control._options_full]
    return options if len(options) <= 4 else [options[0], options[-1]]


def extremes(demo):
    """Every combination of the lists with all sliders down and with all up; each end of each slider alone."""
    sliders = {name: ends(control) for name, control in demo.controls.items() if not hasattr(control, "options")}
    lists = {name: ends(control) for name, control in demo.controls.items() if name not in sliders}
    for values in product(*lists.values()):
        for end in (0, 1):
            yield dict(zip(lists, values)) | {name: both[end] for name, both in sliders.items()}
    yield from ({name: end} for name, both in sliders.items() for end in both)


@pytest.mark.parametrize("name", [name for name in DEMOS if "28x28" not in name])  # whose steps cost too much
def test_extremes_are_finite_and_raise_nothing(name, demo):
    for state in extremes(demo):
        text = demo.update(**demo.start | state)
        words = [text, *(part.get_text() for part in demo.figure.findobj(Text))]
        assert not [line for line in words if re.search(r"\b(nan|inf)\b", line)], state
        lines = [line.get_xydata() for ax in demo.figure.axes for line in ax.lines]
        offsets = [np.ma.getdata(part.get_offsets()) for ax in demo.figure.axes for part in ax.collections]
        assert all(np.isfinite(points).all() for points in lines + offsets), state
        if name != "score_explorer":  # which leaves arrows out where no data come
            assert not any(np.any(quiver.Umask) for quiver in quivers(demo)), state


@every_demo
def test_its_code_draws_its_picture(name, demo, capsys):
    _, moves, first = DEMOS[name]
    demo.set(**moves | first)
    exec(demo.code, dict(given(name)))
    assert capsys.readouterr().out == demo.update(**demo.state) + "\n"
    figure, again, sharp = plt.gcf(), io.BytesIO(), Image.open(io.BytesIO(demo.drawing.sharp()))
    figure.set_dpi(100)
    figure.canvas.draw()
    figure.set_layout_engine("none")  # laid out where a demo is, then drawn as sharp
    figure.savefig(again, dpi=200, format="rgba")
    drawn = np.frombuffer(again.getvalue(), np.uint8).reshape(sharp.height, sharp.width, 4)
    np.testing.assert_array_equal(drawn[..., :3], np.asarray(sharp))
    assert f"demo = {demo.name}_demo(" in demo.source.value


@every_demo
def test_still_draws_the_start_with_what_is_asked_for(name, demo, capsys):
    part, value = next(iter(DEMOS[name][1].items()))
    demo.set(**DEMOS[name][1])  # where the controls stand plays no part
    demo.still(**{part: value})
    assert capsys.readouterr().out == demo.update(**demo.start | {part: value}) + "\n"
    assert plt.gcf().get_size_inches().tolist() == list(demo.size)
    names = ", ".join(demo.start)
    with pytest.raises(TypeError, match=rf"{demo.name} has no colour; the names of its state are {names}$"):
        demo.still(colour=1)


@every_demo
def test_what_a_notebook_stores(name, demo):
    demo.set(**DEMOS[name][1])
    bundle, metadata = demo._repr_mimebundle_()
    assert bundle.keys() == {"text/plain", "image/png", DEMO, "application/vnd.jupyter.widget-view+json"}
    assert bundle["text/plain"] == repr(demo)
    stored = bundle[DEMO]
    assert stored.keys() == {"demo", "state", "alt"}
    assert (stored["demo"], stored["state"]) == (demo.name, demo.start | DEMOS[name][1])
    assert json.loads(json.dumps(stored)) == stored
    assert stored["alt"] == metadata["image/png"]["alt"] == f"{demo.alt}. {INVITATION}"
    assert "running this cell" in INVITATION
    assert demo.alt[0].isupper()
    assert not demo.alt.endswith(".")

    data, sharp = base64.b64decode(bundle["image/png"]), Image.open(io.BytesIO(demo.drawing.sharp()))
    picture = Image.open(io.BytesIO(data))
    assert picture.size == sharp.size
    assert metadata["image/png"]["width"] * 2 == sharp.size[0]
    assert len(data) < 350_000
    off = ImageChops.difference(picture.convert("RGB"), sharp)
    assert np.asarray(off).max(2).mean() < 1  # level of 255
    assert (np.asarray(off.reduce(8)).max(2) > 8).mean() < 0.001


@every_demo
def test_a_copy_of_the_state_brings_the_picture_back(name, demo):
    demo.set(**DEMOS[name][1])
    picture, copy = demo.picture.value, json.loads(json.dumps(demo.state))
    demo.set(**demo.start)
    assert demo.picture.value != picture
    demo.set(**copy)
    assert (demo.picture.value, demo.state) == (picture, copy)


@pytest.mark.parametrize("world", [two_gaussians, spirals])
@pytest.mark.parametrize("name", [n for n, make in makers().items() if "mixture" in inspect.signature(make).parameters])
def test_another_world(name, world):
    mixture, parameters = world(), inspect.signature(makers()[name]).parameters
    other = {"mixture": mixture} | ({"schedule": SHORT} if "schedule" in parameters else {})
    networks = DEMOS[name][0](mixture.K, SHORT.T)
    demo = makers()[name](**networks, **other)
    assert all(f"{part}={part}" in demo.code for part in other)
    assert not demo.error.value
    assert bytes(demo.picture.value).startswith(b"\x89PNG")
    assert "nan" not in demo.readout.value
    if "label" in demo.controls:
        assert len(demo.controls["label"].options) == mixture.K + (name == "loss_explorer")  # which knows "none" too
    if "schedule" in other and "t" in demo.controls:
        assert demo.controls["t"].min == 1
        assert demo.controls["t"].max == SHORT.T


def test_a_demo_too_slow_to_follow_a_hand_waits_for_its_release():
    slow, quick = made("mnist_lab"), made("digits_lab")
    assert not slow.controls["r"].continuous_update
    assert "cfgedu-on-release" in slow._dom_classes  # which gives it another budget in the browser
    assert quick.controls["r"].continuous_update
    assert "cfgedu-on-release" not in quick._dom_classes
    assert "mnist_lab_demo(net=net, judge=judge, schedule=schedule, twin=twin)" in slow.code
