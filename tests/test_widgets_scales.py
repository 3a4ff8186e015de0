"""The dial of guidance: three scales on one line, and the samples at that place."""

import pytest
from helpers import Later
from matplotlib.figure import Figure

from cfgedu.guidance import r_from_w, w_from_r
from cfgedu.widgets.scales import number_line, scales_demo

DEMO = Later(scales_demo)


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
    text = DEMO.update(r=r)
    assert low <= int(text.split()[-1].rstrip("%")) <= high
