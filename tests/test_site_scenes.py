"""Every scene of the web edition says what its Python twin says, in random states of its controls."""

import gzip
import inspect
import json
import random
import re
from decimal import Decimal
from functools import cache

import pytest
from matplotlib.figure import Figure

from cfgedu.samplers import SAMPLERS
from tests.site import ROOT, ask, needs_node
from tools.site_data import BESIDE, DEMOS, LIVE, NETS, ONLY, SCENES, SOURCE, TRAINER, WORLD, demo, lean, scripts_of
from tools.translation_po import every_label, of_the_page, speaking

STATES = 40
SCRIPTS = [ROOT / "site/js" / script for script in (*WORLD, *dict.fromkeys((*BESIDE, *NETS)), *SCENES)]
MOST = {"mnist_lab": {"steps": 3}}  # of the random states: a step with networks takes a tenth of a second
REACHED = {  # changes of the start with which a demo's goal is reached
    "scales": {"r": 0.2},
    "noise_explorer": {"t": 301},
    "score_explorer": {"data": "spirals", "t": 300, "px": 0.0, "py": 0.0},
    "loss_explorer": {"bucket": 1},
    "trajectory_player": {"sampler": "ODE", "steps": 5, "progress": 100},
    "score_mixer": {"px": 0.0, "py": 0.0},
    "guidance_vector": {"t": 50, "px": 0.0, "py": 1.5},
    "tilted_against_guided": {"r": 1.0},
    "dropout_explorer": {"p_drop": 0.02},
    "twin_heads": {"shown": "unconditional score"},
    "sampling_lab": {"sampler": "DDPM", "steps": 8, "r": 8.0},
    "digits_lab": {"label": 8, "r": 0.0},
    "mnist_lab": {"label": 8, "seed": 2, "r": 1.3},
    "contested_mode": {"high": 200},
    "baselines": {"r": 2.5},
    "gallery": {"bug": "H"},
    "two_attributes": {"formula": "summed", "r_a": 2.0, "r_b": 2.0},
}
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?")


def states(live):
    """The start, then states drawn from the places of the controls; a text, such as a name, from its options."""
    draw, most = random.Random(7), MOST.get(live.name, {})
    yield live.state

    def value(name, control):
        if hasattr(control, "options"):
            return (
                draw.choice(control.options)[1]
                if isinstance(control.options[0], tuple)
                else draw.choice(control.options)
            )
        steps = round((most.get(name, control.max) - control.min) / control.step)
        return type(control.value)(round(control.min + draw.randint(0, steps) * control.step, 9))

    for _ in range(STATES - 1):
        yield live.constants | {name: value(name, control) for name, control in live.controls.items()}


def same(mine: str, wanted: str) -> bool:
    """Equal up to one in the last digit of a number."""
    if NUMBER.sub("#", mine) != NUMBER.sub("#", wanted):
        return False
    for a, b in zip(map(Decimal, NUMBER.findall(mine)), map(Decimal, NUMBER.findall(wanted)), strict=True):
        last = Decimal(1).scaleb(min(a.as_tuple().exponent, b.as_tuple().exponent))
        if abs(a - b) > last:
            return False
    return True


def said(name, asked, scripts) -> list:
    """What the page says of each state: [its readout, whether the goal is reached ("true"), the words for that]."""
    return ask([{"ask": "said", "scene": name, "state": state} for state in asked], scripts)


@cache
def english(name) -> tuple:
    """(a demo, its random states and one with its goal reached)"""
    live = demo(name)
    return live, [*states(live), live.state | REACHED[name]]


@cache
def in_english(name) -> list:
    """What the page says of these states."""
    return said(name, english(name)[1], SCRIPTS)


def differing(asked, told, update) -> list[str]:
    """Where what the page told of the states is not what the package says."""
    pairs = zip(told, (update(**state) for state in asked), strict=True)
    return [f"page    {page}\npackage {wanted}" for page, wanted in pairs if not same(page[0], wanted)]


