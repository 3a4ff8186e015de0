"""Exercises 2 to 4 of 10_guided_sampling_lab: a number read off measurements, rightly and wrongly."""

from collections.abc import Callable
from math import log

import numpy as np
import torch

# ---------------------------------------------------------------- 2: the spread at an accuracy


def neighbours(weight: Callable[[float], float]) -> Callable:
    """Between the two neighbours of the target, with the weight that the second of them gets."""

    def spread_at(accuracy, spread, target):
        i = int(torch.searchsorted(accuracy, target).clamp(1, len(accuracy) - 1))
        share = float((target - accuracy[i - 1]) / (accuracy[i] - accuracy[i - 1]))
        return float(spread[i - 1] + weight(share) * (spread[i] - spread[i - 1]))

    return spread_at


def by_mask(accuracy, spread, target):
    below, above = accuracy < target, accuracy >= target
    (a, s), (b, u) = (accuracy[below][-1], spread[below][-1]), (accuracy[above][0], spread[above][0])
    return (s * (b - target) + u * (target - a)) / (b - a)


def line(through: Callable) -> Callable:
    """On the line through two rows of the sweep, through(accuracy, target) -> their places."""

    def spread_at(accuracy, spread, target):
        i, j = through(accuracy, target)
        share = (target - accuracy[i]) / (accuracy[j] - accuracy[i])
        return float(spread[i] + share * (spread[j] - spread[i]))

    return spread_at


def place_above(accuracy, target) -> int:
    return int(torch.searchsorted(accuracy, target))


def on_the_logit(accuracy, spread, target):
    return np.interp(np.log(target / (1 - target)), torch.logit(accuracy), spread)


# ---------------------------------------------------------------- 3: the gain at equal accuracy


def same_accuracy(measure, interval, rises: bool = True) -> float:
    """The constant scale with the accuracy of the interval, by halving."""
    low, high = 1.0, 8.0
    for _ in range(40):
        middle = (low + high) / 2
        too_low = measure(middle)[0] < measure(interval)[0]
        low, high = (middle, high) if too_low == rises else (low, middle)
    return high


def gain(scale: Callable = same_accuracy, compare=lambda inside, outside: inside / outside) -> Callable:
    """The answer, with room for one mistake each: the constant scale, and how the two spreads are compared."""
    return lambda measure, interval: compare(measure(interval)[1], measure(scale(measure, interval))[1])


def gain_by_interpolation(measure, interval):
    accuracy, spread = measure(interval)
    return spread / np.interp(accuracy, *np.transpose([measure(r) for r in np.linspace(1, 8, 57)]))


def by_functions(measure, interval):
    """same_accuracy, for somebody who gives the constant scale as a function of t."""
    r = same_accuracy(lambda scale: measure(scale if callable(scale) else lambda t: scale), interval)
    return lambda t: r


def nearest(scales) -> Callable:
    def found(measure, interval):
        return min(scales, key=lambda r: abs(log(1 - measure(r)[0]) - log(1 - measure(interval)[0])))

    return found


def at_equal_spread(measure, interval):
    accuracy, spread = measure(interval)
    rows = np.array([measure(r) for r in np.linspace(8, 1, 701)])
    return accuracy / np.interp(spread, rows[:, 1], rows[:, 0])


# ---------------------------------------------------------------- 4: the smallest count that is enough


def enough(
    shift=0, near=lambda v, last, tolerance: abs(v - last) <= tolerance * abs(last), of=lambda c, v: c
) -> Callable:
    """The smallest count from which on all are near, with room for one mistake each; shift: one too many or too few."""

    def answer(counts, values, tolerance):
        fits = [near(value, values[-1], tolerance) for value in values]
        i = next(i for i in range(len(counts)) if all(fits[i:]))
        return of(counts, values)[min(max(i + shift, 0), len(counts) - 1)]

    return answer


def by_walking_back(counts, values, tolerance, i=-1):
    while i > -len(counts) and abs(values[i - 1] / values[-1] - 1) <= tolerance:
        i -= 1
    return torch.tensor(counts[i])


def in_numpy_with_flags(counts, values, tolerance):
    far = ~np.isclose(values, values[-1], rtol=tolerance, atol=0)
    return np.asarray(counts)[far.nonzero()[0].max(initial=-1) + 1]


def first(fits: Callable) -> Callable:
    """The first count at which fits(value, the next value, the last value, tolerance)."""
    return lambda counts, v, tolerance: next(
        (n for n, a, b in zip(counts, v, [*v[1:], v[-1]]) if fits(a, b, v[-1], tolerance)), counts[-1]
    )


def within_a_band(counts, values, tolerance):
    """The first count from which on the largest and the smallest value are near each other."""
    bands = (max(values[i:]) - min(values[i:]) for i in range(len(values)))
    return next(n for n, band in zip(counts, bands) if band <= tolerance * values[-1])
