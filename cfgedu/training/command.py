"""What the training command understands: its options, and the network, loss and data that they stand for."""

import argparse
import hashlib
import math
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from cfgedu.checkpoints import checkpoint_path
from cfgedu.files import DATA
from cfgedu.images import load
from cfgedu.losses import dsm_loss, eps_loss, twin_loss
from cfgedu.models import MLP, TwinMLP, TwinUNet, UNet, weights_from
from cfgedu.schedule import Schedule, cosine, linear

PROGRAM = "python -m cfgedu.training"
NETWORKS = {"unet": UNet, "twin": TwinUNet, "mlp": MLP, "twin-mlp": TwinMLP}
NAMES = {"unet": "unet", "twin": "twin-unet", "mlp": "mlp", "twin-mlp": "twin-mlp"}  # in the names of files
WIDTH = {"unet": 32, "twin": 32, "mlp": 128, "twin-mlp": 128}
STEPS = {"unet": 40_000, "twin": 40_000, "mlp": 3_000, "twin-mlp": 3_000}
SCHEDULES = {  # linear's betas grow as T shrinks, so that every T ends in the same noise
    "linear": lambda T: linear(T, 0.1 / T, 20 / T),
    "cosine": cosine,
}
ABOUT = """\
Trains one network on images, with condition dropout or as a twin, so that guidance finds both of its predictions in it:
eps_hat(x_t, t, y) and eps_hat(x_t, t, NULL). The weights that are saved are an average over the steps."""
MORE = """\
The loss does not go to zero: eps cannot be told from x_t alone. It falls fast for some hundred steps, then slowly, and
samples go on improving while it seems to stand still. data/README.md tells how long the networks there took.

stopping and going on:
  Ctrl-C, `kill` and a terminal that closes save the whole state of the run to runs/NAME.safetensors, as happens every
  --every steps anyway. The same command with --resume goes on from there, on the CPU with the same number of threads
  bit for bit as if it had not stopped. A finished run is prolonged in the same way: --resume --steps MORE. If it had
  cooled down, the rate rises again first; the checkpoint tells all `legs` of such a run, and its `command` is that of
  the last.
  Where only the network in data/ is left, as after a fresh clone, --resume goes on from its averaged weights with a new
  optimizer, and the leg says so.

examples (the second made the U-Net in data/, which the third and the fourth then prolonged):
  python -m cfgedu.training --data digits --model mlp
  python -m cfgedu.training --steps 16000 --cool-down 8000 --lr 0.008 --name mine
  python -m cfgedu.training --steps 30000 --cool-down 10000 --lr 0.008 --name mine --resume
  python -m cfgedu.training --steps 52000 --cool-down 16000 --lr 0.008 --name mine --resume
  torchrun --nproc-per-node 4 -m cfgedu.training --model twin --name big        (4 GPUs; each draws its own batches)

Afterwards, in Python:
  net, schedule, about = load_checkpoint("mine")
  x0 = sample(ddim_step, guided(null_pair(net), r=2.0), schedule, x_T, y)"""


