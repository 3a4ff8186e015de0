"""The gallery in a browser: some demos alone, for a talk, and what it says when its server has ended."""

import threading

import pytest

from tests.site import OTHERS, with_the_extra
from tools import play

SEEN = "all => all.filter((element) => element.offsetParent).map((element) => element.textContent.slice(0, 2))"


@with_the_extra
@pytest.mark.parametrize(
    ("asked", "shown"),
    [("", 18), ("?demos=06", ["06"]), ("?demos=08", ["08", "08"]), ("?demos=06,11", ["06", "11"])],
)
def test_the_address_chooses_demos(every, browser, asked, shown):
    page = browser.new_page()
    page.goto((every[0] / "gallery.html").as_uri() + asked)
    numbers = page.eval_on_selector_all("article h2", SEEN)
    thumbs = page.eval_on_selector_all(".cfgedu-thumb span", SEEN)
    assert (len(numbers) if asked == "" else numbers) == shown
    assert thumbs == ([] if len(numbers) == 1 else numbers)
    page.close()


@with_the_extra
@pytest.mark.parametrize("folder", ["", *(f"{language}/" for language in OTHERS)])
def test_an_address_shows_its_demo_deep_in_a_page(every, browser, folder):
    page = browser.new_page()
    address = (every[0] / f"{folder}notebooks/08_condition_dropout.html").as_uri()
    page.goto(f"{address}#training.p_drop=0.5")
    page.locator("figure[data-demo=training] .cfgedu-readout", has_text="p_drop = 0.5").wait_for()
    assert -1 < page.locator("figure[data-demo=training]").bounding_box()["y"] < 400  # a page scrolls by whole pixels
    page.close()


@with_the_extra
def test_a_server_that_ends_is_told(every, browser):
    page = browser.new_page()
    with play.server_on(0, every[0]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/gallery.html?demos=06")
        assert not page.locator(".cfgedu-gone").is_visible()
        server.shutdown()
    page.locator(".cfgedu-gone").wait_for(state="visible", timeout=20_000)
    assert "The server has ended" in page.locator(".cfgedu-gone").inner_text()
    page.locator(".cfgedu-live canvas").wait_for()  # and the demo lives on
    page.close()
