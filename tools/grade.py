"""`course.py grade NOTEBOOK ...`: runs learners' notebooks from clean kernels and prints which exercises are right.

Exercises are numbered as in the lessons: 06.2 is the second of notebook 06. A verdict is that of the course's own
check, as the learner's notebook calls it last: right, wrong, or - where there is no answer. A check that the notebook
redefines does not count. A cell that fails, or runs over the time limit, is named, and the cells after it run all the
same.

The notebooks are run as they are: where you do not know who wrote them, use a machine or a container that you can
afford to lose.
"""

import argparse
import importlib
import json
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell

from cfgedu.checks import Exercise
from cfgedu.files import write

LESSONS = Path(__file__).resolve().parent.parent / "notebooks"
SECONDS = 120
OPEN, SIGNS = "open", {"right": "✓", "wrong": "✗", "open": "-"}
# In the learner's kernel, before the first cell: every verdict is written down with the words that the check printed.
RECORDER = """
def record(file):
    import contextlib, io, json
    from cfgedu.checks import Exercise, unanswered

    ask = Exercise.__call__

    def recorded(self, answer=None, **options):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            verdict = ask(self, answer, **options)
        words = said.getvalue()
        print(words, end="")
        state = "right" if verdict else "open" if words.startswith(("·", "-")) else "wrong"
        with open(file, "a", encoding="utf-8") as lines:
            lines.write(json.dumps({"check": self.name, "verdict": state, "words": words.strip()}) + "\\n")
        return verdict

    Exercise.__call__ = recorded

record(%r)
del record
"""


def exercises(lesson):
    """{name of the check: (number "06.2", title)} of a published lesson, in its order."""
    prefix, found, heading = lesson.name[:2], {}, None
    module = importlib.import_module(f"cfgedu.exercises.n{prefix}")
    for cell in nbformat.read(lesson, as_version=4).cells:
        if cell.cell_type == "markdown":
            heading = next(iter(re.findall(r"^\*\*(\d+)\. (.+?)\.?\*\*", cell.source, re.MULTILINE)), heading)
        elif "# your turn" in cell.source and heading:
            for name in re.findall(r"\bcheck_\w+(?=\()", cell.source):
                if isinstance(check := getattr(module, name, None), Exercise):
                    found[check.name] = f"{prefix}.{heading[0]}", heading[1]
    return found


def lesson_of(notebook, path):
    """The published lesson of a learner's notebook, which its first heading names ("# 06 · ..."), or its file name."""
    first = next((cell.source for cell in notebook.cells if cell.cell_type == "markdown"), "")
    numbers = [match[1] for match in (re.match(r"# (\d\d) ·", first), re.match(r"(\d\d)_", path.name)) if match]
    for number in numbers:
        for lesson in LESSONS.glob(f"{number}_*.ipynb"):
            return lesson
    raise ValueError("its first heading has no number of a lesson, such as 06, nor has its file name")


def run(notebook, seconds):
    """Executes every cell, in place; returns the verdicts in order, and a line for each cell that failed."""
    notebook, problems = nbformat.v4.upgrade(notebook), []
    with tempfile.TemporaryDirectory(prefix="cfgedu-grade-") as folder:
        file = Path(folder) / "verdicts"
        file.touch()
        recorder = new_code_cell(RECORDER % str(file))
        notebook.cells.insert(0, recorder)
        client = NotebookClient(
            notebook,
            timeout_func=lambda cell: None if cell is recorder else seconds,  # it imports torch
            interrupt_on_timeout=True,
            allow_errors=True,
            kernel_name="python3",
            extra_arguments=["--log-level=CRITICAL"],
            resources={"metadata": {"path": str(LESSONS)}},
        )
        client.log.disabled = True  # a cell over its time is told below
        try:
            client.execute()
        except DeadKernelError:
            problems.append("its kernel died")
        except Exception as error:  # whatever a stranger's notebook does, the others are graded
            problems.append(f"it could not be run: {str(error).strip().splitlines()[0]}")
        verdicts = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    count = 0
    for cell in notebook.cells[1:]:
        count += cell.cell_type == "code"
        expected = "raises-exception" in cell.metadata.get("tags", ())
        for output in cell.get("outputs", ()):
            if output.output_type == "error" and not expected:
                over = output.ename == "KeyboardInterrupt"
                what = f"was stopped after {seconds} s" if over else f"raised {output.ename}: {output.evalue[:120]}"
                problems.append(f"code cell {count} {what}")
    return verdicts, problems


