"""Pictures in one style: functions that take an Axes, draw on it and return it. Nothing here calls plt.show().

Numbers side by side are a picture too: `table` prints them.

The palette is Okabe and Ito's, which colour-blind readers can tell apart. Colours mean the same thing everywhere:
one for each class, grey for the unconditional prediction, purple for guidance, black for the guided result.
"""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from torch import Tensor

from cfgedu.edges import is_number
from cfgedu.protocol import NULL
from cfgedu.schedule import Schedule
from cfgedu.toy import Mixture

CLASSES = ["#0072B2", "#D55E00", "#009E73", "#E69F00"]  # class 0 blue, 1 vermilion, 2 green, 3 orange
UN, G, GUIDED = "#777777", "#AA3377", "#000000"  # unconditional, guidance vector, guided
LIM = 2.75  # the window onto the 2D world, [-LIM, LIM]^2

STYLE = {
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=["#0072B2", "#D55E00", "#009E73", "#AA3377", "#E69F00", "#56B4E9", "#000000"]),
    "image.cmap": "viridis",
    "figure.constrained_layout.use": True,
}


def style() -> None:
    """The course's look for every figure that follows."""
    mpl.rcParams.update(STYLE)


def table(rows: Iterable[Sequence], columns: Sequence[str] | Mapping[str, str]) -> None:
    """Prints rows of numbers and words under their headings: words to the left, numbers to the right of a column.

    columns: the headings, or {heading: format}, such as {"r": "g", "accuracy": ".2f"}; without a format a float has
    three digits. A format is for numbers: words, None (a blank) and truth values stay as they are.
    Raises ValueError for a row that has not one entry for each column.

        table([(r, accuracy[r]) for r in scales], {"r": "g", "accuracy": ".2f"})
    """
    formats = list(columns.items()) if isinstance(columns, Mapping) else [(heading, "") for heading in columns]
    rows = [tuple(row) for row in rows]
    for row in rows:
        if len(row) != len(formats):
            raise ValueError(f"rows must have one entry for each of the {len(formats)} columns, got {row!r}")
    lines = []
    for k, (heading, how) in enumerate(formats):
        column = [heading, *(cell(row[k], how) for row in rows)]
        width, numbers = max(map(len, column)), any(is_number(row[k]) for row in rows)
        lines.append([text.rjust(width) if numbers else text.ljust(width) for text in column])
    print("\n".join("   ".join(line).rstrip() for line in zip(*lines)))


def cell(value, how: str) -> str:
    """An entry of a table as text."""
    if value is None:
        return ""
    if not is_number(value):
        return str(value)
    number = value.item() if hasattr(value, "item") else value
    return format(number, how or (".3g" if isinstance(number, float) else ""))


def color(y) -> str:
    """The colour of class y; grey for NULL."""
    return UN if int(y) == NULL else CLASSES[int(y) % len(CLASSES)]


def class_map(y) -> LinearSegmentedColormap:
    """White to the colour of class y."""
    return LinearSegmentedColormap.from_list(f"class {int(y)}", ["#FFFFFF", color(y)])


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


