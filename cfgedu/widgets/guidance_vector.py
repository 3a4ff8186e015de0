"""The hero demo: the guidance vector g = s_cond - s_un over the contours of p(y given x_t), and the vector sum at one point.

Arrows are drawn in eps units, score times sqrt(1 - a_t), so that they stay on the page at every noise level.
"""

import torch

from cfgedu.guidance import null_pair
from cfgedu.plots import CLASSES, G, GUIDED, LIM, UN, class_map, grid, plane
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets.live import LiveFigure, choice, int_slider, moving, slider

ARROWS, PIXELS, LENGTH = 15, 81, 0.22  # arrows and pixels a side; the drawn length of an arrow of eps length 1
SIZE = (9.6, 4.9)


def guidance_vector(figure, mixture: Mixture | None = None, schedule: Schedule | None = None):
    """The scene; its state is t, r, label and the point (px, py)."""
    mixture, schedule = mixture or islands(), schedule or linear()
    pair = null_pair(mixture.denoiser(schedule))
    left, right = figure.subplots(1, 2)
    plane(left).set(xlabel="$x_1$", ylabel="$x_2$")
    points, pixels = grid(ARROWS), grid(PIXELS)
    picture = moving(left.imshow([[0]], extent=(-LIM, LIM, -LIM, LIM), origin="lower", vmin=0, vmax=1.6, interpolation="bilinear"))
    picture.set_zorder(0)
    quiver = dict(angles="xy", scale_units="xy", animated=True)
    field = left.quiver(*points.T, *points.T, color=G, scale=1 / LENGTH, width=0.004, zorder=3, **quiver)
    dot = moving(left.plot([], [], "o", color="white", markeredgecolor="black", markersize=8, zorder=5)[0])
    here = left.quiver([0], [0], [0], [0], color=GUIDED, scale=1 / LENGTH, width=0.009, zorder=4, **quiver)
    titles = moving(left.set_title("$g$ over $p(y=0 | x_t)$"), right.set_title("the sum at the point"))

    plane(right)
    right.axhline(0, color="#DDDDDD", linewidth=0.8, zorder=0)
    right.axvline(0, color="#DDDDDD", linewidth=0.8, zorder=0)
    ticks = moving(right.xaxis, right.yaxis)
    sums = right.quiver([0] * 4, [0] * 4, [0] * 4, [0] * 4, scale=1, width=0.012, color=[UN, CLASSES[0], G, GUIDED], zorder=3, **quiver)
    names = [r"$s_{un}$, no label", r"$s_{cond}$, label $y$", r"$r\,g = r\,(s_{cond} - s_{un})$", r"guided: $s_{un} + r\,g$"]
    handles = [right.plot([], [], color=c, linewidth=4, label=name)[0] for c, name in zip([UN, CLASSES[0], G, GUIDED], names, strict=True)]
    legend = moving(right.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2))
    frames = [moving(spine) for axes in (left, right) for spine in axes.spines.values()]
    contours = []

    def update(t: int, r: float, label: int, px: float, py: float) -> str:
        a, x = float(schedule.alpha_bar[t]), torch.tensor([[px, py]])
        p = mixture.posterior(pixels, a)[:, label].reshape(PIXELS, PIXELS).numpy()
        picture.set(data=p, cmap=class_map(label))
        while contours:
            contours.pop().remove()
        contours.append(left.contour(p, levels=[0.1, 0.5, 0.9], extent=(-LIM, LIM, -LIM, LIM), colors="#444444", linewidths=0.9))
        moving(contours[0])

        at = torch.cat([points, x])
        eps_un, eps_cond = pair(at, torch.full((len(at),), t), torch.full((len(at),), label))
        un, cond = -eps_un, -eps_cond  # the scores times sqrt(1 - a_t)
        g = cond - un
        field.set_UVC(*g[:-1].T)
        guided = un[-1] + r * g[-1]
        here.set_offsets(x)
        here.set_UVC(*guided[:, None])
        dot.set_data([px], [py])

        tails = torch.stack([torch.zeros(2), torch.zeros(2), un[-1], torch.zeros(2)])
        heads = torch.stack([un[-1], cond[-1], r * g[-1], guided])
        reach = max(0.5, 1.15 * float((tails + heads).abs().max()))
        right.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[-reach / 2, 0, reach / 2], yticks=[-reach / 2, 0, reach / 2])
        right.xaxis.set_major_formatter("{x:.2g}")
        right.yaxis.set_major_formatter("{x:.2g}")
        sums.set_offsets(tails)
        sums.set_UVC(*heads.T)
        sums.set_color([UN, CLASSES[label], G, GUIDED])
        handles[1].set_color(CLASSES[label])
        legend.get_lines()[1].set_color(CLASSES[label])
        titles[0].set_text(f"$g$ over $p(y={label}\\,|\\,x_t)$,  t = {t}")
        titles[1].set_text(f"the sum at the point,  r = {r:.2f}")
        prob = float(mixture.posterior(x, a)[0, label])
        return f"t = {t} (signal level {a:.3f}); p(y = {label} | x_t) = {prob:.3f}; |g| = {float(g[-1].norm()):.3f} in eps units"

    del ticks, frames
    return update


START = dict(t=300, r=2.0, label=0, px=0.6, py=0.4)


def guidance_vector_demo(mixture: Mixture | None = None, schedule: Schedule | None = None) -> LiveFigure:
    mixture, schedule = mixture or islands(), schedule or linear()

    def scene(figure):
        return guidance_vector(figure, mixture, schedule)

    scene.__name__ = "guidance_vector"
    controls = dict(
        t=int_slider("time t", 1, schedule.T, START["t"]),
        r=slider("scale r", 0, 8, START["r"]),
        label=choice("class y", range(mixture.K), START["label"]),
        px=slider("point x1", -LIM, LIM, START["px"], 0.05),
        py=slider("point x2", -LIM, LIM, START["py"], 0.05),
    )
    alt = "the guidance vector as arrows over the probability of the class, and the sum of vectors at one point"
    return LiveFigure(scene, controls, size=SIZE, alt=alt)
