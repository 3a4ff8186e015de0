"""Play mode: the gallery of the web edition, served on this machine; every demo has its name and its words."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

from tools import play, site_pages
from tools.browser import needed
from tools.site_cells import Picture, demos_of

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_each_demo_says_what_it_is_called_and_what_to_try(path):
    cells = nbformat.read(path, as_version=4).cells
    drawn = [cell.id for cell, _ in demos_of(nbformat.read(path, as_version=4))]
    told = {cell.id: cell.metadata["demo"] for cell in cells if "demo" in cell.metadata}
    assert list(told) == drawn
    for demo in told.values():
        assert len(demo["words"].split()) >= 10
        assert "*Try" in demo["words"]


def test_no_two_demos_have_one_name():
    cells = [cell for path in LESSONS for cell in nbformat.read(path, as_version=4).cells]
    names = [cell.metadata["demo"]["name"] for cell in cells if "demo" in cell.metadata]
    assert len(names) == len(LESSONS)
    assert len(set(names)) == len(names)


def test_the_gallery_has_each_demo_small_and_large_with_its_words():
    told = {"name": "Arrows", "words": "Long & short. *Try:* $r = 3$."}
    demo = {"demo": "arrows", "state": {"r": 3}, "alt": "two arrows and their sum"}
    text = site_pages.gallery([("06", "The vector", "notebooks/06_v", told, demo, Picture("f/a.webp", 90, 40))])
    assert '<a class="cfgedu-thumb" href="#demo-06"><img src="f/a.webp" alt="two arrows and their sum"' in text
    assert "<b>06 Arrows</b> The vector</span>" in text
    assert '## 06 Arrows\n\n<div class="cfgedu-anchor" id="demo-06"></div>\n\nLong & short. *Try:* $r = 3$.' in text
    assert 'data-demo="arrows"' in text
    assert 'href="notebooks/06_v.html#demo-arrows"' in text


@pytest.mark.parametrize(
    ("words", "numbers"), [([], []), (["06"], ["06"]), (["notebooks/11_digits.ipynb", "00"], ["00", "11"])]
)
def test_words_name_lessons(words, numbers):
    assert play.chosen(words) == numbers


def test_a_word_that_names_none_is_told():
    with pytest.raises(SystemExit, match="No lesson begins with 77"):
        play.chosen(["77"])


def test_what_a_demo_needs_are_the_tagged_cells_before_it():
    code = lambda **metadata: nbformat.v4.new_code_cell("1", metadata=metadata)
    cells = [code(tags=["play"]), code(), code(demo={}), code(tags=["play"])]
    assert needed(cells) == [0, 2]
    assert needed(cells[:2]) == []


def test_pages_are_built_where_there_are_none_or_the_course_is_newer(tmp_path):
    pages, source = tmp_path / "build/site", tmp_path / "notebooks/a.ipynb"
    source.parent.mkdir()
    source.touch()
    assert play.outdated(pages, tmp_path)
    pages.mkdir(parents=True)
    (pages / ".complete").touch()
    os.utime(source, (1, 1))
    assert not play.outdated(pages, tmp_path)
    os.utime(source)
    os.utime(pages / ".complete", (2, 2))
    assert play.outdated(pages, tmp_path)


def test_a_port_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SystemExit, match=r"^Port \d+ cannot be used \(.+\): name another"):
            play.server_on(taken.getsockname()[1])


def test_the_folder_is_served_to_this_machine_alone(tmp_path):
    (tmp_path / "gallery.html").write_text("demos", encoding="utf-8")
    (tmp_path.parent / "secret.txt").write_text("no", encoding="utf-8")
    with play.server_on(0, tmp_path) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.server_address
        assert host == "127.0.0.1"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/gallery.html?demos=06") as answer:
            assert answer.read() == b"demos"
            assert answer.headers["Cache-Control"] == "no-cache"
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/../secret.txt")
        server.shutdown()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_it_serves_until_it_is_ended(tmp_path, number, status):
    """Nothing is left to tidy: no kernel runs, and the pages are files."""
    (tmp_path / "gallery.html").touch()
    program = (
        "import sys; sys.argv = ['play', '06', '--no-browser']; from pathlib import Path; from tools import play;"
        f"make = play.server_on; play.server_on = lambda port: make(port, Path({json.dumps(str(tmp_path))}));"
        "play.outdated = lambda: False; play.main()"
    )
    running = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    line = running.stdout.readline()
    assert line.startswith("The demos are at http://127.0.0.1:")
    address = line.split()[4]
    assert address.endswith("/gallery.html?demos=06")
    with urllib.request.urlopen(address) as answer:
        assert answer.status == 200
    running.send_signal(number)
    assert running.wait(20) == status
    running.stdout.close()
