"""`course.py checkpoints [NAME ...]`: makes what ships in data/ again, networks with the commands their files name.

What was interrupted goes on where it stopped; --fresh starts over. MNIST's networks take hours on a CPU.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from cfgedu.checkpoints import load_checkpoint, read, save_checkpoint
from cfgedu.files import DATA, read_rows, write_rows
from cfgedu.images import load
from cfgedu.metrics import features, generate, judge_accuracy, judged, moments
from cfgedu.models import Judge, weights_from
from cfgedu.protocol import seeded
from cfgedu.schedule import Schedule
from cfgedu.training import __main__ as training
from cfgedu.training import batches, train
from cfgedu.training.command import count, data_sum

LEGS = {  # (steps in all, cool-down of the last ones): each network was trained, cooled, and then trained on, twice
    "mnist-unet": [(16_000, 8000), (30_000, 10_000), (52_000, 16_000)],
    "mnist-twin-unet": [(9000, 4500), (17_000, 6000), (31_000, 9000)],
}  # those that ship took their last leg with a new optimizer, as their files say; made again, they keep the old one
JUDGE, JUDGE_BAR = "mnist-judge", 0.99
JUDGES = {JUDGE: (0, 8000), "mnist-judge-2": (1, 4000)}  # seed, steps: where one chooses images, the other grades them
SWEEP, MEASURED, SCALES = "mnist-sweep", ("DDIM", "DDPM", "Euler-Maruyama"), (0, 0.5, 1, 1.5, 2, 3, 5, 8)
SEVERAL = {"unet": (0, 1, 1.5, 2, 5)}  # the scales at which a row is made with each of SEEDS, elsewhere with the first
SEEDS, IMAGES, DRAWS = (0, 1, 2), 500, 20  # images a row, of networks as of real digits: distances depend on it
BRANCHES, VARIANTS = "branches", "mnist-variants"
DEMOS = ("dropout", "twins", "lab", "digits", "repair")  # the small networks of demos
NAMES = (*LEGS, *JUDGES, SWEEP, BRANCHES, VARIANTS, *DEMOS)
RUNS = DATA.parent / "runs"


def arguments_of(name, steps, cool_down):
    """The arguments of `python -m cfgedu.training` for one leg of a network's run."""
    model = ["--data", "mnist", "--model", "twin" if "twin" in name else "unet"]
    return model + ["--steps", str(steps), "--cool-down", str(cool_down), "--lr", "0.008", "--threads", "1"]


def network(name, fresh):
    """Trains one network, leg by leg, or goes on with its run in runs/; returns the exit code."""
    state = RUNS / f"{name}.safetensors"
    resume = state.exists() and not fresh
    done = read(state)[1]["step"] if resume else 0
    for steps, cool_down in LEGS[name]:
        if steps > done or steps == LEGS[name][-1][0]:
            code = training.main([*arguments_of(name, steps, cool_down), "--resume" if resume else "--overwrite"])
            if code:
                return code
            resume = True
    return 0


def judge(fresh, name=JUDGE):
    """Trains a classifier that judges MNIST's images, and keeps it if it is good enough; returns the exit code."""
    (seed, steps), (x, y) = JUDGES[name], load("mnist")
    generator = seeded(seed)
    with weights_from(generator):
        net = Judge(size=x.shape[-1])
    state = RUNS / f"{name}.safetensors"
    resume = state.exists() and not fresh
    train(net, judge_loss, batches(x, y), steps, lr=2e-3, generator=generator, checkpoint=state, resume=resume)
    net.eval()
    test_x, test_y = load("mnist", "test")
    accuracy, seen = judge_accuracy(net, test_x, test_y), features(net, test_x)
    if accuracy < JUDGE_BAR:
        told = f"The judge is right about {accuracy:.4f} of the test images, less than {JUDGE_BAR}: it is not kept."
        print(told, file=sys.stderr)
        return 1
    with torch.no_grad():
        test_loss = F.cross_entropy(net.head(seen), test_y).item()
    mean, covariance = moments(seen)
    metadata = {
        "data": "mnist",
        "data_sha256": data_sum(x, y),
        "test_sha256": data_sum(test_x, test_y),
        "steps": steps,
        "accuracy": accuracy,  # on the test images
        "final_loss": test_loss,  # the cross-entropy on them
        "seconds": read(state)[1]["seconds"],
        "threads": torch.get_num_threads(),
        "command": f"python3 course.py checkpoints {name}",
    }
    path = save_checkpoint(name, net, None, metadata, {"mean": mean, "covariance": covariance})
    print(f"The judge is right about {accuracy:.4f} of the test images: {path.name}.")
    return 0


