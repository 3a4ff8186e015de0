"""The noise explorer: a cloud under the forward process, and what is left of a tracked point's class.

One noise eps per point: as t rises, every point moves on its own curve x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps.
"""

from functools import lru_cache

import torch

from cfgedu.language import phrase
from cfgedu.plots import color, plane
from cfgedu.protocol import seeded
from cfgedu.schedule import cosine, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, bound, choice, int_slider, moving

SCHEDULES = {"linear": linear(), "cosine": cosine()}
POINTS = 600
TRACKED_EPS = (-0.9, 0.7)  # the tracked point's own noise: where it stands when nothing of x_0 is left
PROBABILITIES = {"ylim": (0, 1.15), "yticks": [0, 0.2, 0.4, 0.6, 0.8, 1]}  # room for the legends above 1


def noise_explorer_scene(figure, mixture: Mixture | None = None):
    """The scene; its state is the time t, the schedule's name, and the class (label) of the tracked point."""
    mixture = (mixture or islands()).to("cpu")
    K, T = mixture.K, next(iter(SCHEDULES.values())).T
    generator, times = seeded(1), torch.arange(T + 1)
    x0, y = mixture.sample(POINTS, generator)
    eps = torch.randn(POINTS, 2, generator=generator)
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.15, 0.55, 1.15])
    show_cloud, bars, show_curves = (
        cloud_panel(left, y, K),
        bars_panel(middle, mixture),
        curves_panel(right, mixture),
    )
    stage.frame(left, middle, right)

    @lru_cache(maxsize=8)
    def walk(schedule, label):
        """x_t (T+1,2) and p(y given x_t) (T+1,K) of the tracked point at t = 0..T"""
        largest = torch.where(mixture.label == label, mixture.weight, 0).argmax()
        path = SCHEDULES[schedule].noise(mixture.mean[largest].expand(T + 1, 2), times, torch.tensor([TRACKED_EPS]))
        return path, mixture.posterior(path, SCHEDULES[schedule].alpha_bar)

    def update(t: int, schedule: str, label: int) -> str:
        a = float(SCHEDULES[schedule].alpha_bar[t])
        path, p = walk(schedule, label)
        show_cloud(SCHEDULES[schedule].noise(x0, t, eps), path[: t + 1], label, f"$x_t$ at t = {t}, {schedule}")
        stage.set_heights(bars, p[t])
        show_curves(t, p)
        snr = phrase("infinite") if t == 0 else f"{a / (1 - a):.2g}"
        chances = ", ".join(f"{v:.3f}" for v in p[t].tolist())
        return phrase(
            "t = {t}: alpha-bar = {a:.4g}, SNR = {snr}; p(y | x_t) of the star, classes 0 to {last}: {chances}",
            t=t,
            a=a,
            snr=snr,
            last=K - 1,
            chances=chances,
        )

    return update


def cloud_panel(ax, y, K):
    """The cloud, and the way of the tracked point, a star."""
    plane(ax).set(xlabel="$x_1$", ylabel="$x_2$")
    dot = {"linestyle": "none", "marker": "o", "markersize": 3, "markeredgewidth": 0, "alpha": 0.55}
    clouds = [stage.line(ax, color=color(k), **dot) for k in range(K)]
    trail = stage.line(ax, color="black", linewidth=1.3, zorder=4)
    star = {"linestyle": "none", "marker": "*", "markersize": 17, "markeredgecolor": "black", "zorder": 5}
    here = stage.line(ax, **star)
    title = moving(ax.set_title("t = 0"))

    def show(x, path, label, text):
        for k, cloud in enumerate(clouds):
            cloud.set_data(*x[y == k].T.numpy())
        trail.set_data(*path.T.numpy())
        here.set_data(*path[-1:].T.numpy())
        here.set(color=color(label), markeredgecolor="black")
        title.set_text(text)

    return show


def bars_panel(ax, mixture):
    """p(y given x_t) of the tracked point now; returns the bars."""
    bars, prior = stage.class_bars(ax, mixture, label="prior $p(y)$")
    ax.set(xlabel="class y", title="$p(y\\,|\\,x_t)$ now", **PROBABILITIES)
    ax.legend(handles=[prior], loc="upper right", borderaxespad=0)
    return bars


def curves_panel(ax, mixture):
    """p(y given x_t) of the tracked point at all times."""
    K, T = mixture.K, next(iter(SCHEDULES.values())).T
    curves = [stage.line(ax, color=color(k), linewidth=2, label=f"class {k}") for k in range(K)]
    for k, p in enumerate(mixture.prior.tolist()):
        ax.axhline(p, color=color(k), linestyle="--", linewidth=1)
    title = "$p(y\\,|\\,x_t)$ on the way; dashed: prior"
    ax.set(xlim=(0, T), xlabel="time t", title=title, **PROBABILITIES)
    cursor = moving(ax.axvline(0, color="black", linewidth=1))
    dots = [stage.line(ax, "o", color=color(k), markeredgecolor="black", zorder=5) for k in range(K)]
    ax.legend(loc="upper right", ncols=1)

    def show(t, p):
        for curve, dot, chances in zip(curves, dots, p.T.numpy(), strict=True):
            curve.set_data(range(T + 1), chances)
            dot.set_data([t], [chances[t]])
        cursor.set_xdata([t, t])

    return show


def noise_explorer_demo(mixture: Mixture | None = None) -> LiveFigure:
    """The demo, on the islands unless another mixture is given."""
    controls = {
        "t": int_slider("time t", 0, SCHEDULES["linear"].T, 150, 5),
        "schedule": choice("schedule", list(SCHEDULES), "linear"),
        "label": choice("star's class", range((mixture or islands()).K), 1),
    }
    alt = "A labelled cloud dissolving into noise, and the class probabilities of one point fading to the prior"
    scene, presets = bound(noise_explorer_scene, mixture=mixture), {f"t = {t}": {"t": t} for t in (0, 150, 300, 1000)}
    look = {"presets": presets, "drag": {2: ("t", None)}, "play": "t"}
    return LiveFigure(scene, controls, size=(9.6, 4.2), alt=alt, **look)
