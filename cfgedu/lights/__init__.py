"""A dashboard of measurements for any classifier-free guidance: each light is one number, its bar, and a small picture.

    for light in dashboard(code):
        print(light.name, light.value, light.bar, light.green)

`code` is any object or namespace that names

    drop_labels(y, p_drop, generator) -> new labels                       NULL = -1 means no label
    loss(model, x0, y, p_drop, generator) -> scalar                       of any model(x, t, y) -> eps
    guided(model, r) -> model                                             r = 0 unconditional, 1 conditional
    sample(model, x, y, steps=..., eta=0.0, clip=None, generator=None) -> x_0
    schedule                                                              the table alpha_bar[0..T], or what has one
    model(x, t, y) -> eps                                                 the trained network
    K                                                                     classes 0..K-1

The loss and the sampler ask their model for whole batches, rows in their order: a model that knows x_0 needs that.

A part that the code does not have leaves its lights dark; a part that fails turns them red, with the sentence of the
error. A light says what it measured, never which line is to blame. How it does so is to be read: `source("drop rate")`.
"""

import inspect
import linecache
import sysconfig
import textwrap
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from cfgedu.language import phrase
from cfgedu.lights import measures, pictures
from cfgedu.toy import Mixture, islands

GREEN, RED, DARK = "#00795A", "#C2410C", "#777777"  # bluish green, vermilion, grey; and a mark tells them apart
MARKS = {True: "✓", False: "✗", None: "·"}
INFINITY = float("inf")
NOT_THE_LEARNERS = (str(Path(__file__).parents[1]), *map(sysconfig.get_path, ("stdlib", "purelib", "platlib")))


@dataclass(frozen=True)
class Light:
    """One measurement: green where low <= value <= high, bar = (low, high); None, which is dark, without its part.

    picture(ax) draws what was seen; `said` is the sentence of an error, or what is missing.
    """

    name: str
    value: float
    bar: tuple[float, float]
    green: bool | None
    picture: Callable[[Axes], None]
    said: str = ""

    @property
    def mark(self) -> str:
        return MARKS[self.green]

    @property
    def words(self) -> str:
        """The number beside its bar, "0.798, bar 0.14 to 0.26", or what was said instead."""
        low, high = self.bar
        if self.said:
            return self.said
        if low == high:
            bar = f"{low:g}"
        else:
            bar = f"{high:g} at most" if low == -INFINITY else f"{low:g} to {high:g}"
            bar = f"{low:g} at least" if high == INFINITY else bar
        return f"{self.value:.3g}, bar {bar}"


@dataclass(frozen=True)
class Gauge:
    """How a light is made: what measures, its bar, what draws, and the parts of the code that it needs."""

    measure: Callable
    low: float
    high: float
    draw: Callable
    needs: str


def most(bar: float) -> tuple[float, float]:
    return -INFINITY, bar


GAUGES = {
    "drop rate": Gauge(measures.drop_rate, 0.14, 0.26, pictures.drop_rate, "loss"),
    "own coins": Gauge(measures.own_coins, *most(1.3), pictures.own_coins, "loss"),
    "labels kept": Gauge(measures.labels_kept, 0, 0, pictures.labels_kept, "drop_labels loss"),
    "times trained": Gauge(measures.times_trained, 0, 0, pictures.times_trained, "loss"),
    "loss of the truth": Gauge(measures.loss_of_truth, *most(1e-6), pictures.loss_of_truth, "loss"),
    "no label": Gauge(measures.no_label, 0.05, INFINITY, pictures.no_label, "model"),
    "error of g": Gauge(measures.error_of_g, *most(0.52), pictures.error_of_g, "model"),
    "last level": Gauge(measures.last_level, *most(1e-3), pictures.last_level, "schedule"),
    "labels asked": Gauge(measures.labels_asked, 0, 0, pictures.labels_asked, "guided"),
    "r = 0": Gauge(measures.guided_at(0.0), *most(1e-4), pictures.against, "guided"),
    "r = 1": Gauge(measures.guided_at(1.0), *most(1e-4), pictures.against, "guided"),
    "r = 3": Gauge(measures.guided_at(3.0), *most(1e-4), pictures.against, "guided"),
    "times asked": Gauge(measures.times_asked, 0, 0, pictures.times_asked, "sample"),
    "oracle": Gauge(measures.oracle, *most(1e-4), pictures.oracle, "sample"),
    "fresh noise": Gauge(measures.fresh_noise, 0.9, 1.1, pictures.fresh_noise, "sample sample.eta"),
    "clip": Gauge(measures.clipped, *most(1e-4), pictures.clipped, "sample sample.clip"),
}