def judge_loss(net, x, y, generator):
    """Cross-entropy of images moved by up to two pixels, under noise: a judge of digits, not of pixels' places."""
    noise = torch.randn(x.shape, generator=generator, device=generator.device).to(x)
    moved = x.roll(torch.randint(-2, 3, (2,), generator=generator).tolist(), dims=(2, 3))  # MNIST's frame is wider
    return F.cross_entropy(net(moved + 0.3 * noise), y)


def measure(samplers, fresh):
    """The table of accuracy, diversity and Frechet distance: of real digits, and over network x sampler x r x seed."""
    path = DATA / f"{SWEEP}.json"
    if fresh:
        path.unlink(missing_ok=True)
    networks = {"unet": load_checkpoint("mnist-unet"), "twin": load_checkpoint("mnist-twin-unet")}
    for net, _, _ in networks.values():
        net.to(memory_format=torch.channels_last)  # a tenth faster on the CPU
    judging = load_checkpoint(JUDGE)
    real_digits(path, judging, load("mnist"), load("mnist", "test"))
    for name, net in networks.items():
        sweep(path, {name: net}, judging, samplers, SCALES)
        for seed in SEEDS[1:]:
            sweep(path, {name: net}, judging, samplers, SEVERAL.get(name, ()), seed=seed)
    return 0


def tool(name):
    """Another module of tools/: a script of that folder finds cfgedu, but not tools."""
    root = str(Path(__file__).resolve().parent.parent)
    if root not in sys.path:
        sys.path.append(root)
    return importlib.import_module(f"tools.{name}")


def small_networks():
    """The networks of notebook 14 and what they do as baselines of one another, by tools/branches.py."""
    return tool("branches").make()


def demo_networks(name):
    """The networks of the demo of notebook 08, 09, 10, 11 or 16, by tools/demo_networks.py."""
    return tool("demo_networks").make(name)


