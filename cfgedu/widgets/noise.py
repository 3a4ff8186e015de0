"""The noise explorer: a cloud under the forward process, and what is left of a tracked point's class.

One noise eps per point: as t rises, every point moves on its own curve x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps.
"""

from functools import lru_cache

import torch

from cfgedu.plots import CLASSES, color, plane
from cfgedu.schedule import cosine, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets.live import LiveFigure, bound, choice, int_slider, moving

SCHEDULES = {"linear": linear(), "cosine": cosine()}
POINTS = 600
TRACKED_EPS = (-0.9, 0.7)  # the tracked point's own noise: where it stands when nothing of x_0 is left
SIZE = (10.6, 4.2)


def noise_explorer(figure, mixture: Mixture | None = None):
    """The scene; its state is the time t, the schedule's name, and the class (label) of the tracked point."""
    mixture = mixture or islands()
    K, T = mixture.K, next(iter(SCHEDULES.values())).T
    generator = torch.Generator().manual_seed(1)
    x0, y = mixture.sample(POINTS, generator)
    eps = torch.randn(POINTS, 2, generator=generator)
    times = torch.arange(T + 1)

    left, middle, right = figure.subplots(1, 3, width_ratios=[1.15, 0.55, 1.15])
    plane(left).set(xlabel="$x_1$", ylabel="$x_2$")
    dot = {"linestyle": "none", "marker": "o", "markersize": 3, "markeredgewidth": 0, "alpha": 0.55}
    clouds = [moving(left.plot([], [], color=color(k), **dot)[0]) for k in range(K)]
    trail = moving(left.plot([], [], color="black", linewidth=1.3, zorder=4)[0])
    star = {"linestyle": "none", "marker": "*", "markersize": 17, "markeredgecolor": "black", "zorder": 5}
    here = moving(left.plot([], [], **star)[0])

    bars = moving(*middle.bar(range(K), [1.0] * K, color=CLASSES[:K], width=0.7))
    ends = [k - 0.45 for k in range(K)], [k + 0.45 for k in range(K)]
    prior = moving(middle.hlines(mixture.prior.numpy(), *ends, color="black", linewidth=2, label="prior $p(y)$"))
    scale = {"ylim": (0, 1.15), "yticks": [0, 0.2, 0.4, 0.6, 0.8, 1]}  # room for the legends above 1
    middle.set(xlim=(-0.6, K - 0.4), xlabel="class y", xticks=range(K), title="$p(y\\,|\\,x_t)$ now", **scale)
    middle.legend(handles=[prior], loc="upper right", borderaxespad=0)

    curves = [moving(right.plot([], [], color=color(k), linewidth=2, label=f"class {k}")[0]) for k in range(K)]
    for k, p in enumerate(mixture.prior.tolist()):
        right.axhline(p, color=color(k), linestyle="--", linewidth=1)
    right.set(xlim=(0, T), xlabel="time t", title="$p(y\\,|\\,x_t)$ on the way; dashed: prior", **scale)
    cursor = moving(right.axvline(0, color="black", linewidth=1))
    dots = [moving(right.plot([], [], "o", color=color(k), markeredgecolor="black", zorder=5)[0]) for k in range(K)]
    right.legend(loc="upper right", ncols=1)
    title = moving(left.set_title("t = 0"))
    moving(*[spine for axes in (left, middle, right) for spine in axes.spines.values()])

    @lru_cache(maxsize=8)
    def walk(schedule, label):
        """x_t (T+1,2) and p(y given x_t) (T+1,K) of the tracked point at t = 0..T"""
        largest = torch.where(mixture.label == label, mixture.weight, 0).argmax()
        path = SCHEDULES[schedule].noise(mixture.mean[largest].expand(T + 1, 2), times, torch.tensor([TRACKED_EPS]))
        return path, mixture.posterior(path, SCHEDULES[schedule].alpha_bar)

    def update(t: int, schedule: str, label: int) -> str:
        a = float(SCHEDULES[schedule].alpha_bar[t])
        x = SCHEDULES[schedule].noise(x0, t, eps)
        path, p = walk(schedule, label)
        for k in range(K):
            clouds[k].set_data(*x[y == k].T.numpy())
            curves[k].set_data(times.numpy(), p[:, k].numpy())
            bars[k].set_height(float(p[t, k]))
            dots[k].set_data([t], [float(p[t, k])])
        trail.set_data(*path[: t + 1].T.numpy())
        here.set_data(*path[t, :, None].numpy())
        here.set_color(color(label))
        here.set_markeredgecolor("black")
        cursor.set_xdata([t, t])
        title.set_text(f"$x_t$ at t = {t}, {schedule}")
        snr = "infinite" if t == 0 else f"{a / (1 - a):.2g}"
        chances = ", ".join(f"{v:.3f}" for v in p[t].tolist())
        return f"t = {t}: alpha-bar = {a:.4g}, SNR = {snr}; p(y | x_t) of the star, classes 0 to {K - 1}: {chances}"

    return update


START = {"t": 150, "schedule": "linear", "label": 1}


def noise_explorer_demo(mixture: Mixture | None = None) -> LiveFigure:
    controls = {
        "t": int_slider("time t", 0, SCHEDULES["linear"].T, START["t"]),
        "schedule": choice("schedule", list(SCHEDULES), START["schedule"]),
        "label": choice("star's class", range((mixture or islands()).K), START["label"]),
    }
    alt = "a labelled cloud dissolving into noise, and the class probabilities of one point fading to the prior"
    return LiveFigure(bound(noise_explorer, mixture=mixture), controls, size=SIZE, alt=alt)
