"""Samples of broken code beside those of the right one, and the lights: what a picture tells of a bug and what not."""

from functools import cache

import torch

from cfgedu.checkpoints import checkpoint_path, read, under
from cfgedu.edges import require_choice
from cfgedu.exercises.repair import BUGS, code_with, made, planted
from cfgedu.language import phrase
from cfgedu.lights import GAUGES, GREEN, RED, dashboard
from cfgedu.metrics import mean_posterior, spread
from cfgedu.plots import CLASSES, plane
from cfgedu.protocol import seeded
from cfgedu.toy import islands
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, choice, moving, slider

POINTS, STEPS, NONE, ALL = 450, 25, "none", "all at once"
NETWORKS = "repair-networks"  # the checkpoint with the network of every choice, in float16
LETTERED = {chr(ord("A") + k): bug for k, bug in enumerate(sorted(BUGS, key=lambda bug: bug.name.split()[-1]))}
CHOICES = {NONE: (), **{letter: (bug,) for letter, bug in LETTERED.items()}, ALL: BUGS}


def planted_bugs(name: str) -> tuple:
    """The bugs behind a choice of the gallery. Raises ValueError for another name."""
    require_choice("bug", name, CHOICES)
    return CHOICES[name]


def training_part(name: str) -> str:
    """The part of the file, with the bugs of a choice, that its training depends on."""
    return planted(planted_bugs(name)).split("def guided")[0]


def trained_as(name: str) -> str:
    """What the network of a choice goes by: NONE where its bugs change nothing in the training, else its first word."""
    return NONE if training_part(name) == training_part(NONE) else name.split()[0]


@cache
def code_of(name: str):
    """The code with the bugs of a choice, and the network that it trains, which ships with the course."""
    code, net = code_with(planted_bugs(name)), made(planted(planted_bugs(name)))["Net"]()
    tensors, _ = read(checkpoint_path(NETWORKS))
    net.load_state_dict({key: tensor.float() for key, tensor in under(trained_as(name), tensors).items()})
    code.model = net.requires_grad_(False)
    return code


@cache
def lights_of(name: str) -> list[str]:
    """The lights that are red: from the table of the bugs, but measured for all at once, where some hide others."""
    if name == ALL:
        return [light.name for light in dashboard(code_of(ALL)) if not light.green]
    red = {light for bug in planted_bugs(name) for light in bug.lights}
    return [light for light in GAUGES if light in red]


def gallery_scene(figure):
    """The scene; its state is a bug, by its letter, and the scale r.

    Both clouds start from the same noise and have the same labels; lines tell where the classes' islands lie.
    """
    mixture = islands()
    _, y = mixture.sample(POINTS, seeded(4))
    x_T = torch.randn(POINTS, 2, generator=seeded(5))
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 0.8))
    clouds = [cloud_panel(ax, title, mixture, y) for ax, title in ((left, "right code"), (middle, "with the bug"))]
    right.axis("off")
    right.set_title("the lights")
    rows = [light_row(right, k, name) for k, name in enumerate(GAUGES)]

    @cache
    def drawn(name: str, r: float):  # the right code's cloud stays when the bug changes
        code = code_of(name)
        return code.sample(code.guided(code.model, r), x_T, y, steps=STEPS)

    def update(bug: str, r: float) -> str:
        told = []
        for show, name in zip(clouds, (NONE, bug), strict=True):
            x = drawn(name, r)
            show(x)
            told += [mean_posterior(mixture, x, y), spread(mixture, x, y)]
        red = lights_of(bug)
        for row, name in zip(rows, GAUGES, strict=True):
            row(name in red)
        return phrase(
            "Bug {bug}, r = {r:.1f}. Right code: p(c|x) {right:.2f}, spread {width:.2f}; with the bug: p(c|x) "
            "{wrong:.2f}, spread {other:.2f}. Red lights: {lights}",
            bug=phrase(bug),
            r=r,
            lights=", ".join(red) or phrase("none"),
            **dict(zip(("right", "width", "wrong", "other"), told, strict=True)),
        )

    return update


def cloud_panel(ax, title, mixture, y):
    """A cloud in the colours of the labels that were asked for, over circles round the true islands."""
    plane(ax, title)
    for centre, std, label in zip(mixture.mean, mixture.std, mixture.label):
        turn = torch.linspace(0, 2 * torch.pi, 61)
        ax.plot(*(centre[:, None] + 2 * std * torch.stack([turn.cos(), turn.sin()])), color=CLASSES[label], lw=1)
    marks = [stage.line(ax, "o", color=CLASSES[k], markersize=2.6, alpha=0.6, mew=0) for k in range(mixture.K)]
    stage.frame(ax)

    def show(x):
        for k, mark in enumerate(marks):
            mark.set_data(*x[y == k].T)

    return show


def light_row(ax, k, name):
    """A light's name, with its mark."""
    look = {"transform": ax.transAxes, "va": "center"}
    text = moving(ax.text(0.06, 0.97 - k * 0.0625, name, **look))

    def show(red):
        mark, color, weight = ("✗", RED, "bold") if red else ("✓", GREEN, "normal")
        text.set(text=f"{mark}  {name}", color=color, fontweight=weight)

    return show


def gallery_demo() -> LiveFigure:
    """The demo: every bug of notebook 16 alone, at any scale, and all of them at once."""
    controls = {
        "bug": choice("bug", list(CHOICES), ALL),
        "r": slider("scale r", 0, 6, 1.0, 0.5),
    }
    alt = "Samples of the right code and of the code with a bug, from the same noise, and the lights that are red"
    return LiveFigure(gallery_scene, controls, size=(9.6, 4.0), alt=alt, play="r")
