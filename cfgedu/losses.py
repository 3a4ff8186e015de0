"""Training losses with condition dropout: one network that learns both modes.

Each loss draws t uniform in 1..T and eps ~ N(0, I), forms x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps, and returns a
scalar: the mean over batch and dims. With the same generator state, all of them draw the same t, eps and drops.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from cfgedu.edges import (
    as_pair,
    require_choice,
    require_data,
    require_drop,
    require_integers,
    require_labels,
    require_same_shape,
)
from cfgedu.protocol import NULL, Denoiser, Pair, classes, drawn, noise_like
from cfgedu.schedule import Schedule


def drop_labels(y: Tensor, p_drop: float, generator: torch.Generator | None = None) -> Tensor:
    """A new y in which each label is NULL with probability p_drop, on its own coin (arXiv 2207.12598, alg. 1).

    Raises ValueError for p_drop outside [0, 1], TypeError for a y that is not a tensor of integers.
    """
    require_integers("y", y)
    require_drop(p_drop)
    dropped = drawn(torch.rand, y.shape, like=y, generator=generator) < float(p_drop)
    return torch.where(dropped, NULL, y)


def noised(schedule: Schedule, x0: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """(x_t, t, eps): one random noise level and one noise for each row of x0."""
    t = drawn(torch.randint, 1, schedule.T + 1, (len(x0),), like=x0, generator=generator)
    eps = noise_like(x0, generator)
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
    _require_batch(model, x0, y, p_drop)
    x, t, eps = noised(schedule, x0, generator)
    eps_hat = model(x, t, drop_labels(y, p_drop, generator))
    require_same_shape("the model's prediction", eps_hat, x)
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
    require_choice("weight", weight, ("variance", "none"))
    _require_batch(score, x0, y, p_drop)
    x, t, eps = noised(schedule, x0, generator)
    score_hat = score(x, t, drop_labels(y, p_drop, generator))
    require_same_shape("the model's prediction", score_hat, x)
    error = (score_hat - schedule.score(x, t, eps)).square()
    if weight == "variance":
        error = schedule.noise_level(t, x) ** 2 * error
    return error.mean()


def twin_loss(
    pair: Pair, schedule: Schedule, x0: Tensor, y: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """mean (eps_un - eps)^2 + mean (eps_cond - eps)^2: both heads learn from every sample, so no label is dropped."""
    _require_batch(pair, x0, y)
    x, t, eps = noised(schedule, x0, generator)
    eps_un, eps_cond = as_pair(pair(x, t, y), x)
    return (eps_un - eps).square().mean() + (eps_cond - eps).square().mean()


def _require_batch(model, x0, y, p_drop=0.0) -> None:
    """Before the first random number is drawn."""
    require_data("x0", x0, some=True)
    require_labels("y", y, len(x0), classes(model))
    require_drop(p_drop)
