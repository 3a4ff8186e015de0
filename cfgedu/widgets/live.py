"""LiveFigure: a matplotlib scene behind sliders, redrawn in a few tens of milliseconds.

A scene is a function scene(figure) -> update. It builds its artists once; update(**state) moves them to a plain state (numbers,
strings) and returns a one-line readout. `still` draws a scene once, for the page; `LiveFigure` puts controls on it. Artists that
update moves are marked with `moving(...)`: while a control moves only these are drawn again, over a stored background.
"""

import asyncio
import html
import io
import time
from collections.abc import Callable, Mapping

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

MOVING_DPI, REST_DPI, REST_AFTER = 100, 200, 0.25  # dots per inch while a control moves and at rest; seconds of rest
SLOW = 0.1  # a frame above this many seconds shows "working"

Scene = Callable[[Figure], Callable[..., str]]


def moving(*artists):
    """Mark artists that update changes: they are drawn again in every frame. Returns the artist, or all of them."""
    for artist in artists:
        artist.set_animated(True)
    return artists[0] if len(artists) == 1 else artists


def still(scene: Scene, size: tuple[float, float] = (8, 4), **state) -> None:
    """Draw the scene once, in the state given, as an ordinary notebook figure; prints the readout."""
    print(scene(plt.figure(figsize=size))(**state))


class LiveFigure(widgets.VBox):
    """Controls above a picture of the scene, its readout below, a reset button, the state as code, and any error in red.

    controls: {state name: ipywidgets control}; constants: the part of the state that has no control.
    `state` is plain data; `code` is the call that draws the same picture with `still`.
    """

    def __init__(self, scene: Scene, controls: Mapping[str, widgets.Widget], *, size=(8, 4), alt: str, constants: Mapping | None = None):
        self.controls, self.constants, self.alt = dict(controls), dict(constants or {}), alt
        self.start = {name: control.value for name, control in self.controls.items()}
        self.scene, self.size, self.seconds = scene, size, 0.0
        self.figure = Figure(figsize=size, dpi=MOVING_DPI, layout="constrained")
        self.canvas = FigureCanvasAgg(self.figure)
        self.update = scene(self.figure)
        self.update(**self.state)
        self.canvas.draw()
        self.figure.set_layout_engine("none")  # laid out once: nothing jumps while a control moves
        self.background, self.rest = None, None
        wide = widgets.Layout(width=f"{size[0] * 100:.0f}px", max_width="100%")
        self.picture = widgets.Image(format="png", layout=wide)
        self.readout, self.error = widgets.HTML(layout=wide), widgets.HTML()
        self.working = widgets.HTML(layout=widgets.Layout(width="80px"))
        self.source = widgets.HTML(layout=widgets.Layout(display="none"))
        reset = widgets.Button(description="reset", tooltip="back to the first state", layout=widgets.Layout(width="80px"))
        copy = widgets.Button(description="as code", tooltip="the call that draws this picture", layout=widgets.Layout(width="80px"))
        reset.on_click(lambda _: self.set(**self.start))
        copy.on_click(lambda _: self.toggle_code())
        for control in self.controls.values():
            control.observe(self.changed, "value")
        rows = widgets.HBox(list(self.controls.values()), layout=widgets.Layout(flex_flow="row wrap"))
        buttons = widgets.HBox([reset, copy, self.working])
        super().__init__([rows, self.picture, self.readout, buttons, self.source, self.error])
        self.show(rest=True)

    def __repr__(self):
        return f"LiveFigure: {self.alt}"

    @property
    def state(self) -> dict:
        return self.constants | {name: control.value for name, control in self.controls.items()}

    @property
    def code(self) -> str:
        scene = getattr(self.scene, "__name__", "scene")
        return f"still({scene}, size={self.size}, {', '.join(f'{k}={v!r}' for k, v in self.state.items())})"

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
        if self.rest is not None:
            self.rest.cancel()
        self.show(rest=False)
        try:
            self.rest = asyncio.get_running_loop().call_later(REST_AFTER, self.show, True)
        except RuntimeError:  # outside a kernel there is no event loop to wait in: be sharp at once
            self.show(rest=True)

    def show(self, rest: bool) -> None:
        if self.seconds > SLOW:
            self.working.value = "working …"
        began = time.perf_counter()
        try:
            text = self.update(**self.state)
            self.picture.value = self.sharp() if rest else self.fast()
        except Exception as error:  # raised in a browser's callback it would show nowhere
            self.error.value = f'<b style="color:#B00020">{html.escape(type(error).__name__)}: {html.escape(str(error))}</b>'
            raise
        finally:
            self.working.value = ""
        self.seconds = time.perf_counter() - began
        self.readout.value = f'<span role="status" title="{html.escape(self.alt)}">{html.escape(text)}</span>'
        self.source.value, self.error.value = f"<code>{html.escape(self.code)}</code>", ""

    def fast(self) -> bytes:
        """The stored background with the moving artists on top."""
        if self.background is None:
            self.canvas.draw()  # leaves animated artists out
            self.background = self.canvas.copy_from_bbox(self.figure.bbox)
        self.canvas.restore_region(self.background)
        artists = self.figure.findobj(lambda artist: artist.get_animated() and artist.get_visible())
        for artist in sorted(artists, key=lambda artist: artist.get_zorder()):
            self.figure.draw_artist(artist)
        return self.png()

    def sharp(self) -> bytes:
        """The whole figure at twice the resolution, as saved to a file."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=REST_DPI)
        return buffer.getvalue()

    def png(self) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(np.asarray(self.canvas.buffer_rgba())[..., :3]).save(buffer, "png", compress_level=1)
        return buffer.getvalue()


def slider(name: str, low: float, high: float, value: float, step: float = 0.1, **kwargs) -> widgets.FloatSlider:
    return widgets.FloatSlider(value=value, min=low, max=high, step=step, description=name, readout_format=".2f", **kwargs)


def int_slider(name: str, low: int, high: int, value: int, step: int = 1, **kwargs) -> widgets.IntSlider:
    return widgets.IntSlider(value=value, min=low, max=high, step=step, description=name, **kwargs)


def choice(name: str, options, value, **kwargs) -> widgets.Dropdown:
    return widgets.Dropdown(options=options, value=value, description=name, **kwargs)
