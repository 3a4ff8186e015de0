"""`course.py bench`: the speed that the course promises, each figure beside its budget; exits with 1 if one is missed.

Costs of guidance are ratios within one run, of rounds that alternate between the two sides, so that another busy
program disturbs both; times are the best of several rounds. Two threads, or as many as --threads says.
"""

import argparse
import sys
import time

import torch

from cfgedu.guidance import guided, null_pair
from cfgedu.models import MLP
from cfgedu.protocol import NULL
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import linear
from cfgedu.toy import spirals

STEPS = 50


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
    generator = torch.Generator().manual_seed(0)
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
    generator = torch.Generator().manual_seed(0)
    schedule, mixture = linear(), spirals()
    x, y = torch.randn(4000, 2, generator=generator), torch.arange(4000) % mixture.K
    model = guided(null_pair(mixture.denoiser(schedule)), 2.0)
    return best_of(rounds, lambda: sample(ddim_step, model, schedule, x, y, STEPS))[0]


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
    ]
    for what, measured, budget, unit in rows:
        print(f"{what:<56} {measured:6.3f}{unit:<2}  budget {budget:g}{unit}{'' if measured <= budget else '  MISSED'}")
    missed = sum(measured > budget for _, measured, budget, _ in rows)
    print(f"{len(rows) - missed} passed, {missed} failed")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
