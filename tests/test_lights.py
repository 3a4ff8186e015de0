"""The lights of the capstone: each bug turns its own lights red and no other, right code is green in every form."""

import random
import time
from itertools import combinations
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
import torch

from cfgedu.exercises.n16 import SCALES
from cfgedu.exercises.repair import BUGS, EVERY, SPARES, code_with, planted, trained
from cfgedu.exercises.repair.forms import RIGHT, changed
from cfgedu.lights import GAUGES, Light, Log, dashboard, show, source
from cfgedu.lights.measures import BATCHES
from cfgedu.metrics import mean_posterior
from cfgedu.protocol import seeded
from cfgedu.toy import islands

REPAIRED = code_with()


def red(code, **options):
    return {light.name for light in dashboard(code, **options) if light.green is False}


def named(bugs):
    return {name for bug in bugs for name in bug.lights}


# ---------------------------------------------------------------- bugs and lights


@pytest.mark.parametrize("code", RIGHT, ids=["reference", "packaged", "spelled out", "w"])
def test_right_code_is_green_in_every_form(code):
    lights = dashboard(code)
    assert all(light.green for light in lights), [(light.name, light.words) for light in lights if not light.green]
    assert [light.name for light in lights] == list(GAUGES)


def test_a_dashboard_asks_the_loss_for_its_batches_once():
    asked = []

    def counted(*given):
        asked.append(given)
        return REPAIRED.loss(*given)

    dashboard(changed(loss=counted))
    assert BATCHES <= len(asked) < 2 * BATCHES


def test_code_that_is_changed_in_place_is_seen_anew():
    code = changed()
    dashboard(code)
    code.loss = lambda model, x0, y, p_drop, generator: REPAIRED.loss(model, x0, y, 0.5, generator)
    assert red(code) == {"drop rate"}


@pytest.mark.parametrize("bug", EVERY.values(), ids=lambda bug: bug.name)
def test_a_bug_turns_its_lights_red_and_no_other(bug):
    assert red(code_with([bug])) == set(bug.lights)


def pairs(n=8):
    return random.Random(16).sample(list(combinations(BUGS, 2)), n)


@pytest.mark.parametrize("pair", pairs(), ids=lambda pair: " and ".join(bug.name for bug in pair))
def test_of_two_bugs_one_shows_and_what_shows_is_theirs(pair):
    found = red(code_with(pair))
    assert found
    assert found <= named(pair)


def test_any_order_of_repair_works():
    """While a bug is left some light is red, and each red light has a cause among the bugs that are left."""
    order = random.Random(3).sample(BUGS, len(BUGS))
    while order:
        found = red(code_with(order))
        assert found, [bug.name for bug in order]
        assert found <= named(order)
        order.pop()
    assert red(REPAIRED) == set()


def test_bugs_hide_each_other():
    """Behind the label in both halves the wrong weights do not show at r = 1."""
    halves, weights = EVERY["the label in both halves"], EVERY["w for r"]
    assert "r = 1" in red(code_with([weights]))
    assert "r = 1" not in red(code_with([halves, weights]))


def test_the_table():
    assert len(BUGS) >= 10
    assert len(EVERY) == len(BUGS) + len(SPARES)
    for bug in EVERY.values():
        assert planted([bug]) != planted([])
        assert bug.lights
        assert set(bug.lights) <= set(GAUGES)
        assert bug.wrong.strip().count("\n") <= 1
    for bug in BUGS:
        assert bug.source
        assert bug.story.endswith(".")
        assert all(bug.hints)
        assert len(set(bug.hints)) == 3
    assert len({bug.right for bug in BUGS}) == len(BUGS)  # a line each, so that they can all be planted at once
    assert EVERY["gate"].lights == ("r = 0",)
    assert EVERY["stale noise"].lights == ("clip",)
    assert EVERY["starts below T"].lights == ("times asked",)


