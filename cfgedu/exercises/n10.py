"""Checks for the exercises of 10_guided_sampling_lab."""

from math import exp, sqrt

import numpy as np
import torch

from cfgedu.checks import Exercise, Guess
from cfgedu.exercises.readings import (
    at_equal_spread,
    by_functions,
    by_mask,
    by_walking_back,
    enough,
    first,
    gain,
    gain_by_interpolation,
    in_numpy_with_flags,
    line,
    nearest,
    neighbours,
    on_the_logit,
    place_above,
    same_accuracy,
    within_a_band,
)
from cfgedu.guidance import from_x0, guided, two_models, within
from cfgedu.protocol import seeded
from cfgedu.samplers import ddim_step
from cfgedu.schedule import Schedule

# ---------------------------------------------------------------- 1: a network that predicts x_0


def as_x(x0, eps, a):
    """x at level a, of its two parts."""
    return sqrt(a) * x0 + sqrt(1 - a) * eps


def x0_step(
    mix=lambda u, c, r: u + r * (c - u),
    noise_of=lambda u, c, x0: x0,
    levels=lambda a_t, a_s: (a_t, a_s),
    eps_of=lambda x, x0, a: (x - sqrt(a) * x0) / sqrt(1 - a),
    kept=lambda u, c, x0: x0,
    mixed=as_x,
):
    """The step with room for one mistake each: how x_0 is guided (mix), which x_0 eps comes from (noise_of), the
    levels, how eps is found (eps_of), which x_0 it is mixed with (kept), and how (mixed).
    """

    def step(x, x0_un, x0_cond, r, a_t, a_s):
        x0, (start, end) = mix(x0_un, x0_cond, r), levels(a_t, a_s)
        eps = eps_of(x, noise_of(x0_un, x0_cond, x0), start)
        return mixed(kept(x0_un, x0_cond, x0), eps, end)

    return step


def by_the_package(x, x0_un, x0_cond, r, a_t, a_s):
    schedule = Schedule(torch.tensor([1.0, a_s, a_t], dtype=torch.float64))
    pair = two_models(*(from_x0(lambda x, t, y, x0=x0: x0, schedule) for x0 in (x0_un, x0_cond)))
    y = torch.zeros(len(x), dtype=torch.long)
    return ddim_step(x, guided(pair, r)(x, y + 2, y), a_t, a_s, torch.zeros_like(x))


def in_numpy(x, x0_un, x0_cond, r, a_t, a_s):
    x, x0 = x.numpy(), r * x0_cond.numpy() + (1 - r) * x0_un.numpy()
    k = np.sqrt((1 - a_s) / (1 - a_t))  # what is left of the noise in x
    return k * x + (a_s**0.5 - k * a_t**0.5) * x0


def guided_on_eps(x, x0_un, x0_cond, r, a_t, a_s):
    a_t, a_s = (torch.tensor(a, dtype=torch.float64) for a in (a_t, a_s))
    eps = torch.lerp(*((x - a_t.sqrt() * x0) / (1 - a_t).sqrt() for x0 in (x0_un, x0_cond)), r)
    return a_s.sqrt() * (x - (1 - a_t).sqrt() * eps) / a_t.sqrt() + (1 - a_s).sqrt() * eps


def x0_batches():
    x, un, cond = torch.randn(3, 6, 2, generator=seeded(1), dtype=torch.float64)
    plans = [(3.0, 0.3, 0.55), (-1.0, 0.02, 0.1), (0.0, 0.5, 0.9), (1.0, 0.5, 0.9), (0.5, 0.7, 0.98)]
    return {f"at r = {r:g}, from level {a_t} to {a_s}": (x, un, cond, r, a_t, a_s) for r, a_t, a_s in plans}


STALE = "x_0 is guided, but eps comes from the {} x_0: the two no longer make up x"
MIXED = "eps belongs to the guided x_0, but you mix it with the {} x_0: the two no longer make up x"

