"""What `course.py browser` holds a demo to: every check lets a good demo pass and notices a planted fault.

The facts are made up here; that they are read rightly from a page, a small one in Chromium shows, where there is one.
"""

from copy import deepcopy
from pathlib import Path

import pytest

from tests.site import chromium
from tools import browser_checks, browser_demo

JS = Path(browser_demo.__file__).with_name("browser.js")


def test_steps_go_on_after_a_failure(capsys):
    results = []
    with browser_demo.step(results, "first") as notes:
        notes.append("5 ms")
    with browser_demo.step(results, "second"):
        raise TimeoutError("no answer\nand much more")
    with browser_demo.step(results, "third"):
        raise AssertionError
    assert results == [("first", None), ("second", "no answer"), ("third", "AssertionError")]
    rows = capsys.readouterr().out.splitlines()
    assert rows == ["  ok      first: 5 ms", "  FAILED  second: no answer", "  FAILED  third: AssertionError"]


class Part:
    """A control in the page, as far as keys_for asks it."""

    def __init__(self, *room):
        self.room = room

    def evaluate(self, _):
        return self.room


@pytest.mark.parametrize(
    ("kind", "room", "keys"),
    [
        ("slider", (1, 5), ["ArrowRight"]),
        ("slider", (5, 5), ["ArrowLeft"]),
        ("choice", (0, 2), ["Space", "ArrowDown", "Enter"]),
        ("choice", (2, 2), ["Space", "ArrowUp", "Enter"]),
        ("tick", (), ["Space"]),
    ],
)
def test_keys(kind, room, keys):
    assert browser_demo.keys_for(Part(*room), kind) == keys


# ---------------------------------------------------------------- facts, good and bad

NAMED = [
    {"kind": "control", "role": "slider", "label": "scale r", "name": "scale r", "number": "1.50", "said": "1.50"},
    {"kind": "control", "role": "combobox", "label": "class y", "name": "class y"},
    {"kind": "button", "role": "button", "label": "▶ play scale r", "name": "play scale r"},
    {"kind": "button", "role": "button", "label": "reset", "name": "reset"},
    {"kind": "picture", "role": "image", "label": "Arrows over a cloud", "name": "Arrows over a cloud"},
]


@pytest.mark.parametrize(
    ("place", "fault", "said"),
    [
        (0, {"name": ""}, "the slider 'scale r' is called ''"),
        (0, {"name": "scale"}, "the slider 'scale r' is called 'scale'"),
        (0, {"said": "1.4999999999999991"}, "the slider 'scale r' shows '1.50' and says '1.4999999999999991'"),
        (0, {"said": None}, "the slider 'scale r' shows '1.50' and says None"),
        (1, {"name": ""}, "the combobox 'class y' is called ''"),
        (2, {"name": "▶"}, "the button '▶ play scale r' is called '▶'"),
        (3, {"label": "", "name": ""}, "the button '' is called ''"),
        (4, {"label": "", "name": ""}, "the image '' is called ''"),
        (4, {"label": "a picture", "name": "a picture"}, "the words for the picture are 'a picture'"),
    ],
)
def test_names(place, fault, said):
    browser_checks.check_names(NAMED)
    parts = deepcopy(NAMED)
    parts[place] |= fault
    with pytest.raises(AssertionError) as problem:
        browser_checks.check_names(parts)
    assert str(problem.value) == said


def test_a_demo_without_parts_is_no_good_demo():
    with pytest.raises(AssertionError, match="it has no control; it has no button; it has no picture"):
        browser_checks.check_names([])


def test_tracks():
    browser_checks.check_track(100, 10, 0.1)
    browser_checks.check_track(273, 999, 5)
    with pytest.raises(AssertionError, match="99 pixels for 100 steps"):
        browser_checks.check_track(99, 10, 0.1)


