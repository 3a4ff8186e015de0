"""Tilted against guided: the density that guidance is said to sample, beside the clouds that two samplers make."""

from functools import partial
from math import pi

import torch
from contourpy import contour_generator
from matplotlib.collections import PolyCollection
from torch import Tensor

from cfgedu.guidance import guided, null_pair
from cfgedu.language import phrase
from cfgedu.plots import GUIDED, LIM, color, grid, plane
from cfgedu.protocol import seeded
from cfgedu.samplers import SAMPLERS, Step, ddim_step, sample
from cfgedu.schedule import Schedule, even_angles, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, bound, choice, moving, slider

THIRD = {name: SAMPLERS[name] for name in ("DDPM", "Euler-Maruyama")} | {"DDIM, eta = 0.5": partial(ddim_step, eta=0.5)}
POINTS, STEPS, PIXELS = 160, 32, 51
LEVELS = (0.02, 0.25, 0.7)  # outlines of the tilted density, as fractions of its peak


def tilted_against_guided_scene(figure, mixture: Mixture | None = None, schedule: Schedule | None = None):
    """The scene; its state is the scale r >= 1, the class label and the sampler of the third cloud.

    The shade in all three panels is the tilted density. All clouds keep their random numbers while r moves. The numbers
    describe the island of the class's heaviest component: its mean distance from the origin, and its variances along
    the line from the origin and across it. The ellipse lies two standard deviations out.
    """
    mixture, schedule = (mixture or islands()).to("cpu"), schedule or linear()
    pair, pixels, line = null_pair(mixture.denoiser(schedule)), grid(PIXELS), torch.linspace(-LIM, LIM, PIXELS).numpy()
    times = even_angles(schedule, STEPS)
    # seeds with which so few points say what 20,000 do: at r = 1 the clouds agree; at r = 4 eta = 0.5 lies between
    x_T = torch.randn(POINTS, 2, generator=seeded(190)).repeat(2, 1)  # one start for both samplers
    candidates, labels = mixture.sample(20 * POINTS, seeded(16))
    coin = torch.rand(len(candidates), generator=seeded(11))
    posterior = mixture.posterior(candidates)
    axes = figure.subplots(1, 3)
    titles = ["tilted density", "guidance, DDIM", "guidance, DDPM"]
    panels = [cloud_panel(ax, title) for ax, title in zip(axes, titles, strict=True)]
    axes[0].set_ylabel("$x_2$")
    third = moving(axes[2].title)

    def update(r: float, label: int, sampler: str) -> str:
        y, everywhere = torch.full((2 * POINTS,), label), torch.full((PIXELS**2,), label)
        log_tilted = mixture.log_prob(pixels, everywhere) + (r - 1) * mixture.posterior(pixels)[:, label].log()
        contours = contour_generator(line, line, stage.square((log_tilted - log_tilted.max()).exp()))
        outlines = [outline for level in LEVELS for outline in contours.lines(level)]
        kept = candidates[(labels == label) & (coin < posterior[:, label] ** (r - 1))][:POINTS]
        step = side_by_side(ddim_step, THIRD[sampler])
        runs = sample(step, guided(pair, r), schedule, x_T, y, times, seeded(3)).chunk(2)
        axis, found = main_axis(mixture, label), []
        for show, x in zip(panels, [kept, *runs], strict=True):
            island = near_island(x, axis)
            mean, (along, across) = float(island[:, 0].mean()), island.var(0).tolist()
            show(color(label), outlines, x, ellipse(island, axis), (mean, along, across))
            found.append(f"{mean:.2f}; {along:.3f}, {across:.3f}")
        third.set_text(f"guidance, {sampler}")
        return phrase(
            "r = {r:.2f}, class {label}. Near island, mean distance; variance along, across: tilted {tilted} | "
            "DDIM {ddim} | {sampler} {other}",
            **{
                "r": r,
                "label": label,
                "sampler": sampler,
                **dict(zip(("tilted", "ddim", "other"), found, strict=True)),
            },
        )

    return update


def cloud_panel(ax, title):
    """A cloud over the tilted density, the ellipse of its near island, and three numbers about that."""
    look = {"transform": ax.transAxes, "ha": "center", "va": "top", "family": "DejaVu Sans Mono"}
    row = "{:4.2f}{:11.3f}{:12.3f}"
    plane(ax, title).text(0.5, -0.11, "mean  var along  var across", **look)
    shade = moving(ax.add_collection(PolyCollection([], alpha=0.22, linewidths=0, zorder=1)))
    cloud = stage.line(ax, "o", color=GUIDED, markersize=2.6, alpha=0.45, markeredgewidth=0, zorder=2)
    outline = stage.line(ax, color=GUIDED, linewidth=1.8, zorder=3)
    numbers = moving(ax.text(0.5, -0.17, row.format(0, 0, 0), **look))
    stage.frame(ax)

    def show(tint, outlines, x, around, measured):
        shade.set(verts=outlines, facecolor=tint)
        cloud.set_data(*x.T.numpy())
        outline.set_data(*around.T.numpy())
        numbers.set_text(row.format(*measured))

    return show


def side_by_side(first: Step, second: Step) -> Step:
    """A step that takes one half of the batch by each of two samplers, for half the calls of the model."""

    def step(x, eps, a_t, a_s, z):
        halves = zip((first, second), x.chunk(2), eps.chunk(2), z.chunk(2), strict=True)
        return torch.cat([half(x, eps, a_t, a_s, z) for half, x, eps, z in halves])

    return step


def main_axis(mixture: Mixture, label: int) -> Tensor:
    """The unit vector (2,) from the origin to the heaviest component of a class."""
    mean = mixture.mean[torch.where(mixture.label == label, mixture.weight, 0).argmax()]
    return mean / mean.norm()


def near_island(x: Tensor, axis: Tensor) -> Tensor:
    """The points of x (B,2) on axis's side of the origin, as coordinates (n,2) along the axis and across it."""
    across = torch.stack([-axis[1], axis[0]])
    found = x @ torch.stack([axis, across], 1).to(x)
    return found[found[:, 0] > 0]


def ellipse(points: Tensor, axis: Tensor, radius: float = 2.0) -> Tensor:
    """The outline (n,2) `radius` standard deviations from the mean of points (B,2), given along and across the axis."""
    turn = torch.linspace(0, 2 * pi, 61)[:, None]
    outline = points.mean(0) + radius * points.std(0) * torch.cat([turn.cos(), turn.sin()], 1)
    return outline @ torch.stack([axis, torch.stack([-axis[1], axis[0]])])


def tilted_against_guided_demo(mixture: Mixture | None = None, schedule: Schedule | None = None) -> LiveFigure:
    """The demo, on the islands unless another mixture is given."""
    scene = bound(tilted_against_guided_scene, mixture=mixture, schedule=schedule)
    controls = {
        "r": slider("scale r", 1, 8, 4.0, 0.25),
        "label": choice("class y", range((mixture or islands()).K), 0),
        "sampler": choice("3rd cloud", list(THIRD), "DDPM"),
    }
    alt = "Three clouds over the tilted density: its own samples, guided DDIM and another guided sampler"
    presets = {"r = 1": {"r": 1.0}, "r = 8": {"r": 8.0}, "DDIM, eta = 0.5": {"sampler": "DDIM, eta = 0.5"}}
    return LiveFigure(scene, controls, size=(9.6, 3.8), alt=alt, presets=presets, play="r")
