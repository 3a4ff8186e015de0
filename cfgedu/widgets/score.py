"""The score explorer: the exact score as arrows over the log-density of x_t, and the same prediction read as an x_0.

Scores differ a hundredfold between noise levels, so each frame scales its arrows to the longest one, whose length the
readout tells. There are none where the log-density is DEPTH below its peak or lower: no data come there.
"""

from functools import lru_cache

import torch
from matplotlib.colors import to_rgb

from cfgedu.plots import GUIDED, LIM, grid, plane
from cfgedu.protocol import NULL
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import branches, islands, spirals, two_gaussians
from cfgedu.widgets.live import LiveFigure, bound, choice, int_slider, moving, slider

WORLDS = {"islands": islands, "two Gaussians": two_gaussians, "spirals": spirals, "branches": branches}
ARROWS, PIXELS, LONGEST = 15, 71, 0.55  # arrows and pixels a side; the drawn length of the longest arrow
DEPTH = 7.0  # how far below its peak the log-density turns white
SCORE, BELIEF, MEAN = "#333333", "#56B4E9", "#F0E442"  # arrows, p(x_0 given x_t), its mean
SIZE = (9.6, 4.7)


def grey(logp):
    """White where the log-density lies DEPTH below its peak: (PIXELS^2, 3)"""
    return (1 - 0.45 * (1 + (logp - logp.max()) / DEPTH).clamp(min=0))[:, None].expand(-1, 3)


def picture(rgb):
    return (255 * rgb).byte().reshape(PIXELS, PIXELS, 3).numpy()


def score_explorer(figure, schedule: Schedule | None = None):
    """The scene; its state is the time t, the world's name, and the point x_t = (px, py)."""
    schedule = schedule or linear()
    points, pixels, nobody = grid(ARROWS), grid(PIXELS), torch.full((PIXELS**2,), NULL)
    left, right = figure.subplots(1, 2)
    plane(left).set(xlabel="$x_1$", ylabel="$x_2$")
    plane(right).set(xlabel="$x_1$")
    window = {"extent": (-LIM, LIM, -LIM, LIM), "origin": "lower", "interpolation": "bilinear", "zorder": 0}
    noisy, clean = moving(*[ax.imshow([[[1.0] * 3]], **window) for ax in (left, right)])
    blue = torch.tensor(to_rgb(BELIEF))
    quiver = {"angles": "xy", "scale_units": "xy", "animated": True, "scale": 1}
    field = left.quiver(*points.T, *points.T, color=SCORE, width=0.0045, zorder=3, **quiver)
    arrow = left.quiver([0], [0], [0], [0], color=GUIDED, width=0.011, zorder=4, **quiver)
    circle = {"linestyle": "none", "marker": "o", "markeredgecolor": "black", "markersize": 9, "zorder": 5}
    dots = [moving(ax.plot([], [], color="white", label="$x_t$", **circle)[0]) for ax in (left, right)]
    mean = moving(right.plot([], [], color=MEAN, label="$\\hat x_0$, the mean of blue", **circle)[0])
    patch = right.plot([], [], "s", color=BELIEF, label="$p(x_0\\,|\\,x_t)$")
    right.legend(handles=[dots[1], *patch, mean], loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    titles = moving(left.set_title("score"), right.set_title("the same as $\\hat x_0$, over the clean data"))
    moving(*[spine for axes in (left, right) for spine in axes.spines.values()])

    @lru_cache(maxsize=len(WORLDS))
    def world(name):
        mixture = WORLDS[name]()
        return mixture, mixture.denoiser(schedule), mixture.log_prob(pixels, nobody)

    def update(t: int, data: str, px: float, py: float) -> str:
        mixture, denoiser, log_clean = world(data)
        a, x = float(schedule.alpha_bar[t]), torch.tensor([[px, py]])
        log_noisy = mixture.log_prob(pixels, nobody, a)
        noisy.set_data(picture(grey(log_noisy)))

        at = torch.cat([points, x])
        null = torch.full((len(at),), NULL)
        eps = denoiser(at, torch.full((len(at),), t), null)
        score = schedule.score(at, t, eps)
        inside = mixture.log_prob(at, null, a) > log_noisy.max() - DEPTH
        longest = score[inside].norm(dim=1).max()
        shown = torch.where(inside[:, None], score * LONGEST / longest, torch.nan)
        field.set_UVC(*shown[:-1].T)
        arrow.set_offsets(x)
        arrow.set_UVC(*shown[-1:].T)

        # Bayes: log p(x_0 given x_t) = log p(x_0) - |x_t - sqrt(a) x_0|^2 / (2 (1 - a)) + constant
        log_belief = log_clean - (x - a**0.5 * pixels).square().sum(1) / (2 * (1 - a))
        share = 0.9 * (log_belief - log_belief.max()).exp()[:, None]
        clean.set_data(picture((1 - share) * grey(log_clean) + share * blue))

        eps = eps[-1:]
        x0 = schedule.x0(x, t, eps)
        mean.set_data(*x0.T.numpy())
        for dot in dots:
            dot.set_data([px], [py])
        titles[0].set_text(f"score over $\\log p_t$, t = {t}")
        four = {"score": score[-1:], "eps": eps, "x0": x0, "v": schedule.v(x, t, eps)}
        readout = ", ".join(f"{name} = ({u:.2f}, {v:.2f})" for name, ((u, v),) in four.items())
        return f"t = {t} (signal level {a:.3f}), longest arrow {longest:.2g}; at x_t = ({px:.2f}, {py:.2f}): {readout}"

    return update


START = {"t": 120, "data": "islands", "px": 0.1, "py": -0.6}


def score_explorer_demo(schedule: Schedule | None = None) -> LiveFigure:
    controls = {
        "t": int_slider("time t", 1, (schedule or linear()).T, START["t"]),
        "data": choice("data set", list(WORLDS), START["data"]),
        "px": slider("point x1", -LIM, LIM, START["px"], 0.05),
        "py": slider("point x2", -LIM, LIM, START["py"], 0.05),
    }
    alt = "the score as arrows over the log-density of noisy data, and where one noisy point may come from"
    return LiveFigure(bound(score_explorer, schedule=schedule), controls, size=SIZE, alt=alt)