def test_contrast():
    assert browser_checks.contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    assert browser_checks.contrast("rgb(255, 255, 255)", "rgb(118, 118, 118)") == pytest.approx(4.54, abs=0.01)
    white, grey = "rgb(255, 255, 255)", "rgb(153, 153, 153)"
    text = {"what": "time t", "kind": "text", "color": "rgb(34, 34, 34)", "ground": white}
    mark = {"what": "the track of a slider", "kind": "mark", "color": "rgb(118, 118, 118)", "ground": white}
    browser_checks.check_colors({"card": white, "parts": [text, mark]})
    for card, parts, said in [
        ("rgb(17, 17, 17)", [text], "its ground is"),
        (white, [], "it shows no text"),
        (white, [text | {"color": grey}], "'time t' has a contrast of 2.85"),
        (white, [text | {"ground": "rgb(17, 17, 17)"}], "'time t' has a contrast of"),
        (white, [text, mark | {"color": "rgb(221, 221, 221)"}], "'the track of a slider' has a contrast of 1.36"),
    ]:
        with pytest.raises(AssertionError, match=said):
            browser_checks.check_colors({"card": card, "parts": parts})


def test_letters():
    assert browser_checks.check_letters(9.2) == "the smallest are 9.2 pixels high"
    with pytest.raises(AssertionError, match="the smallest are 7.6 pixels high"):
        browser_checks.check_letters(7.6)


START = {"x1": "1.20", "x2": "1.50", "t": "150"}, "first", "at (1.2, 1.5)"
HERE = {"x1": "\u22121.10", "x2": "\u22121.10", "t": "150"}, "second", "at (-1.1, -1.1)"
THERE = {"x1": "1.10", "x2": "1.10", "t": "150"}, "third", "at (1.1, 1.1)"


def test_dragging():
    assert browser_checks.check_dragged(START, HERE, THERE, 2) == "x1, x2"
    half = HERE[0] | {"x2": "1.10"}
    early, late = (({**START[0], "t": t}, t, f"t = {t}") for t in ("700", "300"))
    assert browser_checks.check_dragged(START, early, late, 1) == "t"  # a time may run to the left
    for here, there, sides, said in [
        (HERE, HERE, 2, "moves nothing, where 2 may move"),
        ((half, *HERE[1:]), THERE, 2, r"moves \['x1'\], where 2 may move"),
        ((HERE[0] | {"t": "0"}, *HERE[1:]), (THERE[0] | {"t": "0"}, *THERE[1:]), 2, r"moves \['t'\] too"),
        (HERE, (THERE[0], HERE[1], THERE[2]), 2, "the picture does not follow the hand"),
        (HERE, (*THERE[:2], HERE[2]), 2, "the readout does not follow the hand"),
        (THERE, HERE, 2, "falls on the way to the upper right"),
    ]:
        with pytest.raises(AssertionError, match=said):
            browser_checks.check_dragged(START, here, there, sides)


def test_places():
    browser_checks.check_place(START, THERE)
    for there, said in [
        (START, "moves no control"),
        ((THERE[0], *START[1:]), "its picture stays as it was"),
        ((*THERE[:2], START[2]), "its readout stays as it was"),
    ]:
        with pytest.raises(AssertionError, match=said):
            browser_checks.check_place(START, there)


def test_playing():
    assert browser_checks.check_played(["\u22121.00", "0.00", "1.00"], "-1.0", "1.0") == "3 pictures"
    for numbers, said in [
        (["80", "90", "100"], "it begins at 80 and not at 0"),
        (["0", "50", "90"], "it ends at 90 and not at 100"),
        (["0", "50", "40", "100"], "it goes back"),
        (["0", "100"], "it shows 2 pictures"),
    ]:
        with pytest.raises(AssertionError, match=said):
            browser_checks.check_played(numbers, "0.0", "100.0")


def test_a_failed_frame():
    found, later = (
        {"error": "ArithmeticError: planted", "grey": True, "opacity": 0.3},
        {"error": "", "grey": False, "opacity": 1},
    )
    assert browser_checks.check_failed(found, later) == "ArithmeticError: planted"
    for fault, after, said in [
        ({"error": ""}, later, "the error is ''"),
        ({"grey": False}, later, "keeps its colours"),
        ({"opacity": 1}, later, "looks valid"),
        ({}, found, "does not recover"),
    ]:
        with pytest.raises(AssertionError, match=said):
            browser_checks.check_failed(found | fault, after)


# ---------------------------------------------------------------- a page in Chromium

