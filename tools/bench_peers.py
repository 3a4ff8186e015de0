"""`course.py bench --peers`: guided sampling by the course, by what one would take instead, and by its bare forwards.

Five ways through the same steps with the same network, noise, labels and scale; before they are timed, all ends are
compared. The peers are given what makes them compute that, as docs/diffusers.md explains, and every convenience of the
setting: their accelerator, times and tables are made beforehand. Their packages come into build/peers at the first
start, at the versions of constraints.txt, and without what they need for other things (pip's --no-deps).
"""

import importlib.util
import shutil
import subprocess
import sys
import types
from itertools import pairwise
from math import sqrt
from pathlib import Path
from types import SimpleNamespace

import torch

from cfgedu.checkpoints import load_checkpoint
from cfgedu.guidance import guided, null_pair
from cfgedu.models import MLP, weights_from
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import linear
from tools.bench_timing import alternating, quartiles, ratios, spread, table

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "build" / "peers"
DIFFUSERS = ["diffusers", "huggingface_hub", "hf_xet", "httpx2", "httpcore2", "truststore", "click"]
DIFFUSERS += ["importlib_metadata", "lazy_importer", "regex", "zipp"]
SMALLDIFFUSION = ["smalldiffusion", "accelerate", "einops"]
R = 2.0
CASES = (("2D network", 16, 21), ("2D network", 64, 21), ("2D network", 1000, 41))
CASES += (("MNIST U-Net", 1, 15), ("MNIST U-Net", 10, 11), ("MNIST U-Net", 100, 8))  # (network, batch, rounds)
AGREE = 1e-4  # of the largest value: float32, whose rounding the steps multiply by up to 1 / sqrt(a_T)
FLOOR, COURSE, BY_HAND = "bare forwards", "the course", "by hand"
PEERS = ("diffusers", "smalldiffusion")
BARS = {("2D network", 16): 1.6, ("2D network", 1000): 1.12}  # times the bare forwards


# ---------------------------------------------------------------- what is sampled


def network_2d():
    with weights_from(seeded()):
        net = MLP(K=3, width=128)
    torch.nn.init.normal_(net.outlet.weight, std=0.1, generator=seeded(1))  # a new network answers 0
    return net.eval(), linear()


def case(name, batch):
    """A network with its schedule, noise and labels, and the number of steps."""
    if name == "2D network":
        (net, schedule), shape, steps = network_2d(), (2,), 50
    else:
        (net, schedule, _), shape, steps = load_checkpoint("mnist-unet"), (1, 28, 28), 10
    x = torch.randn(batch, *shape, generator=seeded(2))
    return SimpleNamespace(net=net, schedule=schedule, x=x, y=torch.arange(batch) % net.K, steps=steps)


# ---------------------------------------------------------------- five ways to sample it: each returns a function


def bare_forwards(c):
    """The doubled-batch forwards, without which there is no guidance: nothing between them."""
    x, y, t = torch.cat([c.x, c.x]), torch.cat([torch.full_like(c.y, NULL), c.y]), torch.full((2 * len(c.x),), 500)

    @torch.no_grad()
    def work():
        for _ in range(c.steps):
            c.net(x, t, y)

    return work


def the_course(c):
    model = guided(null_pair(c.net), R)
    return lambda: sample(ddim_step, model, c.schedule, c.x, c.y, c.steps)


def by_hand(c):
    """One function for this network, schedule, scale and sampler, without a check: what is left to gain."""
    grid, a = c.schedule.grid(c.steps), c.schedule.alpha_bar.tolist()
    y = torch.cat([torch.full_like(c.y, NULL), c.y])
    table = []
    for t, s in pairwise(grid):
        keep = sqrt(a[s] / a[t])
        table.append((torch.full((2 * len(c.x),), t), keep, sqrt(1 - a[s]) - keep * sqrt(1 - a[t])))

    @torch.no_grad()
    def work():
        x = c.x
        for t, keep, push in table:
            eps_un, eps_cond = c.net(torch.cat([x, x]), t, y).chunk(2)
            x = torch.add(keep * x, torch.lerp(eps_un, eps_cond, R), alpha=push)
        return x

    return work


def diffusers_loop(c):
    """The loop of its pipelines around its DDIM scheduler."""
    from diffusers import DDIMScheduler

    beta = 1 - c.schedule.alpha_bar[1:] / c.schedule.alpha_bar[:-1]
    scheduler = DDIMScheduler(
        num_train_timesteps=c.schedule.T, trained_betas=beta.numpy(), clip_sample=False, timestep_spacing="trailing"
    )
    scheduler.set_timesteps(c.steps)
    y = torch.cat([torch.full_like(c.y, NULL), c.y])

    @torch.no_grad()
    def work():
        x = c.x
        for index in scheduler.timesteps:
            twice = scheduler.scale_model_input(torch.cat([x, x]), index)
            eps_un, eps_cond = c.net(twice, (index + 1).expand(len(twice)), y).chunk(2)
            eps = eps_un + R * (eps_cond - eps_un)
            x = scheduler.step(eps, index, x, return_dict=False)[0]
        return x

    return work