def number(kind: type, low: float, high: float, words: str):
    """A type for argparse: an int or float from low up to, but not including, high."""

    def parse(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value < high:
            raise argparse.ArgumentTypeError(f"must be {words}, got {text!r}")
        return value

    return parse


count = number(int, 1, math.inf, "a whole number of 1 or more")


EXPLAINED = {
    "data": "28x28 MNIST, or the bundled 8x8 digits (mnist)",
    "model": "unet, or mlp for quick trials on digits: one network for both predictions. twin, twin-mlp: one trunk "
    "that never sees y and two heads, so both predictions in one pass (unet)",
    "loss": "eps: mean (eps_hat - eps)^2. dsm: denoising score matching with the score s = -eps_hat / sqrt(1 - a_t) "
    "and weight 1 - a_t: up to rounding the same number and gradient, so it trains the same eps network, told as a "
    "score model is (eps)",
    "schedule": "linear: DDPM's betas, times 1000 / T; cosine: the signal fades more evenly over t, to almost nothing "
    "at T (linear)",
    "T": "noise levels of the schedule; 1000 is usual, and samplers may visit fewer of them (1000)",
    "p_drop": "share of the labels that become NULL, from which the unconditional prediction is learned; usual: 0.1 to "
    "0.2. Not for twins, whose heads both learn from every image (0.1)",
    "width": "channels of the finest level, or units of the MLP; the cost grows with its square (32, MLP 128)",
    "steps": "steps in all, those before a --resume included (40000, MLP 3000)",
    "cool_down": "over so many last steps the rate is also led to 0 in a straight line: on MNIST the loss gains more "
    "from it than from as many further steps (0, with which a run can be prolonged as if it had never ended)",
    "batch": "images in a step; more are steadier and slower, usual: 64 to 256 (64)",
    "lr": "AdamW's learning rate: it rises to this for 100 steps, then falls as 1 / sqrt(step), and see --cool-down; "
    "halve it if the loss turns NaN (0.002)",
    "ema": "decay of the average of the weights: 0.999 averages over some 1000 steps, 0 keeps the last weights (0.999)",
    "seed": "of the first weights, batches, noise and drops (0)",
    "threads": "CPU threads; take fewer than there are cores where other programs run (torch's choice)",
    "device": "cpu, cuda, mps, or auto: cuda, then mps, then cpu (auto)",
    "name": "of the run: its state is in runs/NAME.safetensors (DATA-MODEL, such as mnist-unet)",
    "out": "where the averaged weights go: a name in data/, or a path (data/NAME.safetensors)",
    "every": "steps from one save of the state to the next (500)",
    "resume": "go on with the run NAME, or from the network OUT where no run is left; only --steps, --cool-down, "
    "--every, --threads, --device and --out may change",
    "overwrite": "start over where the run NAME or the file OUT exists already",
}


def parser() -> argparse.ArgumentParser:
    own = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [options]   (--help explains them)",
        description=ABOUT,
        epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # or --res would be kept in the command that a checkpoint names
    )

    def adder(title):
        group = own.add_argument_group(title)
        return lambda name, **rules: group.add_argument(
            f"--{name}", help=EXPLAINED[name.replace("-", "_")].replace("%", "%%"), **rules
        )

    add = adder("what is trained")
    add("data", choices=("mnist", "digits"), default="mnist")
    add("model", choices=NETWORKS, default="unet")
    add("loss", choices=("eps", "dsm"), default="eps")
    add("schedule", choices=SCHEDULES, default="linear")
    add("T", type=count, default=1000)
    add("p-drop", type=number(float, 0, 1, "a probability in [0, 1)"))
    add("width", type=count)
    add = adder("how it is trained")
    add("steps", type=count)
    add("cool-down", type=number(int, 0, math.inf, "a whole number of 0 or more"), default=0)
    add("batch", type=count, default=64)
    add("lr", type=number(float, 1e-12, math.inf, "a number above 0"), default=2e-3)
    add("ema", type=number(float, 0, 1, "a decay in [0, 1)"), default=0.999)
    add("seed", type=number(int, 0, 2**63, "a whole number of 0 or more"), default=0)
    add("threads", type=count)
    add("device", type=device, default="auto")
    add = adder("where it goes")
    add("name")
    add("out")
    add("every", type=count, default=500)
    add("resume", action="store_true")
    add("overwrite", action="store_true")
    return own


