"""LiveFigure: a matplotlib scene behind sliders, redrawn in a few tens of milliseconds.

A scene is a function scene(figure) -> update. It builds its artists once; update(**state) moves them to a plain state
(numbers, strings) and returns a one-line readout. `still` draws a scene once, for the page; `LiveFigure` puts controls
on it. Artists that update moves are marked with `moving(...)`: while a control moves only these are drawn again, over a
stored background.

What costs time in a frame, so that a scene can avoid it: text (2 ms a line, more for formulas), ticks and legends (4 to
9 ms each: keep axes and legends fixed), a smooth picture (7 ms for half a figure). Arrows, lines and contours cost well
under 2 ms.
"""

import asyncio
import html
import struct
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from functools import partial

import ipywidgets as widgets
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cfgedu.plots import STYLE

MOVING_DPI, REST_DPI, REST_AFTER = 100, 200, 0.25  # dots per inch while a control moves and at rest; seconds of rest
SLOW = 0.1  # a frame above this many seconds shows "working"
LETTER = 7.2  # pixels that a letter of the readout takes, in the mean, at most

# JupyterLab answers controls in a thread of their own while cells run in the main one: one drawing at a time.
DRAWING = threading.RLock()

# A demo keeps its own light ground in every theme; the variables reach the labels, sliders and readouts inside it.
LOOK = """<style>
.cfgedu-live { background: #FFFFFF; color: #222222; padding: 8px; border: 1px solid #DDDDDD; border-radius: 4px;
  width: fit-content; max-width: 100%; box-sizing: border-box;
  --jp-widgets-color: #222222; --jp-widgets-label-color: #222222; --jp-widgets-readout-color: #222222;
  --jp-ui-font-color0: #000000; --jp-ui-font-color1: #222222; --jp-content-font-color1: #222222;
  --jp-layout-color1: #FFFFFF; --jp-layout-color2: #EEEEEE; --jp-layout-color3: #DDDDDD; --jp-border-color1: #BBBBBB;
  --jp-widgets-input-color: #222222; --jp-widgets-input-background-color: #FFFFFF;
  --jp-widgets-input-border-color: #BBBBBB; }
.cfgedu-live .widget-html-content { color: #222222; line-height: 1.4; text-wrap: balance; }
.cfgedu-live pre { color: #222222; background: #F5F5F5; padding: 6px; margin: 0; overflow-x: auto; user-select: all; }
.cfgedu-live .cfgedu-error { color: #B00020; font-weight: bold; }
</style>"""

Scene = Callable[[Figure], Callable[..., str]]


@contextmanager
def drawing():
    """One drawing at a time, on one thread of torch: a frame is too small to share, and the browser needs a core."""
    with DRAWING:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def moving(*artists):
    """Mark artists that update changes: they are drawn again in every frame. Returns the artist, or all of them."""
    for artist in artists:
        artist.set_animated(True)
    return artists[0] if len(artists) == 1 else artists


def bound(scene: Scene, **given) -> Scene:
    """The scene with those of the arguments that are not None; `LiveFigure.code` goes by their names."""
    given = {name: value for name, value in given.items() if value is not None}
    return partial(scene, **given) if given else scene


def still(scene: Scene, size: tuple[float, float] = (8, 4), **state) -> None:
    """Draw the scene once, in the state given, as an ordinary notebook figure; prints the readout."""
    figure = plt.figure(figsize=size, layout="constrained")
    with mpl.rc_context(STYLE):  # entered late: a kernel's first figure turns display on, the end would undo that
        print(scene(figure)(**state))


class Picture(widgets.Image):
    """An Image whose tooltip names it in the page, for the eye and for a screen reader.

    The browser's side shows the tooltip of a widget whose description is empty, and an Image has none to ask.
    """

    description = traitlets.Unicode("").tag(sync=True)


