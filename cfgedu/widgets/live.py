"""LiveFigure: a matplotlib scene behind sliders, redrawn in a few tens of milliseconds.

A scene is a function x_scene(figure) -> update. It builds its artists once; update(**state) moves them to a plain
state (numbers, strings) and returns a one-line readout. `LiveFigure` puts controls on it; the function x_demo beside
the scene makes that demo, and its `still` draws one picture for the page. How a frame is drawn, and what it costs, is
in `cfgedu.widgets.drawing`; what the page does with it in `picture.js`.
"""

import asyncio
import html
import inspect
import time
from base64 import b64encode
from collections.abc import Mapping
from functools import partial

import ipywidgets as widgets
import matplotlib as mpl
import matplotlib.pyplot as plt

from cfgedu.language import phrase
from cfgedu.plots import settle
from cfgedu.saving import DEMO
from cfgedu.widgets.drawing import LOOK, MOVING_DPI, Drawing, Scene, Styled, drawing, moving
from cfgedu.widgets.page import Picture, panel

__all__ = ["LiveFigure", "bound", "choice", "control", "int_slider", "moving", "slider"]  # what a scene needs

REST_AFTER = 0.25  # seconds of rest, after which the picture is sharp
SLOW = 0.1  # a frame above this many seconds shows "working"
LETTER = 7.2  # pixels that a letter of the readout takes, in the mean, at most
MORE = 8  # letters by which a readout may grow
READABLE = 9  # pixels that the smallest letters of a picture have at least: in a narrower window it scrolls
FRAMES = 60  # that a demo plays, at most

INVITATION = "The picture of a demo: running this cell makes it live."


def bound(scene: Scene, **given) -> Scene:
    """The scene with those of the arguments that are not None, which its demo was given; `LiveFigure.code` has them."""
    given = {name: value for name, value in given.items() if value is not None}
    return partial(scene, **given) if given else scene


