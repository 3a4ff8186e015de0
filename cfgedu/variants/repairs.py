"""Change r, or repair what a large r does to the guided prediction (notebook 13).

Three are rules on two predictions `un` and `cond` (B,*D): rescale, project, zero_star. What they give depends on the
space in which the predictions are written (eps, x_0 or v), because norms, angles and standard deviations are no affine
quantities. The others are wrappers of a Pair or a Denoiser, and a scale r(t). <a, b> and |a| are taken over the
dimensions of one sample.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from cfgedu.edges import (
    as_pair,
    require_between,
    require_choice,
    require_finite_scale,
    require_number,
    require_one_shape,
    require_same_shape,
    require_share,
    scale_for,
)
from cfgedu.protocol import Denoiser, Pair, wrapped
from cfgedu.schedule import Schedule, times

SPACES = ("v", "x0", "eps")
Scale = float | Tensor | Callable[[Tensor], float | Tensor]  # as `guided` takes it


def _per_sample(numbers: Tensor, x: Tensor) -> Tensor:
    """(B,) -> (B,1,..,1), to multiply x (B,*D)."""
    return numbers.reshape(-1, *[1] * (x.ndim - 1))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """<a, b> (B,1,..,1)"""
    return _per_sample((a * b).flatten(1).sum(1), a)


def _std(x: Tensor) -> Tensor:
    """The standard deviation of the numbers of one sample (B,1,..,1)."""
    return _per_sample(x.flatten(1).std(1, correction=0), x)


def _ratio(a: Tensor, b: Tensor, otherwise: float) -> Tensor:
    """a / b, and `otherwise` where b is 0."""
    return torch.where(b == 0, otherwise, a / torch.where(b == 0, 1, b))


# ---------------------------------------------------------------- rules on two predictions


def rescale(x: Tensor, cond: Tensor, phi: float = 0.7) -> Tensor:
    """phi x std(cond) / std(x) + (1 - phi) x,   x the guided prediction, std over the numbers of one sample

    (Lin et al., arXiv 2305.08891, sec. 3.4 and alg. 2): the guided prediction gets back the contrast of the conditional
    one. At phi = 0, and where the two standard deviations are equal, it is x. It depends on the axes: an image has
    thousands of numbers, a point of the plane two. Raises TypeError or ValueError for arguments that do not fit.
    """
    require_one_shape(x=x, cond=cond)
    require_share("phi", phi)
    return torch.lerp(x, x * _ratio(_std(cond), _std(x), otherwise=1), float(phi))


def project(un: Tensor, cond: Tensor, r: float | Tensor, eta: float = 0.0, cap: float | None = None) -> Tensor:
    """cond + (r - 1) (orthogonal + eta parallel),   d = min(1, cap / |cond - un|) (cond - un)

    with parallel = <d, cond> / <cond, cond> cond and orthogonal = d - parallel: adaptive projected guidance without its
    momentum (Sadat et al., arXiv 2410.02416, alg. 1), made for x_0. At eta = 1 without a cap it is plain guidance,
    un + r (cond - un), and at r = 1 cond. It depends on the origin, from which cond is an arrow.
    r: a number or one per sample (B,). cap: above 0, None for none.
    Raises TypeError or ValueError for arguments that do not fit.
    """
    require_one_shape(un=un, cond=cond)
    _require_projection(r, eta, cap)
    return _project(cond - un, cond, scale_for(cond, r), eta, cap)


def _project(d, cond, scale, eta, cap):
    if cap is not None:
        length = _dot(d, d).sqrt()
        d = d * _ratio(torch.full_like(length, cap), length, otherwise=1).clamp(max=1)
    parallel = _ratio(_dot(d, cond), _dot(cond, cond), otherwise=0) * cond
    orthogonal = d - parallel
    return cond + (scale - 1) * (orthogonal + eta * parallel)


def _require_projection(r, eta, cap):
    require_finite_scale(r)
    require_number("eta", eta)
    if cap is not None:
        require_number("cap", cap, above=0)


def zero_star(un: Tensor, cond: Tensor, r: float | Tensor) -> Tensor:
    """s un + r (cond - s un),   s = <cond, un> / <un, un>

    (CFG-Zero*, Fan et al., arXiv 2503.18886, without its zeroed first steps), made for the velocity of flow matching:
    s un is as near to cond as a multiple of un can be. Where cond = un it is un, and at r = 1 cond; where cond - un is
    orthogonal to un, s = 1 and it is plain guidance. Raises TypeError or ValueError for arguments that do not fit.
    """
    require_one_shape(un=un, cond=cond)
    require_finite_scale(r)
    s = _ratio(_dot(cond, un), _dot(un, un), otherwise=1)
    return torch.lerp(s * un, cond, scale_for(cond, r))


# ---------------------------------------------------------------- scales


def _cfgpp_scale(table, t):
    exact = torch.float64 if t.device.type != "mps" else torch.float32  # mps has no float64
    r = table.to(device=t.device, dtype=exact)[t]
    if torch.isnan(r).any():
        raise ValueError(f"t must be one of the times from which cfgpp_scale's steps start, got {t.unique().tolist()}")
    return r


def cfgpp_scale(lam: float, schedule: Schedule, steps: int | Sequence[int]) -> Callable[[Tensor], Tensor]:
    """r(t) = lam sigma_t / (sigma_t - sigma_s),   sigma = sqrt((1 - a) / a), s the time after t in the list of `steps`

    CFG++ (Chung et al., arXiv 2406.08070) finds x_0 with the scale lam and renoises it with the unconditional
    eps. Under DDIM (eta = 0) that is plain guidance with this r(t): sample(ddim_step, guided(pair, cfgpp_scale(lam,
    schedule, steps)), schedule, x, y, steps). The finer the steps, the larger r; in the last step, to s = 0, it is lam.
    steps: as in `sample`, and the same. r(t) raises ValueError for a time that is not one of them.
    """
    require_number("lam", lam)
    sigma = ((1 - schedule.alpha_bar) / schedule.alpha_bar).sqrt()
    table = torch.full_like(sigma, torch.nan)
    for t, s in pairwise(times(schedule, steps)):
        table[t] = lam * sigma[t] / (sigma[t] - sigma[s])
    return partial(_cfgpp_scale, table)


# ---------------------------------------------------------------- wrappers


def _into(space, schedule, x, t, eps):
    """The prediction eps, written in another space."""
    return eps if space == "eps" else getattr(schedule, space)(x, t, eps)


def _out_of(space, schedule, x, t, value):
    """eps, of a prediction written in `space`."""
    if space == "eps":
        return value
    if space == "x0":
        return schedule.eps(x, t, value)
    return schedule.signal(t, x) * value + schedule.noise_level(t, x) * x  # as from_v


def _rescaled(pair, r, schedule, phi, space, x, t, y):
    eps_un, eps_cond = as_pair(pair(x, t, y), x)
    eps = torch.lerp(eps_un, eps_cond, scale_for(eps_cond, r, t))
    u, u_cond = (_into(space, schedule, x, t, part) for part in (eps, eps_cond))
    return _out_of(space, schedule, x, t, rescale(u, u_cond, phi))


def rescaled(pair: Pair, r: Scale, schedule: Schedule, phi: float = 0.7, space: str = "v") -> Denoiser:
    """Guidance with the contrast of the conditional prediction: u = rescale(u_un + r (u_cond - u_un), u_cond, phi)

    in the space u that is named, "v", "x0" or "eps" (Lin et al., arXiv 2305.08891, sec. 3.4, whose networks predict v).
    At phi = 0 it is guided(pair, r). r as in `guided`. Raises TypeError or ValueError for arguments that do not fit.
    """
    require_finite_scale(r)
    require_share("phi", phi)
    require_choice("space", space, SPACES)
    return wrapped(_rescaled, pair, r, schedule, phi, space)


class _Momentum:
    """The running difference D of every row: D = d + momentum D_before, D_before from the row's last, higher time.

    A row whose time has risen belongs to a new sampling and starts from 0, and so do all where the batch has another
    shape. The same time asked again gives the same answer.
    """

    def __init__(self, momentum: float):
        self.momentum, self.t, self.before, self.running = momentum, None, None, None

    def __call__(self, d: Tensor, t: Tensor) -> Tensor:
        if self.running is None or self.running.shape != d.shape:
            self.t, self.before, self.running = t, torch.zeros_like(d), torch.zeros_like(d)
        fell, rose = (_per_sample(mask, d) for mask in (t < self.t, t > self.t))
        self.before = torch.where(fell, self.running.to(d), self.before.to(d)).masked_fill(rose, 0)
        running = d + self.momentum * self.before
        self.t, self.running = t, running.detach()
        return running


def _projected(pair, r, schedule, eta, cap, remembered, x, t, y):
    eps_un, eps_cond = as_pair(pair(x, t, y), x)
    un, cond = schedule.x0(x, t, eps_un), schedule.x0(x, t, eps_cond)
    return schedule.eps(x, t, _project(remembered(cond - un, t), cond, scale_for(cond, r, t), eta, cap))


def projected(
    pair: Pair,
    r: Scale,
    schedule: Schedule,
    eta: float = 0.0,
    cap: float | None = None,
    momentum: float = 0.0,
) -> Denoiser:
    """x_0 = cond + (r - 1) (orthogonal + eta parallel),   un and cond the two predicted x_0, parts as in `project`

    of the running difference D = cond - un + momentum D_before, shortened to `cap`: adaptive projected guidance
    (Sadat et al., arXiv 2410.02416, alg. 1). With eta = 1, no cap and momentum 0 it is guided(pair, r), and at r = 1
    the conditional prediction. r as in `guided`; cap above 0 or None; momentum in (-1, 1), below 0 in the paper.

    With momentum it remembers, for each row, from one time to the next lower one, and forgets where a row's time rises
    or the batch changes its shape, as at the start of a new sampling. Two samplings that take turns need one each, and
    so does one that starts below the time at which the last one ended.
    Raises TypeError or ValueError for arguments that do not fit.
    """
    _require_projection(r, eta, cap)
    require_between("momentum", (momentum,), -1, 1)
    return wrapped(_projected, pair, r, schedule, eta, cap, _Momentum(float(momentum)))


def _dynamic_threshold(model, schedule, q, x, t, y):
    eps = model(x, t, y)
    require_same_shape("the model's prediction", eps, x)
    x0 = schedule.x0(x, t, eps)
    s = _per_sample(x0.flatten(1).abs().quantile(q, dim=1), x0).clamp(min=1)
    return schedule.eps(x, t, x0.clamp(-s, s) / s)


def dynamic_threshold(model: Denoiser, schedule: Schedule, q: float = 0.995) -> Denoiser:
    """x_0 = clip(x_0, -s, s) / s,   s = max(1, the q-quantile of |x_0| over the numbers of one sample)

    with the eps that belongs to this x_0 (Saharia et al., arXiv 2205.11487, sec. 2.3). Where no number of x_0 lies
    outside [-1, 1] nothing changes; q = 0, where the smallest |x_0| lies inside, is clip_x0(model, schedule, -1, 1).
    For data in [-1, 1] alone. Raises ValueError unless 0 <= q <= 1.
    """
    require_share("q", q)
    return wrapped(_dynamic_threshold, model, schedule, float(q))


def _magnitude_aware(pair, r, alpha, x, t, y):
    eps_un, eps_cond = as_pair(pair(x, t, y), x)
    d = eps_cond - eps_un
    size, scale = _dot(d, d).sqrt(), _dot(eps_un, eps_un).sqrt().clamp(min=torch.finfo(d.dtype).tiny)
    r_of_x = 1 + (scale_for(d, r, t) - 1) * torch.exp(-alpha * size / scale)
    return torch.lerp(eps_un, eps_cond, r_of_x)


def magnitude_aware(pair: Pair, r: Scale, alpha: float) -> Denoiser:
    """eps = eps_un + r(x) (eps_cond - eps_un),   r(x) = 1 + (r - 1) exp(-alpha |eps_cond - eps_un| / |eps_un|)

    (MAMBO-G, Zhu et al., arXiv 2508.03442): a scale for each sample, smaller where the two predictions are far apart.
    At alpha = 0 it is guided(pair, r), and at r = 1 the conditional prediction. r as in `guided`.
    Raises TypeError or ValueError unless alpha is a finite number of 0 or more.
    """
    require_finite_scale(r)
    require_number("alpha", alpha, least=0)
    return wrapped(_magnitude_aware, pair, r, float(alpha))
