"""Checks for the exercises of 14_other_baselines."""

import math

import numpy as np

from cfgedu.checks import Exercise, Guess
from cfgedu.exercises.n07 import cases

# ---------------------------------------------------------------- 1. the scale that undoes an error


def searched(v, v_s, v_w, low=-50.0, high=50.0):
    """The r at which v_s^r v_w^(1-r) is v, by halving an interval."""
    rises = v_s > v_w
    for _ in range(100):
        middle = (low + high) / 2
        above = v_s**middle * v_w ** (1 - middle) > v
        low, high = (low, middle) if above == rises else (middle, high)
    return low


check_undoing_scale = Exercise(
    name="the scale that undoes the strong network's error",
    right=(
        lambda v, v_s, v_w: (v / v_w).log() / (v_s / v_w).log(),
        lambda v, v_s, v_w: math.log(v_w / v) / math.log(v_w / v_s),
        lambda v, v_s, v_w: (np.log(float(v)) - np.log(float(v_w))) / (np.log(float(v_s)) - np.log(float(v_w))),
        lambda v, v_s, v_w: 1 + (v_s / v).log() / (v_w / v_s).log(),
        searched,
    ),
    wrong={
        "this always takes r = 2, which is right where the weak network's error is twice the strong one's": (
            lambda v, v_s, v_w: 2.0
        ),
        "DDIM leaves a product of powers of the variances, not their sum with weights r and 1 - r: take logarithms": (
            lambda v, v_s, v_w: (v - v_w) / (v_s - v_w)
        ),
        "these are the precisions of a tilted density: DDIM leaves v_s^r v_w^(1-r)": (
            lambda v, v_s, v_w: (1 / v - 1 / v_w) / (1 / v_s - 1 / v_w)
        ),
        "the fraction is upside down: the logarithm of v / v_w is r times that of v_s / v_w": (
            lambda v, v_s, v_w: (v_s / v_w).log() / (v / v_w).log()
        ),
        "this is 1 - r, the weight of the weak network": lambda v, v_s, v_w: (v / v_s).log() / (v_w / v_s).log(),
        "this says how many times the weak network's error is the strong one's, k: the scale is k / (k - 1)": (
            lambda v, v_s, v_w: (v_w / v).log() / (v_s / v).log()
        ),
        "this is r - 1, what guidance adds to the strong prediction: r itself is 1 more": (
            lambda v, v_s, v_w: (v_s / v).log() / (v_w / v_s).log()
        ),
        "v_w is missing: divide by it before each logarithm": lambda v, v_s, v_w: v.log() / v_s.log(),
        "r is an exponent of v_s / v_w, not a factor: take the logarithms of both ratios": lambda v, v_s, v_w: v / v_s,
        "this is k, the ratio of the two errors, taken of the variances: take it of their logarithms; the scale is "
        "then k / (k - 1)": lambda v, v_s, v_w: (v_w - v) / (v_s - v),
        "DDIM leaves a product of powers, also of the standard deviations, not their sum with weights r and 1 - r": (
            lambda v, v_s, v_w: (v.sqrt() - v_w.sqrt()) / (v_s.sqrt() - v_w.sqrt())
        ),
        "the logarithm of v_w is subtracted from each of the two others, not added": (
            lambda v, v_s, v_w: (v * v_w).log() / (v_s * v_w).log()
        ),
        "this is r = 1, the strong network alone: it leaves v_s": lambda v, v_s, v_w: 1.0,
    },
    inputs=lambda: cases(
        ("v", "v_s", "v_w"), (1, 1.2, 1.5), (0.25, 0.3, 0.36), (0.5, 0.9, 1.1), (1, 1.25, 0.9), (2, 2.2, 6)
    ),
    atol=1e-4,
)


# ---------------------------------------------------------------- 2. labels that are wrong in another way


check_honest_share = Exercise(
    name="the share that feedback guidance needs",
    right=(
        lambda p, K: (K * p - 1) / (K - 1),
        lambda p, K: p - (1 - p) / (K - 1),
        lambda p, K: 1 - (1 - p) * K / (K - 1),
        lambda p, K: float(np.subtract(float(p), (1 - float(p)) / (float(K) - 1))),
    ),
    wrong={
        "p is the share of right labels: a wrong label here tells something, for it is never the right class": (
            lambda p, K: p
        ),
        "a wrong label is one of K - 1 classes, not of K": lambda p, K: p - (1 - p) / K,
        "this is the other way round: it is the share of right labels, where wrong ones are drawn among all K": (
            lambda p, K: p + (1 - p) / K
        ),
        "at p = 1 every label is right, and `correct` must be 1: this gives (K - 1) / K": lambda p, K: p * (K - 1) / K,
        "this is the share of labels that name one wrong class: subtract it from p": lambda p, K: (1 - p) / (K - 1),
        "this is the share of wrong labels: which part of p is more than what a wrong class gets?": lambda p, K: 1 - p,
        "a wrong class gets (1 - p) / (K - 1): divide by K - 1, do not multiply": lambda p, K: p - (1 - p) * (K - 1),
        "this is the p at which labels tell nothing: there the answer is 0": lambda p, K: 1 / K,
        "the weights of p(x given y) and p(x) must sum to 1: divide by K - 1": lambda p, K: K * p - 1,
        "this is 1 minus the answer, the weight of p(x)": lambda p, K: (1 - p) * K / (K - 1),
        "the share of one wrong class, (1 - p) / (K - 1), is subtracted from p, not added": (
            lambda p, K: p + (1 - p) / (K - 1)
        ),
        "divide by K - 1, the number of wrong classes, not by K: the weights of p(x given y) and p(x) must sum to 1": (
            lambda p, K: (K * p - 1) / K
        ),
        "only the case K = 2 is 2 p - 1": lambda p, K: 2 * p - 1,
    },
    inputs=lambda: cases(("p", "K"), (0.7, 2), (0.7, 3), (0.9, 10), (1, 5), (0.25, 4), (0.5, 1000)),
)


