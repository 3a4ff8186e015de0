"""The interface that every part of the course shares, and how random numbers are drawn for it.

Shapes: B batch; *D the data's dimensions, (2,) for points or (C, H, W) for images; K classes.

    Denoiser  (x (B,*D), t (B,) long in 1..T, y (B,) long in {NULL, 0..K-1}) -> eps_hat (B,*D)
    Pair      (x, t, y) -> (eps_un, eps_cond), each (B,*D); equal where y is NULL and one model gives both

A Denoiser may be a network, the exact answer for a known density, or a plain function: samplers, guidance and losses
cannot tell them apart. Values are checked once per call of `sample`, `trajectory`, a loss or `train` (see `edges`),
never inside a network's forward, which stays free of data-dependent branches.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

CPU64 = {"dtype": torch.float64, "device": "cpu"}  # where tables live, whatever torch's default device and dtype are
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


def wrapped(function: Callable, source, *arguments) -> Callable:
    """(x, t, y) -> function(source, *arguments, x, t, y), with the K of the source, where that knows one.

    A partial of a function of a module, where a closure would read as well: it can be pickled, and a deep copy of it
    holds a copy of the network.
    """
    return same_classes(source, partial(function, source, *arguments))


def where_labelled(y: Tensor, eps_cond: Tensor, eps_un: Tensor) -> Tensor:
    """eps_cond, but eps_un in the rows where y is NULL."""
    labelled = (y != NULL).reshape(-1, *[1] * (eps_un.ndim - 1))  # (B,) -> (B,1,..,1)
    return torch.where(labelled, eps_cond, eps_un)


def seeded(seed: int = 0) -> torch.Generator:
    """A generator of its own for one experiment, on the CPU, where the same seed means the same numbers everywhere."""
    return torch.Generator("cpu").manual_seed(seed)


def source_device(like: Tensor, generator: torch.Generator | None) -> torch.device:
    """Where random numbers are drawn: on the generator's device, on that of `like` without one."""
    return like.device if generator is None else generator.device


def drawn(draw: Callable, *arguments, like: Tensor, generator: torch.Generator | None = None, **kwargs) -> Tensor:
    """draw(*arguments) of torch.randn, rand or randint, drawn with `generator` and moved to the device of `like`."""
    device = source_device(like, generator)
    return draw(*arguments, generator=generator, device=device, **kwargs).to(like.device)


def noise_like(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """z ~ N(0, I) of x's shape, dtype and device."""
    if generator is None:  # the same numbers for half the price
        return torch.randn_like(x, memory_format=torch.contiguous_format)
    return drawn(torch.randn, x.shape, like=x, generator=generator, dtype=x.dtype)
