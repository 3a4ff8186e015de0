"""The table of notebook 13, what makes a large r harmless on MNIST: `course.py checkpoints mnist-variants`.

Every row guides the shipped U-Net from the same noise, with 50 steps of DDIM; the first row is of real digits.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from cfgedu.checkpoints import load_checkpoint
from cfgedu.files import DATA, read_rows, write_rows
from cfgedu.guidance import from_velocity, guided, null_pair, within
from cfgedu.images import load
from cfgedu.metrics import diversity, drawn_by, features, frechet_distance, judged
from cfgedu.protocol import Denoiser, Pair, same_classes, seeded
from cfgedu.samplers import ddim_step
from cfgedu.schedule import Schedule
from cfgedu.variants import cfgpp_scale, dynamic_threshold, magnitude_aware, projected, rescaled, zero_star

VARIANTS, REAL = "mnist-variants", "real digits"
N, STEPS, SEED, DRAWS = 500, 50, 0, 20


class Counted:
    """A network that counts the rows it is asked for: what a sample costs."""

    def __init__(self, model: nn.Module):
        self.model, self.K, self.rows = model, model.K, 0

    def __call__(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        self.rows += len(x)
        return self.model(x, t, y)


def thrifty(model: Denoiser, r: Callable[[Tensor], Tensor]) -> Denoiser:
    """guided(null_pair(model), r), which asks for the conditional prediction alone where r(t) is 1 in every row."""
    both = guided(null_pair(model), r)
    return same_classes(model, lambda x, t, y: model(x, t, y) if (r(t) == 1).all() else both(x, t, y))


def zero_starred(pair: Pair, r: float, schedule: Schedule) -> Denoiser:
    """CFG-Zero*'s rule on the velocity eps - x_0 of the straight path, for which it was made."""

    def velocity(x, t, eps):
        return eps - schedule.x0(x, t, eps)

    def eps(x, t, y):
        rule = zero_star(*(velocity(x, t, part) for part in pair(x, t, y)), r)
        return from_velocity(lambda z, u, y: rule, schedule)(x, t, y)

    return same_classes(pair, eps)


