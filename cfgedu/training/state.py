"""The state of a training run: all that has to survive an interruption, in one safetensors file."""

import math
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from cfgedu.checkpoints import describe, prefixed, read, under, write

WARM_UP = 100  # steps


class Run:
    """What has to survive an interruption: weights, their average, the optimizer, the generator, the losses so far.

    `about` holds JSON-able facts of the run that a file must share with it to be resumed, where the file tells them.
    """

    def __init__(self, model: nn.Module, generator: torch.Generator, settings: dict, about: dict | None = None):
        self.model, self.generator, self.settings, self.about = model, generator, settings, about
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.average = [p.detach().clone() for p in self.weights]
        self.optimizer = torch.optim.AdamW(self.weights, fused=True)
        self.losses: list[float] = []
        self.legs: list[dict[str, int]] = []
        self.random = generator.get_state()
        self.seconds, self.timed, self.clock = 0.0, 0, time.perf_counter()  # `seconds` is the time of `timed` steps

    @property
    def step(self) -> int:
        return len(self.losses)

    def begin(self, steps: int, cool_down: int) -> None:
        """Note that from here on the rate is that of `steps` and `cool_down`; a prolonged run has several such legs."""
        leg = {"steps": steps, "cool_down": cool_down}
        if not self.legs or self.legs[-1] | leg != self.legs[-1]:
            self.legs.append({"after": self.step, **leg})

    def update(self, value: Tensor, lr: float) -> None:
        """One step of AdamW at the rate lr, then average <- d average + (1 - d) weights, d = min(ema, n / (n + 9)).

        Until n is large the average forgets faster, or the first, untrained weights would outweigh a short run.
        """
        n = self.step + 1
        decay = min(self.settings["ema"], n / (n + 9))
        with uninterrupted():  # the parts of the state change together or not at all
            self.optimizer.param_groups[0]["lr"] = lr
            self.optimizer.step()
            get_ema_multi_avg_fn(decay)(self.average, self.weights, None)
            self.losses.append(value.item())
            self.random = self.generator.get_state()
            now = time.perf_counter()
            self.seconds, self.timed, self.clock = self.seconds + now - self.clock, self.timed + 1, now

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
        progress = {"step": self.step, "legs": self.legs, "seconds": self.seconds, "timed": self.timed}
        write(path, tensors, {**describe(self.model), "settings": self.settings, "about": self.about, **progress})

    def load(self, path: Path, steps: int) -> None:
        """Raises ValueError, with nothing changed, for a file of another model or another run."""
        tensors, metadata = read(path)
        if "raw" not in {name.split(".")[0] for name in tensors}:
            raise ValueError(f"{path} cannot be resumed: it holds a finished network, not the state of a run")
        raw = under("raw", tensors)
        self.compare(path, metadata, raw)
        if metadata["step"] > steps:
            raise ValueError(f"steps must be at least the {metadata['step']} that {path} has done, got {steps}")
        self.model.load_state_dict(under("model", tensors))
        self.average = [p.detach().clone() for p in self.weights]
        self.model.load_state_dict(raw)
        state = {}
        for name, tensor in under("optimizer", tensors).items():
            i, key = name.split(".")
            if tensor.ndim:  # a moment must lie in memory as its weights do: the fused step walks both as raw memory
                tensor = torch.empty_like(self.weights[int(i)]).copy_(tensor)
            state.setdefault(int(i), {})[key] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.generator.set_state(tensors["generator"])
        self.random = tensors["generator"]
        self.losses, self.legs = tensors["losses"].tolist(), metadata.get("legs", [])
        self.seconds, self.timed = metadata.get("seconds", 0.0), metadata.get("timed", 0)
        self.clock = time.perf_counter()

    def take_up(self, path: Path, steps: int, cool_down: int) -> None:
        """Go on from the finished network in `path`, where that is all that is left of its run.

        Weights and average both begin at the averaged weights. AdamW begins anew, the generator at a seed made from the
        file's sum, and the losses of the steps before are unknown (nan): the run goes on, but not bit for bit as if it
        had not ended. Its leg says so. Raises as `load`, and where there are no further steps to take.
        """
        tensors, metadata = read(path)
        weights = under("model", tensors)
        found = {name: {key: metadata.get(key) for key in getattr(self, name) or {}} for name in ("settings", "about")}
        self.compare(path, metadata | found, weights)
        if metadata["steps"] >= steps:
            raise ValueError(f"steps must be more than the {metadata['steps']} that {path} has done, got {steps}")
        self.model.load_state_dict(weights)
        self.average = [p.detach().clone() for p in self.weights]
        self.generator.manual_seed(int(metadata["sha256"][:15], 16))
        self.random = self.generator.get_state()
        self.losses, self.legs = [math.nan] * metadata["steps"], metadata.get("legs", [])
        self.seconds, self.timed = metadata["seconds"], metadata["timed_steps"]
        self.begin(steps, cool_down)
        self.legs[-1]["optimizer"] = "new"

    def compare(self, path: Path, metadata: dict, weights: dict[str, Tensor]) -> None:
        """Raises ValueError where the file is of another model or another run than this."""
        expected = {**describe(self.model), "settings": self.settings}
        if self.about is not None and metadata.get("about") is not None:
            expected["about"] = self.about
        different = [key for key in expected if metadata.get(key) != expected[key]]
        if different:
            told = "; ".join(f"{key} {metadata.get(key)} there, {expected[key]} here" for key in different)
            raise ValueError(f"{path} cannot be resumed, it is of another model or run: {told}")
        shapes = {name: tuple(t.shape) for name, t in weights.items()}
        if shapes != {name: tuple(t.shape) for name, t in self.model.state_dict().items()}:
            raise ValueError(f"{path} cannot be resumed, its weights are those of another model: {shapes}")


def learning_rate(n: int, lr: float, steps: int, cool_down: int = 0) -> float:
    """Of step n in 1..steps: lr * min(n / 100, sqrt(100 / n)), times a straight line to 0 over the last `cool_down`."""
    return lr * min(n / WARM_UP, math.sqrt(WARM_UP / n)) * min(1, (steps - n + 1) / (cool_down + 1))


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
