"""Every check of notebook 12: the right answer passes, and each named mistake is named."""

import pytest
from helpers import assert_verdict, cases

from cfgedu.exercises.n12 import check_best_scale, check_standard_error


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
ANSWERS = {check_best_scale: BEST, check_standard_error: STANDARD_ERROR}


@pytest.mark.parametrize(("check", "mistake", "answer"), cases(ANSWERS))
def test_answers(capsys, check, mistake, answer):
    assert_verdict(capsys, check, mistake, answer)


@pytest.mark.parametrize("check", ANSWERS)
def test_no_answer_yet(capsys, check):
    check(lambda *arguments: None)
    assert "no answer yet" in capsys.readouterr().out
