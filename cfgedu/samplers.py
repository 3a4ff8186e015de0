"""Four ways to take one step from time t to time s < t, and the one loop that they share.

A step is a pure function (x, eps, a_t, a_s, z) -> x_s of the current x (B,*D), the predicted noise eps, the signal
levels a_t and a_s > a_t as Python floats, and fresh noise z ~ N(0, I). It knows no network, no label and no guidance.
In all of them beta = 1 - a_t / a_s is the variance of the noise that the forward process adds between s and t.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor

from cfgedu.protocol import Denoiser, check_data, check_labels, check_same_shape, classes, is_integer, is_number
from cfgedu.schedule import Schedule

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
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie in [0, 1], got {eta!r}")
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


def trajectory(
    step: Step,
    model: Denoiser,
    schedule: Schedule,
    x: Tensor,
    y: Tensor,
    steps: int | Sequence[int] = 50,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yields the given x, then x after every step; the last one is x_0.

    x (B,*D) is noise at the level of the first time (pure noise for t = T), y (B,) the labels, NULL for none.
    steps: how many, spread evenly over T..0; or the times themselves, strictly decreasing and ending in 0.
    Each step with s > 0 draws one torch.randn of x's shape from `generator`, in order; the step to s = 0 gets z = 0.
    Raises TypeError or ValueError for x, y or steps that do not fit, before the first step.
    """
    check_data("x", x)
    check_labels("y", y, len(x), classes(model))
    return _trajectory(step, model, schedule, x, y, times(schedule, steps), generator)


def times(schedule: Schedule, steps: int | Sequence[int]) -> list[int]:
    """The list of times that `steps` stands for, checked."""
    if is_integer(steps):
        return schedule.grid(steps)
    if is_number(steps) or not isinstance(steps, Iterable):
        raise TypeError(f"steps must be an int or a list of times, got {steps!r}")
    given = list(steps)
    if not all(is_integer(t) for t in given):
        raise TypeError(f"steps as a list must hold integer times, got {given!r}")
    found = [int(t) for t in given]
    if len(found) < 2 or found[-1] != 0 or any(t <= s for t, s in pairwise(found)):
        raise ValueError(f"steps as a list must strictly decrease and end in 0, got {found!r}")
    if found[0] > schedule.T:
        raise ValueError(f"steps must start at T = {schedule.T} or below, got {found[0]}")
    return found


@torch.no_grad()
def _trajectory(step, model, schedule, x, y, grid, generator):
    yield x
    alpha_bar = schedule.alpha_bar.tolist()
    for t, s in pairwise(grid):
        eps = model(x, torch.full_like(y, t, dtype=torch.long), y)
        if t == grid[0]:
            check_same_shape("the model's prediction", eps, x)
        z = _draw(x, generator) if s > 0 else torch.zeros_like(x)
        x = step(x, eps, alpha_bar[t], alpha_bar[s], z)
        yield x


def _draw(x, generator):
    device = x.device if generator is None else generator.device
    return torch.randn(x.shape, generator=generator, device=device, dtype=x.dtype).to(x.device)


def sample(
    step: Step,
    model: Denoiser,
    schedule: Schedule,
    x: Tensor,
    y: Tensor,
    steps: int | Sequence[int] = 50,
    generator: torch.Generator | None = None,
) -> Tensor:
    """x_0 at the end of `trajectory`, which takes the same arguments; memory does not grow with steps."""
    for x in trajectory(step, model, schedule, x, y, steps, generator):  # noqa: B007, B020 (the last x is the answer)
        pass
    return x
