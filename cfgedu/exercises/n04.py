"""Checks for the exercises of 04_samplers."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt

import torch

from cfgedu.checks import check
from cfgedu.samplers import ddim_step, ddpm_step
from cfgedu.schedule import linear


def example(seed: int):
    """(x, eps, a_t, a_s, z): one step's arguments, in float64."""
    generator = torch.Generator().manual_seed(seed)
    x, eps, z = torch.randn(3, 8, 2, generator=generator, dtype=torch.float64)
    alpha_bar = linear().alpha_bar.tolist()
    return x, eps, alpha_bar[500], alpha_bar[450], z


def check_ddim_as_euler(answer: Callable) -> None:
    """answer(x, eps, a_t, a_s, z) -> x_s: one Euler step of d(x / sqrt(a)) = eps d sigma, sigma = sqrt((1 - a) / a)."""
    x, eps, a_t, a_s, z = example(1)
    sigma_t, sigma_s = sqrt((1 - a_t) / a_t), sqrt((1 - a_s) / a_s)
    move = (sigma_s - sigma_t) * eps
    u = x / sqrt(a_t) + move
    noise = sqrt(1 - a_s) - sqrt(1 - a_t)
    mistakes = {
        "you returned x / sqrt(a), still in the rescaled variable: multiply by sqrt(a_s)": u,
        "you scaled back with sqrt(a_t), but the step ends at level s": sqrt(a_t) * u,
        "sigma is sqrt((1 - a) / a), not sqrt(1 - a)": sqrt(a_s) * (x / sqrt(a_t) + noise * eps),
        "the sign of the step: sigma_s - sigma_t is negative, noise is taken away": sqrt(a_s) * (x / sqrt(a_t) - move),
        "x was not divided by sqrt(a_t) before the step": sqrt(a_s) * (x + move),
    }
    right = ddim_step(x, eps, a_t, a_s, z)
    check("one Euler step in sigma is one DDIM step", answer(x, eps, a_t, a_s, z), right, mistakes=mistakes)


def check_beta_step(answer: Callable) -> None:
    """answer(x, eps, a_t, a_s, z) -> x_s: DDPM's mean, with noise of variance beta."""
    x, eps, a_t, a_s, z = example(2)
    beta = 1 - a_t / a_s
    mean = ddpm_step(x, eps, a_t, a_s, torch.zeros_like(z))
    level = 1 - a_t
    mistakes = {
        "this is ddpm_step itself, whose noise has variance beta-tilde": ddpm_step(x, eps, a_t, a_s, z),
        "the noise is multiplied by its variance beta: the standard deviation is sqrt(beta)": mean + beta * z,
        "1 - a_t is the noise of the whole way from 0 to t: one step has beta = 1 - a_t / a_s": mean + sqrt(level) * z,
        "no noise was added: that is the mean alone": mean,
        "the mean is not divided by sqrt(1 - beta)": x - beta / sqrt(1 - a_t) * eps + sqrt(beta) * z,
    }
    check("DDPM with the variance beta", answer(x, eps, a_t, a_s, z), mean + sqrt(beta) * z, mistakes=mistakes)


def check_reverse_variance(answer: Callable) -> None:
    """answer(v, a_t, a_s) -> the variance of x_s given x_t, for data N(0, v)."""
    v, (_, _, a_t, a_s, _) = 0.3, example(3)
    beta = 1 - a_t / a_s
    beta_tilde = beta * (1 - a_s) / (1 - a_t)
    V_t, V_s = a_t * v + 1 - a_t, a_s * v + 1 - a_s
    mistakes = {
        "this is beta-tilde, right for v = 0 alone: V_t and V_s hold the data's variance v too": beta_tilde,
        "this is beta, the variance of x_t given x_s, which is right for v = 1 alone": beta,
        "the ratio is upside down: x_s has less noise, so it is V_s / V_t": beta * V_t / V_s,
        "this is V_s, the variance of x_s before x_t is known": V_s,
        "this is the standard deviation: square it": sqrt(beta * V_s / V_t),
    }
    check("the variance of x_s given x_t", answer(v, a_t, a_s), beta * V_s / V_t, mistakes=mistakes)


def check_loop(answer: Callable, times: Sequence[int] = (1000, 700, 400, 150, 20, 0)) -> None:
    """answer(step, model, schedule, x, y, times) -> x_0, watched at every step and judged by the oracle."""
    schedule, times = linear(), list(times)
    a = schedule.alpha_bar.tolist()
    generator = torch.Generator().manual_seed(4)
    x_T, x0 = torch.randn(2, 16, 2, generator=generator, dtype=torch.float64)
    y = torch.zeros(16, dtype=torch.long)
    asked, levels, noise = [], [], []

    def oracle(x, t, y):
        asked.append(int(t[0]))
        return schedule.eps(x, t, x0)

    def step(x, eps, a_t, a_s, z):  # DDIM with eta = 0, written out so that it survives levels in the wrong order
        levels.append((a_t, a_s))
        noise.append(float(torch.as_tensor(z).abs().max()))
        return sqrt(a_s) * (x - sqrt(1 - a_t) * eps) / sqrt(a_t) + sqrt(1 - a_s) * eps

    found = answer(step, oracle, schedule, x_T, y, times)
    if found is None:
        check("x_0", None, x0)
        return
    mistakes = {
        "the last step is missing: pair the times with the ones after them, down to s = 0": times[:-2],
        "the model is told s, where the step goes, in place of t, where x is": [max(s, 1) for s in times[1:]],
        "the model is told s, where the step goes (0 at the end, where no noise is left to predict)": times[1:],
        "the model is told t - 1: this course counts t from 1 to T": [t - 1 for t in times[:-1]],
        "the times run upwards: sampling starts at T": times[:0:-1],
    }
    check("the time the model is told at each step", asked, times[:-1], mistakes=mistakes)
    shifted = [(a[t - 1], a[max(s - 1, 0)]) for t, s in pairwise(times)]
    missing = list(pairwise(a[t] for t in times[:-1]))
    mistakes = {
        "the last step is missing: pair the times with the ones after them, down to s = 0": missing,
        "the levels are one index off: alpha_bar[0] = 1 is clean data, so level t is alpha_bar[t]": shifted,
        "a_t and a_s are swapped": [(a[s], a[t]) for t, s in pairwise(times)],
    }
    right = [(a[t], a[s]) for t, s in pairwise(times)]
    check("the levels a_t, a_s of each step", levels, right, atol=1e-12, mistakes=mistakes)
    drawn = [z > 0 for z in noise]
    mistakes = {
        "the last step adds fresh noise: nothing comes after it to take that away": [True] * len(times[:-1]),
        "no step gets fresh noise: every sampler becomes a deterministic one": [False] * len(times[:-1]),
    }
    check("which steps get fresh noise", drawn, [True] * (len(times) - 2) + [False], mistakes=mistakes)
    check("the oracle brings x back to x_0", found, x0, atol=1e-9)
