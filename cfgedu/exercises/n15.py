"""Checks for the exercises of 15_in_the_wild."""

import numpy as np
import torch

from cfgedu.checks import Exercise, Guess
from cfgedu.exercises.choices import of_choices
from cfgedu.protocol import seeded

# ---------------------------------------------------------------- 1. another library's velocity


def velocities():
    """{"at tau = 0.3": (z, tau, w)}: z = tau x0 + (1 - tau) eps and w = x0 - eps, in float64."""
    draw = lambda seed: torch.randn(5, 2, generator=seeded(seed), dtype=torch.float64)
    x0, eps = draw(0), draw(1)
    case = lambda x0, eps, tau: (tau * x0 + (1 - tau) * eps, tau, x0 - eps)
    return {
        "at tau = 0.3": case(x0, eps, 0.3),
        "at tau = 0.9": case(x0, eps, 0.9),
        "at tau = 0.6, from other noise": case(x0, draw(2), 0.6),
    }


def by_data(z, tau, w):
    x0 = z + (1 - tau) * w
    return (z - tau * x0) / (1 - tau)


check_library_velocity = Exercise(
    name="eps from the library's velocity",
    right=(
        lambda z, tau, w: z - tau * w,
        by_data,
        lambda z, tau, w: np.asarray(z) - tau * np.asarray(w),
        lambda z, tau, w: (z + (1 - tau) * w) - w,
    ),
    wrong={
        "this is x_0, the end at tau = 1: eps lies at the other end, a distance tau away": (
            lambda z, tau, w: z + (1 - tau) * w
        ),
        "the sign: w = x_0 - eps leads from the noise to the data, so eps lies against it": (
            lambda z, tau, w: z + tau * w
        ),
        "this is the formula of the course, whose u is 1 at the noise: here the noise is at tau = 0": (
            lambda z, tau, w: z - (1 - tau) * w
        ),
        "this is the velocity of the course, eps - x_0, and eps alone is asked for": lambda z, tau, w: -w,
        "tau is missing: from z it is only the part tau of the whole way back to the noise": lambda z, tau, w: z - w,
        "nothing has to be divided: z - tau w is eps and not a multiple of it": (
            lambda z, tau, w: (z - tau * w) / (1 - tau)
        ),
        "z is not x_0: insert z = tau x_0 + (1 - tau) eps and w = x_0 - eps, and look at what is left": (
            lambda z, tau, w: z / (1 - tau)
        ),
        "the time multiplies w alone, not z": lambda z, tau, w: tau * (z - w),
    },
    inputs=velocities,
)

# ---------------------------------------------------------------- 2. three weights


def two_scales():
    pairs = (1.0, 1.0), (0.0, 0.0), (1.5, 7.5), (4.0, 4.0), (3.0, 0.0), (-1.0, 2.0)
    return {f"at r_a = {r_a:g}, r_b = {r_b:g}": (r_a, r_b) for r_a, r_b in pairs}


check_weights = Exercise(
    name="the weights of the three predictions",
    right=(
        lambda r_a, r_b: (1 - r_a, r_a - r_b, r_b),
        lambda r_a, r_b: torch.tensor([1 - r_a, r_a - r_b, r_b]),
        lambda r_a, r_b: np.array([1, 0, 0]) + r_a * np.array([-1, 1, 0]) + r_b * np.array([0, -1, 1]),
    ),
    wrong={
        "these are the weights of the summed formula: in the chained one the second difference starts at a alone": (
            lambda r_a, r_b: (1 - r_a - r_b, r_a, r_b)
        ),
        "the prediction for a stands in both differences, once with each sign: collect it": (
            lambda r_a, r_b: (1 - r_a, r_a, r_b)
        ),
        "these are the differences' scales, not the predictions' weights: multiply the formula out": (
            lambda r_a, r_b: (1, r_a, r_b)
        ),
        "a and b are exchanged: r_a belongs to the difference that starts at the unconditional prediction": (
            lambda r_a, r_b: (1 - r_b, r_b - r_a, r_a)
        ),
        "the sign of the middle one: + r_a from the first difference, - r_b from the second": (
            lambda r_a, r_b: (1 - r_a, r_b - r_a, r_b)
        ),
        "the weights have to add up to 1, and the last is what stands before the prediction for a and b": (
            lambda r_a, r_b: (1 - r_a, r_a - r_b, r_a)
        ),
        "these count both scales from 1, as w does: at r_a = r_b = 1 only the last prediction is left": (
            lambda r_a, r_b: (-r_a, r_a - r_b, 1 + r_b)
        ),
        "the sign of r_a in the first: the first difference subtracts the unconditional prediction": (
            lambda r_a, r_b: (1 + r_a, r_a - r_b, r_b)
        ),
        "the order is: no label, a alone, a and b": lambda r_a, r_b: (r_b, r_a - r_b, 1 - r_a),
    },
    inputs=two_scales,
)

# ---------------------------------------------------------------- 3. reading code

TRUTH = {
    "r is s": "true",
    "the null is a row of zeros": "false",
    "the first half of the batch has the label": "true",
    "s = 0 gives unconditional samples": "false",
    "near the noise there is no guidance": "true",
    "without guidance a step costs half": "false",
}
check_reading = of_choices(
    "what the code says",
    TRUTH,
    ("true", "false"),
    {
        ("r is s", "false"): "collect the last line into neg + ( ) (pos - neg) and read off what stands in the bracket",
        ("the null is a row of zeros", "true"): 'embed("") is the text encoder\'s answer to no words, and no zero row',
        ("the first half of the batch has the label", "false"): "compare torch.cat(...) with .chunk(2), part by part",
        ("s = 0 gives unconditional samples", "true"): "follow s = 0 through the line with `if`",
        (
            "near the noise there is no guidance",
            "false",
        ): "tau = 0 is noise here: `if` looks for small values of it",
        ("without guidance a step costs half", "true"): "look at where the network is asked, before or after the `if`",
    },
)

# ---------------------------------------------------------------- predictions

check_guess_flow = Guess(
    name="guided flow matching beside guided DDIM",
    right="the same points",
    choices={
        "the same points": "",
        "the same cloud": "Both are deterministic, and from the same start they do not even differ by chance.",
        "different clouds": "The path through the noise is only scaled, and guidance commutes with the scaling.",
    },
    why="A DDIM step, divided by sqrt(a) + sqrt(1 - a), is an Euler step along the velocity.",
)

check_guess_negative = Guess(
    name="off the data with a class as the baseline, in percent",
    right=95.0,
    near=20.0,
    why="p(c given x_t) ends at 1, but the ratio of two classes goes on growing past the data.",
)

check_guess_round_trip = Guess(
    name="the round trip with the largest median distance",
    right="1 then 3",
    choices={
        "1 then 1": "Without guidance on either way, up and down follow one field, and 100 steps follow it well.",
        "1 then 3": "",
        "3 then 3": "Most points follow one field up and down and come back. A tenth do not, which no median shows.",
    },
    why="The way down has to follow the field of the way up, whichever that is.",
)
