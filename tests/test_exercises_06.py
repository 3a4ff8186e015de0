"""Every check of notebook 06: the right answer passes, and each named mistake is named."""

from math import exp, sqrt

import pytest
from helpers import assert_verdict, cases

from cfgedu.exercises.n06 import check_classifier_guidance, check_guidance_vector, check_resting_scale
from cfgedu.schedule import linear

VECTOR = {
    "": lambda un, cond, a: (un - cond) / sqrt(1 - a),
    "still in eps units": lambda un, cond, a: cond - un,
    "points against": lambda un, cond, a: (cond - un) / sqrt(1 - a),
    "not 1 / (1 - a)": lambda un, cond, a: (un - cond) / (1 - a),
    "upside down": lambda un, cond, a: (un - cond) * sqrt(1 - a),
    "sqrt(a), the signal": lambda un, cond, a: (un - cond) / sqrt(a),
}
CLASSIFIER = {
    "": lambda un, grad, r, a: un - r * sqrt(1 - a) * grad,
    "means subtracting": lambda un, grad, r, a: un + r * sqrt(1 - a) * grad,
    "grad is in score units": lambda un, grad, r, a: un - r * grad,
    "not 1 - a": lambda un, grad, r, a: un - r * (1 - a) * grad,
    "upside down": lambda un, grad, r, a: un - r / sqrt(1 - a) * grad,
    "the whole r is needed": lambda un, grad, r, a: un - (r - 1) * sqrt(1 - a) * grad,
    "this is the guided score": lambda un, grad, r, a: -un / sqrt(1 - a) + r * grad,
}


def resting():
    """(s_un, s_cond) at (1, 0) for class 1 of two Gaussians at (-1, 0) and (1, 0), std 0.7, by hand."""
    a = float(linear().alpha_bar[200])
    mean, variance = sqrt(a), a * 0.7**2 + 1 - a
    p = 1 / (1 + exp(-2 * mean / variance))  # the logistic curve at x = 1
    s_0, s_1 = (-mean - 1) / variance, (mean - 1) / variance
    return p * s_1 + (1 - p) * s_0, s_1


S_UN, S_COND = resting()
SCALE = {
    "": -S_UN / (S_COND - S_UN),
    "the sign": S_UN / (S_COND - S_UN),
    "this is w": -S_COND / (S_COND - S_UN),
    "upside down": -(S_COND - S_UN) / S_UN,
    "are swapped": S_COND / (S_COND - S_UN),
}
ANSWERS = {check_guidance_vector: VECTOR, check_classifier_guidance: CLASSIFIER, check_resting_scale: SCALE}


@pytest.mark.parametrize(("check", "mistake", "answer"), cases(ANSWERS))
def test_answers(capsys, check, mistake, answer):
    assert_verdict(capsys, check, mistake, answer)


def test_two_decimals_are_enough(capsys):
    check_resting_scale(round(SCALE[""], 2))
    assert "✓" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("check", "nothing"),
    [
        (check_guidance_vector, lambda *arguments: None),
        (check_classifier_guidance, lambda *arguments: None),
        (check_resting_scale, None),
    ],
)
def test_no_answer_yet(capsys, check, nothing):
    check(nothing)
    assert "no answer yet" in capsys.readouterr().out
