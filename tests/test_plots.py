"""Tables of numbers, and the pictures' common ground."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from cfgedu.plots import G, arrow_sum, enlarged, logit_axis, pair_sketch, root_axis, rotation, strip, table
from cfgedu.schedule import linear
from cfgedu.toy import Mixture, islands


def test_a_table_lines_up_words_to_the_left_and_numbers_to_the_right(capsys):
    rows = [("exact", 1, torch.tensor(0.123456), 3), ("learned", np.float32(2.5), None, 40)]
    table(rows, {"model": "", "r": "g", "error": ".4f", "n": ""})
    assert capsys.readouterr().out.splitlines() == [
        "model       r    error    n",
        "exact       1   0.1235    3",
        "learned   2.5            40",
    ]


def test_a_float_has_three_digits_and_what_is_no_number_stays(capsys):
    table(iter([[0.98765, True, "g"], [12345.6, False, "h"]]), ["x", "true", "name"])
    expected = ["x          true    name", "0.988      True    g", "1.23e+04   False   h"]
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [line.split() for line in expected]


def test_a_table_without_rows_is_its_headings(capsys):
    table([], ["r", "accuracy"])
    assert capsys.readouterr().out == "r   accuracy\n"


def test_a_row_of_another_length_is_named():
    with pytest.raises(ValueError, match=r"rows must have one entry for each of the 2 columns, got \(1, 2, 3\)"):
        table([(1, 2), (1, 2, 3)], ["a", "b"])


# ---- pictures that a notebook needs ----


def test_the_sum_of_two_arrows_ends_where_guidance_does():
    ax, (un, cond) = Figure().subplots(), torch.tensor([[2.0, 0.5], [1.5, 1.25]])
    assert arrow_sum(ax, un, cond, 3.0, other=(0, 1, -1)) is ax
    dots = torch.tensor(ax.lines[1].get_xydata())
    expected = torch.stack([un + r * (cond - un) for r in (-1, 0, 1, 3)])
    torch.testing.assert_close(dots, expected.double())
    assert [text.get_text() for text in ax.texts] == ["r = -1", "r = 0", "r = 1", "r = 3"]


@pytest.mark.parametrize("t", [1, 300, 1000])
def test_x_t_and_v_stand_at_a_right_angle(t):
    ax = Figure().subplots()
    assert rotation(ax, linear(), t) is ax
    (u, w), (p, q) = [text.get_position() for text in ax.texts if text.get_text() in ("$x_t$", "$v$")]
    assert u * p + w * q == pytest.approx(0)
    assert (u / 1.13) ** 2 == pytest.approx(float(linear().alpha_bar[t]))


def test_a_strip_has_its_own_full_range_of_greys_at_every_time():
    """Also where the density is a needle between two rows of the picture."""
    needle = Mixture(torch.tensor([[0.0, 0.03]]), torch.tensor([1e-3]), torch.ones(1), torch.tensor([0]))
    for mixture in (islands(), needle):
        picture = strip(Figure().subplots(), mixture, linear()).images[0].get_array().filled(np.nan)
        assert np.isfinite(picture).all()
        assert picture.max(0) == pytest.approx(np.ones(picture.shape[1]))


def heights(ax, shares):
    return ax.transData.transform([(0, p) for p in shares])[:, 1]


def test_a_logit_axis_is_stretched_near_one():
    ax = logit_axis(Figure().subplots())
    low, middle, high, half = heights(ax, (0.9, 0.99, 0.999, 0.5))
    assert high - middle == pytest.approx(middle - low, rel=0.05)
    assert (middle - half) / (low - half) == pytest.approx(np.log(99) / np.log(9))
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0.5", "0.8", "0.95", "0.99", "0.999"]


def test_a_root_axis_shows_small_shares_and_zero():
    ax = root_axis(Figure().subplots(), ticks=(0, 0.01, 0.04), top=0.16)
    zero, one, four, top = heights(ax, (0, 0.01, 0.04, 0.16))
    assert [(y - zero) / (top - zero) for y in (one, four)] == pytest.approx([0.25, 0.5])
    assert ax.get_ylim() == (0, 0.16)


def test_an_enlarged_image_keeps_its_range_and_its_greys():
    x = torch.linspace(-3, 3, 2 * 64).reshape(2, 1, 8, 8)
    large = enlarged(x, 6)
    assert large.shape == (2, 1, 48, 48)
    assert large.aminmax() == (-1, 1)
    torch.testing.assert_close(enlarged(x, 1), x.clamp(-1, 1))
    flat = enlarged(torch.full((1, 1, 8, 8), 0.3))
    torch.testing.assert_close(flat, torch.full_like(flat, 0.3))
    middle = large[0, 0, 18:30, 18:30].mean()  # four pixels about the centre
    assert middle == pytest.approx(float(x[0, 0, 3:5, 3:5].clamp(-1, 1).mean()), abs=0.05)


@pytest.mark.parametrize(("kind", "ways"), [("doubled batch", 1), ("twin", 1), ("leaky twin", 2)])
def test_a_sketch_shows_each_way_of_the_label(kind, ways):
    ax = Figure().subplots()
    assert pair_sketch(ax, kind) is ax
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None) is not None]
    assert sum(to_hex(arrow.arrow_patch.get_edgecolor()) == G.lower() for arrow in arrows) == ways
