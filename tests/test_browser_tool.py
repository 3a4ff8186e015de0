"""The tool behind `course.py browser`, as far as it goes without a browser: programs, their end, what it concludes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from cfgedu import saving
from tools import browser

ROOT = Path(__file__).resolve().parent.parent
# A server that ignores SIGTERM, with a child that does so too; it writes both process ids to the file it is given.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(300)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
child.stdout.readline()
partial = sys.argv[1] + ".part"
with open(partial, "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename(partial, sys.argv[1])
time.sleep(300)
"""
# What tools/browser.py does around its work, with the stubborn server in JupyterLab's place.
HOLDER = """
import subprocess, sys, time
from cfgedu import saving
from tools import browser
browser.end.__defaults__ = (0.3,)
with browser.workplace() as (folder, programs):
    programs.append(subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]], start_new_session=True))
    print(folder, flush=True)
    time.sleep(300)
"""
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals: there taskkill ends the whole tree at once")


@pytest.fixture
def path(tmp_path, monkeypatch):
    """An empty PATH, and what makes a program on it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROME_BIN", raising=False)

    def program(name):
        file = tmp_path / (name + (".exe" if os.name == "nt" else ""))
        file.write_text("")
        file.chmod(0o755)
        return str(file)

    return program


def test_a_browser_is_found(path, monkeypatch):
    edge, chromium, mine, other = (path(name) for name in ("microsoft-edge", "chromium", "mine", "other"))
    assert browser.find_browser(platform="linux") == chromium
    os.remove(chromium)
    assert browser.find_browser(platform="linux") == edge
    monkeypatch.setenv("CHROME_BIN", mine)
    assert browser.find_browser() == mine
    assert browser.find_browser(other) == other


def test_a_browser_is_found_where_an_installer_put_it(path, monkeypatch):
    chrome = path("Google Chrome")
    monkeypatch.setitem(browser.INSTALLED, "darwin", ["/nowhere/Chromium", chrome])
    assert browser.find_browser(platform="darwin") == chrome


@pytest.mark.parametrize(
    ("platform", "how"), [("linux", "sudo apt install chromium"), ("darwin", "brew install"), ("win32", "winget")]
)
def test_without_a_browser_one_sentence_says_how_to_get_it(path, monkeypatch, platform, how):
    monkeypatch.setitem(browser.INSTALLED, platform, [])
    with pytest.raises(SystemExit, match=how) as stop:
        browser.find_browser(platform=platform)
    assert stop.value.code.startswith("Neither Chromium nor Chrome nor Edge was found: install one (")
    assert stop.value.code.count("\n") == 0
    with pytest.raises(SystemExit, match="There is no program nowhere: "):
        browser.find_browser("nowhere", platform)


def test_the_command_without_a_browser(tmp_path):
    env = dict(os.environ, CHROME_BIN=str(tmp_path / "none"))
    run = subprocess.run([sys.executable, "tools/browser.py"], cwd=ROOT, env=env, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("There is no program ")
    assert "Traceback" not in run.stderr


def is_alive(pid):
    """Whether a process runs; one that ended and waits for a parent to notice does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc/self").exists()  # without /proc, the answer of kill has to do


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


@posix
def test_programs_end_with_all_that_they_started(tmp_path):
    file = tmp_path / "ids"
    with browser.workplace() as (folder, programs):
        programs.append(subprocess.Popen([sys.executable, "-c", STUBBORN, str(file)], start_new_session=True))
        assert wait_for(file.exists)
        ids = [int(word) for word in file.read_text().split()]
        assert all(map(is_alive, ids))
        browser.end(programs[0], grace=0.3)
    assert wait_for(lambda: not any(map(is_alive, ids)))
    assert not folder.exists()


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(tmp_path, number):
    file = tmp_path / "ids"
    command = [sys.executable, "-c", HOLDER, STUBBORN, str(file)]
    holder = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    folder = Path(holder.stdout.readline().strip())
    assert wait_for(file.exists)
    ids = [int(word) for word in file.read_text().split()]
    assert folder.is_dir()
    holder.send_signal(number)
    assert holder.wait(60) == 128 + number
    assert wait_for(lambda: not any(map(is_alive, ids)))
    assert not folder.exists()


def test_workplace_gives_the_signals_back():
    before = signal.getsignal(signal.SIGINT)
    with contextlib.suppress(KeyError), browser.workplace() as (folder, _):
        assert signal.getsignal(signal.SIGINT) != before
        raise KeyError
    assert signal.getsignal(signal.SIGINT) == before
    assert not folder.exists()


def test_jupyterlab_starts_on_loopback_behind_a_token_on_copies(tmp_path):
    lesson = tmp_path / "06_x.ipynb"
    lesson.write_text("{}")
    with browser.workplace() as (folder, programs):
        address, token = browser.start_lab(folder, programs, [lesson])
        assert address.startswith("http://127.0.0.1:")
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{address}api/contents")
        with urllib.request.urlopen(f"{address}api/contents?token={token}") as answer:
            assert [item["name"] for item in json.load(answer)["content"]] == [lesson.name]
        assert json.loads((folder / "config" / saving.FILE).read_text()) == saving.CONFIG
        settings = f"{address}lab/api/settings/@jupyterlab/notebook-extension:tracker?token={token}"
        with urllib.request.urlopen(settings) as answer:
            assert json.load(answer)["settings"] == {"windowingMode": "none"}
    assert programs[0].poll() is not None
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{address}api", timeout=5)


