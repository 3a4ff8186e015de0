"""Checks for the exercises and the prediction of 04_samplers."""

from itertools import product

import torch

from cfgedu.checks import Exercise, Guess
from cfgedu.exercises.loops import LEVELS, NAME, NOISE, ORDER, TOLD, by_index, found, judge_loop, loop
from cfgedu.protocol import seeded
from cfgedu.samplers import ddim_step, ddpm_step, euler_maruyama_step, ode_step, sample
from cfgedu.schedule import linear

STEPS = ((100, 50), (500, 450), (1000, 20), (40, 0))  # (t, s)


def levels(t, s):
    """a_t and a_s as 0-d tensors: a ** 0.5, a.sqrt() and math.sqrt(a) all work on them."""
    return linear().alpha_bar[t], linear().alpha_bar[s]


def steps():
    """One step's arguments (x, eps, a_t, a_s, z), in float64."""
    x, eps, z = torch.randn(3, 8, 2, generator=seeded(1), dtype=torch.float64)
    return {f"from t = {t} to s = {s}": (x, eps, *levels(t, s), z) for t, s in STEPS}


# ---------------------------------------------------------------- 1: DDIM is Euler's method


def clock(a):
    return ((1 - a) / a) ** 0.5


def euler(x, eps, a_t, a_s, z, clock=clock):
    return a_s**0.5 * (x / a_t**0.5 + (clock(a_s) - clock(a_t)) * eps)


def with_clock(other):
    return lambda x, eps, a_t, a_s, z: euler(x, eps, a_t, a_s, z, other)


check_ddim_as_euler = Exercise(  # answer(x, eps, a_t, a_s, z) -> x_s: an Euler step of d(x / sqrt(a)) = eps d sigma
    name="one Euler step in sigma is one DDIM step",
    right=(
        euler,
        ddim_step,
        with_clock(lambda a: torch.sqrt(1 / a - 1)),
        lambda x, eps, a_t, a_s, z: (
            (float(a_s / a_t) ** 0.5 * x.numpy())
            + ((1 - float(a_s)) ** 0.5 - (float(a_s) * (1 / float(a_t) - 1)) ** 0.5) * eps.numpy()
        ),
    ),
    wrong={
        "this is still in the variable u: return x_s": lambda x, eps, a_t, a_s, z: (
            euler(x, eps, a_t, a_s, z) / a_s**0.5
        ),
        "scaled back with sqrt(a_t), but the step ends at level s": lambda x, eps, a_t, a_s, z: (
            (a_t / a_s) ** 0.5 * euler(x, eps, a_t, a_s, z)
        ),
        "divided by sqrt(a_s) at the end: u = x / sqrt(a), so multiply": lambda x, eps, a_t, a_s, z: (
            euler(x, eps, a_t, a_s, z) / a_s
        ),
        "the clock is sqrt((1 - a) / a): the division by a is missing": with_clock(lambda a: (1 - a) ** 0.5),
        "the clock is sqrt((1 - a) / a): the root is missing": with_clock(lambda a: (1 - a) / a),
        "the clock is sqrt((1 - a) / a): here a is outside the root": with_clock(lambda a: (1 - a) ** 0.5 / a),
        "x was scaled alone: the step in sigma is missing or 0 (without brackets, 1 - a / a is 0)": with_clock(
            lambda a: 0 * a
        ),
        "the clock is upside down: noise over signal": with_clock(lambda a: 1 / clock(a).clamp(min=1e-300)),
        "the sign of the step: sigma falls on the way to s, and noise is taken away": with_clock(lambda a: -clock(a)),
        "x was not brought to the variable u before the step": lambda x, eps, a_t, a_s, z: (
            a_s**0.5 * (x + (clock(a_s) - clock(a_t)) * eps)
        ),
        "u is x / sqrt(a), and this is x / a": lambda x, eps, a_t, a_s, z: (
            a_s**0.5 * (x / a_t + (clock(a_s) - clock(a_t)) * eps)
        ),
        "u is x / sqrt(a): the roots are missing, at the beginning and at the end": lambda x, eps, a_t, a_s, z: (
            a_s * (x / a_t + (clock(a_s) - clock(a_t)) * eps)
        ),
        "u is x / sqrt(a), and x was multiplied by sqrt(a_t)": lambda x, eps, a_t, a_s, z: (
            a_s**0.5 * (x * a_t**0.5 + (clock(a_s) - clock(a_t)) * eps)
        ),
        "the step goes from sigma_t to sigma_s, and this one goes on to sigma = 0": lambda x, eps, a_t, a_s, z: (
            a_s**0.5 * (x / a_t**0.5 - clock(a_t) * eps)
        ),
        "du = eps d sigma is about u, and x itself takes no such step": lambda x, eps, a_t, a_s, z: (
            x + (clock(a_s) - clock(a_t)) * eps
        ),
        "the step in sigma was added after u had become x: it needs the factor sqrt(a_s) too": (
            lambda x, eps, a_t, a_s, z: (a_s / a_t) ** 0.5 * x + (clock(a_s) - clock(a_t)) * eps
        ),
        "x is scaled rightly, and eps got a difference of sqrt(1 - a): the clock is sqrt((1 - a) / a)": (
            lambda x, eps, a_t, a_s, z: (a_s / a_t) ** 0.5 * x + ((1 - a_s) ** 0.5 - (1 - a_t) ** 0.5) * eps
        ),
        "z is fresh noise: the slope is the predicted eps": lambda x, eps, a_t, a_s, z: euler(x, z, a_t, a_s, z),
        "a_t and a_s are exchanged: the step begins at t": lambda x, eps, a_t, a_s, z: euler(x, eps, a_s, a_t, z),
        "that is the step of the score: the slope du / d sigma is eps itself": lambda x, eps, a_t, a_s, z: euler(
            x, -eps / (1 - a_t) ** 0.5, a_t, a_s, z
        ),
        "this is Euler's method in time, with beta: here the clock is sigma": ode_step,
        "this is DDPM: no noise is added here": ddpm_step,
    },
    inputs=steps,
)

