"""`course.py bench --growth`: how guided sampling grows with the batch and with the number of steps.

Every row is a process of its own, for the peak of memory never falls: its growth is what the sampling added to it.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch

from cfgedu.guidance import guided, null_pair
from cfgedu.models import MLP
from cfgedu.protocol import seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import linear
from tools.bench_timing import table

ROOT = Path(__file__).resolve().parent.parent
BATCHES = ((1, 50), (10, 50), (100, 50), (1000, 50), (10_000, 50), (100_000, 10))  # (points, steps)
STEPS = ((1000, 10), (1000, 20), (1000, 50), (1000, 100), (1000, 200), (1000, 1000))
BLOCK = 1000
FLAT, BLOCKS = 1.3, 1.3  # the longest over the shortest step; a point in blocks over a point of one block


def peak():
    """The peak memory of this process so far, in MB; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def once(points, steps, block):
    """{seconds of the processor, MB added to the peak}: the 2D network, DDIM; the best of some runs."""
    model, schedule = guided(null_pair(MLP(K=3, width=128).eval()), 2.0), linear()
    x, y = torch.randn(points, 2, generator=seeded()), torch.arange(points) % 3

    def work():
        parts = zip(x.split(block), y.split(block), strict=True)
        return torch.cat([sample(ddim_step, model, schedule, some, labels, steps) for some, labels in parts])

    sample(ddim_step, model, schedule, x[:1], y[:1], 2)
    before, times = peak(), []
    while not times or (sum(times) < 1 and len(times) < 5):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return {"seconds": min(times), "MB": None if before is None else peak() - before}


def apart(points, steps, block=None, env=None):
    command = [sys.executable, "-m", "tools.bench_growth", str(points), str(steps), str(block or points)]
    return json.loads(subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout)


def row(points, steps, found, words=""):
    each = found["seconds"] / steps
    memory = "" if found["MB"] is None else f"{found['MB']:.0f}"
    name = f"{points:,}{words}"
    return [name, steps, f"{1e3 * found['seconds']:.1f}", f"{1e3 * each:.3f}", f"{1e6 * each / points:.2f}", memory]


def measure(batches=BATCHES, steps=STEPS, picture=None):
    """(rows with budgets, lines of a table); draws the picture where a path is given."""
    found = {case: apart(*case) for case in dict.fromkeys((*batches, *steps))}
    (most, few), split = batches[-1], apart(*batches[-1], BLOCK)
    shown = [row(*case, found[case]) for case in dict.fromkeys((*batches, *steps))]
    shown.append(row(most, few, split, f" in blocks of {BLOCK:,}"))
    each = [found[case]["seconds"] / case[1] for case in steps]
    a_point = split["seconds"] / few / most / (found[BLOCK, 50]["seconds"] / 50 / BLOCK)
    rows = [
        (f"{steps[0][0]} points: the longest step over the shortest", max(each) / min(each), FLAT, ""),
        (f"{most:,} points in blocks: a point over one of {BLOCK:,}", a_point, BLOCKS, ""),
    ]
    if picture:
        draw(picture, found, batches, steps, split)
    return rows, table(["points", "steps", "ms", "ms a step", "us a point and step", "MB added"], shown)


def draw(path, found, batches, steps, split):
    """Time a step, and memory, over the batch and over the steps; all axes are logarithmic."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2, sharex="col", sharey="row")
    kinds = (
        ("ms a step", lambda case, f: 1e3 * f["seconds"] / case[1]),
        ("MB added", lambda _, f: max(f["MB"] or 0, 1)),
    )
    for panels, (what, value) in zip(axes, kinds, strict=True):
        for ax, cases, k in zip(panels, (batches, steps), (0, 1), strict=True):
            ax.loglog([case[k] for case in cases], [value(case, found[case]) for case in cases], "o-")
            ax.grid(alpha=0.3)
        panels[0].plot(batches[-1][0], value(batches[-1], split), "C1s", label=f"in blocks of {BLOCK:,}")
        panels[0].set_ylabel(what)
    axes[0, 0].legend(frameon=False)
    axes[1, 0].set_xlabel("points")
    axes[1, 1].set_xlabel("steps, 1000 points")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("points", "steps", "block"):
        parser.add_argument(name, type=int)
    torch.set_num_threads(1)
    print(json.dumps(once(**vars(parser.parse_args()))))
