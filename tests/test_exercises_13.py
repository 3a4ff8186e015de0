"""Notebook 13: wrong answers as learners write them, each with a diagnosis of its own, and right ones beside them."""

import pytest
import torch

from cfgedu.exercises.n13 import check_interval, check_translated

# ---------------------------------------------------------------- 1: an interval for a smaller world

WRONG_INTERVALS = {
    (4, 600, 1000): "before or while the mode is decided",
    (4, 71, 190): "before or while the mode is decided",
    (4, 0, 120): "at a third of the noise",
    (20, 0, 66): "with r = 4 it keeps the mode: this r is too large",
    (12, 0, 100): "with r = 4 it keeps the mode: this r is too large",
    (25, 0, 20): "take an r of at most 20",
    (4, 0, 0.24): "not levels sigma or shares of T",
    (4, 0, 0.071): "not levels sigma or shares of T",
    (4, 50, 71): "guide down to t = 0",
    (4, 45, 300): "`high` has to be lower",
}

# ---------------------------------------------------------------- 2: CFG++ on another grid

WRONG_TRANSLATIONS = {
    "do not enter by their ratio": lambda lam, t, s, new: lam * new / s,
    "the ratio of the levels of arrival, and upside down": lambda lam, t, s, new: s / new * lam,
    "this halves lam whatever the grids are": lambda lam, t, s, new: 0.5 * lam,
    "belongs to r as well": lambda lam, t, s, new: lam * (1 - new / t),
    "both factors multiply lam": lambda lam, t, s, new: lam * t / (t - s) * t / (t - new),
    "each step starts at sigma_t": lambda lam, t, s, new: lam * (new - s) / (s - t),
}


@pytest.mark.parametrize(("answer", "sentence"), WRONG_INTERVALS.items(), ids=str)
def test_a_wrong_interval_is_recognised(capsys, answer, sentence):
    assert not check_interval(answer)
    assert sentence in capsys.readouterr().out


@pytest.mark.parametrize(("sentence", "answer"), WRONG_TRANSLATIONS.items())
def test_a_wrong_translation_is_recognised(capsys, sentence, answer):
    assert not check_translated(answer)
    assert sentence in capsys.readouterr().out


def test_right_answers_in_a_learners_own_way():
    def by_the_scale(lam, sigma_t, sigma_s, sigma_new):
        r = lam * sigma_t / (sigma_t - sigma_s)
        return r * (sigma_t - sigma_new) / sigma_t

    assert check_translated(by_the_scale)
    for answer in ((4, 0, 71), ("4", 0, 66), {"r": 4, "low": 0, "high": 71}.values(), torch.tensor([3.0, 0, 66])):
        assert check_interval(answer)


def test_a_kept_share_is_told_to_a_tenth(capsys):
    check_interval((20, 0, 66))  # 44.8%, which "45%" would call enough
    assert "44.8%" in capsys.readouterr().out
