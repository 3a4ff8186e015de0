"""Checks for the exercises of 01_noise."""

from collections.abc import Callable
from math import sqrt

import torch

from cfgedu.checks import check
from cfgedu.schedule import cosine, linear


def check_jump(answer: Callable) -> None:
    """answer(x_s, z, a_s, a_t) -> x_t: from the noise level of s straight to that of t > s."""
    x_s, z = torch.randn(2, 8, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    a_s, a_t = linear().alpha_bar[[200, 500]].tolist()
    alpha = a_t / a_s
    lost = a_s - a_t
    mistakes = {
        "a_t counts from clean data: on the way from s to t the signal shrinks by alpha = a_t / a_s": (
            sqrt(a_t) * x_s + sqrt(1 - a_t) * z
        ),
        "the noise is multiplied by its variance 1 - alpha: the standard deviation is its root": (
            sqrt(alpha) * x_s + (1 - alpha) * z
        ),
        "x_s is multiplied by alpha: the signal shrinks by its root": alpha * x_s + sqrt(1 - alpha) * z,
        "both roots are missing": alpha * x_s + (1 - alpha) * z,
        "variances do not just add up: the noise already in x_s shrinks too, so the new noise is 1 - a_t / a_s": (
            sqrt(alpha) * x_s + sqrt(lost) * z
        ),
    }
    right = sqrt(alpha) * x_s + sqrt(1 - alpha) * z
    check("from s to t in one jump", answer(x_s, z, a_s, a_t), right, mistakes=mistakes)


def check_betas(answer: Callable) -> None:
    """answer(alpha_bar (T+1,)) -> beta_1..beta_T (T,)."""
    a = cosine(T=12).alpha_bar
    right = 1 - a[1:] / a[:-1]
    zero = torch.zeros(1, dtype=a.dtype)
    mistakes = {
        "1 - alpha_bar is all the noise since t = 0: beta_t is 1 - alpha_bar_t / alpha_bar_{t-1}": 1 - a[1:],
        "this is alpha_t = alpha_bar_t / alpha_bar_{t-1}: beta_t is 1 - alpha_t": 1 - right,
        "this is a difference of levels: beta is relative, one minus the ratio of neighbours": a[:-1] - a[1:],
        "the ratio is upside down": 1 - a[:-1] / a[1:],
        "t = 0 has no step before it: beta_1 is the first": torch.cat([zero, right]),
    }
    check("the betas of a table", answer(a), right, mistakes=mistakes)


def check_time_of_snr(answer: Callable) -> None:
    """answer(alpha_bar (T+1,), snr) -> the first t at which a_t / (1 - a_t) is below snr."""
    a, snr = linear().alpha_bar, 0.2
    ratio = a / (1 - a)

    def first(below):
        return int(torch.nonzero(below)[0])

    t = first(ratio < snr)
    mistakes = {
        "this is the root of the SNR: compare a / (1 - a), a ratio of variances": first(ratio.sqrt() < snr),
        "this is where alpha_bar itself falls below the number: SNR is a / (1 - a)": first(a < snr),
        "this is where sqrt(alpha_bar) falls below the number: SNR is a / (1 - a)": first(a.sqrt() < snr),
        "the ratio is upside down: signal over noise": first(1 / ratio > snr),
        "one too early: at this t the SNR is not yet below; alpha_bar[t] is level t, with alpha_bar[0] = 1": t - 1,
    }
    check("the first t with an SNR below 0.2", answer(a, snr), t, mistakes=mistakes)


def check_shorten(answer: Callable) -> None:
    """answer(alpha_bar (T+1,), n) -> n + 1 of its levels, evenly spaced in t, from alpha_bar[0] to alpha_bar[T]."""
    a, n = linear().alpha_bar, 25
    k = (len(a) - 1) // n
    mistakes = {
        "these are the first levels: the table stops long before pure noise": a[: n + 1],
        "alpha_bar[0] = 1 is lost: a table begins with clean data": a[k::k],
        "the last level is lost: a table must end in noise": a[:-1:k],
        "the levels are evenly spaced in alpha_bar, but they should be rows of the long table": (
            torch.linspace(1, float(a[-1]), n + 1, dtype=a.dtype)
        ),
        "linear(T=n) keeps the betas and not the levels: it stops long before pure noise": linear(T=n).alpha_bar,
    }
    check("a shorter table with the same end", answer(a, n), a[::k], mistakes=mistakes)
