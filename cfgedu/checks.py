"""What a learner meets: `check` looks at their answer, `claim` states what a cell has shown.

A check says what was expected, what came, and the likely mistake. It prints, it never raises; but it never hides the
answer's error either: an exception inside the learner's own function is shown as Python shows it. A claim is the
course's own: it prints a tick with its numbers, and raises where it is false.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


def check(name: str, got, expected, *, atol: float = 1e-6, mistakes: Mapping[str, object] | None = None) -> None:
    """Prints one line: passed; or expected, got and, where `got` equals a known wrong answer, the mistake behind it.

    got, expected: numbers, tensors or nested lists; equal where shapes agree and
    |got - expected| <= atol (1 + |expected|).
    mistakes: {"what you probably did": the wrong value it gives}. None or ... for `got` means: not answered yet.
    """
    if unanswered(got):
        print(f"· {name}: no answer yet (your function returned None, or the value is still None or ...)")
        return
    try:
        value = as_tensor(got)
    except (TypeError, ValueError, RuntimeError):  # torch raises the last for a dict or a function
        wanted = describe(expected)
        print(f"✗ {name}: expected {wanted}; got a {type(got).__name__}, {got!r}, which is not a number or a tensor")
        return
    if agree(value, as_tensor(expected), atol):
        print(f"✓ {name}")
        return
    print(f"✗ {name}: expected {describe(expected)}; got {describe(got)}")
    print(f"  {diagnose(value, as_tensor(expected), atol, mistakes or {})}")


def claim(sentence: str, truth, **numbers) -> None:
    """Prints "✓ sentence (name 0.31, other name 12)"; raises AssertionError with the same words where `truth` is false.

    truth: a truth value of Python, NumPy or torch. numbers: what it was found from, underscores in their names shown as
    blanks; floats are printed to three digits, texts as they are. Raises TypeError for a truth that is none.

        claim("at r = 0 the label plays no part", abs(share - 0.1) < 0.03, share_of_the_class_asked_for=share)
    """
    if not isinstance(truth, bool | np.bool_) and not (
        isinstance(truth, Tensor) and truth.dtype == torch.bool and truth.ndim == 0
    ):
        raise TypeError(f"truth must be one truth value, such as a < b, got {type(truth).__name__} {truth!r}")
    told = ", ".join(f"{name.replace('_', ' ')} {number_in_words(value)}" for name, value in numbers.items())
    told = f"{sentence} ({told})" if told else sentence
    if not truth:
        raise AssertionError(f"✗ {told}")
    print(f"✓ {told}")


def number_in_words(value) -> str:
    """A text or a whole number as it is, another number to three digits, several numbers one after the other."""
    if isinstance(value, Tensor | np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return ", ".join(map(number_in_words, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def unanswered(got) -> bool:
    return got is None or got is ... or (isinstance(got, list | tuple) and any(unanswered(part) for part in got))


def as_tensor(value) -> Tensor:
    return torch.as_tensor(value).detach().to("cpu", torch.float64)


def agree(got: Tensor, expected: Tensor, atol: float) -> bool:
    return got.shape == expected.shape and bool(((got - expected).abs() <= atol * (1 + expected.abs())).all())


def diagnose(got: Tensor, expected: Tensor, atol: float, mistakes: Mapping[str, object]) -> str:
    for mistake, wrong in mistakes.items():
        if agree(got, as_tensor(wrong), atol):
            return f"Likely mistake: {mistake}."
    if got.shape != expected.shape:
        return f"The shapes differ: expected {tuple(expected.shape)}, got {tuple(got.shape)}."
    if not torch.isfinite(got).all():
        return "The answer holds NaN or infinite numbers: look for a division by zero or the log of zero."
    if agree(-got, expected, atol):
        return "Likely mistake: the sign is the wrong way round."
    factor = float((got * expected).sum() / expected.square().sum().clamp_min(1e-300))
    if factor != 0 and agree(got / factor, expected, atol):
        return f"The answer is right up to a constant factor of {factor:.4g}."
    return f"The largest difference is {float((got - expected).abs().max()):.3g}."


def describe(value) -> str:
    """A truth value or a number as it is, a tensor by its shape and first entries."""
    truth, value = torch.as_tensor(value).dtype == torch.bool, as_tensor(value)
    if value.ndim == 0:
        return str(bool(value)) if truth else f"{float(value):.6g}"
    head = ", ".join(f"{v:.4g}" for v in value.flatten()[:4].tolist())
    return f"{tuple(value.shape)} [{head}{', ...' if value.numel() > 4 else ''}]"
