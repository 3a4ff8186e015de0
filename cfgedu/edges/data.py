"""The checks of what a sampler, a loss or a wrapper is given: a scale, data, labels, predictions."""

import math

import torch
from torch import Tensor

from cfgedu.edges.values import is_number, kind, reading_values, shape
from cfgedu.protocol import NULL


def require_scale(r) -> None:
    """A real number, or a real tensor () or (B,)."""
    if is_number(r):
        return
    if not isinstance(r, Tensor):
        got = f"{type(r).__name__} {r!r}"
        raise TypeError(f"r must be a number, a (B,) tensor or a function of t that returns one, got {got}")
    if r.ndim != 1 or r.dtype == torch.bool or r.is_complex():
        raise ValueError(f"r as a tensor must hold real numbers, shape () or (B,), got {r.dtype} of shape {shape(r)}")


def require_finite_scale(r) -> None:
    """As `require_scale`, and no NaN or infinity. A function of t passes: its values are looked at in each call."""
    if callable(r):
        return
    require_scale(r)
    with reading_values():
        finite = torch.isfinite(r).all() if isinstance(r, Tensor) else math.isfinite(r)
        if not finite:
            raise ValueError(f"r must be finite, got {r!r}")


def require_interval_of_times(r, low, high) -> None:
    """A finite scale, number or tensor, for low < t <= high, which may be no time at all."""
    require_scale(r)
    require_finite_scale(r)
    if not is_number(low) or not is_number(high):
        raise TypeError(f"low and high must be numbers, got low = {low!r}, high = {high!r}")


def scale_for(eps: Tensor, r, t: Tensor | None = None) -> float | Tensor:
    """r, or r(t), as a float or as a tensor (B,1,..,1) on eps's device and in its dtype, to multiply eps (B,*D)."""
    r = r(t) if callable(r) else r
    require_scale(r)
    if not isinstance(r, Tensor):
        return float(r)
    if r.ndim == 1 and len(r) not in (1, len(eps)):
        raise ValueError(f"r must be one number or one per row, shape ({len(eps)},), got {shape(r)}")
    return r.to(eps).reshape(-1, *[1] * (eps.ndim - 1))


def require_data(name: str, x, some: bool = False) -> None:
    """A floating-point tensor (B, ...) of finite numbers; some: it has a row at least."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError(f"{name} must be a floating-point tensor, got {kind(x)}")
    if x.ndim < 2:
        raise ValueError(f"{name} must have shape (B, *D) with at least one data dimension, got {shape(x)}")
    require_finite(name, x)
    if some and not len(x):
        raise ValueError(f"{name} must have at least one row, got shape {shape(x)}")


def require_finite(name: str, x: Tensor, why: str = "") -> None:
    with reading_values():
        if not torch.isfinite(x).all():
            bad = int((~torch.isfinite(x)).sum())
            raise ValueError(f"{name} must be finite, got {bad} NaN or infinite of {x.numel()} numbers{why}")


def require_columns(name: str, x: Tensor, D: int) -> None:
    if x.ndim != 2 or x.shape[1] != D:
        raise ValueError(f"{name} must have shape (B, {D}), got {shape(x)}")


def require_one_point(name: str, x, D: int) -> None:
    if not isinstance(x, Tensor) or x.shape != (1, D):
        raise ValueError(f"{name} must be one point, shape (1, {D}), got {shape(x)}")


def require_dtype(name: str, x: Tensor, weight: Tensor) -> None:
    """The dtype of a network's weights; under autocast torch converts by itself."""
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        raise TypeError(
            f"{name} must have the dtype of the network's weights, {weight.dtype}, got {x.dtype}: convert one of them, "
            f"as in {name}.to({weight.dtype}) or net.to({x.dtype})"
        )


def require_integers(name: str, value) -> None:
    """Labels and times are int64, or int32; smaller types cannot index a table, and unsigned ones cannot hold NULL."""
    if not isinstance(value, Tensor) or value.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"{name} must be a tensor of integers, torch.int64, got {kind(value)}")