# ---------------------------------------------------------------- 2: the other DDPM


def mean(x, eps, a_t, a_s):
    beta = 1 - a_t / a_s
    return (x - beta / (1 - a_t) ** 0.5 * eps) / (1 - beta) ** 0.5


def with_noise(size):
    """The step with DDPM's mean and noise of the standard deviation size(a_t, a_s)."""
    return lambda x, eps, a_t, a_s, z: mean(x, eps, a_t, a_s) + size(a_t, a_s) * z


def beta_tilde(a_t, a_s):
    return (1 - a_t / a_s) * (1 - a_s) / (1 - a_t)


check_beta_step = Exercise(  # answer(x, eps, a_t, a_s, z) -> x_s: DDPM's mean, with noise of variance beta
    name="DDPM with the variance beta",
    right=(
        with_noise(lambda a_t, a_s: (1 - a_t / a_s) ** 0.5),
        lambda x, eps, a_t, a_s, z: ddpm_step(x, eps, a_t, a_s, 0 * z) + torch.sqrt(1 - a_t / a_s) * z,
        lambda x, eps, a_t, a_s, z: ddim_step(x, eps, a_t, a_s, 0 * z, eta=1.0) + ((a_s - a_t) / a_s) ** 0.5 * z,
        lambda x, eps, a_t, a_s, z: (
            mean(x.numpy(), eps.numpy(), float(a_t), float(a_s)) + (1 - float(a_t / a_s)) ** 0.5 * z.numpy()
        ),
    ),
    wrong={
        "this is ddpm_step itself, whose noise has variance beta-tilde": ddpm_step,
        "this is Euler-Maruyama: its noise is the one asked for, its mean is another": euler_maruyama_step,
        "the noise is multiplied by its variance beta: a standard deviation is a root": with_noise(
            lambda a_t, a_s: 1 - a_t / a_s
        ),
        "1 - a_t is the noise of the whole way from 0 to t: one step has less": with_noise(
            lambda a_t, a_s: (1 - a_t) ** 0.5
        ),
        "1 - a_s is all the noise that is left at s: this step adds only some of it": with_noise(
            lambda a_t, a_s: (1 - a_s) ** 0.5
        ),
        "a_s - a_t is a difference of levels: beta is relative to a_s": with_noise(lambda a_t, a_s: (a_s - a_t) ** 0.5),
        "no noise was added: that is the mean alone": with_noise(lambda a_t, a_s: 0 * a_t),
        "1 - beta is the part of the variance that a forward step keeps: the noise has the variance beta": with_noise(
            lambda a_t, a_s: (a_t / a_s) ** 0.5
        ),
        "at s = 0 the noise is left out: that is for the loop to do, and the step itself always adds its noise": (
            with_noise(lambda a_t, a_s: (1 - a_t / a_s) ** 0.5 * (a_s < 1))
        ),
        "both noises are added: beta takes the place of beta-tilde": with_noise(
            lambda a_t, a_s: beta_tilde(a_t, a_s) ** 0.5 + (1 - a_t / a_s) ** 0.5
        ),
        "the mean is not divided by sqrt(1 - beta)": lambda x, eps, a_t, a_s, z: (
            (a_t / a_s) ** 0.5 * mean(x, eps, a_t, a_s) + (1 - a_t / a_s) ** 0.5 * z
        ),
        "the mean is divided by 1 - beta: the root is missing": lambda x, eps, a_t, a_s, z: (
            mean(x, eps, a_t, a_s) / (a_t / a_s) ** 0.5 + (1 - a_t / a_s) ** 0.5 * z
        ),
        "eps in the mean is divided by sqrt(1 - a_s): the score is taken at x_t, where the step begins": (
            lambda x, eps, a_t, a_s, z: (
                (x - (1 - a_t / a_s) / (1 - a_s) ** 0.5 * eps) / (a_t / a_s) ** 0.5 + (1 - a_t / a_s) ** 0.5 * z
            )
        ),
        "the noise is divided by sqrt(1 - beta) too: only the mean is": with_noise(
            lambda a_t, a_s: ((1 - a_t / a_s) / (a_t / a_s)) ** 0.5
        ),
        "beta is 1 - a_t / a_s in the mean too, and not 1 - a_t": lambda x, eps, a_t, a_s, z: (
            (x - (1 - a_t) ** 0.5 * eps) / a_t**0.5 + (1 - a_t) ** 0.5 * z
        ),
        "the mean is DDIM's, which keeps all of the predicted noise: take DDPM's": lambda x, eps, a_t, a_s, z: (
            ddim_step(x, eps, a_t, a_s, z) + (1 - a_t / a_s) ** 0.5 * z
        ),
        "beta in place of beta-tilde in the formula with eta: that changes the mean too, or has no root": (
            lambda x, eps, a_t, a_s, z: (
                a_s**0.5 * (x - (1 - a_t) ** 0.5 * eps) / a_t**0.5
                + (a_t / a_s - a_s) ** 0.5 * eps  # 1 - a_s - beta, below 0 where the step is long or late
                + (1 - a_t / a_s) ** 0.5 * z
            )
        ),
        "eps in the mean is not divided by sqrt(1 - a_t)": lambda x, eps, a_t, a_s, z: with_noise(
            lambda a_t, a_s: (1 - a_t / a_s) ** 0.5
        )(x, (1 - a_t) ** 0.5 * eps, a_t, a_s, z),
        "eps in the mean is divided by 1 - a_t: the root is missing": lambda x, eps, a_t, a_s, z: with_noise(
            lambda a_t, a_s: (1 - a_t / a_s) ** 0.5
        )(x, eps / (1 - a_t) ** 0.5, a_t, a_s, z),
        "eps is added in the mean: noise is taken away on the way to s": lambda x, eps, a_t, a_s, z: with_noise(
            lambda a_t, a_s: (1 - a_t / a_s) ** 0.5
        )(x, -eps, a_t, a_s, z),
        "the mean is the predicted x_0: the step goes as far as s": lambda x, eps, a_t, a_s, z: (
            (x - (1 - a_t) ** 0.5 * eps) / a_t**0.5 + (1 - a_t / a_s) ** 0.5 * z
        ),
        "the ratio is upside down: beta would be negative, and has no root": with_noise(
            lambda a_t, a_s: (1 - a_s / a_t) ** 0.5
        ),
    },
    inputs=steps,
    atol=1e-4,  # levels in float32 are right too, and cost 2e-5 where a_t is small
)

