"""The score explorer: the exact score as arrows over the log-density of x_t, and the same prediction read as an x_0.

Scores differ a hundredfold between noise levels, so each frame scales its arrows to the longest one, whose length the
readout tells. There are none where the log-density is DEPTH below its peak or lower: no data come there.
"""

from functools import lru_cache

import torch
from matplotlib.colors import to_rgb

from cfgedu.language import phrase
from cfgedu.plots import GUIDED, grid, plane
from cfgedu.protocol import NULL
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import branches, islands, spirals, two_gaussians
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, bound, choice, moving

WORLDS = {"islands": islands, "two Gaussians": two_gaussians, "spirals": spirals, "branches": branches}
ARROWS, PIXELS, LONGEST = 15, 71, 0.55  # arrows and pixels a side; the drawn length of the longest arrow
DEPTH = 7.0  # how far below its peak the log-density turns white
BELIEF, MEAN = "#56B4E9", "#F0E442"  # p(x_0 given x_t), its mean


def score_explorer_scene(figure, schedule: Schedule | None = None):
    """The scene; its state is the time t, the world's name, and the point x_t = (px, py)."""
    schedule = schedule or linear()
    points, pixels, nobody = grid(ARROWS), grid(PIXELS), torch.full((PIXELS**2,), NULL)
    left, right = figure.subplots(1, 2)
    show_score, show_belief = score_panel(left, points), belief_panel(right)
    stage.frame(left, right)

    @lru_cache(maxsize=len(WORLDS))
    def world(name):
        mixture = WORLDS[name]()
        return mixture, mixture.denoiser(schedule), mixture.log_prob(pixels, nobody)

    def update(t: int, data: str, px: float, py: float) -> str:
        mixture, denoiser, log_clean = world(data)
        a, x = float(schedule.alpha_bar[t]), torch.tensor([[px, py]])
        log_noisy = mixture.log_prob(pixels, nobody, a)
        at = torch.cat([points, x])
        eps = stage.at(denoiser, at, t, NULL)
        score = schedule.score(at, t, eps)
        inside = mixture.log_prob(at, torch.full((len(at),), NULL), a) > log_noisy.max() - DEPTH
        longest = score[inside].norm(dim=1).max()
        shown = torch.where(inside[:, None], score * LONGEST / longest, torch.nan)
        show_score(t, grey(log_noisy), shown[:-1], x, shown[-1:])

        # Bayes: log p(x_0 given x_t) = log p(x_0) - |x_t - sqrt(a) x_0|^2 / (2 (1 - a)) + constant
        log_belief = log_clean - (x - a**0.5 * pixels).square().sum(1) / (2 * (1 - a))
        x0 = schedule.x0(x, t, eps[-1:])
        show_belief(grey(log_clean), (log_belief - log_belief.max()).exp()[:, None], x, x0)
        four = {"score": score[-1:], "eps": eps[-1:], "x0": x0, "v": schedule.v(x, t, eps[-1:])}
        told = ", ".join(f"{name} = ({u:.2f}, {v:.2f})" for name, ((u, v),) in four.items())
        said = "t = {t} (signal level {a:.3f}), longest arrow {longest:.2g}; at x_t = ({px:.2f}, {py:.2f}): {told}"
        return phrase(said, t=t, a=a, longest=longest, px=px, py=py, told=told)

    return update


def grey(log_p):
    """Colours (n^2, 3), white where the log-density lies DEPTH below its peak."""
    return (1 - 0.45 * stage.height(log_p, DEPTH))[:, None].expand(-1, 3)


def place(ax, color, label):
    """A moving round mark."""
    return stage.line(ax, "o", color=color, markeredgecolor="black", markersize=9, label=label, zorder=5)


def score_panel(ax, points):
    """The score at the points and at one more, over the log-density of noisy data."""
    plane(ax).set(xlabel="$x_1$", ylabel="$x_2$")
    noisy = stage.shade(ax)
    field = stage.arrows(ax, points, color=stage.INK, width=0.0045, zorder=3)
    arrow = stage.arrows(ax, torch.zeros(1, 2), color=GUIDED, width=0.011, zorder=4)
    dot, title = place(ax, "white", "$x_t$"), moving(ax.set_title("score"))

    def show(t, colors, vectors, x, vector):
        noisy.set_data(stage.square((255 * colors).byte()))
        field.set_UVC(*vectors.T)
        arrow.set_offsets(x)
        arrow.set_UVC(*vector.T)
        dot.set_data(*x.T)
        title.set_text(f"score over $\\log p_t$, t = {t}")

    return show


def belief_panel(ax):
    """Where x_t may come from, in blue over the log-density of clean data, and the mean of that."""
    plane(ax).set(xlabel="$x_1$")
    clean, blue = stage.shade(ax), torch.tensor(to_rgb(BELIEF))
    dot, mean = place(ax, "white", "$x_t$"), place(ax, MEAN, "$\\hat x_0$, the mean of blue")
    patch = ax.plot([], [], "s", color=BELIEF, markeredgecolor=stage.ink(stage.ink(BELIEF)), label="$p(x_0\\,|\\,x_t)$")
    ax.legend(handles=[dot, *patch, mean], loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    ax.set_title("where $x_t$ may come from")

    def show(colors, belief, x, x0):
        pale = (1 + colors) / 2  # the data behind are paler than the blue is at its faintest
        clean.set_data(stage.square((255 * ((1 - 0.9 * belief) * pale + 0.9 * belief * blue)).byte()))
        dot.set_data(*x.T)
        mean.set_data(*x0.T)

    return show


def score_explorer_demo(schedule: Schedule | None = None) -> LiveFigure:
    controls = {
        "t": stage.time_slider(schedule or linear(), 120),
        "data": choice("data set", list(WORLDS), "islands"),
        **stage.point_sliders(0.1, -0.6),
    }
    alt = "The score as arrows over the log-density of noisy data, and where one noisy point may come from"
    scene, drag = bound(score_explorer_scene, schedule=schedule), dict.fromkeys((0, 1), ("px", "py"))
    presets = {"little noise": {"t": 10}, "much noise": {"t": 600}, "spirals": {"data": "spirals", "t": 60}}
    presets = {} if schedule else presets
    return LiveFigure(scene, controls, size=(9.6, 4.7), alt=alt, presets=presets, drag=drag, play="t")
