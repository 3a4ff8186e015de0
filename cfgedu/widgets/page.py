"""What a demo sends to the page: its look, and its picture as PNG, whole while it lives, small where it is stored."""

import io
import struct
import zlib

import ipywidgets as widgets
import numpy as np
import traitlets
from PIL import Image, ImageChops

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


class Picture(widgets.Image):
    """An Image whose tooltip names it in the page, for the eye and for a screen reader.

    The browser's side shows the tooltip of a widget whose description is empty, and an Image has none to ask.
    """

    description = traitlets.Unicode("").tag(sync=True)


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