class LiveFigure(widgets.VBox):
    """Controls above a picture of the scene, its readout below, a reset button, any error in red, the state as code.

    controls: {state name: ipywidgets control}; constants: the part of the state that has no control; alt: the picture
    in words, a sentence without its full stop. `state` is plain data; `still` draws it as an ordinary figure, and
    `code` is a cell that does so. A browser sends the next value of a control once the last one was answered, so frames
    are dropped and never queue. A notebook stores the picture and the state beside the view.

    presets: {name: changes}, a button each, that shows the start state with these changes, as `still` does.
    drag: {k: (x, y)}: a press or drag in figure.axes[k] moves the controls x and y, None for a side that moves nothing.
    play: the control that a play button moves from its first value to its last.
    """

    def __init__(
        self,
        scene: Scene,
        controls: Mapping[str, widgets.Widget],
        *,
        size: tuple[float, float] = (8, 4),
        alt: str,
        constants: Mapping | None = None,
        presets: Mapping[str, Mapping] | None = None,
        drag: Mapping[int, tuple[str | None, str | None]] | None = None,
        play: str | None = None,
    ):
        self.controls, self.constants, self.alt = dict(controls), dict(constants or {}), phrase(alt)
        self.start = {name: control.value for name, control in self.controls.items()}
        self.scene, self.size, self.seconds = scene, size, 0.0
        self.presets = {phrase(name): self.changed_start(changes) for name, changes in (presets or {}).items()}
        self.rest, self.drawn = None, None
        self.drawing = Drawing(scene, size, self.state)
        self.figure, self.update = self.drawing.figure, self.drawing.update

        width, text = round(size[0] * MOVING_DPI), self.drawing.text
        wide = {"width": f"{width}px", "max_width": "100%"}
        # A readout that is nearly a line long, or longer, keeps room for one line more: nothing jumps.
        lines = 1 + round((len(text) + MORE) * LETTER) // width
        narrow = widgets.Layout(width="90px")
        self.picture = Picture(
            alt=self.alt,
            words=[phrase("play"), phrase("pause"), phrase("as a number")],
            least=min(width, round(width * READABLE / self.drawing.letters())),
            presets=list(self.presets),
            plays=frames(play, self.controls[play]) if play else {},
            panels=[panel(self.figure.axes[k], *names) for k, names in (drag or {}).items()],
            layout=widgets.Layout(**wide),
        )
        self.picture.on_msg(self.asked)
        self.readout = widgets.HTML(layout=widgets.Layout(min_height=f"{1.4 * lines}em", **wide))
        self.readout.add_class("cfgedu-readout")
        self.working, self.error = widgets.HTML(), widgets.HTML(layout=widgets.Layout(flex="1 1 0", width="auto"))
        self.source = widgets.HTML(layout=widgets.Layout(display="none", max_width="100%"))
        reset = widgets.Button(description=phrase("reset"), tooltip=phrase("back to the first state"), layout=narrow)
        tip = phrase("the cell that draws this picture")
        copy = widgets.Button(description=phrase("as code"), tooltip=tip, layout=narrow)
        reset.on_click(lambda _: self.set(**self.start))
        copy.on_click(lambda _: self.toggle_code())
        for control in self.controls.values():
            control.observe(self.changed, "value")
        columns = "repeat(auto-fit, minmax(min(100%, 250px), 1fr))"
        grid = widgets.Layout(grid_template_columns=columns, grid_gap="2px 16px", **wide)
        rows = widgets.GridBox(list(self.controls.values()), layout=grid)
        rows.add_class("cfgedu-controls")
        buttons = widgets.HBox([reset, copy, self.working, self.error], layout=widgets.Layout(align_items="center"))
        super().__init__([rows, self.picture, self.readout, buttons, self.source])
        self.add_class("cfgedu-live")
        if not all(getattr(control, "continuous_update", True) for control in self.controls.values()):
            self.add_class("cfgedu-on-release")  # a frame costs more than a moving hand can wait for
        self.show(rest=True)

    def __repr__(self):
        return f"LiveFigure: {self.alt}"

    @property
    def state(self) -> dict:
        """The state as plain data; a browser's sliders return 0.6000000000000001 for 0.6, so numbers are rounded."""
        values = {name: control.value for name, control in self.controls.items()}
        return self.constants | {name: round(v, 9) if isinstance(v, float) else v for name, v in values.items()}

    @property
    def name(self) -> str:
        """The demo's name, x of x_scene and x_demo."""
        return getattr(self.scene, "func", self.scene).__name__.removesuffix("_scene")

    @property
    def code(self) -> str:
        """The cell that draws this picture; what the demo was given goes by its name, numbers by their value."""
        scene, given = getattr(self.scene, "func", self.scene), getattr(self.scene, "keywords", {})
        needed = {p.name for p in inspect.signature(scene).parameters.values() if p.default is p.empty}
        values = {key: repr(value) if isinstance(value, int | float | str) else key for key, value in given.items()}
        arguments = ", ".join(text if key in needed else f"{key}={text}" for key, text in values.items())
        state = ", ".join(f"{key}={value!r}" for key, value in self.state.items())
        make = f"{self.name}_demo"
        return f"from {scene.__module__} import {make}\n\ndemo = {make}({arguments})\ndemo.still({state})"

    def changed_start(self, changes: Mapping) -> dict:
        """The start state with changes. Raises TypeError for a name that is not one of the state's."""
        start = self.constants | self.start
        if unknown := [name for name in changes if name not in start]:
            raise TypeError(f"{self.name} has no {', '.join(unknown)}; the names of its state are {', '.join(start)}")
        return start | dict(changes)

    def still(self, **state) -> None:
        """Draw the start state, with the changes given, as an ordinary notebook figure; prints the readout.

        Raises TypeError for a name that is not one of the state's.
        """
        state = self.changed_start(state)
        settle()  # turns a kernel's display on, which the end of the block would undo
        with mpl.rc_context(LOOK):
            print(self.scene(plt.figure(figsize=self.size, layout="constrained", FigureClass=Styled))(**state))

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict]:
        """What a notebook stores: the view, and for a reader without a kernel the picture, its words and the state."""
        alt = f"{self.alt}. {phrase(INVITATION)}"
        picture = {"alt": alt, "width": round(self.size[0] * MOVING_DPI)}  # as wide on the page as the live one
        bundle = {
            "text/plain": repr(self),
            "image/png": b64encode(self.drawing.stored()).decode(),
            DEMO: {"demo": self.name, "state": self.state, "alt": alt},
        }
        return super()._repr_mimebundle_(**kwargs) | bundle, {"image/png": picture}

    def set(self, **state) -> None:
        """Move several controls, and draw once."""
        for control in self.controls.values():
            control.unobserve(self.changed, "value")
        try:
            for name, value in state.items():
                self.controls[name].value = value
        finally:
            for control in self.controls.values():
                control.observe(self.changed, "value")
        self.changed()

    def go(self, preset: str) -> None:
        """Show the state of a preset: the start with its changes."""
        self.set(**{name: value for name, value in self.presets[preset].items() if name in self.controls})

    def asked(self, _, content: dict, buffers) -> None:
        """A hand in the picture or on a button of it, {n, state} or {n, preset}; the answer lets the page go on."""
        try:
            if "preset" in content:
                self.go(content["preset"])
            else:
                self.set(**{name: nearest(self.controls[name], value) for name, value in content["state"].items()})
        finally:
            self.picture.send({"answered": content["n"]})

    def toggle_code(self) -> None:
        self.source.layout.display = "none" if self.source.layout.display is None else None

    def changed(self, _=None) -> None:
        """One frame at the moving resolution; a sharp one follows when nothing has moved for a while."""
        if self.state == self.drawn:  # a browser's slider, once it appears, sends its value as it rounded it
            return
        if self.rest is not None:
            self.rest.cancel()
        self.show(rest=False)
        try:
            self.rest = asyncio.get_running_loop().call_later(REST_AFTER, self.sharpen)
        except RuntimeError:  # outside a kernel there is no event loop to wait in: be sharp at once
            self.sharpen()

    def show(self, rest: bool) -> None:
        """Update the scene and send its picture, sharp at rest; where it fails the last picture turns grey."""
        if self.seconds > SLOW:  # the last frame was slow: so will this one be
            self.working.value = phrase("working …")
        began, state = time.perf_counter(), self.state
        try:
            with drawing():
                text = self.update(**state)
                self.picture.value = self.drawing.sharp() if rest else self.drawing.fast()
                self.drawn = state
        except Exception as error:  # raised in a browser's callback it would show nowhere
            self.drawn = None
            self.add_class("cfgedu-stale")
            message = html.escape(f"{type(error).__name__}: {error}")
            self.error.value = f'<span class="cfgedu-error" role="alert">{message}</span>'
            raise
        finally:
            self.working.value = ""
        if not rest:
            self.seconds = time.perf_counter() - began
        self.remove_class("cfgedu-stale")
        self.readout.value = html.escape(text).replace(" = (", "&nbsp;= (")  # where a line must not end
        self.source.value, self.error.value = f"<pre>{html.escape(self.code)}</pre>", ""

    def sharpen(self) -> None:
        with drawing():
            self.picture.value = self.drawing.sharp()