def test_a_server_that_does_not_start_says_why():
    with browser.workplace() as (folder, programs), pytest.raises(SystemExit) as stop:
        browser.start_lab(folder, programs, [])  # no notebook, so no folder to serve
    assert stop.value.code.startswith("JupyterLab did not start:\n")
    assert "No such directory" in stop.value.code


@pytest.mark.parametrize(
    ("url", "outside"),
    [
        ("http://127.0.0.1:8888/lab/tree/x.ipynb", False),
        ("ws://127.0.0.1:8888/api/kernels/1/channels", False),
        ("blob:http://127.0.0.1:8888/7f", False),
        ("data:image/png;base64,AAAA", False),
        ("https://cdn.jsdelivr.net/npm/x.js", True),
        ("wss://example.org/socket", True),
        ("http://127.0.0.1.example.org/", True),
        ("http://127.0.0.1:8888/lab/api/news?1", True),
        ("http://127.0.0.1:8888/lab/api/update?1", True),
    ],
)
def test_what_lies_outside(url, outside):
    assert browser.is_outside(url) is outside


def cell(*outputs, count=1, tags=()):
    return {"outputs": list(outputs), "execution_count": count, "metadata": {"tags": list(tags)}}


def test_cells():
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no"}
    demo = {"output_type": "execute_result", "data": {"text/plain": "LiveFigure: a line"}}
    text = {"output_type": "stream", "text": "LiveFigure: printed"}
    cells = [cell(), cell(demo, count=2), cell(text, demo, count=3), cell(error, tags=["raises-exception"])]
    assert browser.check_cells(cells) == [2, 3]
    with pytest.raises(AssertionError, match="ValueError: no"):
        browser.check_cells([cell(demo), cell(error)])
    with pytest.raises(AssertionError, match="1 cells did not run"):
        browser.check_cells([cell(demo), cell(count=None)])


class Reopened:
    """A page, as far as try_reopening asks it: what it shows where demos are stored, and how many are live."""

    def __init__(self, *demos, live=0):
        self.demos, self.live, self.did = list(demos), live, []

    def evaluate(self, call, *arguments):
        self.did.append((call, *arguments) if arguments else call)
        return self.demos if call == "course.demos()" else None

    def wait_for_function(self, call):
        self.did.append(call)

    def locator(self, _):
        return SimpleNamespace(count=lambda: self.live)


def test_a_notebook_opened_again_shows_pictures():
    picture = {"width": 960, "text": "[2]:"}
    page = Reopened(picture, picture)
    assert browser.try_reopening(page, "06_x.ipynb", 2) == "2 pictures"
    opened = ("path => course.open(path)", "06_x.ipynb")
    assert page.did[:4] == ["course.save()", "course.close()", opened, "course.ready()"]
    with pytest.raises(AssertionError, match="1 of 2 demos are stored"):
        browser.try_reopening(Reopened(picture), "", 2)
    with pytest.raises(AssertionError, match="1 demos are stored as widgets"):
        browser.try_reopening(Reopened(picture, live=1), "", 1)
    with pytest.raises(AssertionError, match="Error displaying widget: model not found"):
        browser.try_reopening(Reopened({"width": 0, "text": "Error displaying widget: model not found"}), "", 1)


def test_summary():
    assert browser.summary({"r": [30.0, 10.0], "t": [20.0]}) == (20, 30)
    assert browser.summary({"r": [float(i) for i in range(100, 0, -1)]}) == (50.5, 90)
    assert browser.summary({"r": [5.0]}) == (5, 5)
    assert browser.summary({"r": []}) == (float("inf"), float("inf"))


def test_latencies_are_written_and_a_miss_is_named(tmp_path, capsys):
    timings = {"06": (100, {"time t": [40.04, 50.0, 60.0], "eta": []}), "10": (100, {"scale r": [140.0]})}
    browser.write_latencies({**timings, "12": (1000, {"scale r": [700.0]})}, tmp_path)
    written = json.loads((tmp_path / "latencies.json").read_text(encoding="utf-8"))
    found = {"median_ms": 50, "p90_ms": 60, "controls_median_ms": {"time t": 50}}
    assert written["demos"]["06"] == {"budget_ms": 100, **found}
    fast, slow, on_release = capsys.readouterr().out.splitlines()
    assert "06" in fast
    assert "over" not in fast
    assert "median  140 ms" in slow
    assert "over the budget of 100 ms" in slow
    assert "over" not in on_release


def test_which_notebooks(tmp_path):
    for name in ("00_a", "06_b", "11_c"):
        (tmp_path / f"{name}.ipynb").write_text("{}")

    def names(*words):
        return [path.stem for path in browser.chosen(words, tmp_path)]

    assert names() == ["00_a", "06_b", "11_c"]
    assert names("06", "notebooks/11_c.ipynb") == ["06_b", "11_c"]
    with pytest.raises(SystemExit, match="No notebook begins with 77"):
        names("06", "77")
