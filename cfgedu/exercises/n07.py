"""Checks for the exercises of 07_what_guidance_samples."""

from collections.abc import Callable

import torch

from cfgedu.checks import check


def check_accept(answer: Callable) -> None:
    """answer(p (B,), r, u (B,)) -> which draws from p(x given c) to keep, (B,) booleans

    p is p(c given x) of each draw, u is uniform in [0, 1].
    """
    g = torch.Generator().manual_seed(1)
    p, u = torch.rand(2, 400, generator=g, dtype=torch.float64)
    r = 3.5
    mistakes = {
        "the power is r - 1, not r: the draws come from p(x given c), which holds one p(c given x) already": u < p**r,
        "the comparison is the wrong way round: these are the draws to reject": u >= p ** (r - 1),
        "the sign of the power: p ** (1 - r) is at least 1, so everything is kept": u < p ** (1 - r),
        "the power is missing: p itself is the probability for r = 2 alone": u < p,
        "a fixed threshold keeps the sure points and no others: compare with the uniform u": p > 0.5,
    }
    check("the draws to keep", answer(p, r, u), u < p ** (r - 1), mistakes=mistakes)


def check_noised_tilted(answer: Callable) -> None:
    """answer(v_c, v_u, r, a) -> k, where the score of the tilted Gaussian, noised to signal level a, is -k x."""
    v_c, v_u, r, a = torch.tensor([[0.3, 0.5, 0.2], [1.1, 0.8, 2.0], [1.5, 4.0, 2.5], [0.9, 0.4, 0.05]]).double()
    v = 1 / (r / v_c + (1 - r) / v_u)
    mixed = r * v_c + (1 - r) * v_u
    guided = r / (a * v_c + 1 - a) + (1 - r) / (a * v_u + 1 - a)
    mistakes = {
        "you noised first and tilted then: that is the guided score": guided,
        "this is the variance of the noised tilted density: the score is -x divided by it": a * v + 1 - a,
        "this is the tilted density before the noise": 1 / v,
        "the noise is there, but x_0 was not scaled by sqrt(a)": 1 / (v + 1 - a),
        "tilting mixes the precisions 1 / v with weights r and 1 - r, not the variances": 1 / (a * mixed + 1 - a),
    }
    check("the score of the noised tilted density", answer(v_c, v_u, r, a), 1 / (a * v + 1 - a), mistakes=mistakes)


def check_corrector_scale(answer: Callable) -> None:
    """answer(r, eta) -> the scale of the Langevin corrector hidden in guided DDIM with noise eta > 0."""
    r, eta = torch.tensor([[1.0, 3.0, 7.5, 2.0], [0.7, 1.0, 0.5, 0.2]]).double()
    mistakes = {
        "2 r - 1 is the case eta = 1": 2 * r - 1,
        "this is the sampler's own r: the predictor takes one conditional score out of the sum": r,
        "eta enters squared: the noise has variance eta^2 beta": ((1 + eta) * r - 1) / eta,
        "the predictor's share, one conditional score, was not taken out": (1 + eta**2) * r / eta**2,
        "divide by eta^2, so that the weights of the two scores sum to 1": (1 + eta**2) * r - 1,
    }
    right = ((1 + eta**2) * r - 1) / eta**2
    check("the scale of the hidden corrector", answer(r, eta), right, mistakes=mistakes)