def test_same_allows_one_in_the_last_digit():
    assert same("r = 3: 0.231, 1e-05", "r = 3: 0.232, 1.1e-05")
    assert not any([same("0.231", "0.233"), same("0.23", "0.24 "), same("1 of 3", "1 at 3")])


@needs_node
@pytest.mark.parametrize("name", DEMOS)
def test_a_scene_says_what_python_says(name):
    live, asked = english(name)
    update = live.scene(Figure(figsize=live.size))
    wrong = differing(asked, in_english(name), update)
    assert not wrong, "\n".join(wrong)
    assert set(inspect.signature(update).parameters) == set(asked[0])


@cache
def korean_words() -> str:
    return of_the_page("ko")


def test_every_label_has_its_korean_words():
    words = json.loads(korean_words().partition(".words = ")[2].removesuffix(";\n"))
    english = {text for text in every_label() if re.search("[a-z]{3}", text) and text not in words}
    assert english <= {
        "linear",
        "cosine",
        "negative",
        "eta (DDIM)",
        "DDIM, eta = 0",
        "DDIM, eta = 1",
        "DDIM, eta = 0.5",
        "p_drop",
        "null",
        "twin",
        *(f"p_drop {rate}, t = 800" for rate in ("0", "0.02", "0.1")),
    } | set(SAMPLERS)


@needs_node
@pytest.mark.parametrize("name", DEMOS)
def test_a_scene_says_in_korean_what_python_says_in_korean(name, tmp_path):
    words = tmp_path / "words.js"
    words.write_text(korean_words(), encoding="utf-8")
    asked = english(name)[1][:8]
    told = said(name, asked, [words, *SCRIPTS])
    with speaking("ko"):
        live = demo(name)
        wrong = differing(asked, told, live.scene(Figure(figsize=live.size)))
    assert not wrong, "\n".join(wrong)
    assert all(re.search("[가-힣]", words) for *_, words in told)


@needs_node
@pytest.mark.parametrize("name", DEMOS)
def test_a_goal_can_be_reached_and_is_not_at_the_start(name):
    answers = in_english(name)
    assert (answers[0][1], answers[-1][1]) == ("false", "true"), (answers[0], answers[-1])
    for *_, words in answers:
        assert words.endswith((".", "?")), words
        assert not re.search("undefined|NaN|Infinity", words), words


@pytest.mark.parametrize("script", ["contour.js", "fields.js", "variants.js"])
def test_a_script_is_loaded_for_the_scenes_that_use_it(script):
    """What a script hands over, in the sources of the scenes, by its name or taken out of cfgedu."""
    names = "|".join(re.search(r"Object\.assign\(cfgedu, \{(.*?)\}\)", text_of(script), re.DOTALL)[1].split(", "))
    use = re.compile(rf"cfgedu\.(?:{names.strip()})\b|const \{{[^}}]*\b(?:{names.strip()})\b[^}}]*\}} = cfgedu;")
    through = {name: text_of("fields.js") for name in ONLY["fields.js"]}  # a script that uses others
    texts = {name: text_of(f"scenes/{name}.js") + through.get(name, "") for name in LIVE}
    assert {name for name, text in texts.items() if use.search(text)} == set(ONLY[script])


def text_of(script):
    return (SOURCE / script).read_text(encoding="utf-8")


def test_a_page_loads_little():
    """Compressed, the code of a page with one demo."""
    for name in LIVE:
        paths = [SOURCE / script for script in scripts_of([name])]
        code = "".join(lean(path.read_text(encoding="utf-8")) for path in paths)
        assert len(gzip.compress(code.encode())) < 20_000, name
    assert scripts_of(["unknown"]) == []
    code = "".join(lean(text_of(script)) for script in NETS)
    assert len(gzip.compress(code.encode())) < 8_000  # what comes with small networks
    code = "".join(lean(text_of(script)) for script in TRAINER)
    assert len(gzip.compress(code.encode())) < 6_000