def methods(model: Denoiser, schedule: Schedule) -> dict[str, Denoiser]:
    """{name: Denoiser} for every row but that of the real digits."""
    pair, T = null_pair(model), schedule.T
    intervals = {"late": (0, T // 3), "middle": (T // 3, 2 * T // 3), "early": (2 * T // 3, T)}
    return {
        "r = 1": model,
        "r = 2": guided(pair, 2.0),
        "r = 5": guided(pair, 5.0),
        **{
            f"r = 5, {name} interval ({low}, {high}]": thrifty(model, within(5.0, low, high))
            for name, (low, high) in intervals.items()
        },
        "r = 5, rescaled in v": rescaled(pair, 5.0, schedule),
        "r = 5, rescaled in x0": rescaled(pair, 5.0, schedule, space="x0"),
        "r = 5, dynamic threshold": dynamic_threshold(guided(pair, 5.0), schedule),
        "r = 5, projected": projected(pair, 5.0, schedule),
        "r = 5, capped at 2.5": projected(pair, 5.0, schedule, eta=1.0, cap=2.5),
        "r = 5, projected, capped, momentum -0.5": projected(pair, 5.0, schedule, cap=2.5, momentum=-0.5),
        "CFG++, lam = 0.6": guided(pair, cfgpp_scale(0.6, schedule, STEPS)),
        "r = 1.5": guided(pair, 1.5),
        "r = 5, CFG-Zero*": zero_starred(pair, 5.0, schedule),
        "r = 5, magnitude-aware, alpha = 8": magnitude_aware(pair, 5.0, alpha=8.0),
    }


def images_of(denoiser: Denoiser, schedule: Schedule, n: int, shape=(1, 28, 28)) -> tuple[Tensor, Tensor]:
    """(images (n,*shape), y (n,)): as `generate` makes them with DDIM, from a Denoiser in place of a network and r."""
    return drawn_by(ddim_step, denoiser, denoiser.K, schedule, shape, n, STEPS, SEED)


def errors(judge: nn.Module, real: tuple[Tensor, Tensor], images: Tensor, y: Tensor) -> dict[str, float]:
    """The standard errors of diversity and distance: their spread over sets drawn again, class by class."""
    seen, generator, found = features(judge, images), seeded(1), []
    each, K = len(y) // judge.K, judge.K  # image i is of class i % K
    for _ in range(DRAWS):
        again = (torch.randint(each, (each, K), generator=generator) * K + torch.arange(K)).flatten()
        found.append((diversity(seen[again], y[again]), frechet_distance(seen[again], real)))
    names = "diversity_error", "frechet_error"
    return dict(zip(names, torch.tensor(found, dtype=torch.float64).std(0).tolist()))


def real_row(judge: nn.Module, real: tuple[Tensor, Tensor], n: int) -> dict:
    """What the judge says of n real digits of the training set, as many of each class: the mean over DRAWS sets, and
    their spread as error."""
    x, y = load("mnist")
    generator, found = seeded(SEED), []
    for _ in range(DRAWS):
        order = torch.randperm(len(x), generator=generator)
        some = torch.cat([order[y[order] == label][: n // judge.K] for label in range(judge.K)])
        found.append(judged(judge, real, x[some], y[some]))
    names = "accuracy", "diversity", "frechet"
    values = torch.tensor([[one[name] for name in names] for one in found], dtype=torch.float64)
    row = dict(zip(names, values.mean(0).tolist()))
    return row | {f"{name}_error": value for name, value in zip(names[1:], values.std(0)[1:].tolist())}


def table(
    path: Path,
    network: tuple[nn.Module, Schedule, dict],
    judge: tuple[nn.Module, None, dict],
    n: int = N,
    names: Iterable[str] | None = None,
) -> list[dict]:
    """Measure every row of `methods` that is missing in the JSON file at `path`; returns the rows.

    network and judge are what `load_checkpoint` gives. The file is rewritten after every row, all or nothing; rows of
    other checkpoints or another n are dropped.
    """
    (model, schedule, about), (judging, _, about_judge) = network, judge
    model.to(memory_format=torch.channels_last)  # a tenth faster on the CPU
    real = about_judge["extra"]["mean"], about_judge["extra"]["covariance"]
    made = {"n": n, "steps": STEPS, "seed": SEED, "checkpoint": about["sha256"], "judge": about_judge["sha256"]}
    counted = Counted(model)
    denoisers = methods(counted, schedule)
    rows = [row for row in read_rows(path) if made.items() <= row.items()]
    for name in (REAL, *denoisers) if names is None else names:
        if name in {row["method"] for row in rows}:
            continue
        start, counted.rows = time.perf_counter(), 0
        if name == REAL:
            row = {"method": name, "predictions": 0, **real_row(judging, real, n)}
        else:
            images, y = images_of(denoisers[name], schedule, n)
            row = {"method": name, "predictions": round(counted.rows / n)}
            row |= judged(judging, real, images, y) | errors(judging, real, images, y)
        rows.append({**row, **made, "seconds": round(time.perf_counter() - start, 1)})
        write_rows(path, rows)
        told = "  ".join(f"{word} {row[word]:.3f}" for word in ("accuracy", "diversity", "frechet"))
        print(f"{name:<42}{told}  {rows[-1]['seconds']:.0f} s", flush=True)
    return rows


def measure(fresh: bool) -> int:
    """The table that ships, made again or gone on with; returns the exit code."""
    path = DATA / f"{VARIANTS}.json"
    if fresh:
        path.unlink(missing_ok=True)
    table(path, load_checkpoint("mnist-unet"), load_checkpoint("mnist-judge"))
    return 0
