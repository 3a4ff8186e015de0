"""`course.py student FOLDER`: writes a copy of the course for learners, without solutions and without stored outputs.

Every file that belongs to the course goes along, but for the solutions, the tests, the notes for teachers (in all
languages), and what makes the web pages, which show the solutions. The
checks stay, and with them the tables of right answers that they compare with: the solutions are out of sight, but
whoever looks for the answers can find them.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # a script of this folder does not find the others by itself

from tools.clean import kept_by_git  # noqa: E402
from tools.published import ORIGINALS  # noqa: E402

SOLUTIONS = "notebooks/solutions"
LEFT_OUT = (SOLUTIONS, "tests", ".ci", ".github", "docs/teaching.md", "site", "tools/site.py", "tools/play.py")
LEFT_OUT += (ORIGINALS,)  # it holds the solutions too
NOT_OURS = ("build", "runs", "mine", "__pycache__")  # what is made on a learner's machine, in a copy without git
NOTES = {  # where links of the copy lead
    f"{SOLUTIONS}/README.md": "# Solutions\n\nThis copy of the course has none: whoever gave it to you does.\n",
    "docs/teaching.md": "# Teaching\n\nThe notes for teachers are with whoever gave you this copy of the course.\n",
}


def files(root=ROOT):
    """The paths of the course's own files, relative to the root: what git knows or, without git, what is there."""
    if (root / ".git").exists() and (kept := kept_by_git(root)):
        return sorted(path.relative_to(root) for path in kept if path.is_file())
    found = []
    for folder, below, names in os.walk(root):
        hidden = lambda name: name.startswith(".") and name not in (".gitignore",)
        below[:] = [
            name for name in below if not hidden(name) and not name.endswith(".egg-info") and name not in NOT_OURS
        ]
        found += [Path(folder, name).relative_to(root) for name in names if not hidden(name)]
    return sorted(found)


def left_out(path):
    name = path.as_posix()
    translated = re.match(r"translations/[^/]+/(solutions/|docs/teaching\.md)", name)
    return bool(translated) or any(name == left or name.startswith(f"{left}/") for left in LEFT_OUT)


def bare(path):
    """A notebook as text, without outputs and counts."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(notebook, version=4) + "\n"


def copy(target, root=ROOT):
    """Writes the copy; returns how many files it has. The folder is whole, or it is not there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
        new = Path(folder) / "copy"
        for path in files(root):
            if left_out(path):
                continue
            place = new / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".ipynb":
                place.write_text(bare(root / path), encoding="utf-8")
            else:
                shutil.copy2(root / path, place)
            count += 1
        for name, text in NOTES.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_text(text, encoding="utf-8")
        new.rename(target)
    return count + len(NOTES)


def main():
    parser = argparse.ArgumentParser(prog="course.py student", description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", metavar="FOLDER", type=Path, help="where the copy goes: a folder that is not there yet"
    )
    target = parser.parse_args().folder.expanduser().absolute()
    if os.path.lexists(target):
        raise SystemExit(f"{target} exists: name a folder that does not.")
    if target.is_relative_to(ROOT):
        raise SystemExit(f"{target} lies inside the course: name a folder beside it.")
    print(f"{copy(target)} files in {target}. In it, `python3 course.py lab` sets up and opens the first notebook.")


if __name__ == "__main__":
    main()
