"""Checkpoint files: safetensors with the metadata as JSON. Reading one never unpickles; writing one is atomic.

A file holds the network's weights (`model.*`, the averaged ones where training kept an average), the schedule's table
(`alpha_bar`, where there is one), tensors that go with them (`extra.*`), the name and constructor arguments from which
the network is rebuilt, and the sum of all tensors, by which a damaged file is known.
"""

import hashlib
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

import numpy
import safetensors
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from cfgedu import __version__, files
from cfgedu.files import DATA
from cfgedu.models import MLP, Judge, TwinMLP, TwinUNet, UNet
from cfgedu.schedule import Schedule

VERSIONS = {
    "cfgedu": __version__,
    "numpy": numpy.__version__,
    "python": platform.python_version(),
    "safetensors": safetensors.__version__,
    "torch": torch.__version__,
}
CLASSES = {model.__name__: model for model in (MLP, TwinMLP, UNet, TwinUNet, Judge)}


def checkpoint_path(name_or_path: str | Path) -> Path:
    """A bare name such as "mnist-unet" means data/mnist-unet.safetensors of the course; else a path, ~ being home."""
    path = Path(name_or_path)
    is_name = path.name == str(name_or_path) and not path.suffix
    return DATA / f"{path}.safetensors" if is_name else Path(os.path.expanduser(path))


def tensor_sum(tensors: dict[str, Tensor]) -> str:
    """The SHA-256 sum of names, types, shapes and contents; the tensors' order, device and strides change nothing."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        tensor = tensor.detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.flatten().view(torch.uint8).numpy())
    return total.hexdigest()


def write(path: Path, tensors: dict[str, Tensor], metadata: dict) -> None:
    """All or nothing: the file at `path` is the old one or the new one, whenever the program stops.

    The metadata get the entry "sha256", the sum of the tensors. Tensors that share memory, as tied weights do, go into
    the file once for each name.
    """
    tensors = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    metadata = {**metadata, "sha256": tensor_sum(tensors)}
    files.write(path, save(tensors, metadata={"cfgedu": json.dumps(metadata)}))


def read(path: Path) -> tuple[dict[str, Tensor], dict]:
    """(tensors, metadata). Raises FileNotFoundError, or ValueError for a file that is damaged or of another kind."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(f"{path} is truncated or not a safetensors file ({error})") from error
    if "cfgedu" not in metadata:
        raise ValueError(f"{path} is not a checkpoint of this course: it lacks the metadata entry 'cfgedu'")
    metadata = json.loads(metadata["cfgedu"])
    found = tensor_sum(tensors)
    if metadata.get("sha256", found) != found:
        raise ValueError(f"{path} is damaged: its tensors have the sum {found}, not the {metadata['sha256']} it names")
    return tensors, metadata


def describe(model: nn.Module) -> dict:
    """What a checkpoint says of its network: the class's name and the constructor's arguments (None where not kept)."""
    return {"class": type(model).__name__, "config": getattr(model, "config", None)}


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}


def save_checkpoint(
    path: str | Path,
    model: nn.Module,
    schedule: Schedule | None,
    metadata: dict,
    extra: dict[str, Tensor] | None = None,
) -> Path:
    """Write `model` as it is, its schedule (None for a judge) and your own JSON-able metadata; returns the path.

    After `train` the model holds its averaged weights, so that is what the file holds. A bare name goes to data/.
    `extra` are further tensors to keep with it, such as the moments of a judge's features over real images.
    Raises TypeError for a network that `load_checkpoint` could not rebuild, ValueError for a schedule of another T.
    """
    if type(model).__name__ not in CLASSES:
        raise TypeError(f"model must be one of {', '.join(CLASSES)}, got {type(model).__name__}")
    if schedule is not None and getattr(model, "T", schedule.T) != schedule.T:
        raise ValueError(f"schedule must have the model's T = {model.T}, got T = {schedule.T}")
    tensors = prefixed("model", model.state_dict())
    if schedule is not None:
        tensors["alpha_bar"] = schedule.alpha_bar
    path = checkpoint_path(path)
    write(path, tensors | prefixed("extra", extra or {}), {"versions": VERSIONS, **metadata, **describe(model)})
    return path


def load_checkpoint(name_or_path: str | Path, device="cpu") -> tuple[nn.Module, Schedule | None, dict]:
    """(model, schedule, metadata) of a checkpoint: the averaged weights, in eval mode, on `device`.

    A bare name is looked up in data/; the schedule is None where the file holds none (a judge). Weights in float16, as
    small files have them, become float32, in which the course computes.
    Tensors that were saved as `extra` are in metadata["extra"].
    Raises FileNotFoundError, or ValueError that names the file if it is damaged or does not hold what it says.
    """
    path = checkpoint_path(name_or_path)
    tensors, metadata = read(path)
    name, config = metadata.get("class"), metadata.get("config")
    if name not in CLASSES or not isinstance(config, dict):
        raise ValueError(f"{path} holds a {name!r} with config {config!r}, not one of {', '.join(CLASSES)}")
    weights = under("model", tensors)
    try:
        with torch.device("cpu"):  # whichever the default device is: MPS has no float64, in which tables are made
            model = CLASSES[name](**config)
        kept = next(iter(weights.values())).dtype
        model.to(torch.promote_types(kept, torch.float32)).load_state_dict(weights)
        schedule = Schedule(tensors["alpha_bar"]) if "alpha_bar" in tensors else None
    except (TypeError, ValueError, RuntimeError, StopIteration) as error:
        raise ValueError(f"{path} does not hold the {name} with config {config} that it names: {error}") from error
    extra = under("extra", tensors)
    return model.to(device).eval(), schedule, {**metadata, "extra": extra} if extra else metadata


def load_or_train(
    name: str | Path, make_and_train: Callable[[], tuple[nn.Module, Schedule | None, dict]], device="cpu"
) -> tuple[nn.Module, Schedule | None, dict]:
    """The checkpoint `name` if it is there; else make_and_train() -> (model, schedule, metadata), saved as `name`."""
    if not checkpoint_path(name).is_file():
        save_checkpoint(name, *make_and_train())
    return load_checkpoint(name, device)
