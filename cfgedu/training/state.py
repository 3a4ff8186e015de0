"""The state of a training run: all that has to survive an interruption, in one safetensors file."""

import math
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from cfgedu.checkpoints import describe, prefixed, read, under, write
from cfgedu.training.signals import uninterrupted


class State:
    """Weights, their average, buffers, the optimizer, the generator and the losses, all of the same step.

    `settings` (batch, lr, ema) and `about`, JSON-able facts of the recipe, are what a file must share with the run to
    be resumed; a file or a run without `about` fits any.
    """

    def __init__(self, model: nn.Module, generator: torch.Generator, settings: dict, about: dict | None = None):
        self.model, self.generator, self.settings, self.about = model, generator, settings, about
        self.weights = [p for p in model.parameters() if p.requires_grad]
        number = {p: i for i, p in enumerate(self.weights)}
        named = list(model.named_parameters(remove_duplicate=False))  # tied weights have several names
        self.number = {name: number[p] for name, p in named if p.requires_grad}
        self.frozen = sorted(name for name, p in named if not p.requires_grad)
        self.stored = set(model.state_dict())  # without tables such as the time embedding's, which do not change
        self.optimizer = torch.optim.AdamW(self.weights, fused=True)
        self.losses: list = []  # a float a step, or a list of them where many networks are trained side by side
        self.segments: list[dict] = []  # of the learning rate: "legs" in the file
        self.seconds, self.timed, self.clock = 0.0, 0, time.perf_counter()  # `seconds` is the time of `timed` steps
        self.average = [p.detach().clone() for p in self.weights]
        self.keep()

    @property
    def done(self) -> int:
        """How many steps were taken."""
        return len(self.losses)

    def keep(self) -> None:
        """Hold on to what the step to come changes before it is complete: the generator and the buffers."""
        self.random = self.generator.get_state()
        buffers = self.model.named_buffers(remove_duplicate=False)
        self.buffers = {name: buffer.clone() for name, buffer in buffers if name in self.stored}

    def begin(self, steps: int, cool_down: int) -> None:
        """Note that from here on the rate is that of `steps` and `cool_down`; a prolonged run has several segments."""
        segment = {"steps": steps, "cool_down": cool_down}
        if not self.segments or self.segments[-1] | segment != self.segments[-1]:
            self.segments.append({"after": self.done, **segment})

    def update(self, loss: Tensor, lr: float) -> None:
        """One step of AdamW at the rate lr, then average <- d average + (1 - d) weights, d = min(ema, n / (n + 9)).

        Until n is large the average forgets faster, or the first, untrained weights would outweigh a short run.
        """
        n = self.done + 1
        decay = min(self.settings["ema"], n / (n + 9))
        with uninterrupted():  # the parts of the state change together or not at all
            self.optimizer.param_groups[0]["lr"] = lr
            self.optimizer.step()
            get_ema_multi_avg_fn(decay)(self.average, self.weights, None)
            self.losses.append(loss.tolist())
            self.keep()
            now = time.perf_counter()
            self.seconds, self.timed, self.clock = self.seconds + now - self.clock, self.timed + 1, now

    def raw_state(self) -> dict[str, Tensor]:
        """The model's state after the last complete step."""
        return self.model.state_dict() | self.buffers

    def averaged_state(self) -> dict[str, Tensor]:
        """The same with the averaged weights in place of the raw ones; buffers and frozen weights have no average."""
        return self.raw_state() | {name: self.average[i] for name, i in self.number.items()}

    def save(self, path: Path) -> None:
        tensors = {
            **prefixed("model", self.averaged_state()),
            **prefixed("raw", self.raw_state()),
            "generator": self.random,
            "losses": torch.tensor(self.losses, dtype=torch.float64, device="cpu"),
        }
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= prefixed(f"optimizer.{i}", state)
        metadata = {**describe(self.model), "settings": self.settings, "about": self.about, "frozen": self.frozen}
        progress = {"step": self.done, "legs": self.segments, "seconds": self.seconds, "timed": self.timed}
        write(path, tensors, metadata | progress)

    def load(self, path: Path, steps: int) -> None:
        """Raises ValueError, with nothing changed, for a file of another model or another run."""
        tensors, metadata = read(path)
        if "raw" not in {name.split(".")[0] for name in tensors}:
            raise ValueError(f"{path} cannot be resumed: it holds a finished network, not the state of a run")
        raw = under("raw", tensors)
        self.compare(path, metadata, raw)
        if metadata["step"] > steps:
            raise ValueError(f"steps must be at least the {metadata['step']} that {path} has done, got {steps}")
        self.load_weights(under("model", tensors))
        self.model.load_state_dict(raw)
        state = {}
        for name, tensor in under("optimizer", tensors).items():
            i, key = name.split(".")
            if tensor.ndim:  # a moment must lie in memory as its weights do: the fused step walks both as raw memory
                tensor = torch.empty_like(self.weights[int(i)]).copy_(tensor)
            state.setdefault(int(i), {})[key] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.generator.set_state(tensors["generator"])
        self.losses, self.segments = tensors["losses"].tolist(), metadata.get("legs", [])
        self.seconds, self.timed = metadata.get("seconds", 0.0), metadata.get("timed", 0)
        self.clock = time.perf_counter()
        self.keep()

    def resume_from_weights(self, path: Path, steps: int, cool_down: int) -> None:
        """Go on from the finished network in `path`, where that is all that is left of its run.

        Weights and average both begin at the averaged weights. AdamW begins anew, the generator at a seed made from the
        file's sum, and the losses of the steps before are unknown (nan): the run goes on, but not bit for bit as if it
        had not ended. Its segment says so. Raises as `load`, and where there are no further steps to take.
        """
        tensors, metadata = read(path)
        weights = under("model", tensors)
        found = {name: {key: metadata.get(key) for key in getattr(self, name) or {}} for name in ("settings", "about")}
        self.compare(path, metadata | found, weights)
        if metadata["steps"] >= steps:
            raise ValueError(f"steps must be more than the {metadata['steps']} that {path} has done, got {steps}")
        self.load_weights(weights)
        self.generator.manual_seed(int(metadata["sha256"][:15], 16))
        self.losses, self.segments = [math.nan] * metadata["steps"], metadata.get("legs", [])
        self.seconds, self.timed = metadata["seconds"], metadata["timed_steps"]
        self.keep()
        self.begin(steps, cool_down)
        self.segments[-1]["optimizer"] = "new"

    def load_weights(self, averaged: dict[str, Tensor]) -> None:
        """Into the model, and into the average."""
        self.model.load_state_dict(averaged)
        self.average = [p.detach().clone() for p in self.weights]

    def compare(self, path: Path, metadata: dict, weights: dict[str, Tensor]) -> None:
        """Raises ValueError where the file is of another model or another run than this."""
        expected = {**describe(self.model), "settings": self.settings, "frozen": self.frozen}
        metadata = {"frozen": [], **metadata}  # older files do not say it
        if self.about is not None and metadata.get("about") is not None:
            expected["about"] = self.about
        different = [key for key in expected if metadata.get(key) != expected[key]]
        if different:
            told = "; ".join(f"{key} {metadata.get(key)} there, {expected[key]} here" for key in different)
            raise ValueError(f"{path} cannot be resumed, it is of another model or run: {told}")
        shapes = {name: tuple(t.shape) for name, t in weights.items()}
        if shapes != {name: tuple(t.shape) for name, t in self.model.state_dict().items()}:
            raise ValueError(f"{path} cannot be resumed, its weights are those of another model: {shapes}")
