"""Checks for the exercises of 13_beyond_cfg."""

from dataclasses import replace

import numpy as np
import torch

from cfgedu.checks import Exercise, Guess, Unfit, Verdict
from cfgedu.checks.said import mistaken, right
from cfgedu.exercises.choices import of_choices
from cfgedu.guidance import guided, null_pair, within
from cfgedu.language import phrase, translated
from cfgedu.metrics import mean_posterior
from cfgedu.protocol import seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import even_angles, linear
from cfgedu.toy import contested

# ---------------------------------------------------------------- 1. an interval for a smaller world

SHRUNK, POINTS, KEPT, SURE = 3, 500, 0.45, 0.999
LATE = (
    "the mode is lost: in a world three times smaller it is decided at a third of the noise, so `high` has to be lower"
)
BEFORE = "this guides before or while the mode is decided, and stops then: guide after the decision, down to t = 0"
EVERYWHERE = "this guides at all times, as plain guidance does: what the notebook found to lose the mode"
WEAK = "the mode is kept, but p(c given x) is too low: raise r, begin a little sooner, or guide down to t = 0"
EMPTY = "the interval is empty: low < t <= high needs low below high (the order is r, low, high)"
ORDER = "the order is r, low, high"
FAR = "take an r of at most 20: a few times 1 is enough"
STRONG = "the interval is not at fault, for with r = 4 it keeps the mode: this r is too large for it"
SIGMA = "low and high are times t, from 0 to 1000, not levels sigma or shares of T"


def in_the_small_world(r: float, low: float, high: float) -> tuple[float, float]:
    """(share of the contested mode, mean p(c given x)) of guided samples in the contested world, shrunk by 3."""
    mixture, schedule = contested(), linear()
    mixture = replace(mixture, mean=mixture.mean / SHRUNK, std=mixture.std / SHRUNK)
    model = guided(null_pair(mixture.denoiser(schedule)), within(r, low, high))
    x_T, y = torch.randn(POINTS, 2, generator=seeded(0)), torch.zeros(POINTS, dtype=torch.long)
    x = sample(ddim_step, model, schedule, x_T, y, even_angles(schedule, 50))
    return float((x[:, 0] > -0.95 / SHRUNK).float().mean()), mean_posterior(mixture, x, y)


def why_lost(r: float, low: float, high: float) -> str:
    if low <= 20 and high >= 900:
        return EVERYWHERE
    if r > 4 and in_the_small_world(4.0, low, high)[0] > KEPT:
        return STRONG
    return BEFORE if low >= 66 else LATE


def judge_interval(answer) -> Verdict:
    values = [float(value) for value in answer]
    if len(values) != 3:
        raise Unfit(phrase("three numbers are asked for, r, low and high, got {count}", count=len(values)))
    r, low, high = values
    if abs(r) > 20:
        raise Unfit(FAR if low < high else ORDER)
    if r in (0, 1) and low > 1 >= 0 and high > low:
        raise Unfit(ORDER)
    if low >= high:
        raise Unfit(EMPTY)
    if 0 < high < 2.5:
        raise Unfit(SIGMA)
    kept, sure = in_the_small_world(r, low, high)
    found = phrase("{kept:.1%} in the contested mode, mean p(c given x) {sure:.4f}", kept=kept, sure=sure)
    if kept <= KEPT:
        raise Unfit(f"{found}\n  {mistaken(why_lost(r, low, high))}")
    if sure <= SURE:
        raise Unfit(f"{found}\n  {mistaken(WEAK)}")
    return right(f"{translated(check_interval.name)} ({found})")


check_interval = Exercise(
    name="an interval for the smaller world",
    right=((4.0, 0, 66), [3, 0, 80], torch.tensor([6.0, 0.0, 60.0]), np.array([4, 20, 80])),
    wrong={
        LATE: (4.0, 0, 200),
        BEFORE: (4.0, 66, 300),
        EVERYWHERE: (4.0, 0, 1000),
        WEAK: (1.5, 0, 66),
        EMPTY: (4.0, 66, 0),
        ORDER: (0, 66, 400),
        FAR: (200.0, 0, 66),
        STRONG: (20.0, 0, 66),
        SIGMA: (4.0, 0, 0.24),
    },
    judge=judge_interval,
)

# ---------------------------------------------------------------- 2. CFG++ on another grid


def levels(*rows):
    """{"at lam = 0.6, ...": numbers without dimensions, ...}"""
    names = "lam", "sigma_t", "sigma_s", "sigma_new"
    place = lambda row: phrase("at {where}", where=", ".join(f"{name} = {v:g}" for name, v in zip(names, row)))
    return {place(row): tuple(torch.tensor(value, dtype=torch.float64) for value in row) for row in rows}


