"""Four ways to take one step from time t to time s < t, and the one loop that they share.

A step is a pure function (x, eps, a_t, a_s, z) -> x_s of the current x (B,*D), the predicted noise eps, the signal
levels a_t and a_s > a_t as Python floats, and fresh noise z ~ N(0, I). It knows no network, no label and no guidance.
In all of them beta = 1 - a_t / a_s is the variance of the noise that the forward process adds between s and t. All are
of first order: once steps are short, with twice as many of them the moments of the samples are wrong by half as much.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor

from cfgedu.edges import in_words, require_data, require_eta, require_finite, require_labels, require_same_shape
from cfgedu.protocol import Denoiser, classes, noise_like
from cfgedu.schedule import Schedule, times

Step = Callable[[Tensor, Tensor, float, float, Tensor], Tensor]


def ddpm_step(x: Tensor, eps: Tensor, a_t: float, a_s: float, z: Tensor) -> Tensor:
    """x_s = (x - beta / sqrt(1 - a_t) eps) / sqrt(alpha) + sqrt(beta_tilde) z,   alpha = a_t / a_s = 1 - beta

    with beta_tilde = beta (1 - a_s) / (1 - a_t), the variance of x_s given x_t and x_0
    (DDPM, arXiv 2006.11239, eq. 7 and 11).
    """
    alpha = a_t / a_s
    beta = 1 - alpha
    beta_tilde = beta / (1 - a_t) * (1 - a_s)
    return (x - beta / sqrt(1 - a_t) * eps) / sqrt(alpha) + sqrt(beta_tilde) * z


def ddim_step(x: Tensor, eps: Tensor, a_t: float, a_s: float, z: Tensor, eta: float = 0.0) -> Tensor:
    """x_s = sqrt(a_s) x_0 + sqrt(1 - a_s - sigma^2) eps + sigma z,   sigma^2 = eta^2 beta_tilde

    with x_0 = (x - sqrt(1 - a_t) eps) / sqrt(a_t) (DDIM, arXiv 2010.02502, eq. 12 and 16). eta = 0 is deterministic,
    eta = 1 is ddpm_step. Use functools.partial(ddim_step, eta=0.5) for what lies between.
    Raises ValueError for an eta outside [0, 1].
    """
    require_eta(eta)
    beta = 1 - a_t / a_s
    sigma_squared = eta**2 * beta / (1 - a_t) * (1 - a_s)  # in this order it never rounds above 1 - a_s
    x0 = (x - sqrt(1 - a_t) * eps) / sqrt(a_t)
    mean = sqrt(a_s) * x0 + sqrt(1 - a_s - sigma_squared) * eps
    return mean + sqrt(sigma_squared) * z if sigma_squared else mean


def euler_maruyama_step(x: Tensor, eps: Tensor, a_t: float, a_s: float, z: Tensor) -> Tensor:
    """x_s = x + beta (x / 2 + score) + sqrt(beta) z,   score = -eps / sqrt(1 - a_t)

    One Euler-Maruyama step of the reverse-time SDE (Song et al., arXiv 2011.13456, eq. 6 with the VP drift of eq. 11).
    """
    beta = 1 - a_t / a_s
    score = -eps / sqrt(1 - a_t)
    return x + beta * (x / 2 + score) + sqrt(beta) * z


def ode_step(x: Tensor, eps: Tensor, a_t: float, a_s: float, z: Tensor) -> Tensor:
    """x_s = x + beta / 2 (x + score),   score = -eps / sqrt(1 - a_t);   z is not used

    One Euler step of the probability-flow ODE in time (Song et al., arXiv 2011.13456, eq. 13). DDIM with eta = 0 solves
    the same ODE and is exact where eps is constant along the path, so it needs fewer steps.
    """
    beta = 1 - a_t / a_s
    score = -eps / sqrt(1 - a_t)
    return x + beta / 2 * (x + score)


SAMPLERS: dict[str, Step] = {  # the one table of their names
    "DDPM": ddpm_step,
    "DDIM": ddim_step,
    "Euler-Maruyama": euler_maruyama_step,
    "ODE": ode_step,
}


def trajectory(
    step: Step,
    model: Denoiser,
    schedule: Schedule,
    x: Tensor,
    y: Tensor,
    steps: int | Sequence[int] = 50,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yields the given x, then x after every step; the last one is x_0. Each is a tensor of its own, yours to change.

    x (B,*D) is noise at the level of the first time (pure noise for t = T), y (B,) the labels, NULL for none.
    steps: how many, spread evenly over T..0; or the times themselves, strictly decreasing and ending in 0.
    Each step with s > 0 draws one torch.randn of x's shape from `generator`, in order; the step to s = 0 gets z = 0.
    No gradient is recorded. Raises TypeError or ValueError for x, y or steps that do not fit, before the first step.
    """
    grid = _checked_times(model, schedule, x, y, steps)  # at the call, not at the first step
    return (state.detach().clone() for state in _trajectory(step, model, schedule, x, y, grid, generator))


def _trajectory(step, model, schedule, x, y, grid, generator):
    yield x
    alpha_bar = schedule.alpha_bar.tolist()
    for t, s in pairwise(grid):
        with torch.no_grad():  # here, where no `yield` lets the caller in
            eps = model(x, torch.full_like(y, t, dtype=torch.long), y)
            require_same_shape("the model's prediction", eps, x)
            z = noise_like(x, generator) if s > 0 else torch.zeros_like(x)
            x = step(x, eps, alpha_bar[t], alpha_bar[s], z)
        yield x


def _checked_times(model, schedule, x, y, steps):
    require_data("x", x)
    require_labels("y", y, len(x), classes(model))
    return times(schedule, steps)


def sample(
    step: Step,
    model: Denoiser,
    schedule: Schedule,
    x: Tensor,
    y: Tensor,
    steps: int | Sequence[int] = 50,
    generator: torch.Generator | None = None,
) -> Tensor:
    """x_0, the end of the `trajectory` with the same arguments. No gradient is recorded.

    Of 100,000 rows each costs several times as much as of 1000: sample those in parts, x.split(1000).
    Raises as `trajectory`, and ValueError where the model, or a scale that is far too large, led to NaN or infinity.
    """
    grid = _checked_times(model, schedule, x, y, steps)
    x_0 = deque(_trajectory(step, model, schedule, x, y, grid, generator), maxlen=1).pop()
    require_finite("x_0", x_0, f": look for them in the model, {in_words(model)}, or in a scale r that is too large")
    return x_0
