"""The hero demo: the guidance vector g = s_cond - s_un over p(y given x_t), and the vector sum at one point.

Scores span many orders of magnitude between t = T and t = 1, so each panel writes down its own scale: on the left the
length of the longest arrow, on the right the length that the outer circle stands for.
"""

from math import ceil, log2

import torch
from matplotlib.patches import Circle

from cfgedu.guidance import guidance_vector, null_pair
from cfgedu.language import phrase
from cfgedu.plots import CLASSES, GUIDED, UN, G, class_map, color, grid, plane
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, bound, choice, moving, slider

ARROWS, PIXELS = 13, 51  # arrows and pixels a side
LONGEST, POINTER = 0.55, 0.7  # drawn lengths, in units of x: the longest arrow of g, and the guided score's direction
WALL = 0.75  # where p(y = 0 given x_t) is a half at t = 50 and x_2 = 0.9
RING = {"marker": "o", "markerfacecolor": "white", "markeredgecolor": GUIDED, "markeredgewidth": 1.5}


def guidance_vector_scene(figure, mixture: Mixture | None = None, schedule: Schedule | None = None):
    """The scene; its state is t, r, label and the point (px, py)."""
    mixture, schedule = (mixture or islands()).to("cpu"), schedule or linear()
    pair = null_pair(mixture.denoiser(schedule))
    vector = guidance_vector(pair, schedule)
    points, pixels = stage.places(ARROWS).double(), grid(PIXELS)  # g at t = T is a small difference
    left, right = figure.subplots(1, 2)
    show_field, show_sum = field_panel(left, points), sum_panel(right)
    swatch = legends(figure)

    def update(t: int, r: float, label: int, px: float, py: float) -> str:
        a, x = float(schedule.alpha_bar[t]), torch.tensor([[px, py]], dtype=torch.float64)
        g = stage.at(vector, torch.cat([points, x]), t, label)
        s_un, s_cond = (schedule.score(x, t, eps)[0] for eps in stage.at(pair, x, t, label))
        field, g = g[:-1], g[-1]
        guided = s_un + r * g
        mine = mixture.label == label
        center = a**0.5 * (mixture.weight[mine] @ mixture.mean[mine]) / mixture.weight[mine].sum()
        show_field(t, label, stage.square(mixture.posterior(pixels, a)[:, label]), field, center, x, guided)
        show_sum(r, label, s_un, s_cond, g, guided)
        swatch.set_color(color(label))
        lengths = {name: float(v.norm()) for name, v in {"un": s_un, "g": g, "guided": guided}.items()}
        return phrase(
            "t = {t}, signal level {a:.3f}. At the point: p(y = {label} | x_t) = {prob:.3f}, |s_un| = {un:.3g}, "
            "|g| = {g:.3g}, |guided| = {guided:.3g}",
            **{"t": t, "a": a, "label": label, "prob": float(mixture.posterior(x, a)[0, label]), **lengths},
        )

    return update


def field_panel(ax, points):
    """g at the points, over p(y given x_t); the mean of the class; the guided score at one point."""
    plane(ax).set_title("$g$ over $p(y\\,|\\,x_t)$", loc="left")
    note = stage.note(ax)
    picture = stage.shade(ax, vmin=0, vmax=2.4, interpolation_stage="data")
    quiver = stage.arrows(ax, points, color=G, width=0.005, zorder=3)
    cross = stage.line(ax, "x", color=GUIDED, markersize=7, markeredgewidth=1.8, zorder=4)
    pointer = stage.arrows(ax, torch.zeros(1, 2), color=GUIDED, width=0.011, zorder=5)
    dot = stage.line(ax, markersize=9, zorder=6, **RING)
    outlines = stage.outlines(ax, linewidths=1.1)
    stage.frame(ax)

    def show(t, label, p, field, center, x, guided):
        picture.set(data=p, cmap=class_map(label))
        outlines(p)
        longest = float(field.norm(dim=1).max())
        quiver.set_UVC(*(LONGEST / longest * field).T)
        cross.set_data(*center[:, None])
        pointer.set_offsets(x)
        pointer.set_UVC(*(POINTER * guided / guided.norm().clamp_min(1e-12))[:, None])
        dot.set_data(*x.T)
        note.set_text(f"t = {t},  longest arrow {longest:.2g}")

    return show


