"""Every check of notebook 02: the right answer passes, and each named mistake is named."""

from math import sqrt

import pytest
import torch
from helpers import assert_verdict, cases

from cfgedu.exercises.n02 import check_differences, check_gaussian_score, check_score_from_v, check_tweedie

GAUSSIAN = {
    "": lambda x, m, s, a: (sqrt(a) * m - x) / (a * s**2 + 1 - a),
    "score of the CLEAN density": lambda x, m, s, a: (m - x) / s**2,
    "the variance is still the clean one": lambda x, m, s, a: (sqrt(a) * m - x) / s**2,
    "the mean is not scaled": lambda x, m, s, a: (m - x) / (a * s**2 + 1 - a),
    "the data's variance is not scaled": lambda x, m, s, a: (sqrt(a) * m - x) / (s**2 + 1 - a),
    "only the noise has been counted": lambda x, m, s, a: (sqrt(a) * m - x) / (1 - a),
    "std is not squared": lambda x, m, s, a: (sqrt(a) * m - x) / (a * s + 1 - a),
    "not by the standard deviation": lambda x, m, s, a: (sqrt(a) * m - x) / sqrt(a * s**2 + 1 - a),
    "the sign": lambda x, m, s, a: (x - sqrt(a) * m) / (a * s**2 + 1 - a),
}


def slope(up, down, width, log=True):
    def answer(log_prob, x, h):
        def f(x):
            return log_prob(x) if log else log_prob(x).exp()

        return torch.stack([(f(x + up * h * e) - f(x - down * h * e)) / (width * h) for e in torch.eye(2).to(x)], 1)

    return answer


DIFFERENCES = {
    "": slope(1, 1, 2),
    "divide by 2 h": slope(1, 1, 1),
    "forward difference": slope(1, 0, 1),
    "backward difference": slope(0, 1, 1),
    "the slope of the density": slope(1, 1, 2, log=False),
    "the sign": slope(-1, -1, 2),
    "the score is a vector": lambda log_prob, x, h: slope(1, 1, 2)(log_prob, x, h).sum(1),
}
TWEEDIE = {
    "": lambda x, s, a: (x + (1 - a) * s) / sqrt(a),
    "the score is multiplied by sqrt(1 - a)": lambda x, s, a: (x + sqrt(1 - a) * s) / sqrt(a),
    "the sign": lambda x, s, a: (x - (1 - a) * s) / sqrt(a),
    "not divided by sqrt(a)": lambda x, s, a: x + (1 - a) * s,
    "divided by a": lambda x, s, a: (x + (1 - a) * s) / a,
    "not scaled at all": lambda x, s, a: (x + s) / sqrt(a),
}


def eps(x, v, a):
    return sqrt(a) * v + sqrt(1 - a) * x


FROM_V = {
    "": lambda x, v, a: -eps(x, v, a) / sqrt(1 - a),
    "this is eps": eps,
    "the sign": lambda x, v, a: eps(x, v, a) / sqrt(1 - a),
    "divided by 1 - a": lambda x, v, a: -eps(x, v, a) / (1 - a),
    "not divided by sqrt(1 - a)": lambda x, v, a: -eps(x, v, a),
    "v is taken for eps": lambda x, v, a: -v / sqrt(1 - a),
    "the two roots are swapped": lambda x, v, a: -eps(v, x, a) / sqrt(1 - a),
    "the rotation runs the other way": lambda x, v, a: -eps(-x, v, a) / sqrt(1 - a),
}
ANSWERS = {
    check_gaussian_score: GAUSSIAN,
    check_differences: DIFFERENCES,
    check_tweedie: TWEEDIE,
    check_score_from_v: FROM_V,
}


@pytest.mark.parametrize(("check", "mistake", "answer"), cases(ANSWERS))
def test_answers(capsys, check, mistake, answer):
    assert_verdict(capsys, check, mistake, answer)


@pytest.mark.parametrize("check", list(ANSWERS))
def test_no_answer_yet(capsys, check):
    check(lambda *arguments: None)
    assert "no answer yet" in capsys.readouterr().out
