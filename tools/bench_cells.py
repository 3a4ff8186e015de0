"""`course.py bench`: what the first cell of each notebook costs, in seconds of the processor, in a new process."""

import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
BUDGET = 1.3  # torch and pyplot alone are most of it
CLOCK = "\nimport time\nprint()\nprint(time.process_time())"


def first_cell(path):
    return next(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")


def cost(code):
    """Seconds of the processor from the start of Python to the end of the code."""
    command = [sys.executable, "-c", code + CLOCK]
    run = subprocess.run(command, cwd=ROOT / "notebooks", capture_output=True, text=True, check=True)
    return float(run.stdout.split()[-1])


def measure(paths=None, tries=3):
    """(rows with budgets, lines of a list): a cell over the budget is tried again, for a busy machine slows caches."""
    paths = sorted((ROOT / "notebooks").glob("*.ipynb")) if paths is None else paths
    costs = {}
    for path in paths:
        code = first_cell(path)
        costs[path.stem] = cost(code)
        for _ in range(tries - 1):
            if costs[path.stem] > BUDGET:
                costs[path.stem] = min(costs[path.stem], cost(code))
    torch_alone, slowest = cost("import torch"), max(costs, key=costs.get)
    shown = ", ".join(f"{name[:2]} {seconds:.2f}" for name, seconds in costs.items())
    return [(f"first cell: {slowest}", costs[slowest], BUDGET, " s")], [
        f"{shown}; `import torch` alone {torch_alone:.2f}"
    ]
