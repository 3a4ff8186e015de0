"""One training loop for every network of the course; what is around it stands in `run`.

    losses = train(net, lambda m, x0, y, g: eps_loss(m, schedule, x0, y, 0.1, g), mixture.sample, 4000, generator=g)

The loop knows neither diffusion nor guidance: `loss(model, x0, y, generator)` gives a scalar, `data(n, generator)`
gives (x0, y). All randomness comes from `generator`.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from cfgedu.checkpoints import checkpoint_path
from cfgedu.edges import require_count, require_data, require_labels
from cfgedu.protocol import drawn
from cfgedu.training.arguments import require_facts, require_length, require_loss, require_network, require_settings
from cfgedu.training.parallel import shared
from cfgedu.training.run import CLIP, Data, Run

Loss = Callable[[nn.Module, Tensor, Tensor, torch.Generator], Tensor]


def batches(x: Tensor, y: Tensor) -> Data:
    """A data set x (N,*D), y (N,) as a data function: each call draws n rows with replacement.

    Raises TypeError or ValueError where x is not finite or y does not fit.
    """
    require_data("x", x, some=True)
    require_labels("y", y, len(x))

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

    checkpoint: a file (or a name in data/) that gets the whole state every `every` steps, at the end and on Ctrl-C,
    SIGTERM or SIGHUP; `load_checkpoint` reads the averaged weights out of it. resume=True goes on from it: on the CPU,
    100 steps and then 100 more are bit for bit the same as 200, and the losses returned are those of all 200.

    `about` holds JSON-able facts of the recipe, which a run and the file that it goes on from must share.

    Raises TypeError or ValueError for arguments or data that do not fit, FileNotFoundError or ValueError for a
    checkpoint that cannot be resumed, OSError where it cannot be written or another run writes there, all of that
    before the first step; Diverged (a RuntimeError) when the loss or its gradient is no longer finite: the file then
    stays as it was.
    """
    settings, length = require_settings(batch, lr, ema, generator), require_length(steps, cool_down)
    every = require_count("every", every)
    require_network(model, checkpoint)
    require_facts("about", about)
    if resume and checkpoint is None:
        raise ValueError("resume=True needs a checkpoint to go on from, got checkpoint=None")
    path = None if checkpoint is None else checkpoint_path(checkpoint)
    loss_of_batch = shared(model, loss, generator)  # before the run copies the weights: it makes them those of rank 0
    with Run(model, generator, settings, about, **length, path=path, resume=resume, every=every) as run:
        for _ in run.steps():
            x0, y = run.draw(data, settings["batch"])
            run.optimizer.zero_grad()
            value = loss_of_batch(x0, y)
            require_loss(value)
            value.backward()
            norm = nn.utils.clip_grad_norm_(run.weights, CLIP)
            run.step(value, norm)
    return run.history()
