"""`course.py bench`: the speed that the course promises, each figure beside its budget; exits with 1 if one is missed.

Costs of guidance are ratios within one run, of rounds that alternate between the two sides, so that another busy
program disturbs both; everything has one thread, as in the notebooks. A demo's time is that of its slowest control: the
median, over as many new values, from the control's message to the moving picture, in the kernel (`course.py browser`
measures from the key press). --page measures everything, in about half an hour on a quiet machine with two cores, and
writes docs/benchmarks.md with its picture; for its frames it needs the pages of `course.py site`.
"""

import argparse
import asyncio
import importlib
import inspect
import pkgutil
import statistics
import sys
import time
from functools import partial
from pathlib import Path

import torch

import cfgedu.widgets
from cfgedu.guidance import guided, null_pair
from cfgedu.models import MLP, Judge, TwinMLP
from cfgedu.protocol import seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import linear
from cfgedu.toy import spirals
from cfgedu.widgets.baselines import baselines_demo
from cfgedu.widgets.digits import digits_lab_demo
from cfgedu.widgets.dropout import dropout_explorer_demo
from cfgedu.widgets.lab import sampling_lab_demo
from cfgedu.widgets.twin import twin_heads_demo

sys.path.append(str(Path(__file__).resolve().parent.parent))  # this file is run by its path

from tools import (
    bench_busy,
    bench_cells,
    bench_device,
    bench_frames,
    bench_growth,
    bench_memory,
    bench_page,
    bench_peers,
)
from tools.bench_timing import alternating, quartiles, ratios

STEPS = 50
# Seconds for a frame: exact scores or digits at 10 steps; a cloud from a network; 28x28 digits from a U-Net.
EXACT, LEARNED, IMAGES = 0.05, 0.08, 0.5


def seconds(work, *arguments):
    """On the wall: a demo's frame is waited for."""
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began


def overhead(points, rounds):
    """Time of 50 guided DDIM steps over that of the 50 doubled-batch forwards they cannot do without."""
    case = bench_peers.case("2D network", points)
    ways = (bench_peers.FLOOR, bench_peers.COURSE)
    bare, whole = alternating(rounds, {way: bench_peers.WAYS[way](case) for way in ways}).values()
    return quartiles(ratios(whole, bare))[1]


def exact_sampling(rounds):
    """Seconds for 4000 points, 50 guided DDIM steps, exact scores of a mixture of 96 components."""
    generator = seeded(0)
    schedule, mixture = linear(), spirals()
    x, y = torch.randn(4000, 2, generator=generator), torch.arange(4000) % mixture.K
    model = guided(null_pair(mixture.denoiser(schedule)), 2.0)
    return min(alternating(rounds, {"exact": lambda: sample(ddim_step, model, schedule, x, y, STEPS)})["exact"])


# ---------------------------------------------------------------- the demos

# Those that need networks get untrained ones of the sizes in their notebooks: a frame costs the same.


def digits():
    return digits_lab_demo(MLP(K=10, dim=64, width=128, depth=4).eval(), Judge(10).eval(), linear())


def dropout():
    return dropout_explorer_demo({p_drop: MLP(K=3).eval() for p_drop in (0.0, 0.1, 0.5)})


def twins():
    return twin_heads_demo(TwinMLP(K=3).eval(), TwinMLP(K=3).eval())


def baselines():
    widths = {"strong": (96, 4), "a weaker network": (64, 3), "one too weak": (16, 2)}
    networks = {name: MLP(K=2, width=width, depth=depth).eval() for name, (width, depth) in widths.items()}
    return baselines_demo(networks)


def exact_lab():
    return sampling_lab_demo({})


def learned_lab():
    demo = sampling_lab_demo({"learned": MLP(K=3).eval()})
    demo.start |= {"model": "learned"}
    demo.set(**demo.start)
    return demo


NEED_NETWORKS = {
    "baselines": baselines,
    "digits_lab": digits,
    "dropout_explorer": dropout,
    "sampling_lab": exact_lab,
    "twin_heads": twins,
}
OWN_BUDGETS = {"baselines": LEARNED, "gallery": LEARNED, "mnist_lab": IMAGES}