check_translated = Exercise(
    name="lam on another grid",
    right=(
        lambda lam, sigma_t, sigma_s, sigma_new: lam * (sigma_t - sigma_new) / (sigma_t - sigma_s),
        lambda lam, sigma_t, sigma_s, sigma_new: lam * (1 - sigma_new / sigma_t) / (1 - sigma_s / sigma_t),
        lambda lam, sigma_t, sigma_s, sigma_new: (
            float(lam) * float(sigma_t) / float(sigma_t - sigma_s) * np.float64(sigma_t - sigma_new) / float(sigma_t)
        ),
    ),
    wrong={
        "this keeps lam: then r changes with the length of the step": lambda lam, t, s, new: lam,
        "the fraction is upside down: a shorter step takes a smaller lam for the same r": (
            lambda lam, t, s, new: lam * (t - s) / (t - new)
        ),
        "this is r itself: divide it by the factor that the new step has": lambda lam, t, s, new: lam * t / (t - s),
        "this is the r that lam has on the new grid: keep the r of the old one": (
            lambda lam, t, s, new: lam * t / (t - new)
        ),
        "the levels of arrival do not enter by their ratio: compare how far each step goes": (
            lambda lam, t, s, new: lam * new / s
        ),
        "this is the ratio of the levels of arrival, and upside down: compare how far each step goes": (
            lambda lam, t, s, new: lam * s / new
        ),
        "this halves lam whatever the grids are: it depends on how far each of the two steps goes": (
            lambda lam, t, s, new: lam / 2
        ),
        "the factor of the new step stands alone: the old one, sigma_t / (sigma_t - sigma_s), belongs to r as well": (
            lambda lam, t, s, new: lam * (t - new) / t
        ),
        "both factors multiply lam here: divide by the factor of the new step": (
            lambda lam, t, s, new: lam * t**2 / ((t - s) * (t - new))
        ),
        "sigma_s - sigma_new lies between the two arrivals: each step starts at sigma_t": (
            lambda lam, t, s, new: lam * (s - new) / (t - s)
        ),
        "square nothing: sigma enters as it is, not as a variance": (
            lambda lam, t, s, new: lam * (t**2 - new**2) / (t**2 - s**2)
        ),
        "lam is missing: scale it, do not replace it": lambda lam, t, s, new: (t - new) / (t - s),
    },
    inputs=lambda: levels((0.6, 2.0, 1.5, 1.8), (1.0, 0.8, 0.7, 0.5), (0.3, 10.0, 6.0, 8.0), (-0.4, 0.3, 0.0, 0.1)),
)

# ---------------------------------------------------------------- 3. what a rule depends on

NOTHING, AXES, ORIGIN, BOTH = "nothing", "axes", "origin", "both"
RESCALED, PROJECTED, CAPPED, AWARE = "rescaled in x0", "projected in x0", "capped in x0", "magnitude-aware in eps"

check_depends = of_choices(
    name="what a rule depends on",
    truth={RESCALED: BOTH, PROJECTED: ORIGIN, CAPPED: NOTHING, AWARE: NOTHING},
    choices=(NOTHING, AXES, ORIGIN, BOTH),
    hints={
        (RESCALED, NOTHING): "(1, 1) has the standard deviation 0, and turned by 45 degrees it has not",
        (RESCALED, AXES): "move the world by (2, 1): the two numbers of a point move apart",
        (RESCALED, ORIGIN): "turn the world: (1, 1) becomes (1.4, 0)",
        (PROJECTED, NOTHING): "it splits the difference along the arrow from the origin to x0",
        (PROJECTED, AXES): "lengths and angles survive a turn, but what is the arrow that it projects on?",
        (PROJECTED, BOTH): "a turn about the origin turns the arrow and the difference alike",
        (CAPPED, AXES): "the length of the difference survives a turn",
        (CAPPED, ORIGIN): "the difference of two predicted x0 stays the same when both move",
        (CAPPED, BOTH): "it looks at the difference alone, and at nothing of it but the length",
        (AWARE, AXES): "it takes two lengths, and a turn leaves lengths alone",
        (AWARE, ORIGIN): "eps is the noise in x: where the world lies does not enter",
        (AWARE, BOTH): "it takes two lengths of noise: neither a turn nor a move of the world changes them",
    },
)

# ---------------------------------------------------------------- the predictions

check_guess_tilted = Guess(
    name="the tilted density's share of the contested mode, in per cent",
    right=48,
    near=5,
    why="Nearly every point of that mode is sure of its class, so the tilt takes little from it.",
)

check_guess_interval = Guess(
    name="the interval that keeps the mode",
    right="late",
    choices={
        "early": "There the modes are still one cloud, but guidance already pushes that cloud to one side.",
        "middle": "There the paths choose their mode, and guidance chooses for them.",
        "late": "",
    },
    why="Late, the choice has been made; what is left is to leave the other class's ground.",
)
