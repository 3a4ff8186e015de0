"""Checks for the exercises of 07_what_guidance_samples."""

import math
from itertools import count, pairwise

import numpy as np
import torch

from cfgedu.checks import Exercise, Guess
from cfgedu.language import phrase
from cfgedu.samplers import ddim_step, ddpm_step
from cfgedu.schedule import linear


def of_ddim(v_c, v_u, r):
    return v_c**r * v_u ** (1 - r)


def of_ddpm(v_c, v_u, r):
    return (v_c * v_u - v_c ** (2 * r) * v_u ** (2 - 2 * r)) / ((v_u - v_c) * (2 * r - 1))


def of_tilted(v_c, v_u, r):
    return 1 / (r / v_c + (1 - r) / v_u)


def cases(names: tuple[str, ...], *rows):
    """{"at r = 3, eta = 1": numbers without dimensions, ...}: they have .log() and fit into math.log all the same."""
    place = lambda row: phrase("at {where}", where=", ".join(f"{name} = {v:g}" for name, v in zip(names, row)))
    return {place(row): tuple(torch.tensor(value, dtype=torch.float64) for value in row) for row in rows}


# ---------------------------------------------------------------- 1. one spread, two scales


def ddim_scale(variance, v_c, v_u):
    """The r at which v_c^r v_u^(1-r) is this variance."""
    return (variance / v_u).log() / (v_c / v_u).log()


def searched(left_behind, variance, v_c, v_u, high=1e7):
    """The r at which left_behind(v_c, v_u, r), falling in r, is this variance: by halving an interval."""
    low = 0.501
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if left_behind(v_c, v_u, middle) > variance else (low, middle)
    return low


GIVEN = torch.tensor([0.25, 1.0], dtype=torch.float64)  # v_c and v_u of the notebook


def with_math(v_c, v_u, r):
    return (math.log(of_ddpm(v_c, v_u, r)) - math.log(v_u)) / (math.log(v_c) - math.log(v_u))


check_matching_scale = Exercise(
    name="DDIM's scale for DDPM's variance",
    right=(
        lambda v_c, v_u, r: ddim_scale(of_ddpm(v_c, v_u, r), v_c, v_u),
        with_math,
        lambda v_c, v_u, r: np.log(float(of_ddpm(v_c, v_u, r) / v_u)) / np.log(float(v_c / v_u)),
        lambda v_c, v_u, r: searched(of_ddim, of_ddpm(v_c, v_u, r), v_c, v_u, high=50),
    ),
    wrong={
        "this keeps r as it is: at one r the two samplers leave different variances": lambda v_c, v_u, r: r,
        "this is the variance that DDPM leaves: look for the r at which DDIM leaves it": of_ddpm,
        "this is the variance that DDIM leaves at the same r: look for another r": of_ddim,
        "v_u is missing: DDIM leaves v_u (v_c / v_u)^r, so divide by v_u before each logarithm": (
            lambda v_c, v_u, r: of_ddpm(v_c, v_u, r).log() / v_c.log()
        ),
        "v_u is divided out on one side only: DDIM leaves v_u (v_c / v_u)^r": (
            lambda v_c, v_u, r: of_ddpm(v_c, v_u, r).log() / (v_c / v_u).log()
        ),
        "the fraction is upside down: the logarithm of the variance is r times that of v_c / v_u": (
            lambda v_c, v_u, r: 1 / ddim_scale(of_ddpm(v_c, v_u, r), v_c, v_u)
        ),
        "here DDIM has the variance of the tilted density, which DDPM does not leave": (
            lambda v_c, v_u, r: ddim_scale(of_tilted(v_c, v_u, r), v_c, v_u)
        ),
        "the other way round: this is the r at which DDPM has the variance that DDIM has at the given one": (
            lambda v_c, v_u, r: searched(of_ddpm, of_ddim(v_c, v_u, r), v_c, v_u)
        ),
        "DDIM's variance is a product of powers, not a mean with weights r and 1 - r: take logarithms": (
            lambda v_c, v_u, r: (of_ddpm(v_c, v_u, r) - v_u) / (v_c - v_u)
        ),
        "the logarithms are missing: the scale that is asked for stands in the exponent": (
            lambda v_c, v_u, r: of_ddpm(v_c, v_u, r) / v_c
        ),
        "this is 1 too small: v_c is divided out in the place of v_u, or this is w = r - 1": (
            lambda v_c, v_u, r: (of_ddpm(v_c, v_u, r) / v_c).log() / (v_c / v_u).log()
        ),
        "v_c and v_u are exchanged: DDIM leaves v_c^r v_u^(1 - r), and its variance falls in r": (
            lambda v_c, v_u, r: (of_ddpm(v_c, v_u, r) / v_c).log() / (v_u / v_c).log()
        ),
        "v_u is missing in the lower logarithm: DDIM leaves v_u (v_c / v_u)^r": (
            lambda v_c, v_u, r: (of_ddpm(v_c, v_u, r) / v_u).log() / v_c.log()
        ),
        "DDPM's variance is a difference: v_c^(2 r) v_u^(2 - 2 r) is missing": (
            lambda v_c, v_u, r: ddim_scale(v_c * v_u / ((v_u - v_c) * (2 * r - 1)), v_c, v_u)
        ),
        "DDPM's variance is always that of v_c = 0.25 and v_u = 1: `variances` reads these two from the notebook": (
            lambda v_c, v_u, r: ddim_scale(of_ddpm(*GIVEN, r), v_c, v_u)
        ),
        "this is the answer for v_c = 0.25 and v_u = 1, whatever they are: use the arguments": (
            lambda v_c, v_u, r: ddim_scale(of_ddpm(*GIVEN, r), *GIVEN)
        ),
        "a root too many: v_c, v_u and the closed forms are variances, all of them": (
            lambda v_c, v_u, r: ddim_scale(of_ddpm(v_c, v_u, r).sqrt(), v_c, v_u)
        ),
        "2 r - 1 is the scale of the corrector in section 7, another question": lambda v_c, v_u, r: 2 * r - 1,
    },
    inputs=lambda: cases(
        ("v_c", "v_u", "r"), (0.25, 1, 3), (0.25, 1, 1), (0.5, 2, 2), (0.3, 0.8, 7.5), (0.4, 1.5, 0.75)
    ),
    atol=1e-4,  # a search by halving is right too
)