def sum_panel(ax):
    """The vector sum s_un + r g, and the two scores, at one point."""
    plane(ax, lim=1.1).set(xticks=[], yticks=[], xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    ax.set_title("the sum at the point", loc="left")
    note = stage.note(ax)
    ax.spines[:].set_visible(False)
    for radius in (0.5, 1):
        ax.add_patch(Circle((0, 0), radius, fill=False, edgecolor="#CCCCCC", linewidth=0.8, zorder=0))
    heads = {"headwidth": 2.2, "headlength": 2.4, "headaxislength": 2.2}
    scores = stage.arrows(ax, torch.zeros(2, 2), width=0.016, zorder=3, **heads)
    sums = stage.arrows(ax, torch.zeros(2, 2), color=[G, GUIDED], width=0.008, zorder=4)

    def show(r, label, s_un, s_cond, g, guided):
        reach = 2.0 ** ceil(log2(max(float(v.norm()) for v in (s_un, s_cond, guided))))
        scores.set_UVC(*(torch.stack([s_un, s_cond]) / reach).T)
        scores.set_color([UN, color(label)])
        sums.set_offsets(torch.stack([s_un, 0 * s_un]) / reach)
        sums.set_UVC(*(torch.stack([r * g, guided]) / reach).T)
        note.set_text(f"r = {r:.1f},  outer circle {reach:g}")

    return show


def legends(figure):
    """Both panels' legends; returns the one part of them that moves, the line in the colour of the class."""
    look = {"columnspacing": 1.2, "handlelength": 1.8}
    levels = stage.level_keys(*["$p$ = "] * 3)
    vector = stage.key("$g$", G, linewidth=3)
    point = stage.key("the point, its guided score", GUIDED, linewidth=3, **RING)
    center = stage.key("mean of class $y$", GUIDED, marker="x", linestyle="")
    stage.legend_row(figure, "left", [levels[0], vector, levels[1], point, levels[2], center], **look)
    names = ["$s_{un}$, no label", "$s_{cond}$, label $y$", "$r\\,g$", "guided: $s_{un} + r\\,g$"]
    parts = zip(names, [UN, CLASSES[0], G, GUIDED], [6, 6, 3, 3])
    sums = [stage.key(name, c, linewidth=width) for name, c, width in parts]
    return moving(stage.legend_row(figure, "right", sums, ncols=2, **look).get_lines()[1])


def guidance_vector_demo(mixture: Mixture | None = None, schedule: Schedule | None = None) -> LiveFigure:
    """The demo, on the islands unless another mixture is given."""
    scene = bound(guidance_vector_scene, mixture=mixture, schedule=schedule)
    controls = {
        "t": stage.time_slider(schedule or linear(), 150, stops=100),
        "r": slider("scale r", 0, 8, 2.0),
        "label": choice("class y", range((mixture or islands()).K), 0),
        **stage.point_sliders(1.2, 1.5),
    }
    alt = "Guidance vectors as arrows over the probability of the class, and the sum of vectors at one point"
    presets = {
        "all noise": {"t": 1000},
        "deep in the class, r = 2": {"t": 50, "px": 0.0, "py": 1.5},
        "deep in the class, r = 8": {"t": 50, "px": 0.0, "py": 1.5, "r": 8.0},
        "on the wall, r = 2": {"t": 50, "px": WALL, "py": 0.9},
        "on the wall, r = 8": {"t": 50, "px": WALL, "py": 0.9, "r": 8.0},
    }
    presets = presets if mixture is None and schedule is None else {}
    return LiveFigure(scene, controls, size=(9.6, 5.2), alt=alt, presets=presets, drag={0: ("px", "py")}, play="t")
