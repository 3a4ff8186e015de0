"""Checks for the exercises of 03_two_losses."""

from collections.abc import Callable
from math import sqrt

import torch

from cfgedu.checks import check
from cfgedu.schedule import linear


def check_x0_weight(answer: Callable) -> None:
    """answer(a) -> the weight w for which w (x0_hat - x_0)^2 = (eps_hat - eps)^2."""
    a = 0.7
    mistakes = {
        "upside down: x_0 is easy to see where there is little noise, and errors there count for more": (1 - a) / a,
        "a^2 / (1 - a)^2 is the square: the squared error already squares sqrt(a) / sqrt(1 - a)": (a / (1 - a)) ** 2,
        "that is the factor between the errors: the loss has its square": sqrt(a / (1 - a)),
        "1 - a is the weight between the score and eps": 1 - a,
        "1 / (1 - a) forgets that x_0 is multiplied by sqrt(a) in x_t": 1 / (1 - a),
    }
    check("the weight of the x_0 loss", answer(a), a / (1 - a), mistakes=mistakes)


def check_v_floor(answer: Callable) -> None:
    """answer(v, a) -> the floor of the v loss, per dimension, for data N(0, v)."""
    v, a = 0.3, 0.6
    V = a * v + 1 - a
    mistakes = {
        "this is the floor of the eps loss: v differs by the factor 1 / sqrt(a)": a * v / V,
        "this is the floor of the x_0 loss": (1 - a) * v / V,
        "the factor between the errors of v and eps, 1 / sqrt(a), was not squared": sqrt(a) * v / V,
        "multiplied by a where it should be divided": a**2 * v / V,
        "this is the variance of the target itself: the best prediction takes some of it away": a + (1 - a) * v,
    }
    check("the floor of the v loss", answer(v, a), v / V, mistakes=mistakes)


def check_times(answer: Callable) -> None:
    """answer(alpha_bar) -> p (T,), entry i for t = i + 1: drawing t from p makes the eps loss unweighted DSM."""
    alpha_bar = linear().alpha_bar
    noise = 1 - alpha_bar[1:]
    root = noise.rsqrt()
    right = (1 / noise) / (1 / noise).sum()
    mistakes = {
        "the probabilities do not sum to 1": 1 / noise,
        "upside down: this draws the large t most": noise / noise.sum(),
        "1 / sqrt(1 - a) is the factor between the errors: the loss has its square": root / root.sum(),
        "the times are still uniform": torch.full_like(noise, 1 / len(noise)),
    }
    check("the probabilities of t = 1..T", answer(alpha_bar), right, atol=1e-9, mistakes=mistakes)
