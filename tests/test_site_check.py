"""The look at the web edition: what it takes for a fault, on pages with one planted fault each."""

import importlib.util
import urllib.request

import pytest

from tests.site import chromium
from tools import site_check

PAGE = '<!doctype html><html lang="en"><title>t</title><main><h1>t</h1>{}</main></html>'
FAULTS = {
    "fine": ("", None),
    "outside": ("<script src='https://example.org/x.js'></script>", "asks for https://example.org/x.js"),
    "missing": ("<img src='none.webp' alt='a picture'>", "does not show"),
    "error": ("<script>throw Error('planted')</script>", "error: planted"),
    "said": ("<script>console.error('planted')</script>", "console: planted"),
    "wide": ("<p style='width: 900px'>a</p>", "the page is "),
    "nameless": ("<button></button>", "axe: button-name (critical)"),
    "box": ("<pre style='overflow-x: auto'>" + "x" * 300 + "</pre>", "axe: scrollable-region-focusable (serious)"),
}


@pytest.fixture
def site(tmp_path):
    for name, (fault, _) in FAULTS.items():
        (tmp_path / f"{name}.html").write_text(PAGE.format(fault), encoding="utf-8")
    return tmp_path


def test_words_choose_pages(site):
    assert site_check.pages(site=site) == sorted(FAULTS)
    assert site_check.pages(["out", "fin"], site) == ["fine", "outside"]
    with pytest.raises(SystemExit, match="No page has nothing"):
        site_check.pages(["nothing"], site)
    with pytest.raises(SystemExit, match="course.py site"):
        site_check.pages(site=site / "none")


def test_the_site_is_served(site):
    with site_check.served(site) as address, urllib.request.urlopen(f"{address}/fine.html") as answer:
        assert answer.read().startswith(b"<!doctype html>")


@pytest.fixture(scope="module")
def program():
    if importlib.util.find_spec("axe_playwright_python") is None:
        pytest.skip("axe-core is not installed: `course.py browser` does that")
    with chromium() as started:
        yield started


@pytest.mark.parametrize("served", [False, True], ids=["folder", "server"])
def test_each_planted_fault_is_found_and_nothing_else(site, program, served):
    with site_check.served(site) as address:
        home = address if served else site.as_uri()
        found = site_check.looked_at(program, home, list(FAULTS), "phone-dark", site_check.axe())
    for name, (_, trouble) in FAULTS.items():
        here = [text for page, text in found if page == name]
        assert any(text.startswith(trouble) for text in here) if trouble else here == []
