"""The page's JavaScript, asked from Python in Playwright's own node, and a browser: what tests of pages share."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from math import inf
from pathlib import Path

import pytest

from tools import translation
from tools.browser import QUIET, find_browser
from tools.site_data import STYLE, scripts_of

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/site_golden.js"
SITE = ROOT / "site"
OTHERS = [language for language in translation.languages() if translation.finished(language)]
NEEDED = ("sphinx", "myst_parser", "furo", "playwright")
with_the_extra = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, NEEDED)), reason="`course.py site` installs what builds the site"
)

PLAYWRIGHT = importlib.util.find_spec("playwright")
needs_node = pytest.mark.skipif(
    PLAYWRIGHT is None, reason="playwright, whose node runs the page's scripts, comes with `course.py browser`"
)


@contextlib.contextmanager
def chromium():
    """A browser for a module's tests, found as `course.py browser` finds it; without one they are skipped."""
    reason = "playwright is not installed: `course.py browser` does that"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    try:
        program = find_browser()
    except SystemExit as missing:
        pytest.skip(str(missing))
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=[*QUIET, "--no-sandbox"])
        yield browser
        browser.close()


def node() -> Path:
    """The node that Playwright's wheel holds."""
    return Path(PLAYWRIGHT.origin).parent / "driver" / ("node.exe" if os.name == "nt" else "node")


def ask(questions: list[dict], scripts: list[Path]) -> list:
    """The answers of the scripts, loaded in this order, to questions of `site_golden.js`."""
    command = [node(), GOLDEN, *scripts]
    done = subprocess.run(command, input=json.dumps(questions), capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def distance(a, b) -> float:
    """The largest difference; nan (null in JSON) is as far off as can be."""
    return max(inf if u is None else abs(u - v) for u, v in zip(a, b, strict=True))


def wrong(rows, scripts: list[Path]) -> list[tuple[dict, float]]:
    """Of rows (question, the package's numbers, how far the page's may be off): what is answered otherwise, how far."""
    found, answers = [], ask([question for question, _, _ in rows], scripts)
    for (question, expected, tolerance), answer in zip(rows, answers, strict=True):
        off = inf if len(answer) != len(expected) or isinstance(answer, str) else distance(answer, expected)
        if not off <= tolerance:
            found.append((question, off))
    return found


def planted(scripts: list[Path], script: str, right: str, error: str, folder: Path) -> list[Path]:
    """The scripts with an error in place of what stands once in one of them."""
    source = next(path for path in scripts if path.stem == script)
    text = source.read_text(encoding="utf-8")
    assert text.count(right) == 1, f"{right!r} stands {text.count(right)} times in {source.name}"
    broken = folder / source.name
    broken.write_text(text.replace(right, error), encoding="utf-8")
    return [broken if path == source else path for path in scripts]


def bare_page(folder: Path, scripts: Path, names) -> Path:
    """A page with the demos alone, for file://, without the pictures that a real page shows until they live."""
    figures = "\n".join(f'<figure class="cfgedu-demo" data-demo="{name}"></figure>' for name in names)
    home = scripts.as_uri()
    loaded = "\n".join(f'<script defer src="{home}/{script}"></script>' for script in scripts_of(names))
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>demos</title>\n'
    style = f'<link rel="stylesheet" href="{home}/{STYLE}">'
    size = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    look = "<style>:root { color-scheme: light dark } body { margin: 12px; max-width: 1000px }</style>"
    page = folder / "page.html"
    page.write_text(
        f"{head}{style}{size}{look}\n<main><h1>Demos</h1>{figures}</main>\n{loaded}\n</html>\n", encoding="utf-8"
    )
    return page


def module(name):
    """A module of the folder site/, which is no package."""
    if str(SITE) not in sys.path:
        sys.path.append(str(SITE))
    return importlib.import_module(name)


class Reader(HTMLParser):
    """What a page holds: its elements by name, its ids."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.ids = {}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.elements.setdefault(tag, []).append(given)
        self.ids += [given["id"]] if "id" in given else []

    def all(self, *tags):
        return [given for tag in tags for given in self.elements.get(tag, ())]
