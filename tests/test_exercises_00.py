"""Notebook 00: the scales of papers and libraries, run as they are written."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cfgedu.exercises.n00 import LINES, check_black_box, check_scales
from cfgedu.guidance import r_from_w, w_from_r
from cfgedu.protocol import seeded


@given(w=st.floats(-100, 100), un=st.floats(-10, 10), cond=st.floats(-10, 10))
def test_the_papers_form_is_ours(w, un, cond):
    r = r_from_w(w)
    assert r * cond + (1 - r) * un == pytest.approx((1 + w) * cond - w * un, abs=1e-9)
    assert w_from_r(r) == pytest.approx(w, abs=1e-12)


def test_the_five_lines_run_as_they_are_written():
    un, cond = torch.randn(2, 8, generator=seeded(0), dtype=torch.float64)
    first, second = torch.cat([cond, un]).chunk(2)  # the labels come first, as in the exercise
    ran = [
        (1 + 0.5) * cond - 0.5 * un,
        cond + 100 * (cond - un),
        5 * cond + (1 - 5) * un,
        cond,  # guidance_scale = 0 is not above 1
        first + 3 * (second - first),
    ]
    for out, r in zip(ran, LINES, strict=True):
        torch.testing.assert_close(out, r * cond + (1 - r) * un)


def test_a_function_that_writes_in_place_is_judged_by_what_it_returns(capsys):
    def right(un, cond, out):
        out -= un
        cond -= un
        return (out / cond).mean()

    def wrong(un, cond, out):
        un -= cond
        out -= cond
        return (out / un).mean()  # 1 - r

    assert check_black_box(right)
    assert not check_black_box(wrong)
    assert "exchanged" in capsys.readouterr().out


def test_each_of_several_numbers_is_diagnosed(capsys):
    assert not check_scales([0.1, 8.5, 1.0])
    out = capsys.readouterr().out
    assert "the first: w and r differ by 1" in out
    assert "the second: the shift goes the other way" in out
    assert "the third" not in out
    assert not check_scales([1.1, 6.5, 3.0])
    assert "1 of 3 numbers is not right." in capsys.readouterr().out
