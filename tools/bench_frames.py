"""`course.py bench --frames`: what a frame of each demo costs in a page, in a browser that draws in software.

A slider moves by one step with every frame, as under a hand that drags it. Counted is the time of the processor of all
processes of the browser. Where no network is at work, a frame has a budget. In an empty frame the slider moves and the
demo hears nothing of it: that is what page and browser cost by themselves, and is part of the frame. Of each demo, the
slider that costs most is shown; numbers are medians.
"""

import importlib.util
import re
from pathlib import Path
from statistics import median

import psutil

from tools.bench_timing import table
from tools.site_data import DEMOS, NEEDS

SITE = Path(__file__).resolve().parent.parent / "build/site"
ROUNDS, FRAMES, BUDGET = 3, 60, 10  # of each control, frames a round, milliseconds a frame
OPEN = 3000  # milliseconds until a browser has done what it does when it opens a page
REST = 700  # milliseconds until what comes after a last frame is over: the address, the listener
ASIDE = ("mnist_lab",)  # its digits come from a worker, some time after the frame that asks for them
EXACT = {*DEMOS} - {*NEEDS} | {"sampling_lab"}  # that one begins with exact scores
DRAG = """async ([id, frames, heard]) => {
  const range = document.getElementById(id), figure = range.closest("figure"), { min, max, step } = range;
  const count = Math.round((max - min) / step) + 1;
  let script = 0;
  for (let k = 1; k <= frames; k++) {
    range.value = Number(min) + step * (k % count);
    if (heard) {
      range.dispatchEvent(new Event("input"));
    }
    await new Promise(requestAnimationFrame);
    await new Promise((done) => setTimeout(done)); // the frame that was asked for is drawn
    script += Number(figure.dataset.ms) / frames;
  }
  return script;
}"""


def processor():
    """Seconds of the processor that the browser's processes have had: this one's children, Playwright's node aside."""
    found = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            found += 0.0 if process.name().startswith("node") else sum(process.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return found


def pages(site):
    """{demo: the first notebook's page that has it}."""
    found = {}
    for path in sorted((site / "notebooks").glob("[0-9]*.html")):
        for name in re.findall(r'data-demo="(\w+)"', path.read_text(encoding="utf-8")):
            found.setdefault(name, path)
    return {name: path for name, path in found.items() if name not in ASIDE}


def frames(browser, path, name, count=FRAMES):
    """{control: (milliseconds of a frame, of an empty one, of the script in a frame)} of the sliders of a demo."""
    from tools.browser import WINDOW

    page = browser.new_page(viewport=WINDOW)
    page.goto(path.as_uri())
    figure, found = page.locator(f"figure[data-demo={name}]"), {}
    figure.scroll_into_view_if_needed()
    page.locator(f"figure[data-demo={name}][data-ms]").wait_for()
    page.wait_for_timeout(OPEN)
    for slider in figure.locator("input[type=range]:enabled").all():
        identity = slider.get_attribute("id")
        page.evaluate(DRAG, [identity, count // 10, True])  # what is made once is made
        rounds = []
        for _ in range(ROUNDS):
            costs = []
            for heard in (False, True):
                page.wait_for_timeout(REST)
                before = processor()
                script = page.evaluate(DRAG, [identity, count, heard])
                costs.append(1000 * (processor() - before) / count)
            rounds.append((costs[1], costs[0], script))
        found[identity.rpartition("-")[2]] = tuple(median(part) for part in zip(*rounds, strict=True))
        figure.get_by_role("button", name="reset").dispatch_event("click")  # no pointer stays there: that costs too
    page.close()
    return found


def measure(site=SITE, count=FRAMES):
    """(rows with budgets, lines of a table) of the pages that `course.py site` has built."""
    if not (site / "notebooks").is_dir() or not importlib.util.find_spec("playwright"):
        raise SystemExit(
            f"Frames are measured in the pages of {site}, with Playwright: `python3 course.py site` builds them, and "
            "the first `python3 course.py browser` fetches it."
        )
    from playwright.sync_api import sync_playwright

    from tools.browser import QUIET, find_browser

    rows, shown = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=QUIET)
        for name, path in pages(site).items():
            costs = frames(browser, path, name, count)
            control = max(costs, key=costs.get)
            whole, empty, script = costs[control]
            shown.append([name, control, f"{whole:.1f}", f"{empty:.1f}", f"{script:.1f}"])
            print(*shown[-1], flush=True)
            if name in EXACT:
                rows.append((f"frame in a page, {name}: {control}", whole, BUDGET, " ms"))
        browser.close()
    return rows, table(["demo", "control", "ms a frame", "an empty frame", "script"], shown)
