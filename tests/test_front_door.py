"""README, CONTRIBUTING and CITATION: what they show runs, what they name exists."""

import contextlib
import io
import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from PIL import Image

import cfgedu
import course
from cfgedu.schedule import linear

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "docs/teaching.md")


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_example_of_the_package_prints_what_readme_says(capsys):
    [code] = blocks("README.md", "python")
    [said] = blocks("README.md", "text")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), {})
    numbers = lambda text: [float(number) for number in re.findall(r"\d\.\d\d", text)]
    words = lambda text: re.sub(r"\d\.\d\d", "", text).strip()
    assert words(printed.getvalue()) == words(said)
    assert numbers(printed.getvalue()) == pytest.approx(
        numbers(said), abs=0.015
    )  # training rounds differently elsewhere


@pytest.mark.parametrize("page", PAGES)
def test_every_word_of_course_that_a_page_names_exists(page):
    named = set(re.findall(r"course\.py (?:--\w+ )*([a-z]\w*)", (ROOT / page).read_text("utf-8")))
    assert named
    assert named <= set(course.WORDS), named - set(course.WORDS)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_links_exists(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / page).read_text("utf-8"))
    assert links or page != "README.md"
    assert not [link for link in links if not ((ROOT / page).parent / link).exists()]


def test_readme_has_the_words_for_learners_and_teachers_alone():
    """Maintenance stands in CONTRIBUTING."""
    rows = re.findall(r"^\| `python3 course\.py (\w+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert all(course.WORDS[word].group != "maintain" for word in rows)
    kept = re.findall(r"^\| `python3 course\.py (\w+)", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    assert {name for name, word in course.WORDS.items() if word.group == "maintain"} <= set(kept)


def test_the_citation_has_the_version_of_the_package():
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.search(r"^version: (.+)$", text, re.MULTILINE)[1] == cfgedu.__version__


def test_the_moving_picture_moves_and_is_small():
    path = ROOT / "docs/digits.gif"
    with Image.open(path) as film:
        assert film.n_frames > 20
        assert film.info.get("loop") == 0  # from the beginning again
    assert path.stat().st_size < 1_000_000


def test_the_code_of_the_cheat_sheet_trains_and_samples():
    """Its two blocks, around an exact network: the loss of the truth is 0, and every start ends in its x_0."""
    training, sampling = blocks("docs/cheatsheet.md", "python")
    schedule, x0 = linear(), torch.tensor([[1.0, -2.0]]).repeat(8, 1).double()

    def net(x, t, y):
        a = schedule.alpha_bar.double()[t][:, None]
        return (x - a.sqrt() * x0[:1]) / (1 - a).sqrt()

    names = {"torch": torch, "NULL": -1, "T": schedule.T, "p_drop": 0.1, "alpha_bar": schedule.alpha_bar.double()}
    names |= {"x0": x0, "y": torch.zeros(8).long(), "net": net, "pairwise": pairwise, "n": 8, "r": 3.0}
    exec(training, names)
    assert names["loss"] < 1e-12
    names |= {"a": schedule.alpha_bar.tolist(), "times": [1000, 600, 200, 0], "x": torch.randn(8, 2).double()}
    names |= {"null": torch.full((8,), -1)}
    exec(sampling, names)
    torch.testing.assert_close(names["x"], x0)
