"""Every check of notebook 12: the right answer passes, and each named mistake is named."""

import pytest
from helpers import assert_verdict, cases

from cfgedu.exercises.n12 import check_best_scale, check_passes, check_standard_error


def reaching(rows, accuracy):
    return [row for row in rows if row["accuracy"] >= accuracy]


def distance(row):
    return row["frechet"]


BEST = {
    "": lambda rows, accuracy: min(reaching(rows, accuracy), key=distance)["r"],
    "too low an accuracy": lambda rows, accuracy: min(rows, key=distance)["r"],
    "any that reaches the bar will do": lambda rows, accuracy: max(rows, key=lambda row: row["accuracy"])["r"],
    "the distance, not its r": lambda rows, accuracy: min(map(distance, reaching(rows, accuracy))),
    "position of the row": lambda rows, accuracy: rows.index(min(reaching(rows, accuracy), key=distance)),
    "accuracy of chance": lambda rows, accuracy: max(rows, key=lambda row: row["diversity"])["r"],
    "rows come in any order": lambda rows, accuracy: reaching(rows, accuracy)[0]["r"],
    "just reaches": lambda rows, accuracy: min(
        (row for row in rows if row["accuracy"] > accuracy), key=lambda row: row["frechet"]
    )["r"],
}
STANDARD_ERROR = {
    "": lambda p, n: (p * (1 - p) / n) ** 0.5,
    "take the root": lambda p, n: p * (1 - p) / n,
    "divided by sqrt(n)": lambda p, n: (p * (1 - p)) ** 0.5,
    "around n too": lambda p, n: (p * (1 - p)) ** 0.5 / n,
    "not p": lambda p, n: (p / n) ** 0.5,
    "upper bound": lambda p, n: n**-0.5,
    "worst case": lambda p, n: 0.5 / n**0.5,
}


def passes(inside=2, outside=1, last=-1, low=0, high=0):
    """The passes of the network, with what may go wrong: the weights of steps, the last time, shifted edges."""
    guided = lambda t, a, b: a + low < t <= b + high
    return lambda times, a, b: sum(inside if guided(t, a, b) else outside for t in times[:last])


PASSES = {
    "": passes(),
    "not asked there": passes(last=None),
    "guided steps alone": passes(outside=0),
    "one pass for every step": passes(inside=1),
    "at every step": passes(outside=2),
    "swapped": passes(inside=1, outside=2),
    "the number of guided steps": passes(inside=1, outside=0),
    "begins above it": passes(low=-1),
    "ends with it": passes(high=-1),
}
ANSWERS = {check_passes: PASSES, check_best_scale: BEST, check_standard_error: STANDARD_ERROR}


@pytest.mark.parametrize(("check", "mistake", "answer"), cases(ANSWERS))
def test_answers(capsys, check, mistake, answer):
    assert_verdict(capsys, check, mistake, answer)


@pytest.mark.parametrize("check", ANSWERS)
def test_no_answer_yet(capsys, check):
    check(lambda *arguments: None)
    assert "no answer yet" in capsys.readouterr().out
