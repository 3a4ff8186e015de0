"""What a demo in a page is held to, decided on facts that browser.js and tools/browser_demo.py found.

Each check raises AssertionError with a sentence; some return what is worth a note.
"""

import re
import unicodedata

LETTERS, TEXT, MARK = 9, 4.5, 3  # pixels of a picture's smallest text; contrast of texts and of marks


def value(text):
    """The number that a readout shows, with its typographic minus."""
    return float(text.replace("\u2212", "-"))


def check_track(pixels, length, unit):
    """A pixel of a slider's track is at most one of its steps, so that a hand can reach each of them."""
    steps = round(length / unit)
    assert pixels >= steps, f"its track has {pixels} pixels for {steps} steps"


def check_dragged(start, here, there, sides):
    """States at the start, after a press low on the left and after a drag to the upper right; returns what moved."""
    moved = [label for label in here[0] if here[0][label] != there[0][label]]
    others = [label for label in start[0] if start[0][label] != here[0][label] and label not in moved]
    assert len(moved) == sides, f"a hand in the picture moves {moved or 'nothing'}, where {sides} may move"
    assert not others, f"a hand in the picture moves {others} too"
    assert here[1] != there[1], "the picture does not follow the hand"
    assert here[2] != there[2], "the readout does not follow the hand"
    if sides == 2:  # a point; a time may run to the left
        wrong = [label for label in moved if value(here[0][label]) > value(there[0][label])]
        assert not wrong, f"{wrong} falls on the way to the upper right"
    return ", ".join(moved)


def check_place(here, there):
    for what, before, after in zip(("controls", "picture", "readout"), here, there, strict=True):
        assert before != after, f"its {what} stays as it was" if what != "controls" else "it moves no control"


def check_played(numbers, low, high):
    """The numbers that a slider went through while the demo played: from one end, step by step, to the other one."""
    numbers = [value(number) for number in numbers]
    assert len(numbers) > 2, f"it shows {len(numbers)} pictures"
    assert numbers[0] == float(low), f"it begins at {numbers[0]:g} and not at {float(low):g}"
    assert numbers[-1] == float(high), f"it ends at {numbers[-1]:g} and not at {float(high):g}"
    assert numbers == sorted(numbers), "it goes back on its way"
    return f"{len(numbers)} pictures"


def check_names(parts):
    """Each control and button is called what one reads beside it, a slider says its readout, the picture its words."""
    problems = []
    for part in parts:
        read = "".join(letter for letter in part["label"] if unicodedata.category(letter) != "So").strip()
        if not part["name"] or part["name"] != read:
            problems.append(f"the {part['role']} {part['label']!r} is called {part['name']!r}")
        elif part["kind"] == "picture" and len(read.split()) < 4:
            problems.append(f"the words for the picture are {read!r}")
        elif part.get("said") != part.get("number"):  # what a slider says is in the page alone, not in the tree
            problems.append(f"the slider {read!r} shows {part['number']!r} and says {part['said']!r}")
    kinds = {part["kind"] for part in parts}
    problems += [f"it has no {kind}" for kind in ("control", "button", "picture") if kind not in kinds]
    assert not problems, "; ".join(problems)


def channels(color):
    """(red, green, blue) from 0 to 1 of a CSS colour rgb(r, g, b); three such numbers stay as they are."""
    return [int(value) / 255 for value in re.findall(r"\d+", color)[:3]] if isinstance(color, str) else color


def luminance(color):
    """The relative luminance of a colour, as WCAG defines it."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(color, ground):
    dark, light = sorted([luminance(color), luminance(ground)])
    return (light + 0.05) / (dark + 0.05)


def check_colors(found):
    """In every theme a demo keeps its light ground, its texts are read and its marks are seen."""
    assert luminance(found["card"]) > 0.8, f"its ground is {found['card']}"
    assert found["parts"], "it shows no text"
    for part in found["parts"]:
        least, ratio = {"text": TEXT, "mark": MARK}[part["kind"]], contrast(part["color"], part["ground"])
        assert ratio >= least, f"{part['what']!r} has a contrast of {ratio:.2f}: {part['color']} on {part['ground']}"


def check_letters(pixels):
    assert pixels >= LETTERS - 0.05, f"the smallest are {pixels:.1f} pixels high"
    return f"the smallest are {pixels:.1f} pixels high"


def check_failed(found, later):
    """What browser.js tells of the picture after a failed frame, and after the next good one."""
    assert "planted" in found["error"], f"the error is {found['error']!r}"
    assert found["grey"], "the old picture keeps its colours"
    assert found["opacity"] <= 0.5, "the old picture looks valid"
    assert later == {"opacity": 1, "grey": False, "error": ""}, "it does not recover"
    return found["error"]
