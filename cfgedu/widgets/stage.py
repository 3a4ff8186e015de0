"""The furniture that scenes share: fields and shades at a time t, what moves over them, legends and common controls."""

from collections.abc import Callable

import torch
from contourpy import contour_generator
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.quiver import Quiver
from matplotlib.text import Text
from torch import Tensor

from cfgedu.plots import CLASSES, GUIDED, LIM, grid
from cfgedu.schedule import Schedule
from cfgedu.toy import Mixture
from cfgedu.widgets.drawing import LETTERS
from cfgedu.widgets.live import int_slider, moving, slider

WINDOW = (-LIM, LIM, -LIM, LIM)
INK = "#333333"  # of lines that belong to no class
LEVELS, DASHES = [0.1, 0.5, 0.9], ["dotted", "dashed", "solid"]  # of p(y given x_t)

# ---------------------------------------------------------------- numbers


def places(n: int) -> Tensor:
    """The n x n points that carry arrows, half a step inside the window (n^2, 2)."""
    return grid(n, LIM * (1 - 1 / n))


def square(values: Tensor):
    """Values (n^2,) or (n^2, channels) on `grid(n)` as the table that a picture takes, (n, n) or (n, n, channels)."""
    n = round(len(values) ** 0.5)
    return values.reshape(n, n, *values.shape[1:]).numpy()


def at(field: Callable, x: Tensor, t: int, y: int):
    """field(x, t, y), a Denoiser, a Pair or a score, at the points x (B,2), all at the time t and under the label y."""
    times = torch.full((len(x),), t, device=x.device)
    return field(x, times, torch.full_like(times, y))


def height(log_p: Tensor, depth: float) -> Tensor:
    """1 at the peak of a log-density, 0 where it lies `depth` below the peak or lower."""
    return (1 + (log_p - log_p.max()) / depth).clamp(min=0)


def edge_of_support(mixture: Mixture, x: Tensor, label: int) -> float:
    """The log-density that 99% of the data x (N,2) of a class exceed: below it lies what is off the data."""
    return float(mixture.log_prob(x, torch.full((len(x),), label)).quantile(0.01))


def support(mixture: Mixture, x: Tensor, label: int, window, pixels: int) -> tuple[float, list]:
    """`edge_of_support`, and the outlines of the region above it in the window ((left, right), (bottom, top))."""
    lowest = edge_of_support(mixture, x, label)
    across, up = (torch.linspace(*ends, pixels) for ends in window)
    points = torch.cartesian_prod(up, across).flip(1)
    density = mixture.log_prob(points, torch.full((len(points),), label))
    return lowest, contour_generator(across.numpy(), up.numpy(), square(density)).lines(lowest)


# ---------------------------------------------------------------- artists that move


def frame(*axes: Axes) -> None:
    """The spines lie above what moves: they are drawn again with it."""
    moving(*[spine for ax in axes for spine in ax.spines.values()])


def note(ax: Axes) -> Text:
    """A small moving title on the right."""
    return moving(ax.set_title("", loc="right", fontsize=LETTERS))


def shade(ax: Axes, **look) -> AxesImage:
    """A smooth moving picture over the window: set its data to a table of numbers or of colours."""
    return moving(ax.imshow([[0]], extent=WINDOW, origin="lower", interpolation="bilinear", zorder=0, **look))


def line(ax: Axes, *form: str, **look) -> Line2D:
    """A moving line, or moving marks; the form is that of `ax.plot`."""
    return moving(ax.plot([], [], *form, **look)[0])


def arrows(ax: Axes, x: Tensor, **look) -> Quiver:
    """Moving arrows at x (B,2), as long as their vectors are in the units of the axes."""
    zero = torch.zeros(len(x))
    return moving(ax.quiver(*x.T, zero, zero, angles="xy", scale_units="xy", scale=1, **look))


def outlines(*axes: Axes, **look) -> Callable:
    """draw(p (n,n), color): the lines where p is one of LEVELS, in place of those of the last call."""
    drawn = []

    def draw(p, color=INK):
        while drawn:
            drawn.pop().remove()
        for ax in axes:
            drawn.append(moving(ax.contour(p, LEVELS, extent=WINDOW, colors=[color], linestyles=DASHES, **look)))

    return draw


def class_bars(ax: Axes, mixture: Mixture, **names) -> tuple:
    """A moving bar for each class, and its prior as a black line; names: the label of that line."""
    K = mixture.K
    edges = [ink(c) for c in CLASSES[:K]]
    bars = moving(*ax.bar(range(K), [1.0] * K, color=CLASSES[:K], edgecolor=edges, width=0.7))
    ends = [k - 0.45 for k in range(K)], [k + 0.45 for k in range(K)]
    prior = moving(ax.hlines(mixture.prior.numpy(), *ends, color=GUIDED, linewidth=2, **names))
    ax.set(xlim=(-0.6, K - 0.4), xticks=range(K))
    return bars, prior


def set_heights(bars, heights: Tensor) -> None:
    for bar, value in zip(bars, heights.tolist(), strict=True):
        bar.set_height(value)


def ink(color: str) -> tuple:
    """A darker ink of the same hue: for words in a class's colour, and round marks that are pale on white."""
    return tuple(0.75 * part for part in to_rgb(color))


# ---------------------------------------------------------------- legends and controls


def key(label: str, color: str = INK, **look) -> Line2D:
    """One entry of a legend."""
    return Line2D([], [], color=color, label=label, **look)


def level_keys(*names: str) -> list[Line2D]:
    return [key(f"{name}{p}", linestyle=dash) for name, p, dash in zip(names, LEVELS, DASHES, strict=True)]


def legend_row(figure: Figure, side: str, handles: list, ncols: int = 3, **look) -> Legend:
    """A legend below all panels, on the left or on the right."""
    return figure.legend(handles=handles, loc=f"outside lower {side}", ncols=ncols, **look)


def time_slider(schedule: Schedule, start: int, stops: int = 200):
    """t from 1 to T, at `start` thousandths of T, with about `stops` places."""
    stride = max(1, schedule.T // stops)
    return int_slider("time t", stride, schedule.T, start * schedule.T // 1000, stride)


def point_sliders(px: float, py: float) -> dict:
    return {"px": slider("point, x1", -LIM, LIM, px, 0.05), "py": slider("point, x2", -LIM, LIM, py, 0.05)}
