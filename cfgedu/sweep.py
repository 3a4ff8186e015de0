"""How good generated images are at one setting of (network, sampler, r), and the table of all settings.

One setting of a 28x28 network takes two minutes on one thread: `course.py checkpoints mnist-sweep` measures all of them
once and keeps the table in data/mnist-sweep.json; a notebook shows it and repeats a row or two with these functions.
"""

import json
import time
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from cfgedu.download import put
from cfgedu.guidance import guided, null_pair, unconditional
from cfgedu.metrics import diversity, features, frechet_distance
from cfgedu.protocol import Denoiser, Pair
from cfgedu.samplers import ddim_step, ddpm_step, euler_maruyama_step, sample
from cfgedu.schedule import Schedule

SAMPLERS = {"ddim": ddim_step, "ddpm": ddpm_step, "euler-maruyama": euler_maruyama_step}
AT_ONCE = 100  # images made together: they fit a CPU's cache, which saves a fifth; their noise is drawn together too


def pair_of(model: Denoiser) -> Pair:
    """Both predictions of a network: a twin's from its two heads, another's from one doubled batch."""
    return model.pair if hasattr(model, "pair") else null_pair(model)


def guided_by(model: Denoiser, r: float) -> Denoiser:
    """The guided prediction of a network: where r is 0 or 1 that is one of its two, asked for alone."""
    if r in (0, 1):
        return model if r else unconditional(model)
    return guided(pair_of(model), r)


def generate(
    model: nn.Module,
    schedule: Schedule,
    sampler: str,
    r: float,
    shape: tuple[int, ...] = (1, 28, 28),
    n: int = 1000,
    steps: int = 50,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """(images (n,C,H,W), y (n,)): the K classes in turn, guided with r, on the model's device.

    The same seed gives every network, sampler and r the same x_T and the same fresh noise.
    Raises ValueError for a sampler that is not one of SAMPLERS.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {sampler!r}")
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    x_T, y = torch.randn(n, *shape, generator=generator).to(device), (torch.arange(n) % model.K).to(device)
    denoiser, step = guided_by(model, r), SAMPLERS[sampler]
    parts = zip(x_T.split(AT_ONCE), y.split(AT_ONCE))
    return torch.cat([sample(step, denoiser, schedule, *part, steps, generator) for part in parts]), y


def judged(judge: nn.Module, real: tuple[Tensor, Tensor], images: Tensor, y: Tensor) -> dict:
    """What the judge says of images made for the labels y.

    real: the `moments` of its features over real images, on the CPU, as a judge's file has in metadata["extra"].
    accuracy: share taken for their y. diversity: trace of the features' covariance within a class. frechet: the Frechet
    distance to the real images. classes: share of the images taken for each class, whatever y says.
    """
    seen = features(judge, images)
    with torch.no_grad():
        taken = judge.head(seen).argmax(1).cpu()
    seen, y = seen.cpu(), y.cpu()  # float64, which follows, is for the CPU
    return {
        "accuracy": (taken == y).double().mean().item(),
        "diversity": diversity(seen, y),
        "frechet": frechet_distance(seen, real),
        "classes": (taken.bincount(minlength=judge.K).double() / len(taken)).tolist(),
    }


def sweep(
    path: Path,
    networks: dict[str, tuple[nn.Module, Schedule, dict]],
    judge: tuple[nn.Module, None, dict],
    samplers: Iterable[str],
    scales: Iterable[float],
    shape: tuple[int, ...] = (1, 28, 28),
    n: int = 1000,
    steps: int = 50,
    seed: int = 0,
) -> list[dict]:
    """Measure every network x sampler x r into the JSON file at `path`, a list of rows; returns the rows.

    Networks and judge are what `load_checkpoint` gives. The file is rewritten after every row, all or nothing. A row of
    the same two checkpoints, n, steps and seed is not made again, so an interrupted sweep goes on where it stopped. A
    network's rows of other checkpoints, steps or seeds are dropped, and those of another n for the same samplers; those
    of other networks, samplers or scales are kept.
    """
    judging, _, about = judge
    samplers, scales = list(samplers), list(scales)
    real = about["extra"]["mean"], about["extra"]["covariance"]
    made = {
        name: {"steps": steps, "seed": seed, "checkpoint": net[2]["sha256"], "judge": about["sha256"]}
        for name, net in networks.items()
    }
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    rows = [row for row in rows if row["network"] not in made or made[row["network"]].items() <= row.items()]
    rows = [row for row in rows if row["network"] not in made or row["sampler"] not in samplers or row["n"] == n]
    known = {(row["network"], row["sampler"], row["r"]) for row in rows}
    for name, (model, schedule, _) in networks.items():
        for sampler in samplers:
            for r in scales:
                if (name, sampler, r) in known:
                    continue
                start = time.perf_counter()
                images, y = generate(model, schedule, sampler, r, shape, n, steps, seed)
                seconds = round(time.perf_counter() - start, 1)
                row = {"network": name, "sampler": sampler, "r": r, **judged(judging, real, images, y)}
                rows.append({**row, "n": n, **made[name], "seconds": seconds})
                write_rows(path, rows)
                told = "  ".join(f"{word} {row[word]:.3f}" for word in ("accuracy", "diversity", "frechet"))
                print(f"{name:<6}{sampler:<16}r = {r:<4g}{told}  {seconds:.0f} s", flush=True)
    return rows


def write_rows(path: Path, rows: list[dict]) -> None:
    """One row a line, so that a new measurement is a readable difference; all or nothing."""
    put(path, ("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n").encode())
