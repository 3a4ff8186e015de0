"""`course.py bench`: what it measures, what it compares, and the page that it writes."""

import inspect
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import pytest
import torch

from cfgedu.widgets.live import LiveFigure, choice, int_slider, moving, slider
from tools import (
    bench,
    bench_busy,
    bench_cells,
    bench_frames,
    bench_growth,
    bench_memory,
    bench_page,
    bench_peers,
    bench_timing,
)

ROOT = Path(__file__).resolve().parent.parent


def test_bench_measures_every_demo():
    files = (Path(bench.__file__).parent.parent / "cfgedu/widgets").glob("*.py")
    written = {name for file in files for name in re.findall(r"^def (\w+)_demo\(", file.read_text(), re.MULTILINE)}
    found = {name: make for name, make, _ in bench.demos()}
    assert written == {name for name in found if "," not in name}
    for make in found.values():
        inspect.signature(make).bind()  # needs no arguments, or stands in NEED_NETWORKS


def test_bench_moves_a_control_as_keys_do():
    assert bench.values(slider("r", 0, 1, 0.25, 0.25), 9) == [0.5, 0.75, 1.0]
    assert bench.values(int_slider("n", 1, 9, 9, 2), 3) == [7, 5, 3]
    assert bench.values(choice("y", [("none", -1), ("class 0", 0), ("class 1", 1)], 0), 4) == [1, -1, 0, 1]
    assert bench.values(ipywidgets.Checkbox(value=False), 3) == [True, False, True]


def test_bench_finds_the_slowest_control():
    def scene(figure):
        (line,) = figure.subplots().plot([0, 1], [0, 0])
        moving(line)

        def update(fast, slow):
            time.sleep(0.2 * slow)
            line.set_ydata([fast, slow])
            return "moved"

        return update

    controls = {"fast": slider("fast", 0, 10, 0), "slow": slider("slow", 0, 1, 0, 1)}
    demo = LiveFigure(scene, controls, size=(2, 1), alt="a line")
    seconds, name = bench.frame(demo, 3)
    assert name == "slow"
    assert seconds > 0.2
    assert demo.state == {"fast": 0, "slow": 0}


@pytest.fixture
def quick(monkeypatch):
    """A bench whose figures are given, and one of the slowest demo that decides."""

    def run(slowest, *words):
        monkeypatch.setattr(sys, "argv", ["bench", *words])
        monkeypatch.setattr(bench, "overhead", lambda points, rounds: 1.01)
        monkeypatch.setattr(bench, "exact_sampling", lambda rounds: 0.2)
        monkeypatch.setattr(bench_cells, "measure", lambda: ([("first cell: 06", 1.1, 1.3, " s")], ["First cells"]))
        monkeypatch.setattr(bench, "demo_rows", lambda rounds: [("demo x", slowest, 0.05, " s")])
        with pytest.raises(SystemExit) as stop:
            bench.main()
        return int(stop.value.code)

    return run


def test_bench_fails_when_a_budget_is_missed(quick, capsys):
    for slowest, code, last in ((0.04, 0, "5 passed, 0 failed"), (0.06, 1, "4 passed, 1 failed")):
        assert quick(slowest) == code
        rows = capsys.readouterr().out.splitlines()
        assert rows[-1] == last
        assert sum("MISSED" in row for row in rows) == code


def test_options_choose_what_is_measured(quick, monkeypatch, capsys):
    rows = {name: [(name, 1.0, 2.0, "")] for name in ("peers", "growth", "memory", "frames", "busy")}
    monkeypatch.setattr(bench, "with_peers", lambda: (rows["peers"], ["of peers"]))
    monkeypatch.setattr(bench_growth, "measure", lambda picture: (rows["growth"], [f"of growth {picture}"]))
    monkeypatch.setattr(bench_memory, "measure", lambda rounds: (rows["memory"], [f"of memory {rounds}"]))
    monkeypatch.setattr(bench_frames, "measure", lambda: (rows["frames"], ["of frames"]))
    monkeypatch.setattr(bench_busy, "measure", lambda numbers: (rows["busy"], [f"of busy {numbers}"]))
    said = {
        ("--peers",): ["of peers"],
        ("--growth", "--memory"): ["of growth None", "of memory 2"],
        ("--frames",): ["of frames"],
        ("--busy",): ["of busy ()"],
        ("--busy", "03", "12"): ["of busy ['03', '12']"],
    }
    for words, lines in said.items():
        assert quick(0.04, *words) == 0
        found = capsys.readouterr().out.splitlines()
        assert [line for line in found if line.startswith("of ")] == lines
        assert found[-1] == f"{len(lines)} passed, 0 failed"