GOOD = """<style>.cfgedu-live { background: #FFFFFF; color: #222222; font: 14px sans-serif; }
select, .noUi-target { border: 1px solid #767676; background: #FFFFFF; color: #222222; }
.noUi-target { background: #767676; width: 200px; height: 4px; } button { color: #222222; background: #F2F2F2; }</style>
<body style="background: #111111"><div class="cfgedu-live">
<div class="jupyter-widgets"><label>scale r</label><div class="noUi-target"><div class="noUi-base"><div role="slider"
 tabindex="0" aria-label="scale r" aria-valuemin="0.0" aria-valuemax="8.0" aria-valuenow="1.5" aria-valuetext="1.50">
</div></div></div><div class="widget-readout">1.50</div></div>
<div class="jupyter-widgets"><label>class y</label><select aria-label="class y"><option>0<option>1</select></div>
<div class="frame"><img alt="Arrows over a cloud" width="9" height="9"></div><button>reset</button>
<div class="cfgedu-readout">r = 1.5</div><div class="source"><pre>still(r=1.5)</pre></div></div>"""


@pytest.fixture(scope="module")
def page():
    """A page of Chromium with browser.js in it; a folder without Playwright or Chromium does without these tests."""
    with chromium() as started:
        new = started.new_page()
        new.add_init_script(path=JS)
        yield new


def show(page, *changes):
    """The good page with changes, each (this, that)."""
    text = GOOD
    for this, that in changes:
        assert text.count(this) == 1, this
        text = text.replace(this, that)
    page.goto("about:blank")  # browser.js is made anew
    page.set_content(text)
    page.evaluate("course.watch(document.querySelector('.cfgedu-live'))")


def names(page):
    browser_checks.check_names(browser_demo.described(page))


def colors(page):
    browser_checks.check_colors(page.evaluate("course.colors()"))


def track(page):
    part = page.get_by_role("slider")
    browser_checks.check_track(*part.evaluate("part => course.track(part)"), 0.05)


@pytest.mark.parametrize(
    ("check", "fault", "said"),
    [
        (names, (' aria-label="scale r"', ""), "the slider 'scale r' is called ''"),
        (names, ('aria-label="class y"', ""), "the combobox 'class y' is called ''"),
        (names, ('aria-valuetext="1.50"', 'aria-valuetext="1.4999999999999991"'), "says '1.4999999999999991'"),
        (names, ('alt="Arrows over a cloud"', 'alt=""'), "is called ''"),
        (names, ("<button>reset", '<button aria-label="back">reset'), "the button 'reset' is called 'back'"),
        (names, ("<button>reset", "<button>"), "the button '' is called ''"),
        (colors, ("color: #222222; font", "color: #999999; font"), "'scale r' has a contrast of 2.85"),
        (colors, (".cfgedu-live { background: #FFFFFF; color: #222222;", ".cfgedu-live {"), "its ground is"),
        (colors, (".noUi-target { background: #767676;", ".noUi-target { background: #DDDDDD;"), "track of a slider"),
        (colors, ("1px solid #767676", "1px solid #CCCCCC"), "the border of a list"),
        (track, ("width: 200px", "width: 90px"), "90 pixels for 160 steps"),
    ],
)
def test_a_fault_in_a_page_is_noticed(page, check, fault, said):
    show(page)
    check(page)
    show(page, fault)
    with pytest.raises(AssertionError) as problem:
        check(page)
    assert said in str(problem.value)


def test_a_stale_picture_is_seen(page):
    show(page)
    assert page.evaluate("course.stale()") == {"opacity": 1, "grey": False, "error": ""}
    error = '</pre></div><span class="cfgedu-error">no</span>'
    show(page, ('<div class="frame">', '<div style="opacity: 0.3; filter: grayscale(1)">'), ("</pre></div>", error))
    assert page.evaluate("course.stale()") == {"opacity": 0.3, "grey": True, "error": "no"}


def test_numbers_of_a_page(page):
    show(page)
    assert page.evaluate("course.numbers()") == {"scale r": "1.50", "class y": "0"}
    assert page.evaluate("course.readout()") == "r = 1.5"
    slider, choice = (page.get_by_role(role) for role in ("slider", "combobox"))
    assert slider.evaluate("part => course.disabled(part)") is choice.evaluate("part => course.disabled(part)") is False
    show(page, ('<div class="noUi-target">', '<div class="noUi-target" disabled>'))
    assert slider.evaluate("part => course.disabled(part)") is True