def smalldiffusion_sampler(c):
    """Its `samples`, on x / sqrt(a) and sigma = sqrt((1 - a) / a), with a wrapper for the network as its own has."""
    from accelerate import Accelerator
    from smalldiffusion.diffusion import samples
    from smalldiffusion.model import ModelMixin

    a = c.schedule.alpha_bar[c.schedule.grid(c.steps)]
    sigmas = ((1 - a) / a).sqrt()
    times = {sigma.to(c.x).item(): t for sigma, t in zip(sigmas, c.schedule.grid(c.steps))}

    class Wrapped(torch.nn.Module, ModelMixin):
        input_dims, cond_embed = c.x.shape[1:], SimpleNamespace(null_cond=NULL)

        def forward(self, x, sigma, cond):
            level = sigma.item()
            return c.net(x / sqrt(1 + level**2), torch.full((len(x),), times[level]), cond)

    model, accelerator, start = Wrapped(), Accelerator(cpu=True), c.x / a[0].sqrt().to(c.x)

    def work():
        for x in samples(model, sigmas, cfg_scale=R - 1, xt=start, cond=c.y, accelerator=accelerator):  # noqa: B007
            pass
        return x

    return work


WAYS = {FLOOR: bare_forwards, COURSE: the_course, BY_HAND: by_hand}
WAYS |= dict(zip(PEERS, (diffusers_loop, smalldiffusion_sampler), strict=True))


# ---------------------------------------------------------------- the peers' packages


def versions():
    """{package: version} of constraints.txt."""
    rows = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(row.split("==") for row in rows if "==" in row)


def fetch(place=PLACE):
    """Installs the peers apart from the course and makes them importable behind its own packages."""
    pins = versions()
    wanted = [f"{name}=={pins[name]}" for name in DIFFUSERS + SMALLDIFFUSION]
    if not (place / "complete").exists() or (place / "complete").read_text().split() != wanted:
        pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else [shutil.which("uv") or "uv", "pip"]
        shutil.rmtree(place, ignore_errors=True)
        print(f"Fetching the peers into {place.relative_to(ROOT)}.", flush=True)
        subprocess.run([*pip, "install", "--quiet", "--no-deps", "--target", str(place), *wanted], check=True)
        (place / "complete").write_text("\n".join(wanted))
    sys.path.append(str(place))
    package = types.ModuleType("smalldiffusion")  # its first line wants torchvision, which its sampler does not use
    package.__path__ = [str(place / "smalldiffusion")]
    sys.modules["smalldiffusion"] = package


# ---------------------------------------------------------------- measuring


def farthest(works):
    """The largest difference between the end of the course and that of another way, over the largest value."""
    ends = {name: work() for name, work in works.items() if name != FLOOR}
    return max(((end - ends[COURSE]).abs().max() / ends[COURSE].abs().max()).item() for end in ends.values())


def measure(cases=CASES, ways=WAYS, peers=PEERS):
    """(rows with budgets, lines of a table): milliseconds, and times the floor of the same round."""
    rows, shown = [], []
    for name, batch, rounds in cases:
        c = case(name, batch)
        works = {way: make(c) for way, make in ways.items()}
        rows.append((f"{name}, batch {batch}: all ends agree, relative difference", farthest(works), AGREE, ""))
        times = alternating(rounds, works)
        over_floor = {way: ratios(times[way], times[FLOOR]) for way in ways}
        faster = min(peers, key=lambda peer: quartiles(times[peer])[1])  # once: in each round the luckier would win
        over_peer = ratios(times[COURSE], times[faster])
        if (name, batch) in BARS:
            measured = quartiles(over_floor[COURSE])[1]
            rows.append((f"{name}, batch {batch}: over its bare forwards", measured, BARS[name, batch], ""))
        # slower within the spread is not slower: three rounds of four would have to be
        rows.append((f"{name}, batch {batch}: over the faster peer, quartile", quartiles(over_peer)[0], 1.0, ""))
        milliseconds = f"{1e3 * quartiles(times[FLOOR])[1]:.1f} ms"
        shown.append([f"{name}, {batch}", milliseconds, *(spread(over_floor[way]) for way in ways if way != FLOOR)])
        shown[-1].append(spread(over_peer))
    head = ["network, batch", FLOOR, *(way for way in ways if way != FLOOR), "course / faster peer"]
    return rows, table(head, shown)
