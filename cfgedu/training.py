"""One training loop for every network of the course: AdamW, an average of the weights, a progress bar, resume.

    losses = train(net, lambda m, x0, y, g: eps_loss(m, schedule, x0, y, 0.1, g), mixture.sample, 4000, generator=g)

The loop knows neither diffusion nor guidance: `loss(model, x0, y, generator)` gives a scalar, `data(n, generator)`
gives (x0, y). All randomness comes from `generator`.
"""

import math
import signal
import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm import tqdm

from cfgedu.checkpoints import (
    checkpoint_path,
    describe,
    load_checkpoint,
    load_or_train,
    prefixed,
    read,
    save_checkpoint,
    under,
    write,
)
from cfgedu.protocol import check_data, check_labels

__all__ = ["batches", "load_checkpoint", "load_or_train", "save_checkpoint", "train"]

WARM_UP = 100  # steps
CLIP = 1.0  # largest norm of the gradient

Data = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]
Loss = Callable[[nn.Module, Tensor, Tensor, torch.Generator], Tensor]


def batches(x: Tensor, y: Tensor) -> Data:
    """A data set x (N,*D), y (N,) as a data function: each call draws n rows with replacement.

    Raises TypeError or ValueError where x is not finite or y does not fit.
    """
    check_data("x", x)
    check_labels("y", y, len(x))
    if not len(x):
        raise ValueError("x must hold at least one row, got none")

    def data(n, generator):
        i = torch.randint(len(x), (n,), generator=generator, device=generator.device).to(x.device)
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
) -> Tensor:
    """Train `model` in place for `steps` steps in all; returns the loss of every step (steps,).

    AdamW with the gradient's norm clipped to 1 and the rate lr * min(n / 100, sqrt(100 / n)) at step n: it rises for
    100 steps, then falls slowly and without regard to `steps`, so that a run can be extended. Each batch is moved to
    the model's device.

    Afterwards `model` holds the exponential moving average of its weights over the steps (decay `ema`, less at the
    start), ready to sample from; it stays in the train or eval mode it was in. That is so too when the run is
    interrupted or fails.

    checkpoint: a file (or a name in data/) that gets the whole state every `every` steps, at the end and on Ctrl-C;
    `load_checkpoint` reads the averaged weights out of it. resume=True goes on from it: on the CPU, 100 steps and then
    100 more are bit for bit the same as 200, and the losses returned are those of all 200.

    Raises TypeError or ValueError for arguments or data that do not fit, FileNotFoundError or ValueError for a
    checkpoint that cannot be resumed, RuntimeError when the loss or its gradient is no longer finite; the file then
    stays as it was.
    """
    check_arguments(steps, batch, lr, ema, generator, checkpoint, resume, every)
    device = next(model.parameters()).device
    run = Run(model, generator, {"batch": batch, "lr": lr, "ema": ema})
    path = None if checkpoint is None else checkpoint_path(checkpoint)
    if resume:
        run.load(path, steps)
    bar = tqdm(total=steps, initial=run.step, desc="training", unit="step")
    try:
        while run.step < steps:
            x0, y = data(batch, generator)
            check_batch(x0, y, batch, getattr(model, "K", None))
            run.optimizer.zero_grad()
            value = loss(model, x0.to(device), y.to(device), generator)
            if not isinstance(value, Tensor) or value.ndim:
                raise ValueError(f"loss must return a scalar tensor, got {getattr(value, 'shape', value)!r}")
            value.backward()
            norm = nn.utils.clip_grad_norm_(run.weights, CLIP)
            if not math.isfinite(value.item()) or not math.isfinite(norm.item()):
                raise RuntimeError(
                    f"step {run.step + 1} gave a loss of {value.item():.6g} with a gradient of norm {norm.item():.6g}: "
                    f"training stopped; the model holds the averaged weights of the {run.step} good steps before it"
                )
            run.update(value)
            if path and run.step % every == 0 and run.step < steps:
                run.save(path)
            if run.step % 20 == 0 or run.step == steps:
                bar.set_postfix_str(f"loss {run.losses[-1]:.4f}", refresh=False)
            bar.update()
        if path:
            run.save(path)
    except KeyboardInterrupt:
        if path:
            run.save(path)
        raise
    finally:
        bar.close()
        run.optimizer.zero_grad()
        model.load_state_dict(run.averaged_state())
    return torch.tensor(run.losses)


