"""`course.py browser [NN ...]`: every demo, tried in a real browser: by keyboard, by hand, with a screen reader.

Copies of the notebooks are opened in JupyterLab, on loopback and with a throw-away configuration, in headless Chromium.
The cells that a demo needs run (all cells in three notebooks), and tools/browser_demo.py tries what a demo offers;
nothing may queue, jump, show an error or ask for anything outside this machine. Saved and opened again without its
kernel, a notebook has to show the pictures of its demos. build/browser/ then holds screenshots of each demo (as it
starts, with a slider moved, three of them in the dark theme) and latencies.json: milliseconds from a key press to the
frame with its picture, each from the start state. A demo whose median is over its budget is named, one over TOO_SLOW
budgets fails: between the two lies what a busy machine does to a fast demo. The budget is ON_RELEASE where sliders wait
for the hand to let go, as the demo's class in the page says.
"""

import argparse
import contextlib
import json
import math
import os
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import nbformat

sys.path.append(str(Path(__file__).resolve().parent.parent))  # a script of tools/ finds cfgedu, but not tools

from cfgedu import saving
from tools.browser_demo import BUDGET, ON_RELEASE, step, try_demo
from tools.lessons import named

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build/browser"
WINDOWS = os.name == "nt"
TOO_SLOW = 4  # budgets of time, which are a failure on any machine
WHOLE = ("00", "06", "11")  # notebooks of which every cell runs: the first, the hero's, one that trains
OPEN, CELLS, ANSWER = 120_000, 600_000, 20_000  # milliseconds to wait: for a page, its cells, one answer of a demo

PROGRAMS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge"]
INSTALLED = {  # where installers put a browser that is not on the PATH
    "darwin": [f"/Applications/{n}.app/Contents/MacOS/{n}" for n in ("Chromium", "Google Chrome", "Microsoft Edge")],
    "win32": [
        os.path.join(os.environ.get(folder, "C:\\"), program)
        for folder in ("ProgramFiles", "ProgramFiles(x86)", "LocalAppData")
        for program in (r"Google\Chrome\Application\chrome.exe", r"Microsoft\Edge\Application\msedge.exe")
    ],
}
GET_ONE = {
    "darwin": "`brew install --cask google-chrome`, or the download from google.com/chrome",
    "win32": "`winget install Google.Chrome`",
    "linux": "`sudo apt install chromium` on Debian and Ubuntu, `sudo dnf install chromium` on Fedora",
}
QUIET = [  # a browser that asks for nothing by itself, and finds nothing outside if a page does
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-gpu", "--disable-quic", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
SETTINGS = {  # of JupyterLab: every cell is in the page, nothing is saved, no news
    "notebook-extension/tracker": {"windowingMode": "none"},
    "docmanager-extension/plugin": {"autosave": False},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}

# ---------------------------------------------------------------- the programs


def find_browser(given=None, platform=sys.platform):
    """The path of a Chromium, Chrome or Edge: the one given, else $CHROME_BIN, else one on the PATH or installed."""
    wish = given or os.environ.get("CHROME_BIN")
    names = [wish] if wish else [*PROGRAMS, *INSTALLED.get(platform, [])]
    found = next(filter(None, map(shutil.which, names)), None)
    if found:
        return found
    what = f"There is no program {wish}" if wish else "Neither Chromium nor Chrome nor Edge was found"
    raise SystemExit(
        f"{what}: install one ({GET_ONE.get(platform, GET_ONE['linux'])}), or name yours with --chromium PATH."
    )


def end(process, grace=10):
    """Ends a program and everything that it started."""
    if WINDOWS:
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True)
        process.wait()
        return
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)  # also the children of a parent that is gone
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


