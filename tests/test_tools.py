"""The tools behind `course.py notebooks` and `course.py clean`."""

import base64
import hashlib
import io
import json
import subprocess

import nbformat
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

from cfgedu import saving
from tools import clean, notebooks


def save(path, *sources):
    cells = [new_markdown_cell(s[2:]) if s.startswith("md") else new_code_cell(s) for s in sources]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    return tmp_path


def test_notebooks_runs_normalises_and_is_stable(root, capsys):
    bar = (
        "import sys\nfor i in range(3):\n    print(f'\\r{i}%|#| {i}/2 [00:0{i}<00:00, 1it/s]', end='', file=sys.stderr)"
    )
    demo = "import ipywidgets\nipywidgets.IntSlider()"
    path = save(root / "notebooks/06_x.ipynb", "md# Title", "x = 6\nprint(x)", "# your turn", bar, demo)
    assert notebooks.renew(path) is None
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4]
    assert code[0].outputs[0].text == "6\n"
    assert code[2].outputs[0].text == "2%|#| 2/2"
    assert list(code[3].outputs[0].data) == ["text/plain"]
    assert notebooks.normalise(nbformat.read(path, as_version=4)) == notebook
    first = path.read_bytes()
    assert notebooks.renew(path) is None
    assert path.read_bytes() == first
    row = capsys.readouterr().out.splitlines()[-1]
    assert "as before" in row
    assert "MB peak" in row


DRAW = """
import base64, io
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

figure, file = Figure(figsize=(3, 2)), io.BytesIO()
figure.subplots().plot([1, 3, 2])
FigureCanvasAgg(figure).print_png(file)
demo = {"demo": "box", "state": {"r": 3.0}, "alt": "a box"}
picture = {"image/png": base64.b64encode(file.getvalue()).decode(), "text/plain": "LiveFigure: a box"}
live = {"application/vnd.jupyter.widget-view+json": {"model_id": "0f"}, "application/vnd.cfgedu.demo+json": demo}
display(picture | live, raw=True)
"""


def test_notebooks_keeps_a_demo_s_picture_and_its_words(root):
    path = save(root / "notebooks/06_x.ipynb", "md# Title", DRAW)
    notebook = nbformat.read(path, as_version=4)
    kept = {"tags": ["play"], "demo": {"name": "Box", "words": "A box."}, "mystnb": {"image": {"alt": "a box"}}}
    notebook.cells[1].metadata = nbformat.from_dict({**kept, "collapsed": True})
    notebook.cells[1].metadata.mystnb.image["width"] = "3px"
    nbformat.write(notebook, path)
    assert notebooks.renew(path) is None
    cell = nbformat.read(path, as_version=4).cells[1]
    assert cell.metadata == kept
    data = cell.outputs[0].data
    assert data.keys() == {"image/png", saving.DEMO, "text/plain"}
    assert data[saving.DEMO] == {"demo": "box", "state": {"r": 3.0}, "alt": "a box"}
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).mode == "P"
    first = path.read_bytes()
    assert notebooks.renew(path) is None
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    "mystnb", [{}, {"image": {"alt": 3}}, {"image": {"alt": ""}}, {"image": "x"}, "x", {"figure": {}}]
)
def test_odd_words_for_a_picture_are_not_kept(mystnb):
    assert notebooks.kept_metadata(nbformat.from_dict({"mystnb": mystnb})) == {}


# ---------------------------------------------------------------- pictures in few colours


def png(array):
    file = io.BytesIO()
    Image.fromarray(array.astype("uint8")).save(file, "PNG")
    return file.getvalue()


def opened(data):
    return Image.open(io.BytesIO(data))


def test_a_figure_is_stored_in_few_colours_and_looks_the_same():
    figure = Figure(figsize=(6, 4))
    axes = figure.subplots(1, 2)
    x = np.linspace(-3, 3, 200)
    axes[0].plot(x, np.sin(x))
    axes[1].imshow(np.exp(-(x[:, None] ** 2) - x**2), cmap="Blues")
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)
    before, after = file.getvalue(), notebooks.in_few_colours(file.getvalue())
    assert opened(after).mode == "P"
    assert opened(after).info == {}
    assert len(after) < len(before) / 2
    assert 0 < notebooks.distance(opened(before).convert("RGB"), opened(after).convert("RGB")) <= notebooks.SEEN
    assert notebooks.in_few_colours(before) == after
    assert notebooks.in_few_colours(after) == after


def test_a_picture_that_would_show_it_stays_as_it_is():
    """A smooth field of many colours would show bands; a picture with holes would lose them."""
    u = np.linspace(0, 255, 320)
    field = np.stack(np.broadcast_arrays(u[:, None], u, 255 - u[:, None] / 2 - u / 2), axis=-1)
    holes = np.concatenate([field, np.broadcast_to(u[:, None, None], (320, 320, 1))], axis=-1)
    for array in (field, holes):
        assert notebooks.in_few_colours(png(array)) == png(array)
    tiny = png(np.zeros((2, 3, 3)))  # a palette would take more room than it saves
    assert notebooks.in_few_colours(tiny) == tiny


