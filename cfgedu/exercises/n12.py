"""Checks for the exercises of 12_mnist."""

from collections.abc import Callable
from itertools import pairwise
from math import sqrt

import numpy as np
import torch

from cfgedu.checks import Exercise, Guess
from cfgedu.language import phrase
from cfgedu.schedule import linear

# ---------------------------------------------------------------- 1: what an interval saves


def passes(
    inside=2, outside=1, asked=lambda times: times[:-1], guided=lambda t, low, high: low < t <= high
) -> Callable:
    """The passes of the network, with room for one mistake each: what a step takes, where it is asked, the edges."""
    return lambda times, low, high: sum(inside if guided(t, low, high) else outside for t in asked(times))


def plans():
    """Even and uneven times, which an interval may begin or end at; all of the range, a part, nothing."""
    even, few, uneven = linear().grid(25), [1000, 700, 400, 150, 50, 0], [900, 880, 600, 590, 580, 300, 20, 1, 0]
    spans = {
        "25 steps": (even, 210, 610),
        "25 steps, the interval begins at one of the times": (even, 200, 610),
        "25 steps, it ends at one of the times": (even, 210, 600),
        "5 uneven steps": (few, 300, 1000),
        "8 uneven steps": (uneven, 20, 600),
        "guidance everywhere": (few, 0, 1000),
        "guidance nowhere": (even, 0, 0),
    }
    return {phrase("with {place}", place=phrase(place)): plan for place, plan in spans.items()}


check_passes = Exercise(  # answer(times, low, high) -> two passes for a step from t in low < t <= high, one for another
    name="the passes",  # times: [t_0 > ... > t_n = 0], as `schedule.grid(n)` gives them
    right=(
        passes(),
        lambda times, low, high: len(times) - 1 + sum(low < t <= high for t, _ in pairwise(times)),
        lambda times, low, high: (1 + (torch.tensor(times[:-1]) > low) * (torch.tensor(times[:-1]) <= high)).sum(),
    ),
    wrong={
        "t = 0 is where the last step ends: the network is not asked there": passes(asked=lambda times: times),
        "a step counts by the time it begins at: you look where it ends": passes(asked=lambda times: times[1:]),
        "those are the guided steps alone; each of the others takes one pass": passes(outside=0),
        "that is one pass for every step; a guided one takes two": passes(inside=1),
        "that is guidance at every step; outside the interval one prediction is enough": passes(outside=2),
        "inside and outside are swapped": passes(inside=1, outside=2),
        "that is the number of guided steps": passes(inside=1, outside=0),
        "the step from t = low is not guided: the interval begins above it": passes(guided=lambda t, a, b: a <= t <= b),
        "the step from t = high is guided: the interval ends with it": passes(guided=lambda t, a, b: a < t < b),
        "low is outside the interval and high belongs to it: you have it the other way": passes(
            guided=lambda t, a, b: a <= t < b
        ),
        "that takes the interval's share of the range: steps need not be even, so count the times": (
            lambda times, low, high: round((len(times) - 1) * (1 + (high - low) / times[0]))
        ),
    },
    inputs=plans,
)

# ---------------------------------------------------------------- 2: the best scale for a purpose


def best_scale(fits=lambda row, bar: row["accuracy"] >= bar, least=lambda row, bar: row["frechet"]) -> Callable:
    """The r of the least of the rows that fit, with room for one mistake each."""
    return lambda rows, bar: min((row for row in rows if fits(row, bar)), key=lambda row: least(row, bar))["r"]


def by_loop(rows, accuracy):
    best = None
    for row in rows:
        if row["accuracy"] >= accuracy and (best is None or row["frechet"] < best["frechet"]):
            best = row
    return best["r"]


def by_mask(rows, accuracy):
    r, hit, distance = (np.array([row[key] for row in rows]) for key in ("r", "accuracy", "frechet"))
    return r[np.where(hit >= accuracy, distance, np.inf).argmin()]


def tables():
    """Three sweeps whose distance is not monotone among the rows that reach the bar, in any order."""
    columns = ("r", "accuracy", "diversity", "frechet")
    smooth = [(0, 0.1, 9, 5.0), (1, 0.95, 5.2, 0.4), (1.5, 0.982, 4, 0.9), (2, 0.99, 3, 0.5), (3, 1.0, 2, 2.0)]
    rough = [(4, 0.993, 2.2, 0.7), (0.5, 0.6, 7, 0.15), (2.5, 0.991, 2.4, 0.6), (1, 0.97, 4, 0.2)]
    rough += [(6, 0.999, 2.9, 0.65), (0, 0.45, 9, 5.0)]
    wild = [(8, 0.96, 3.0, 0.7), (3, 0.985, 3.9, 0.65), (5, 0.98, 3.4, 0.55), (2, 0.94, 3.8, 0.1), (1, 0.9, 6, 1)]
    made = {"for 0.98": (smooth, 0.98), "in another order": ([smooth[i] for i in (3, 0, 4, 2, 1)], 0.98)}
    made |= {"where a row just reaches the bar": (smooth, 0.99), "where two rows just do not": (rough, 0.99)}
    made |= {"where r = 5 is best": (wild, 0.95), "for a low bar": (rough, 0.5)}
    return {place: ([dict(zip(columns, row)) for row in rows], bar) for place, (rows, bar) in made.items()}


