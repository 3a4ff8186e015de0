"""`course.py bench`: what the first cell of each notebook costs, in seconds of the processor, in a new process."""

import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
ALONE = "import torch\nimport matplotlib.pyplot"  # what nearly every notebook needs
BUDGET = 0.2  # seconds beyond that
CLOCK = "\nimport time\nprint()\nprint(time.process_time())"


def first_cell(path):
    return next(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")


def cost(code):
    """Seconds of the processor from the start of Python to the end of the code."""
    command = [sys.executable, "-c", code + CLOCK]
    run = subprocess.run(command, cwd=ROOT / "notebooks", capture_output=True, text=True, check=True)
    return float(run.stdout.split()[-1])


def measure(paths=None, tries=3):
    """(rows with budgets, lines of a list): a cell over the budget is tried again, for a busy machine slows caches.

    The budget is for what a cell costs beyond torch and pyplot: how long those take is the machine's matter.
    """
    paths = sorted((ROOT / "notebooks").glob("*.ipynb")) if paths is None else paths
    alone, costs = min(cost(ALONE) for _ in range(tries)), {}
    for path in paths:
        code = first_cell(path)
        costs[path.stem] = cost(code)
        for _ in range(tries - 1):
            if costs[path.stem] > alone + BUDGET:
                costs[path.stem] = min(costs[path.stem], cost(code))
    slowest = max(costs, key=costs.get)
    shown = ", ".join(f"{name[:2]} {seconds:.2f}" for name, seconds in costs.items())
    line = f"First cells, seconds of the processor: {shown}; `import torch` and pyplot alone {alone:.2f}."
    return [(f"first cell beyond torch and pyplot: {slowest}", costs[slowest] - alone, BUDGET, " s")], [line]
