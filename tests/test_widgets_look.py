"""What eyes and hands need of every demo: letters that are large enough, contrast, sliders that a pixel can set."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.quiver import Quiver
from matplotlib.text import Text
from test_widgets import DEMOS, every_demo, made

from cfgedu.widgets.live import READABLE
from tools import browser_checks

SMALL = 545  # pixels that a picture has in JupyterLab in a window of 1000 x 700, with its side bar
TRACK = 220  # pixels that the track of a slider has at least
TEXT, MARK = 4.5, 3.0  # contrast wanted, WCAG 2.2
GUIDES = ("#CCCCCC", "#DDDDDD")  # circles and axes that only help the eye


def contrast(one, other) -> float:
    return browser_checks.contrast(to_rgb(one), to_rgb(other))


def words(figure):
    """Texts that are seen; a tick beyond the end of its axis is none."""
    width, height = figure.get_size_inches() * figure.dpi
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    middles = [(text, *text.get_window_extent().get_points().mean(0)) for text in texts]
    return [text for text, x, y in middles if 0 < x < width and 0 < y < height]


def ground(figure, texts):
    """The picture without these texts, (H,W,3)."""
    for text in texts:
        text.set_visible(False)
    moving = figure.findobj(lambda artist: artist.get_animated())
    for artist in moving:
        artist.set_animated(False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for artist in moving:
        artist.set_animated(True)
    for text in texts:
        text.set_visible(True)
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255


def behind(text, picture):
    """The colour that most of a text stands on: that of its own box, or the median of the picture there."""
    if text.get_bbox_patch() is not None:
        return text.get_bbox_patch().get_facecolor()
    height, width, _ = picture.shape
    x0, y0, x1, y1 = text.get_window_extent().extents
    rows = slice(max(0, height - int(y1) - 1), max(1, height - int(y0)))
    columns = slice(max(0, int(x0)), max(1, min(width, int(x1) + 1)))
    return np.median(picture[rows, columns].reshape(-1, 3), 0)


def marks(figure):
    """(name, colours) of lines, points, arrows and bars; one of the colours has to be seen on white."""
    for ax in figure.axes:
        for line in ax.lines:
            colors = [line.get_color()] if line.get_linestyle() not in ("None", "") else []
            if line.get_marker() not in ("None", ""):
                colors += [
                    line.get_markerfacecolor(),
                    *([line.get_markeredgecolor()] * (line.get_markeredgewidth() > 0)),
                ]
            yield f"line {line.get_label()}", colors
        for quiver in [part for part in ax.collections if isinstance(part, Quiver)]:
            for color in quiver.get_facecolor():
                yield "arrow", [color]
        for bars in ax.containers:
            for bar in bars:
                yield "bar", [bar.get_facecolor(), bar.get_edgecolor()]
    for legend in [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]:
        for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True):
            for line in [handle] if hasattr(handle, "get_markeredgecolor") else []:
                yield f"key {text.get_text()}", [line.get_color(), line.get_markeredgecolor()]


@pytest.fixture
def states(name):
    """The demo at its start, and with every control moved."""
    demo = made(name)

    def go():
        for state in (demo.start, demo.start | DEMOS[name][1]):
            demo.update(**state)
            yield demo

    yield go()
    demo.update(**demo.start)


def test_contrast_is_that_of_the_web_guidelines():
    assert contrast("black", "white") == pytest.approx(21)
    found = [contrast(color, "white") for color in ("#D55E00", "#009E73", "#E69F00", "#767676")]
    assert found == pytest.approx([3.87, 3.42, 2.25, 4.54], abs=0.01)


@every_demo
def test_letters_have_nine_pixels_in_a_small_window(name):
    demo = made(name)
    width = demo.size[0] * 100
    assert demo.drawing.letters() * SMALL / width >= READABLE - 0.1
    assert demo.picture.least <= SMALL + 10  # nothing scrolls there
    assert demo.picture.least * demo.drawing.letters() / width == pytest.approx(READABLE, abs=0.1)  # on a telephone


@every_demo
def test_words_stand_out(name, states):
    for demo in states:
        texts = words(demo.figure)
        picture = ground(demo.figure, texts)
        found = {text.get_text(): contrast(text.get_color(), behind(text, picture)) for text in texts}
        assert {text: ratio for text, ratio in found.items() if ratio < TEXT} == {}


@every_demo
def test_marks_stand_out_on_white(name, states):
    for demo in states:
        for what, colors in marks(demo.figure):
            seen = [mpl.colors.to_hex(color).upper() for color in colors]
            if seen and not set(seen) & set(GUIDES):
                assert max(contrast(color, "white") for color in seen) >= MARK, (what, seen)


@every_demo
def test_a_pixel_of_a_slider_is_at_most_a_step(name):
    sliders = [part for part in made(name).controls.values() if hasattr(part, "step")]
    assert all((part.max - part.min) / part.step <= TRACK for part in sliders)
    assert not any(part.layout.width not in (None, "auto") for part in sliders)  # the grid gives it its width


@every_demo
def test_places_to_go_to_are_states_of_their_own(name):
    demo = made(name)
    for place, state in demo.presets.items():
        assert len(place) < 30, place
        demo.update(**state)  # raises where a name or a value is not there
        for part, value in state.items():
            control = demo.controls[part]
            if hasattr(control, "step"):
                steps = (value - control.min) / control.step
                assert control.min <= value <= control.max, (place, part)
                assert steps == pytest.approx(round(steps), abs=1e-6), (place, part)  # a handle can stand there
            else:
                assert value in [option for _, option in control._options_full], (place, part)
    demo.update(**demo.start)


def test_where_time_or_r_is_the_story_it_plays():
    silent = {name for name in DEMOS if not made(name).picture.plays}
    assert silent == {"mnist_lab"}  # whose frame takes a second
    assert all(
        made(name).picture.plays["name"] in ("t", "r", "r_b", "progress", "bucket") for name in DEMOS.keys() - silent
    )


def test_a_point_is_dragged_wherever_there_is_one():
    for name in DEMOS:
        moved = {side[0] for panel in made(name).picture.panels for side in (panel["x"], panel["y"]) if side}
        assert {"px", "py"} & made(name).controls.keys() <= moved, name
        assert moved <= made(name).controls.keys()
