"""`course.py bench --device cuda`: the course on one device, all of it in one call of at most nine minutes.

Guided sampling beside its bare forwards and beside the same prediction captured as a CUDA graph; notebook 06's field on
a 400 x 400 grid, exact and learned; training; the notebooks that choose a device, with their time and peak memory; the
tests that compare a GPU with the CPU. Writes docs/benchmarks-DEVICE.md with the card's name. On the CPU the same is
measured, but for the graphs and the tests, which are CUDA's.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import torch

from cfgedu.checkpoints import load_checkpoint
from cfgedu.files import DATA, write
from cfgedu.guidance import guidance_vector, guided, null_pair
from cfgedu.losses import eps_loss
from cfgedu.models import MLP, UNet, weights_from
from cfgedu.plots import grid
from cfgedu.protocol import NULL, Denoiser, seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import linear
from cfgedu.toy import islands
from cfgedu.training import train
from tools.bench_page import machine
from tools.bench_timing import quartiles, ratios, spread, table
from tools.notebooks import PEAK_MEMORY, execute

ROOT = Path(__file__).resolve().parent.parent
R, SIDE, BATCH = 2.0, 400, 64
CASES = (("2D network", 16), ("2D network", 64), ("2D network", 1000))
CASES += (("MNIST U-Net", 1), ("MNIST U-Net", 10), ("MNIST U-Net", 100))
NOTEBOOKS = ("06", "02", "05", "15", "13", "07", "14", "08", "10", "12", "09", "11")  # the hero first
MOST = 9 * 60  # seconds for everything
RUN = "bench-device"  # the name of the training command's run
PEAK_ON_GPU = "import torch\nprint(torch.cuda.max_memory_allocated() / 2**20)"


def require_device(name: str) -> torch.device:
    """The device; SystemExit with one sentence where it is not there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch finds no CUDA device on this machine: torch.cuda.is_available() is false.")
    return torch.device(name)


def where(device: torch.device) -> str:
    """What is measured: the card, or the processor."""
    if device.type != "cuda":
        return machine()
    card = torch.cuda.get_device_properties(device)
    return f"{card.name}, {card.total_memory / 2**30:.0f} GB, CUDA {torch.version.cuda}; {machine()}"


# ---------------------------------------------------------------- time


def waited(device, work):
    """Seconds on the wall until the device has done the work: a GPU is still at it when the call returns."""
    synchronize = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    synchronize()
    began = time.perf_counter()
    work()
    synchronize()
    return time.perf_counter() - began


def by_turns(device, rounds, works):
    """{name: [seconds of every round]} of {name: work}, after two rounds to warm up; each round begins with another."""
    names = list(works)
    for _ in range(2):
        for work in works.values():
            waited(device, work)
    times = {name: [] for name in names}
    for k in range(rounds):
        for name in names[k % len(names) :] + names[: k % len(names)]:
            times[name].append(waited(device, works[name]))
    return times


def milliseconds(times, parts=1):
    return spread([1000 * seconds / parts for seconds in times], 3)


# ---------------------------------------------------------------- sampling


def network_2d(device):
    with weights_from(seeded()):
        net = MLP(K=3, width=128)
    torch.nn.init.normal_(net.outlet.weight, std=0.1, generator=seeded(1))  # a new network answers 0
    return net.eval().to(device), linear()


def captured(model: Denoiser, x, y) -> Denoiser:
    """The model for inputs of this shape as a CUDA graph: one launch in place of one for each operation.

    A graph reads and writes the same memory each time: the answer is good until the next call.
    """
    x_in, t_in, y_in = x.clone(), torch.full_like(y, 500), y.clone()
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.no_grad(), torch.cuda.stream(aside):
        for _ in range(3):  # what is made at first calls must not be captured
            model(x_in, t_in, y_in)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph):
        eps = model(x_in, t_in, y_in)

    def replayed(x, t, y):
        x_in.copy_(x)
        t_in.copy_(t)
        y_in.copy_(y)
        graph.replay()
        return eps

    return replayed


def ways(device, name, batch):
    """({way: function that samples}, steps); the floor is the doubled-batch forwards, without which is no guidance."""
    if name == "2D network":
        (net, schedule), shape, steps = network_2d(device), (2,), 50
    else:
        (net, schedule, _), shape, steps = load_checkpoint("mnist-unet", device), (1, 28, 28), 10
    x, y = torch.randn(batch, *shape, generator=seeded(2)).to(device), torch.arange(batch, device=device) % net.K
    doubled = torch.cat([x, x]), torch.full((2 * batch,), 500, device=device), torch.cat([torch.full_like(y, NULL), y])

    @torch.no_grad()
    def forwards():
        for _ in range(steps):
            net(*doubled)

    model = guided(null_pair(net), R)
    works = {"floor": forwards, "course": lambda: sample(ddim_step, model, schedule, x, y, steps)}
    if device.type == "cuda":
        graph = captured(model, x, y)
        works["graph"] = lambda: sample(ddim_step, graph, schedule, x, y, steps)
        torch.testing.assert_close(works["graph"](), works["course"](), rtol=1e-3, atol=1e-3)
    return works, steps


def sampling(device, rounds):
    rows = []
    for name, batch in CASES:
        works, steps = ways(device, name, batch)
        times = by_turns(device, rounds, works)
        row = [f"{name}, {batch}", milliseconds(times["floor"], steps), milliseconds(times["course"], steps)]
        row.append(spread(ratios(times["course"], times["floor"])))
        row.append(milliseconds(times["graph"], steps) if "graph" in times else "-")
        rows.append(row)
    return table(["ms a step", "bare forwards", "the course", "in bare forwards", "captured"], rows)


# ---------------------------------------------------------------- fields and training


