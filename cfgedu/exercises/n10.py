"""Checks for the exercises of 10_guided_sampling_lab."""

from collections.abc import Callable
from math import sqrt

import torch

from cfgedu.checks import check
from cfgedu.schedule import linear


def check_x0_step(answer: Callable) -> None:
    """answer(x (B,2), x0_un (B,2), x0_cond (B,2), r, a_t, a_s) -> x_s: one guided DDIM step on predictions of x_0."""
    x, x0_un, x0_cond = torch.randn(3, 6, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    r, a_t, a_s = 3.0, 0.3, 0.6

    def step(x0, x0_of_eps=None, level=a_s):
        eps = (x - sqrt(a_t) * (x0 if x0_of_eps is None else x0_of_eps)) / sqrt(1 - a_t)
        return sqrt(level) * x0 + sqrt(1 - level) * eps

    more = x0_cond - x0_un  # what the label adds
    guided = x0_un + r * more
    mistakes = {
        "the two predictions are swapped: r = 1 has to give the conditional one": step(x0_cond - r * more),
        "the scale is read as w = r - 1, counted from the conditional prediction": step(x0_cond + r * more),
        "x_0 is guided, but eps comes from the conditional x_0: the two no longer make up x": step(guided, x0_cond),
        "x_0 is guided, but eps comes from the unconditional x_0: the two no longer make up x": step(guided, x0_un),
        "that is the guided x_0: mix it with eps again, at level s": guided,
        "x_0 and eps are mixed at level t, which gives back x; the step goes to level s": step(guided, level=a_t),
        "that step is conditional: r does nothing": step(x0_cond),
    }
    got = answer(x, x0_un, x0_cond, r, a_t, a_s)
    check("one guided step on x_0", got, step(guided), atol=1e-9, mistakes=mistakes)


def check_interval(answer: Callable) -> None:
    """answer(r, low, high) -> a function of t (B,) long: the scales (B,), r where low < t <= high and 1 elsewhere."""
    low, high = 200, 600
    t = torch.tensor([1, 200, 201, 400, 600, 601, 1000])
    inside = (t > low) & (t <= high)
    for r in (4.0, -1.0):
        mistakes = {
            "outside the interval the scale is 0, which is unconditional: the label is lost there. No guidance is 1": (
                torch.where(inside, r, 0.0)
            ),
            "inside and outside are swapped": torch.where(inside, 1.0, r),
            "the edges: high belongs to the interval, low does not": torch.where((t >= low) & (t < high), r, 1.0),
            "the edges: low does not belong to the interval": torch.where((t >= low) & (t <= high), r, 1.0),
            "the edges: high belongs to the interval": torch.where((t > low) & (t < high), r, 1.0),
            "the scale is r at every t": torch.full((len(t),), r),
            "a threshold on r: every real r is meant": torch.where(inside, max(r, 1.0), 1.0),
        }
        scale = answer(r, low, high)
        got = None if scale is None else scale(t)
        check(f"the scale at each t, r = {r:g}", got, torch.where(inside, r, 1.0), mistakes=mistakes)


def check_same_end(answer: Callable) -> None:
    """answer(alpha_bar (T+1,), n) -> (n+1,): a table of n levels with the same two ends; n divides T."""
    alpha_bar, n = linear(1000).alpha_bar, 40
    every = (len(alpha_bar) - 1) // n
    right = alpha_bar[::every]
    betas = (1 - alpha_bar[1:] / alpha_bar[:-1])[every - 1 :: every]
    mistakes = {
        "these are the first levels: the table stops far short of noise": alpha_bar[: n + 1],
        "these are the last levels: the table never comes down to clean data, alpha_bar[0] = 1": alpha_bar[-n - 1 :],
        "alpha_bar[0] = 1, clean data, is missing: n levels of noise make a table of n + 1 numbers": right[1:],
        "the last level, the noise to start from, is missing": right[:-1],
        "you thinned out the betas: their product takes 25 times fewer steps, and stops short of noise": torch.cat(
            [alpha_bar[:1], (1 - betas).cumprod(0)]
        ),
        "you squeezed the usual betas into n levels: linear(n) stops short of noise": linear(n).alpha_bar,
        "the table runs the wrong way: t = 0 is clean data": right.flip(0),
        "the ends are right, but the levels in between are not levels of the long table: they lie on a straight line": (
            torch.linspace(1, float(alpha_bar[-1]), n + 1, dtype=torch.float64)
        ),
    }
    check("40 levels with the same end", answer(alpha_bar, n), right, mistakes=mistakes)


def check_same_accuracy(answer: Callable) -> None:
    """answer(accuracy (R,), spread (R,), target) -> the spread where the accuracy, which rises, passes the target."""
    accuracy = torch.tensor([0.40, 0.70, 0.90, 0.98, 0.99], dtype=torch.float64)
    spread = torch.tensor([0.70, 0.50, 0.34, 0.26, 0.20], dtype=torch.float64)
    target = 0.96
    share = (target - 0.90) / (0.98 - 0.90)
    mistakes = {
        "that is the spread at the nearest scale: the accuracy there is not the target": 0.26,
        "that is the spread at the last scale below the target": 0.34,
        "that is the plain mean of both neighbours: weight them by how near they are": 0.30,
        "the weights are swapped: the nearer neighbour counts for more": 0.26 + share * (0.34 - 0.26),
        "that is the accuracy, which is given: look up the spread": target,
        "that is a line through the two ends: use the two neighbours of the target": 0.70
        + (target - 0.40) / (0.99 - 0.40) * (0.20 - 0.70),
    }
    right = 0.34 + share * (0.26 - 0.34)
    check("the spread at an accuracy of 0.96", answer(accuracy, spread, target), right, mistakes=mistakes)
    check("the spread at a measured accuracy", answer(accuracy, spread, 0.7), 0.5)