@contextlib.contextmanager
def workplace():
    """A temporary folder, and a list for programs: they end and it goes with the block, on Ctrl-C and SIGTERM too."""
    folder, programs = Path(tempfile.mkdtemp(prefix="cfgedu-browser-")).resolve(), []

    def clear():
        for process in programs:
            end(process)
        shutil.rmtree(folder, ignore_errors=True)

    def stop(number, _):  # no exception: it would wake up inside the event loop of Playwright, whose end it is as well
        clear()
        os._exit(128 + number)

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield folder, programs
    finally:
        clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def start_lab(folder, programs, notebooks, settings=SETTINGS, patience=120):
    """JupyterLab on a free port of loopback, on copies of the notebooks; returns its address and its token."""
    for notebook in notebooks:
        (folder / "work").mkdir(exist_ok=True)
        shutil.copy(notebook, folder / "work")
    for name, values in settings.items():
        file = folder / f"settings/@jupyterlab/{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
    saving.install(folder / "config")
    places = {f"JUPYTER_{name.upper()}_DIR": str(folder / name) for name in ("config", "data", "runtime")}
    places |= {f"JUPYTERLAB_{name.upper()}_DIR": str(folder / name) for name in ("settings", "workspaces")}
    token = secrets.token_hex(16)
    env = os.environ | places | {"IPYTHONDIR": str(folder / "ipython"), "JUPYTER_TOKEN": token}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--ServerApp.root_dir={folder / 'work'}"]
    with open(folder / "lab.log", "wb") as log:
        streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        server = subprocess.Popen(command, env=env, start_new_session=not WINDOWS, **streams)  # Ctrl-C is for us alone
    programs.append(server)
    until = time.monotonic() + patience
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError, ValueError, StopIteration):  # no file yet, half a file, no answer yet
            address = json.loads(next((folder / "runtime").glob("jpserver-*.json")).read_text())["url"]
            urllib.request.urlopen(f"{address}api", timeout=5).close()
            return address, token
        time.sleep(0.1)
    raise SystemExit(f"JupyterLab did not start:\n{(folder / 'lab.log').read_text(errors='replace')[-3000:]}")


def is_outside(url):
    """Whether the page asked for something that is not on this machine, or that makes the server look outside."""
    parts = urlsplit(url)
    remote = parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in ("127.0.0.1", "localhost")
    return remote or parts.path.startswith(("/lab/api/news", "/lab/api/update"))


# ---------------------------------------------------------------- one notebook


def needed(cells):
    """The places of the cells that show a demo and of those that it needs, which carry the tag `play`, in order."""
    shown = {place for place, cell in enumerate(cells) if "demo" in cell.metadata}
    tagged = [place for place, cell in enumerate(cells) if "play" in cell.metadata.get("tags", ())]
    return sorted({place for place in tagged if place < max(shown)} | shown) if shown else []


def try_notebook(page, path, results):
    """Runs one notebook and tries its demos; returns {demo: (budget, {control: [milliseconds, ...]})}.

    What its demos need runs alone; in the notebooks of WHOLE every cell does, and what all demos share is tried there.
    """
    print(path.stem, flush=True)
    number, timings, shown = path.name[:2], {}, []
    whole = number in WHOLE
    places = None if whole else needed(nbformat.read(path, as_version=4).cells)
    page.set_default_timeout(OPEN)
    with step(results, f"{number} cells", page, OUT) as notes:
        page.evaluate("path => course.open(path)", path.name)
        page.wait_for_function("course.ready()")
        began = time.monotonic()
        page.evaluate("([places, limit]) => course.run(places, limit)", [places, CELLS])
        notes.append(f"{time.monotonic() - began:.0f} s")
        shown = check_cells(page.evaluate("places => course.code(places)", places))
        assert shown, "none of them shows a demo"
    page.set_default_timeout(ANSWER)
    for i, output in enumerate(shown):
        title = number if len(shown) == 1 else f"{number}-{i + 1}"
        with step(results, f"{title} demo", page, OUT) as notes:
            demo = page.locator(".cfgedu-live").nth(i)
            budget = ON_RELEASE if "cfgedu-on-release" in demo.get_attribute("class") else BUDGET
            timings[title] = budget, try_demo(page, demo, title, results, OUT, output if whole else None)
            median, p90 = summary(timings[title][1])
            notes.append(f"median {median:.0f} ms, p90 {p90:.0f} ms")
            assert median <= TOO_SLOW * budget, f"{notes[0]}, against a budget of {budget} ms"
    if whole:
        with step(results, f"{number} saved and opened again", page, OUT) as notes:
            notes.append(try_reopening(page, path.name, len(shown)))
    page.evaluate("course.close()")
    return timings


def try_reopening(page, name, drawn):
    """On another day there is no kernel that knows the widgets: the page shows their pictures."""
    page.evaluate("course.save()")
    page.evaluate("course.close()")
    page.evaluate("path => course.open(path)", name)
    page.wait_for_function("course.ready()")
    page.wait_for_function("course.demos().every(demo => demo.width)")
    shown = page.evaluate("course.demos()")
    assert len(shown) == drawn, f"{len(shown)} of {drawn} demos are stored"
    assert not (live := page.locator(".cfgedu-live").count()), f"{live} demos are stored as widgets"
    problems = [demo["text"] for demo in shown if "widget" in demo["text"]]  # "Error displaying widget: ..."
    assert not problems, problems[0]
    return f"{len(shown)} pictures"