# ---------------------------------------------------------------- 3. what rejection costs


check_draws = Exercise(
    name="draws for one sample",
    right=(
        lambda v_c, v_u, r, d: (1 + (r - 1) * (1 - v_c / v_u)) ** (d / 2),
        lambda v_c, v_u, r, d: math.exp(float(d) / 2 * math.log1p(float((r - 1) * (1 - v_c / v_u)))),
        lambda v_c, v_u, r, d: np.sqrt(float(r + (1 - r) * v_c / v_u)) ** float(d),
        lambda v_c, v_u, r, d: (v_c * (r / v_c + (1 - r) / v_u)) ** (d / 2),  # v_c over the tilted variance
    ),
    wrong={
        "this is the share kept: the draws for one sample are 1 over it": (
            lambda v_c, v_u, r, d: (1 + (r - 1) * (1 - v_c / v_u)) ** (-d / 2)
        ),
        "this is for one dimension: the d coordinates are kept or rejected together, so their shares multiply": (
            lambda v_c, v_u, r, d: (1 + (r - 1) * (1 - v_c / v_u)) ** 0.5
        ),
        "a root is missing: each coordinate contributes a standard deviation, not a variance": (
            lambda v_c, v_u, r, d: (1 + (r - 1) * (1 - v_c / v_u)) ** d
        ),
        "a draw is kept with p(c given x)^(r-1), not with its power r": (
            lambda v_c, v_u, r, d: (1 + r * (1 - v_c / v_u)) ** (d / 2)
        ),
        "you averaged over p(x): the draws come from p(x given c)": (
            lambda v_c, v_u, r, d: (1 + (r - 1) * (v_u / v_c - 1)) ** (d / 2)
        ),
        "this takes one typical x, with |x|^2 = d v_c: average the share over all x": (
            lambda v_c, v_u, r, d: (d / 2 * (r - 1) * (1 - v_c / v_u)).exp()
        ),
        "the density of the draws, N(0, v_c), has a factor of its own before the integral: v_c^(d/2) is missing": (
            lambda v_c, v_u, r, d: (r / v_c + (1 - r) / v_u) ** (d / 2)
        ),
        "v_c and v_u have changed places": lambda v_c, v_u, r, d: abs(1 + (r - 1) * (1 - v_u / v_c)) ** (d / 2),
        "this raises the mean of p(c given x) to the power r - 1: take the mean of the power": (
            lambda v_c, v_u, r, d: (2 - v_c / v_u) ** ((r - 1) * d / 2)
        ),
        "the 2 of |x|^2 / 2 is missing in the exponent": (
            lambda v_c, v_u, r, d: (1 + 2 * (r - 1) * (1 - v_c / v_u)) ** (d / 2)
        ),
        "x_i has the variance v_c, not 1: multiply 1 / v_c - 1 / v_u by v_c": (
            lambda v_c, v_u, r, d: (1 + (r - 1) * (1 / v_c - 1 / v_u)) ** (d / 2)
        ),
        "this leaves out p(c): p(c given x) is p(c) p(x given c) / p(x), and a sample costs no less than one draw": (
            lambda v_c, v_u, r, d: ((1 + (r - 1) * (1 - v_c / v_u)) * (v_c / v_u) ** (r - 1)) ** (d / 2)
        ),
        "this draws from p(x) and keeps with p(c given x)^r: the draws come from p(x given c)": (
            lambda v_c, v_u, r, d: (1 + r * (v_u / v_c - 1)) ** (d / 2)
        ),
        "you averaged the number of draws: average the share kept over x, then take 1 over it": (
            lambda v_c, v_u, r, d: (1 - (r - 1) * (1 - v_c / v_u)) ** (-d / 2)
        ),
        "do not round: a mean number of draws need not be whole": (
            lambda v_c, v_u, r, d: math.ceil((1 + (r - 1) * (1 - v_c / v_u)) ** (d / 2))
        ),
        "this is linear in d: the shares of the coordinates multiply": (
            lambda v_c, v_u, r, d: d * (1 + (r - 1) * (1 - v_c / v_u)) ** 0.5
        ),
    },
    inputs=lambda: cases(
        ("v_c", "v_u", "r", "d"), (0.25, 1, 4, 1), (0.25, 1, 1, 3), (0.5, 2, 2, 2), (0.9, 1, 3, 50), (0.3, 0.8, 1.5, 8)
    ),
)


# ---------------------------------------------------------------- the predictions

check_guess_strays = Guess(
    name="fewer strays at r = 2",
    right="autoguidance",
    choices={
        "both": "CFG pulls away from the other class, which is not where these strays come from.",
        "CFG": "It pulls away from the other class, which is not where these strays come from.",
        "autoguidance": "",
        "neither": "The weaker network errs in the same places, only more, and that can be subtracted.",
    },
    why="A baseline that makes the same mistakes, only larger ones, points away from them.",
)

check_guess_kept = Guess(
    name="the share that rejection keeps at r = 4, in percent",
    right=84.0,
    near=6.0,
    why="Most points of the class are sure of it: for them p(c given x)^3 is nearly 1.",
)
