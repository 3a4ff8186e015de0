"""Play mode: the pages are made from the lessons by the tags of their cells, and Voilà serves them."""

import ast
import builtins
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import play

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_of(page):
    return [cell.source.removeprefix("%%capture\n") for cell in page.cells if cell.cell_type == "code"]


# ---------------------------------------------------------------- the pages


def names(source):
    """The names that a cell reads, and those that it binds, in whatever scope."""
    read, bound = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return read, bound


def missing(page):
    """The names that the cells of a page read and no cell before them binds: a tag is missing."""
    known, found = set(dir(builtins)), set()
    for source in code_of(page):
        read, bound = names(source)
        known |= bound
        found |= read - known
    return found


def save(path, *sources):
    """A notebook: "md ..." is Markdown, "play ..." a cell tagged so."""
    cells = []
    for source in sources:
        kind, _, rest = source.partition(" ")
        if kind == "md":
            cells.append(new_markdown_cell(rest))
        elif kind == "play":
            cells.append(new_code_cell(rest, metadata={"tags": ["nbval-ignore-output", "play"]}))
        else:
            cells.append(new_code_cell(source))
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.fixture
def lesson(tmp_path):
    return partial(save, tmp_path / "20_new.ipynb")


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_s_page_holds_what_its_demo_needs(path):
    page = play.page(path)
    assert page is not None, "no cell shows a demo"
    nbformat.validate(page)
    assert missing(page) == set(), "a cell that binds it lacks the tag play"
    assert "demo" in code_of(page)[-1]
    cells = nbformat.read(path, as_version=4).cells
    title, words = (cell.source for cell in page.cells if cell.cell_type == "markdown")
    assert title == cells[0].source.splitlines()[0]
    assert words
    assert not words.startswith("#")
    assert any(words in cell.source for cell in cells)


def test_a_missing_tag_is_found(lesson):
    text = "md # 20 · New", "play from m import net as n, x_demo", "play def f(a):\n    return a + n", "md Look."
    assert (
        missing(play.page(lesson(*text, "play for i in range(3):\n    b = [f(k) for k in (i, n)]", "x_demo(b)")))
        == set()
    )
    assert missing(play.page(lesson(*text, "b = 1", "x_demo(b)"))) == {"b"}
    assert missing(play.page(lesson(*text, "b = 1", "demo = x_demo()", "demo"))) == {"demo"}


def test_a_page_is_made_of_tagged_cells(lesson, tmp_path):
    page = play.page(
        lesson(
            "md # 20 · New\n\nWhy?", "play import a", "b = 1", "md ## 3. See it\n\nLook.", "play c = a",
            "md Some.\n\nTry it.", "x_demo(c)", "play later = 1",
        )
    )  # fmt: skip
    assert [cell.source for cell in page.cells] == [
        "# 20 · New", "%%capture\nimport a", "%%capture\nc = a", "Try it.", "x_demo(c)",
    ]  # fmt: skip
    assert [cell.metadata.get("step", "") for cell in page.cells] == ["", "", "See it", "", ""]
    assert (page.metadata.title, page.metadata.demo) == ("20 · New", "x")
    assert play.page(lesson("md # 20 · New", "play x = 1")) is None
    assert play.chosen(["20"], tmp_path) == play.chosen([], tmp_path) == [tmp_path / "20_new.ipynb"]


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (["x_y_demo()"], ["x_y_demo()"]),
        (["from m import x_y_demo\n\nx_y_demo(\n    1,\n)"], ["from m import x_y_demo\n\nx_y_demo(\n    1,\n)"]),
        (["demo = x_y_demo(a)\ndemo"], ["demo = x_y_demo(a)\ndemo"]),
        (["play demo = x_y_demo()\ndemo.still(r=4)", "demo"], ["demo = x_y_demo()\ndemo.still(r=4)", "demo"]),
        (["x_y_demo", "print(x_y_demo())", "demo = x_y_demo()", "demo.still()", "demo = 1\ndemo"], None),
    ],
)
def test_the_cell_that_shows_a_demo_is_found(lesson, cells, code):
    page = play.page(lesson("md # 20 · New", "md Look.", *cells))
    assert (page and code_of(page)) == code
    assert page is None or page.metadata.demo == "x y"


def test_the_words_stand_beside_the_demo(lesson):
    def words(*cells):
        return [cell.source for cell in play.page(lesson("md # 20 · New", *cells)).cells[1:]]

    assert words("md Look.", "draw()", "x_demo()", "md Try *this*.\n\nNext.", "x = 1") == ["Try *this*.", "x_demo()"]
    assert words("md Look.", "draw()", "x_demo()", "md ## 4. Next") == ["Look.", "x_demo()"]
    two = words("md One.", "x_demo()", "play a = 1", "md Two.", "y_demo(a)")
    assert two == ["One.", "x_demo()", "%%capture\na = 1", "Two.", "y_demo(a)"]


# ---------------------------------------------------------------- what can go wrong


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["play.py", *arguments])
    with pytest.raises(SystemExit) as stop:
        play.main()
    return str(stop.value)


def test_problems_are_told_in_a_sentence(monkeypatch, lesson, tmp_path):
    lesson("md # 20 · New", "x = 1")
    monkeypatch.setattr(play, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(play.importlib.util, "find_spec", lambda name: name)
    assert run(monkeypatch, "77") == "No lesson begins with 77. There are: 20_new."
    assert run(monkeypatch, "20") == "There is no demo in 20_new.ipynb."
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(monkeypatch, "--port", str(port)).startswith(f"Port {port} cannot be used (")
    assert run(monkeypatch, "--port", "70000").startswith("Port 70000 cannot be used")
    monkeypatch.setattr(play.importlib.util, "find_spec", lambda name: None)
    assert "`python3 course.py play` installs" in run(monkeypatch)


# ---------------------------------------------------------------- the server

OUTSIDE = re.compile(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//(?!127\.0\.0\.1)|cdn|import\s*\(?["']https?:""")


def fetch(address):
    try:
        with urllib.request.urlopen(address, timeout=300) as answer:
            return answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.read().decode()


@pytest.fixture
def address(tmp_path):
    """Play mode with two lessons on a free port; when it is told to end, nothing of it stays."""
    pytest.importorskip("voila")
    command = [sys.executable, "tools/play.py", "00", "06", "--no-browser"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        line = process.stdout.readline()
        assert re.fullmatch(r"The demos are at http://127\.0\.0\.1:\d+/ \(Ctrl-C ends this\)\.\n", line), line
        yield line.split()[4]
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60)[0] == ""  # no warnings either
        assert list(tmp_path.glob("cfgedu-play-*")) == []
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_voila_serves_the_list_and_a_demo_from_this_machine_alone(address):
    index = fetch(address)
    assert re.findall(r'href="(voila\S+)"', index) == [
        "voila/render/00_start_here.ipynb",
        "voila/render/06_guidance_vector.ipynb",
    ]
    assert "Guidance vector" in index
    page = fetch(f"{address}voila/render/06_guidance_vector.ipynb")
    assert "application/vnd.jupyter.widget-view+json" in page
    assert "LiveFigure" in page
    assert "06 · The guidance vector" in page
    assert "import guidance_vector" not in page  # no code
    assert "Traceback" not in page
    for text in (index, page, fetch(f"{address}voila/render/99_none.ipynb")):
        assert not OUTSIDE.search(text), OUTSIDE.search(text)
    files = re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css)[^"]*)"', page)
    assert any("voila.js" in file for file in files)
    for file in files:
        assert fetch(address.rstrip("/") + file).strip()
