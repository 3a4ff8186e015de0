"""`course.py bench`: the speed that the course promises, each figure beside its budget; exits with 1 if one is missed.

Costs of guidance are ratios within one run, of rounds that alternate between the two sides, so that another busy
program disturbs both; times are the best of several rounds. A demo's time is that of its slowest control: the median,
over as many new values, from the control's message to the moving picture, in the kernel (`course.py browser` measures
from the key press). Two threads, or as many as --threads says.
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

import torch

import cfgedu.widgets
from cfgedu.guidance import guided, null_pair
from cfgedu.models import MLP, Judge, TwinMLP
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import linear
from cfgedu.toy import spirals
from cfgedu.widgets.baselines import baselines_demo
from cfgedu.widgets.digits import digits_lab_demo
from cfgedu.widgets.dropout import dropout_explorer_demo
from cfgedu.widgets.lab import sampling_lab_demo
from cfgedu.widgets.twin import twin_heads_demo

STEPS = 50
EXACT, LEARNED = 0.05, 0.08  # seconds for a frame: exact scores or digits at 10 steps, 1000 learned points


def seconds(work, *arguments):
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began


def best_of(rounds, *works):
    """The shortest time of each work over `rounds` alternating rounds, after one round to warm up."""
    for work in works:
        work()
    times = [[seconds(work) for work in works] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]


def overhead(points, rounds):
    """Time of 50 guided DDIM steps over that of the 50 doubled-batch forwards they cannot do without."""
    generator = seeded(0)
    schedule, net = linear(), MLP(K=3, width=128).eval()
    x, y = torch.randn(points, 2, generator=generator), torch.arange(points) % 3
    doubled = torch.cat([x, x]), torch.full((2 * points,), 500), torch.cat([torch.full_like(y, NULL), y])
    model = guided(null_pair(net), 2.0)

    @torch.no_grad()
    def forwards():
        for _ in range(STEPS):
            net(*doubled)

    bare, whole = best_of(rounds, forwards, lambda: sample(ddim_step, model, schedule, x, y, STEPS))
    return whole / bare


def exact_sampling(rounds):
    """Seconds for 4000 points, 50 guided DDIM steps, exact scores of a mixture of 96 components."""
    generator = seeded(0)
    schedule, mixture = linear(), spirals()
    x, y = torch.randn(4000, 2, generator=generator), torch.arange(4000) % mixture.K
    model = guided(null_pair(mixture.denoiser(schedule)), 2.0)
    return best_of(rounds, lambda: sample(ddim_step, model, schedule, x, y, STEPS))[0]


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


def learned_lab():
    demo = sampling_lab_demo({"learned": MLP(K=3).eval()})
    demo.start |= {"model": "learned"}
    demo.set(**demo.start)
    return demo


NEED_NETWORKS = {"baselines": baselines, "digits_lab": digits, "dropout_explorer": dropout, "twin_heads": twins}


def demos():
    """[(name, function that makes the demo, budget in seconds)], of every function `..._demo` in cfgedu.widgets."""
    found = []
    for module in pkgutil.iter_modules(cfgedu.widgets.__path__, "cfgedu.widgets."):
        for name, make in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            if name.endswith("_demo") and make.__module__ == module.name:
                name = name.removesuffix("_demo")
                found.append((name, NEED_NETWORKS.get(name, make), EXACT))
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


def main():
    parser = argparse.ArgumentParser(prog="course.py bench", description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="torch's threads (default 2)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each measurement (default 15)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = [
        ("guided sampling of 1000 points over its bare forwards", overhead(1000, options.rounds), 1.05, ""),
        ("guided sampling of 16 points over its bare forwards", overhead(16, options.rounds), 1.3, ""),
        ("exact scores, 96 components, 4000 points, 50 steps", exact_sampling(options.rounds), 0.3, " s"),
        *demo_rows(options.rounds),
    ]
    for what, measured, budget, unit in rows:
        print(f"{what:<56} {measured:6.3f}{unit:<2}  budget {budget:g}{unit}{'' if measured <= budget else '  MISSED'}")
    missed = sum(measured > budget for _, measured, budget, _ in rows)
    print(f"{len(rows) - missed} passed, {missed} failed")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
