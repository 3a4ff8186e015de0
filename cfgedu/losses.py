"""Training losses with condition dropout: one network that learns both modes.

Each loss draws t uniform in 1..T and eps ~ N(0, I), forms x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps, and returns a
scalar: the mean over batch and dims. With the same generator state, all of them draw the same t, eps and drops.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from cfgedu.protocol import (
    NULL,
    Denoiser,
    Pair,
    both,
    check_data,
    check_integers,
    check_labels,
    check_same_shape,
    classes,
    is_number,
    shape,
)
from cfgedu.schedule import Schedule


def drop_labels(y: Tensor, p_drop: float, generator: torch.Generator | None = None) -> Tensor:
    """A new y in which each label is NULL with probability p_drop, on its own coin (arXiv 2207.12598, alg. 1).

    Raises ValueError for p_drop outside [0, 1], TypeError for a y that is not a tensor of integers.
    """
    check_integers("y", y)
    check_drop(p_drop)
    device = y.device if generator is None else generator.device
    dropped = torch.rand(y.shape, generator=generator, device=device).to(y.device) < float(p_drop)
    return torch.where(dropped, NULL, y)


def noised(schedule: Schedule, x0: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """(x_t, t, eps): one random noise level and one noise for each row of x0."""
    device = x0.device if generator is None else generator.device
    t = torch.randint(1, schedule.T + 1, (len(x0),), generator=generator, device=device).to(x0.device)
    eps = torch.randn(x0.shape, generator=generator, device=device, dtype=x0.dtype).to(x0.device)
    return schedule.noise(x0, t, eps), t, eps


def eps_loss(
    model: Denoiser,
    schedule: Schedule,
    x0: Tensor,
    y: Tensor,
    p_drop: float = 0.1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """mean (eps_hat(x_t, t, y') - eps)^2,   y' = y with labels dropped

    (DDPM, arXiv 2006.11239, eq. 14, with the dropout of Ho & Salimans, arXiv 2207.12598, alg. 1). Like its siblings it
    raises TypeError or ValueError for x0, y or p_drop that do not fit, and for a prediction of another shape than x0.
    """
    check_batch(model, x0, y)
    check_drop(p_drop)
    x, t, eps = noised(schedule, x0, generator)
    eps_hat = model(x, t, drop_labels(y, p_drop, generator))
    check_same_shape("the model's prediction", eps_hat, x)
    return (eps_hat - eps).square().mean()


def dsm_loss(
    score: Callable[[Tensor, Tensor, Tensor], Tensor],
    schedule: Schedule,
    x0: Tensor,
    y: Tensor,
    p_drop: float = 0.1,
    weight: str = "variance",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Denoising score matching: mean w(t) (score(x_t, t, y') - target)^2,   target = -eps / sqrt(1 - a_t)

    weight="variance": w = 1 - a_t, which makes the loss of score = -eps_hat / sqrt(1 - a_t) equal to eps_loss;
    weight="none": w = 1, whose variance explodes at small t (Vincent 2011; Song et al., arXiv 2011.13456, eq. 7).
    Raises ValueError for another weight.
    """
    if weight not in ("variance", "none"):
        raise ValueError(f'weight must be "variance" or "none", got {weight!r}')
    check_batch(score, x0, y)
    check_drop(p_drop)
    x, t, eps = noised(schedule, x0, generator)
    score_hat = score(x, t, drop_labels(y, p_drop, generator))
    check_same_shape("the model's prediction", score_hat, x)
    error = (score_hat - schedule.score(x, t, eps)).square()
    if weight == "variance":
        error = schedule.noise_level(t, x) ** 2 * error
    return error.mean()


def twin_loss(
    pair: Pair, schedule: Schedule, x0: Tensor, y: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """mean (eps_un - eps)^2 + mean (eps_cond - eps)^2: both heads learn from every sample, so no label is dropped."""
    check_batch(pair, x0, y)
    x, t, eps = noised(schedule, x0, generator)
    eps_un, eps_cond = both(pair(x, t, y))
    check_same_shape("the pair's unconditional prediction", eps_un, x)
    check_same_shape("the pair's conditional prediction", eps_cond, x)
    return (eps_un - eps).square().mean() + (eps_cond - eps).square().mean()


def check_drop(p_drop) -> None:
    if not is_number(p_drop) or not 0 <= p_drop <= 1:
        raise ValueError(f"p_drop must be a probability in [0, 1], got {p_drop!r}")


def check_batch(model, x0: Tensor, y: Tensor) -> None:
    check_data("x0", x0)
    if len(x0) == 0:
        raise ValueError(f"x0 must have at least one row for a mean to exist, got shape {shape(x0)}")
    check_labels("y", y, len(x0), classes(model))
