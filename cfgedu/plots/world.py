"""The 2D world: points, fields, densities and paths on its window."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from cfgedu.plots.look import GUIDED, LIM, UN, class_map, color
from cfgedu.protocol import NULL
from cfgedu.schedule import Schedule
from cfgedu.toy import Mixture


def grid(n: int = 21, lim: float = LIM) -> Tensor:
    """The n x n points of a square grid over the window, (n^2, 2), row by row from the bottom."""
    axis = torch.linspace(-lim, lim, n)
    return torch.cartesian_prod(axis, axis).flip(1)


def plane(ax: Axes, title: str = "", lim: float = LIM) -> Axes:
    """An empty square window onto the 2D world."""
    ax.set(xlim=(-lim, lim), ylim=(-lim, lim), aspect="equal", title=title, xticks=[-2, 0, 2], yticks=[-2, 0, 2])
    return ax


def cloud(ax: Axes, x: Tensor, y: Tensor | None = None, size: float = 4, alpha: float = 0.5, title: str = "") -> Axes:
    """Points x (B,2), coloured by their labels y (B,); grey without labels."""
    colors = UN if y is None else [color(label) for label in y.tolist()]
    ax.scatter(*x.detach().cpu().T.numpy(), s=size, c=colors, alpha=alpha, linewidths=0, rasterized=True)
    return plane(ax, title)


def field(
    ax: Axes, values: Tensor, n: int, cmap="Greys", vmin=None, vmax=None, levels: Sequence[float] = (), lim: float = LIM
) -> Axes:
    """Values (n^2,) on `grid(n)` as a smooth picture, with labelled contour lines at `levels`."""
    values = values.detach().cpu().reshape(n, n).numpy()
    window = {"extent": (-lim, lim, -lim, lim), "origin": "lower", "interpolation": "bilinear"}
    ax.imshow(values, cmap=cmap, vmin=vmin, vmax=vmax, **window)
    if len(levels):
        axis = np.linspace(-lim, lim, n)
        lines = ax.contour(axis, axis, values, levels=levels, colors="#444444", linewidths=0.8)
        ax.clabel(lines, fmt="%g", fontsize=9)
    return plane(ax, lim=lim)


def density(ax: Axes, mixture: Mixture, a: float = 1.0, y: int = NULL, n: int = 101, depth: float = 7.0) -> Axes:
    """The log-density of x_t given y at signal level a, white where it lies `depth` below its peak."""
    points = grid(n)
    logp = mixture.log_prob(points, torch.full((n * n,), y), a)
    cmap = class_map(y) if y != NULL else "Greys"
    return field(ax, logp, n, cmap=cmap, vmin=float(logp.max()) - depth, vmax=float(logp.max()) + depth / 2)


def posterior(ax: Axes, mixture: Mixture, y: int, a: float = 1.0, n: int = 101, levels=(0.1, 0.5, 0.9)) -> Axes:
    """p(y given x_t) over the window, from white (0) to a light tint of the class colour (1), with contour lines."""
    p = mixture.posterior(grid(n), a)[:, y]
    return field(ax, p, n, cmap=class_map(y), vmin=0, vmax=1.6, levels=levels)


def arrows(
    ax: Axes, x: Tensor, vectors: Tensor, color: str = GUIDED, length: float = 0.2, width: float = 0.004, **kwargs
):
    """Arrows at x (B,2) in data units, drawn `length` times as long as the vectors are; returns the Quiver."""
    x, vectors = x.detach().cpu().numpy(), vectors.detach().cpu().numpy()
    units = {"angles": "xy", "scale_units": "xy", "scale": 1 / length}
    return ax.quiver(*x.T, *vectors.T, color=color, width=width, **units, **kwargs)


def strip(ax: Axes, mixture: Mixture, schedule: Schedule, rows: int = 101) -> Axes:
    """Time from T (left) to 0 (right), the second coordinate upwards, the exact density p_t(x_2) in grey behind."""
    # one coordinate of a mixture is a mixture
    side = Mixture(mixture.mean[:, 1:2], mixture.std, mixture.weight, mixture.label)
    x = torch.linspace(-LIM, LIM, rows)[:, None]
    null = torch.full((rows,), NULL)
    columns = [side.log_prob(x, null, float(schedule.alpha_bar[t])) for t in schedule.grid(min(100, schedule.T))]
    log_p = torch.stack(columns, 1)
    picture = (log_p - log_p.amax(0)).exp()  # every time has its own full range of greys
    greys = mpl.colormaps["Greys"].resampled(32)  # few shades make a small picture, quick to send
    look = {"aspect": "auto", "cmap": greys, "vmax": 2, "interpolation": "bilinear"}
    ax.imshow(picture.numpy(), extent=(schedule.T, 0, -LIM, LIM), origin="lower", **look)
    ax.set(xlim=(schedule.T, 0), ylim=(-LIM, LIM), xlabel="time t", ylabel="$x_2$", yticks=[-2, 0, 2])
    return ax


def paths(ax: Axes, xs: Sequence[Tensor], y: Tensor | None = None, linewidth: float = 0.7, alpha: float = 0.6) -> Axes:
    """The trajectories xs, a list of (B,2): one line each, coloured by label, with a dot where it ends."""
    line = torch.stack(list(xs)).detach().cpu().numpy()  # (steps + 1, B, 2)
    for i in range(line.shape[1]):
        c = UN if y is None else color(y[i])
        ax.plot(*line[:, i].T, color=c, linewidth=linewidth, alpha=alpha)
        ax.plot(*line[-1, i], ".", color=c, markersize=4)
    return plane(ax)


def class_legend(ax: Axes, K: int, **kwargs) -> Axes:
    """A legend that names the K class colours."""
    handles = [mpl.lines.Line2D([], [], marker="o", linestyle="", color=color(k), label=f"class {k}") for k in range(K)]
    ax.legend(handles=handles, **kwargs)
    return ax