def require_labels(name: str, y, batch: int, K: int | None = None) -> None:
    """Integers (B,) in {NULL, 0..K-1}; K is None where the number of classes is not known."""
    require_integers(name, y)
    if y.shape != (batch,):
        raise ValueError(f"{name} must have one label per row, shape ({batch},), got {shape(y)}")
    if batch == 0:
        return
    with reading_values():
        low, high = int(y.min()), int(y.max())
    if low < NULL or (K is not None and high >= K):
        upper = "K - 1" if K is None else K - 1
        raise ValueError(f"{name} must hold labels 0..{upper}, or NULL = {NULL} for no label, got {low} to {high}")


def require_classes(name: str, y, batch: int, K: int | None = None) -> None:
    """Labels (B,) without NULL."""
    require_labels(name, y, batch, K)
    if (y == NULL).any():
        raise ValueError(f"{name} must hold a class for every sample here, got {int((y == NULL).sum())} NULL labels")


def require_same_shape(name: str, value: Tensor, expected: Tensor) -> None:
    """A prediction has the shape of the data, or broadcasting would hide the mistake."""
    if isinstance(value, tuple):
        raise TypeError(f"{name} must be one tensor, got a tuple; guided(pair, r) makes a Denoiser of a Pair")
    if not isinstance(value, Tensor) or value.shape != expected.shape:
        raise ValueError(f"{name} must have the shape of x, {shape(expected)}; got {shape(value)}")


def require_one_shape(**predictions) -> None:
    """Two predictions (B,*D) that a rule combines: floating-point tensors of one shape."""
    names, values = " and ".join(predictions), list(predictions.values())
    if not all(isinstance(value, Tensor) and value.is_floating_point() for value in values):
        raise TypeError(f"{names} must be floating-point tensors, got {' and '.join(map(kind, values))}")
    if len({value.shape for value in values}) > 1 or values[0].ndim < 2:
        raise ValueError(f"{names} must have one shape (B, *D), got {' and '.join(map(shape, values))}")


def as_pair(prediction, x: Tensor) -> tuple[Tensor, Tensor]:
    """The two predictions of a Pair at x, (eps_un, eps_cond), of x's shape and in the finer of their dtypes.

    A single prediction means that a Denoiser came in its place.
    """
    if not isinstance(prediction, tuple | list) or len(prediction) != 2:
        got = shape(prediction)
        raise TypeError(f"pair must return (eps_un, eps_cond), got {got}; null_pair(model) makes a Pair of a Denoiser")
    eps_un, eps_cond = prediction
    require_same_shape("the pair's unconditional prediction", eps_un, x)
    require_same_shape("the pair's conditional prediction", eps_cond, x)
    if eps_un.dtype == eps_cond.dtype:  # nearly always
        return eps_un, eps_cond
    dtype = torch.promote_types(eps_un.dtype, eps_cond.dtype)
    return eps_un.to(dtype), eps_cond.to(dtype)


def require_rows(name: str, value, batch: int) -> None:
    """One real number for each row, shape (B,)."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        raise TypeError(f"{name} must return a floating-point tensor, got {kind(value)}")
    if value.shape != (batch,):
        raise ValueError(f"{name} must return one number per row, shape ({batch},), got {shape(value)}")


def require_gradient(name: str, value: Tensor) -> None:
    if not value.requires_grad:
        raise ValueError(f"{name} must depend on x and be differentiable in it, got a tensor without a gradient")


def require_log_probabilities(name: str, value: Tensor) -> None:
    """Logarithms of probabilities: at most 0, up to rounding, and no NaN."""
    if not (value <= 1e-3).all():
        raise ValueError(f"{name} must return logarithms of probabilities, at most 0, got up to {value.max():.3g}")


def require_one_class(name: str, y: Tensor) -> None:
    if len(y.unique()) > 1:
        raise ValueError(f"{name} must hold one label in all rows, which are one population, got {y.unique().tolist()}")
