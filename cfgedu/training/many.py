"""Many small networks of one architecture, trained side by side in one loop.

A small network leaves a processor waiting: most of a step goes into calling operations, little into arithmetic. A stack
holds M networks in tensors with one more dimension, weights (M, ...), and `torch.func.vmap` runs all forwards as one.
The networks share nothing else: each has its own rows of the batch, its own loss and its own clipped gradient, and ends
where `train` would have brought it with the same rows.

    losses = train_stack(nets, loss, mixture.sample, 3000, batch=256, generator=g)      # (3000, M)
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from cfgedu.edges import shape
from cfgedu.training.arguments import require_length, require_loss, require_settings
from cfgedu.training.run import CLIP, Data, Run

RowLoss = Callable[[nn.Module, Tensor, Tensor, torch.Generator], Tensor]


class Caller(nn.Module):
    """A network whose methods are called through `functional_call`, which itself knows `forward` alone."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, method: str, *inputs: Tensor):
        return getattr(self.model, method)(*inputs)


class Stack(nn.Module):
    """M networks as one function of M B rows, of which the first B belong to the first network, and so on.

    To the functions of the course it looks like one network with a large batch; `pair` is for stacks of twins.
    Its weights are copies, (M, ...) each; `stacked` writes them back.
    """

    def __init__(self, models: Sequence[nn.Module]):
        super().__init__()
        first = models[0]  # lends its code and its buffers, which are tables and alike in all
        weights, _ = stack_module_state(list(models))
        self.M, self.names, self.K = len(models), list(weights), getattr(first, "K", None)
        self.weights = nn.ParameterList(nn.Parameter(w, requires_grad=w.requires_grad) for w in weights.values())
        caller = Caller(first)

        def one(method, weights, *inputs):
            own = {f"model.{name}": weight for name, weight in zip(self.names, weights)}
            return functional_call(caller, own, (method, *inputs))

        self.each = {method: vmap(partial(one, method)) for method in ("forward", "pair")}

    def call(self, method: str, *inputs: Tensor):
        parted = [rows.reshape(self.M, -1, *rows.shape[1:]) for rows in inputs]  # (M B, ...) -> (M, B, ...)
        return self.each[method](tuple(self.weights), *parted)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.call("forward", *inputs).flatten(0, 1)  # (M, B, ...) -> (M B, ...)

    def pair(self, x: Tensor, t: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """(eps_un, eps_cond), (M B, *D) each, of networks that have a `pair`."""
        eps_un, eps_cond = self.call("pair", x, t, y)
        return eps_un.flatten(0, 1), eps_cond.flatten(0, 1)


@contextmanager
def stacked(models: Sequence[nn.Module]) -> Iterator[Stack]:
    """The models as a Stack; on every way out of the block each gets its own weights back."""
    stack = Stack(models)
    try:
        yield stack
    finally:
        with torch.no_grad():
            for m, model in enumerate(models):
                own = dict(model.named_parameters())
                for name, weight in zip(stack.names, stack.weights):
                    own[name].copy_(weight[m])


def train_stack(
    models: Sequence[nn.Module],
    loss: RowLoss,
    data: Data,
    steps: int,
    *,
    batch: int = 128,
    lr: float = 3e-3,
    ema: float = 0.999,
    generator: torch.Generator,
) -> Tensor:
    """Train M networks of one architecture in place, all at once; returns the loss of every step (steps, M).

    Each step draws M B rows, B = `batch`: the first B are the first network's. `data(M B, generator)` gives (x0, y),
    and `loss(stack, x0, y, generator)` the loss of each row, not averaged: a tensor (M B,) or (M B, ...). It calls
    `stack` (or `stack.pair`) like one network, with all rows; what differs from network to network is a tensor with an
    entry for each row, such as `torch.tensor(p_drop).repeat_interleave(B)`. So the eps loss is

        (stack(x_t, t, y) - eps).square()

    A network's loss is the mean over its rows, as in `train`, and so are its optimizer, learning rate and clipping.
    Afterwards each network holds the moving average of its weights, also when the run is interrupted or fails.

    Raises TypeError or ValueError for arguments, data or losses that do not fit, Diverged (a RuntimeError) when the
    loss or the gradient of one network is no longer finite.
    """
    settings, length = require_settings(batch, lr, ema, generator), require_length(steps)
    require_models(models)
    M, batch, title = len(models), settings["batch"], f"training {len(models)} networks"
    with stacked(models) as stack, Run(stack, generator, settings, **length, title=title) as run:
        for _ in run.steps():
            x0, y = run.draw(data, M * batch)
            run.optimizer.zero_grad()
            rows = loss(stack, x0, y, generator)
            require_loss(rows, M * batch)
            values = rows.reshape(M, -1).mean(1)  # (M B, ...) -> (M,)
            values.sum().backward()  # no network has a part in another's loss: each gets its own gradient
            norms = clip_norms(run.weights, CLIP)
            run.step(values, norms)
    return run.history()


def clip_norms(weights: Sequence[Tensor], largest: float) -> Tensor:
    """Scale each network's gradient down to a norm of `largest` at most; returns the norms before (M,).

    `torch.nn.utils.clip_grad_norm_` for a stack: over all networks together it would let one slow the others down.
    """
    gradients = [w.grad for w in weights if w.grad is not None]
    norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
    factor = (largest / (norms + 1e-6)).clamp(max=1.0)
    for g in gradients:
        g.mul_(factor.reshape(-1, *[1] * (g.ndim - 1)))
    return norms


def require_models(models) -> None:
    """Different networks that differ in nothing but the numbers in their weights."""
    if not models or not all(isinstance(model, nn.Module) for model in models):
        names = ", ".join(type(model).__name__ for model in models) or "none"
        raise TypeError(f"models must be networks, at least one, got {names}")
    if len({id(model) for model in models}) < len(models):
        raise ValueError(f"models must be different networks, got {len(models)} of which some are one and the same")
    first = models[0]
    for m, model in enumerate(models):
        if (type(model), model.training, shapes(model)) != (type(first), first.training, shapes(first)):
            raise ValueError(f"models must be of one class, size and mode, got another in network {m} than in 0")
        if not all(torch.equal(a, b) for a, b in zip(first.buffers(), model.buffers())):
            raise ValueError(f"models must have the same buffers, got others in network {m} than in 0")


def shapes(model: nn.Module) -> dict[str, str]:
    return {name: shape(value) for name, value in [*model.named_parameters(), *model.named_buffers()]}
