"""One training loop for every network of the course: AdamW, an average of the weights, a progress bar, resume.

    losses = train(net, lambda m, x0, y, g: eps_loss(m, schedule, x0, y, 0.1, g), mixture.sample, 4000, generator=g)

The loop knows neither diffusion nor guidance: `loss(model, x0, y, generator)` gives a scalar, `data(n, generator)`
gives (x0, y). All randomness comes from `generator`.
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from cfgedu.checkpoints import checkpoint_path
from cfgedu.edges import require_data, require_labels
from cfgedu.protocol import drawn
from cfgedu.training.parallel import own_stream, rank, shared, world
from cfgedu.training.state import Run, learning_rate, uninterrupted

CLIP = 1.0  # largest norm of the gradient

Data = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]
Loss = Callable[[nn.Module, Tensor, Tensor, torch.Generator], Tensor]


class Diverged(RuntimeError):
    """The loss or its gradient is no longer finite."""


def batches(x: Tensor, y: Tensor) -> Data:
    """A data set x (N,*D), y (N,) as a data function: each call draws n rows with replacement.

    Raises TypeError or ValueError where x is not finite or y does not fit.
    """
    require_data("x", x)
    require_labels("y", y, len(x))
    if not len(x):
        raise ValueError("x must hold at least one row, got none")

    def data(n, generator):
        i = drawn(torch.randint, len(x), (n,), like=x, generator=generator)
        return x[i], y[i]

    return data


def train(
    model: nn.Module,
    loss: Loss,
    data: Data,
    steps: int,
    *,
    batch: int = 128,
    lr: float = 3e-3,
    ema: float = 0.999,
    generator: torch.Generator,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    every: int = 1000,
    cool_down: int = 0,
    about: dict | None = None,
) -> Tensor:
    """Train `model` in place for `steps` steps in all; returns the loss of every step (steps,).

    AdamW with the gradient's norm clipped to 1 and the rate lr * min(n / 100, sqrt(100 / n)) at step n: it rises for
    100 steps, then falls slowly and without regard to `steps`, so that a run can be extended. Over the last `cool_down`
    steps it is also multiplied by a straight line down to 0, which takes the noise of single batches out of the
    weights: on MNIST the loss gains more by it than by as many steps at the full rate. Each batch is moved to the
    model's device.

    Afterwards `model` holds the exponential moving average of its weights over the steps (decay `ema`, less at the
    start), ready to sample from; it stays in the train or eval mode it was in. That is so too when the run is
    interrupted or fails.

    checkpoint: a file (or a name in data/) that gets the whole state every `every` steps, at the end and on Ctrl-C;
    `load_checkpoint` reads the averaged weights out of it. resume=True goes on from it: on the CPU, 100 steps and then
    100 more are bit for bit the same as 200, and the losses returned are those of all 200.

    Raises TypeError or ValueError for arguments or data that do not fit, FileNotFoundError or ValueError for a
    checkpoint that cannot be resumed, Diverged (a RuntimeError) when the loss or its gradient is no longer finite; the
    file then stays as it was.
    """
    require_arguments(steps, batch, lr, ema, generator, checkpoint, resume, every, cool_down)
    device = next(model.parameters()).device
    loss_of_batch = shared(model, loss, generator)  # before the run copies the weights: it makes them those of rank 0
    run = Run(model, generator, {"batch": batch, "lr": lr, "ema": ema}, about)
    path = None if checkpoint is None else checkpoint_path(checkpoint)
    if resume:
        run.load(path, steps)
    run.begin(steps, cool_down)
    own_stream(generator, run.step)
    path = path if rank() == 0 else None
    bar = Bar(total=steps, initial=run.step, desc="training", unit="step", disable=rank() > 0)
    try:
        while run.step < steps:
            x0, y = data(batch, generator)
            require_batch(x0, y, batch, getattr(model, "K", None))
            run.optimizer.zero_grad()
            value = loss_of_batch(x0.to(device), y.to(device))
            if not isinstance(value, Tensor) or value.ndim:
                raise ValueError(f"loss must return a scalar tensor, got {getattr(value, 'shape', value)!r}")
            value.backward()
            norm = nn.utils.clip_grad_norm_(run.weights, CLIP)
            if not math.isfinite(value.item()) or not math.isfinite(norm.item()):
                raise Diverged(
                    f"step {run.step + 1} gave a loss of {value.item():.6g} with a gradient of norm {norm.item():.6g}: "
                    f"training stopped; the model holds the averaged weights of the {run.step} good steps before it"
                )
            run.update(value, learning_rate(run.step + 1, lr, steps, cool_down))
            if path and run.step % every == 0 and run.step < steps:
                run.save(path)
            if run.step % 20 == 0 or run.step == steps:
                bar.set_postfix_str(f"loss {run.losses[-1]:.4f}", refresh=False)
            bar.update_with(x0)
        if path:
            run.save(path)
    except KeyboardInterrupt:
        if path:
            with uninterrupted():  # an impatient second Ctrl-C
                run.save(path)
        raise
    finally:
        bar.close()
        run.optimizer.zero_grad()
        model.load_state_dict(run.averaged_state())
    return torch.tensor(run.losses)


class Bar(tqdm):
    """A progress bar over steps that shows images a second beside steps a second."""

    rows, kind = 0, "images"
    shape = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {pace}{postfix}]"

    def __init__(self, **kwargs):
        super().__init__(bar_format=self.shape, **kwargs)

    def update_with(self, x0: Tensor) -> None:
        self.rows, self.kind = len(x0) * world(), "images" if x0.ndim == 4 else "points"
        self.update()

    @property
    def format_dict(self) -> dict:
        known = super().format_dict
        rate = known["rate"] or (self.n - self.initial) / max(known["elapsed"], 1e-9)
        return {**known, "pace": f"{rate:.2f}step/s {rate * self.rows:.0f} {self.kind}/s"}


def require_arguments(steps, batch, lr, ema, generator, checkpoint=None, resume=False, every=1, cool_down=0) -> None:
    for name, value in (("steps", steps), ("batch", batch), ("every", every)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be an int of 1 or more, got {value!r}")
    if isinstance(cool_down, bool) or not isinstance(cool_down, int) or not 0 <= cool_down <= steps:
        raise ValueError(f"cool_down must be an int in 0..steps = {steps}, got {cool_down!r}")
    if isinstance(lr, bool) or not isinstance(lr, int | float) or not 0 < lr < math.inf:
        raise ValueError(f"lr must be a number above 0, got {lr!r}")
    if isinstance(ema, bool) or not isinstance(ema, int | float) or not 0 <= ema < 1:
        raise ValueError(f"ema must be a decay in [0, 1), got {ema!r}")
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {type(generator).__name__}")
    if resume and checkpoint is None:
        raise ValueError("resume=True needs a checkpoint to go on from, got checkpoint=None")


def require_batch(x0, y, batch: int, K: int | None) -> None:
    require_data("x0 from data", x0)
    if len(x0) != batch:
        raise ValueError(f"x0 from data must have the {batch} rows asked for, got {len(x0)}")
    require_labels("y from data", y, batch, K)