def fields(device, rounds):
    """The guidance vector at every point of notebook 06's window."""
    schedule, mixture = linear(), islands().to(device)
    x = grid(SIDE).to(device)
    t, y = torch.full((len(x),), 200, device=device), torch.zeros(len(x), device=device).long()
    exact = guidance_vector(null_pair(mixture.denoiser(schedule)), schedule)
    learned = guidance_vector(null_pair(network_2d(device)[0]), schedule)
    works = {"exact": lambda: exact(x, t, y), "exact, float64": lambda: exact(x.double(), t, y)}
    works["learned, width 128"] = torch.no_grad()(lambda: learned(x, t, y))
    times = by_turns(device, max(rounds // 3, 1), works)
    rows = [[name, milliseconds(each), f"{len(x) / quartiles(each)[1] / 1e6:.2f}"] for name, each in times.items()]
    return table([f"g on {SIDE} x {SIDE} points", "ms", "million points a second"], rows)


def training(device, rounds):
    """Steps a second: the command on the bundled digits, and the U-Net of MNIST's size on images of noise."""
    steps = 20 * rounds
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "bench.safetensors"
        given = ["--data", "digits", "--steps", steps, "--device", device.type, "--name", RUN, "--out", out]
        command = [sys.executable, "-m", "cfgedu.training", *map(str, given), "--overwrite"]
        subprocess.run(command, check=True, cwd=ROOT, env=environment(), capture_output=True)
        (DATA.parent / "runs" / f"{RUN}.safetensors").unlink()
        about = load_checkpoint(out)[2]
    rows = [["command, U-Net, 8 x 8 digits", BATCH, f"{about['timed_steps'] / about['seconds']:.1f}"]]
    with weights_from(seeded()):
        net = UNet(K=10).to(device)
    schedule, x, y = linear(), torch.randn(BATCH, 1, 28, 28, generator=seeded()), torch.arange(BATCH) % 10
    x, y, few = x.to(device), y.to(device), max(steps // 10, 3)
    loss = lambda net, x, y, generator: eps_loss(net, schedule, x, y, 0.1, generator)
    run = lambda: train(net, loss, lambda n, generator: (x, y), few, batch=BATCH, generator=seeded())
    waited(device, run)
    rows.append(["`train`, U-Net, 28 x 28", BATCH, f"{few / waited(device, run):.1f}"])
    return table(["training", "batch", "steps a second"], rows)


# ---------------------------------------------------------------- notebooks and tests


def environment():
    """This process's, with the course to import."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def notebooks(device, numbers, until):
    """Whole notebooks from clean kernels, as long as there is time; nothing is stored."""
    probe = PEAK_ON_GPU if device.type == "cuda" else PEAK_MEMORY
    rows = []
    for number in numbers:
        [path] = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
        left = until - time.monotonic()
        if left < 5:
            rows.append([path.stem, "no time left", ""])
            continue
        command = [sys.executable, "-m", "tools.bench_device", str(path), probe]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=left, env=kernels(device))
        except subprocess.TimeoutExpired:
            rows.append([path.stem, f"over {left:.0f} s", ""])
            continue
        if done.returncode:
            rows.append([path.stem, f"failed: {done.stderr.strip().splitlines()[-1][:80]}", ""])
            continue
        seconds, peak = json.loads(done.stdout.splitlines()[-1])
        rows.append([path.stem, f"{seconds:.1f}", f"{peak:.0f}"])
    return table(["notebook", "s", "peak MB of the GPU" if device.type == "cuda" else "peak MB"], rows)


def kernels(device):
    """The environment in which notebooks choose this device."""
    return environment() | ({} if device.type == "cuda" else {"CUDA_VISIBLE_DEVICES": ""})


def one_notebook(path, probe):
    """Runs in a process of its own, so that a notebook can be stopped; prints [seconds, MB]."""
    _, seconds, peak = execute(Path(path), probe)
    print(json.dumps([seconds, peak]))


def gpu_tests(device):
    """The last line of the tests that compare CUDA with the CPU."""
    if device.type != "cuda":
        return ["Tests on CUDA: -"]
    command = [sys.executable, "-m", "pytest", "tests/test_devices.py", "-k", "cuda", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment())
    return [f"Tests on CUDA: {done.stdout.strip().splitlines()[-1]}"]


# ---------------------------------------------------------------- the page

WORDS = """\
Guided sampling, DDIM: milliseconds a step, median [lower quartile, upper quartile] over {rounds} rounds in which the
ways take turns. The bare forwards are the network on the doubled batch, with nothing between; "captured" is the course
with its guided prediction replayed as a CUDA graph. The 2D network has width 128 and takes 50 steps, the U-Net 10."""


def measure(name: str, rounds: int = 15, numbers=NOTEBOOKS, page: Path | None = None) -> list[str]:
    """Measures everything on the device `name`, writes the page and returns its lines."""
    device, began = require_device(name), time.monotonic()
    parts = [WORDS.format(rounds=rounds).splitlines()]
    for part in (sampling, fields, training):
        parts.append(part(device, rounds))
        print(*parts[-1], "", sep="\n", flush=True)
    parts.append(gpu_tests(device))
    parts.append(notebooks(device, numbers, began + MOST - 10))
    print(*parts[-2], "", *parts[-1], sep="\n", flush=True)
    minutes = (time.monotonic() - began) / 60
    written = f"Written by `python3 course.py bench --device {name}` on {date.today():%d %B %Y}"
    lines = [f"# Benchmarks on {name}", "", f"{written}, in {minutes:.1f} minutes, on {where(device)}."]
    for part in parts:
        lines += ["", *part]
    write(page or ROOT / "docs" / f"benchmarks-{name}.md", ("\n".join(lines) + "\n").encode())
    return lines


if __name__ == "__main__":
    one_notebook(*sys.argv[1:])
