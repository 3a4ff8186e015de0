"""Runs a notebook's cells on the stand-in "elsewhere": where its tensors are, and not what they say, is what counts.

So that a notebook takes seconds, a sampling takes four steps at most, another walk ten and a training two, errors are
measured at two times, distances along two directions, what lies off the support beside 2000 true samples, rejection
draws one sample for all, and no claim is looked at.
"""

import contextlib
import io
import json
import sys
from functools import partial
from pathlib import Path
from unittest import mock

import matplotlib.pyplot as plt
import torch
from elsewhere import NAME, Elsewhere, Far

import cfgedu.checks
import cfgedu.exercises.n07  # it looks for a number of steps while it is loaded: among ten there is none
import cfgedu.training
import cfgedu.training.loop
import cfgedu.training.many
from cfgedu import metrics, samplers, variants
from cfgedu.schedule import Schedule, times

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
CHOICE = '"cuda" if torch.cuda.is_available()'


def cells(path):
    """[(number, source)] of the code cells, with the choice of the device made for the stand-in."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    found = [(i, "".join(c["source"])) for i, c in enumerate(notebook["cells"]) if c["cell_type"] == "code"]
    return [(i, source.replace(CHOICE, f'"{NAME}" if True')) for i, source in found]


def few(grid, most=4):
    """A list of times with `most` steps of it left, the first and the last time among them."""
    steps = len(grid) - 1
    return [grid[steps * k // most] for k in range(most + 1)] if steps > most else grid


def fewer_steps(sample):
    """`sample`, of which notebooks take the end alone."""

    def short(step, model, schedule, x, y, steps=50, generator=None):
        return sample(step, model, schedule, x, y, few(times(schedule, steps)), generator)

    return short


def shorter_grid(schedule, n, grid=Schedule.grid):
    """The times of ten steps where more are asked for: 13 looks at 800, 600 and others of these."""
    return grid(schedule, min(n, 10))


def shorter_error(field, exact, schedule, x0, y, times, generator=None, whole=metrics.field_error):
    """Errors at the first and the last of many times, in a tensor of the length that was asked for."""
    times = list(times)
    if len(times) < 3:
        return whole(field, exact, schedule, x0, y, times, generator)
    first, last = whole(field, exact, schedule, x0, y, [times[0], times[-1]], generator)
    return torch.stack([*[first] * (len(times) - 1), last])


def two_directions(a, b, *_, whole=metrics.sliced_wasserstein):
    return whole(a, b, 2)


def one_kept(draw, log_p, r, n, generator, whole=variants.rejection):
    return torch.cat([whole(draw, log_p, r, 1, generator)] * n)


def shortened(train, place):
    """A training function that takes two steps at most."""

    def short(*given, **named):
        given = list(given)
        given[place] = min(given[place], 2)
        return train(*given, **named)

    return short


@contextlib.contextmanager
def in_short():
    with contextlib.ExitStack() as stack:
        patch = lambda *what: stack.enter_context(mock.patch.object(*what))
        patch(samplers, "sample", fewer_steps(samplers.sample))
        patch(Schedule, "grid", shorter_grid)
        patch(metrics, "field_error", shorter_error)
        patch(metrics, "sliced_wasserstein", two_directions)
        patch(metrics, "off_support", partial(metrics.off_support, n=2000))
        patch(variants, "rejection", one_kept)
        train, train_stack = shortened(cfgedu.training.train, 3), shortened(cfgedu.training.train_stack, 3)
        patch(cfgedu.training, "train", train)
        patch(cfgedu.training, "train_stack", train_stack)
        patch(cfgedu.checks, "claim", lambda *said, **found: None)
        patch(plt, "show", lambda: None)
        yield


def run(path, told=False):
    """Runs every code cell; raises what a cell raises, with the cell. Returns how many names hold tensors elsewhere."""
    names = {"__name__": "__main__"}
    with Elsewhere(), in_short():
        for number, source in cells(path):
            try:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    exec(compile(source, f"cell {number}", "exec"), names)
            except Exception as error:
                error.add_note(f"in cell {number} of {path.name}:\n{source}")
                if not told:
                    raise
                print(f"[{number}] {type(error).__name__}: {str(error)[:300]}\n{source}\n")
            plt.close("all")
    return sum(isinstance(value, Far) for value in names.values())


if __name__ == "__main__":
    torch.set_num_threads(1)
    plt.switch_backend("Agg")
    for name in sys.argv[1:]:
        [path] = NOTEBOOKS.glob(f"{name}*.ipynb")
        print(name, run(path, told=True))
