"""`course.py grade`: verdicts are those of the checks, whatever a learner's notebook does around them."""

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import grade

ROOT = Path(__file__).resolve().parent.parent
TITLE = "# 00 · Start here"
IMPORTS = "from cfgedu.exercises.n00 import check_black_box, check_lines, check_scales"


def handed_in(folder, *cells, title=TITLE, name="anna.ipynb"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[new_markdown_cell(title), *map(new_code_cell, cells)]), path)
    return path


def verdicts(report):
    return {row["number"]: row["verdict"] for row in report["exercises"]}


def test_a_right_a_wrong_and_no_answer_beside_cells_that_fail(tmp_path):
    path = handed_in(
        tmp_path,
        IMPORTS,
        "1 / 0",
        "check_scales([0, 0, 0])",
        "check_scales([1.1, 6.5, 1])",
        "check_lines([1, 2, 3, 4, 5])",
        "import time; time.sleep(60)",
        "def measured_scale(un, cond, out):\n    return ...\n\ncheck_black_box(measured_scale)",
    )
    report = grade.grade(path, seconds=3)
    assert verdicts(report) == {"00.1": "right", "00.2": "wrong", "00.3": "open"}
    assert (report["right"], report["of"], report["lesson"]) == (1, 3, "00_start_here")
    assert report["exercises"][1]["words"].startswith("✗")
    assert [problem.split(":")[0] for problem in report["problems"]] == [
        "code cell 2 raised ZeroDivisionError",
        "code cell 6 was stopped after 3 s",
    ]


def test_a_check_of_ones_own_does_not_count_and_what_came_before_the_kernel_died_does(tmp_path):
    path = handed_in(
        tmp_path,
        IMPORTS,
        "check_scales([1.1, 6.5, 1])",
        "def check_lines(answer):\n    print('✓ five lines')\n    return True\n\ncheck_lines([])",
        "import os; os._exit(1)",
    )
    report = grade.grade(path, seconds=30)
    assert verdicts(report) == {"00.1": "right", "00.2": "open", "00.3": "open"}
    assert "its kernel died" in report["problems"]


def test_what_is_no_notebook_of_the_course_is_told(tmp_path):
    broken = tmp_path / "broken.ipynb"
    broken.write_text("{", encoding="utf-8")
    foreign = handed_in(tmp_path, "1", title="# My holidays", name="holidays.ipynb")
    listed, bare = tmp_path / "list.ipynb", tmp_path / "bare.ipynb"
    listed.write_text("[]", encoding="utf-8")
    cell = '{"cell_type": "markdown", "id": "a", "metadata": {}}'
    bare.write_text(f'{{"nbformat": 4, "nbformat_minor": 5, "metadata": {{}}, "cells": [{cell}]}}', encoding="utf-8")
    for path in (broken, listed, bare, foreign, tmp_path / "missing.ipynb"):
        report = grade.grade(path)
        assert report["problems"]
        assert not report["exercises"]
    assert "number of a lesson" in grade.grade(foreign)["problems"][0]


@pytest.mark.parametrize("lesson", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name[:2])
def test_every_exercise_of_a_lesson_has_its_number(lesson):
    titles = [cell.source for cell in nbformat.read(lesson, 4).cells if "# your turn" in cell.source]
    numbers = [number for number, _ in grade.exercises(lesson).values()]
    assert numbers == [f"{lesson.name[:2]}.{k + 1}" for k in range(len(titles))]


def test_the_table_names_every_notebook_and_every_problem(tmp_path):
    rows = [{"number": "00.1", "title": "Three scales", "verdict": "right", "words": ""}]
    base = {"lesson": "00_start_here", "right": 1, "of": 1, "exercises": rows, "problems": []}
    nothing = {"notebook": "b.ipynb", "lesson": None, "right": 0, "of": 0, "exercises": [], "problems": ["no lesson"]}
    assert grade.table([{"notebook": "a.ipynb", **base}, nothing]).splitlines() == [
        "00_start_here  00.1  right",
        "a.ipynb         ✓    1 of 1",
        "b.ipynb: no lesson",
    ]


def test_folders_are_searched_but_not_for_checkpoints(tmp_path):
    path = handed_in(tmp_path, name="anna/00.ipynb")
    handed_in(tmp_path, name="anna/.ipynb_checkpoints/00.ipynb")
    assert grade.notebooks([str(tmp_path)]) == [path]


def test_from_the_command_line(tmp_path, monkeypatch, capsys):
    report = {"notebook": "a", "lesson": None, "right": 0, "of": 0, "exercises": [], "problems": ["no lesson"]}
    monkeypatch.setattr(grade, "grade", lambda path, seconds: report)
    file = tmp_path / "report.json"
    monkeypatch.setattr("sys.argv", ["grade", "a.ipynb", "--json", str(file)])
    assert grade.main()  # nothing could be graded
    assert json.loads(file.read_text(encoding="utf-8")) == [report]
    for words in (["--timeout", "0", "a"], [str(tmp_path / "nothing-here"), "--timeout", "x"], []):
        monkeypatch.setattr("sys.argv", ["grade", *words])
        with pytest.raises(SystemExit) as stop:
            grade.main()
        assert stop.value.code == 2
    capsys.readouterr()
