"""LiveFigure: what a person at a demo relies on, tried on a scene of one line."""

import asyncio
import base64
import io
import threading

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from cfgedu.widgets import live
from cfgedu.widgets.live import LiveFigure, bound, choice, int_slider, moving, slider
from cfgedu.widgets.page import png, small

SIZE = (3, 2)


def line_scene(figure, slope=1.0):
    """A scene: one line, whose state is height and color."""
    ax = figure.subplots()
    ax.set(xlim=(0, 1), ylim=(-10, 10))
    (moved,) = ax.plot([0, 1], [0, 0], linewidth=5)
    moving(moved)

    def update(height, color="red"):
        if height > 9:
            raise ValueError("height must be <= 9")
        moved.set(ydata=[height, height + slope], color=color)
        return f"height {height:g}"

    return update


def line_demo(slope=None, scene=line_scene, **kwargs):
    controls = {"height": slider("height", 0, 10, 1.0), "color": choice("colour", ["red", "blue"], "red")}
    return LiveFigure(bound(scene, slope=slope), controls, size=SIZE, alt="A line", **kwargs)


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_png_is_lossless_and_opaque():
    rgba = np.random.default_rng(0).integers(0, 256, (7, 5, 4), dtype=np.uint8)
    with Image.open(io.BytesIO(png(rgba))) as image:
        image.load()
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), rgba[..., :3])


def test_small_keeps_what_is_drawn_and_the_hues_of_a_smooth_field():
    drawn = np.full((64, 64, 3), 255, np.uint8)
    drawn[20:40, 10:50] = (170, 51, 119)
    a, b = np.meshgrid(np.linspace(0, 1, 256), np.linspace(0, 1, 256))
    field = (255 * np.stack([a, b, np.sin(9 * a * b) ** 2], 2)).astype(np.uint8)
    for rgb, mode in ((drawn, "P"), (field, "RGB")):
        data = small(png(np.dstack([rgb, rgb[..., :1]])))
        assert Image.open(io.BytesIO(data)).mode == mode
        np.testing.assert_array_equal(pixels(data), rgb)


def test_still_draws_the_start_with_its_changes_and_prints(capsys):
    d = line_demo()
    d.controls["color"].value = "blue"
    d.still(height=3)
    assert capsys.readouterr().out == "height 3\n"
    assert plt.gcf().get_size_inches().tolist() == list(SIZE)
    assert plt.gca().lines[0].get_color() == "red"
    assert d.state == {"height": 1.0, "color": "blue"}
    plt.close("all")


def test_still_names_the_state_where_a_name_is_unknown():
    with pytest.raises(TypeError, match="^line has no colour, hight; the names of its state are height, color$"):
        line_demo().still(colour="red", hight=3)
    assert not plt.get_fignums()


def test_a_picture_of_the_same_shape_moving_and_at_rest():
    d = line_demo()
    fast, sharp = pixels(d.drawing.fast()), pixels(d.drawing.sharp())
    assert fast.shape == (200, 300, 3)
    assert sharp.shape == (400, 600, 3)
    halved = sharp.reshape(200, 2, 300, 2, 3).mean((1, 3))
    assert np.abs(halved - fast).mean() < 4  # the same drawing in the same place
    np.testing.assert_array_equal(pixels(d.drawing.fast()), fast)  # drawing sharply leaves no trace


def test_every_control_moves_the_picture_and_the_readout():
    d = line_demo()
    before = d.picture.value
    d.controls["height"].value = 2.0
    assert d.picture.value != before
    assert d.readout.value == "height 2"
    red = d.picture.value
    d.controls["color"].value = "blue"
    assert d.picture.value != red


def test_reset_brings_the_first_picture_back():
    d = line_demo()
    first = d.picture.value
    d.set(height=5.0, color="blue")
    d.set(**d.start)
    assert d.picture.value == first


PRESETS = {"high": {"height": 5.0}, "blue": {"color": "blue"}}


def test_a_preset_is_the_start_with_its_changes():
    d = line_demo(presets=PRESETS)
    assert d.picture.presets == ["high", "blue"]  # a button each
    d.set(height=3.0, color="blue")
    d.go("high")
    assert d.state == {"height": 5.0, "color": "red"}
    d.go("blue")
    assert d.state == {"height": 1.0, "color": "blue"}
    with pytest.raises(TypeError, match="^line has no hight; the names of its state are height, color$"):
        line_demo(presets={"high": {"hight": 5.0}})