check_x0_step = Exercise(  # answer(x (B,2), x0_un (B,2), x0_cond (B,2), r, a_t, a_s) -> x_s (B,2)
    name="one guided step on x_0",
    right=(x0_step(), by_the_package, in_numpy, guided_on_eps),
    wrong={
        "the two predictions are swapped: r = 1 gives the conditional one": x0_step(lambda u, c, r: c + r * (u - c)),
        "you count from the conditional prediction, so your r is w = r - 1": x0_step(lambda u, c, r: c + r * (c - u)),
        "r times the difference alone is only what the label adds: to what?": x0_step(lambda u, c, r: r * (c - u)),
        "a threshold at r > 1: the formula holds below it": x0_step(lambda u, c, r: u + r * (c - u) if r > 1 else c),
        "a threshold at r > 0: the formula holds below it": x0_step(lambda u, c, r: u + r * (c - u) if r > 0 else u),
        STALE.format("conditional"): x0_step(noise_of=lambda u, c, x0: c),
        STALE.format("unconditional"): x0_step(noise_of=lambda u, c, x0: u),
        MIXED.format("conditional"): x0_step(kept=lambda u, c, x0: c),
        MIXED.format("unconditional"): x0_step(kept=lambda u, c, x0: u),
        "that is the guided x_0: mix it with eps again, at level s": x0_step(mixed=lambda x0, eps, a: x0),
        "that is the eps of the guided x_0: mix the two again, at level s": x0_step(mixed=lambda x0, eps, a: eps),
        "the noise is missing: add sqrt(1 - a_s) eps": x0_step(mixed=lambda x0, eps, a: sqrt(a) * x0),
        "x takes the place of eps: it still holds sqrt(a_t) x_0": x0_step(eps_of=lambda x, x0, a: x),
        "eps is left undivided: x - sqrt(a_t) x_0 is sqrt(1 - a_t) eps": x0_step(
            eps_of=lambda x, x0, a: x - sqrt(a) * x0
        ),
        "that gives back x, as eps found and mixed at one level does: find it at level t, mix at level s": x0_step(
            levels=lambda a_t, a_s: (a_t, a_t)
        ),
        "a_t and a_s are exchanged: x lies at level t": x0_step(levels=lambda a_t, a_s: (a_s, a_t)),
        "the roots are missing: x is sqrt(a) x_0 + sqrt(1 - a) eps": x0_step(
            eps_of=lambda x, x0, a: (x - a * x0) / (1 - a), mixed=lambda x0, eps, a: a * x0 + (1 - a) * eps
        ),
        "the roots are missing in the mix: x_s is sqrt(a_s) x_0 + sqrt(1 - a_s) eps": x0_step(
            mixed=lambda x0, eps, a: a * x0 + (1 - a) * eps
        ),
        "that step is conditional: r does nothing": x0_step(lambda u, c, r: c),
    },
    inputs=x0_batches,
    atol=1e-9,
)

# ---------------------------------------------------------------- 2: a fair comparison


def sweeps():
    """Two sweeps over r; in the second the spread rises again at the end, as strays make it."""
    one = [0.40, 0.70, 0.90, 0.98, 0.99], [0.70, 0.50, 0.34, 0.26, 0.20]
    two = [0.31, 0.35, 0.62, 0.95, 0.97, 0.998, 0.9995], [0.81, 0.66, 0.43, 0.37, 0.22, 0.25, 0.31]
    tables = ((one, 0.96), (one, 0.78), (two, 0.7), (two, 0.99), (two, 0.33))
    return {f"at an accuracy of {goal}": (*torch.tensor(table, dtype=torch.float64), goal) for table, goal in tables}


check_same_accuracy = Exercise(  # answer(accuracy (R,), which rises, spread (R,), target) -> the spread at the target
    name="the spread",
    right=(lambda a, s, target: np.interp(target, a, s), neighbours(lambda share: share), by_mask),
    wrong={
        "that is the nearest scale's spread: its accuracy is not the target": lambda a, s, q: s[(a - q).abs().argmin()],
        "that is the spread at the last scale below the target": neighbours(lambda share: 0.0),
        "that is the spread at the first scale above the target": neighbours(lambda share: 1.0),
        "that is the plain mean of both neighbours: weight them by how near they are": neighbours(lambda share: 0.5),
        "the weights are swapped: the nearer neighbour counts for more": neighbours(lambda share: 1 - share),
        "that is the accuracy, which is given: look up the spread": lambda a, s, target: target,
        "those are the two nearest scales: take the one below the target and the one above": line(
            lambda a, target: (a - target).abs().argsort()[:2]
        ),
        "those are the neighbour above and the next one: take the one below and the one above": line(
            lambda a, target: (place_above(a, target), place_above(a, target) + 1)
        ),
        "that is the position of a neighbour: look up the spread": lambda a, s, target: place_above(a, target),
        "that is interpolated on the logit axis: take the accuracy as it is": on_the_logit,
        "that is a line through the two ends: use the two neighbours": line(lambda a, target: (0, -1)),
        "that is a line through all scales: use the two neighbours": lambda a, s, q: np.polyval(np.polyfit(a, s, 1), q),
        "that is the mean over all scales: use the two neighbours": lambda a, s, target: s.mean(),
        "accuracy and spread are exchanged: the target is an accuracy": lambda a, s, q: np.interp(q, s, a),
    },
    inputs=sweeps,
)

# ---------------------------------------------------------------- 3: an interval, judged fairly


TIMES = torch.tensor([1, 100, 200, 201, 400, 600, 601, 800, 1000])


def worlds():
    """Stand-ins for sampling, with a gain and with a loss; the constant scale to be found is 1.33, 2.57 and 5.68.

    A function of t with one value at all times is that constant.
    """

    def world(more, gone, r_found, gain):
        def constant(r):
            return 1 - 0.1 * exp(-more * (r - 1)), 0.33 * exp(-gone * (r - 1))

        accuracy, spread = constant(r_found)

        def measure(scale):
            values = torch.as_tensor(scale(TIMES) if callable(scale) else scale).unique()
            return constant(float(values)) if len(values) == 1 else (accuracy, gain * spread)

        return measure

    plans = {
        "in one world": (0.9, 0.15, 1.33, 1.2),
        "in another": (0.5, 0.2, 2.57, 0.7),
        "in a third": (0.4, 0.1, 5.68, 1.1),
    }
    return {place: (world(*plan), within(8.0, 200, 600)) for place, plan in plans.items()}


