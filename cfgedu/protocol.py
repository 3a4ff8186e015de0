"""The interface that every part of the course shares, and the checks made at its edge.

Shapes: B batch; *D the data's dimensions, (2,) for points or (C, H, W) for images; K classes.

    Denoiser  (x (B,*D), t (B,) long in 1..T, y (B,) long in {NULL, 0..K-1}) -> eps_hat (B,*D)
    Pair      (x, t, y) -> (eps_un, eps_cond), each (B,*D); equal where y is NULL and one model gives both

A Denoiser may be a network, the exact answer for a known density, or a plain function: samplers, guidance and losses
cannot tell them apart. Values are checked once per call of `sample`, `trajectory`, a loss or `train`, never inside a
network's forward, which stays free of data-dependent branches.
"""

from collections.abc import Callable
from numbers import Integral, Real

import torch
from torch import Tensor

NULL = -1  # the label that means "no label"; networks embed label y at row y + 1, so NULL is row 0

Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]
Pair = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def classes(model) -> int | None:
    """The number of classes K of a Denoiser or Pair, None where it is not known; a bound method has its network's."""
    return getattr(getattr(model, "__self__", model), "K", None)


def same_classes(source, function):
    """Give `function` the K of the Denoiser or Pair that it wraps, so that labels can be checked at the edge."""
    function.K = classes(source)
    return function


def shape(value) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__


def is_number(value) -> bool:
    """A real number of Python or NumPy, or a tensor of shape (); truth values are not numbers."""
    if isinstance(value, Tensor):
        return value.ndim == 0 and value.dtype != torch.bool and not value.is_complex()
    return isinstance(value, Real) and not isinstance(value, bool)


def is_integer(value) -> bool:
    """An integer of Python or NumPy, or an integer tensor of shape (); truth values are not integers."""
    if isinstance(value, Tensor):
        return is_number(value) and not value.is_floating_point()
    return isinstance(value, Integral) and not isinstance(value, bool)


def where_labelled(y: Tensor, eps_cond: Tensor, eps_un: Tensor) -> Tensor:
    """eps_cond, but eps_un in the rows where y is NULL."""
    labelled = (y != NULL).reshape(-1, *[1] * (eps_un.ndim - 1))  # (B,) -> (B,1,..,1)
    return torch.where(labelled, eps_cond, eps_un)


def check_data(name: str, x) -> None:
    """x must be a floating-point tensor (B, ...) of finite numbers."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        got = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"{name} must be a floating-point tensor, got {got}")
    if x.ndim < 2:
        raise ValueError(f"{name} must have shape (B, *D) with at least one data dimension, got {shape(x)}")
    if not torch.isfinite(x).all():
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(f"{name} must be finite, got {bad} NaN or infinite of {x.numel()} numbers")


def check_integers(name: str, value) -> None:
    """Labels and times are int64, or int32; smaller types cannot index a table, and unsigned ones cannot hold NULL."""
    if not isinstance(value, Tensor) or value.dtype not in (torch.int64, torch.int32):
        got = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} must be a tensor of integers, torch.int64, got {got}")


def check_labels(name: str, y, batch: int, K: int | None = None) -> None:
    """y must be integers (B,) in {NULL, 0..K-1}; K is None where the number of classes is not known."""
    check_integers(name, y)
    if y.shape != (batch,):
        raise ValueError(f"{name} must have one label per row, shape ({batch},), got {shape(y)}")
    if batch == 0:
        return
    low, high = int(y.min()), int(y.max())
    if low < NULL or (K is not None and high >= K):
        upper = "K - 1" if K is None else K - 1
        raise ValueError(f"{name} must hold labels 0..{upper}, or NULL = {NULL} for no label, got {low} to {high}")


def both(prediction) -> tuple[Tensor, Tensor]:
    """The two predictions of a Pair, (eps_un, eps_cond); a single one means that a Denoiser came in its place."""
    if not isinstance(prediction, tuple | list) or len(prediction) != 2:
        got = shape(prediction)
        raise TypeError(f"pair must return (eps_un, eps_cond), got {got}; null_pair(model) makes a Pair of a Denoiser")
    return prediction


def check_same_shape(name: str, value: Tensor, expected: Tensor) -> None:
    """A prediction must have the shape of the data, or broadcasting would hide the mistake."""
    if isinstance(value, tuple):
        raise TypeError(f"{name} must be one tensor, got a tuple; guided(pair, r) makes a Denoiser of a Pair")
    if not isinstance(value, Tensor) or value.shape != expected.shape:
        raise ValueError(f"{name} must have the shape of x, {shape(expected)}; got {shape(value)}")