def test_the_page_is_written_with_what_was_measured(quick, monkeypatch, tmp_path):
    monkeypatch.setattr(bench_page, "PAGE", tmp_path / "benchmarks.md")
    modules = {"growth": bench_growth, "memory": bench_memory, "frames": bench_frames, "busy": bench_busy}
    for part, module in modules.items():
        monkeypatch.setattr(module, "measure", lambda *a, p=part, **k: ([(f"{p} row", 3.0, 2.0, "")], [f"| {p} |"]))
    monkeypatch.setattr(bench, "with_peers", lambda: ([("peers row", 0.9, 1.0, "")], ["| peers |"]))
    assert quick(0.04, "--page") == 1
    text = (tmp_path / "benchmarks.md").read_text()
    assert torch.__version__ in text
    assert all(f"| {part} |" in text for part in ("peers", *modules))
    assert re.search(r"\| growth row +\| +3 \| +2 \| missed \|", text)
    assert re.search(r"\| peers row +\| +0.9 \| +1 \| +\|", text)
    assert "## Tried without success" in text
    assert not re.search(r"(?m)^.*\[NaN|None", text)


def test_the_page_in_docs_has_every_section():
    text = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    names = ("PROMISED", "PEERS", "GROWTH", "MEMORY", "FRAMES", "BUSY", "TRIED")
    assert [name for name in names if getattr(bench_page, name) not in text] == []
    assert (ROOT / "docs/growth.png").exists()


# ---------------------------------------------------------------- timing


def test_rounds_alternate_and_each_begins_with_another():
    order = []
    times = bench_timing.alternating(3, {name: lambda name=name: order.append(name) for name in "abc"})
    assert "".join(order) == "abc" + "abc" + "bca" + "cab"
    assert {name: len(column) for name, column in times.items()} == {"a": 3, "b": 3, "c": 3}


def test_ratios_and_spread():
    assert bench_timing.ratios([2.0, 3.0], [1.0, 2.0]) == [2.0, 1.5]
    assert bench_timing.quartiles([5.0, 1.0, 2.0, 3.0, 4.0]) == (2.0, 3.0, 4.0)
    assert bench_timing.spread([1.0, 2.0, 3.0, 4.0, 5.0], 1) == "3.0 [2.0, 4.0]"
    assert bench_timing.quartiles([7.0]) == (7.0, 7.0, 7.0)


def test_a_table_is_markdown():
    lines = bench_timing.table(["name", "ms"], [["a", 1.5], ["long name", 22]])
    assert lines == ["| name      |  ms |", "|-----------|----:|", "| a         | 1.5 |", "| long name |  22 |"]


# ---------------------------------------------------------------- peers


def test_the_ways_of_the_course_agree():
    """Without the peers' packages: by hand is the course, and a way that is not shows."""
    ours = (bench_peers.COURSE, bench_peers.BY_HAND)
    for name, batch in (("2D network", 5), ("MNIST U-Net", 2)):
        c = bench_peers.case(name, batch)
        works = {way: bench_peers.WAYS[way](c) for way in ours}
        assert bench_peers.farthest(works) < 1e-5
        works["other"] = bench_peers.by_hand(SimpleNamespace(**{**vars(c), "x": 1.001 * c.x}))
        assert bench_peers.farthest(works) > 1e-4


def test_what_is_measured_of_peers():
    ways = {bench_peers.FLOOR: bench_peers.bare_forwards, bench_peers.COURSE: bench_peers.the_course}
    ways["peer"] = bench_peers.by_hand
    rows, lines = bench_peers.measure((("2D network", 16, 2),), ways, ("peer",))
    assert [(row[0].split(": ")[1], row[2]) for row in rows] == [
        ("all ends agree, relative difference", bench_peers.AGREE),
        ("over its bare forwards", 1.6),
        ("over the faster peer, quartile", 1.0),
    ]
    assert len(lines) == 3
    assert all(row[1] > 0 for row in rows[1:])


def test_the_peers_are_pinned():
    pins = bench_peers.versions()
    assert all(name in pins for name in bench_peers.DIFFUSERS + bench_peers.SMALLDIFFUSION)


