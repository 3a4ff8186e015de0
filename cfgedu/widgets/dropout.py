"""The drop-rate explorer of notebook 08: a network's guidance vector beside the exact one, for any rate and any null.

All arrows are g = s_cond - s_un times the noise level sqrt(1 - a_t), that is eps_un - eps_cond; its errors are in these
units too, for in score units those of the smallest t would dwarf all others. Both fields are drawn to one scale.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cfgedu.checkpoints import load_checkpoint
from cfgedu.guidance import from_score, guidance_vector, null_pair
from cfgedu.language import phrase
from cfgedu.metrics import field_error
from cfgedu.models import NULLS, with_null
from cfgedu.plots import GUIDED, G, color, grid, plane
from cfgedu.protocol import Denoiser, seeded
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, bound, choice

ARROWS, PIXELS = 13, 41  # arrows and points of the contours a side
POINTS, TIMES = 300, 16  # test points and times behind the curve of the error
LONGEST = 0.55  # drawn length of the longest arrow, in units of x
RATES = (0.0, 0.02, 0.1, 0.2, 0.5, 0.9)  # of the networks that ship with the course


def shipped_name(p_drop: float) -> str:
    """The checkpoint of a rate: dropout-2 is that of 0.02."""
    return f"dropout-{round(100 * p_drop)}"


def eps_vector(model: Denoiser, schedule: Schedule) -> Denoiser:
    """The guidance vector of a network in eps units, (x, t, y) -> eps_cond - eps_un."""
    return from_score(guidance_vector(null_pair(model), schedule), schedule)


def dropout_explorer_scene(
    figure,
    nets: Mapping[float, nn.Module] | None = None,
    mixture: Mixture | None = None,
    schedule: Schedule | None = None,
):
    """The scene; its state is p_drop (a key of nets), null (one of NULLS), t and label.

    nets: {p_drop: network}, those that ship with the course unless given. The curve and the numbers are mean squared
    errors over noised data of all classes.
    """
    nets = nets or shipped_networks()
    mixture, schedule = (mixture or islands()).to("cpu"), schedule or linear()
    told = {(p, null): stage.at_home(with_null(net, null)) for p, net in nets.items() for null in NULLS}
    fields = {key: eps_vector(net, schedule) for key, net in told.items()}
    exact = eps_vector(mixture.denoiser(schedule), schedule)
    nothing = lambda x, t, y: torch.zeros_like(x)  # its error is the signal, what g = 0 would miss
    x0, y = mixture.sample(POINTS, seeded(0))
    times = [max(1, round(schedule.T * (i / TIMES) ** 1.5)) for i in range(1, TIMES + 1)]

    def error(field: Denoiser, at) -> Tensor:
        return field_error(field, exact, schedule, x0, y, at, seeded(1))

    curves = {key: error(field, times) for key, field in fields.items()}
    points, pixels = stage.places(ARROWS), grid(PIXELS)
    *panels, right = figure.subplots(1, 3)
    show_fields = field_panels(*panels, points)
    show_error = error_panel(right, schedule.T, times, error(nothing, times), curves.values())
    legends(figure)

    @torch.no_grad()
    def update(p_drop: float, null: str, t: int, label: int) -> str:
        field = fields[p_drop, null]
        p = mixture.posterior(pixels, float(schedule.alpha_bar[t]))[:, label]
        show_fields(stage.square(p), label, [-stage.at(each, points, t, label) for each in (exact, field)])
        here, signal = float(error(field, [t])), float(error(nothing, [t]))
        show_error(curves[p_drop, null], t, here, signal)
        return phrase(
            "p_drop = {p_drop:g}, null: {null}, class {label}, t = {t}: mean squared error of g, all classes, "
            "{here:.2g}; of the signal, the exact g itself, {signal:.2g}",
            p_drop=p_drop,
            null=phrase(null),
            label=label,
            t=t,
            here=here,
            signal=signal,
        )

    return update


def field_panels(left, middle, points):
    """The exact g and the learned one at the points, over outlines of p(y given x_t)."""
    for ax, title in ((left, "exact $g$"), (middle, "learned $g$")):
        plane(ax).set_title(title, loc="left")
        stage.frame(ax)
    middle.set_yticklabels([])
    quivers = [stage.arrows(ax, points, color=G, width=0.006, zorder=3) for ax in (left, middle)]
    notes = [stage.note(ax) for ax in (left, middle)]
    outlines = stage.outlines(left, middle, linewidths=1.2, zorder=1)

    def show(p, label, both):
        outlines(p, color(label))
        longest = [float(g.norm(dim=1).max()) for g in both]
        for quiver, g, note, length in zip(quivers, both, notes, longest):
            quiver.set_UVC(*(LONGEST / max(longest) * g).T.numpy())
            note.set_text(f"longest {length:.2g}")

    return show


def error_panel(ax, T, times, signal, curves):
    """The error of g over time, one of `curves`, beside the signal."""
    highest = float(torch.cat([*curves, signal]).max())
    ax.set(xlim=(0, T), yscale="log", ylim=(1e-6, 2 * highest), xlabel="time t")
    ax.set_title("error of $g$", loc="left")
    note = stage.note(ax)
    ax.plot(times, signal, color=GUIDED, linestyle="--")
    line = stage.line(ax, color=G, linewidth=2)
    dot = stage.line(ax, "o", color=G, markersize=9, zorder=4)

    def show(curve, t, here, there):
        line.set_data(times, curve)
        dot.set_data([t], [here])
        note.set_text(f"{here / there:.2g} x signal")

    return show


def legends(figure) -> None:
    stage.legend_row(figure, "left", stage.level_keys("$p(y\\,|\\,x_t)$ = ", "", ""))
    handles = [
        stage.key("mean squared error", G, linewidth=2),
        stage.key("at this t", G, marker="o", linestyle="", markersize=9),
        stage.key("signal: mean $g^2$", GUIDED, linestyle="--"),
    ]
    stage.legend_row(figure, "right", handles)


def shipped_networks() -> dict[float, nn.Module]:
    """{p_drop: network} of notebook 08's islands, trained as it trains its own."""
    return {p: load_checkpoint(shipped_name(p))[0] for p in RATES}


def dropout_explorer_demo(
    nets: Mapping[float, nn.Module] | None = None, mixture: Mixture | None = None, schedule: Schedule | None = None
) -> LiveFigure:
    """The demo of networks {p_drop: network}, or of those that ship; on the islands unless a mixture is given."""
    scene = bound(dropout_explorer_scene, nets=nets, mixture=mixture, schedule=schedule)
    nets = nets or dict.fromkeys(RATES)
    controls = {
        "p_drop": choice("p_drop", list(nets), next(iter(nets))),
        "null": choice("null", NULLS, NULLS[0]),
        "t": stage.time_slider(schedule or linear(), 150),
        "label": choice("class y", range((mixture or islands()).K), 0),
    }
    alt = "The exact guidance vectors, those of a network trained with the chosen drop rate, and their error over time"
    presets = {phrase("p_drop {p:g}, t = 800", p=p): {"p_drop": p, "t": 800} for p in nets if p <= 0.1}
    presets |= {"p_drop 0.1, null: zeros": {"p_drop": 0.1, "null": "zeros"}} if 0.1 in nets else {}
    look = {"presets": {} if schedule else presets, "drag": {2: ("t", None)}, "play": "t"}
    return LiveFigure(scene, controls, size=(9.6, 4.4), alt=alt, **look)