def test_a_bug_finds_its_place_once():
    with pytest.raises(ValueError, match="'gate' must find its place once, found 2 times"):
        planted([SimpleNamespace(name="gate", right="signal * x0", wrong="")] * 1)
    with pytest.raises(ValueError, match="found 0 times"):
        planted([EVERY["w for r"], EVERY["sign"]])


def test_the_scales_of_exercise_2_are_the_measured_ones():
    names = {"minus": "sign", "swapped": "halves in the wrong order", "one channel": "first channel only"}
    for thing, name in names.items():
        seen = [light for light in EVERY[name].lights if light.startswith("r = ")]
        assert SCALES[thing] == ("all three" if len(seen) == 3 else " and ".join(seen))
    lerp = lambda model, r: lambda x, t, y: torch.lerp(model(x, t, torch.full_like(y, -1)), model(x, t, y), r)
    assert SCALES["lerp"] == "none"
    assert red(changed(guided=lerp)) == set()


def quality(code, r):
    """Mean p(c given x) of samples."""
    _, y = islands().sample(1000, seeded(9))
    x = torch.randn(1000, 2, generator=seeded(1))
    return mean_posterior(islands(), code.sample(code.guided(code.model, r), x, y, steps=50), y)


def test_most_bugs_leave_the_samples_fine_and_one_makes_them_better():
    right = quality(REPAIRED, 1.0)
    found = {bug.name: quality(code_with([bug]), 1.0) - right for bug in BUGS}
    assert sum(gain > -0.05 for gain in found.values()) > len(BUGS) / 2
    assert found["w for r"] > 0.05
    assert quality(code_with(BUGS), 1.0) > right - 0.05  # with all of them at once


def test_files_that_train_alike_share_a_network():
    ask = lambda bugs: code_with(bugs, seed=1).model(torch.zeros(1, 2), torch.tensor([5]), torch.tensor([0]))
    before = trained.cache_info().misses
    same = [ask(bugs) for bugs in ([], [EVERY["gate"]], [EVERY["stale noise"], EVERY["w for r"]])]
    assert trained.cache_info().misses == before + 1
    assert all(torch.equal(answer, same[0]) for answer in same)
    assert not torch.equal(ask([EVERY["flipped mask"]]), same[0])
    assert trained.cache_info().misses == before + 2


# ---------------------------------------------------------------- the dashboard


def test_the_dashboard_takes_less_than_10_seconds_with_its_training():
    code, began = code_with(seed=2), time.process_time()
    dashboard(code)
    assert time.process_time() - began < 10


def failing(*arguments, eta=0.0, clip=None, **options):
    raise ArithmeticError("on purpose")


@pytest.mark.parametrize("part", ["drop_labels", "loss", "guided", "sample", "model"])
def test_a_crash_turns_its_lights_red_with_the_sentence(part):
    lights = dashboard(changed(**{part: failing}))
    crashed = [light for light in lights if light.said]
    expected = [name for name, gauge in GAUGES.items() if part in gauge.needs.split()]
    assert [light.name for light in crashed] == expected
    for light in crashed:
        assert light.green is False
        assert light.said == 'ArithmeticError: on purpose, in "raise ArithmeticError("on purpose")"'
        assert light.words == light.said
    assert all(light.green for light in lights if light not in crashed)


def test_a_crash_of_all_parts_and_of_the_schedule():
    strange = [float("nan"), "text", torch.zeros(2, 2), torch.ones(3), object()]
    for value in strange:
        lights = dashboard(changed(schedule=value))
        assert len(lights) == len(GAUGES)
        assert not all(light.green for light in lights)
    assert not any(light.green for light in dashboard(SimpleNamespace()))
    [said] = {light.said for light in dashboard(changed(schedule=torch.zeros(2, 2))) if light.name == "oracle"}
    assert said == "ValueError: schedule must be the table alpha_bar[0..T], shape (T+1,), got (2, 2)"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_red(value):
    lights = {light.name: light for light in dashboard(changed(model=lambda x, t, y: torch.full_like(x, value)))}
    assert lights["no label"].green is lights["error of g"].green is False