def answers(demo):
    """The answers that a demo sends to its page, gathered."""
    sent = []
    demo.picture.send = lambda content, buffers=None: sent.append(content)
    return sent


def test_a_hand_in_the_picture_moves_the_controls_to_where_their_handles_can_stand():
    d = line_demo(drag={0: (None, "height")})
    sent = answers(d)
    (panel,) = d.picture.panels
    assert panel["x"] is None
    assert panel["y"] == ["height", -10, 10]  # the ends of the axis
    left, bottom, width, height = panel["box"]  # in shares of the picture
    ends = d.figure.axes[0].transAxes.transform([(0, 0), (1, 1)]) / (300, 200)
    np.testing.assert_allclose([(left, bottom), (left + width, bottom + height)], ends)
    for moved, stands in ((3.14159, 3.1), (-10.0, 0.0), (8.98, 9.0)):
        d.picture._handle_custom_msg({"n": 7, "state": {"height": moved}}, [])
        assert d.state["height"] == stands
        assert sent.pop() == {"answered": 7}
    d.picture._handle_custom_msg({"n": 8, "state": {"height": 9.0}}, [])  # where it is: nothing to draw, but an answer
    assert sent == [{"answered": 8}]


def test_the_page_is_answered_after_its_picture_and_where_a_frame_fails():
    d, order = line_demo(drag={0: (None, "height")}, presets=PRESETS), []
    d.picture.send = lambda content, buffers=None: order.append(content["answered"])
    d.picture.observe(lambda change: order.append("picture"), "value")
    d.picture._handle_custom_msg({"n": 1, "preset": "high"}, [])
    assert (order[0], order[-1]) == ("picture", 1)
    with pytest.raises(ValueError, match="height"):
        d.asked(d.picture, {"n": 2, "state": {"height": 10.0}}, [])
    assert order[-1] == 2


def test_a_play_button_goes_from_the_first_value_to_the_last():
    plays = line_demo(play="height").picture.plays
    assert (plays["name"], plays["label"]) == ("height", "height")
    values = plays["values"]
    assert (values[0], values[-1]) == (0, 10)
    assert 30 < len(values) <= live.FRAMES
    np.testing.assert_allclose(np.diff(values), 0.2)
    assert live.frames("t", int_slider("t", 1, 1000, 150))["values"][:3] == [1, 14, 31]
    assert live.frames("n", int_slider("n", 1, 4, 2))["values"] == [1, 2, 3, 4]
    assert line_demo().picture.plays == {}


def test_set_draws_once():
    d, frames = line_demo(), []
    d.picture.observe(lambda change: frames.append(change), "value")
    d.set(height=5.0, color="blue")
    assert len(frames) <= 2  # one frame, and the sharp one


def test_the_state_is_plain_data_free_of_a_browsers_rounding():
    d = line_demo()
    d.controls["height"].value = 0.7000000000000002
    assert d.state == {"height": 0.7, "color": "red"}


def test_a_value_that_differs_in_its_rounding_alone_draws_nothing():
    d, frames = line_demo(), []
    d.picture.observe(lambda change: frames.append(change), "value")
    d.controls["height"].value = 1.0000000000000002
    assert not frames


def test_constants_are_part_of_the_state():
    height = {"height": slider("height", 0, 9, 1.0)}
    d = LiveFigure(line_scene, height, size=SIZE, alt="A line", constants={"color": "blue"})
    assert d.state == {"color": "blue", "height": 1.0}


@pytest.mark.parametrize("given", [{}, {"slope": -4.0}])
def test_the_code_draws_the_picture_again(given, capsys):
    d = line_demo(**given)
    d.set(height=4.0)
    exec(d.code, {})
    assert capsys.readouterr().out == "height 4\n"
    again = plt.gcf()
    (mine,), (its,) = d.figure.axes[0].lines, again.axes[0].lines
    np.testing.assert_array_equal(mine.get_xydata(), its.get_xydata())
    plt.close("all")
    assert "height=4.0" in d.source.value


