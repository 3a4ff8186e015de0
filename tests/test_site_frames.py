"""`course.py bench --frames`: what it measures in the pages, and what it says where there are none."""

from types import SimpleNamespace

import pytest

from tests.site import with_the_extra
from tools import bench_frames
from tools.site_data import LIVE


def test_without_pages_it_says_what_to_do(tmp_path):
    with pytest.raises(SystemExit, match="course.py site.*course.py browser"):
        bench_frames.measure(tmp_path)


@with_the_extra
def test_every_demo_but_those_that_compute_aside_is_found(every):
    assert {*bench_frames.pages(every[0])} == {*LIVE} - {*bench_frames.ASIDE}


@with_the_extra
def test_every_slider_is_moved_and_what_the_page_does_is_counted(every, browser, monkeypatch):
    """A page that computes for 40 ms more with each frame costs as much more, beside the script of the demo."""
    monkeypatch.setattr(bench_frames, "OPEN", 300)  # for an exact figure the browser has to be at rest
    monkeypatch.setattr(bench_frames, "REST", 50)
    monkeypatch.setattr(bench_frames, "ROUNDS", 1)
    path = bench_frames.pages(every[0])["guidance_vector"]
    costs = bench_frames.frames(browser, path, "guidance_vector", count=20)
    assert {*costs} == {"t", "r", "px", "py"}
    assert all(0 < script < whole and 0 < empty < whole for whole, empty, script in costs.values())

    def new_page(**look):
        page = browser.new_page(**look)
        page.add_init_script("""const ask = requestAnimationFrame;
          globalThis.requestAnimationFrame = (draw) => ask((now) => {
            for (const end = performance.now() + 20; performance.now() < end;);
            draw(now);
          });""")  # the scene asks once in a frame, and the measurement asks too
        return page

    slow = bench_frames.frames(SimpleNamespace(new_page=new_page), path, "guidance_vector", count=20)
    assert slow["r"][0] > costs["r"][0] + 20  # on a busy machine, others have the processor for a part of that time
