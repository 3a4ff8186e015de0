"""`course.py bench --busy`: notebooks on a quiet machine, and with one core taken by another program."""

import os
import subprocess
import sys
from contextlib import contextmanager

from tools.bench_timing import quartiles, table
from tools.notebooks import chosen, execute

MOST = 2.0  # times the quiet time
SPIN = [sys.executable, "-c", "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"]  # till we end


@contextmanager
def busy(free=1):
    """All cores but `free` of them are taken, at least one, by programs that do nothing but use them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
    programs = [subprocess.Popen(SPIN) for _ in range(max(1, cores - free))]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def measure(numbers=(), rounds=1, run=execute):
    """(rows with budgets, lines of a table): seconds of these notebooks, or of all, quiet and busy in turn."""
    rows, shown = [], []
    for path in [path for path in chosen(numbers) if path.parent.name == "notebooks"]:
        quiet, slow = [], []
        for _ in range(rounds):
            quiet.append(run(path)[1])
            with busy():
                slow.append(run(path)[1])
        calm, hurt = quartiles(quiet)[1], quartiles(slow)[1]
        shown.append([path.stem, f"{calm:.1f}", f"{hurt:.1f}", f"{hurt / calm:.2f}"])
        rows.append((f"{path.stem}: busy over quiet", hurt / calm, MOST, ""))
        print(f"{path.stem}: {calm:.1f} s, {hurt:.1f} s", flush=True)
    return rows, table(["notebook", "quiet, s", "one core taken, s", "ratio"], shown)