check_best_scale = Exercise(  # answer(rows, accuracy) -> r of the smallest distance among the rows of that accuracy
    name="the best scale",
    right=(best_scale(), by_loop, by_mask),
    wrong={
        "that row has the smallest distance of all, whatever its accuracy": best_scale(lambda row, bar: True),
        "that row has the highest accuracy; any that reaches the bar will do": best_scale(
            least=lambda row, bar: -row["accuracy"]
        ),
        "that row has the accuracy nearest to the bar: the distance decides among those that reach it": best_scale(
            lambda row, bar: True, lambda row, bar: abs(row["accuracy"] - bar)
        ),
        "that is the lowest accuracy that reaches the bar: the distance decides among them": best_scale(
            least=lambda row, bar: row["accuracy"]
        ),
        "that is the smallest r that reaches the bar: a larger one may have a smaller distance": best_scale(
            least=lambda row, bar: row["r"]
        ),
        "that is the largest r that reaches the bar: the distance decides": best_scale(
            least=lambda row, bar: -row["r"]
        ),
        "that is the most diverse row that reaches the bar: the distance minds more than variety": best_scale(
            least=lambda row, bar: -row["diversity"]
        ),
        "that is the first row that reaches the bar: the rows come in any order": lambda rows, bar: next(
            row["r"] for row in rows if row["accuracy"] >= bar
        ),
        "that has the largest distance: the smallest is asked for": best_scale(least=lambda row, bar: -row["frechet"]),
        "you return the distance, not its r": lambda rows, bar: min(
            row["frechet"] for row in rows if row["accuracy"] >= bar
        ),
        "that is the position of the row, not its r": lambda rows, bar: [row["r"] for row in rows].index(
            best_scale()(rows, bar)
        ),
        "r = 0 has the largest diversity and an accuracy of chance": lambda rows, bar: max(
            rows, key=lambda row: row["diversity"]
        )["r"],
        "a row whose accuracy equals the bar reaches it": best_scale(lambda row, bar: row["accuracy"] > bar),
        "the bar is the wrong way round: an accuracy of at least that is asked for": best_scale(
            lambda row, bar: row["accuracy"] <= bar
        ),
    },
    inputs=tables,
)

# ---------------------------------------------------------------- 3: how sure is an accuracy?

check_standard_error = Exercise(  # answer(p, n) -> the standard error of an accuracy p measured on n independent images
    name="the standard error",
    right=(
        lambda p, n: (p * (1 - p) / n) ** 0.5,
        lambda p, n: sqrt(p - p * p) / sqrt(n),
        lambda p, n: np.sqrt(p * (1 - p)) * np.power(float(n), -0.5),
        lambda p, n: torch.tensor([p * (1 - p) / n], dtype=torch.float64).sqrt()[0],
    ),
    wrong={
        "that is the variance: take the root": lambda p, n: p * (1 - p) / n,
        "that is the standard deviation of one image's 0 or 1: the mean of n has it divided by sqrt(n)": lambda p, n: (
            sqrt(p * (1 - p))
        ),
        "the root belongs around n too": lambda p, n: sqrt(p * (1 - p)) / n,
        "the root belongs around p (1 - p) too": lambda p, n: p * (1 - p) / sqrt(n),
        "the variance of a coin is p (1 - p), not p": lambda p, n: sqrt(p / n),
        "the variance of a coin is p (1 - p), not 1 - p": lambda p, n: sqrt((1 - p) / n),
        "1 / sqrt(n) is an upper bound: it leaves out p (1 - p)": lambda p, n: n**-0.5,
        "that is the worst case p = 1/2; here p is given": lambda p, n: 0.5 * n**-0.5,
        "that is the error of the number of right images; the share is that divided by n": lambda p, n: sqrt(
            n * p * (1 - p)
        ),
        "n - 1 belongs to a variance estimated from data; here p is known: divide by n": lambda p, n: sqrt(
            p * (1 - p) / (n - 1)
        ),
        "that is two standard errors: one is asked for": lambda p, n: 2 * sqrt(p * (1 - p) / n),
        "that is the half-width of a 95% interval: one standard error is asked for": lambda p, n: (
            1.96 * sqrt(p * (1 - p) / n)
        ),
        "p is a share, not a percentage: so is its error": lambda p, n: 100 * sqrt(p * (1 - p) / n),
    },
    inputs=lambda: {f"for p = {p:g}, n = {n}": (p, n) for p, n in ((0.9, 400), (0.99, 1000), (0.5, 100), (0.02, 50))},
    atol=1e-9,
)

# ---------------------------------------------------------------- predictions

check_guess_diversity_left = Guess(
    name="the share of diversity that is left at r = 2",
    right=0.49,
    near=0.15,
    why="The last few percent of accuracy cost half of the variety.",
)
