"""The dial of guidance: its scales side by side on one number line, and what the samples do as it turns."""

import torch
from matplotlib.axes import Axes

from cfgedu.guidance import guided, null_pair, w_from_r
from cfgedu.language import phrase
from cfgedu.plots import CLASSES, GUIDED, UN, G, plane
from cfgedu.protocol import seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import linear
from cfgedu.toy import islands
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, moving, slider

POINTS, STEPS = 450, 25
LOW, HIGH = -1, 8


def number_line(ax: Axes) -> Axes:
    """r, w and guidance_scale, one above the other: what lies on one vertical is the same model."""
    ax.axvspan(1, HIGH + 0.5, color=G, alpha=0.08, linewidth=0)
    rows = {"$r$, this course": 2.0, "$w$, Ho & Salimans": 1.0, "guidance_scale, classic diffusers": 0.0}
    for name, height in rows.items():
        ax.plot([LOW, HIGH], [height, height], color="#333333", linewidth=1.2, zorder=1)
        ax.text(HIGH, height + 0.2, name, ha="right", fontweight="bold")
        for r in range(LOW, HIGH + 1):
            value = w_from_r(r) if "w" in name[:3] else r
            gated = height == 0 and r <= 1  # this library guides above 1 only
            ax.plot(r, height, "o", markersize=5, color="#333333", markerfacecolor="white" if gated else "#333333")
            ax.text(r, height - 0.3, f"{value}", ha="center", color="#333333")
    ax.text(HIGH, -0.75, "hollow: 1 or less leaves guidance out, so the plain label", ha="right")
    for r, text, color in (
        (0, "no\nlabel", stage.ink(UN)),
        (1, "plain\nlabel", "#333333"),
        (4.5, "guided: beyond the label", stage.ink(G)),
    ):
        ax.text(r, 2.6, text, ha="center", va="bottom", color=color)
    ax.set(xlim=(LOW - 0.5, HIGH + 0.5), ylim=(-1, 3.3))
    ax.set_axis_off()
    return ax


def scales_scene(figure):
    """The scene; its state is r."""
    mixture, schedule = islands(), linear()
    pair = null_pair(mixture.denoiser(schedule))
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    number_line(left)
    here = moving(left.axvline(1, ymin=0.12, ymax=0.79, color=GUIDED, linewidth=9, alpha=0.22, zorder=3))
    plane(right)
    right.set_title("all three classes", loc="left")
    note = stage.note(right)
    dots = [
        stage.line(right, ".", color=color, markersize=3.5, label=f"asked for class {k}", zorder=2)
        for k, color in enumerate(CLASSES[: mixture.K])
    ]
    figure.legend(loc="outside lower right", ncols=3, markerscale=3, handletextpad=0.2, columnspacing=1.2)
    x_T = torch.randn(POINTS, 2, generator=seeded(0))
    _, y = mixture.sample(POINTS, seeded(1))

    def update(r: float) -> str:
        x = sample(ddim_step, guided(pair, r), schedule, x_T, y, STEPS)
        for k, line in enumerate(dots):
            line.set_data(*x[y == k].T)
        here.set_xdata([r, r])
        note.set_text(f"r = {r:.1f}")
        right_class = float((mixture.posterior(x).argmax(1) == y).float().mean())
        library = f"{r:g}" if r > 1 else phrase("cannot do this") if r < 1 else phrase("1 (or less)")
        return phrase(
            "r = {r:g}, w = {w:.2g}, guidance_scale: {library}; landed in the class asked for: {share:.0%}",
            r=r,
            w=w_from_r(r),
            library=library,
            share=right_class,
        )

    return update


def scales_demo() -> LiveFigure:
    controls = {"r": slider("scale r", LOW, HIGH, 1.0)}
    alt = "Three guidance scales on one number line, and the guided samples"
    presets = {
        "below zero": {"r": -1.0},
        "no label": {"r": 0.0},
        "plain label": {"r": 1.0},
        "r = 4": {"r": 4.0},
        "r = 8": {"r": 8.0},
    }
    look = {"presets": presets, "drag": {0: ("r", None)}, "play": "r"}
    return LiveFigure(scales_scene, controls, size=(9.6, 4.6), alt=alt, **look)
