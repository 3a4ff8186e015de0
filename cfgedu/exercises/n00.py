"""Checks for the exercises and the prediction of 00_start_here."""

from collections.abc import Mapping, Sequence
from itertools import product

import torch

from cfgedu.checks import Exercise, Guess
from cfgedu.protocol import seeded


def each(right: Sequence[float], slips: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """{sentences: numbers} for all ways to get one or more of several numbers wrong: each wrong one is diagnosed."""
    ways = product(*([("", value), *slip.items()] for value, slip in zip(right, slips, strict=True)))
    table = {"; ".join(words for words, _ in way if words): [value for _, value in way] for way in ways}
    del table[""]  # nothing wrong
    return table


SCALES = [1.1, 6.5, 1.0]
check_scales = Exercise(  # [r of w = 0.1, w of guidance_scale = 7.5, r of plain conditional sampling]
    name="three scales",
    right=(SCALES, (0.1 + 1, 7.5 - 1, 1), torch.tensor(SCALES, dtype=torch.float64)),
    wrong=each(
        SCALES,
        (
            {
                "the first: w and r differ by 1, for w = 0 and r = 1 are the same model": 0.1,
                "the first: the shift goes the other way, for w counts from the plain label, which is r = 1": 0.1 - 1,
            },
            {
                "the second: guidance_scale counts as r does, and w is asked for": 7.5,
                "the second: the shift goes the other way, for w starts later than r and is the smaller number": 8.5,
            },
            {"the third: r = 0 ignores the label, and the answer with the label, as it is, was asked for": 0.0},
        ),
    )
    | {"the first two are exchanged: the paper's number is a w, the script's an r": [6.5, 1.1, 1.0]},
)

LINES = [1.5, 101.0, 5.0, 1.0, -2.0]
check_lines = Exercise(  # the r of five lines of code, in their order
    name="r in five lines of code",
    right=(LINES, (0.5 + 1, 100 + 1, 5, 1, 1 - 3), torch.tensor(LINES)),
    wrong=each(
        LINES,
        (
            {
                "line 1: with w = 0 only cond is left, and that is r = 1: shift": 0.5,
                "line 1: the shift goes the other way: put in w = 0, then w = 1, and see what is left": -0.5,
            },
            {
                "line 2: it starts from cond, so that a scale of 0 already means r = 1": 100.0,
                "line 2: the shift goes the other way: a scale of 1 is one whole difference beyond cond": 99.0,
            },
            {
                "line 3: the letter is that of line 1, but what is left at w = 0 is un: it counts from there": 6.0,
                "line 3: this w needs no shift at all: put in w = 0 and w = 1": 4.0,
            },
            {
                "line 4: these pipelines guide above 1 only; below, they return the answer with the label": 0.0,
                "line 4: there is no shift in this library; think of what it does below its threshold": -1.0,
            },
            {
                "line 5: compare the order in which the labels go in with the names of the two halves": 3.0,
                "line 5: exchanging un and cond does not flip the sign of r: write the sum out and collect": -3.0,
                "line 5: it starts at the labelled answer, but its three differences lead away from the label": 4.0,
            },
        ),
    ),
)


def box(r):
    """What a program with the scale r is given, and returns: un, cond and their mix, each (6, 2)."""
    un, cond = torch.randn(2, 6, 2, generator=seeded(1), dtype=torch.float64)
    return un, cond, torch.lerp(un, cond, r)


def along(step, difference):
    return (step * difference).sum() / difference.square().sum()


check_black_box = Exercise(  # answer(un (B,2), cond (B,2), out (B,2)) -> the one r that leads from un and cond to out
    name="the scale of a black box",
    right=(
        lambda un, cond, out: along(out - un, cond - un),
        lambda un, cond, out: ((out - un) / (cond - un)).mean(),
        lambda un, cond, out: ((out.numpy() - un.numpy()) / (cond.numpy() - un.numpy()))[0, 0],
        lambda un, cond, out: 1 + along(out - cond, cond - un),
    ),
    wrong={
        "this counts from cond, so it is w: at out = cond it should be 1": lambda un, cond, out: along(
            out - cond, cond - un
        ),
        "a ratio of two lengths is never negative, but r can be: compare entries, or project": lambda un, cond, out: (
            (out - un).norm() / (cond - un).norm()
        ),
        "the ratio is upside down: count the differences that fit into the step from un to out": lambda un, cond, out: (
            (cond - un).square().sum() / ((out - un) * (cond - un)).sum()
        ),
        "un and cond are exchanged: at out = un this gives 1, where it should be 0": lambda un, cond, out: along(
            out - cond, un - cond
        ),
        "that is how long the step from un to out is: measure it in units of the difference": lambda un, cond, out: (
            out - un
        ).norm(),
        "upside down, and at r = 0 a division by zero: the difference cond - un is the unit": lambda un, cond, out: (
            (cond - un) / (out - un)
        ).mean(),
        "r may be negative: cut nothing off": lambda un, cond, out: along(out - un, cond - un).clamp(min=0),
        "a ratio of lengths, and counted from cond: it begins at un, and can be negative": lambda un, cond, out: (
            (out - cond).norm() / (cond - un).norm()
        ),
        "the step begins at un: take un off first, above and below": lambda un, cond, out: (out / cond).mean(),
        "un is taken off above only: the unit is the difference of the two answers": lambda un, cond, out: along(
            out - un, cond
        ),
        "the sign: the way from un to cond is cond - un": lambda un, cond, out: along(out - un, un - cond),
        "all entries tell the same r: return one number": lambda un, cond, out: (out - un) / (cond - un),
        "both columns tell the same r: return one number": lambda un, cond, out: ((out - un) / (cond - un)).mean(0),
        "all rows tell the same r: return one number": lambda un, cond, out: ((out - un) / (cond - un)).mean(1),
        "the product is not yet a ratio: divide by the squared length of cond - un": lambda un, cond, out: (
            (out - un) * (cond - un)
        ).sum(),
    },
    inputs=lambda: {f"at r = {r}": box(r) for r in (4.0, -1.0, 0.0, 0.5, 1.0)},
)

check_guess_islands = Guess(
    name="an island at r = 4",
    right="narrower",
    choices={
        "wider": "Wider islands would reach into their neighbours, and guidance leads away from these.",
        "same": "That holds at r = 1, where the samples are the data again.",
        "narrower": "",
    },
    why="Guidance draws samples to where the label is beyond doubt: about half as wide as the data, and further out.",
)