def check_cells(cells):
    """Raises where a cell did not run, or shows an error that it does not announce; returns the demos' numbers."""
    outputs = [(cell, output) for cell in cells for output in cell["outputs"]]
    for cell, output in outputs:
        announced = "raises-exception" in cell["metadata"].get("tags", [])
        assert output["output_type"] != "error" or announced, f"{output['ename']}: {output['evalue']}"
    left = [cell for cell in cells if cell["execution_count"] is None]
    assert not left, f"{len(left)} cells did not run"
    shows = lambda output: "LiveFigure: " in str(output.get("data", {}).get("text/plain"))
    return [cell["execution_count"] for cell, output in outputs if shows(output)]


# ---------------------------------------------------------------- all of them

WINDOW = {"width": 1366, "height": 900}  # a small laptop's


def summary(times):
    """The median and the 90th percentile of a demo's {control: [milliseconds, ...]}; infinite where nothing moved."""
    flat = [ms for each in times.values() for ms in each] or [float("inf")]
    return statistics.median(flat), sorted(flat)[math.ceil(0.9 * len(flat)) - 1]


def write_latencies(timings, folder=OUT):
    """Prints a table, one demo a line, and writes latencies.json."""
    demos = {}
    for title, (budget, times) in timings.items():
        median, p90 = summary(times)
        over = "" if median <= budget else f"  over the budget of {budget} ms: is the machine busy?"
        print(f"demo {title:<6} key press to picture: median {median:4.0f} ms, p90 {p90:4.0f} ms{over}")
        each = {label: round(statistics.median(some), 1) for label, some in times.items() if some}
        found = {"median_ms": round(median, 1), "p90_ms": round(p90, 1), "controls_median_ms": each}
        demos[title] = {"budget_ms": budget, **found}
    report = {"cores": os.cpu_count(), "demos": demos}
    (folder / "latencies.json").write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")


def chosen(numbers, folder=ROOT / "notebooks"):
    """The lessons that the words name (06, a file name or a path); all where there is none."""
    return named(numbers, sorted(folder.glob("*.ipynb")))


def main():
    parser = argparse.ArgumentParser(prog="course.py browser", description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", metavar="NN", help="the notebooks to try, such as 06 (default: all)")
    parser.add_argument("--chromium", metavar="PATH", help="the browser: Chromium, Chrome or Edge")
    parser.add_argument("--dark", action="store_true", help="use JupyterLab's dark theme")
    parser.add_argument("--site", action="store_true", help="try the web edition in build/site instead")
    options = parser.parse_args()
    if options.site:
        from tools import site_check

        return site_check.main([*options.numbers, *(["--chromium", options.chromium] if options.chromium else [])])
    program, notebooks = find_browser(options.chromium), chosen(options.numbers)
    from playwright.sync_api import sync_playwright  # an extra; the tests of this file do without

    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.glob("failed-*.png"):
        old.unlink()
    theme = {"apputils-extension/themes": {"theme": f"JupyterLab {'Dark' if options.dark else 'Light'}"}}
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    results, timings = [], {}
    with workplace() as (folder, programs):
        address, token = start_lab(folder, programs, notebooks, SETTINGS | theme)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=QUIET + root)
            page, asked = browser.new_context(viewport=WINDOW, service_workers="block").new_page(), []
            page.add_init_script(path=ROOT / "tools/browser.js")
            page.on("request", lambda request: asked.append(request.url))
            page.on("websocket", lambda socket: asked.append(socket.url))
            page.goto(f"{address}lab?reset&token={token}", timeout=OPEN)
            page.wait_for_function("window.jupyterapp", timeout=OPEN)  # the page is loaded before its program has begun
            for notebook in notebooks:  # one after the other, each with a kernel of its own
                timings |= try_notebook(page, notebook, results)
            with step(results, "nothing outside this machine") as notes:
                notes.append(f"{len(asked)} requests")
                outside = sorted(filter(is_outside, asked))
                assert not outside, f"asked for {', '.join(outside)}"
            browser.close()
    write_latencies(timings)
    failed = [name for name, problem in results if problem]
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
