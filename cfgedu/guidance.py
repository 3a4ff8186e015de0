"""Classifier-free guidance (Ho & Salimans, arXiv 2207.12598): everything here wraps a Denoiser or a Pair.

    guided prediction = u_un + r (u_cond - u_un)        r = 0 unconditional, 1 conditional, above 1 guided

u is eps or the score: the two differ by the factor -1 / sqrt(1 - a_t), the same for both modes, so guidance commutes
with the conversion. No sampler knows of guidance, and no wrapper knows of samplers. Each wrapper stands below the
function that it is made of, which has the formula: guided(pair, r)(x, t, y) is _guided(pair, r, x, t, y).
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from cfgedu.edges import (
    as_pair,
    is_number,
    require_finite_scale,
    require_interval,
    require_interval_of_times,
    require_same_shape,
    scale_for,
)
from cfgedu.protocol import NULL, Denoiser, Pair, same_classes, where_labelled, wrapped
from cfgedu.schedule import Schedule

Field = Callable[[Tensor, Tensor, Tensor], Tensor]  # (x, t, y) -> (B,*D), such as a score or a guidance vector

# ---------------------------------------------------------------- pairs


def _null_pair(model, x, t, y):
    twice = torch.cat([x, x])  # (2B,*D)
    eps = model(twice, torch.cat([t, t]), torch.cat([torch.full_like(y, NULL), y]))
    require_same_shape("the model's prediction", eps, twice)
    eps_un, eps_cond = eps.chunk(2)  # unconditional first, as in the formula
    # a row's last bits depend on its place in the batch: where y is NULL the two are one prediction, not two
    return eps_un, where_labelled(y, eps_cond, eps_un)


def null_pair(model: Denoiser) -> Pair:
    """Both predictions of one network that knows both modes, from ONE forward pass over a doubled batch."""
    return wrapped(_null_pair, model)


def _two_models(un, cond, x, t, y):
    return un(x, t, y), cond(x, t, y)


def two_models(un: Denoiser, cond: Denoiser) -> Pair:
    """A pair of two Denoisers, both given y as it comes.

    Two separate networks: two_models(unconditional(a), b). A weaker conditional model as `un` is autoguidance
    (Karras et al., arXiv 2406.02507). The number of classes is that of `cond`: `un` may know none.
    """
    return same_classes(cond, partial(_two_models, un, cond))


def pair_of(model: Denoiser) -> Pair:
    """Both predictions of a network: a twin's from its two heads, another's from one doubled batch."""
    return model.pair if hasattr(model, "pair") else null_pair(model)


# ---------------------------------------------------------------- guidance


def _unconditional(model, x, t, y):
    return model(x, t, torch.full_like(y, NULL))


def unconditional(model: Denoiser) -> Denoiser:
    """The same model, always asked without a label."""
    return wrapped(_unconditional, model)


def _guided(pair, r, x, t, y):
    eps_un, eps_cond = as_pair(pair(x, t, y), x)
    return torch.lerp(eps_un, eps_cond, scale_for(eps_cond, r, t))


def guided(pair: Pair, r: float | Tensor | Callable[[Tensor], float | Tensor]) -> Denoiser:
    """eps = lerp(eps_un, eps_cond, r) = eps_un + r (eps_cond - eps_un)

    torch.lerp is bitwise exact at r = 0, at r = 1, and where the two predictions are equal.

    r: one number, a (B,) tensor with one scale per sample, or a function of t (B,) that returns either.
    Any real r is meant: below 0 pushes away from the class, between 0 and 1 mixes. There is no threshold.
    Raises TypeError where r is none of these, ValueError where it does not fit the batch, or a number is not finite.
    """
    require_finite_scale(r)
    return wrapped(_guided, pair, r)


def guided_by(model: Denoiser, r: float) -> Denoiser:
    """The guided prediction of a network: where r is 0 or 1 that is one of its two, asked for alone."""
    if is_number(r) and r in (0, 1):
        return model if r else unconditional(model)
    return guided(pair_of(model), r)


def _guidance_vector(pair, schedule, x, t, y):
    eps_un, eps_cond = as_pair(pair(x, t, y), x)
    return schedule.score(x, t, eps_cond) - schedule.score(x, t, eps_un)


def guidance_vector(pair: Pair, schedule: Schedule) -> Field:
    """g = s_cond - s_un, in score units: grad log p(y given x_t) where the pair is exact (arXiv 2207.12598, sec. 3.2).

    from_score(guidance_vector(pair, schedule), schedule) is the same in eps units: eps_cond - eps_un = -sqrt(1-a_t) g.
    """
    return wrapped(_guidance_vector, pair, schedule)


def _within(r, low, high, t):
    exact = torch.float64 if t.device.type != "mps" else torch.float32  # mps has no float64
    r = torch.as_tensor(r, dtype=exact, device=t.device)
    return torch.where((t > low) & (t <= high), r, 1.0)


def within(r: float, low: int, high: int) -> Callable[[Tensor], Tensor]:
    """r(t): the scale r where low < t <= high, and 1, plain conditional sampling, outside (arXiv 2404.07724).

    In float64, so that it is the same r as the number; `guided` casts it to the prediction's dtype.
    """
    require_interval_of_times(r, low, high)
    return partial(_within, r, low, high)


def r_from_w(w: float) -> float:
    """r = w + 1, from the w of Ho & Salimans, whose guided eps is (1 + w) eps_cond - w eps_un."""
    return w + 1


def w_from_r(r: float) -> float:
    """w = r - 1: w counts from the conditional prediction, r from the unconditional one."""
    return r - 1


# ---------------------------------------------------------------- other parametrisations


def _from_score(score, schedule, x, t, y):
    return -schedule.noise_level(t, x) * score(x, t, y)


def from_score(score: Field, schedule: Schedule) -> Denoiser:
    """A model of the score as a Denoiser: eps = -sqrt(1 - a_t) score."""
    return wrapped(_from_score, score, schedule)


def _from_x0(x0, schedule, x, t, y):
    x0_hat = x0(x, t, y)
    require_same_shape("the model's prediction", x0_hat, x)
    return schedule.eps(x, t, x0_hat)


def from_x0(x0: Field, schedule: Schedule) -> Denoiser:
    """A model of the clean data as a Denoiser: eps = (x - sqrt(a_t) x_0) / sqrt(1 - a_t)."""
    return wrapped(_from_x0, x0, schedule)


def _from_v(v, schedule, x, t, y):
    v_hat = v(x, t, y)
    require_same_shape("the model's prediction", v_hat, x)
    return schedule.signal(t, x) * v_hat + schedule.noise_level(t, x) * x


def from_v(v: Field, schedule: Schedule) -> Denoiser:
    """A model of v as a Denoiser: eps = sqrt(a_t) v + sqrt(1 - a_t) x."""
    return wrapped(_from_v, v, schedule)


def _from_velocity(velocity, schedule, x, t, y):
    signal, noise_level = schedule.signal(t, x), schedule.noise_level(t, x)  # (B,1,..,1)
    k = signal + noise_level
    u = noise_level / k
    z = x / k  # (1 - u) x_0 + u eps, on the straight path
    velocity_hat = velocity(z, u.flatten().expand(len(x)), y)
    require_same_shape("the model's prediction", velocity_hat, x)
    return z + (1 - u) * velocity_hat


def from_velocity(velocity: Callable[[Tensor, Tensor, Tensor], Tensor], schedule: Schedule) -> Denoiser:
    """A model of flow matching's velocity eps - x_0 as a Denoiser: eps = z + (1 - u) velocity(z, u, y)

    at z = (1 - u) x_0 + u eps = x / k, with k = sqrt(a_t) + sqrt(1 - a_t) and u = sqrt(1 - a_t) / k: every x_t of every
    schedule lies on the straight path, once it is scaled (Lipman et al., arXiv 2210.02747, sec. 4.1).
    velocity: (z (B,*D), u (B,) in x's dtype, from 0 for clean data to 1 for noise, y (B,)) -> (B,*D).
    """
    return wrapped(_from_velocity, velocity, schedule)


def _clip_x0(model, schedule, lo, hi, x, t, y):
    eps = model(x, t, y)
    require_same_shape("the model's prediction", eps, x)
    x0 = schedule.x0(x, t, eps).clamp(lo, hi)
    return schedule.eps(x, t, x0)


def clip_x0(model: Denoiser, schedule: Schedule, lo: float = -1.0, hi: float = 1.0) -> Denoiser:
    """The Denoiser whose predicted x_0 is clipped to [lo, hi], with the eps that belongs to the clipped x_0.

    Clipping x_0 but keeping the old eps would leave the two inconsistent: x would not be sqrt(a) x_0 + sqrt(1 - a) eps.
    """
    require_interval(lo, hi)
    return wrapped(_clip_x0, model, schedule, lo, hi)
