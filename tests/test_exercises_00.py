"""Every check of notebook 00: the right answer passes, and each named mistake is named."""

import pytest
from helpers import assert_verdict, cases
from hypothesis import given
from hypothesis import strategies as st

from cfgedu.exercises.n00 import check_guided, check_scales
from cfgedu.guidance import r_from_w, w_from_r

SCALES = {
    "": [1.1, 6.5, 1.0],
    "differ by 1": [0.1, 7.5, 1.0],
    "the other way": [-0.9, 8.5, 1.0],
    "r = 0 ignores the label": [1.1, 6.5, 0.0],
    "are swapped": [6.5, 1.1, 1.0],
}
GUIDED = {
    "": lambda un, cond, r: un + r * (cond - un),
    "un and cond are swapped": lambda un, cond, r: r * un + (1 - r) * cond,
    "your r is w": lambda un, cond, r: (1 + r) * cond - r * un,
    "the other way round": lambda un, cond, r: un - r * (cond - un),
    "threshold at r > 1": lambda un, cond, r: r * cond + (1 - r) * un if r > 1 else cond,
    "threshold at r > 0": lambda un, cond, r: r * cond + (1 - r) * un if r > 0 else cond,
    "not counted in full": lambda un, cond, r: un + r * cond,
}
ANSWERS = {check_scales: SCALES, check_guided: GUIDED}


@pytest.mark.parametrize(("check", "mistake", "answer"), cases(ANSWERS))
def test_answers(capsys, check, mistake, answer):
    assert_verdict(capsys, check, mistake, answer)


@pytest.mark.parametrize(("check", "nothing"), [(check_scales, None), (check_guided, lambda un, cond, r: None)])
def test_no_answer_yet(capsys, check, nothing):
    check(nothing)
    assert "no answer yet" in capsys.readouterr().out


@given(w=st.floats(-100, 100), un=st.floats(-10, 10), cond=st.floats(-10, 10))
def test_the_papers_form_is_ours(w, un, cond):
    r = r_from_w(w)
    assert r * cond + (1 - r) * un == pytest.approx((1 + w) * cond - w * un, abs=1e-9)
    assert w_from_r(r) == pytest.approx(w, abs=1e-12)