def demos():
    """[(name, function that makes the demo, budget in seconds)], of every function `..._demo` in cfgedu.widgets."""
    found = []
    for module in pkgutil.iter_modules(cfgedu.widgets.__path__, "cfgedu.widgets."):
        for name, make in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            if name.endswith("_demo") and make.__module__ == module.name:
                name = name.removesuffix("_demo")
                found.append((name, NEED_NETWORKS.get(name, make), OWN_BUDGETS.get(name, EXACT)))
    return [*found, ("sampling_lab, learned", learned_lab, LEARNED)]


def values(control, rounds):
    """New values for a control, each a key press from the last: towards the farther end of a slider, round a list."""
    if hasattr(control, "options"):
        options = [value for _, value in control._options_full]
        first = options.index(control.value) + 1
        return [options[(first + i) % len(options)] for i in range(rounds)]
    if not hasattr(control, "step"):
        return [bool(i % 2) == control.value for i in range(rounds)]  # a box to tick
    up = control.max - control.value > control.value - control.min
    room = int((control.max - control.value if up else control.value - control.min) / control.step + 1e-6)
    return [control.value + (1 if up else -1) * control.step * (i + 1) for i in range(min(rounds, room))]


def frame(demo, rounds):
    """(seconds, name) of the demo's slowest control."""

    async def medians():  # in an event loop, as in a kernel: the sharp picture waits there for a rest that never comes
        found = []
        for name, control in demo.controls.items():
            new = values(control, rounds)
            found.append((statistics.median(seconds(partial(setattr, control, "value"), value) for value in new), name))
            demo.set(**demo.start)
        demo.rest.cancel()
        return max(found)

    return asyncio.run(medians())


def demo_rows(rounds):
    for name, make, budget in demos():
        slowest, control = frame(make(), rounds)
        yield f"demo {name}: {control}", slowest, budget, " s"


def promised(rounds):
    """(rows with budgets, lines): what a bare `course.py bench` measures."""
    rows = [
        ("guided sampling of 1000 points over its bare forwards", overhead(1000, rounds), 1.12, ""),
        ("guided sampling of 16 points over its bare forwards", overhead(16, rounds), 1.6, ""),
        ("exact scores, 96 components, 4000 points, 50 steps", exact_sampling(rounds), 0.3, " s"),
        *demo_rows(rounds),
    ]
    cells, lines = bench_cells.measure()
    return [*rows, *cells], lines


def with_peers():
    bench_peers.fetch()
    return bench_peers.measure()


def parts(options):
    """{part of the page: function that measures it} that the options ask for."""
    every = {
        "frames": bench_frames.measure,  # first: it says at once what it lacks
        "promised": partial(promised, options.rounds),
        "peers": with_peers,
        "growth": partial(bench_growth.measure, picture=bench_page.PICTURE if options.page else None),
        "memory": partial(bench_memory.measure, min(options.rounds, 2)),
        "busy": partial(bench_busy.measure, options.busy or ()),
    }
    asked = {
        "peers": options.peers,
        "growth": options.growth,
        "memory": options.memory,
        "frames": options.frames,
        "busy": options.busy is not None,
    }
    wanted = [name for name, yes in asked.items() if yes] or ["promised"]
    return every if options.page else {name: every[name] for name in wanted}


def main():
    parser = argparse.ArgumentParser(prog="course.py bench", description=__doc__.splitlines()[0])
    parser.add_argument("--peers", action="store_true", help="guided sampling beside diffusers and smalldiffusion")
    parser.add_argument("--growth", action="store_true", help="time and memory over the batch and the steps")
    parser.add_argument("--memory", action="store_true", help="what the allocator's settings save (Linux)")
    parser.add_argument("--frames", action="store_true", help="frames of the demos in the pages that `site` has built")
    parser.add_argument("--busy", nargs="*", metavar="NN", help="notebooks with one core taken by another program")
    parser.add_argument("--page", action="store_true", help="all of it; writes docs/benchmarks.md")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="the course on it; writes docs/benchmarks-DEVICE.md")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each measurement (default 15)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.device:
        bench_device.measure(options.device, options.rounds)
        return
    measured, began = {}, time.monotonic()
    for name, measure in parts(options).items():
        rows, lines = measured[name] = measure()
        print(*lines, *bench_page.budgets(rows), "", sep="\n", flush=True)
    if options.page:
        bench_page.write_page(measured, time.monotonic() - began)
    every = [row for rows, _ in measured.values() for row in rows]
    missed = sum(value > budget for _, value, budget, _ in every)
    print(f"{len(every) - missed} passed, {missed} failed")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
