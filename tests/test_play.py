"""Play mode: the pages are made from the lessons, hold what a demo needs and no more, and Voilà serves them."""

import ast
import builtins
import inspect
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cfgedu.widgets.live import LiveFigure
from tools import play

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_of(notebook):
    return [cell.source.removeprefix("%%capture\n") for cell in notebook.cells if cell.cell_type == "code"]


def needed(source):
    """The statements that play mode keeps of a lesson with this code and a demo of `net` at the end."""
    statements = ast.parse(f"{source}\nnet_demo(net)").body
    return [ast.unparse(statement) for statement in play.needed(statements)][:-1]


# ---------------------------------------------------------------- what a demo needs


@pytest.mark.parametrize(
    ("kept", "left_out"),
    [
        (["net = MLP()"], ["ax = plt.subplots()[1]", "ax.plot([1])", "other = MLP()"]),
        (["from cfgedu.models import MLP", "net = MLP()"], ["import matplotlib.pyplot as plt"]),
        (["schedule = linear()", "net = MLP(schedule)"], []),
        (["net = MLP()", "losses = train(net, loss, data)"], ["print(net)", "x = sample(net)", "print(net.width)"]),
        (["net = MLP()", "net.eval()"], ["fig.savefig(net)"]),
        (["net = {}", "net['a'] = 1"], ["other = {}\nother['a'] = net\nother['b'] = costly(net)"]),
        (["net = [[1], [2]]", "for row in net:\n    row[0] = 0"], ["table = {'a': net}\ntable['b'] = 2"]),
        (["net = 1", "net += 1"], ["total = 0", "total += net"]),
        (["net = MLP()", "initialise(net)"], ["draw(ax, net)"]),
        (["net, judge = both()"], []),
        (["with weights_from(generator):\n    net = MLP()"], []),
        (["def width():\n    return size", "size = 64", "net = MLP(width())"], ["def height():\n    return 1"]),
        (["def f():\n    return g()", "def g():\n    return deep", "deep = 1", "net = f()"], []),
        (["loss = lambda x: scale * x", "scale = 2", "net = MLP()", "train(net, loss)"], []),
        (["widths = [1, 2]", "net = [MLP(w) for w in widths]"], ["w = 5"]),
        (["@torch.no_grad()\ndef f(x=start):\n    return x", "net = f()"], ["x = 1"]),
        (["torch.set_num_threads(1)", "net = MLP()"], ["torch.manual_seed(0)"]),
        (["net = MLP()", "torch.nn.init.zeros_(net.weight)"], ["plt.plot(net)"]),
        (["a = MLP()", "net = [a]", "train(a, loss)"], ["b = deepcopy(a)", "train(b, loss)"]),
        (["net = {0: [MLP()]}", "all = [n for p in net for n in net[p]]", "train_stack(all, loss)"], ["print(all)"]),
        (["net = [MLP()]", "for n in net:\n    n.eval()"], ["for name, n in zip('a', net):\n    show(f'{name}', n)"]),
        (["net = MLP()"], ["for ax, n in zip(axes, [net]):\n    draw(ax, n)", "for i, n in rows(net):\n    n.x = i"]),
    ],
)
def test_what_a_demo_needs(kept, left_out):
    mixed = [line for i, line in enumerate(kept) for line in [line, *left_out[i : i + 1]]] + left_out[len(kept) :]
    assert needed("\n".join(mixed)) == kept


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("x = 1\nnet = f(x)\nx = 2\ny = x", ["x = 1", "net = f(x)"]),
        ("x = 1\ny = x\nx = 2\nnet = f(x)", ["x = 2", "net = f(x)"]),
        ("net = 0\nfor i in r:\n    net = f(net, i)", ["net = 0", "for i in r:\n    net = f(net, i)"]),
        ("a = 1\ndef f():\n    return a\na = 2\nnet = f()", ["def f():\n    return a", "a = 2", "net = f()"]),
        (
            "def f(x):\n    return x + a\na = 1\nx = f(0)\na = 2\nnet = f(x)",
            ["def f(x):\n    return x + a", "a = 1", "x = f(0)", "a = 2", "net = f(x)"],
        ),
        ("net = 0\nwith w:\n    net = 1", ["with w:\n    net = 1"]),
        ("def f(ax):\n    ax.plot(net)\nnet = 1", ["net = 1"]),
    ],
    ids=["later changes", "reused name", "loop", "at the call", "at each call", "with", "own names"],
)
def test_the_order_of_statements_counts(source, kept):
    assert needed(source) == kept