def nearest(control: widgets.Widget, value: float) -> float:
    """The value nearest to this one that the slider's handle can stand on."""
    steps = round((value - control.min) / control.step)
    return type(control.value)(min(max(round(control.min + steps * control.step, 9), control.min), control.max))


def frames(name: str, control: widgets.Widget) -> dict:
    """What a play button sends: at most `FRAMES` values of a slider, as far apart, the last one at its end."""
    steps = round((control.max - control.min) / control.step)
    stride = -(-steps // (FRAMES - 1)) * control.step
    values = [nearest(control, control.max - k * stride) for k in range(FRAMES)]
    values = [control.min, *sorted({value for value in values if value > control.min})]
    return {"name": name, "label": control.description, "values": values}


def control(kind, name: str, **kwargs) -> widgets.Widget:
    """A labelled control with room for its name; kwargs go to the ipywidgets class."""
    name = phrase(name)
    look = {"layout": {"width": "auto"}, "tooltip": name}  # else "null"
    return kind(description=name, **(look | kwargs))


def slider(name: str, low: float, high: float, value: float, step: float = 0.1, **kwargs) -> widgets.FloatSlider:
    kwargs = {"readout_format": ".2f"} | kwargs
    return control(widgets.FloatSlider, name, min=low, max=high, value=value, step=step, **kwargs)


def int_slider(name: str, low: int, high: int, value: int, step: int = 1, **kwargs) -> widgets.IntSlider:
    return control(widgets.IntSlider, name, min=low, max=high, value=value, step=step, **kwargs)


def choice(name: str, options, value, **kwargs) -> widgets.Dropdown:
    """JupyterLab keeps the arrow keys from a closed list (ipywidgets issue 3912): the tooltip tells how to open it."""
    tip = phrase("{name}: the space bar opens the list, arrows choose", name=phrase(name))
    named = [option if isinstance(option, tuple) else (str(option), option) for option in options]
    told = [(phrase(text), own) for text, own in named]
    options = options if told == named else told
    return control(widgets.Dropdown, name, options=options, value=value, **({"tooltip": tip} | kwargs))
