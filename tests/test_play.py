"""Play mode: the pages are made from the lessons by the tags of their cells, and Voilà serves them."""

import ast
import builtins
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import nbformat
import psutil
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
    """A notebook: "md ..." is Markdown, "play ..." a cell tagged so, "demo ..." one that shows the demo X."""
    cells = []
    for source in sources:
        kind, _, rest = source.partition(" ")
        if kind == "md":
            cells.append(new_markdown_cell(rest))
        elif kind == "play":
            cells.append(new_code_cell(rest, metadata={"tags": ["nbval-ignore-output", "play"]}))
        elif kind == "demo":
            cells.append(new_code_cell(rest, metadata={"demo": {"name": "X", "words": "Try it."}}))
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
    cells = nbformat.read(path, as_version=4).cells
    (shown,) = play.demos(cells)
    assert code_of(page)[-1] == cells[shown].source
    title, words = (cell.source for cell in page.cells if cell.cell_type == "markdown")
    assert title == cells[0].source.splitlines()[0]
    assert words == cells[shown].metadata.demo.words


def test_no_two_demos_have_one_name():
    names = [play.page(path).metadata.demo for path in LESSONS]
    assert len(set(names)) == len(names), names


def test_a_missing_tag_is_found(lesson):
    text = "md # 20 · New", "play from m import net as n, x_demo", "play def f(a):\n    return a + n"
    loop = "play for i in range(3):\n    b = [f(k) for k in (i, n)]"
    assert missing(play.page(lesson(*text, loop, "demo x_demo(b)"))) == set()
    assert missing(play.page(lesson(*text, "b = 1", "demo x_demo(b)"))) == {"b"}
    assert missing(play.page(lesson(*text, "d = x_demo()", "demo d"))) == {"d"}


def test_a_page_is_made_of_tagged_cells(lesson, tmp_path):
    page = play.page(
        lesson(
            "md # 20 · New\n\nWhy?", "play import a", "b = 1", "md ## 3. See it\n\nLook.", "play c = a",
            "md Section 5 showed it.", "demo x_demo(c)", "play later = 1",
        )
    )  # fmt: skip
    assert [cell.source for cell in page.cells] == [
        "# 20 · New", "%%capture\nimport a", "%%capture\nc = a", "Try it.", "x_demo(c)",
    ]  # fmt: skip
    assert [cell.metadata.get("step", "") for cell in page.cells] == ["", "", "See it", "", ""]
    assert (page.metadata.title, page.metadata.demo) == ("20 · New", "X")
    assert play.page(lesson("md # 20 · New", "play x = 1", "x_demo()")) is None
    assert play.chosen(["20"], tmp_path) == play.chosen([], tmp_path) == [tmp_path / "20_new.ipynb"]


def test_what_a_demo_needs(lesson):
    def places(*cells):
        return play.needed(nbformat.read(lesson("md # 20 · New", *cells), as_version=4).cells)

    assert places("play a = 1", "b = 1", "demo x_demo(a)", "play c = 1", "demo x_demo(c)", "play d = 1") == [1, 3, 4, 5]
    assert places("play a = 1") == []


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
    assert run(monkeypatch, "20") == "There is no demo in 20_new.ipynb."
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(monkeypatch, "--port", str(port)).startswith(f"Port {port} cannot be used (")
    assert run(monkeypatch, "--port", "70000").startswith("Port 70000 cannot be used")
    monkeypatch.setattr(play.importlib.util, "find_spec", lambda name: None)
    assert "`python3 course.py play` installs" in run(monkeypatch)
    assert run(monkeypatch, "77") == "No lesson begins with 77. There are: 20_new."


def test_arguments_are_read_before_anything_is_installed():
    """With the standard library alone, as at the first start."""
    for arguments, code, said in ((["--help"], 0, "whose demos, such as 06"), (["77"], 1, "No lesson begins with 77.")):
        command = [sys.executable, "-I", "-S", "tools/play.py", *arguments]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert run.returncode == code, run.stderr
        assert said in run.stdout + run.stderr


# ---------------------------------------------------------------- the server

OUTSIDE = re.compile(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//(?!127\.0\.0\.1)|cdn|import\s*\(?["']https?:""")


def fetch(address):
    try:
        with urllib.request.urlopen(address, timeout=300) as answer:
            return answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except (OSError, http.client.HTTPException) as error:  # it ended meanwhile
        return str(error)


@contextmanager
def playing(folder, *lessons):
    """Play mode on a free port, with its temporary files below the folder; yields its process and address."""
    pytest.importorskip("voila")
    command = [sys.executable, "tools/play.py", *lessons, "--no-browser"]
    env = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        line = process.stdout.readline()
        assert re.fullmatch(r"The demos are at http://127\.0\.0\.1:\d+/\S* \(Ctrl-C ends this\)\.\n", line), line
        yield process, line.split()[4]
    finally:
        process.kill()
        process.wait()


def kernels(process):
    programs = psutil.Process(process.pid).children(recursive=True)
    return [program for program in programs if "ipykernel_launcher" in program.cmdline()]


@pytest.fixture
def address(tmp_path):
    """Play mode with two lessons; when it is told to end, nothing of it stays."""
    with playing(tmp_path, "00", "06") as (process, address):
        yield address
        assert kernels(process)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60)[0] == ""  # no warnings either
        assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP", "SIGKILL"])
def test_nothing_stays_however_it_ends(tmp_path, monkeypatch, name):
    number = getattr(signal, name)
    with playing(tmp_path, "00") as (process, address):
        threading.Thread(target=fetch, args=(address,), daemon=True).start()
        until = time.monotonic() + 60
        while not (alive := kernels(process)) and time.monotonic() < until:
            time.sleep(0.05)
        assert alive
        process.send_signal(number)
        if number != signal.SIGKILL:
            process.send_signal(number)  # as from an impatient hand
        process.wait(60)
        assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
        assert psutil.wait_procs(alive, timeout=20)[1] == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if number == signal.SIGKILL:
        assert len(list(tmp_path.iterdir())) == 1
        with play.workplace():  # the next start tidies
            assert [folder.name.split("-")[2] for folder in tmp_path.iterdir()] == [str(os.getpid())]
    assert list(tmp_path.iterdir()) == []


def test_the_temporary_folder_goes_with_an_error_and_others_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    others = {tmp_path / f"cfgedu-play-{os.getppid()}-x", tmp_path / "cfgedu-play-x-y", tmp_path / "cfgedu-browser-1-x"}
    for other in others:
        other.mkdir()

    def fails():
        with play.workplace() as folder:
            (folder / "file").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert set(tmp_path.iterdir()) == others


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP")
def test_what_nohup_silences_stays_silent():
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before, heard = {number: signal.getsignal(number) for number in numbers}, []
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        play.on_signals(heard.append)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert heard == [signal.SIGTERM]


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
