"""`course.py bench --memory`: sampling with the allocator's settings of `course.py` and without them, in turn."""

import os
import sys

from course import STEADY
from tools.bench_growth import apart
from tools.bench_timing import ratios, spread, table

CASES = ((1000, 50), (4000, 50), (20_000, 20))  # (points, steps)


def environments():
    """The surroundings without the settings and with them."""
    bare = {name: value for name, value in os.environ.items() if name not in STEADY}
    return bare, bare | STEADY


def measure(rounds, cases=CASES):
    """(no budgets, lines of a table): the settings are for Linux, elsewhere there is nothing to compare."""
    if sys.platform != "linux":
        return [], ["Not measured: this machine's system is not Linux."]
    shown = []
    for points, steps in cases:
        pairs = [[apart(points, steps, env=env) for env in environments()] for _ in range(rounds)]
        times, memory = ([[found[what] for found in column] for column in zip(*pairs)] for what in ("seconds", "MB"))
        milliseconds = (spread([1e3 * value for value in column], 0) for column in times)
        saved = spread(ratios(times[1], times[0]))
        shown.append([f"{points:,}", *milliseconds, saved, *(f"{max(column):.0f}" for column in memory)])
    return [], table(["points", "without, ms", "with, ms", "with / without", "without, MB", "with, MB"], shown)
