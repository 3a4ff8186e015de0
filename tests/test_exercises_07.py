"""Every check of notebook 07: the right answer passes, and each named mistake is named."""

import pytest
from helpers import assert_verdict, cases

from cfgedu.exercises.n07 import check_accept, check_corrector_scale, check_noised_tilted


def noised(v, a):
    return a * v + 1 - a


def tilted(v_c, v_u, r):
    return 1 / (r / v_c + (1 - r) / v_u)


ACCEPT = {
    "": lambda p, r, u: u < p ** (r - 1),
    "not r:": lambda p, r, u: u < p**r,
    "wrong way round": lambda p, r, u: u > p ** (r - 1),
    "sign of the power": lambda p, r, u: u < p ** (1 - r),
    "power is missing": lambda p, r, u: u < p,
    "fixed threshold": lambda p, r, u: p > 0.5,
}
NOISED = {
    "": lambda v_c, v_u, r, a: 1 / noised(tilted(v_c, v_u, r), a),
    "noised first and tilted then": lambda v_c, v_u, r, a: r / noised(v_c, a) + (1 - r) / noised(v_u, a),
    "this is the variance": lambda v_c, v_u, r, a: noised(tilted(v_c, v_u, r), a),
    "before the noise": lambda v_c, v_u, r, a: r / v_c + (1 - r) / v_u,
    "not scaled by sqrt(a)": lambda v_c, v_u, r, a: 1 / (tilted(v_c, v_u, r) + 1 - a),
    "mixes the precisions": lambda v_c, v_u, r, a: 1 / noised(r * v_c + (1 - r) * v_u, a),
}
CORRECTOR = {
    "": lambda r, eta: ((1 + eta**2) * r - 1) / eta**2,
    "case eta = 1": lambda r, eta: 2 * r - 1,
    "sampler's own r": lambda r, eta: r,
    "eta enters squared": lambda r, eta: ((1 + eta) * r - 1) / eta,
    "share, one conditional score": lambda r, eta: (1 + 1 / eta**2) * r,
    "divide by eta^2": lambda r, eta: (1 + eta**2) * r - 1,
}
ANSWERS = {check_accept: ACCEPT, check_noised_tilted: NOISED, check_corrector_scale: CORRECTOR}


@pytest.mark.parametrize(("check", "mistake", "answer"), cases(ANSWERS))
def test_answers(capsys, check, mistake, answer):
    assert_verdict(capsys, check, mistake, answer)


@pytest.mark.parametrize("check", ANSWERS)
def test_no_answer_yet(capsys, check):
    check(lambda *arguments: None)
    assert "no answer yet" in capsys.readouterr().out