def real_digits(path: Path, judge: tuple[nn.Module, None, dict], train, test, n=IMAGES, draws=DRAWS) -> list[dict]:
    """Measure real digits as `sweep` measures drawn ones, into the same file; returns all of its rows.

    Each row of network "real" is a draw of n training digits, n / 10 of each class, the draws disjoint and numbered by
    "seed": their distances from the test set are the floor of the table. The one row of network "test" is the test set
    as a whole, from which all distances are taken; it has none of its own. train and test are (x, y).
    """
    judging, _, about = judge
    real = about["extra"]["mean"], about["extra"]["covariance"]
    made = {"data": data_sum(*train), "test": data_sum(*test), "judge": about["sha256"]}
    x, y = train
    order = torch.randperm(len(y), generator=seeded(0))
    own = [order[y[order] == label].split(n // 10) for label in range(10)]  # a class's digits, shuffled, in draws
    draws = [torch.cat([places[k] for places in own]) for k in range(draws)]
    sets = [("real", k, x[i], y[i]) for k, i in enumerate(draws)] + [("test", 0, *test)]
    rows = [row for row in read_rows(path) if row["network"] not in ("real", "test")]
    for name, seed, images, labels in sets:
        row = {"network": name, "sampler": None, "r": None, **scored(judging, real, images, labels)}
        if name == "test":
            row |= {"frechet": None, "mean_part": None}  # it is what distances are taken from
        rows.append({**row, "n": len(labels), "steps": None, "seed": seed, **made})
    write_rows(path, in_order(rows))
    return rows


def sweep(
    path: Path,
    networks: dict[str, tuple[nn.Module, Schedule, dict]],
    judge: tuple[nn.Module, None, dict],
    samplers: Iterable[str],
    scales: Iterable[float],
    shape: tuple[int, ...] = (1, 28, 28),
    n: int = IMAGES,
    steps: int = 50,
    seed: int = 0,
) -> list[dict]:
    """Measure every network x sampler x r into the JSON file at `path`, a list of rows; returns the rows.

    Networks and judge are what `load_checkpoint` gives. The file is rewritten after every row, all or nothing. A row of
    the same two checkpoints, n, steps and seed is not made again, so an interrupted sweep goes on where it stopped. A
    network's rows of other checkpoints, n or steps are dropped: they could not be compared. Those of other seeds, of
    other networks, samplers or scales are kept.
    """
    judging, _, about = judge
    real = about["extra"]["mean"], about["extra"]["covariance"]
    made = {
        name: {"n": n, "steps": steps, "checkpoint": net[2]["sha256"], "judge": about["sha256"]}
        for name, net in networks.items()
    }
    rows = [row for row in read_rows(path) if made.get(row["network"], {}).items() <= row.items()]
    known = {(row["network"], row["sampler"], row["r"], row["seed"]) for row in rows}
    for name, sampler, r in product(networks, samplers, scales):
        if (name, sampler, r, seed) in known:
            continue
        model, schedule, _ = networks[name]
        start = time.perf_counter()
        images, y = generate(model, schedule, sampler, r, shape, n, steps, seed)
        seconds = round(time.perf_counter() - start, 1)
        row = {"network": name, "sampler": sampler, "r": r, **scored(judging, real, images, y)}
        rows.append({**row, "n": n, "steps": steps, "seed": seed, **made[name], "seconds": seconds})
        write_rows(path, in_order(rows))
        told = "  ".join(f"{word} {row[word]:.3f}" for word in ("accuracy", "diversity", "frechet"))
        print(f"{name:<6}{sampler:<16}r = {r:<4g}seed {seed}  {told}  {seconds:.0f} s", flush=True)
    return rows


def scored(judge: nn.Module, real: tuple[torch.Tensor, torch.Tensor], images, y) -> dict:
    """What `judged` says, and of its Frechet distance the part that is the means': |m_a - m_b|^2."""
    mean, _ = moments(features(judge, images))
    return {**judged(judge, real, images, y), "mean_part": (mean - real[0]).square().sum().item()}


def in_order(rows: list[dict]) -> list[dict]:
    """The rows as they stand in the file."""
    return sorted(rows, key=lambda row: (row["network"], row["sampler"] or "", row["r"] or 0, row["seed"]))


def variants(fresh):
    """The table of notebook 13, by tools/variants_table.py."""
    return tool("variants_table").measure(fresh)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="course.py checkpoints", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)} (default: all of them)")
    parser.add_argument("--samplers", nargs="+", choices=MEASURED, default=list(MEASURED), help="rows of the sweep")
    parser.add_argument("--fresh", action="store_true", help="start over, even where a run or a table can be continued")
    parser.add_argument("--threads", type=count, default=1, help="CPU threads of judge and sweep (default 1)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(NAMES)}")
    for name in [name for name in NAMES if name in options.names or not options.names]:
        torch.set_num_threads(options.threads)
        if name in LEGS:
            code = network(name, options.fresh)
        elif name == BRANCHES:
            code = small_networks()
        elif name == VARIANTS:
            code = variants(options.fresh)
        elif name in DEMOS:
            code = demo_networks(name)
        else:
            code = judge(options.fresh, name) if name in JUDGES else measure(options.samplers, options.fresh)
        if code:
            return code
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped; the same command goes on with what was not finished.")
    except (OSError, ValueError) as error:
        sys.exit(f"course.py checkpoints: {error}")