def tiles(x: Tensor, columns: int, gap: int = 1) -> Tensor:
    """Images x (N,1,H,W) in [-1, 1], clipped to it, on one white sheet (height, width), `columns` to a row."""
    x = x.detach().cpu().clamp(-1, 1)
    N, _, H, W = x.shape
    rows = -(-N // columns)
    sheet = torch.ones(rows * (H + gap) - gap, columns * (W + gap) - gap)
    for i in range(N):
        top, left = i // columns * (H + gap), i % columns * (W + gap)
        sheet[top : top + H, left : left + W] = x[i, 0]
    return sheet


def images(
    ax: Axes, x: Tensor, columns: int, column_labels: Sequence[str] = (), row_labels: Sequence[str] = (), gap: int = 1
) -> Axes:
    """Grey images x (N,1,H,W) in [-1, 1], tiled row by row, `columns` to a row."""
    ax.imshow(tiles(x, columns, gap).numpy(), cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
    H, W = x.shape[-2:]
    ax.set_xticks([j * (W + gap) + (W - 1) / 2 for j in range(len(column_labels))], column_labels)
    ax.set_yticks([i * (H + gap) + (H - 1) / 2 for i in range(len(row_labels))], row_labels)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def loss_curve(
    ax: Axes,
    losses: Sequence[float],
    floor: float | None = None,
    window: int = 50,
    label: str = "loss",
    color: str | None = None,
) -> Axes:
    """The loss of every step, its running mean over `window` steps, and the irreducible floor."""
    losses = np.asarray(losses, dtype=float)
    window = min(window, len(losses))
    mean = np.convolve(losses, np.ones(window) / window, mode="valid")
    (line,) = ax.plot(np.arange(window - 1, len(losses)), mean, label=label, color=color, zorder=3)
    ax.plot(losses, color=line.get_color(), alpha=0.15, linewidth=0.8)
    if floor is not None:
        ax.axhline(floor, color=GUIDED, linestyle="--", linewidth=1.2, label=f"floor {floor:.3f}")
    ax.set(xlabel="training step", ylabel="loss", ylim=(0, float(np.quantile(losses, 0.99)) * 1.2))
    ax.legend()
    return ax


def arrow_sum(ax: Axes, un: Tensor, cond: Tensor, r: float, other: Sequence[float] = ()) -> Axes:
    """un + r (cond - un) as a sum of arrows, un and cond (2,); dots where it ends at r and other scales."""
    foot, step, scales = torch.zeros_like(un), cond - un, sorted((*other, r))
    tips = torch.stack([un + scale * step for scale in scales])
    ax.plot(*tips.T.numpy(), ":", color="#777777", zorder=0)
    ax.plot(*tips.T.numpy(), "o", color="#777777", markeredgecolor="white", markersize=6, zorder=3)
    parts = (
        (foot, un, UN, "without the label"),
        (foot, cond, CLASSES[0], "with the label"),
        (un, r * step, G, f"{r:g} times the difference"),
        (foot, un + r * step, GUIDED, f"guided, r = {r:g}"),
    )
    for start, vector, shade, name in parts:
        arrows(ax, start[None], vector[None], shade, length=1, width=0.012, label=name)
    for scale, tip in zip(scales, tips.tolist(), strict=True):
        ax.annotate(f"r = {scale:g}", tip, (8, 4), textcoords="offset points")
    ax.set(aspect="equal", xlim=(0, None))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.8))
    return ax


def rotation(ax: Axes, schedule: Schedule, t: int) -> Axes:
    """x_t and v at time t as arrows in the plane of x_0 and eps, which are its axes: all four have length 1."""
    c, s = float(schedule.alpha_bar[t].sqrt()), float((1 - schedule.alpha_bar[t]).sqrt())
    tips = {"$x_0$": (1, 0, UN), r"$\epsilon$": (0, 1, UN), "$x_t$": (c, s, "black"), "$v$": (-s, c, "#56B4E9")}
    ax.add_patch(mpl.patches.Circle((0, 0), 1, fill=False, color="#DDDDDD"))
    for name, (u, w, color) in tips.items():
        look = {"arrowstyle": "-|>", "color": color, "linewidth": 2.5, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (u, w), (0, 0), arrowprops=look)
        ax.text(1.13 * u, 1.13 * w, name, fontsize=14, ha="center", va="center")
    ax.set(xlim=(-1.3, 1.3), ylim=(-0.25, 1.3), aspect="equal", title=f"t = {t}")
    ax.axis("off")
    return ax


def logit_axis(ax: Axes, ticks: Sequence[float] = (0.5, 0.8, 0.95, 0.99, 0.999), lim=(0.28, 0.9997)) -> Axes:
    """A vertical axis for shares, on which p stands at the height log(p / (1 - p)), with plain numbers at `ticks`.

    It is stretched near 1: from 0.9 to 0.99 is about as far as from 0.99 to 0.999. 0 and 1 themselves have no place on
    it: a line through them leaves the picture, and a point is drawn at the border where its share is clamped to `lim`.
    """
    ax.set_yscale("logit", nonpositive="clip")
    ax.set(ylim=lim, yticks=ticks, yticklabels=[f"{p:g}" for p in ticks])
    ax.tick_params(axis="y", which="minor", left=False, labelleft=False)
    return ax
