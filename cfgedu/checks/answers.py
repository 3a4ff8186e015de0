"""Answers as numbers: read in float64 whatever they came as, compared, and how a wrong one differs from a right."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from cfgedu.checks.said import mistaken, shortened
from cfgedu.language import phrase, translated

Numbers = tuple[Tensor, ...]  # one tensor, or several where the parts of an answer have different shapes

DEEPEST = 8  # lists in lists that are looked into


class Unfit(Exception):
    """What is wrong with an answer before its numbers can be looked at: the sentence for the learner."""


def unanswered(got, depth: int = 0) -> bool:
    """None or ..., alone or somewhere in lists."""
    inside = got if isinstance(got, list | tuple) and depth <= DEEPEST else ()
    return got is None or got is ... or any(unanswered(part, depth + 1) for part in inside)


def numbers(value, depth: int = 0) -> Numbers:
    """The value as float64 tensors on the CPU: one, or several where its parts have different shapes."""
    if isinstance(value, list | tuple):
        if depth > DEEPEST:
            asked = "a number or an array is asked for, got lists in lists in lists, {got}"
            raise Unfit(phrase(asked, got=shortened(value)))
        parts = [numbers(part, depth + 1) for part in value]
        flat = [part for several in parts for part in several]
        if len(flat) == len(parts) and len({part.shape for part in flat}) <= 1:
            return (torch.stack(flat) if flat else torch.zeros(0, dtype=torch.float64, device="cpu"),)
        return tuple(flat)
    try:
        if isinstance(value, str | bytes) or callable(value):
            raise TypeError
        if not isinstance(value, Tensor):
            value = torch.from_numpy(np.array(value, dtype=None if np.iscomplexobj(value) else np.float64))
        if not value.is_complex():
            return (value.detach().to("cpu", torch.float64).to_dense(),)
    except Exception:  # a learner's own class may fail in any way
        asked = "a number or an array is asked for, got a {kind}, {got}"
        raise Unfit(phrase(asked, kind=type(value).__name__, got=shortened(value))) from None
    raise Unfit(phrase("the answer is complex: look for the root of a negative number"))


def agree(got: Numbers, expected: Numbers, atol: float) -> bool:
    """Of one shape, and close at every number; infinite and undefined numbers agree with themselves.

    One number is one number, also in a list.
    """
    return len(got) == len(expected) and all(
        (a.shape == b.shape or (b.ndim == 0 and a.numel() == 1))
        and bool(torch.isclose(a, b, rtol=atol, atol=atol, equal_nan=True).all())
        for a, b in zip(got, expected)
    )


def is_truth(value) -> bool:
    return isinstance(value, bool | np.bool_) or (isinstance(value, Tensor) and value.dtype == torch.bool)


def difference(got, expected, atol: float, truths: bool = False, hidden: bool = False) -> str:
    """What a wrong answer that is no known mistake has in common with the right one."""
    if len(got) != len(expected):
        if len(expected) == 1:
            return phrase("One value is asked for, got {count}.", count=len(got))
        return phrase("{asked} values are asked for, got {count}.", asked=len(expected), count=len(got))
    for a, b in zip(got, expected):
        if a.shape != b.shape and not a.numel() == b.numel() == 1:
            if a.ndim == b.ndim == 1:
                return phrase(
                    "The shapes differ: {asked} numbers are asked for, got {count}.", asked=len(b), count=len(a)
                )
            if b.ndim and a.shape[1:] == b.shape and len(a) > 1 and agree((a[-1],), (b,), atol):
                return phrase("That is the whole trajectory: the answer is its end, the last one.")
            shapes = {"expected": tuple(b.shape), "got": tuple(a.shape)}
            return phrase("The shapes differ: expected {expected}, got {got}.", **shapes)
    a, b = (torch.cat([part.flatten() for part in parts]) for parts in (got, expected))
    if not torch.isfinite(a).all():
        return phrase("The answer holds NaN or infinite numbers: look for a division by zero or the log of zero.")
    if truths and a.numel() > 1:
        return phrase("{count} of {all} differ.", count=int((a != b).sum()), all=a.numel())
    if agree((-a,), (b,), atol):
        return mistaken("the sign is the wrong way round")
    if a.numel() == 1:
        if truths:
            return phrase("That is not it.")
        return phrase("The number is too large.") if a.item() > b.item() else phrase("The number is too small.")
    if hidden:
        off = int((~torch.isclose(a, b, rtol=atol, atol=atol)).sum())
        if off == 1:
            return phrase("1 of {all} numbers is not right.", all=a.numel())
        return phrase("{count} of {all} numbers are not right.", count=off, all=a.numel())
    return phrase("The largest difference is {difference:.3g}.", difference=float((a - b).abs().max()))


def factor_in_words(pairs: list[tuple], atol: float) -> str:
    """Right up to a constant factor: said of arrays alone, and only if it is one and the same at every input tried."""
    factors = set()
    for got, expected in pairs:
        if [part.shape for part in got] != [part.shape for part in expected]:
            return ""
        a, b = (torch.cat([part.flatten() for part in parts]) for parts in (got, expected))
        factor = float((a * b).sum() / b.square().sum().clamp_min(1e-300))
        if a.numel() < 2 or not b.any() or abs(factor) in (0, 1) or not agree((a / factor,), (b,), max(atol, 1e-9)):
            return ""
        factors.add(f"{factor:.4g}")
    [factor] = factors if len(factors) == 1 else [""]
    if factor in ("", "1", "-1"):
        return ""
    return phrase("The answer is right up to a constant factor of {factor}.", factor=factor)


def shown(got: Mapping[str, Numbers], expected: Mapping[str, Numbers], place: str, truths: bool = False) -> str:
    where = f"{translated(place)}: " if place else ""
    values = {"expected": described(expected[place], truths), "got": described(got[place], truths)}
    return where + phrase("expected {expected}; got {got}", **values)


def described(value: Numbers, truths: bool = False) -> str:
    """A truth value or a number as it is, a tensor by its shape and first entries."""
    if len(value) != 1:
        values = ", ".join(described((part,), truths) for part in value[:4])
        return phrase("{count} values, {values}", count=len(value), values=values)
    [value] = value
    if value.ndim == 0:
        return str(bool(value)) if truths else f"{float(value):.6g}"
    head = ", ".join(f"{v:.4g}" for v in value.flatten()[:4].tolist())
    return f"{tuple(value.shape)} [{head}{', ...' if value.numel() > 4 else ''}]"