def test_the_code_names_what_the_demo_was_given_and_writes_numbers_out():
    def pair_scene(figure, first, second=None, third=None):
        return line_scene(figure)

    scene = bound(pair_scene, first=object(), second=object(), third=None)
    controls = {"height": slider("height", 0, 9, 1.0)}
    assert "demo = pair_demo(first, second=second)\n" in LiveFigure(scene, controls, size=SIZE, alt="A line").code
    assert "demo = line_demo(slope=-4.0)\n" in line_demo(-4.0).code
    assert "demo = line_demo()\ndemo.still(height=1.0, color='red')" in line_demo().code


def test_what_a_notebook_stores_is_the_state_now():
    d = line_demo()
    d.set(height=4.0)
    bundle, metadata = d._repr_mimebundle_()
    alt = "A line. The picture of a demo: running this cell makes it live."
    assert bundle[live.DEMO] == {"demo": "line", "state": {"height": 4.0, "color": "red"}, "alt": alt}
    assert metadata == {"image/png": {"alt": alt, "width": 300}}
    sharp, stored = pixels(d.drawing.sharp()), base64.b64decode(bundle["image/png"])
    stored, other = (pixels(data) - sharp for data in (stored, line_demo().drawing.sharp()))
    assert np.abs(stored).mean() < 0.1 < np.abs(other).mean()  # in levels of 255


def test_an_error_shows_in_the_demo_and_is_raised():
    d = line_demo()
    before = d.picture.value
    with pytest.raises(ValueError, match="height"):
        d.controls["height"].value = 10.0
    assert "ValueError: height must be &lt;= 9" in d.error.value
    assert d.picture.value == before
    assert "cfgedu-stale" in d._dom_classes  # what is still seen belongs to another state: it turns grey
    assert not d.working.value
    d.controls["height"].value = 2.0
    assert not d.error.value
    assert "cfgedu-stale" not in d._dom_classes


def test_a_slow_scene_says_that_it_works():
    d, said = line_demo(), []
    d.working.observe(lambda change: said.append(change.new), "value")
    d.controls["height"].value = 2.0
    d.seconds = 2 * live.SLOW
    d.controls["height"].value = 3.0
    assert said == ["working …", ""]


def test_in_a_kernel_the_sharp_picture_follows_at_rest(monkeypatch):
    monkeypatch.setattr(live, "REST_AFTER", 0.05)
    d = line_demo()

    async def move():
        sizes = []
        for height in (2.0, 3.0):
            d.controls["height"].value = height
            sizes.append(pixels(d.picture.value).shape[0])
        await asyncio.sleep(0.5)
        return [*sizes, pixels(d.picture.value).shape[0]]

    assert asyncio.run(move()) == [200, 200, 400]


def test_two_threads_draw_whole_pictures():
    d = line_demo()
    whole = {d.drawing.fast(), d.drawing.sharp()}
    seen = []

    def draw():
        for i in range(10):
            d.show(rest=i % 2 == 0)
            seen.append(d.picture.value)

    threads = [threading.Thread(target=draw) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) <= whole


def test_a_frame_takes_one_thread_of_torch_and_gives_the_others_back():
    d, seen, before = line_demo(), [], torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        d.update = lambda **state: seen.append(torch.get_num_threads()) or "text"
        d.controls["height"].value = 2.0
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def test_a_long_readout_has_room_for_its_second_line():
    def wordy(figure):
        update = line_scene(figure)
        return lambda **state: update(**state) + " and so on" * 4

    assert line_demo().readout.layout.min_height == "1.4em"
    assert line_demo(scene=wordy).readout.layout.min_height == "2.8em"  # 48 letters in 300 pixels


def test_every_control_is_named_by_its_tooltip():
    for part in line_demo().controls.values():
        assert part.tooltip.startswith(part.description)  # the browser's side shows "null" where there is none


def test_it_has_a_name_in_words_and_no_address():
    d = line_demo()
    assert repr(d) == "LiveFigure: A line"
    assert d.picture.alt == "A line"


def test_controls_pass_their_options_on():
    assert int_slider("n", 1, 9, 3, 2, continuous_update=False).continuous_update is False
    assert slider("x", 0, 1, 0.5, readout_format=".1f").readout_format == ".1f"
    assert choice("kind", ["a", "b"], "b").value == "b"
