"""Drawings that explain: sums of arrows, the plane of x_0 and eps, how a pair of predictions is made."""

from collections.abc import Sequence

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from torch import Tensor

from cfgedu.plots.look import CLASSES, GUIDED, UN, G
from cfgedu.plots.world import arrows
from cfgedu.schedule import Schedule


def arrow_sum(ax: Axes, un: Tensor, cond: Tensor, r: float, other: Sequence[float] = ()) -> Axes:
    """un + r (cond - un) as a sum of arrows, un and cond (2,); dots where it ends at r and other scales."""
    un, cond = un.detach().cpu(), cond.detach().cpu()
    foot, step, scales = torch.zeros_like(un), cond - un, sorted((*other, r))
    tips = torch.stack([un + scale * step for scale in scales])
    ax.plot(*tips.T.numpy(), ":", color="#777777", zorder=0)
    ax.plot(*tips.T.numpy(), "o", color="#777777", markeredgecolor="white", markersize=6, zorder=3)
    parts = (
        (foot, un, UN, "without the label"),
        (foot, cond, CLASSES[0], "with the label"),
        (un, r * step, G, f"{r:g} times the difference"),
        (foot, un + r * step, GUIDED, f"guided, r = {r:g}"),
    )
    for start, vector, shade, name in parts:
        arrows(ax, start[None], vector[None], shade, length=1, width=0.012, label=name)
    for scale, tip in zip(scales, tips.tolist(), strict=True):
        ax.annotate(f"r = {scale:g}", tip, (8, 4), textcoords="offset points")
    ax.set(aspect="equal", xlim=(0, None))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.8))
    return ax


def rotation(ax: Axes, schedule: Schedule, t: int) -> Axes:
    """x_t and v at time t as arrows in the plane of x_0 and eps, which are its axes: all four have length 1."""
    c, s = float(schedule.alpha_bar[t].sqrt()), float((1 - schedule.alpha_bar[t]).sqrt())
    tips = {"$x_0$": (1, 0, UN), r"$\epsilon$": (0, 1, UN), "$x_t$": (c, s, "black"), "$v$": (-s, c, "#56B4E9")}
    ax.add_patch(mpl.patches.Circle((0, 0), 1, fill=False, color="#DDDDDD"))
    for name, (u, w, color) in tips.items():
        look = {"arrowstyle": "-|>", "color": color, "linewidth": 2.5, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (u, w), (0, 0), arrowprops=look)
        ax.text(1.13 * u, 1.13 * w, name, fontsize=14, ha="center", va="center")
    ax.set(xlim=(-1.3, 1.3), ylim=(-0.25, 1.3), aspect="equal", title=f"t = {t}")
    ax.axis("off")
    return ax


def pair_sketch(ax: Axes, kind: str) -> Axes:
    """How both predictions are made: kind is "doubled batch", "twin" or "leaky twin". The label's way is purple."""
    twice = kind == "doubled batch"
    fork = 4 if twice else 5.5  # where the left edges of the two last boxes are
    boxes = [(fork + 1, side, "network" if twice else "head") for side in (1, -1)]
    boxes += [] if twice else [(2.8, 0, "trunk")]
    words = [(0, 0, r"$x_t,\ t$"), (fork + 1, -2.3, "$y$")]
    words += [(9.4, 1, r"$\epsilon_{un}$"), (9.4, -1, r"$\epsilon_{cond}$")]
    words += [(fork + 1, 2.3, "no label"), (fork + 1, 0, "the same weights")] if twice else []
    start = (0.8, 0) if twice else (3.8, 0)
    lines = [(start, (fork, side), GUIDED) for side in (1, -1)]
    lines += [((fork + 2, side), (8.7, side), GUIDED) for side in (1, -1)]
    lines += [((fork + 1, -2.05), (fork + 1, -1.45), G)]
    lines += [((fork + 1, 2.05), (fork + 1, 1.45), UN)] if twice else [((0.8, 0), (1.8, 0), GUIDED)]
    lines += [((fork + 0.75, -2.2), (3, -0.45), G)] if kind == "leaky twin" else []
    for x, y, _ in boxes:
        shape = "round,pad=0,rounding_size=0.15"
        ax.add_patch(mpl.patches.FancyBboxPatch((x - 1, y - 0.42), 2, 0.84, shape, facecolor="#EEEEEE"))
    for x, y, name in boxes + words:
        ax.text(x, y, name, ha="center", va="center", fontsize=12)
    for tail, tip, shade in lines:
        look = {"arrowstyle": "-|>", "color": shade, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", tip, tail, arrowprops=look)
    ax.set(xlim=(-0.9, 10.3), ylim=(-2.7, 2.7), title=kind)
    ax.axis("off")
    return ax
