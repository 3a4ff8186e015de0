"""Every check of an argument at an edge of the course: require_...(name, value), one sentence for each mistake.

A sentence names the argument, what came and what was expected. What passes is returned where the caller needs it in
another form. The formulas of the method stand elsewhere, free of checks. Whether a learner's answer is right is another
matter: see `checks`.
"""

import math
from collections.abc import Iterable
from contextlib import contextmanager
from itertools import pairwise
from numbers import Integral, Real

import torch
from torch import Tensor

from cfgedu.protocol import NULL


@contextmanager
def reading_values():
    """Around a check of numbers in a tensor, which `torch.func.vmap` forbids: says what to do instead."""
    try:
        yield
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        raise RuntimeError(
            "torch.func.vmap cannot run the checks of values that are made here. There is no need for it: pass the "
            "whole batch in one call, for every function of the course takes rows, and guided() one r for each row; a "
            "gradient for each row is torch.autograd.grad(f(x).sum(), x)"
        ) from error


# ---------------------------------------------------------------- what a value is


def shape(value) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__


def kind(value) -> str:
    return str(value.dtype) if isinstance(value, Tensor) else type(value).__name__


def span(value: Tensor) -> str:
    return f"values from {value.min():.3g} to {value.max():.3g}"


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


# ---------------------------------------------------------------- numbers


def require_count(name: str, value, least: int = 1, most: int | None = None, most_name: str = "") -> int:
    """An int in least..most."""
    if not is_integer(value) or value < least or (most is not None and value > most):
        limit = f"{most_name} = {most}" if most_name else most
        wanted = f"of {least} or more" if most is None else f"in {least}..{limit}"
        raise ValueError(f"{name} must be an int {wanted}, got {value!r}")
    return int(value)


def require_sizes(**sizes) -> None:
    """The sizes of a network: ints of 1 or more, an even width."""
    for name, value in sizes.items():
        require_count(name, value)
    if sizes.get("width", 2) % 2:
        raise ValueError(f"width must be even (half sines, half cosines), got {sizes['width']}")


def require_between(name: str, values: tuple, low: float, high: float) -> None:
    """Numbers strictly between low and high."""
    if not all(is_number(value) and low < value < high for value in values):
        wanted = f"above {low}" if high == math.inf else f"strictly between {low} and {high}"
        verb = "lie" if high < math.inf else "be"
        raise ValueError(f"{name} must {verb} {wanted}, got {' and '.join(map(repr, values))}")


def require_interval(lo: float, hi: float) -> None:
    if not lo < hi:  # also where one of them is NaN
        raise ValueError(f"lo must be below hi, got lo = {lo!r}, hi = {hi!r}")


def require_eta(eta: float) -> None:
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie in [0, 1], got {eta!r}")


def require_drop(p_drop) -> None:
    if not is_number(p_drop) or not 0 <= p_drop <= 1:
        raise ValueError(f"p_drop must be a probability in [0, 1], got {p_drop!r}")


def require_choice(name: str, value, choices: Iterable[str]) -> None:
    *others, last = (f'"{choice}"' for choice in choices)
    if f'"{value}"' not in (*others, last) or not isinstance(value, str):
        raise ValueError(f"{name} must be {', '.join(others)} or {last}, got {value!r}")


# ---------------------------------------------------------------- the scale r


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


def scale_for(eps: Tensor, r) -> float | Tensor:
    """r as a float, or as a tensor (B,1,..,1) on eps's device and in its dtype, to multiply eps (B,*D)."""
    require_scale(r)
    if not isinstance(r, Tensor):
        return float(r)
    if r.ndim == 1 and len(r) not in (1, len(eps)):
        raise ValueError(f"r must be one number or one per row, shape ({len(eps)},), got {shape(r)}")
    return r.to(eps).reshape(-1, *[1] * (eps.ndim - 1))


# ---------------------------------------------------------------- data, labels, predictions


def require_data(name: str, x, rows: int = 0) -> None:
    """A floating-point tensor (B, ...) of finite numbers, with `rows` rows or more."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError(f"{name} must be a floating-point tensor, got {kind(x)}")
    if x.ndim < 2:
        raise ValueError(f"{name} must have shape (B, *D) with at least one data dimension, got {shape(x)}")
    require_finite(name, x)
    if len(x) < rows:
        raise ValueError(f"{name} must have at least one row for a mean to exist, got shape {shape(x)}")


def require_finite(name: str, x: Tensor, why: str = "") -> None:
    with reading_values():
        if not torch.isfinite(x).all():
            bad = int((~torch.isfinite(x)).sum())
            raise ValueError(f"{name} must be finite, got {bad} NaN or infinite of {x.numel()} numbers{why}")


def require_columns(name: str, x: Tensor, D: int) -> None:
    if x.ndim != 2 or x.shape[1] != D:
        raise ValueError(f"{name} must have shape (B, {D}), got {shape(x)}")


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


def as_pair(prediction) -> tuple[Tensor, Tensor]:
    """The two predictions of a Pair, (eps_un, eps_cond); a single one means that a Denoiser came in its place."""
    if not isinstance(prediction, tuple | list) or len(prediction) != 2:
        got = shape(prediction)
        raise TypeError(f"pair must return (eps_un, eps_cond), got {got}; null_pair(model) makes a Pair of a Denoiser")
    return prediction


# ---------------------------------------------------------------- times and tables


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
    a = a if isinstance(a, Tensor) else torch.as_tensor(a, dtype=torch.float64, device="cpu")
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