def test_distance_is_how_far_areas_moved():
    """In the worst hundredth of 8x8 blocks: one of a hundred, or of fewer; two of 200."""
    gray = np.full((80, 80, 3), 100)
    area, speck, line = gray.copy(), gray.copy(), gray.copy()
    area[8:16, 16:24, 1] += 6
    speck[9, 17, 1] += 64
    line[40:48] -= 3
    pictures = [Image.fromarray(array.astype("uint8")) for array in (gray, area, speck, line)]
    assert [notebooks.distance(pictures[0], other) for other in pictures] == [0, 6, 1, 3]
    wide = [Image.fromarray(np.hstack([array, gray]).astype("uint8")) for array in (gray, area)]
    assert notebooks.distance(*wide) == 3


def test_a_notebook_that_fails_is_left_as_it_was(root):
    path = save(root / "notebooks/06_x.ipynb", "1 / 0")
    before = path.read_bytes()
    assert "ZeroDivisionError" in notebooks.renew(path)
    assert path.read_bytes() == before


def test_a_notebook_over_the_limit_is_left_as_it_was(root, monkeypatch):
    path = save(root / "notebooks/06_x.ipynb", "print(1)")
    before = path.read_bytes()
    big = new_notebook(cells=[new_markdown_cell("x" * notebooks.MOST_BYTES)])
    monkeypatch.setattr(notebooks, "execute", lambda path: (big, 1.0, 1.0))
    assert "over the limit" in notebooks.renew(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_notebook(root):
    path = root / "notebooks/06_x.ipynb"
    path.parent.mkdir()
    path.write_text("{")
    assert notebooks.renew(path)
    assert path.read_text() == "{"


def test_which_notebooks(tmp_path):
    for name in ("00_a", "06_b", "solutions/06_b"):
        save(tmp_path / f"notebooks/{name}.ipynb", "md# x")

    def names(*numbers):
        return [str(p.relative_to(tmp_path / "notebooks")) for p in notebooks.chosen(numbers, tmp_path)]

    assert names() == ["00_a.ipynb", "06_b.ipynb", "solutions/06_b.ipynb"]
    assert names("06") == names("notebooks/06_b.ipynb") == ["06_b.ipynb", "solutions/06_b.ipynb"]
    with pytest.raises(SystemExit, match=r"No notebook begins with 77\. There are: 00_a, 06_b"):
        names("77")


def test_tracebacks_name_no_folder_of_this_machine(root):
    frame = f"File {root}/cfgedu/guidance.py:34, in guided"
    assert notebooks.without_paths(frame) == "File cfgedu/guidance.py:34, in guided"


@pytest.fixture
def tree(tmp_path):
    """A repository with leftovers, some of them where git keeps a file."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "digits.gz").touch()
    root = tmp_path / "course"
    files = (
        "cfgedu/toy.py",
        "cfgedu/__pycache__/toy.pyc",
        "build/kept.txt",
        "notebooks/.ipynb_checkpoints/a.ipynb",
        "data/unet.safetensors",
        "data/unet.safetensors.tmp",
        ".venv/lib/__pycache__/x.pyc",
    )
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "data/mnist").symlink_to(outside)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "-f", "build/kept.txt", "cfgedu/toy.py"], cwd=root, check=True)
    return root


def test_clean(tree):
    removed = {str(path.relative_to(tree)) for path in clean.clean(tree)}
    assert removed == {
        "cfgedu/__pycache__",
        "notebooks/.ipynb_checkpoints",
        "data/unet.safetensors.tmp",
        "data/mnist",
    }
    assert (tree / "build/kept.txt").exists()
    assert (tree / "data/unet.safetensors").exists()
    assert (tree / ".venv/lib/__pycache__/x.pyc").exists()
    assert (tree.parent / "outside/digits.gz").exists()
    assert not (tree / "data/mnist").is_symlink()


def test_clean_all(tree):
    clean.clean(tree, with_venv=True)
    assert not (tree / ".venv").exists()
    assert clean.clean(tree, with_venv=True) == []


def test_clean_leaves_the_notebooks_of_another_language_that_a_learner_works_in(tmp_path):
    built, other = tmp_path / "build/ko", tmp_path / "build/site"
    for folder in (built, other):
        (folder / "notebooks").mkdir(parents=True)
        (folder / "notebooks/06.ipynb").write_text("{}", encoding="utf-8")
    digest = hashlib.sha256(b"{}").hexdigest()[:16]
    (built / "built.json").write_text(json.dumps({"notebooks/06.ipynb": digest}), encoding="utf-8")
    (built / "notebooks/06.ipynb").write_text('{"mine": 1}', encoding="utf-8")
    assert clean.clean(tmp_path) == [other]
    (built / "notebooks/06.ipynb").write_text("{}", encoding="utf-8")
    (built / "notebooks/06_mine.ipynb").write_text("{}", encoding="utf-8")  # renamed, or new
    assert clean.clean(tmp_path) == []
    (built / "notebooks/06_mine.ipynb").unlink()
    assert clean.clean(tmp_path) == [tmp_path / "build"]
