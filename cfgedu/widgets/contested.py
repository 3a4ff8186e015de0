"""The contested mode: which half of a class survives guidance, by interval of times, repair and sampler."""

from dataclasses import replace
from math import cos, radians, sin

import torch
from contourpy import contour_generator
from matplotlib.collections import LineCollection, PolyCollection

from cfgedu.guidance import guided, null_pair, within
from cfgedu.language import phrase
from cfgedu.plots import LIM, G, color, grid, plane, strip
from cfgedu.protocol import NULL, Denoiser, Pair, seeded
from cfgedu.samplers import SAMPLERS, trajectory
from cfgedu.schedule import Schedule, even_angles, linear
from cfgedu.toy import Mixture, contested
from cfgedu.variants import dynamic_threshold, projected, rescaled
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, bound, choice, int_slider, moving, slider

POINTS, PATHS, STEPS, PIXELS = 240, 24, 32, 61
METHODS = ("plain guidance", "rescaled, x0", "dynamic threshold", "projected (APG)")
TURN = ((cos(radians(40)), -sin(radians(40))), (sin(radians(40)), cos(radians(40))))
WORLDS = {"as it is": (((1.0, 0.0), (0.0, 1.0)), (0.0, 0.0)), "turned": (TURN, (0.0, 0.0)), "moved": (TURN, (0.5, 1.0))}
MARK = {"markersize": 2.6, "markeredgewidth": 0, "zorder": 2}
ORANGE = "#B36B00"
WIDE = 3.4  # half of the left window, so that all of the far mode is seen, where guidance drives it too
BETWEEN = -0.95  # the first coordinate half way between the two modes of class 0


def denoiser(method: str, pair: Pair, r, schedule: Schedule) -> Denoiser:
    """Guidance with the scale r, a number or r(t), and what is named to repair it."""
    if method == "rescaled, x0":
        return rescaled(pair, r, schedule, space="x0")
    if method == "projected (APG)":
        return projected(pair, r, schedule)
    model = guided(pair, r)
    return dynamic_threshold(model, schedule) if method == "dynamic threshold" else model


