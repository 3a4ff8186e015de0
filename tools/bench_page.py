"""docs/benchmarks.md, as `course.py bench --page` writes it: what was measured, where, and what did not help."""

import os
import platform
import re
from datetime import date
from pathlib import Path

import torch

from cfgedu.files import write
from tools.bench_timing import table

ROOT = Path(__file__).resolve().parent.parent
PAGE, PICTURE = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "growth.png"

PROMISED = """\
## What the course promises

The cost of guided sampling is given as a multiple of its bare forwards: the network on the doubled batch, with nothing
between. Demos are timed in the kernel, from the message of their slowest control to the picture. A first cell is run in
a new process."""

PEERS = """\
## Beside its peers

Five ways through the same DDIM steps, with the same network, noise, labels and scale (50 steps in 2D, 10 for MNIST).
The bare forwards do no guidance; "by hand" is one function for this network, schedule and sampler alone, without a
check. Times are in units of the bare forwards of the same round: median [lower quartile, upper quartile]. The last
column compares the course with the peer whose median is the lower one, and its budget holds the lower quartile: to
count as slower, the course has to be slower in three rounds of four."""

GROWTH = """\
## Growth

The 2D network, guided, DDIM. A step costs the same however many there are, and memory does not grow with them. At
100,000 points the blocks of memory are so large that every operation requests them anew from the system, and they fit
no cache. Splitting the batch cures that. For any sampler that draws no noise, the points stay the same:

```python
parts = zip(x_T.split(1000), y.split(1000))
x0 = torch.cat([sample(ddim_step, model, schedule, x, labels) for x, labels in parts])
```

![Time a step and memory over the number of points rise in proportion from some hundred points on; over the number of
steps both are flat. The mark of 100,000 points in blocks continues the line of the smaller batches.](growth.png)"""

MEMORY = """\
## Memory and the system

On Linux, C's library hands large blocks of memory back to the system after every operation and asks for them again.
`course.py` therefore sets `MALLOC_MMAP_THRESHOLD_` and `MALLOC_TRIM_THRESHOLD_` for the programs that it starts, unless
you have set them, and JupyterLab hands them on to its kernels. Where a notebook is opened without `course.py`, export
them before Jupyter starts. The table has the 2D network, guided: time of the processor, and the memory that sampling
adds."""

FRAMES = """\
## Frames in a page

A slider moves by one step with every frame, as under a hand that drags it. Counted is the time of the processor of all
the browser's processes, in a Chromium that draws in software; where no network is at work, that has a budget. In an
empty frame the slider moves and the demo hears nothing of it: page and browser cost that much by themselves. Of each
demo, the slider that costs most; medians of three rounds of 60 frames. Where a frame asks for samples, all of them are
drawn anew."""

BUSY = """\
## Beside another program

Whole notebooks, by turns on a quiet machine and with all cores but one taken by a program that only computes. With one
thread for each core, which is torch's own choice, the threads wait for each other at every operation: when that was
measured on two cores, notebook 03 took 18 s quiet and 88 s busy, and 12 took 23 and 66. So each notebook sets one
thread in its first cell. That is slower on a quiet machine, and no slower on a busy one:"""

TRIED = """\
## Tried without success

Measured on two cores, at the time when each was tried:

- `OMP_WAIT_POLICY=PASSIVE` instead of one thread: notebook 03 takes twice as long on a quiet machine.
- Two threads for notebook 12: 10 s less when quiet, 33 s more when busy.
- `torch.inference_mode` for `no_grad`: a tenth less at 16 points, but classifier guidance inside a Denoiser breaks.
- A DDIM step of two coefficients, `keep * x + push * eps`: 15 us of 200 less a step, but the code no longer shows
  the formula.
- Not copying the unconditional prediction to the rows without a label: 16 us less, but r would change the last
  bits there.
- Checking the scale once and not in each step: 3 us less.
- `channels_last` for the U-Net at 28 x 28: no change. bfloat16: a third less for a forward, but other pictures.
- A tensor of 31 MB made and dropped at import, which raises the library's thresholds from inside: as good as the two
  variables up to 4000 points, worse at 20,000, and an import would have a side effect.
- Large batches split inside `sample`: samplers with noise would draw other numbers than they promise.
- Less around the training step (progress bar, moving average, signals, checks): 4% of a step in all.
- Frames in a page: dots copied from a small picture, a path for each mark, `contain: strict` around the controls, texts
  and sliders set only where they change, a layer of its own for the demo or its picture, exponentials from a table: no
  change, or slower.
- Delaying more imports: a first cell spends its time on torch and pyplot, and less than 0.03 s on the course.
- Importing without Python's garbage collector: a tenth less for a first cell, but each notebook would begin with it."""


def machine():
    """The processor, the cores that this process may use, the system, Python and torch."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = platform.python_version()
    return f"{model}, {cores} cores, {platform.system()}; Python {python}, torch {torch.__version__}"


def budgets(rows):
    """One line for each row (what, measured, budget, unit), for a terminal."""
    return [
        f"{what:<62} {measured:8.3g}{unit:<2}  budget {budget:g}{unit}{'' if measured <= budget else '  MISSED'}"
        for what, measured, budget, unit in rows
    ]


def budget_table(rows):
    head = ["what", "measured", "budget", ""]
    return table(head, [[what, f"{value:.3g}{unit}", f"{budget:g}{unit}", "" if value <= budget else "missed"]
                        for what, value, budget, unit in rows])  # fmt: skip


def page(measured, seconds):
    """The text of the page, of {part: (rows, lines)}."""
    when = f"{date.today():%d %B %Y}, in {seconds / 60:.0f} minutes"
    head = [
        "# Benchmarks",
        "",
        f"Written by `python3 course.py bench --page` on {when}, on {machine()}.",
        "Your machine has other times; ratios within one run carry over better. One thread throughout.",
    ]
    words = {"promised": PROMISED, "peers": PEERS, "growth": GROWTH, "memory": MEMORY, "frames": FRAMES, "busy": BUSY}
    sections = []
    for name, text in words.items():
        rows, lines = measured[name]
        sections += ["", text, "", *lines, *(["", *budget_table(rows)] if rows and name != "busy" else [])]
    return "\n".join([*head, *sections, "", TRIED, ""])


def write_page(measured, seconds):
    write(PAGE, page(measured, seconds).encode())
