"""`course.py browser [NN ...]`: every demo, tried in a real browser as a person with a keyboard would try it.

Copies of the notebooks are opened in JupyterLab, on loopback and with a throw-away configuration, in headless Chromium.
All cells run; every control of every demo is moved by keyboard and has to change its number and the picture; the
buttons are pressed; nothing may queue, jump, show an error or ask for anything outside this machine. Saved and opened
again without its kernel, the notebook has to show the pictures of its demos. build/browser/ then holds two screenshots
of each demo (as it starts, and with everything moved) and latencies.json: milliseconds from a key press to the frame
with its picture. A demo whose median is over its budget is named, one over TOO_SLOW budgets fails: between the two lies
what a busy machine does to a fast demo. The budget is ON_RELEASE where sliders wait for the hand to let go, as the
demo's class in the page says.
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

from cfgedu import saving

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build/browser"
WINDOWS = os.name == "nt"
BUDGET, ON_RELEASE, TOO_SLOW = 100, 1000, 4  # milliseconds; how many times that is a failure on any machine
PRESSES, HELD = 9, 20  # key presses for each slider (odd: to and fro ends elsewhere), and for a key held down
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


@contextlib.contextmanager
def step(results, name, page=None):
    """One check, printed and remembered, with what the block adds to the notes; a failed one leaves a screenshot."""
    notes, problem = [], None
    try:
        yield notes
    except Exception as error:
        problem = str(error).strip().split("\n")[0] or type(error).__name__
        with contextlib.suppress(Exception):  # the page may be gone, or there is none
            page.screenshot(path=OUT / f"failed-{len(results)}.png")
    results.append((name, problem))
    detail = f": {problem or ', '.join(notes)}" if problem or notes else ""
    print(f"  {'FAILED' if problem else 'ok':<6}  {name}{detail}", flush=True)


def try_notebook(context, address, token, name, results):
    """Runs one notebook and tries its demos; returns {demo: (budget, {control: [milliseconds, ...]})}."""
    print(name, flush=True)
    page, number, asked, timings, drawn = context.new_page(), name[:2], [], {}, 0
    page.set_default_timeout(OPEN)
    context.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    with step(results, f"{number} cells", page) as notes:
        page.goto(f"{address}lab/tree/{name}.ipynb?reset&token={token}")
        page.wait_for_function("course.ready()")
        began = time.monotonic()
        page.evaluate("limit => course.run(limit)", CELLS)
        notes.append(f"{time.monotonic() - began:.0f} s")
        drawn = check_cells(page.evaluate("course.code()"))
    page.set_default_timeout(ANSWER)
    for i in range(drawn):
        title = number if drawn == 1 else f"{number}-{i + 1}"
        with step(results, f"{title} demo", page) as notes:
            demo = page.locator(".cfgedu-live").nth(i)
            budget = ON_RELEASE if "cfgedu-on-release" in demo.get_attribute("class") else BUDGET
            timings[title] = budget, try_demo(page, demo, title, results)
            median, p90 = summary(timings[title][1])
            notes.append(f"median {median:.0f} ms, p90 {p90:.0f} ms")
            assert median <= TOO_SLOW * budget, f"{notes[0]}, against a budget of {budget} ms"
    with step(results, f"{number} saved and opened again", page) as notes:
        notes.append(try_reopening(page, drawn))
    with step(results, f"{number} nothing outside this machine", page) as notes:
        notes.append(f"{len(asked)} requests")
        outside = sorted(filter(is_outside, asked))
        assert not outside, f"asked for {', '.join(outside)}"
        page.evaluate("course.close()")
    return timings


def try_reopening(page, drawn):
    """On another day there is no kernel that knows the widgets: the page shows their pictures."""
    page.evaluate("course.save()")
    page.evaluate("course.close()")
    page.reload()
    page.wait_for_function("course.ready()")
    page.wait_for_function("course.demos().every(demo => demo.width)")
    shown = page.evaluate("course.demos()")
    assert len(shown) == drawn, f"{len(shown)} of {drawn} demos are stored"
    assert not (live := page.locator(".cfgedu-live").count()), f"{live} demos are stored as widgets"
    problems = [demo["text"] for demo in shown if "widget" in demo["text"]]  # "Error displaying widget: ..."
    assert not problems, problems[0]
    return f"{len(shown)} pictures"


def check_cells(cells):
    """Raises where a cell did not run, or shows an error that it does not announce; returns the number of demos."""
    outputs = [(cell, output) for cell in cells for output in cell["outputs"]]
    for cell, output in outputs:
        announced = "raises-exception" in cell["metadata"].get("tags", [])
        assert output["output_type"] != "error" or announced, f"{output['ename']}: {output['evalue']}"
    left = [cell for cell in cells if cell["execution_count"] is None]
    assert not left, f"{len(left)} cells did not run"
    return sum("LiveFigure: " in str(output.get("data", {}).get("text/plain")) for _, output in outputs)


# ---------------------------------------------------------------- one demo

WINDOW = {"width": 1366, "height": 900}  # a small laptop's
# What a key can reach, in the order in which it is tried: a choice may be what gives a slider its meaning.
KINDS = {"choice": "select", "tick": "input[type=checkbox]", "slider": "[role=slider]"}
ALL = "select, input, textarea, [role=slider]"


def try_demo(page, demo, title, results):
    """Every control and button of one demo; returns {control: [milliseconds, ...]}."""
    check = lambda name: step(results, f"{title} {name}", page)
    controls = demo.locator(", ".join(KINDS.values()))
    numbers = lambda: [part.evaluate("part => course.number(part)") for part in controls.all()]
    times, buttons = {}, {name: demo.get_by_role("button", name=name) for name in ("reset", "as code")}
    demo.scroll_into_view_if_needed()
    page.wait_for_function("demo => demo.querySelector('img')?.naturalWidth", arg=demo.element_handle())
    demo.evaluate("demo => course.watch(demo)")
    start = numbers(), at_rest(page)
    demo.screenshot(path=OUT / f"{title}.png")
    for kind, selector in KINDS.items():
        for part in demo.locator(selector).all():
            label = part.evaluate("part => course.label(part)")
            with check(f"{kind} {label}") as notes:
                times[label] = try_control(page, part, kind)
                notes += [f"{statistics.median(times[label]):.0f} ms"] if times[label] else []
    demo.screenshot(path=OUT / f"{title}-moved.png")
    with check("every control was tried"):
        assert demo.locator(ALL).count() == len(start[0]) > 0, "it has one that this program cannot move, or none"
    with check("a key held down drops pictures") as notes:
        notes.append(try_holding(page, demo.locator(KINDS["slider"]).first))
    if len(play := demo.locator(".widget-play button").all()):
        with check("plays"):
            try_playing(page, *play[:2])
    with check("nothing jumps"):
        heights = page.evaluate("course.log.heights")
        assert max(heights) - min(heights) <= 1, f"its height went from {min(heights)} to {max(heights)} pixels"
    with check("reset"):
        buttons["reset"].focus()
        answered(page, "Enter")
        assert (numbers(), at_rest(page)) == start, "the first picture did not come back"
    with check("as code"):
        press(page, buttons["as code"], "Enter")
        demo.locator("pre").filter(has_text="still(").wait_for()
        press(page, buttons["as code"], "Enter")
        demo.locator("pre").wait_for(state="hidden")
    with check("words for the picture, none of an error") as notes:
        notes.append(demo.get_by_role("img").get_attribute("title"))
        assert len(notes[0].split()) > 3, f"only {notes[0]!r}"
        assert not (error := demo.locator(".cfgedu-error")).count(), error.text_content()
    return times


def press(page, part, key):
    part.focus()
    page.keyboard.press(key)


def at_rest(page):
    """Waits for the sharp picture; returns the digest of its bytes."""
    page.wait_for_function("course.resting()")
    return page.evaluate("course.digest()")


def answered(page, *keys):
    """Milliseconds from the last of some key presses to the frame with its picture; "same" where that stayed."""
    page.evaluate("course.listen()")
    for key in keys:
        page.keyboard.press(key)
    return page.wait_for_function("course.answer()").json_value()


def keys_for(part, kind):
    """The keys that move a control by one, away from its end. JupyterLab keeps arrows from a list that is not open."""
    if kind == "tick":
        return ["Space"]
    now, most = part.evaluate("part => course.room(part)")
    if kind == "slider":
        return ["ArrowRight" if now < most else "ArrowLeft"]
    return ["Space", "ArrowDown" if now < most else "ArrowUp", "Enter"]


def try_control(page, part, kind):
    """Moves one control; returns the milliseconds that each key press took."""
    before = part.evaluate("part => course.number(part)"), at_rest(page)
    part.focus()
    answers = [answered(page, *keys_for(part, kind)) for _ in range(PRESSES if kind == "slider" else 1)]
    after = part.evaluate("part => course.number(part)"), at_rest(page)
    assert after[0] != before[0], f"its number is still {after[0]}"
    assert after[1] != before[1], "the picture is still the same"
    return [answer for answer in answers if answer != "same"]


def try_holding(page, handle):
    """A key held down: fewer pictures come than key presses."""
    before, keys = page.evaluate("course.log.pictures"), keys_for(handle, "slider")
    handle.focus()
    page.evaluate("course.listen()")
    for _ in range(HELD):
        page.keyboard.down(*keys)
    page.keyboard.up(*keys)
    page.wait_for_function("course.log.told < Infinity")
    at_rest(page)
    drawn = page.evaluate("course.log.pictures") - before
    assert drawn < HELD, f"{drawn} for {HELD} key presses"
    return f"{drawn} for {HELD} key presses"


def try_playing(page, button, stop):
    """The play button moves pictures by itself, from the start on, until it is pressed again."""
    stop.focus()
    answered(page, "Enter")
    before = page.evaluate("course.log.pictures")
    press(page, button, "Enter")
    page.wait_for_function("before => course.log.pictures > before + 2", arg=before)
    press(page, button, "Enter")
    at_rest(page)


# ---------------------------------------------------------------- all of them


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
    names = tuple(Path(number).name for number in numbers)
    unknown = [name for name in names if not list(folder.glob(f"{name}*"))]
    if unknown:
        raise SystemExit(f"No notebook begins with {', '.join(unknown)}.")
    return [path for path in sorted(folder.glob("*.ipynb")) if not names or path.name.startswith(names)]


def main():
    parser = argparse.ArgumentParser(prog="course.py browser", description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", metavar="NN", help="the notebooks to try, such as 06 (default: all)")
    parser.add_argument("--chromium", metavar="PATH", help="the browser: Chromium, Chrome or Edge")
    parser.add_argument("--dark", action="store_true", help="use JupyterLab's dark theme")
    parser.add_argument("--site", action="store_true", help="try the web edition in build/site instead")
    options = parser.parse_args()
    if options.site:
        sys.path.append(str(ROOT))
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
            for notebook in notebooks:  # one after the other, each with a page and a kernel of its own
                context = browser.new_context(viewport=WINDOW, service_workers="block")
                context.add_init_script(path=ROOT / "tools/browser.js")
                timings |= try_notebook(context, address, token, notebook.stem, results)
                context.close()
            browser.close()
    write_latencies(timings)
    failed = [name for name, problem in results if problem]
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
