"""The drop-rate explorer of notebook 08: a network's guidance vector beside the exact one, for any rate and any null.

All arrows are g = s_cond - s_un times the noise level sqrt(1 - a_t), that is eps_un - eps_cond; its errors are in these
units too, for in score units those of the smallest t would dwarf all others. Both fields are drawn to one scale.
"""

from collections.abc import Mapping
from copy import deepcopy

import torch
from matplotlib.lines import Line2D
from torch import Tensor, nn

from cfgedu.guidance import null_pair
from cfgedu.metrics import field_error
from cfgedu.plots import GUIDED, LIM, G, color, grid, plane
from cfgedu.protocol import Denoiser, Pair
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets.live import LiveFigure, bound, choice, int_slider, moving

NULLS = ("learned row", "zeros", "mean of class rows")
ARROWS, PIXELS = 13, 41  # arrows and points of the contours a side
POINTS, TIMES = 300, 16  # test points and times behind the curve of the error
LEVELS, DASHES = [0.1, 0.5, 0.9], ["dotted", "dashed", "solid"]  # of p(y given x_t)
LONGEST = 0.55  # drawn length of the longest arrow, in units of x
SIZE = (10.4, 4.2)
START = {"p_drop": 0.0, "null": "learned row", "t": 150, "label": 0}


def with_null(net: nn.Module, null: str) -> nn.Module:
    """A copy of a network with one of NULLS in row 0 of its label embedding; "learned row" keeps its own.

    Raises ValueError for another null.
    """
    if null not in NULLS:
        raise ValueError(f"null must be one of {', '.join(NULLS)}, got {null!r}")
    net = deepcopy(net)
    rows = net.label.weight.data
    if null == "zeros":
        rows[0] = 0
    elif null == "mean of class rows":
        rows[0] = rows[1:].mean(0)
    return net


def vector(pair: Pair) -> Denoiser:
    """The guidance vector of a Pair in eps units, (x, t, y) -> eps_cond - eps_un."""

    def g(x, t, y):
        eps_un, eps_cond = pair(x, t, y)
        return eps_cond - eps_un

    return g


def dropout_explorer(
    figure, nets: Mapping[float, nn.Module], mixture: Mixture | None = None, schedule: Schedule | None = None
):
    """The scene; its state is p_drop (a key of nets), null (one of NULLS), t and label.

    nets: {p_drop: network}. The curve and the numbers are mean squared errors over noised data of all classes.
    """
    mixture, schedule = mixture or islands(), schedule or linear()
    fields = {(p, null): vector(null_pair(with_null(net, null))) for p, net in nets.items() for null in NULLS}
    exact = vector(null_pair(mixture.denoiser(schedule)))
    x0, y = mixture.sample(POINTS, torch.Generator().manual_seed(0))
    times = [max(1, round(schedule.T * (i / TIMES) ** 1.5)) for i in range(1, TIMES + 1)]

    def error(field: Denoiser, at) -> Tensor:
        return field_error(field, exact, schedule, x0, y, at, torch.Generator().manual_seed(1))

    curves = {key: error(field, times) for key, field in fields.items()}
    nothing = lambda x, t, y: torch.zeros_like(x)
    signal = error(nothing, times)  # what g = 0 would miss

    left, middle, right = axes = figure.subplots(1, 3)
    points, pixels = grid(ARROWS, LIM * (1 - 1 / ARROWS)), grid(PIXELS)
    for ax, title in ((left, "exact $g$"), (middle, "learned $g$")):
        plane(ax).set_title(title, loc="left")
        moving(*ax.spines.values())
    middle.set_yticklabels([])
    arrow = {"color": G, "width": 0.006, "angles": "xy", "scale_units": "xy", "scale": 1, "zorder": 3}
    zero = torch.zeros(len(points))
    quivers = [moving(ax.quiver(*points.T, zero, zero, **arrow)) for ax in (left, middle)]
    notes = [moving(ax.set_title("", loc="right", fontsize=10)) for ax in axes]
    contours = []

    highest = float(torch.cat([*curves.values(), signal]).max())
    right.set(xlim=(0, schedule.T), yscale="log", ylim=(1e-6, 2 * highest), xlabel="time t")
    right.set_title("error of $g$", loc="left")
    right.plot(times, signal, color=GUIDED, linestyle="--")
    curve = moving(right.plot([], [], color=G, linewidth=2)[0])
    dot = moving(right.plot([], [], "o", color=G, markersize=9, zorder=4)[0])
    legends(figure)

    @torch.no_grad()
    def update(p_drop: float, null: str, t: int, label: int) -> str:
        field, at, asked = fields[p_drop, null], torch.full((len(points),), t), torch.full((len(points),), label)
        both = [-each(points, at, asked) for each in (exact, field)]
        longest = [float(g.norm(dim=1).max()) for g in both]
        p = mixture.posterior(pixels, float(schedule.alpha_bar[t]))[:, label].reshape(PIXELS, PIXELS).numpy()
        while contours:
            contours.pop().remove()
        line = torch.linspace(-LIM, LIM, PIXELS).numpy()
        for ax, quiver, g, note, length in zip((left, middle), quivers, both, notes, longest):
            look = {"levels": LEVELS, "colors": [color(label)], "linestyles": DASHES, "linewidths": 1.2, "zorder": 1}
            contours.append(moving(ax.contour(line, line, p, **look)))
            quiver.set_UVC(*(LONGEST / max(longest) * g).T.numpy())
            note.set_text(f"longest {length:.2g}")
        here, there = float(error(field, [t])), float(error(nothing, [t]))
        curve.set_data(times, curves[p_drop, null])
        dot.set_data([t], [here])
        notes[2].set_text(f"{here / there:.2g} x signal")
        told = f"mean squared error of g, all classes, {here:.2g}; of the signal, the exact g itself, {there:.2g}"
        return f"p_drop = {p_drop:g}, null: {null}, class {label}, t = {t}: {told}"

    return update


def legends(figure) -> None:
    look = {"ncols": 3, "fontsize": 9.5}
    levels = zip(LEVELS, DASHES)
    handles = [Line2D([], [], color="#333333", linestyle=dash, label=f"$p(y\\,|\\,x_t)$ = {p}") for p, dash in levels]
    figure.legend(handles=handles, loc="outside lower left", **look)
    handles = [
        Line2D([], [], color=G, linewidth=2, label="mean squared error"),
        Line2D([], [], color=G, marker="o", linestyle="", markersize=9, label="at this t"),
        Line2D([], [], color=GUIDED, linestyle="--", label="signal: mean $g^2$"),
    ]
    figure.legend(handles=handles, loc="outside lower right", **look)


def dropout_explorer_demo(
    nets: Mapping[float, nn.Module], mixture: Mixture | None = None, schedule: Schedule | None = None
) -> LiveFigure:
    """The scene with its controls."""
    scene = bound(dropout_explorer, nets=nets, mixture=mixture, schedule=schedule)
    T, K = (schedule or linear()).T, (mixture or islands()).K
    controls = {
        "p_drop": choice("p_drop", list(nets), next(iter(nets))),
        "null": choice("null", NULLS, START["null"]),
        "t": int_slider("time t", 1, T, START["t"] * T // 1000),
        "label": choice("class y", range(K), START["label"]),
    }
    alt = "The exact guidance vectors, those of a network trained with the chosen drop rate, and their error over time"
    return LiveFigure(scene, controls, size=SIZE, alt=alt)