# ---------------------------------------------------------------- the others


def test_busy_takes_a_core_and_gives_it_back(monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(bench_busy.subprocess, "Popen", lambda command: started.append(Sleeper()) or started[-1])
    paths = [tmp_path / "notebooks" / "06_x.ipynb", tmp_path / "notebooks" / "solutions" / "06_x.ipynb"]
    monkeypatch.setattr(bench_busy, "chosen", lambda numbers: paths)
    seen = []

    def run(path):
        alive = sum(not program.dead for program in started)
        seen.append(alive)
        return path, 3.0 if alive else 1.0, 100.0

    rows, lines = bench_busy.measure(["06"], 2, run)
    assert rows == [("06_x: busy over quiet", 3.0, 2.0, "")]
    assert [count > 0 for count in seen] == [False, True, False, True]
    assert all(program.dead for program in started)
    assert re.sub(" +", " ", lines[2]) == "| 06_x | 1.0 | 3.0 | 3.00 |"


class Sleeper:
    """A program that another stands in for."""

    dead = False

    def kill(self):
        self.dead = True

    def wait(self):
        assert self.dead


def test_growth_is_measured_apart_and_drawn(monkeypatch, tmp_path):
    asked = []

    def apart(points, steps, block=None):
        asked.append((points, steps, block))
        slow = 2 if block is None and points == 4000 else 1
        return {"seconds": 1e-6 * points * steps * slow, "MB": 5.0}

    monkeypatch.setattr(bench_growth, "apart", apart)
    batches, steps = ((1, 50), (1000, 50), (4000, 10)), ((1000, 10), (1000, 50))
    rows, lines = bench_growth.measure(batches, steps, tmp_path / "growth.png")
    assert asked == [(1, 50, None), (1000, 50, None), (4000, 10, None), (1000, 10, None), (4000, 10, 1000)]
    assert [round(row[1], 6) for row in rows] == [1.0, 1.0]
    assert re.sub(" +", " ", lines[-1]) == "| 4,000 in blocks of 1,000 | 10 | 40.0 | 4.000 | 1.00 | 5 |"
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_one_row_of_growth():
    whole, blocks = bench_growth.once(40, 2, 40), bench_growth.once(40, 2, 10)
    assert whole.keys() == blocks.keys() == {"seconds", "MB"}
    assert 0 < whole["seconds"] < 10


@pytest.mark.skipif(sys.platform != "linux", reason="the settings are for Linux")
def test_memory_compares_with_and_without(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")
    bare, tuned = bench_memory.environments()
    assert not {*bench_memory.STEADY} & {*bare}
    assert tuned == bare | bench_memory.STEADY
    fake = lambda points, steps, env: {"seconds": 1.0 if env == tuned else 2.0, "MB": 3.0}
    monkeypatch.setattr(bench_memory, "apart", fake)
    rows, lines = bench_memory.measure(2, ((1000, 5),))
    assert rows == []
    assert "0.50 [0.50, 0.50]" in lines[2]


def test_no_first_cell_loads_what_it_does_not_use():
    """All of them in one new process: neither scikit-learn nor downloads nor the training command comes with them."""
    paths = sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb"))
    code = ["import sys", "heavy = {'sklearn', 'pooch', 'cfgedu.training.command'}"]
    for path in paths:
        code += [f"exec({bench_cells.first_cell(path)!r}, {{}})", f"print({path.stem!r}, *heavy & {{*sys.modules}})"]
    env = {**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", "\n".join(code)], cwd=ROOT, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    loaded = {row for row in run.stdout.splitlines() if row[:2].isdigit()}
    assert len(paths) > 30
    assert loaded == {path.stem for path in paths}


def test_a_first_cell_is_timed(tmp_path):
    from nbformat import write
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    path = tmp_path / "06_x.ipynb"
    write(new_notebook(cells=[new_markdown_cell("# x"), new_code_cell("x = 1"), new_code_cell("1 / 0")]), path)
    rows, lines = bench_cells.measure([path], tries=1)
    assert [(row[0], row[2]) for row in rows] == [("first cell beyond torch and pyplot: 06_x", bench_cells.BUDGET)]
    assert rows[0][1] < 0  # this cell needs neither
    assert lines[0].startswith("First cells, seconds of the processor: 06 0.")
