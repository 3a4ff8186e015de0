"""A run as a context manager, so that a training loop reads as the few lines that it is:

    with Run(model, generator, settings, steps=4000, path=path) as run:
        for _ in run.steps():
            x0, y = run.draw(data, batch)
            run.optimizer.zero_grad()
            value = loss(model, x0, y, generator)
            value.backward()
            run.step(value, clip_grad_norm_(run.weights, CLIP))

Going in, it looks at the place of its file, keeps other runs away from it, and resumes. It saves as it goes, at the
end, on Ctrl-C, SIGTERM and SIGHUP. On every way out, errors included, the model is left with its averaged weights.
"""

import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from cfgedu.protocol import classes
from cfgedu.training.arguments import require_batch
from cfgedu.training.parallel import own_stream, rank, world
from cfgedu.training.place import require_place, reserved
from cfgedu.training.signals import stopped_like_ctrl_c, uninterrupted
from cfgedu.training.state import State

CLIP = 1.0  # largest norm of the gradient
WARM_UP = 100  # steps

Data = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]


class Diverged(RuntimeError):
    """The loss or its gradient is no longer finite."""


class Run(State):
    """A State that takes `steps` steps in all, and is kept in the file `path`, saved every `every` steps."""

    def __init__(
        self,
        model: nn.Module,
        generator: torch.Generator,
        settings: dict,
        about: dict | None = None,
        *,
        steps: int,
        cool_down: int = 0,
        path: Path | None = None,
        resume: bool = False,
        every: int = 1000,
        title: str = "training",
    ):
        super().__init__(model, generator, settings, about)
        self.total, self.cool_down, self.every = steps, cool_down, every
        self.path, self.resume, self.title = path, resume, title
        self.writes = path is not None and rank() == 0

    def __enter__(self) -> "Run":
        with ExitStack() as ways_out:
            if self.writes:
                require_place("checkpoint", self.path)
                ways_out.enter_context(reserved(self.path))
                ways_out.enter_context(stopped_like_ctrl_c())
            if self.resume:
                self.load(self.path, self.total)
            self.begin(self.total, self.cool_down)
            own_stream(self.generator, self.done)
            bar = Bar(total=self.total, initial=self.done, desc=self.title, unit="step", disable=rank() > 0)
            self.bar = ways_out.enter_context(bar)
            ways_out.callback(self.leave_averaged)
            self.ways_out = ways_out.pop_all()
        return self

    def __exit__(self, kind, *_) -> None:
        with self.ways_out:
            if self.writes and (kind is None or issubclass(kind, KeyboardInterrupt)):
                with uninterrupted():  # an impatient second Ctrl-C
                    self.save(self.path)

    def leave_averaged(self) -> None:
        with uninterrupted():
            self.optimizer.zero_grad()
            self.model.load_state_dict(self.averaged_state())

    def steps(self) -> range:
        """The numbers of the steps that are still to be taken, the first of a run being 1."""
        return range(self.done + 1, self.total + 1)

    def draw(self, data: Data, rows: int) -> tuple[Tensor, Tensor]:
        """A batch (x0, y) from `data`, checked, on the model's device."""
        x0, y = data(rows, self.generator)
        require_batch(x0, y, rows, classes(self.model))
        self.bar.rows, self.bar.kind = rows * world(), "images" if x0.ndim == 4 else "points"
        device = self.weights[0].device
        return x0.to(device), y.to(device)

    def step(self, loss: Tensor, norm: Tensor) -> None:
        """Take the step that loss.backward() has prepared; `norm` is that of the gradient before it was clipped.

        Both are scalars, or hold one number for each of many networks. Raises Diverged where one is not finite.
        """
        n = self.done + 1
        require_finite_step(n, loss, norm)
        self.update(loss, learning_rate(n, self.settings["lr"], self.total, self.cool_down))
        if n % 20 == 0 or n == self.total:
            low, high = (value.item() for value in loss.detach().aminmax())
            told = f"losses {low:.4f} to {high:.4f}" if loss.ndim else f"loss {low:.4f}"
            self.bar.set_postfix_str(told, refresh=False)
        self.bar.update()
        if self.writes and n % self.every == 0 and n < self.total:
            self.save(self.path)

    def history(self) -> Tensor:
        """The loss of every step (steps,), or (steps, M) for M networks."""
        return torch.tensor(self.losses, device="cpu")


def require_finite_step(n: int, loss: Tensor, norm: Tensor) -> None:
    bad = ~(torch.isfinite(loss) & torch.isfinite(norm))
    if bad.any():
        m = int(bad.flatten().nonzero()[0])
        whose = f"network {m} " if loss.ndim else ""
        values = f"a loss of {loss.flatten()[m].item():.6g} with a gradient of norm {norm.flatten()[m].item():.6g}"
        raise Diverged(
            f"step {n} gave {whose}{values}: training stopped; the averaged weights are those of the {n - 1} good "
            "steps before it"
        )


def learning_rate(n: int, lr: float, steps: int, cool_down: int = 0) -> float:
    """Of step n in 1..steps: lr * min(n / 100, sqrt(100 / n)), times a straight line to 0 over the last `cool_down`."""
    return lr * min(n / WARM_UP, math.sqrt(WARM_UP / n)) * min(1, (steps - n + 1) / (cool_down + 1))


class Bar(tqdm):
    """A progress bar over steps that shows images a second beside steps a second."""

    rows, kind = 0, "images"
    shape = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {pace}{postfix}]"

    def __init__(self, **kwargs):
        super().__init__(bar_format=self.shape, **kwargs)

    @property
    def format_dict(self) -> dict:
        known = super().format_dict
        rate = known["rate"] or (self.n - self.initial) / max(known["elapsed"], 1e-9)
        return {**known, "pace": f"{rate:.2f}step/s {rate * self.rows:.0f} {self.kind}/s"}