class Run:
    """What has to survive an interruption: weights, their average, the optimizer, the generator, the losses so far."""

    def __init__(self, model: nn.Module, generator: torch.Generator, settings: dict):
        self.model, self.generator, self.settings = model, generator, settings
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.average = [p.detach().clone() for p in self.weights]
        self.optimizer = torch.optim.AdamW(self.weights, fused=True)
        self.losses: list[float] = []
        self.random = generator.get_state()

    @property
    def step(self) -> int:
        return len(self.losses)

    def update(self, value: Tensor) -> None:
        """One step of AdamW, then average <- d average + (1 - d) weights with d = min(ema, n / (n + 9)).

        Until n is large the average forgets faster, or the first, untrained weights would outweigh a short run.
        """
        n = self.step + 1
        decay = min(self.settings["ema"], n / (n + 9))
        with uninterrupted():  # the parts of the state change together or not at all
            self.optimizer.param_groups[0]["lr"] = self.settings["lr"] * min(n / WARM_UP, math.sqrt(WARM_UP / n))
            self.optimizer.step()
            get_ema_multi_avg_fn(decay)(self.average, self.weights, None)
            self.losses.append(value.item())
            self.random = self.generator.get_state()

    def averaged_state(self) -> dict[str, Tensor]:
        """The model's state with the averaged weights in place of the raw ones."""
        names = [name for name, p in self.model.named_parameters() if p.requires_grad]
        return {**self.model.state_dict(), **dict(zip(names, self.average))}

    def save(self, path: Path) -> None:
        tensors = {
            **prefixed("model", self.averaged_state()),
            **prefixed("raw", self.model.state_dict()),
            "generator": self.random,
            "losses": torch.tensor(self.losses, dtype=torch.float64),
        }
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= prefixed(f"optimizer.{i}", state)
        write(path, tensors, {**describe(self.model), "settings": self.settings, "step": self.step})

    def load(self, path: Path, steps: int) -> None:
        """Raises ValueError, with nothing changed, for a file of another model or another run."""
        tensors, metadata = read(path)
        if "raw" not in {name.split(".")[0] for name in tensors}:
            raise ValueError(f"{path} cannot be resumed: it holds a finished network, not the state of a run")
        expected = {**describe(self.model), "settings": self.settings}
        different = [key for key in expected if metadata.get(key) != expected[key]]
        if different:
            told = "; ".join(f"{key} {metadata.get(key)} there, {expected[key]} here" for key in different)
            raise ValueError(f"{path} cannot be resumed, it is of another model or run: {told}")
        raw = under("raw", tensors)
        shapes = {name: tuple(t.shape) for name, t in raw.items()}
        if shapes != {name: tuple(t.shape) for name, t in self.model.state_dict().items()}:
            raise ValueError(f"{path} cannot be resumed, its weights are those of another model: {shapes}")
        if metadata["step"] > steps:
            raise ValueError(f"steps must be at least the {metadata['step']} that {path} has done, got {steps}")
        self.model.load_state_dict(under("model", tensors))
        self.average = [p.detach().clone() for p in self.weights]
        self.model.load_state_dict(raw)
        state = {int(i): {} for i in {name.split(".")[0] for name in under("optimizer", tensors)}}
        for name, tensor in under("optimizer", tensors).items():
            i, key = name.split(".")
            state[int(i)][key] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.generator.set_state(tensors["generator"])
        self.random = tensors["generator"]
        self.losses = tensors["losses"].tolist()


@contextmanager
def uninterrupted():
    """Ctrl-C waits until the block is done. (Signals reach the main thread only: elsewhere there is nothing to do.)"""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending = []
    previous = signal.signal(signal.SIGINT, lambda *_: pending.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if pending:
        raise KeyboardInterrupt


def check_arguments(steps, batch, lr, ema, generator, checkpoint, resume, every) -> None:
    for name, value in (("steps", steps), ("batch", batch), ("every", every)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be an int of 1 or more, got {value!r}")
    if isinstance(lr, bool) or not isinstance(lr, int | float) or not 0 < lr < math.inf:
        raise ValueError(f"lr must be a number above 0, got {lr!r}")
    if isinstance(ema, bool) or not isinstance(ema, int | float) or not 0 <= ema < 1:
        raise ValueError(f"ema must be a decay in [0, 1), got {ema!r}")
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {type(generator).__name__}")
    if resume and checkpoint is None:
        raise ValueError("resume=True needs a checkpoint to go on from, got checkpoint=None")


def check_batch(x0, y, batch: int, K: int | None) -> None:
    check_data("x0 from data", x0)
    if len(x0) != batch:
        raise ValueError(f"x0 from data must have the {batch} rows asked for, got {len(x0)}")
    check_labels("y from data", y, batch, K)
