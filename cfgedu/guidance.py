"""Classifier-free guidance (Ho & Salimans, arXiv 2207.12598): everything here wraps a Denoiser or a Pair.

    guided prediction = u_un + r (u_cond - u_un)        r = 0 unconditional, 1 conditional, above 1 guided

u is eps or the score: the two differ by the factor -1 / sqrt(1 - a_t), the same for both modes, so guidance commutes
with the conversion. No sampler knows of guidance, and no wrapper knows of samplers.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from cfgedu.protocol import NULL, Denoiser, Pair, both, check_same_shape, is_number, same_classes, shape, where_labelled
from cfgedu.schedule import Schedule


def null_pair(model: Denoiser) -> Pair:
    """Both predictions of one network that knows both modes, from ONE forward pass over a doubled batch."""

    def pair(x, t, y):
        twice = torch.cat([x, x])  # (2B,*D)
        eps = model(twice, torch.cat([t, t]), torch.cat([torch.full_like(y, NULL), y]))
        check_same_shape("the model's prediction", eps, twice)
        eps_un, eps_cond = eps.chunk(2)  # unconditional first, as in the formula
        # a row's last bits depend on its place in the batch: where y is NULL the two are one prediction, not two
        return eps_un, where_labelled(y, eps_cond, eps_un)

    return same_classes(model, pair)


def two_models(un: Denoiser, cond: Denoiser) -> Pair:
    """A pair of two Denoisers, both given y as it comes.

    Two separate networks: two_models(unconditional(a), b). A weaker conditional model as `un` is autoguidance
    (Karras et al., arXiv 2406.02507).
    """
    return same_classes(cond, lambda x, t, y: (un(x, t, y), cond(x, t, y)))


def unconditional(model: Denoiser) -> Denoiser:
    """The same model, always asked without a label."""
    return same_classes(model, lambda x, t, y: model(x, t, torch.full_like(y, NULL)))


def guided(pair: Pair, r: float | Tensor | Callable[[Tensor], float | Tensor]) -> Denoiser:
    """eps = eps_un + r (eps_cond - eps_un), written r eps_cond + (1 - r) eps_un: r = 0 and r = 1 are bitwise exact.

    r: one number, a (B,) tensor with one scale per sample, or a function of t (B,) that returns either.
    Any real r is meant: below 0 pushes away from the class, between 0 and 1 mixes. There is no threshold.
    Raises TypeError where r is none of these, ValueError where it does not fit the batch, or a number is not finite.
    """
    if not callable(r):
        check_scale(r)
        if not torch.isfinite(r if isinstance(r, Tensor) else torch.tensor(float(r))).all():
            raise ValueError(f"r must be finite, got {r!r}")

    def eps(x, t, y):
        eps_un, eps_cond = both(pair(x, t, y))
        scale = as_factor(r(t) if callable(r) else r, eps_cond)
        return scale * eps_cond + (1 - scale) * eps_un

    return same_classes(pair, eps)


def within(r: float, low: int, high: int) -> Callable[[Tensor], Tensor]:
    """r(t): the scale r where low < t <= high, and 1, plain conditional sampling, outside (arXiv 2404.07724)."""
    return lambda t: torch.where((t > low) & (t <= high), r, 1.0)


def r_from_w(w: float) -> float:
    """r = w + 1, from the w of Ho & Salimans, whose guided eps is (1 + w) eps_cond - w eps_un."""
    return w + 1


def w_from_r(r: float) -> float:
    """w = r - 1: w counts from the conditional prediction, r from the unconditional one."""
    return r - 1


def check_scale(r) -> None:
    """r must be a real number, or a real tensor () or (B,)."""
    if is_number(r):
        return
    if not isinstance(r, Tensor):
        got = f"{type(r).__name__} {r!r}"
        raise TypeError(f"r must be a number, a (B,) tensor or a function of t that returns one, got {got}")
    if r.ndim != 1 or r.dtype == torch.bool or r.is_complex():
        raise ValueError(f"r as a tensor must hold real numbers, shape () or (B,), got {r.dtype} of shape {shape(r)}")


def as_factor(r, eps: Tensor) -> float | Tensor:
    """r as a float, or as a tensor (B,1,..,1) on eps's device and in its dtype, to multiply eps (B,*D)."""
    check_scale(r)
    if not isinstance(r, Tensor):
        return float(r)
    if r.ndim == 1 and len(r) not in (1, len(eps)):
        raise ValueError(f"r must be one number or one per row, shape ({len(eps)},), got {shape(r)}")
    return r.to(eps).reshape(-1, *[1] * (eps.ndim - 1))


def from_score(score: Callable[[Tensor, Tensor, Tensor], Tensor], schedule: Schedule) -> Denoiser:
    """A model of the score as a Denoiser: eps = -sqrt(1 - a_t) score."""
    return same_classes(score, lambda x, t, y: -schedule.noise_level(t, x) * score(x, t, y))


def from_x0(x0: Callable[[Tensor, Tensor, Tensor], Tensor], schedule: Schedule) -> Denoiser:
    """A model of the clean data as a Denoiser: eps = (x - sqrt(a_t) x_0) / sqrt(1 - a_t)."""
    return same_classes(x0, lambda x, t, y: schedule.eps(x, t, x0(x, t, y)))


def from_v(v: Callable[[Tensor, Tensor, Tensor], Tensor], schedule: Schedule) -> Denoiser:
    """A model of v as a Denoiser: eps = sqrt(a_t) v + sqrt(1 - a_t) x."""
    return same_classes(v, lambda x, t, y: schedule.signal(t, x) * v(x, t, y) + schedule.noise_level(t, x) * x)


def clip_x0(model: Denoiser, schedule: Schedule, lo: float = -1.0, hi: float = 1.0) -> Denoiser:
    """The Denoiser whose predicted x_0 is clipped to [lo, hi], with the eps that belongs to the clipped x_0.

    Clipping x_0 but keeping the old eps would leave the two inconsistent: x would not be sqrt(a) x_0 + sqrt(1 - a) eps.
    """
    if not lo < hi:  # also where one of them is NaN
        raise ValueError(f"lo must be below hi, got lo = {lo!r}, hi = {hi!r}")

    def eps(x, t, y):
        x0 = schedule.x0(x, t, model(x, t, y)).clamp(lo, hi)
        return schedule.eps(x, t, x0)

    return same_classes(model, eps)