# ---------------------------------------------------------------- 2. until the corrector rests

SCHEDULE, LEVELS, V_C, V_U, R = linear(), 100, 0.25, 1.0, 3.0
TOLERANCES = (0.10, 0.03, 0.013)


def beta_tilde(a_t, a_s):
    return (1 - a_t / a_s) * (1 - a_s) / (1 - a_t)


def corrected_variance(
    K, r=R, levels=LEVELS, size=beta_tilde, predictor_first=True, level=None, predictor=ddim_step, predictor_r=1.0
):
    """What DDIM on p(x given c) leaves with K Langevin steps at each level, on the guided score of scale r.

    Wrong runs change the step size, the order, the level of the score ("s" or "t"), the predictor or its scale.
    """
    alpha_bar, V = SCHEDULE.alpha_bar.tolist(), 1.0
    pull = lambda a, r: r / (a * V_C + 1 - a) + (1 - r) / (a * V_U + 1 - a)
    level = level or ("s" if predictor_first else "t")
    for t, s in pairwise(SCHEDULE.grid(levels)):
        a_t, a_s = alpha_bar[t], alpha_bar[s]
        k = predictor(1.0, (1 - a_t) ** 0.5 * pull(a_t, predictor_r), a_t, a_s, 0.0)
        fresh = predictor(0.0, 0.0, a_t, a_s, 1.0 if s > 0 else 0.0) ** 2
        V = k**2 * V + fresh if predictor_first else V
        if s > 0:  # K times V -> shrink V + h, in one line
            h = size(a_t, a_s)
            shrink = (1 - h / 2 * pull(a_s if level == "s" else a_t, r)) ** 2
            rest = h / (1 - shrink)
            V = rest + shrink**K * (V - rest)
        V = V if predictor_first else k**2 * V + fresh
    return V


def first_within(off):
    """For each tolerance the smallest K at which off(K) is below it."""
    return [next(K for K in count() if off(K) < tolerance) for tolerance in TOLERANCES]


def relative(r=R, **changes):
    return lambda K: abs(corrected_variance(K, r, **changes) / of_tilted(V_C, V_U, r) - 1)


STEPS, TILTED = first_within(relative()), of_tilted(V_C, V_U, R)

