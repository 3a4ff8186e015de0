"""What a demo sends to the page: its picture as PNG, whole while it lives, small where it is stored."""

import io
import struct
import zlib
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from matplotlib.axes import Axes
from PIL import Image, ImageChops


class Picture(anywidget.AnyWidget):
    """The picture of a demo in the page, with an alt text, a row of buttons above it, and panels that a hand moves in.

    Its side of the browser is picture.js. It sends {n, state} or {n, preset} and waits for {answered: n}.
    """

    _esm = Path(__file__).with_name("picture.js")
    _css = Path(__file__).with_name("picture.css")
    value = traitlets.Bytes().tag(sync=True)  # a PNG file
    alt = traitlets.Unicode().tag(sync=True)
    least = traitlets.Int().tag(sync=True)  # pixels; in a window that is narrower the picture scrolls
    presets = traitlets.List(traitlets.Unicode()).tag(sync=True)  # their names
    words = traitlets.List(traitlets.Unicode()).tag(sync=True)  # "play", "pause", "as a number" as the reader says
    plays = traitlets.Dict().tag(sync=True)  # {"name", "label", "values"} of the control that the play button moves
    panels = traitlets.List().tag(sync=True)  # {"box", "x", "y"}: see `panel`


def panel(ax: Axes, across: str | None, up: str | None) -> dict:
    """A panel in which a hand moves the parts of the state called `across` and `up`, None for a side without one.

    box: left, bottom, width and height in shares of the picture; x and y: a name, its values at both ends of the side.
    """
    box = ax.get_window_extent().transformed(ax.figure.transFigure.inverted()).bounds
    sides = {"x": (across, *ax.get_xlim()), "y": (up, *ax.get_ylim())}
    return {"box": list(map(float, box))} | {
        side: [name, float(low), float(high)] if name else None for side, (name, low, high) in sides.items()
    }


def png(rgba: np.ndarray) -> bytes:
    """(H,W,4) bytes as an opaque PNG file: unfiltered rows, the fastest compression, half an image library's time."""
    height, width, _ = rgba.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row starts with its filter, 0 for none
    rows[:, 1:] = rgba[..., :3].reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits a channel, colour type 2: RGB
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def small(data: bytes) -> bytes:
    """A PNG file for storing: in 256 colours, a third of its bytes, where that is not seen.

    It is seen as patches in a smooth field of many hues, that is where the colour of whole 8 x 8 blocks is off.
    """
    stored = io.BytesIO()
    with Image.open(io.BytesIO(data)) as picture:
        few = picture.quantize(256, dither=Image.Dither.NONE)
        off = ImageChops.difference(picture.reduce(8), few.convert("RGB").reduce(8))
        seen = (np.asarray(off).max(2) > 6).mean() > 0.0007  # found by looking at all demos
        (picture if seen else few).save(stored, "PNG", optimize=True)
    return stored.getvalue()
