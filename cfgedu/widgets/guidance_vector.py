"""The hero demo: the guidance vector g = s_cond - s_un over p(y given x_t), and the vector sum at one point.

Scores span many orders of magnitude between t = T and t = 1, so each panel writes down its own scale: on the left the
length of the longest arrow, on the right the length that the outer circle stands for.
"""

from math import ceil, log2

import torch
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from cfgedu.guidance import null_pair
from cfgedu.plots import CLASSES, GUIDED, LIM, UN, G, class_map, color, grid, plane
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets.live import LiveFigure, bound, choice, int_slider, moving, slider

ARROWS, PIXELS = 15, 61  # arrows and pixels a side
LONGEST, POINTER = 0.55, 0.7  # drawn lengths, in units of x: the longest arrow of g, and the guided score's direction
INK = "#333333"  # the contour lines
LEVELS, DASHES = [0.1, 0.5, 0.9], ["dotted", "dashed", "solid"]
SIZE = (9.6, 5.2)
START = {"t": 150, "r": 2.0, "label": 0, "px": 1.2, "py": 1.5}


def guidance_vector(figure, mixture: Mixture | None = None, schedule: Schedule | None = None):
    """The scene; its state is t, r, label and the point (px, py)."""
    mixture, schedule = mixture or islands(), schedule or linear()
    pair = null_pair(mixture.denoiser(schedule))
    left, right = figure.subplots(1, 2)
    points, pixels = grid(ARROWS, LIM * (1 - 1 / ARROWS)).double(), grid(PIXELS)  # g at t = T is a small difference
    window = (-LIM, LIM, -LIM, LIM)
    title = {"loc": "right", "fontsize": 10}

    plane(left).set_title("$g$ over $p(y\\,|\\,x_t)$", loc="left")
    note_left = moving(left.set_title("", **title))
    picture = left.imshow([[0]], extent=window, origin="lower", vmin=0, vmax=1.6, interpolation="bilinear", zorder=0)
    picture.set(animated=True, interpolation_stage="data")
    field = arrows(left, points, color=G, width=0.005, zorder=3)
    center = moving(left.plot([], [], "x", color=GUIDED, markersize=7, markeredgewidth=1.8, zorder=4)[0])
    pointer = arrows(left, torch.zeros(1, 2), color=GUIDED, width=0.011, zorder=5)
    ring = {"marker": "o", "markerfacecolor": "white", "markeredgecolor": GUIDED, "markeredgewidth": 1.5}
    dot = moving(left.plot([], [], "", markersize=9, zorder=6, **ring)[0])
    moving(*left.spines.values())
    contours = []

    plane(right, lim=1.1).set(xticks=[], yticks=[], xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    right.set_title("the sum at the point", loc="left")
    note_right = moving(right.set_title("", **title))
    right.spines[:].set_visible(False)
    for radius in (0.5, 1):
        right.add_patch(Circle((0, 0), radius, fill=False, edgecolor="#CCCCCC", linewidth=0.8, zorder=0))
    scores = arrows(right, torch.zeros(2, 2), width=0.016, headwidth=2.2, headlength=2.4, headaxislength=2.2, zorder=3)
    sums = arrows(right, torch.zeros(2, 2), color=[G, GUIDED], width=0.008, zorder=4)
    swatch = legends(figure, ring)

    def update(t: int, r: float, label: int, px: float, py: float) -> str:
        a, x = float(schedule.alpha_bar[t]), torch.tensor([[px, py]], dtype=torch.float64)
        p = mixture.posterior(pixels, a)[:, label].reshape(PIXELS, PIXELS).numpy()
        picture.set(data=p, cmap=class_map(label))
        while contours:
            contours.pop().remove()
        lines = {"colors": INK, "linewidths": 1.1, "linestyles": DASHES}
        contours.append(moving(left.contour(p, levels=LEVELS, extent=window, **lines)))

        at = torch.cat([points, x])
        eps_un, eps_cond = pair(at, torch.full((len(at),), t), torch.full((len(at),), label))
        s_un, s_cond = schedule.score(at, t, eps_un), schedule.score(at, t, eps_cond)
        g = s_cond - s_un
        longest = float(g[:-1].norm(dim=1).max())
        field.set_UVC(*(LONGEST / longest * g[:-1]).T)
        s_un, s_cond, g = s_un[-1], s_cond[-1], g[-1]  # at the point
        guided = s_un + r * g
        pointer.set_offsets(x)
        pointer.set_UVC(*(POINTER * guided / guided.norm().clamp_min(1e-12))[:, None])
        dot.set_data([px], [py])
        mine = mixture.label == label
        center.set_data(*(a**0.5 * (mixture.weight[mine] @ mixture.mean[mine]) / mixture.weight[mine].sum())[:, None])

        reach = 2.0 ** ceil(log2(max(float(v.norm()) for v in (s_un, s_cond, guided))))
        scores.set_UVC(*(torch.stack([s_un, s_cond]) / reach).T)
        scores.set_color([UN, color(label)])
        sums.set_offsets(torch.stack([s_un, 0 * s_un]) / reach)
        sums.set_UVC(*(torch.stack([r * g, guided]) / reach).T)
        swatch.set_color(color(label))
        note_left.set_text(f"t = {t},  y = {label},  longest arrow {longest:.2g}")
        note_right.set_text(f"r = {r:.1f},  outer circle {reach:g}")
        prob = float(mixture.posterior(x, a)[0, label])
        lengths = f"|s_un| = {s_un.norm():.3g}, |g| = {g.norm():.3g}, |guided| = {guided.norm():.3g}"
        return f"t = {t}, signal level {a:.3f}. At the point: p(y = {label} | x_t) = {prob:.3f}, {lengths}"

    return update


def arrows(ax, x, **kwargs):
    """Moving arrows at x (B,2), as long as their vectors."""
    zero = torch.zeros(len(x))
    return ax.quiver(*x.T, zero, zero, angles="xy", scale_units="xy", scale=1, animated=True, **kwargs)


def legends(figure, ring):
    """Both panels' legends; returns the one part of them that moves, the line in the colour of the class."""
    look = {"columnspacing": 1.2, "handlelength": 1.8, "fontsize": 9.5}
    levels = [Line2D([], [], color=INK, linestyle=d, label=f"$p$ = {p}") for p, d in zip(LEVELS, DASHES)]
    vector = Line2D([], [], color=G, linewidth=3, label="$g$")
    point = Line2D([], [], color=GUIDED, linewidth=3, label="the point, its guided score", **ring)
    center = Line2D([], [], color=GUIDED, marker="x", linestyle="", label="mean of class $y$")
    handles = [levels[0], vector, levels[1], point, levels[2], center]
    figure.legend(handles=handles, ncols=3, loc="outside lower left", **look)
    names = ["$s_{un}$, no label", "$s_{cond}$, label $y$", "$r\\,g$", "guided: $s_{un} + r\\,g$"]
    parts = zip(names, [UN, CLASSES[0], G, GUIDED], [6, 6, 3, 3])
    handles = [Line2D([], [], color=c, linewidth=width, label=name) for name, c, width in parts]
    legend = figure.legend(handles=handles, ncols=2, loc="outside lower right", **look)
    return moving(legend.get_lines()[1])


def guidance_vector_demo(mixture: Mixture | None = None, schedule: Schedule | None = None) -> LiveFigure:
    """The scene with its controls, on the islands unless another mixture is given."""
    scene = bound(guidance_vector, mixture=mixture, schedule=schedule)
    mixture, schedule = mixture or islands(), schedule or linear()
    stride = max(1, schedule.T // 100)
    controls = {
        "t": int_slider("time t", stride, schedule.T, START["t"] * schedule.T // 1000, stride),
        "r": slider("scale r", 0, 8, START["r"]),
        "label": choice("class y", range(mixture.K), START["label"]),
        "px": slider("point, x1", -LIM, LIM, START["px"], 0.05),
        "py": slider("point, x2", -LIM, LIM, START["py"], 0.05),
    }
    alt = "Guidance vectors as arrows over the probability of the class, and the sum of vectors at one point"
    return LiveFigure(scene, controls, size=SIZE, alt=alt)
