"""The checks of what a schedule and a mixture are made of: tables, times, signal levels, components."""

from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor

from cfgedu.edges.values import is_integer, is_number, kind, reading_values, shape, span
from cfgedu.protocol import CPU64


def require_table(name: str, a) -> Tensor:
    """A table of signal levels as float64 on the CPU: a[0] = 1, then strictly decreasing, above 0."""
    if not isinstance(a, Tensor) or not a.is_floating_point():
        raise TypeError(f"{name} must be a floating-point tensor, got {kind(a)}")
    if a.ndim != 1 or len(a) < 2:
        raise ValueError(f"{name} must have shape (T+1,) with T of 1 or more, got {shape(a)}")
    a = a.detach().to("cpu").to(torch.float64, copy=True)
    if not torch.isfinite(a).all() or a[-1] <= 0:
        raise ValueError(f"{name} must be finite and above 0, got {span(a)}")
    if a[0] != 1:
        raise ValueError(f"{name}[0] must be 1 (t = 0 is clean data), got {a[0]:.6g}")
    rises = torch.nonzero(a.diff() >= 0).flatten()
    if len(rises):
        t = int(rises[0])
        got = f"{name}[{t}] = {a[t]:.6g}, {name}[{t + 1}] = {a[t + 1]:.6g}"
        raise ValueError(f"{name} must strictly decrease, got {got}")
    return a


def require_times(name: str, given, T: int) -> list[int]:
    """A list of times, strictly decreasing from T or below to 0."""
    if is_number(given) or not isinstance(given, Iterable):
        raise TypeError(f"{name} must be an int or a list of times, got {given!r}")
    given = list(given)
    if not all(is_integer(t) for t in given):
        raise TypeError(f"{name} as a list must hold integer times, got {given!r}")
    found = [int(t) for t in given]
    if len(found) < 2 or found[-1] != 0 or any(t <= s for t, s in pairwise(found)):
        raise ValueError(f"{name} as a list must strictly decrease and end in 0, got {found!r}")
    if found[0] > T:
        raise ValueError(f"{name} must start at T = {T} or below, got {found[0]}")
    return found


def require_level(name: str, a, batch: int) -> Tensor:
    """A signal level in (0, 1], one number or one per row: (1,1) or (B,1), a number in float64."""
    a = a if isinstance(a, Tensor) else torch.as_tensor(a, **CPU64)
    a = a.reshape(-1, 1)
    if len(a) not in (1, batch):
        raise ValueError(f"{name} must be one number or one per row of x, shape ({batch},), got {len(a)} numbers")
    with reading_values():
        if not ((a > 0) & (a <= 1)).all():
            raise ValueError(f"{name} must be a signal level in (0, 1], got {span(a)}")
    return a


def require_mixture(mean, std, weight, label) -> None:
    """mean (J,D), std (J,) > 0, weight (J,) summing to 1, label (J,) integers in which each of 0..K-1 occurs."""
    parts = {"mean": mean, "std": std, "weight": weight, "label": label}
    for name, value in parts.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a tensor, got {kind(value)}")
    if mean.ndim != 2 or not mean.numel() or not mean.is_floating_point():
        raise ValueError(f"mean must be floating-point of shape (J, D), got {mean.dtype} of shape {shape(mean)}")
    J = len(mean)
    for name in ("std", "weight", "label"):
        if parts[name].shape != (J,):
            got = shape(parts[name])
            raise ValueError(f"{name} must have one entry per component, shape ({J},), got {got}")
    if not torch.isfinite(mean).all():
        raise ValueError(f"mean must be finite, got {span(mean)}")
    if not (torch.isfinite(std) & (std > 0)).all():
        raise ValueError(f"std must be finite and above 0, got {span(std)}")
    total = weight.cpu().double().sum()
    if not (weight >= 0).all() or abs(total - 1) > 1e-6:
        got = f"a smallest weight of {weight.min():.3g} and a sum of {total:.8g}"
        raise ValueError(f"weight must be non-negative and sum to 1 within 1e-6, got {got}")
    if label.is_floating_point() or sorted(set(label.tolist())) != list(range(int(label.max()) + 1)):
        raise ValueError(f"label must hold integers in which each of 0..K-1 occurs, got {label.tolist()}")
    prior = [float(weight[label == k].sum()) for k in range(int(label.max()) + 1)]
    if not all(p > 0 for p in prior):
        raise ValueError(f"weight must give every class a probability above 0, got {prior}")
