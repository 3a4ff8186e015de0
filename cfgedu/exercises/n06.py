"""Checks for the exercises of 06_guidance_vector."""

from collections.abc import Callable

import torch

from cfgedu.checks import check
from cfgedu.guidance import null_pair
from cfgedu.schedule import linear
from cfgedu.toy import two_gaussians


def example(seed: int):
    """(u (6,2), v (6,2)) in float64 and a signal level."""
    u, v = torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return u, v, 0.37


def check_guidance_vector(answer: Callable) -> None:
    """answer(eps_un (B,2), eps_cond (B,2), a) -> g (B,2) = s_cond - s_un"""
    eps_un, eps_cond, a = example(1)
    d, sigma = eps_cond - eps_un, (1 - a) ** 0.5
    mistakes = {
        "this is still in eps units: the score is -eps / sqrt(1 - a)": d,
        "the sign: the score is minus eps / sqrt(1 - a), so g points against the difference of eps": d / sigma,
        "the factor is 1 / sqrt(1 - a), not 1 / (1 - a)": -d / (1 - a),
        "the factor is upside down: to come from eps to the score, divide by sqrt(1 - a)": -d * sigma,
        "this divides by sqrt(a), the signal; the noise level is sqrt(1 - a)": -d / a**0.5,
    }
    check("g in score units", answer(eps_un, eps_cond, a), -d / sigma, mistakes=mistakes)


def check_classifier_guidance(answer: Callable) -> None:
    """answer(eps_un (B,2), grad (B,2), r, a) -> guided eps (B,2)"""
    eps_un, grad, a = example(2)
    r, sigma = 3.0, (1 - a) ** 0.5
    mistakes = {
        "the sign: eps points to the noise, so climbing log p(y | x_t) means subtracting": eps_un + r * sigma * grad,
        "grad is in score units: times sqrt(1 - a) it is in eps units": eps_un - r * grad,
        "the factor is sqrt(1 - a), not 1 - a": eps_un - r * (1 - a) * grad,
        "the factor is upside down: from the score to eps, multiply by sqrt(1 - a)": eps_un - r / sigma * grad,
        "from the unconditional eps the whole r is needed; r - 1 belongs to a conditional start": eps_un
        - (r - 1) * sigma * grad,
        "this is the guided score; the exercise asks for eps": -eps_un / sigma + r * grad,
    }
    check("the guided eps", answer(eps_un, grad, r, a), eps_un - r * sigma * grad, mistakes=mistakes)


def check_resting_scale(answer: float) -> None:
    """The r at which the guided score of class 1 is zero: two_gaussians(), t = 200, x = (1, 0)."""
    schedule, t, x = linear(), 200, torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    pair = null_pair(two_gaussians().denoiser(schedule))
    eps_un, eps_cond = pair(x, torch.tensor([t]), torch.tensor([1]))
    s_un, s_cond = (float(schedule.score(x, t, eps)[0, 0]) for eps in (eps_un, eps_cond))
    g = s_cond - s_un
    mistakes = {
        "the sign: s_un + r g = 0 gives r = -s_un / g": s_un / g,
        "this is w = r - 1, counted from the conditional score: start from s_un": -s_cond / g,
        "the fraction is upside down: s_un + r g = 0 gives r = -s_un / g": -g / s_un,
        "s_un and s_cond are swapped: g = s_cond - s_un": s_cond / g,
    }
    check("the scale at which the point rests", answer, -s_un / g, atol=2e-3, mistakes=mistakes)
