"""`course.py bench --frames`: what a frame of each demo costs in a page, in a browser that draws in software.

A control moves by one step with every frame, as under a hand that drags it. Counted is the time of the processor of all
processes of the browser: the numbers and the picture, the page around it, and what brings it to the screen. Of each
demo, the slider that costs most is shown. Demos without networks have a budget.
"""

import importlib.util
import re
from pathlib import Path

import psutil

from tools.bench_timing import table
from tools.site_data import DEMOS, NEEDS

SITE = Path(__file__).resolve().parent.parent / "build/site"
FRAMES, BUDGET = 100, 10  # frames a control, milliseconds a frame
REST = 700  # milliseconds until what comes after a last frame is over: the address, the listener
ASIDE = ("mnist_lab",)  # its digits come from a worker, some time after the frame that asks for them
EXACT = {*DEMOS} - {*NEEDS} | {"sampling_lab"}  # that one begins with exact scores
DRAG = """async ([id, frames]) => {
  const range = document.getElementById(id), figure = range.closest("figure"), { min, max, step } = range;
  const count = Math.round((max - min) / step) + 1;
  let script = 0;
  for (let k = 1; k <= frames; k++) {
    range.value = Number(min) + step * (k % count);
    range.dispatchEvent(new Event("input"));
    await new Promise(requestAnimationFrame);
    await new Promise((done) => setTimeout(done)); // the frame that was asked for is drawn
    script += Number(figure.dataset.ms) / frames;
  }
  return script;
}"""


def spent():
    """Milliseconds of the processor that the browser's processes have had; they are children of this one."""
    found = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        found += 1000 * (times.user + times.system)
    return found


def pages(site):
    """{demo: the first notebook's page that has it}."""
    found = {}
    for path in sorted((site / "notebooks").glob("[0-9]*.html")):
        for name in re.findall(r'data-demo="(\w+)"', path.read_text(encoding="utf-8")):
            found.setdefault(name, path)
    return {name: path for name, path in found.items() if name not in ASIDE}


def frames(browser, path, name, count=FRAMES):
    """{control: (milliseconds of a frame, of it the script's)} of the sliders of a demo in a page."""
    from tools.browser import WINDOW

    page = browser.new_page(viewport=WINDOW)
    page.goto(path.as_uri())
    figure, found = page.locator(f"figure[data-demo={name}]"), {}
    figure.scroll_into_view_if_needed()
    page.locator(f"figure[data-demo={name}][data-ms]").wait_for()
    for slider in figure.locator("input[type=range]:enabled").all():
        identity = slider.get_attribute("id")
        page.evaluate(DRAG, [identity, count // 10])  # what is made once is made
        page.wait_for_timeout(REST)
        before = spent()
        script = page.evaluate(DRAG, [identity, count])
        found[identity.rpartition("-")[2]] = ((spent() - before) / count, script)
        figure.get_by_role("button", name="reset").click()
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
            whole, script = costs[control]
            print(f"{name}: {control} {whole:.1f} ms, script {script:.1f} ms", flush=True)
            shown.append([name, control, f"{whole:.1f}", f"{script:.1f}"])
            if name in EXACT:
                rows.append((f"frame in a page, {name}: {control}", whole, BUDGET, " ms"))
        browser.close()
    return rows, table(["demo", "control", "ms a frame", "of it script"], shown)