class LiveFigure(widgets.VBox):
    """Controls above a picture of the scene, its readout below, a reset button, any error in red, the state as code.

    controls: {state name: ipywidgets control}; constants: the part of the state that has no control; alt: the picture
    in words. `state` is plain data; `code` is a cell that draws the same picture with `still`. A browser sends the next
    value of a control once the last one was answered, so frames are dropped and never queue.
    """

    def __init__(
        self,
        scene: Scene,
        controls: Mapping[str, widgets.Widget],
        *,
        size: tuple[float, float] = (8, 4),
        alt: str,
        constants: Mapping | None = None,
    ):
        self.controls, self.constants, self.alt = dict(controls), dict(constants or {}), alt
        self.start = {name: control.value for name, control in self.controls.items()}
        self.scene, self.size, self.seconds = scene, size, 0.0
        self.background, self.rest, self.drawn = None, None, None
        with drawing(), mpl.rc_context(STYLE):
            self.figure = Figure(figsize=size, dpi=MOVING_DPI, layout="constrained")
            self.canvas = FigureCanvasAgg(self.figure)
            self.update = scene(self.figure)
            text = self.update(**self.state)
            self.canvas.draw()
        self.figure.set_layout_engine("none")  # laid out once: nothing jumps while a control moves

        width = round(size[0] * MOVING_DPI)
        wide = {"width": f"{width}px", "max_width": "100%"}
        lines = 1 + round(len(text) * LETTER) // width  # a long readout keeps room for its second line: nothing jumps
        small = widgets.Layout(width="90px")
        self.picture = Picture(format="png", layout=widgets.Layout(**wide), tooltip=alt)
        self.readout = widgets.HTML(layout=widgets.Layout(min_height=f"{1.4 * lines}em", **wide))
        self.working, self.error = widgets.HTML(), widgets.HTML(layout=widgets.Layout(flex="1 1 0", width="auto"))
        self.source = widgets.HTML(layout=widgets.Layout(display="none", max_width="100%"))
        reset = widgets.Button(description="reset", tooltip="back to the first state", layout=small)
        copy = widgets.Button(description="as code", tooltip="the cell that draws this picture", layout=small)
        reset.on_click(lambda _: self.set(**self.start))
        copy.on_click(lambda _: self.toggle_code())
        for control in self.controls.values():
            control.observe(self.changed, "value")
        grid = widgets.Layout(grid_template_columns="repeat(auto-fill, minmax(272px, 1fr))", **wide)
        rows = widgets.GridBox(list(self.controls.values()), layout=grid)
        buttons = widgets.HBox([reset, copy, self.working, self.error], layout=widgets.Layout(align_items="center"))
        look = widgets.HTML(LOOK, layout=widgets.Layout(display="none"))  # it works unseen
        super().__init__([look, rows, self.picture, self.readout, buttons, self.source])
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
    def code(self) -> str:
        """The cell that draws this picture; arguments given to the scene by `bound` go by their names."""
        function = self.scene.func if isinstance(self.scene, partial) else self.scene
        name, given = function.__name__, getattr(self.scene, "keywords", {})
        lines = [f"from {function.__module__} import {name}", "from cfgedu.widgets.live import still", ""]
        if given:
            lines.insert(0, "from functools import partial")
            name = f"partial({name}, {', '.join(f'{key}={key}' for key in given)})"
        state = ", ".join(f"{key}={value!r}" for key, value in self.state.items())
        return "\n".join([*lines, f"still({name}, size={self.size}, {state})"])

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
        """Update the scene and send its picture, sharp at rest."""
        if self.seconds > SLOW:  # the last frame was slow: so will this one be
            self.working.value = "working …"
        began, state = time.perf_counter(), self.state
        try:
            with drawing():
                text = self.update(**state)
                self.picture.value = self.sharp() if rest else self.fast()
                self.drawn = state
        except Exception as error:  # raised in a browser's callback it would show nowhere
            self.drawn = None
            message = html.escape(f"{type(error).__name__}: {error}")
            self.error.value = f'<span class="cfgedu-error" role="alert">{message}</span>'
            raise
        finally:
            self.working.value = ""
        if not rest:
            self.seconds = time.perf_counter() - began
        self.readout.value = html.escape(text).replace(" = (", "&nbsp;= (")  # where a line must not end
        self.source.value, self.error.value = f"<pre>{html.escape(self.code)}</pre>", ""

    def sharpen(self) -> None:
        with drawing():
            self.picture.value = self.sharp()

    def fast(self) -> bytes:
        """The stored background with the moving artists on top."""
        if self.background is None:
            self.canvas.draw()  # leaves animated artists out
            self.background = self.canvas.copy_from_bbox(self.figure.bbox)
        self.canvas.restore_region(self.background)
        artists = self.figure.findobj(lambda artist: artist.get_animated() and artist.get_visible())
        for artist in sorted(artists, key=lambda artist: artist.get_zorder()):
            self.figure.draw_artist(artist)
        return png(np.asarray(self.canvas.buffer_rgba()))

    def sharp(self) -> bytes:
        """The whole figure at twice the resolution, and every artist in its place."""
        self.figure.set_dpi(REST_DPI)
        try:
            canvas = FigureCanvasAgg(self.figure)
            artists = self.figure.findobj(lambda artist: artist.get_animated())
            for artist in artists:
                artist.set_animated(False)
            canvas.draw()
            return png(np.asarray(canvas.buffer_rgba()))
        finally:
            moving(*artists)
            self.figure.set_dpi(MOVING_DPI)
            self.figure.set_canvas(self.canvas)


def png(rgba: np.ndarray) -> bytes:
    """(H,W,4) bytes as an opaque PNG file: unfiltered rows, the fastest compression, half an image library's time."""
    height, width, _ = rgba.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row starts with its filter, 0 for none
    rows[:, 1:] = rgba[..., :3].reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits a channel, colour type 2: RGB
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def control(kind, name: str, **kwargs) -> widgets.Widget:
    """A labelled control with room for its name; kwargs go to the ipywidgets class."""
    look = {"layout": {"width": "auto"}, "style": {"description_width": "85px"}, "tooltip": name}  # else "null"
    return kind(description=name, **(look | kwargs))


def slider(name: str, low: float, high: float, value: float, step: float = 0.1, **kwargs) -> widgets.FloatSlider:
    kwargs = {"readout_format": ".2f"} | kwargs
    return control(widgets.FloatSlider, name, min=low, max=high, value=value, step=step, **kwargs)


def int_slider(name: str, low: int, high: int, value: int, step: int = 1, **kwargs) -> widgets.IntSlider:
    return control(widgets.IntSlider, name, min=low, max=high, value=value, step=step, **kwargs)


def choice(name: str, options, value, **kwargs) -> widgets.Dropdown:
    """JupyterLab keeps the arrow keys from a closed list (ipywidgets issue 3912): the tooltip tells how to open it."""
    kwargs = {"tooltip": f"{name}: the space bar opens the list, arrows choose"} | kwargs
    return control(widgets.Dropdown, name, options=options, value=value, **kwargs)