def device(text: str) -> torch.device:
    """The device that `auto` or its own name stands for; under torchrun each process has its own GPU."""
    if text == "auto":
        text = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        if text == "cuda" and "LOCAL_RANK" in os.environ:
            text = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.empty(0, device=text)  # raises where there is no such device
        if torch.device(text).type not in ("cpu", "cuda", "mps"):
            raise RuntimeError("networks are not trained there")
    except (RuntimeError, AssertionError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no device here: {str(error).splitlines()[0]}") from None
    return torch.device(text)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, with defaults filled in and `state` and `out` as paths; argparse ends bad ones in one line."""
    own = parser()
    options = own.parse_args(arguments)
    twin = options.model.startswith("twin")
    if twin and options.p_drop is not None:
        own.error("--p-drop is not for twins: both heads learn from every image, and no label is dropped")
    if twin and options.loss == "dsm":
        own.error("--loss dsm is not for twins: they are trained with the eps loss of each head")
    if options.width is not None and options.width % 2:
        own.error(f"argument --width: must be even (half sines, half cosines of the time), got {options.width}")
    if options.p_drop is None and not twin:
        options.p_drop = 0.1
    options.width = options.width or WIDTH[options.model]
    options.steps = options.steps or STEPS[options.model]
    if options.cool_down > options.steps:
        own.error(f"argument --cool-down: must be at most the {options.steps} of --steps, got {options.cool_down}")
    if options.schedule == "linear" and options.T < 21:
        own.error(
            f"argument --T: must be 21 or more with --schedule linear, whose betas end at 20 / T, got {options.T}"
        )
    name = options.name or f"{options.data}-{NAMES[options.model]}{'-dsm' if options.loss == 'dsm' else ''}"
    if Path(name).name != name or Path(name).suffix:
        own.error(f"argument --name: must be a plain name without folder or ending, got {name!r}")
    options.state, options.out = DATA.parent / "runs" / f"{name}.safetensors", checkpoint_path(options.out or name)
    for path in (options.state, options.out):
        there = os.path.exists(path) and not os.path.isdir(path)  # that a folder cannot be written is told later
        if there and not options.resume and not options.overwrite:
            own.error(f"{shown(path)} exists: choose another --name, --resume that run, or --overwrite it")
    if options.resume and not os.path.exists(options.state) and not os.path.exists(options.out):
        own.error(
            f"--resume: there is no run in {shown(options.state)} and no network in {shown(options.out)}; without "
            "--resume, a run is started"
        )
    return options


def recipe(options: argparse.Namespace, generator: torch.Generator):
    """(model, schedule, loss, x, y, about) on the options' device: `about` tells the recipe in JSON's terms."""
    x, y = load(options.data)
    schedule = SCHEDULES[options.schedule](options.T)
    size = {"width": options.width}
    if "mlp" in options.model:
        size |= {"dim": math.prod(x.shape[1:]), "depth": 4}
    with weights_from(generator):
        model: nn.Module = NETWORKS[options.model](int(y.max()) + 1, options.T, **size)
    model.to(options.device)
    if options.device.type == "cpu" and "mlp" not in options.model:
        # It saves a tenth. Not used: bf16, slower on a CPU without units for it, and torch.compile, which wants a C++
        # compiler and a minute first.
        model.to(memory_format=torch.channels_last)
    about = {name: getattr(options, name) for name in ("data", "loss", "schedule", "p_drop", "seed")}
    about["data_sha256"] = data_sum(x, y)
    return model, schedule, loss_of(options, schedule), x.to(options.device), y.to(options.device), about


def loss_of(options: argparse.Namespace, schedule: Schedule):
    """loss(model, x0, y, generator) -> scalar, as `train` wants it."""
    p_drop = options.p_drop
    if options.model.startswith("twin"):
        return lambda model, x0, y, g: twin_loss(model.pair, schedule, x0, y, g)
    if options.loss == "eps":
        return lambda model, x0, y, g: eps_loss(model, schedule, x0, y, p_drop, g)

    def dsm(model, x0, y, generator):
        score = lambda x, t, y: schedule.score(x, t, model(x, t, y))  # -eps_hat / sqrt(1 - a_t)
        return dsm_loss(score, schedule, x0, y, p_drop, "variance", generator)

    return dsm


def data_sum(x: Tensor, y: Tensor) -> str:
    """The SHA-256 sum of the images' and labels' contents, whichever files they came from."""
    total = hashlib.sha256(x.contiguous().numpy())
    total.update(y.contiguous().numpy())
    return total.hexdigest()


def command_line(arguments: Sequence[str], processes: int, *more: str) -> str:
    """The command as typed, but for --resume and --overwrite; `more` is added."""
    program = PROGRAM if processes == 1 else f"torchrun --nproc-per-node {processes} -m cfgedu.training"
    kept = [argument for argument in arguments if argument not in ("--resume", "--overwrite")]
    return f"{program} {shlex.join([*kept, *more])}".rstrip()


def shown(path: Path) -> str:
    """The path as the reader would type it: from the folder they are in, where it lies below that."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