OTHER = "that is against r = {} everywhere, which has another accuracy: look for the scale that has the same"
EQUAL = "that is the ratio of the accuracies, and you have just made them equal: compare the spreads"

check_gain = Exercise(  # answer(measure, interval) -> spread in the interval / at the scale of equal accuracy
    name="the gain of an interval",  # measure(scale) -> (accuracy, spread); scale: a number, or a function of t
    right=(gain(), gain_by_interpolation, gain(nearest(torch.linspace(1, 8, 701))), gain(by_functions)),
    wrong={
        OTHER.format(8): gain(lambda measure, interval: 8),
        OTHER.format(1): gain(lambda measure, interval: 1),
        "that is against r = 3.5, which section 7 found for its own clouds: find the scale for this `measure`": gain(
            lambda measure, interval: 3.5
        ),
        "the ratio is upside down: more variety in the interval is a gain above 1": gain(compare=lambda i, o: o / i),
        "that is the scale of equal accuracy: what is its spread?": same_accuracy,
        "that is the spread at the scale of equal accuracy: and the interval's?": gain(compare=lambda i, o: o),
        "that is the spread in the interval: hold it against that of a constant scale": gain(compare=lambda i, o: i),
        "that is the difference of the spreads: a ratio is asked for": gain(compare=lambda i, o: i - o),
        "that is the ratio less 1: the ratio itself is asked for": gain(compare=lambda i, o: i / o - 1),
        EQUAL: lambda measure, interval: measure(interval)[0] / measure(same_accuracy(measure, interval))[0],
        "that is at the nearest whole scale: its accuracy is not that of the interval": gain(nearest(range(1, 9))),
        "you keep the wrong half: where the accuracy is too low, the scale must go up": gain(
            lambda measure, interval: same_accuracy(measure, interval, rises=False)
        ),
        "those are the accuracies at equal spread: compare the spreads at equal accuracy": at_equal_spread,
    },
    inputs=worlds,
    atol=0.005,  # a fine grid of scales will do
)

# ---------------------------------------------------------------- 4: enough steps


def tables_of_steps():
    counts = [5, 10, 20, 50, 100, 200]
    return {
        "where the values rise": (counts, [0.08, 0.16, 0.24, 0.282, 0.295, 0.30], 0.1),
        "where they cross the last one": (counts, [0.9, 0.21, 0.35, 0.26, 0.209, 0.2], 0.1),
        "where they fall": ([4, 9, 16, 25, 36], [3.4, 2.2, 1.8, 1.53, 1.5], 0.05),
        "where they creep": (counts, [1.0, 1.08, 1.16, 1.25, 1.36, 1.5], 0.1),
        "where all are near": ([3, 7, 12], [1.09, 0.93, 1.0], 0.1),
    }


check_steps = Exercise(  # answer(counts (N,), which rise, values (N,), tolerance) -> the smallest count
    name="enough steps",
    right=(enough(), by_walking_back, in_numpy_with_flags),
    wrong={
        "it is near the last one there, but a later one is not": first(
            lambda a, b, end, tol: abs(a - end) <= tol * end
        ),
        "you compare each with the next: small changes add up": first(lambda a, b, end, tol: abs(a - b) <= tol * b),
        "the difference from the last value counts, not the value": first(lambda a, *others: a <= others[-1]),
        "you hold the later values against each other: hold each against the last": within_a_band,
        "the tolerance is relative: multiply it by the last": enough(near=lambda v, last, tol: abs(v - last) <= tol),
        "the tolerance is a share of the last, not of each": enough(near=lambda v, end, tol: abs(v - end) <= tol * v),
        "a value below the last can be far from it too: take abs": enough(
            near=lambda v, end, tol: v - end <= tol * end
        ),
        "one too many: the first count that is near is enough": enough(1),
        "one too few: that is the last count that is not near": enough(-1),
        "that is the position of the count, not the count": enough(of=lambda counts, values: range(len(counts))),
        "that is the value there, not the count": enough(of=lambda counts, values: values),
        "that is the largest count: fewer steps may come as near": lambda counts, values, tolerance: counts[-1],
    },
    inputs=tables_of_steps,
)

# ---------------------------------------------------------------- predictions

check_guess_whole_class = Guess(
    name="the standard deviation of class 0 at r = 4",
    right="larger",
    choices={
        "smaller": "That is so within each island, not over the whole class.",
        "as large": "Two things change, and they do not cancel.",
        "larger": "",
    },
    why="The islands move apart, while each of them shrinks: a number for variety has to say where it looks.",
)
check_guess_more_steps = Guess(
    name="samples off support with 200 steps in place of 10",
    right="more",
    choices={
        "fewer": "More steps are better only where the field that they follow ends on the data.",
        "as many": "Ten steps stop short of where the guided field leads.",
        "more": "",
    },
    why="More steps give the answer of the guided field, and at r = 8 that answer lies partly off the data.",
)
