"""The dial of guidance: three scales on one line, and the samples at that place."""

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure

from cfgedu.guidance import r_from_w, w_from_r
from cfgedu.widgets.scales import SIZE, START, number_line, scales, scales_demo


def test_one_vertical_is_one_model():
    ax = number_line(Figure().subplots())
    at = {(text.get_position()[0], round(text.get_position()[1], 3)): text.get_text() for text in ax.texts}
    heights = sorted({y for (x, y), text in at.items() if text.lstrip("-").isdigit()}, reverse=True)
    assert len(heights) == 3
    for r in range(-1, 9):
        row_r, row_w, row_library = (int(at[r, height]) for height in heights)
        assert row_r == row_library == r == r_from_w(row_w)
        assert row_w == w_from_r(r)


@pytest.mark.parametrize(("r", "low", "high"), [(0.0, 30, 50), (1.0, 90, 99), (4.0, 100, 100)])
def test_how_many_land_in_the_class_asked_for(r, low, high):
    text = scales(Figure(figsize=SIZE))(r=r)
    assert low <= int(text.split()[-1].rstrip("%")) <= high


@pytest.mark.parametrize(
    ("r", "says"), [(-1.0, "cannot do this"), (0.0, "cannot"), (1.0, "1 (or less)"), (2.5, "guidance_scale: 2.5")]
)
def test_the_readout_knows_the_threshold_of_the_library(r, says):
    assert says in scales(Figure(figsize=SIZE))(r=r)


def test_the_picture_follows_the_slider_and_the_noise_stays():
    demo = scales_demo()
    first = demo.picture.value
    demo.controls["r"].value = 4.0
    assert demo.picture.value != first
    demo.set(**START)
    assert demo.picture.value == first
    assert not demo.error.value


def test_code_of_the_demo_draws_it(capsys):
    exec(scales_demo().code, {})
    assert capsys.readouterr().out.startswith("r = 1, w = 0")
    plt.close("all")


def test_finite_for_every_place_of_the_slider():
    figure = Figure(figsize=SIZE)
    update = scales(figure)
    for r in (-1.0, 8.0):
        update(r=r)
        points = torch.cat([torch.as_tensor(line.get_xydata()) for line in figure.axes[1].lines])
        assert torch.isfinite(points).all()
