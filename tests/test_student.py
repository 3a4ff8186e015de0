"""`course.py student`: a copy that a class can be given."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import student
from tools.published import ORIGINALS

ROOT = Path(__file__).resolve().parent.parent


def test_the_copy_has_lessons_without_outputs_and_no_solution(tmp_path):
    target = tmp_path / "Kurs 한국어"
    assert student.copy(target) > 100
    lessons = sorted(path.name for path in (target / "notebooks").glob("*.ipynb"))
    assert lessons == sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert [path.name for path in (target / "notebooks/solutions").iterdir()] == ["README.md"]
    assert (target / "translations/ko/06_guidance_vector.md").exists()
    assert not [*target.glob("translations/*/solutions"), *target.glob("translations/*/docs/teaching.md")]
    for path in (target / "notebooks").glob("*.ipynb"):
        theirs, ours = (json.loads(p.read_text(encoding="utf-8")) for p in (path, ROOT / "notebooks" / path.name))
        assert [cell["source"] for cell in theirs["cells"]] == [cell["source"] for cell in ours["cells"]]
        assert [cell["id"] for cell in theirs["cells"]] == [cell["id"] for cell in ours["cells"]]
        code = [cell for cell in theirs["cells"] if cell["cell_type"] == "code"]
        assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert not any((target / name).exists() for name in ("tests", ".ci", ".git", ".venv"))
    assert "AI" not in (target / "docs/teaching.md").read_text(encoding="utf-8")  # a note in place of the notes
    for page in [target / "README.md", *(target / "docs").glob("*.md")]:
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name} leads to {link}"
    assert (target / "data/mnist-unet.safetensors").stat().st_size > 1e6
    words = subprocess.run([sys.executable, "course.py", "--help"], cwd=target, capture_output=True, text=True)
    assert words.returncode == 0
    assert "    lab " in words.stdout
    assert "    site " not in words.stdout  # the pages are made from stored outputs and solutions
    assert not list(tmp_path.glob(".*"))  # nothing else is left there


def test_without_git_the_copy_has_what_is_there_but_for_what_a_machine_made(tmp_path):
    for name in (
        "course.py",
        "cfgedu/a.py",
        ".gitignore",
        ".venv/x",
        "build/x",
        "cfgedu/__pycache__/a.pyc",
        "x.egg-info/y",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.as_posix() for path in student.files(tmp_path)] == [".gitignore", "cfgedu/a.py", "course.py"]


def test_from_a_copy_that_was_a_zip_the_published_notebooks_stay_out(tmp_path):
    """They are there for `course.py restore`, with the solutions among them."""
    root = tmp_path / "unpacked"
    (root / "cfgedu").mkdir(parents=True)
    for name in ("course.py", "cfgedu/a.py", ORIGINALS):
        (root / name).touch()
    student.copy(tmp_path / "class", root)
    assert (tmp_path / "class/cfgedu/a.py").exists()
    assert not (tmp_path / "class" / ORIGINALS).exists()


def test_a_folder_that_exists_or_lies_in_the_course_is_refused(tmp_path, monkeypatch):
    for folder, words in ((tmp_path, "exists"), (ROOT / "build/students", "inside the course")):
        monkeypatch.setattr("sys.argv", ["student", str(folder)])
        with pytest.raises(SystemExit, match=words):
            student.main()
