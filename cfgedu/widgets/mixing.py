"""The score mixer: the class arrows at one point, and their posterior-weighted mean, which is the unconditional arrow.

Arrows are drawn in eps units, score times sqrt(1 - a_t), so that they stay on the page at every noise level.
"""

import torch
from matplotlib.colors import to_rgb

from cfgedu.plots import CLASSES, GUIDED, LIM, UN, grid, plane
from cfgedu.protocol import NULL
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets.live import LiveFigure, bound, int_slider, moving, slider

PIXELS, LENGTH = 71, 0.5  # pixels a side; the drawn length of an arrow of eps length 1
DEPTH = 5.0  # how far below its peak the log-density turns white
SIZE = (9.8, 4.3)
START = {"t": 150, "px": 0.6, "py": 0.9}


def score_mixer(figure, mixture: Mixture | None = None, schedule: Schedule | None = None):
    """The scene; its state is the time t and the point (px, py). From left to right: world, arrows, weights."""
    mixture, schedule = mixture or islands(), schedule or linear()
    denoiser, K = mixture.denoiser(schedule), mixture.K
    colors = CLASSES[:K]
    tint = torch.tensor([to_rgb(c) for c in colors])  # (K,3)
    pixels, nobody = grid(PIXELS), torch.full((PIXELS**2,), NULL)
    labels = torch.tensor([*range(K), NULL])  # no label last, so that its arrow lies on top
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 0.62])

    plane(left).set(ylabel="$x_2$")
    window = {"extent": (-LIM, LIM, -LIM, LIM), "origin": "lower", "interpolation": "bilinear", "zorder": 0}
    picture = moving(left.imshow([[[1.0, 1.0, 1.0]]], **window))
    zeros = [0.0] * (K + 1)
    quiver = {"angles": "xy", "scale_units": "xy", "animated": True, "color": [*colors, UN], "zorder": 4}
    here = left.quiver(zeros, zeros, zeros, zeros, scale=1 / LENGTH, width=0.011, **quiver)
    dot = moving(left.plot([], [], "o", color="white", markeredgecolor="black", markersize=8, zorder=5)[0])

    middle.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal", xticks=[], yticks=[])  # the arrows are scaled to this window
    outline = moving(middle.fill([0], [0], facecolor="#F2F2F2", edgecolor="#999999", linewidth=0.8, zorder=1)[0])
    arrows = middle.quiver(zeros, zeros, zeros, zeros, scale=1, width=0.014, **quiver)
    mark = {"linestyle": "none", "color": GUIDED, "fillstyle": "none", "markeredgewidth": 2, "zorder": 6}
    ring = moving(middle.plot([], [], "o", markersize=14, label="mean weighted by $p(c\\,|\\,x_t)$", **mark)[0])
    cross = moving(middle.plot([], [], "x", markersize=9, label="mean weighted by the prior $p(c)$", **mark)[0])
    plus = moving(middle.plot([], [], "+", markersize=12, label="plain average", **mark)[0])
    names = [*(f"class {k}: $s_{k}$" for k in range(K)), "no label: $s_{un}$"]
    keys = zip([*colors, UN], names, strict=True)
    handles = [left.plot([], [], color=key, linewidth=4, label=name)[0] for key, name in keys]
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14), "borderaxespad": 0}
    left.legend(handles=handles, ncols=2, columnspacing=1.0, handlelength=1.2, **below)
    middle.legend(handles=[ring, cross, plus], markerscale=0.75, labelspacing=0.4, **below)

    bars = moving(*right.bar(range(K), [1.0] * K, color=colors, width=0.7))
    prior = mixture.prior.double()
    ends = [k - 0.45 for k in range(K)], [k + 0.45 for k in range(K)]
    ticks = moving(right.hlines(prior.numpy(), *ends, color=GUIDED, linewidth=2, label="prior $p(c)$"))
    right.set(ylim=(0, 1.02), xlim=(-0.6, K - 0.4), xticks=range(K), title="weights $p(c\\,|\\,x_t)$")
    right.set_xticklabels([f"class {k}" for k in range(K)])
    right.legend(handles=[ticks], **below)
    titles = moving(left.set_title("noisy data"), middle.set_title("the arrows at the point"))
    moving(*[spine for axes in (left, middle, right) for spine in axes.spines.values()])

    def update(t: int, px: float, py: float) -> str:
        a = float(schedule.alpha_bar[t])
        logp = mixture.log_prob(pixels, nobody, a)
        shade = (1 + (logp - logp.max()) / DEPTH).clamp(0, 1)[:, None] * 0.75
        picture.set_data((1 - shade * (1 - mixture.posterior(pixels, a) @ tint)).reshape(PIXELS, PIXELS, 3).numpy())

        x = torch.tensor([[px, py]], dtype=torch.float64)
        s = -denoiser(x.expand(K + 1, 2), torch.full((K + 1,), t), labels)  # (K+1,2) scores times sqrt(1 - a_t)
        s_c, s_un = s[:-1], s[-1]
        p = mixture.posterior(x, a)[0]
        means = [weights @ s_c for weights in (p, prior, torch.full_like(p, 1 / K))]

        here.set_offsets(x.expand(K + 1, 2))
        here.set_UVC(*s.T)
        dot.set_data([px], [py])
        low, high = s.amin(0).clamp(max=0), s.amax(0).clamp(min=0)  # the arrows begin at the origin
        center, half = (low + high) / 2, max(1e-9, 0.6 * float((high - low).max()))
        arrows.set_offsets((-center / half).expand(K + 1, 2))
        arrows.set_UVC(*(s / half).T)
        outline.set_xy((s_c - center) / half)
        for marker, mean in zip((ring, cross, plus), means, strict=True):
            marker.set_data(*((mean - center) / half)[:, None])
        for bar, height in zip(bars, p.tolist(), strict=True):
            bar.set_height(height)
        titles[0].set_text(f"noisy data, t = {t}")
        miss = [float((mean - s_un).norm()) for mean in means]
        where = f"t = {t} (signal level {a:.3f}); s_un = ({float(s_un[0]):.2f}, {float(s_un[1]):.2f}) in eps units"
        weights = f"posterior-weighted {miss[0]:.3f}, prior-weighted {miss[1]:.3f}, plain {miss[2]:.3f}"
        return f"{where}; the means miss it by: {weights}"

    return update


def score_mixer_demo(mixture: Mixture | None = None, schedule: Schedule | None = None) -> LiveFigure:
    """The scene with its controls, on the islands unless another mixture is given."""
    scene = bound(score_mixer, mixture=mixture, schedule=schedule)
    controls = {
        "t": int_slider("time t", 1, (schedule or linear()).T, START["t"]),
        "px": slider("point, x1", -LIM, LIM, START["px"], 0.05),
        "py": slider("point, x2", -LIM, LIM, START["py"], 0.05),
    }
    alt = "The score of each class as an arrow at one point; their posterior-weighted mean is the unconditional score"
    return LiveFigure(scene, controls, size=SIZE, alt=alt)
