"""How a check speaks: one line with a sign, the diagnosis below, and a verdict."""

import sys

import numpy as np
from torch import Tensor

from cfgedu.language import phrase, translated

LONGEST = 200  # letters of an answer that are shown
PLAIN = str.maketrans({"✓": "OK", "✗": "NO", "·": "-"})  # for a console that cannot show the signs


class Verdict(int):
    """True or false in an `if`, 1 or 0 in a sum; as the last value of a cell it shows nothing."""

    def __repr__(self):
        return "right" if self else "not right yet"

    def _ipython_display_(self):
        pass


def say(text: str) -> None:
    """Print it, with plain letters for the signs and question marks for the rest where the output cannot hold it."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(PLAIN).encode(encoding, errors="replace").decode(encoding)
    print(text)


def right(name: str) -> Verdict:
    say(f"✓ {translated(name)}")
    return Verdict(True)


def wrong(name: str, what: str, diagnosis: str = "") -> Verdict:
    say(f"✗ {translated(name)}: {translated(what)}")
    if diagnosis:
        say(f"  {translated(diagnosis)}")
    return Verdict(False)


def not_yet(name: str) -> Verdict:
    said = "{name}: no answer yet (your function returned None, or the value is still None or ...)"
    say(f"· {phrase(said, name=translated(name))}")
    return Verdict(False)


def shortened(value) -> str:
    """The value as Python shows it, cut after LONGEST letters."""
    try:
        text = " ".join(repr(value).split())
    except Exception as error:  # a learner's own class may fail in showing itself
        kinds = {"kind": type(value).__name__, "error": type(error).__name__}
        text = phrase("a {kind} that cannot be shown ({error})", **kinds)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def mistaken(mistake: str) -> str:
    """The line on a known mistake."""
    return phrase("Likely mistake: {mistake}.", mistake=translated(mistake))


def number_in_words(value) -> str:
    """A text or a whole number as it is, another number to three digits, several numbers one after the other."""
    if isinstance(value, Tensor | np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return ", ".join(map(number_in_words, value))
    return f"{value:.3g}" if isinstance(value, float) else translated(str(value))