def test_the_functions_that_train_in_place_are_known():
    """A page that left one out would show an untrained network, without an error."""
    found = set()
    for path in (ROOT / "cfgedu").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and re.search(r"\bin place\b(?! of)", ast.get_docstring(node) or ""):
                found.add(node.name)
    assert found == play.IN_PLACE


# ---------------------------------------------------------------- the pages


@pytest.fixture(scope="module")
def pages():
    return {lesson.name: play.page(lesson) for lesson in LESSONS}


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_a_page_holds_the_demo_what_it_needs_and_no_more(lesson, pages):
    cells = nbformat.read(lesson, as_version=4).cells
    lesson_code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    page = pages[lesson.name]
    assert (page is not None) == ("_demo(" in lesson_code)
    if page is None:
        return
    nbformat.validate(page)
    *steps, demo = code_of(page)
    assert re.fullmatch(r"\w+_demo\(.*\)", demo)
    assert demo in lesson_code
    assert not re.search(r"\b(still|check\w*|print|subplots|savefig)\(", "\n".join(steps))
    bound, read = set(dir(builtins)), set()
    for statement in ast.parse("\n".join([*steps, demo])).body:
        binds, at_once, later = play.names(statement)
        assert at_once <= bound | binds, f"{ast.unparse(statement)} reads {at_once - bound}"
        bound |= binds
        read |= later
    assert read <= bound
    if not demo.endswith("_demo()"):
        assert re.search(r"\b(train|train_stack|train_judge|load_checkpoint)\(", "\n".join(steps))
    title, words = (cell.source for cell in page.cells if cell.cell_type == "markdown")
    assert title == cells[0].source.splitlines()[0]
    assert words
    assert not words.startswith("#")
    assert any(words in cell.source for cell in cells)


def test_a_demo_without_arguments_starts_at_once(pages):
    """One import and the call, and the lesson's number of threads: no step for the page to name while it waits."""
    at_once = [page for page in pages.values() if page and code_of(page)[-1].endswith("_demo()")]
    assert len(at_once) >= 8
    for page in at_once:
        *imports, demo = code_of(page)
        line = re.fullmatch(r"(?:import torch\n)?(from cfgedu.+)(?:\ntorch.set_num_threads\(1\))?", "\n".join(imports))
        assert not any(cell.metadata.get("step") for cell in page.cells)
        room = {}
        exec(line[1], room)
        assert inspect.signature(room[demo.removesuffix("()")]).return_annotation is LiveFigure


def test_the_digits_page_trains_one_network_and_its_judge(pages):
    page = pages["11_digits.ipynb"]
    code = "\n".join(code_of(page))
    assert code.count("train_digits(") == 2  # the function and one call
    assert code.count("train_judge(") == 1
    steps = [cell.metadata.step for cell in page.cells if cell.metadata.get("step")]
    assert steps == ["The data", "A judge", "One network, both modes", "One network, both modes"]


@pytest.fixture
def lesson(tmp_path):
    def write(*sources):
        cells = [new_markdown_cell(s[3:]) if s.startswith("md ") else new_code_cell(s) for s in sources]
        path = tmp_path / "20_new.ipynb"
        nbformat.write(new_notebook(cells=cells), path)
        return path

    return write


def test_a_new_lesson_appears_by_itself(lesson, tmp_path):
    before = play.page(lesson("md # 20 · New", "a = 1", "md ## 3. See it\n\nLook.", "b = a", "md Try it.", "x_demo(b)"))
    assert [cell.source for cell in before.cells] == [
        "# 20 · New", "%%capture\na = 1", "%%capture\nb = a", "Try it.", "x_demo(b)",
    ]  # fmt: skip
    assert [cell.metadata.get("step", "") for cell in before.cells] == ["", "", "See it", "", ""]
    after = play.page(lesson("md # 20 · New", "md Look.", "still(x)", "x_demo()", "md Try *this*.\n\nNext.", "x = 1"))
    assert [cell.source for cell in after.cells] == ["# 20 · New", "Try *this*.", "x_demo()"]
    heading = play.page(lesson("md # 20 · New", "md Look.", "still(x)", "x_demo()", "md ## 4. Next"))
    assert heading.cells[1].source == "Look."
    two = play.page(lesson("md # 20 · New", "md One.", "x_demo()", "a = 1", "md Two.", "y_demo(a)"))
    assert [cell.source for cell in two.cells[1:]] == ["One.", "x_demo()", "%%capture\na = 1", "Two.", "y_demo(a)"]
    assert two.metadata.demo == "x, y"
    assert play.page(lesson("md # 20 · New", "x = 1")) is None
    assert play.chosen(["20"], tmp_path) == play.chosen([], tmp_path) == [tmp_path / "20_new.ipynb"]


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
