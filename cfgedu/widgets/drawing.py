"""The drawing of a scene: one figure, drawn fast while something moves in it and sharply at rest.

Artists that update moves are marked with `moving(...)`: while a control moves only these are drawn again, over a stored
background. What costs time in a frame, so that a scene can avoid it: text (2 ms a line, more for formulas), ticks and
legends (4 to 9 ms each: keep axes and legends fixed), a smooth picture (7 ms for half a figure). Arrows, lines and
contours cost well under 2 ms.
"""

import threading
from collections.abc import Callable
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from cfgedu.plots import STYLE
from cfgedu.widgets.page import png, small

MOVING_DPI, REST_DPI = 100, 200  # dots per inch while a control moves and at rest
# A picture of WIDE inches shrinks to some 545 pixels in a small laptop's window: its letters still have 9 pixels then.
WIDE, LETTERS = 9.6, 11.5
LARGE = dict.fromkeys(("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"), LETTERS)
LOOK = STYLE | LARGE | {"axes.titlesize": 12}

# JupyterLab answers controls in a thread of their own while cells run in the main one: one drawing at a time.
DRAWING = threading.RLock()

Scene = Callable[[Figure], Callable[..., str]]


@contextmanager
def drawing():
    """One drawing at a time, in the course's style, on one thread of torch.

    A frame is too small to share, and the browser needs a core.
    """
    with DRAWING, mpl.rc_context(LOOK):
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


class Styled(Figure):
    """A figure that is drawn in the course's style, whatever the settings are by then."""

    def draw(self, renderer):
        with mpl.rc_context(LOOK):
            super().draw(renderer)

    def get_tightbbox(self, *where, **what):
        with mpl.rc_context(LOOK):
            return super().get_tightbbox(*where, **what)


class Drawing:
    """A scene on a figure of its own, in its first state; `text` is that state's readout."""

    def __init__(self, scene: Scene, size: tuple[float, float], state: dict):
        with drawing():
            self.figure = Styled(figsize=size, dpi=MOVING_DPI, layout="constrained")
            self.canvas = FigureCanvasAgg(self.figure)
            self.update = scene(self.figure)
            self.text = self.update(**state)
            self.canvas.draw()
        self.figure.set_layout_engine("none")  # laid out once: nothing jumps while a control moves
        self.background = None

    def fast(self) -> bytes:
        """The stored background with the moving artists on top, a PNG file."""
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

    def stored(self) -> bytes:
        """The sharp picture, small enough for a notebook."""
        with drawing():
            return small(self.sharp())

    def letters(self) -> float:
        """The size of the smallest text, in pixels of the picture at `MOVING_DPI`."""
        texts = [text for text in self.figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
        return min([text.get_fontsize() for text in texts], default=np.inf) * MOVING_DPI / 72