# ---------------------------------------------------------------- 3: a variance


def V(v, a):
    return a * v + 1 - a


def between(v, a_t, a_s):
    return (1 - a_t / a_s) * V(v, a_s) / V(v, a_t)


check_reverse_variance = Exercise(  # answer(v, a_t, a_s) -> the variance of x_s given x_t, for data N(0, v)
    name="the variance of x_s given x_t",
    right=(
        between,
        lambda v, a_t, a_s: 1 / (1 / V(v, a_s) + a_t / a_s / (1 - a_t / a_s)),
        lambda v, a_t, a_s: V(v, a_s) - a_t / a_s * V(v, a_s) ** 2 / V(v, a_t),
        lambda v, a_t, a_s: between(v, float(a_t), float(a_s)),
    ),
    wrong={
        "this is beta-tilde, right for v = 0 alone: the data's variance belongs into it": lambda v, a_t, a_s: (
            beta_tilde(a_t, a_s)
        ),
        "this is beta, the variance of x_t given x_s: right for v = 1 alone": lambda v, a_t, a_s: 1 - a_t / a_s,
        "the ratio is upside down: V_s is the numerator, V_t the denominator": lambda v, a_t, a_s: (
            (1 - a_t / a_s) * V(v, a_t) / V(v, a_s)
        ),
        "this is V_s, the variance of x_s before x_t is known": lambda v, a_t, a_s: V(v, a_s),
        "this is V_t, the variance of x_t itself": lambda v, a_t, a_s: V(v, a_t),
        "this is the standard deviation: square it": lambda v, a_t, a_s: between(v, a_t, a_s) ** 0.5,
        "a straight line from beta-tilde to beta: both ends are right, and nothing in between": lambda v, a_t, a_s: (
            (1 - v) * beta_tilde(a_t, a_s) + v * (1 - a_t / a_s)
        ),
        "this is the precision: its inverse is asked for": lambda v, a_t, a_s: 1 / between(v, a_t, a_s),
        "x_t holds x_s times sqrt(a_t / a_s): its precision gets the square of that factor": lambda v, a_t, a_s: (
            1 / (1 / V(v, a_s) + 1 / (1 - a_t / a_s))
        ),
        "variances are added, and knowing x_t should make the variance smaller": lambda v, a_t, a_s: (
            V(v, a_s) + 1 - a_t / a_s
        ),
        "this is the variance if x_t had no part of x_0: both V hold v": lambda v, a_t, a_s: (
            (1 - a_t / a_s) * V(v, a_s) / (1 - a_t)
        ),
        "this is V_s / V_t: the noise of the step, beta, is missing": lambda v, a_t, a_s: V(v, a_s) / V(v, a_t),
        "1 - a_t is the noise of the whole way: that of the step is beta": lambda v, a_t, a_s: (
            (1 - a_t) * V(v, a_s) / V(v, a_t)
        ),
        "1 - a_t is the noise of the whole way: the precision of x_t holds that of one step, beta": (
            lambda v, a_t, a_s: 1 / (1 / V(v, a_s) + a_t / a_s / (1 - a_t))
        ),
        "beta-tilde holds (1 - a_s) / (1 - a_t) already: V_s / V_t takes the place of that": lambda v, a_t, a_s: (
            beta_tilde(a_t, a_s) * V(v, a_s) / V(v, a_t)
        ),
        "this is the share of V_s that is left: multiply it by V_s": lambda v, a_t, a_s: (
            between(v, a_t, a_s) / V(v, a_s)
        ),
        "x_s holds sqrt(a_s) x_0, so v enters V_s as a_s v, and V_t as a_t v": lambda v, a_t, a_s: (
            (1 - a_t / a_s) * (v + 1 - a_s) / (v + 1 - a_t)
        ),
        "the factor of x_0 is sqrt(a), so that of its variance v is a": lambda v, a_t, a_s: (
            (1 - a_t / a_s) * (a_s**0.5 * v + 1 - a_s) / (a_t**0.5 * v + 1 - a_t)
        ),
        "v is a variance already: no square": lambda v, a_t, a_s: between(v**2, a_t, a_s),
        "V_s holds v as well as V_t": lambda v, a_t, a_s: (1 - a_t / a_s) * (1 - a_s) / V(v, a_t),
    },
    inputs=lambda: {
        f"v = {v}, from t = {t} to s = {s}": (v, *levels(t, s))
        for v, (t, s) in product((0.3, 2.0, 0.0, 1.0), STEPS[:3])
    },
)

# ---------------------------------------------------------------- 4: a loop

check_loop = Exercise(  # answer(step, model, schedule, x, y, times) -> x_0
    name=NAME,
    right=(loop(), sample, by_index),
    wrong={words: loop(told=words) for words in TOLD if words}
    | {words: loop(level=words) for words in LEVELS if words}
    | {words: loop(noise=words) for words in NOISE if words}
    | {words: loop(order=words) for words in ORDER if words}
    | {"; ".join((list(ORDER)[1], list(TOLD)[1])): found},
    judge=judge_loop,
)

# ---------------------------------------------------------------- prediction

check_guess_width = Guess(
    name="the cloud after 20 steps of DDPM, beside the data",
    right="narrower",
    choices={
        "wider": "DDPM adds noise at every step, but only as much as one known x_0 leaves open.",
        "narrower": "",
        "same": "With 1000 steps it is nearly so; with 20, each step adds too little noise.",
    },
    why="The variance comes out as 0.15 in place of 0.25: a step's noise is that of data which are one known point.",
)
