"""What a value is, and the checks of plain numbers."""

import math
from collections.abc import Iterable
from contextlib import contextmanager
from functools import partial
from numbers import Integral, Real

import torch
from torch import Tensor


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
            "gradient with respect to each row is torch.autograd.grad(f(x).sum(), x)"
        ) from error


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


def in_words(model) -> str:
    """A Denoiser or Pair in words: MLP, or guided(null_pair(MLP), 2)."""
    if not isinstance(model, partial):
        return getattr(model, "__name__", type(model).__name__)
    parts = [
        in_words(part) if callable(part) else f"{part:g}" for part in model.args if callable(part) or is_number(part)
    ]
    return f"{in_words(model.func).strip('_')}({', '.join(parts)})"


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
    if not is_number(lo) or not is_number(hi) or not lo < hi:  # also where one of them is NaN
        raise ValueError(f"lo must be below hi, got lo = {lo!r}, hi = {hi!r}")


def require_eta(eta: float) -> None:
    if not is_number(eta) or not 0 <= eta <= 1:
        raise ValueError(f"eta must lie in [0, 1], got {eta!r}")


def require_drop(p_drop) -> None:
    if not is_number(p_drop) or not 0 <= p_drop <= 1:
        raise ValueError(f"p_drop must be a probability in [0, 1], got {p_drop!r}")


def require_positive_share(name: str, value) -> None:
    if not is_number(value) or not 0 < value <= 1:
        raise ValueError(f"{name} must be a share in (0, 1], got {value!r}")


def require_one_number(name: str, value) -> None:
    """A finite number, and no tensor with one for each row."""
    if not is_number(value):
        raise TypeError(f"{name} must be one number here, got {type(value).__name__} {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")


def require_tilt(r) -> None:
    """The r of a tilted density that rejection can draw: p(c given x)^(r-1) is a probability."""
    require_one_number("r", r)
    if r < 1:
        raise ValueError(f"r must be 1 or more, so that p(c given x)^(r-1) is a probability, got {r!r}")


def require_choice(name: str, value, choices: Iterable[str]) -> None:
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        *others, last = (f'"{choice}"' for choice in choices)
        raise ValueError(f"{name} must be {', '.join(others)} or {last}, got {value!r}")


def require_number(name: str, value, least: float = -math.inf, above: float = -math.inf) -> None:
    """A finite real number, of `least` or more, or above `above`."""
    if not is_number(value) or not math.isfinite(value) or value < least or value <= above:
        limit = f" of {least} or more" if least > -math.inf else f" above {above}" if above > -math.inf else ""
        raise ValueError(f"{name} must be a finite number{limit}, got {value!r}")


def require_share(name: str, value) -> None:
    if not is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1], got {value!r}")
