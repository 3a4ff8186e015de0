"""What `train` and `train_stack` are given, checked before the first step, and what data and loss return at each."""

import json
import math

import torch
from torch import Tensor, nn

from cfgedu.edges import is_number, require_between, require_count, require_data, require_labels, shape


def require_settings(batch, lr, ema, generator) -> dict:
    """The settings that all steps of a run share, as plain numbers."""
    batch = require_count("batch", batch)
    require_between("lr", (lr,), 0, math.inf)
    if not is_number(ema) or not 0 <= ema < 1:
        raise ValueError(f"ema must be a decay in [0, 1), got {ema!r}")
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {type(generator).__name__}")
    return {"batch": batch, "lr": float(lr), "ema": float(ema)}


def require_length(steps, cool_down=0) -> dict:
    """How long a run is, as plain numbers."""
    steps = require_count("steps", steps)
    return {"steps": steps, "cool_down": require_count("cool_down", cool_down, 0, steps, "steps")}


def require_facts(name: str, about) -> None:
    """Facts that a file can hold: a dict that JSON can write, or None."""
    try:
        json.dumps(about)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold what JSON can write, numbers, texts and lists of them: {error}") from error


def require_network(model, checkpoint) -> None:
    """A network with weights to train, and where a checkpoint is kept one that `load_checkpoint` can give back."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a network, an nn.Module, got {type(model).__name__}")
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError(f"model must have weights to train, got a {type(model).__name__} without any")
    if checkpoint is not None and hasattr(model, "_orig_mod"):
        raise TypeError(
            f"model must be the network itself where a checkpoint is kept, got torch.compile's {type(model).__name__}: "
            "train the network, and call the compiled one, which shares its weights, in the loss"
        )


def require_batch(x0, y, rows: int, K: int | None) -> None:
    require_data("x0 from data", x0)
    if len(x0) != rows:
        raise ValueError(f"x0 from data must have the {rows} rows asked for, got {len(x0)}")
    require_labels("y from data", y, rows, K)


def require_loss(value, rows: int | None = None) -> None:
    """A scalar, or one number or more for each of `rows` rows."""
    if rows is None and (not isinstance(value, Tensor) or value.ndim):
        raise ValueError(f"loss must return a scalar tensor, got {getattr(value, 'shape', value)!r}")
    if rows is not None and (not isinstance(value, Tensor) or value.shape[:1] != (rows,)):
        raise ValueError(f"loss must return one loss a row, shape ({rows}, ...), got {shape(value)}")
