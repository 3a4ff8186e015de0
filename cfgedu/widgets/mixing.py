"""The score mixer: the class arrows at one point, and their posterior-weighted mean, which is the unconditional arrow.

Arrows are drawn in eps units, score times sqrt(1 - a_t), so that they stay on the page at every noise level.
"""

import torch
from matplotlib.colors import to_rgb

from cfgedu.language import phrase
from cfgedu.plots import CLASSES, GUIDED, UN, grid, plane
from cfgedu.protocol import NULL
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, bound, moving

PIXELS, LENGTH = 71, 0.5  # pixels a side; the drawn length of an arrow of eps length 1
DEPTH = 5.0  # how far below its peak the log-density turns white
BELOW = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.1), "borderaxespad": 0}  # where legends stand


def score_mixer_scene(figure, mixture: Mixture | None = None, schedule: Schedule | None = None):
    """The scene; its state is the time t and the point (px, py). From left to right: world, arrows, weights."""
    mixture, schedule = (mixture or islands()).to("cpu"), schedule or linear()
    denoiser, K = mixture.denoiser(schedule), mixture.K
    tint = torch.tensor([to_rgb(c) for c in CLASSES[:K]])  # (K,3)
    pixels, nobody = grid(PIXELS), torch.full((PIXELS**2,), NULL)
    labels = torch.tensor([*range(K), NULL])  # no label last, so that its arrow lies on top
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 0.62])
    show_world, show_means, bars = world_panel(left, K), means_panel(middle, K), weights_panel(right, mixture)
    stage.frame(left, middle, right)

    def update(t: int, px: float, py: float) -> str:
        a = float(schedule.alpha_bar[t])
        shade = stage.height(mixture.log_prob(pixels, nobody, a), DEPTH)[:, None] * 0.75
        colors = 1 - shade * (1 - mixture.posterior(pixels, a) @ tint)

        x = torch.tensor([[px, py]], dtype=torch.float64)
        s = -denoiser(x.expand(K + 1, 2), torch.full((K + 1,), t), labels)  # (K+1,2) scores times sqrt(1 - a_t)
        s_c, s_un = s[:-1], s[-1]
        p = mixture.posterior(x, a)[0]
        means = [weights @ s_c for weights in (p, mixture.prior.double(), torch.full_like(p, 1 / K))]

        show_world(t, stage.square(colors), x.expand(K + 1, 2), s)
        show_means(s, means)
        stage.set_heights(bars, p)
        miss = [float((mean - s_un).norm()) for mean in means]
        return phrase(
            "t = {t} (signal level {a:.3f}); s_un = ({x:.2f}, {y:.2f}) in eps units; the means miss it by: "
            "posterior-weighted {posterior:.3f}, prior-weighted {prior:.3f}, plain {plain:.3f}",
            t=t,
            a=a,
            x=float(s_un[0]),
            y=float(s_un[1]),
            **dict(zip(("posterior", "prior", "plain"), miss, strict=True)),
        )

    return update


def world_panel(ax, K):
    """Noisy data, classes in their colours, and the arrows at the point."""
    plane(ax).set(ylabel="$x_2$")
    picture = stage.shade(ax)
    look = {"color": [*CLASSES[:K], UN], "width": 0.011, "zorder": 4}
    quiver = stage.arrows(ax, torch.zeros(K + 1, 2), **look)
    dot = stage.line(ax, "o", color="white", markeredgecolor="black", markersize=8, zorder=5)
    names = [*(f"class {k}: $s_{k}$" for k in range(K)), "no label: $s_{un}$"]
    handles = [stage.key(name, color, linewidth=4) for name, color in zip(names, look["color"], strict=True)]
    ax.legend(handles=handles, ncols=2, columnspacing=1.0, handlelength=1.2, **BELOW)
    title = moving(ax.set_title("noisy data"))

    def show(t, colors, x, s):
        picture.set_data(colors)
        quiver.set_offsets(x)
        quiver.set_UVC(*(LENGTH * s).T)
        dot.set_data(*x[:1].T)
        title.set_text(f"noisy data, t = {t}")

    return show


def means_panel(ax, K):
    """The arrows from one origin, and three marks: their means, weighted by the posterior, by the prior, by nothing."""
    ax.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal", xticks=[], yticks=[])  # the arrows are scaled to this window
    outline = moving(ax.fill([0], [0], facecolor="#F2F2F2", edgecolor="#999999", linewidth=0.8, zorder=1)[0])
    quiver = stage.arrows(ax, torch.zeros(K + 1, 2), color=[*CLASSES[:K], UN], width=0.014, zorder=4)
    names = ["mean weighted by $p(c\\,|\\,x_t)$", "mean weighted by the prior $p(c)$", "plain average"]
    mark = {"linestyle": "none", "color": GUIDED, "fillstyle": "none", "markeredgewidth": 2, "zorder": 6}
    looks = zip(["o", "x", "+"], [14, 9, 12], names)
    marks = [stage.line(ax, form, markersize=size, label=name, **mark) for form, size, name in looks]
    ax.legend(handles=marks, markerscale=0.75, labelspacing=0.25, **BELOW)
    ax.set_title("the arrows at the point")

    def show(s, means):
        low, high = s.amin(0).clamp(max=0), s.amax(0).clamp(min=0)  # the arrows begin at the origin
        center, half = (low + high) / 2, max(1e-9, 0.6 * float((high - low).max()))
        quiver.set_offsets((-center / half).expand(K + 1, 2))
        quiver.set_UVC(*(s / half).T)
        outline.set_xy((s[:-1] - center) / half)
        for marker, mean in zip(marks, means, strict=True):
            marker.set_data(*((mean - center) / half)[:, None])

    return show


def weights_panel(ax, mixture):
    """A bar for p(c given x_t) of each class; returns the bars."""
    bars, prior = stage.class_bars(ax, mixture, label="prior $p(c)$")
    ax.set(ylim=(0, 1.02), title="weights $p(c\\,|\\,x_t)$")
    ax.set_xticklabels([f"class {k}" for k in range(mixture.K)])
    ax.legend(handles=[prior], **BELOW)
    return bars


def score_mixer_demo(mixture: Mixture | None = None, schedule: Schedule | None = None) -> LiveFigure:
    """The demo, on the islands unless another mixture is given."""
    scene = bound(score_mixer_scene, mixture=mixture, schedule=schedule)
    controls = {"t": stage.time_slider(schedule or linear(), 150), **stage.point_sliders(0.6, 0.9)}
    alt = "The score of each class as an arrow at one point; their posterior-weighted mean is the unconditional score"
    presets = {
        "on an island": {"t": 20, "px": 0.0, "py": 1.3},
        "far in the noise": {"t": 500, "px": 0.0, "py": 1.3},
        "where three classes meet": {"t": 100, "px": 0.05, "py": -0.55},
    }
    presets = presets if mixture is None and schedule is None else {}
    return LiveFigure(scene, controls, size=(9.6, 4.7), alt=alt, presets=presets, drag={0: ("px", "py")}, play="t")
