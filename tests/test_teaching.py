"""docs/teaching.md names only what exists, and its minutes follow the rule of the lessons' first cells."""

import re
from functools import cache
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/teaching.md"
LESSONS = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
WORDS, LINES, EXERCISE = 200, 10, 5  # words and lines of code that take a minute; minutes that an exercise takes


@cache
def minutes(number):
    """{section: minutes} of a lesson: "0" before the first section, "1", "2", ..., "what", "exercises"."""
    found, section, exercises = {"0": 0.0}, "0", 0
    for cell in nbformat.read(LESSONS[number], as_version=4).cells:
        if cell.cell_type == "markdown":
            if heading := re.search(r"^## (?:(\d+)\.|(\w+))", cell.source, re.MULTILINE):
                section = heading[1] or heading[2].lower()
            words = len(re.sub(r"\$\$.*?\$\$", "", cell.source, flags=re.DOTALL).split())
            found[section] = found.get(section, 0.0) + words / WORDS
        elif "# your turn" in cell.source:
            exercises += 1
        else:
            lines = sum(bool(line.strip()) for line in cell.source.splitlines())
            found[section] = found.get(section, 0.0) + lines / LINES
    return {name: max(1, round(spent)) for name, spent in found.items()} | {"exercises": EXERCISE * exercises}


def row(number):
    """A lesson's line in the table of minutes."""
    numbered = [f"{name}: {spent}" for name, spent in minutes(number).items() if name.isdigit()]
    title = nbformat.read(LESSONS[number], as_version=4).cells[0].source.split("\n")[0].split("· ")[1]
    return f"| {number} {title} | {', '.join(numbered)} | {minutes(number)['exercises']} |"


def routes():
    """[(number, sections, exercises, minutes)] of every row of a route: "| 06 | 1, 2, 5 | 06.1, 06.3 | 24 |"."""
    rows = re.findall(r"^\| (\d\d) \| ([\d, –all]+) \| ([\d., –]*) \| (\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    return [
        (number, sections, re.findall(r"\d\d\.\d", exercises), int(spent))
        for number, sections, exercises, spent in rows
    ]


def sections_of(number, text):
    """["0", "1", "2", "5"] for "1, 2, 5"; ranges as "1–4"; the lines before the first section are always read."""
    if text == "all":
        return [name for name in minutes(number) if name.isdigit()]
    found = ["0"]
    for part in text.split(", "):
        first, _, last = part.partition("–")
        found += map(str, range(int(first), int(last or first) + 1))
    return found


def test_the_table_of_minutes_is_that_of_the_lessons():
    lines = PAGE.read_text("utf-8").splitlines()
    missing = [row(number) for number in LESSONS if row(number) not in lines]
    assert not missing, "these rows belong into docs/teaching.md:\n" + "\n".join(missing)


def test_a_row_of_a_route_names_sections_that_exist_and_adds_up():
    wrong = []
    for number, sections, exercises, stated in routes():
        spent = sum(minutes(number)[name] for name in sections_of(number, sections)) + EXERCISE * len(exercises)
        assert all(name[:2] == number and int(name[3]) <= minutes(number)["exercises"] / EXERCISE for name in exercises)
        if spent != stated:
            wrong.append(f"{number} | {sections} | {exercises}: {spent}, not {stated}")
    assert routes()
    assert not wrong, "\n".join(wrong)


def test_a_routes_heading_has_the_minutes_of_each_of_its_sessions():
    three = re.split(r"^### ", PAGE.read_text("utf-8").split("\n## Minutes")[0], flags=re.MULTILINE)[1:]
    assert len(three) == 3
    for route in three:
        head, _, sessions = route.partition("\n")
        stated = [int(n) for n in re.findall(r"\d+", head.partition("(")[2])]
        tables = re.findall(r"(?:^\|.*\n)+", sessions, re.MULTILINE)
        spent = [re.findall(r"^\| \d\d \|.*?\| (\d+) \|", rows, re.MULTILINE) for rows in tables]
        assert stated == [sum(map(int, rows)) for rows in spent]