def test_what_is_missing_stays_dark():
    code = changed(loss=None, sample=lambda model, x, y, steps=50: REPAIRED.sample(model, x, y, steps))
    lights = {light.name: light for light in dashboard(code, known=False)}
    dark = {name: light.said for name, light in lights.items() if light.green is None}
    no_loss, unknown = "the code has no loss", "what the model has learned is not known"
    training = ("drop rate", "own coins", "labels kept", "times trained", "loss of the truth")
    assert dark == dict.fromkeys(training, no_loss) | {"no label": unknown, "error of g": unknown} | {
        "fresh noise": "its sample has no eta", "clip": "its sample has no clip",
    }  # fmt: skip
    assert all(light.green for name, light in lights.items() if name not in dark)


def test_code_of_the_course_goes_under_the_lights():
    """Other numbers of classes and times; the exact denoiser as its model."""
    from cfgedu.schedule import cosine, linear
    from cfgedu.toy import two_gaussians

    mixture = two_gaussians()
    for schedule in (cosine(200), linear()):
        code = RIGHT[1]
        code = SimpleNamespace(**{**vars(code), "K": 2, "model": mixture.denoiser(schedule)})
        if schedule.T == 1000:
            assert red(code, mixture=mixture) == set()
        else:  # its loss and sampler have another schedule than it says
            assert "oracle" in red(SimpleNamespace(**{**vars(code), "schedule": schedule}), mixture=mixture)


def test_lights_in_words():
    make = lambda value, low, high, green=True: Light("x", value, (low, high), green, lambda ax: None)
    assert make(0.0, 0, 0).words == "0, bar 0"
    assert make(0.8, 0.14, 0.26, False).words == "0.8, bar 0.14 to 0.26"
    assert make(2e-16, -float("inf"), 1e-4).words == "2e-16, bar 0.0001 at most"
    assert make(0.3, 0.05, float("inf")).words == "0.3, bar 0.05 at least"
    assert [make(0.0, 0, 0, green).mark for green in (True, False, None)] == ["✓", "✗", "·"]


@pytest.mark.parametrize("code", [REPAIRED, code_with(BUGS), changed(guided=failing, loss=None)])
def test_the_picture(code):
    figure = plt.figure(figsize=(10, 9), layout="constrained")
    lights = dashboard(code)
    show(figure, lights)
    figure.canvas.draw()
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == [f"{light.mark} {light.name}" for light in lights]
    assert all(text.get_fontsize() >= 9 for ax in figure.axes for text in ax.texts)
    plt.close("all")


def test_a_measurement_is_read_as_code():
    for name in GAUGES:
        text = source(name)
        assert "def " in text
        assert len(text.splitlines()) <= 16
    assert "The share of labels that the loss drops" in source("drop rate")
    with pytest.raises(ValueError, match="name must be one of drop rate, .*, got 'x'"):
        source("x")


def test_the_log(capsys):
    log = Log()
    log.add("as found", dashboard(code_with(BUGS)))
    log.add("the mask", dashboard(code_with([bug for bug in BUGS if bug.name != "mask never used"])))
    log.add("a crash", dashboard(changed(guided=failing)))
    out = capsys.readouterr().out
    assert "no light has changed" not in out
    log.add("the same", dashboard(changed(guided=failing)))
    assert "  no light has changed; another bug may hide what you did" in capsys.readouterr().out
    assert "run 1, as found: 4 of 16 lights are green" in out
    assert "run 2, the mask: " in out
    assert "  turned red: own coins" in out  # which the other bug had hidden
    assert "ArithmeticError: on purpose" in out
    assert str(log).startswith("1. as found: 4 green\n2. the mask: ")
