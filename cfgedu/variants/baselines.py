"""Other baselines than the unconditional prediction, and two ways to sample the tilted density itself.

`classifier_guided` and `feedback` make Denoisers, as `guided` does. `rejection` and `resampled` give samples of
p(x given c) p(c given x)^(r-1): for these one has to look at whole samples, or at a population, and no Denoiser does.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import log

import torch
from torch import Tensor

from cfgedu.edges import (
    as_pair,
    require_count,
    require_data,
    require_finite,
    require_finite_scale,
    require_gradient,
    require_labels,
    require_log_probabilities,
    require_one_class,
    require_one_number,
    require_positive_share,
    require_rows,
    require_same_shape,
    require_tilt,
    scale_for,
)
from cfgedu.protocol import NULL, Denoiser, Pair, classes, drawn, noise_like, where_labelled, wrapped
from cfgedu.samplers import euler_maruyama_step
from cfgedu.schedule import Schedule, times

Rows = Callable[[Tensor, Tensor, Tensor], Tensor]  # (x, t, y) -> (B,), one number for each row
FEWEST = 1e-4  # of the draws that `rejection` keeps

# ---------------------------------------------------------------- Denoisers


def _classifier_guided(un, log_p, r, schedule, x, t, y):
    eps_un = un(x, t, torch.full_like(y, NULL))
    require_same_shape("the unconditional prediction", eps_un, x)
    with torch.enable_grad():  # samplers record no gradient
        point = x.detach().requires_grad_()
        log_of_rows = log_p(point, t, y.clamp(min=0))  # (B,)
        require_rows("log_p", log_of_rows, len(x))
        require_gradient("log_p", log_of_rows)
        (gradient,) = torch.autograd.grad(log_of_rows.sum(), point)  # rows do not mix: each gets its own gradient
    eps = eps_un - scale_for(eps_un, r, t) * schedule.noise_level(t, x) * gradient
    return where_labelled(y, eps, eps_un)


def classifier_guided(
    un: Denoiser, log_p: Rows, r: float | Tensor | Callable[[Tensor], float | Tensor], schedule: Schedule
) -> Denoiser:
    """eps = eps_un - r sqrt(1 - a_t) grad_x log p(y given x_t)   (Dhariwal & Nichol, arXiv 2105.05233, alg. 2)

    log_p(x, t, y) -> (B,): the log-probability of class y at the noisy x, up to a constant, differentiable in x; a
    classifier of noisy data. `un` is always asked without a label. With exact scores and the exact log_p this is
    guided(null_pair(model), r). At r = 0, and where y is NULL, it is the unconditional prediction.
    Raises as `guided` for r; in a call ValueError for a log_p of another shape, or one that does not depend on x.
    """
    require_finite_scale(r)
    return wrapped(_classifier_guided, un, log_p, r, schedule)


def _feedback(pair, q, correct, x, t, y):
    eps_un, eps_cond = as_pair(pair(x, t, y), x)
    ratio = q(x, t, y.clamp(min=0))  # (B,)
    require_rows("q", ratio, len(x))
    wrong, info = 1 - correct, torch.finfo(ratio.dtype)
    ratio = ratio.clamp(min=max(wrong, info.tiny))  # it is no less, but for rounding
    r = ratio / torch.maximum(ratio - wrong, info.eps * ratio)
    return torch.lerp(eps_un, eps_cond, scale_for(eps_cond, r))


def feedback(pair: Pair, q: Rows, correct: float) -> Denoiser:
    """eps = eps_un + r (eps_cond - eps_un),   r(x, t) = q / (q - (1 - correct))   (arXiv 2506.06085)

    for a conditional model of noisy labels. If the label y is kept with probability `correct` and otherwise says
    nothing, the model has learned p_noisy(x given y) = correct p(x given y) + (1 - correct) p(x), at every noise level.
    q(x, t, y) (B,) is p_noisy(x_t given y) / p(x_t), the ratio of the two densities whose predictions the pair gives:
    with the exact q this is the score of p(x given y). Where x speaks against y, q falls to 1 - correct and r grows; at
    correct = 1, r is 1. The paper follows q along the path; here it is given.
    Raises ValueError for `correct` outside (0, 1]; in a call for a q of another shape.
    """
    require_positive_share("correct", correct)
    return wrapped(_feedback, pair, q, float(correct))


# ---------------------------------------------------------------- samples of the tilted density


def rejection(
    draw: Callable[[int, torch.Generator], Tensor],
    log_p: Callable[[Tensor], Tensor],
    r: float,
    n: int,
    generator: torch.Generator,
) -> Tensor:
    """n exact samples (n,*D) of p(x given c) p(c given x)^(r-1), r >= 1: each draw is kept with p(c given x)^(r-1)

    (von Neumann 1951). draw(m, generator) gives m samples x_0 of p(x given c), log_p(x_0) (m,) their
    log p(c given x_0). It draws until n are kept, never more than are missing at the time, so that one sample costs
    1 / (share kept) draws on average; at r = 1 that is one.
    Raises ValueError for r below 1, or log-probabilities above 0; RuntimeError where hardly a draw is kept.
    """
    require_tilt(r)
    n, kept, found, asked = require_count("n, the number of samples,", n), [], 0, 0
    while found < n:
        if asked > n / FEWEST and found < FEWEST * asked:
            raise RuntimeError(f"of {asked} draws {found} were kept: r = {r:g} asks for points that hardly come")
        x = draw(n - found, generator)
        require_data("draw's x0", x, some=True)
        log_of_rows = log_p(x)
        require_rows("log_p", log_of_rows, len(x))
        require_log_probabilities("log_p", log_of_rows)
        coin = drawn(torch.rand, len(x), like=x, generator=generator)
        kept.append(x[coin < ((r - 1) * log_of_rows).exp()])
        found, asked = found + len(kept[-1]), asked + len(x)
    return torch.cat(kept)[:n]


@torch.no_grad()
def resampled(
    pair: Pair,
    r: float,
    schedule: Schedule,
    x: Tensor,
    y: Tensor,
    steps: int | Sequence[int] = 50,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """(x_0 (B,*D), log_weight (B,)): a population whose weighted mean is that of p(x)^(1-r) p(x given c)^r

    (Feynman-Kac correctors, Skreta et al., arXiv 2503.02819). Every step is Euler-Maruyama's with the guided score, and

        log_weight <- log_weight + beta / 2 r (r - 1) |s_cond - s_un|^2,   beta = 1 - a_t / a_s

    Why: a step of noise changes log p of a density, with score s, by beta / 2 (D + x s + div s + |s|^2). In
    (1 - r) log p(x) + r log p(x given c) the last term is (1 - r) |s_un|^2 + r |s_cond|^2, and the guided score's own
    square is less than that by r (1 - r) |s_cond - s_un|^2: what the SDE of the guided score does not do, weights must.

    Once the effective number of samples, (sum w)^2 / sum w^2, is below B / 2, rows are drawn anew in proportion to
    their weights (systematic resampling), and all weights become their mean. So log_weight.softmax(0) are the weights
    of a mean, and the mean of exp(log_weight) estimates the integral of p(x)^(1-r) p(x given c)^r. At r = 0 and r = 1
    no weight moves, and x_0 is `sample`'s with euler_maruyama_step.

    One population: y holds one label in all rows. Raises TypeError or ValueError as `sample`, and for r or y.
    """
    require_one_number("r", r)
    require_data("x", x, some=True)
    require_labels("y", y, len(x), classes(pair))
    require_one_class("y", y)
    alpha_bar, log_weight = schedule.alpha_bar.tolist(), torch.zeros_like(x.flatten(1)[:, 0])
    for t, s in pairwise(times(schedule, steps)):
        eps_un, eps_cond = as_pair(pair(x, torch.full_like(y, t, dtype=torch.long), y), x)
        a_t, a_s = alpha_bar[t], alpha_bar[s]
        beta, g = 1 - a_t / a_s, (eps_cond - eps_un).flatten(1) / (1 - a_t) ** 0.5  # the sign of g plays no part
        log_weight = log_weight + beta / 2 * r * (r - 1) * g.square().sum(1)
        z = noise_like(x, generator) if s > 0 else torch.zeros_like(x)
        x = euler_maruyama_step(x, torch.lerp(eps_un, eps_cond, float(r)), a_t, a_s, z)
        weight = log_weight.softmax(0)
        if weight.square().sum() * len(x) > 2:  # 1 / sum of w^2 < B / 2, for weights that sum to 1
            x = x[_systematic(weight, generator)]
            log_weight = (log_weight.logsumexp(0) - log(len(x))).expand(len(x))
    require_finite("x_0", x, ": look for them in the pair, or in a scale r that is too large")
    return x, log_weight


def _systematic(weight: Tensor, generator: torch.Generator | None) -> Tensor:
    """B rows (B,), each as often as its weight says, to within one: a comb of B teeth, laid over the sum of weights."""
    B = len(weight)
    start = drawn(torch.rand, 1, like=weight, generator=generator)
    teeth = (torch.arange(B, device=weight.device) + start) / B
    return torch.searchsorted(weight.cumsum(0), teeth.to(weight)).clamp(max=B - 1)
