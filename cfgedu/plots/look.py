"""What all pictures share: colours, style, special axes; and `table`, for numbers side by side."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from cfgedu.edges import is_number
from cfgedu.protocol import NULL

CLASSES = ["#0072B2", "#D55E00", "#009E73", "#E69F00"]  # class 0 blue, 1 vermilion, 2 green, 3 orange
UN, G, GUIDED = "#777777", "#AA3377", "#000000"  # unconditional, guidance vector, guided
LIM = 2.75  # the window onto the 2D world, [-LIM, LIM]^2

# What belongs to a machine and changes no picture; everything else starts from matplotlib's own defaults, so that a
# dark theme, a style sheet or a matplotlibrc with `text.usetex: True` leaves the pictures as they are.
MACHINE = {"_internal", "agg", "animation", "backend", "backend_fallback", "docstring", "interactive", "keymap"}
MACHINE |= {"macosx", "timezone", "tk", "toolbar", "webagg"}
MACHINE |= {"savefig.directory", "figure.raise_window", "figure.max_open_warning"}
DEFAULTS = {key: value for key, value in mpl.rcParamsDefault.items() if not {key, key.split(".")[0]} & MACHINE}

STYLE = DEFAULTS | {
    "figure.dpi": 100,
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
    """The course's look for every figure that follows, whatever the settings were before."""
    settle()
    mpl.rcParams.update(STYLE)


def settle() -> None:
    """In a notebook, loads what shows figures: its settings, and its display, come with that, so before ours."""
    if "inline" in (mpl.get_backend(auto_select=False) or ""):
        plt.draw_if_interactive()


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


def logit_axis(ax: Axes, ticks: Sequence[float] = (0.5, 0.8, 0.95, 0.99, 0.999), lim=(0.28, 0.9997)) -> Axes:
    """A vertical axis for shares, on which p stands at the height log(p / (1 - p)), with plain numbers at `ticks`.

    It is stretched near 1: from 0.9 to 0.99 is about as far as from 0.99 to 0.999. 0 and 1 themselves have no place on
    it: a line through them leaves the picture, and a point is drawn at the border where its share is clamped to `lim`.
    """
    ax.set_yscale("logit", nonpositive="clip")
    ax.set(ylim=lim, yticks=ticks, yticklabels=[f"{p:g}" for p in ticks])
    ax.tick_params(axis="y", which="minor", left=False, labelleft=False)
    return ax


def root_axis(ax: Axes, ticks: Sequence[float], top: float) -> Axes:
    """A vertical axis from 0 to `top` for small shares, on which p stands at the height sqrt(p): 0 has a place."""
    ax.set_yscale("function", functions=(lambda p: np.sqrt(np.clip(p, 0, None)), np.square))
    ax.set(ylim=(0, top), yticks=ticks, yticklabels=[f"{p:g}" for p in ticks])
    return ax