def grade(path, seconds=SECONDS):
    """One notebook's report: {notebook, lesson, right, of, exercises: [{number, title, verdict, words}], problems}."""
    report = {"notebook": str(path), "lesson": None, "right": 0, "of": 0, "exercises": [], "problems": []}
    try:
        notebook = nbformat.read(path, as_version=4)
        lesson = lesson_of(notebook, path)
    except Exception as error:  # of JSON that is no notebook, nbformat raises whatever its list or number lacks
        return report | {"problems": [f"{str(error).splitlines()[0]}" if str(error) else type(error).__name__]}
    verdicts, problems = run(notebook, seconds)
    last = {verdict["check"]: verdict for verdict in verdicts}
    rows = []
    for check, (number, title) in exercises(lesson).items():
        found = last.get(check, {"verdict": OPEN, "words": ""})
        rows.append({"number": number, "title": title, "verdict": found["verdict"], "words": found["words"]})
    right = sum(row["verdict"] == "right" for row in rows)
    found = {"lesson": lesson.stem, "right": right, "of": len(rows), "exercises": rows, "problems": problems}
    return report | found


def table(reports):
    """The reports as lines of text: one table for each lesson, a row for each notebook."""
    lines = []
    for lesson in sorted({report["lesson"] for report in reports if report["lesson"]}):
        mine = [report for report in reports if report["lesson"] == lesson]
        width = max(len(lesson), *(len(report["notebook"]) for report in mine))
        numbers = [row["number"] for row in mine[0]["exercises"]]
        lines += ["", f"{lesson:<{width}}  {'  '.join(numbers)}  right"]
        for report in mine:
            signs = "  ".join(SIGNS[row["verdict"]].center(len(row["number"])) for row in report["exercises"])
            lines.append(f"{report['notebook']:<{width}}  {signs}  {report['right']} of {report['of']}")
    for report in reports:
        lines += [f"{report['notebook']}: {problem}" for problem in report["problems"]]
    return "\n".join(lines).strip("\n")


def notebooks(words):
    """The notebooks that the words name; a folder names those in it and below, but no checkpoints of Jupyter."""
    found = []
    for path in map(Path, words):
        found += sorted(path.rglob("*.ipynb")) if path.is_dir() else [path]
    return [path for path in found if ".ipynb_checkpoints" not in path.parts]


def main():
    parser = argparse.ArgumentParser(prog="course.py grade", description=__doc__.splitlines()[0])
    parser.add_argument(
        "notebooks", nargs="+", metavar="NOTEBOOK", help="what was handed in: files, or folders of them"
    )
    parser.add_argument("--timeout", type=int, default=SECONDS, help="seconds that a cell may take (default: 120)")
    parser.add_argument("--json", metavar="FILE", help="also write the reports, with the words of each check, here")
    options = parser.parse_args()
    if options.timeout < 1:
        parser.error(f"argument --timeout: at least one second is needed, got {options.timeout}")
    paths = notebooks(options.notebooks)
    if not paths:
        parser.error(f"no notebook in {', '.join(options.notebooks)}")
    reports = []
    for path in paths:
        print(f"{path} ...", file=sys.stderr, flush=True)
        reports.append(grade(path, options.timeout))
    print(table(reports))
    if options.json:
        write(Path(options.json), (json.dumps(reports, indent=1, ensure_ascii=False) + "\n").encode())
    return any(report["problems"] and not report["exercises"] for report in reports)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