check_corrector_steps = Exercise(
    name="how many corrector steps",
    right=(STEPS, torch.tensor(STEPS), np.array(STEPS), tuple(map(float, STEPS))),
    wrong={
        "these are the largest numbers that are still outside: the first that is within comes next": (
            [K - 1 for K in STEPS]
        ),
        "one too many each: K is the first number within the tolerance, and does not count the predictor": (
            [K + 1 for K in STEPS]
        ),
        "these compare standard deviations: the tolerance is one of the variance": (
            first_within(lambda K: abs((corrected_variance(K) / TILTED) ** 0.5 - 1))
        ),
        "the tolerance is a share of the tilted variance: divide the difference by it": (
            first_within(lambda K: abs(corrected_variance(K) - TILTED))
        ),
        "the corrector ran with 2 r - 1, and came to rest at that scale: let it use r and aim at the tilt with r": (
            first_within(relative(r=2 * R - 1))
        ),
        "the corrector's steps are of size beta, not beta-tilde as in section 7, or there are 500 levels or more": (
            first_within(relative(size=lambda a_t, a_s: 1 - a_t / a_s))
        ),
        "the corrector's steps are half as long as they should be: the score takes h / 2, the noise variance h": (
            first_within(relative(size=lambda a_t, a_s: beta_tilde(a_t, a_s) / 2))
        ),
        "the corrector's steps are twice as long as they should be: its noise has variance h, not 2 h": (
            first_within(relative(size=lambda a_t, a_s: 2 * beta_tilde(a_t, a_s)))
        ),
        "the corrector stands at level s but takes the score of level t: both are those of s": (
            first_within(relative(level="t"))
        ),
        "the predictor adds noise of its own, as DDPM does: DDIM adds none": (
            first_within(relative(predictor=ddpm_step))
        ),
        "the predictor is the unconditional one: take DDIM's step on p(x given c), with r = 1": (
            first_within(relative(predictor_r=0.0))
        ),
        "the corrector ran at level t, before the predictor: it belongs at level s, after it": (
            first_within(relative(predictor_first=False))
        ),
        "this is for 50 levels: take 100": first_within(relative(levels=50)),
        "these count the steps of the whole run: count those at one level": [K * (LEVELS - 1) for K in STEPS],
    },
)


# ---------------------------------------------------------------- 3. the hidden corrector

check_corrector_scale = Exercise(
    name="the scale of the hidden corrector",
    right=(
        lambda r, eta: ((1 + eta**2) * r - 1) / eta**2,
        lambda r, eta: r + (r - 1) / eta**2,
        lambda r, eta: float(r) + np.divide(float(r) - 1, float(eta) ** 2),
        lambda r, eta: torch.lerp(torch.ones_like(r), r, 1 + eta**-2),
    ),
    wrong={
        "2 r - 1 is the case eta = 1": lambda r, eta: 2 * r - 1,
        "this is the sampler's own r: the predictor takes one conditional score out of the sum": lambda r, eta: r,
        "eta enters squared: the noise has variance eta^2 beta": lambda r, eta: ((1 + eta) * r - 1) / eta,
        "the predictor's share, one conditional score, was not taken out": lambda r, eta: (1 + eta**2) * r / eta**2,
        "divide by eta^2, so that the weights of the two scores sum to 1": lambda r, eta: (1 + eta**2) * r - 1,
        "the predictor is taken out, so its g is subtracted, not added": lambda r, eta: ((1 + eta**2) * r + 1) / eta**2,
        "too much was taken out: the predictor holds one conditional score, not 1 + eta^2 of them": (
            lambda r, eta: (1 + eta**2) * (r - 1) / eta**2
        ),
        "you divided by 1 + eta^2, but what remains of s_un has the weight eta^2": (
            lambda r, eta: ((1 + eta**2) * r - 1) / (1 + eta**2)
        ),
        "eta^2 r is missing: the sum holds 1 + eta^2 guided scores, not one": lambda r, eta: (r - 1) / eta**2,
        "divide by eta^2, the weight that s_un keeps, not by eta": lambda r, eta: ((1 + eta**2) * r - 1) / eta,
        "eta enters squared in both places: the steps hold 1 + eta^2, and s_un keeps the weight eta^2": (
            lambda r, eta: ((1 + eta) * r - 1) / eta**2
        ),
        "the predictor's share, one conditional score, has to be divided by eta^2 as well": (
            lambda r, eta: (1 + eta**2) * r / eta**2 - 1
        ),
        "the weights do not fit: take out one conditional score, then divide all by eta^2": (
            lambda r, eta: r + (r - 1) * eta**2
        ),
        "you divide by eta^2, but 2 r - 1 above it holds at eta = 1 only": (lambda r, eta: (2 * r - 1) / eta**2),
        "this is the weight of g in the whole step: take the predictor's out, then divide by eta^2": (
            lambda r, eta: (1 + eta**2) * r
        ),
        "the Langevin step has eta^2 beta / 2 before its score, so the halves cancel": (
            lambda r, eta: ((1 + eta**2) * r - 1) / (2 * eta**2)
        ),
    },
    inputs=lambda: cases(("r", "eta"), (1, 0.7), (3, 1), (7.5, 0.5), (2, 0.2), (0, 0.6), (-1, 0.4)),
)


# ---------------------------------------------------------------- the prediction

check_guess_clouds = Guess(
    name="the guided clouds at r = 4",
    right="both narrower",
    choices={
        "both match": "The argument says so. It looks at one level at a time, and a sampler passes through all.",
        "DDPM matches": "Its noise does keep it wider than DDIM, but not as wide as the tilted density.",
        "both narrower": "",
        "both wider": "Guidance pulls harder on the way down than the tilted density asks for, not less.",
    },
    why="The scores are exact and the steps small, so this is what guidance means for these samplers.",
)