def contested_mode_scene(figure, schedule: Schedule | None = None):
    """The scene; its state is the method, the scale r, the interval low < t <= high in which it holds (1 outside), the
    sampler, and the world: as it is, turned about the origin, or turned and moved away from it. What is drawn is
    always turned and moved back.
    """
    mixture, schedule = contested(), schedule or linear()
    times, pixels = even_angles(schedule, STEPS), grid(PIXELS, WIDE)
    line = torch.linspace(-WIDE, WIDE, PIXELS).numpy()
    x_T, y = torch.randn(POINTS, 2, generator=seeded(3)), torch.zeros(POINTS, dtype=torch.long)
    candidates, labels = mixture.sample(25 * POINTS, seeded(1))
    candidates = candidates[labels == 0]
    coin, certain = torch.rand(len(candidates), generator=seeded(2)), mixture.posterior(candidates)[:, 0]
    edge = stage.edge_of_support(mixture, candidates, 0)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
    plane(left, "class 0, over the tilted density", lim=WIDE).set(xlabel="$x_1$", ylabel="$x_2$")
    strip(right, replace(mixture, mean=mixture.mean.flip(1)), schedule).set(
        ylabel="$x_1$", ylim=(-WIDE, LIM), title="paths over $p_t(x_1)$"
    )
    shade = moving(left.add_collection(PolyCollection([], alpha=0.25, linewidths=0, facecolor=color(0), zorder=1)))
    left.add_collection(PolyCollection(level(mixture, 1, pixels, line), alpha=0.25, facecolor=color(1), zorder=0))
    marks = {ends: stage.line(left, "o", color=c, **MARK) for ends, c in zip((True, False), (G, color(0)))}
    lines = moving(right.add_collection(LineCollection([], linewidths=0.9, zorder=3)))
    band = moving(right.axvspan(0, 1, ymax=0.05, color=ORANGE, linewidth=0, zorder=2))
    sides = [moving(right.axvline(0, color=ORANGE, linewidth=1.2, zorder=2)) for _ in range(2)]
    stage.frame(left, right)
    handles = [stage.key("ends in the contested mode", G), stage.key("ends in the far mode", color(0))]
    handles += [stage.key("class 1", color(1), linewidth=6, alpha=0.3), stage.key("guided", ORANGE, linewidth=6)]
    stage.legend_row(figure, "center", handles, ncols=4)

    def update(method: str, r: float, low: int, high: int, sampler: str, world: str) -> str:
        turn, shift = (torch.tensor(part) for part in WORLDS[world])
        there = replace(mixture, mean=mixture.mean @ turn.T + shift)
        model = denoiser(method, null_pair(there.denoiser(schedule)), within(r, low, high), schedule)
        signal = schedule.alpha_bar[times].sqrt().float()[:, None, None]
        start = x_T @ turn.T + signal[0] * shift
        x = torch.stack(list(trajectory(SAMPLERS[sampler], model, schedule, start, y, times, seeded(4))))
        x = (x - signal * shift) @ turn  # (steps + 1, POINTS, 2), as the world was
        ends = x[-1, :, 0] > BETWEEN
        for side, mark in marks.items():
            mark.set_data(*x[-1, ends == side].clamp(-9, 9).T.numpy())
        clock = torch.tensor(times, dtype=x.dtype).expand(PATHS, -1)
        lines.set_segments(torch.stack([clock, x[:, :PATHS, 0].T.clamp(-9, 9)], -1).numpy())
        lines.set_colors([G if end else color(0) for end in ends[:PATHS]])
        band.set_x(low)
        band.set_width(max(0, high - low))
        for side, t in zip(sides, (low, max(low, high)), strict=True):
            side.set_xdata([t, t])
        shade.set_verts(level(mixture, 0, pixels, line, r))
        tilted = candidates[coin < certain ** (r - 1)]
        share, wanted = ends.float().mean(), (tilted[:, 0] > BETWEEN).float().mean()
        sure = mixture.posterior(x[-1])[:, 0].mean()
        off = (mixture.log_prob(x[-1], y) < edge).float().mean()
        return phrase(
            "{method}, r = {r:.2f} where {low} < t <= {high}, {sampler}, world {world}: in the contested mode "
            "{share:.0%} (tilted density: {wanted:.0%}); mean p(c | x) {sure:.4f}; off support {off:.0%}",
            method=phrase(method),
            r=r,
            low=low,
            high=high,
            sampler=sampler,
            world=phrase(world),
            share=float(share),
            wanted=float(wanted),
            sure=float(sure),
            off=float(off),
        )

    return update


def level(mixture: Mixture, label: int, pixels, line, r: float = 1.0) -> list:
    """The outline at which the density of a class, tilted with r, has a tenth of its peak."""
    own, every = (torch.full((len(pixels),), y) for y in (label, NULL))
    log_p = mixture.log_prob(pixels, own)
    log_p = log_p + (r - 1) * (log_p - mixture.log_prob(pixels, every))  # log p(y given x), up to a constant
    return contour_generator(line, line, stage.square((log_p - log_p.max()).exp())).lines(0.1)


def contested_mode_demo(schedule: Schedule | None = None) -> LiveFigure:
    """The demo, in the world of `toy.contested`."""
    T = (schedule or linear()).T
    controls = {
        "method": choice("method", METHODS, METHODS[0]),
        "r": slider("scale r", 1, 8, 4.0, 0.25),
        "low": int_slider("guide above t", 0, T, 0, max(1, T // 20)),
        "high": int_slider("and up to t", 0, T, T, max(1, T // 20)),
        "sampler": choice("sampler", ["DDIM", "DDPM"], "DDIM"),
        "world": choice("world", list(WORLDS), "as it is"),
    }
    alt = (
        "Left, guided samples of a class with two modes over its tilted density, beside the other class; right, their "
        "paths from noise to data, with the times at which guidance acts"
    )
    presets = {
        "ends at 400, DDIM": {"high": 400},
        "ends at 400, DDPM": {"high": 400, "sampler": "DDPM"},
        "APG, as it is": {"method": "projected (APG)", "world": "as it is"},
        "APG, turned": {"method": "projected (APG)", "world": "turned"},
        "APG, moved": {"method": "projected (APG)", "world": "moved"},
    }
    scene, presets = bound(contested_mode_scene, schedule=schedule), {} if schedule else presets
    return LiveFigure(scene, controls, size=(9.6, 4.7), alt=alt, presets=presets, play="r")
