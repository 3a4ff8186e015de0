"""docs/questions.md: every answer says where the course shows it, and that place exists."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs/questions.md").read_text(encoding="utf-8")
ANSWERS = re.findall(r"^\*\*(.+)\*\*\n((?:.+\n)+)", TEXT, re.MULTILINE)  # those that people ask, with their answers


def sections(path):
    """{number: title} of a notebook's numbered sections."""
    cells = nbformat.read(path, as_version=4).cells
    rows = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return dict(re.findall(r"^## (\d+)\. (.+)$", rows, re.MULTILINE))


def test_there_are_thirty_questions():
    assert len(ANSWERS) == 30


@pytest.mark.parametrize(("question", "answer"), ANSWERS, ids=[question[:40] for question, _ in ANSWERS])
def test_every_answer_is_short_and_points_to_what_shows_it(question, answer):
    words, where = answer.split("*Where: ")
    assert 2 <= len(re.findall(r"[.?!](?=\s)", words)) <= 6
    parts = re.split(r"; (?=\[)", where.strip().removesuffix("*").removesuffix("."))
    for part in parts:
        link = re.match(r"\[.+?\]\((.+?)\)", part)[1]
        path = (ROOT / "docs" / link).resolve()
        assert path.exists(), link
        if path.suffix == ".ipynb":
            titles, named = sections(path), re.findall(r'section (\d+), "(.+?)"(?:$|, and|, "|; )', part + "; ")
            assert named, part
            assert {number: titles.get(number) for number, _ in named} == dict(named)
