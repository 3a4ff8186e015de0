"""What a check says: passed, the likely mistake, no answer yet, or what cannot be an answer. It never raises.

A claim prints a tick with its numbers, or raises.
"""

import numpy as np
import pytest
import torch

from cfgedu.checks import check, claim


def said(capsys, got, expected, **rules):
    check("it", got, expected, **rules)
    return capsys.readouterr().out


@pytest.mark.parametrize(("got", "expected"), [(2.0, 2), (True, True), ([1, 2.0], torch.tensor([1.0, 2.0]))])
def test_a_right_answer(capsys, got, expected):
    assert said(capsys, got, expected) == "✓ it\n"


@pytest.mark.parametrize("got", [None, ..., [..., ..., ...], [1.0, None], (torch.ones(2), ...)])
def test_a_placeholder_is_no_answer_yet(capsys, got):
    assert "no answer yet" in said(capsys, got, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("got", ["two", {"r": 2.0}, len, [[1.0], [1.0, 2.0]], torch])
def test_what_cannot_be_an_answer_is_named(capsys, got):
    assert f"got a {type(got).__name__}" in said(capsys, got, 2.0)


def test_numbers_and_truth_values_are_shown_as_they_are(capsys):
    assert "expected False; got True" in said(capsys, True, False)
    assert "expected 0.25; got 3" in said(capsys, 3.0, 0.25)
    assert "expected (2,) [1, 2]; got (3,) [0, 0, 0]" in said(capsys, torch.zeros(3), [1.0, 2.0])


def test_the_diagnosis(capsys):
    expected = torch.tensor([1.0, -2.0])
    assert "Likely mistake: the root is missing." in said(
        capsys, [1, 4], expected, mistakes={"the root is missing": [1, 4]}
    )
    assert "The shapes differ" in said(capsys, [1.0], expected)
    assert "NaN" in said(capsys, [float("nan"), 1.0], expected)
    assert "the sign is the wrong way round" in said(capsys, -expected, expected)
    assert "a constant factor of 3" in said(capsys, 3 * expected, expected)
    assert "The largest difference is 2." in said(capsys, [1.0, 0.0], expected)


# ---- claims ----


@pytest.mark.parametrize("truth", [True, np.bool_(True), torch.tensor(True), torch.ones(2).sum() > 1])
def test_a_true_claim_shows_its_numbers(capsys, truth):
    claim("the label plays no part", truth, share=0.09876, of_all=np.float64(2), n=1000, each=torch.tensor([0.5, 2.0]))
    expected = "✓ the label plays no part (share 0.0988, of all 2, n 1000, each 0.5, 2)\n"
    assert capsys.readouterr().out == expected


def test_a_claim_without_numbers_is_the_sentence_alone(capsys):
    claim("it is so", True)
    assert capsys.readouterr().out == "✓ it is so\n"


@pytest.mark.parametrize("truth", [False, np.bool_(False), torch.tensor(False), np.float64("nan") < 1])
def test_a_false_claim_raises_with_its_numbers(capsys, truth):
    with pytest.raises(AssertionError, match=r"✗ it is so \(error 1.23e-05, name two\)"):
        claim("it is so", truth, error=1.23456e-5, name="two")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("truth", [None, 1, "yes", torch.tensor([True, True]), torch.tensor(1), ()])
def test_a_claim_wants_one_truth_value(truth):
    with pytest.raises(TypeError, match="truth must be one truth value"):
        claim("it is so", truth)