def dashboard(code, mixture: Mixture | None = None, seed: int = 0, known: bool = True) -> list[Light]:
    """All lights of `code`, in their order; nothing that the code does stops it.

    mixture: the density that `code.model` has learned, the islands unless given. known=False: the model has learned
    something else, and the two lights that hold it against the truth stay dark.
    """
    code, mixture = OneRun(code), mixture or islands()
    return [lit(name, gauge, code, mixture, seed, known) for name, gauge in GAUGES.items()]


class OneRun:
    """The code in an object that is new with each dashboard and can be hashed, as `training_calls` needs it to remember
    what it has asked: code that was changed in place is asked again.
    """

    def __init__(self, code):
        self.code = code

    def __getattr__(self, part: str):
        return getattr(self.code, part)


def lit(name: str, gauge: Gauge, code, mixture: Mixture, seed: int, known: bool) -> Light:
    """One light."""
    bar, dark = (gauge.low, gauge.high), ""
    try:
        dark = missing(code, gauge) if known or gauge.needs != "model" else "what the model has learned is not known"
        if not dark:
            value, seen = gauge.measure(code, mixture, seed)
            value = float(value)
            return Light(name, value, bar, gauge.low <= value <= gauge.high, lambda ax: gauge.draw(ax, seen))
    except Exception as error:  # of whatever kind: it is the learner's code
        return Light(name, float("nan"), bar, False, nothing, sentence(error))
    return Light(name, float("nan"), bar, None, nothing, dark)


def missing(code, gauge: Gauge) -> str:
    """What the code lacks of what a light needs, in words; "" where nothing is missing."""
    for part in [*gauge.needs.split(), "schedule", "K"]:
        name, _, argument = part.partition(".")
        if getattr(code, name, None) is None:
            return phrase("the code has no {part}", part=name)
        if argument and argument not in inspect.signature(code.sample).parameters:
            return phrase("its {part} has no {argument}", part=name, argument=argument)
    return ""


def sentence(error: Exception) -> str:
    """The error in words, with the line of the learner's own code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(NOT_THE_LEARNERS)]
    line = linecache.getline(own[-1].filename, own[-1].lineno).strip() if own else ""
    text = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    return f'{text}, in "{line}"' if line else text


def nothing(ax) -> None:
    ax.set(xticks=[], yticks=[])


def source(name: str) -> str:
    """The measurement of a light as code. Raises ValueError for a name that no light has."""
    if name not in GAUGES:
        raise ValueError(f"name must be one of {', '.join(GAUGES)}, got {name!r}")
    return inspect.getsource(GAUGES[name].measure)


def show(figure, lights: Sequence[Light], columns: int = 4) -> None:
    """The lights on a figure, in rows: name and mark, number and bar, picture."""
    rows = -(-len(lights) // columns)
    for ax, light in zip(figure.subplots(rows, columns, squeeze=False).flat, lights):
        color = {True: GREEN, False: RED, None: DARK}[light.green]
        light.picture(ax)
        ax.set_title(f"{light.mark} {light.name}", color=color, fontsize=12, fontweight="bold", loc="left", pad=22)
        words = textwrap.shorten(light.words, 34, placeholder=" …")
        ax.text(0, 1.03, words, transform=ax.transAxes, fontsize=9, va="bottom")
        ax.tick_params(labelsize=9)
        ax.xaxis.label.set_size(9)
        ax.yaxis.label.set_size(9)
        for spine in ax.spines.values():
            spine.set(visible=True, color=color, linewidth=3 if light.green is False else 1.2)


class Log:
    """What was tried: every run of the dashboard is one row."""

    def __init__(self):
        self.runs = []

    def add(self, what: str, lights: Sequence[Light]) -> None:
        """Notes a run, and prints what has changed since the one before."""
        before = dict(self.runs[-1][1]) if self.runs else {}
        now = {light.name: light.green for light in lights}
        self.runs.append((what, now))
        lit = sum(green is True for green in now.values())
        said = "run {number}, {what}: {count} of {all} lights are green"
        print(phrase(said, number=len(self.runs), what=what, count=lit, all=len(now)))
        for turned, state in (("turned green: {lights}", True), ("turned red: {lights}", False)):
            names = [name for name, green in now.items() if before and green is state and before[name] is not state]
            if names:
                print(f"  {phrase(turned, lights=', '.join(names))}")
        if before == now:
            print(f"  {phrase('no light has changed; another bug may hide what you did')}")
        for light in lights:
            if light.said:
                print(f"  {light.mark} {light.name}: {light.said}")

    def __str__(self) -> str:
        rows = [
            phrase("{number}. {what}: {count} green", number=k, what=what, count=sum(g is True for g in now.values()))
            for k, (what, now) in enumerate(self.runs, 1)
        ]
        return "\n".join(rows)
