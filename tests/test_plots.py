"""Tables of numbers, and the pictures' common ground."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from cfgedu.plots import G, arrow_sum, enlarged, logit_axis, pair_sketch, root_axis, rotation, strip, table
from cfgedu.schedule import linear
from cfgedu.toy import Mixture, islands

ROOT = Path(__file__).resolve().parent.parent


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


# ---- any settings of the reader ----

HOSTILE = """
import json, sys
import matplotlib as mpl
import matplotlib.pyplot as plt

sheet, rc = json.load(sys.stdin)
if sheet:
    plt.style.use(sheet)
mpl.rcParams.update(rc)

import hashlib
import io
import numpy as np
import torch
from cfgedu.plots import STYLE, arrow_sum, loss_curve, style
from cfgedu.toy import islands
from cfgedu.plots import density, class_legend
from cfgedu.widgets.live import LiveFigure, moving, slider

def line_scene(figure):
    ax = figure.subplots()
    ax.set(xlim=(0, 1), ylim=(-1, 1), title="a line, $x_1$ and -1", xlabel="time t")
    line = moving(ax.plot([0, 1], [0, 0])[0])
    contours = []

    def update(height):
        while contours:
            contours.pop().remove()
        contours.append(moving(ax.contour([[0, 1], [1, 0]], [0.5])))
        line.set_ydata([height, -height])
        return f"height {height:g}"

    return update

def told(name, data):
    print(name, hashlib.sha256(data).hexdigest())

demo = LiveFigure(line_scene, {"height": slider("height", -1, 1, 0.5)}, size=(4, 3), alt="A line")
told("live", demo.picture.value)
demo.controls["height"].value = 0.2
told("moved", demo.drawing.fast())
demo.still(height=0.3)

def of(figure):  # as a notebook's inline backend draws it
    file = io.BytesIO()
    look = {"facecolor": figure.get_facecolor(), "edgecolor": figure.get_edgecolor(), "bbox_inches": "tight"}
    figure.canvas.print_figure(file, format="png", dpi=figure.dpi, **look)
    return file.getvalue()

told("still", of(plt.gcf()))
style()
fig, axes = plt.subplots(1, 3)
arrow_sum(axes[0], torch.tensor([2.0, 0.5]), torch.tensor([1.5, 1.25]), 3.0)
loss_curve(axes[1], np.linspace(1, 0.1, 200))
class_legend(density(axes[2], islands(), n=21), 3)
told("plot", of(fig))
"""


def pictures(sheet=None, **rc):
    """{name: digest} of four pictures, drawn in a Python of their own under a style sheet and settings."""
    words = {"input": json.dumps([sheet, rc]), "capture_output": True, "text": True, "check": True}
    out = subprocess.run([sys.executable, "-c", HOSTILE], cwd=ROOT, env=os.environ | {"MPLBACKEND": "agg"}, **words)
    return dict(line.split() for line in out.stdout.splitlines() if len(line.split()) == 2 and len(line) > 60)


def test_pictures_keep_their_ink_under_any_settings_of_the_reader():
    """VS Code starts kernels with the style sheet dark_background; a matplotlibrc may say anything."""
    hostile = {
        "text.usetex": True,
        "font.family": "No Such Font",
        "font.sans-serif": ["No Such Font"],
        "font.size": 30,
        "mathtext.fontset": "stix",
        "axes.grid": True,
        "axes.spines.left": False,
        "axes.unicode_minus": False,
        "lines.linewidth": 9,
        "lines.antialiased": False,
        "path.sketch": [3, 30, 2],
        "image.interpolation": "nearest",
        "image.origin": "lower",
        "figure.figsize": [2, 9],
        "figure.dpi": 37,
        "figure.autolayout": True,
        "figure.constrained_layout.h_pad": 1,
        "savefig.dpi": 13,
        "savefig.transparent": True,
        "savefig.facecolor": "black",
        "savefig.bbox": "tight",
        "svg.fonttype": "none",
        "xtick.direction": "in",
        "contour.linewidth": 7,
        "legend.frameon": True,
    }
    plain = pictures()
    assert plain.keys() == {"live", "moved", "still", "plot"}
    assert pictures("dark_background", **hostile) == plain


def test_the_settings_of_a_notebooks_own_backend_come_before_the_courses(tmp_path):
    """`c.InlineBackend.rc` is applied with the first figure of a kernel, so after style() if that did not care."""
    code = (
        "from cfgedu.plots import style; style()\n"
        "import matplotlib.pyplot as plt; fig, ax = plt.subplots()\n"
        "print(plt.rcParams['figure.facecolor'], plt.rcParams['text.color'], fig.get_facecolor(), fig.dpi)"
    )
    profile = tmp_path / "profile_default"
    profile.mkdir()
    rc = {"figure.facecolor": "none", "text.color": "white", "figure.dpi": 37.0}
    (profile / "ipython_kernel_config.py").write_text(f"c.InlineBackend.rc = {rc}\n")
    env = os.environ | {"IPYTHONDIR": str(tmp_path), "JUPYTER_PREFER_ENV_PATH": "1"}
    notebook = new_notebook(cells=[new_code_cell(code)])
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute(env=env)
    assert notebook.cells[0].outputs[0].text == "white black (1.0, 1.0, 1.0, 1.0) 100.0\n"
