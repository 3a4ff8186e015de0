"""Checks for the exercises of 02_score."""

from collections.abc import Callable
from math import sqrt

import torch

from cfgedu.checks import check
from cfgedu.protocol import NULL
from cfgedu.schedule import linear
from cfgedu.toy import islands


def example(seed: int):
    """(x, u, a): points, a second tensor of their shape, a signal level."""
    x, u = torch.randn(2, 8, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x, u, float(linear().alpha_bar[200])


def check_gaussian_score(answer: Callable) -> None:
    """answer(x, mean, std, a) -> the score at x of noised data: x_0 ~ N(mean, std^2 I), signal level a."""
    x, _, a = example(1)
    mean, std = torch.tensor([0.8, -0.5], dtype=torch.float64), 0.4
    pull, variance = sqrt(a) * mean - x, a * std**2 + 1 - a
    mistakes = {
        "this is the score of the CLEAN density: noise moves the mean to sqrt(a) mean and widens the variance": (
            (mean - x) / std**2
        ),
        "the variance is still the clean one: with noise it is a std^2 + 1 - a": pull / std**2,
        "the mean is not scaled: x_t gathers around sqrt(a) mean": (mean - x) / variance,
        "the data's variance is not scaled: it shrinks to a std^2": pull / (std**2 + 1 - a),
        "only the noise has been counted: the data's own width adds a std^2": pull / (1 - a),
        "std is not squared": pull / (a * std + 1 - a),
        "the score divides by the variance, not by the standard deviation": pull / sqrt(variance),
        "the sign: the score points uphill, from x towards the mean": -pull / variance,
    }
    check("the score of a noised Gaussian", answer(x, mean, std, a), pull / variance, mistakes=mistakes)


def check_differences(answer: Callable) -> None:
    """answer(log_prob, x, h) -> the score by central differences; log_prob (B,2) -> (B,)."""
    world, (x, _, a), h = islands(), example(2), 1e-2

    def log_prob(x):
        return world.log_prob(x, torch.full((len(x),), NULL), a)

    def slope(f, up, down, width):
        return torch.stack([(f(x + up * e) - f(x - down * e)) / width for e in torch.eye(2, dtype=x.dtype)], 1)

    def density(x):
        return log_prob(x).exp()

    mistakes = {
        "the two points lie 2 h apart: divide by 2 h": slope(log_prob, h, h, h),
        "this is a forward difference, right to first order in h alone: step to both sides": slope(log_prob, h, 0, h),
        "this is a backward difference, right to first order in h alone: step to both sides": slope(log_prob, 0, h, h),
        "this is the slope of the density: the score is the slope of its log": slope(density, h, h, 2 * h),
        "the sign: the score points uphill": -slope(log_prob, h, h, 2 * h),
        "the slopes along both axes are added up: the score is a vector, one slope for each axis": (
            slope(log_prob, h, h, 2 * h).sum(1)
        ),
    }
    check("the score by central differences", answer(log_prob, x, h), slope(log_prob, h, h, 2 * h), mistakes=mistakes)


def check_tweedie(answer: Callable) -> None:
    """answer(x, score, a) -> E[x_0 given x_t]."""
    x, score, a = example(3)
    mistakes = {
        "the score is multiplied by sqrt(1 - a): eps = -sqrt(1 - a) score is multiplied by sqrt(1 - a) once more": (
            (x + sqrt(1 - a) * score) / sqrt(a)
        ),
        "the sign: x_0 lies uphill, so (1 - a) score is added": (x - (1 - a) * score) / sqrt(a),
        "not divided by sqrt(a): this is the mean of sqrt(a) x_0": x + (1 - a) * score,
        "divided by a: x_t holds sqrt(a) x_0": (x + (1 - a) * score) / a,
        "the score is not scaled at all": (x + score) / sqrt(a),
    }
    check("Tweedie's formula", answer(x, score, a), (x + (1 - a) * score) / sqrt(a), mistakes=mistakes)


def check_score_from_v(answer: Callable) -> None:
    """answer(x, v, a) -> the score, for a network that predicts v."""
    x, v, a = example(4)
    eps = sqrt(a) * v + sqrt(1 - a) * x
    swapped = sqrt(1 - a) * v + sqrt(a) * x
    turned = sqrt(a) * v - sqrt(1 - a) * x
    root = sqrt(1 - a)
    mistakes = {
        "this is eps: the score is -eps / sqrt(1 - a)": eps,
        "the sign: score = -eps / sqrt(1 - a)": eps / root,
        "divided by 1 - a: the score is -eps / sqrt(1 - a)": -eps / (1 - a),
        "not divided by sqrt(1 - a)": -eps,
        "v is taken for eps: eps = sqrt(a) v + sqrt(1 - a) x": -v / root,
        "the two roots are swapped: eps = sqrt(a) v + sqrt(1 - a) x": -swapped / root,
        "the rotation runs the other way: eps = sqrt(a) v + sqrt(1 - a) x": -turned / root,
    }
    check("the score of a v-network", answer(x, v, a), -eps / root, mistakes=mistakes)
