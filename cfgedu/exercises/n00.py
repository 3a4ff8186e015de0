"""Checks for the exercises of 00_start_here."""

from collections.abc import Callable

import torch

from cfgedu.checks import check, unanswered
from cfgedu.guidance import r_from_w, w_from_r


def check_scales(answer) -> None:
    """[r of w = 0.1, w of guidance_scale = 7.5, r of plain conditional sampling]"""
    mistakes = {
        "w and r differ by 1: w = 0 and r = 1 are the same model": [0.1, 7.5, 1.0],
        "the shift goes the other way: r = w + 1": [0.1 - 1, 7.5 + 1, 1.0],
        "plain conditional sampling is r = 1; r = 0 ignores the label": [r_from_w(0.1), w_from_r(7.5), 0.0],
        "the first and the second answer are swapped": [w_from_r(7.5), r_from_w(0.1), 1.0],
    }
    check("three scales", answer, [r_from_w(0.1), w_from_r(7.5), 1.0], mistakes=mistakes)


def check_guided(answer: Callable) -> None:
    """answer(un (B,2), cond (B,2), r) -> guided prediction (B,2), tried at r = -1, 0, 0.5, 1 and 4"""
    un, cond = torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    scales = (-1.0, 0.0, 0.5, 1.0, 4.0)

    def at_all(guide):
        values = [guide(un, cond, r) for r in scales]
        return None if unanswered(values) else torch.stack(values)

    mistakes = {
        "un and cond are swapped: r = 1 must give cond, and r = 0 un": at_all(lambda u, c, r: c + r * (u - c)),
        "this counts from cond, so your r is w: r = 1 must give cond itself": at_all(lambda u, c, r: c + r * (c - u)),
        "the difference is the other way round: r = 1 must give cond": at_all(lambda u, c, r: u + r * (u - c)),
        "there is a threshold at r > 1: below it the formula holds too": at_all(
            lambda u, c, r: u + r * (c - u) if r > 1 else c
        ),
        "there is a threshold at r > 0: below it the formula holds too": at_all(
            lambda u, c, r: u + r * (c - u) if r > 0 else c
        ),
        "un is not counted in full: the weights r and 1 - r must sum to 1": at_all(lambda u, c, r: u + r * c),
    }
    check("the guided prediction", at_all(answer), at_all(lambda u, c, r: r * c + (1 - r) * u), mistakes=mistakes)
