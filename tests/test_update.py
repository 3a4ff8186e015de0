"""`course.py update`, `restore` and `zip` in throw-away repositories: nothing of the learner's is ever lost."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest

from tools import published, update

ROOT = Path(__file__).resolve().parent.parent
TODAY = f"mine/{date.today()}"
SIX, SOLUTION = "notebooks/06_guidance.ipynb", "notebooks/solutions/06_guidance.ipynb"
git_only = pytest.mark.skipif(not shutil.which("git"), reason="needs git")
posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX file system")
SETTINGS = ["user.name=T", "user.email=t@example.org", "init.defaultBranch=main", "commit.gpgSign=false"]


def git(folder, *args):
    settings = [part for setting in SETTINGS for part in ("-c", setting)]
    done = subprocess.run(["git", *settings, *args], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def save(folder, text="{}", name=SIX):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def publish(teacher, text="new", name="notebooks/01_noise.ipynb"):
    """A new commit at the remote."""
    save(teacher, text, name)
    git(teacher, "add", "-A")
    git(teacher, "commit", "-q", "-m", "more")
    git(teacher, "push", "-q")


def course(folder, *args):
    """(exit status, everything printed) of a word in the copy of the course in `folder`."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(update, "ROOT", folder)
        said = update.main(args)
    return (0, printed.getvalue()) if said == 0 else (1, f"{printed.getvalue()}{said}")


def script(folder, *args, **env):
    """The same as a program of its own, run from another folder."""
    command = [sys.executable, str(folder / "tools/update.py"), *args]
    done = subprocess.run(command, cwd=folder.parent, capture_output=True, env={**os.environ, **env})
    return done.returncode, (done.stdout + done.stderr).decode()


def files(folder):
    """{path: content} of everything but git's own and Python's caches."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8", errors="replace")
        for path in folder.rglob("*")
        if path.is_file() and not {".git", "__pycache__"} & set(path.parts)
    }


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A bare remote with the course's tools and some small notebooks, and the teacher's clone of it."""
    place = tmp_path_factory.mktemp("published")
    git(place, "init", "-q", "--bare", "origin.git")
    git(place, "clone", "-q", "origin.git", "teacher")
    teacher = place / "teacher"
    for name in ("tools/update.py", "tools/published.py", ".gitignore"):
        (teacher / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, teacher / name)
    for name in (SIX, SOLUTION, "notebooks/00_start.ipynb"):
        save(teacher, f"published {name}", name)
    save(teacher, "code = 1\n", "cfgedu/toy.py")
    git(teacher, "checkout", "-q", "-b", "main")
    git(teacher, "add", "-A")
    git(teacher, "commit", "-q", "-m", "first")
    git(teacher, "push", "-q", "-u", "origin", "main")
    return place


@pytest.fixture
def teacher(origin, tmp_path):
    shutil.copytree(origin, tmp_path / "published")
    git(tmp_path / "published/teacher", "remote", "set-url", "origin", str(tmp_path / "published/origin.git"))
    return tmp_path / "published/teacher"


@pytest.fixture
def clone(teacher, tmp_path):
    """A learner's clone, in a folder with a blank and Korean letters."""
    git(tmp_path, "clone", "-q", "-b", "main", "published/origin.git", "내 강의 1")
    return tmp_path / "내 강의 1"


@pytest.fixture
def unzipped(clone, tmp_path):
    """A learner's copy out of the zip, without git; it stands within a repository of something else."""
    status, text = course(clone, "zip")
    assert status == 0, text
    git(tmp_path, "init", "-q", "수업")
    with zipfile.ZipFile(clone / "build/cfgedu-course.zip") as file:
        file.extractall(tmp_path / "수업")
    return tmp_path / "수업/cfgedu-course"


pytestmark = git_only

# ---------------------------------------------------------------- update


def test_update_keeps_what_is_changed_and_takes_what_is_new(clone, teacher):
    save(clone, "my answer")
    save(clone, "내 답", SOLUTION)
    save(clone, "my own", "notebooks/my_own.ipynb")
    publish(teacher, "06 anew", SIX)
    publish(teacher)
    status, text = course(clone, "update")
    assert status == 0, text
    found = files(clone)
    assert found[SIX] == "06 anew"
    assert found[SOLUTION] == f"published {SOLUTION}"
    assert found["notebooks/01_noise.ipynb"] == "new"
    assert found["notebooks/my_own.ipynb"] == "my own"
    mine = {name: content for name, content in found.items() if name.startswith("mine/")}
    assert mine == {f"{TODAY}/{SIX}": "my answer", f"{TODAY}/{SOLUTION}": "내 답"}
    assert TODAY in text
    assert "new: 2" in text
    assert git(clone, "status", "--porcelain") == "?? notebooks/my_own.ipynb"  # mine/ is not seen by git
    assert git(clone, "rev-parse", "HEAD") == git(teacher, "rev-parse", "HEAD")


def test_nothing_is_overwritten_on_the_same_day(clone, teacher):
    for number in (1, 2, 3):
        save(clone, f"answer {number}")
        publish(teacher, f"06, {number}", SIX)
        assert course(clone, "update")[0] == 0
    mine = [f"{TODAY}/{SIX}", f"{TODAY}-2/{SIX}", f"{TODAY}-3/{SIX}"]
    assert [files(clone)[name] for name in mine] == ["answer 1", "answer 2", "answer 3"]


def test_where_nothing_is_new_nothing_moves(clone):
    save(clone, "my answer")
    before = files(clone)
    status, text = course(clone, "update")
    assert (status, files(clone)) == (0, before)
    assert "is the newest" in text


def test_a_notebook_that_the_learner_removed_comes_back(clone, teacher):
    (clone / SIX).unlink()
    publish(teacher, "06 anew", SIX)
    status, text = course(clone, "update")
    assert status == 0, text
    assert files(clone)[SIX] == "06 anew"
    assert not (clone / "mine").exists()


def test_a_changed_notebook_that_is_renamed_or_removed_in_the_course(clone, teacher):
    save(clone, "my answer")
    save(clone, "other answer", "notebooks/00_start.ipynb")
    git(teacher, "mv", SIX, "notebooks/06_renamed.ipynb")
    git(teacher, "rm", "-q", "notebooks/00_start.ipynb")
    publish(teacher)
    assert course(clone, "update")[0] == 0
    found = files(clone)
    assert SIX not in found
    assert found["notebooks/06_renamed.ipynb"] == f"published {SIX}"
    assert found[f"{TODAY}/{SIX}"] == "my answer"
    assert found[f"{TODAY}/notebooks/00_start.ipynb"] == "other answer"


@pytest.mark.parametrize(
    "name", ["notebooks/01_noise.ipynb", "docs/시험 1.md", "build/x.txt", "notebooks/more/a.ipynb"]
)
def test_a_file_of_the_learner_s_where_a_new_one_is_to_stand(clone, teacher, name):
    """Also one that git ignores, which a pull would overwrite without a word."""
    save(clone, "mine", name)
    save(teacher, "theirs", name)
    git(teacher, "add", "-f", name)
    publish(teacher, "more", "docs/more.md")
    status, text = course(clone, "update")
    assert status == 0, text
    assert files(clone)[name] == "theirs"
    assert files(clone)[f"{TODAY}/{name}"] == "mine"


def test_a_folder_where_a_new_file_is_to_stand_and_a_file_where_a_folder_is(clone, teacher):
    save(clone, "mine", "docs/a.md/mine.txt")
    save(clone, "mine", "extra")
    publish(teacher, "theirs", "docs/a.md")
    publish(teacher, "theirs", "extra/b.md")
    status, text = course(clone, "update")
    assert status == 0, text
    found = files(clone)
    assert found["docs/a.md"] == found["extra/b.md"] == "theirs"
    assert found[f"{TODAY}/docs/a.md/mine.txt"] == found[f"{TODAY}/extra"] == "mine"


@posix
def test_a_notebook_that_is_read_only_executable_or_a_link(clone, teacher):
    save(clone, "my answer")
    (clone / SIX).chmod(0o444)
    (clone / "notebooks/00_start.ipynb").chmod(0o755)
    save(clone, "elsewhere", "other.ipynb")
    (clone / SOLUTION).unlink()
    (clone / SOLUTION).symlink_to(clone / "other.ipynb")
    for name in (SIX, SOLUTION, "notebooks/00_start.ipynb"):
        publish(teacher, "anew", name)
    status, text = course(clone, "update")
    assert status == 0, text
    found = files(clone)
    assert [found[f"{TODAY}/{name}"] for name in (SIX, SOLUTION)] == ["my answer", "elsewhere"]
    assert found[SIX] == found[SOLUTION] == "anew"
    assert found["other.ipynb"] == "elsewhere"
    assert not (clone / SOLUTION).is_symlink()
    assert git(clone, "status", "--porcelain") == "?? other.ipynb"


def in_conflict(clone):
    git(clone, "checkout", "-q", "-b", "own", "HEAD~1")
    save(clone, "own")
    git(clone, "commit", "-q", "-a", "-m", "own")
    subprocess.run(["git", "merge", "main"], cwd=clone, capture_output=True)


def states():
    """{name: (what the learner did, what the sentence must say)}"""
    return {
        "code": (lambda clone: save(clone, "code = 2", "cfgedu/toy.py"), "git stash push -- cfgedu/toy.py"),
        "code removed": (lambda clone: (clone / "cfgedu/toy.py").unlink(), "cfgedu/toy.py"),
        "staged": (lambda clone: (save(clone, "x"), git(clone, "add", SIX)), "git restore --staged"),
        "staged, new": (lambda clone: (save(clone, "x", "n.ipynb"), git(clone, "add", "n.ipynb")), "n.ipynb"),
        "announced": (lambda clone: (save(clone, "x", "n.ipynb"), git(clone, "add", "-N", "n.ipynb")), "n.ipynb"),
        "own commit": (lambda clone: (save(clone, "x"), git(clone, "commit", "-qam", "x")), "git pull --rebase"),
        "detached": (lambda clone: git(clone, "checkout", "-q", "--detach"), "git switch main"),
        "no upstream": (lambda clone: git(clone, "branch", "--unset-upstream"), "--set-upstream-to=origin/main"),
        "no remote": (lambda clone: git(clone, "remote", "remove", "origin"), "git remote add"),
        "remote gone": (lambda clone: git(clone, "remote", "set-url", "origin", "gone.git"), "out of reach"),
        "merging": (in_conflict, "git merge --abort"),
        "a file called mine": (lambda clone: save(clone, "x", "mine"), "mine"),
    }


@pytest.mark.parametrize("state", states())
def test_what_stops_an_update_is_told_and_nothing_is_lost(clone, teacher, state):
    publish(teacher, "06 anew", SIX)
    if state == "merging":
        git(clone, "pull", "-q")
    else:
        save(clone, "my answer", SOLUTION)
    do, says = states()[state]
    do(clone)
    before, commit, index = files(clone), git(clone, "rev-parse", "HEAD"), git(clone, "ls-files", "-s")
    status, text = course(clone, "update")
    assert status == 1, text
    assert says in text
    assert "Traceback" not in text
    assert (files(clone), git(clone, "rev-parse", "HEAD"), git(clone, "ls-files", "-s")) == (before, commit, index)


def test_without_the_program_git(clone):
    status, text = script(clone, "update", PATH=str(clone / "notebooks"))
    assert status == 1
    assert "git is not on the PATH" in text


def test_other_variables_of_git_do_not_lead_astray(clone, teacher, tmp_path):
    save(clone, "my answer")
    publish(teacher, "06 anew", SIX)
    status, text = script(clone, "update", GIT_DIR=str(tmp_path / "published/origin.git"))
    assert status == 0, text
    assert files(clone)[SIX] == "06 anew"


def test_commits_of_the_learner_s_alone_are_no_obstacle(clone):
    save(clone, "x")
    git(clone, "commit", "-q", "-a", "-m", "x")
    assert course(clone, "update")[0] == 0


@posix
def test_a_name_that_the_terminal_cannot_write_is_no_error(clone, teacher):
    save(clone, "mine", "docs/시험 1.md")
    publish(teacher, "theirs", "docs/시험 1.md")
    status, text = script(clone, "update", PYTHONIOENCODING="ascii")
    assert status == 0, text
    assert "docs/" + ascii("시험")[1:-1] in text


# ---------------------------------------------------------------- restore


@pytest.fixture(params=["clone", "unzipped"])
def copy(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize(
    ("word", "name"),
    [("06", SIX), ("solutions/06", SOLUTION), (SIX, SIX), ("06_guidance.ipynb", SIX), (f"./{SOLUTION}", SOLUTION)],
)
def test_restore_brings_back_the_named_ones_alone(copy, word, name):
    save(copy, "my six")
    save(copy, "my solution", SOLUTION)
    status, text = course(copy, "restore", word)
    assert status == 0, text
    other = SOLUTION if name == SIX else SIX
    found = files(copy)
    assert found[name] == f"published {name}"
    assert found[f"{TODAY}/{name}"] == ("my six" if name == SIX else "my solution")
    assert found[other].startswith("my ")
    assert f"{TODAY}/{other}" not in found


def test_restore_several_all_and_again(copy):
    for name in (SIX, SOLUTION):
        save(copy, "mine", name)
    assert course(copy, "restore", "06", "solutions/06")[0] == 0
    assert {f"{TODAY}/{SIX}", f"{TODAY}/{SOLUTION}"} <= set(files(copy))
    assert "as published" in course(copy, "restore", "06")[1]
    (copy / SIX).unlink()
    save(copy, "again", SOLUTION)
    status, text = course(copy, "restore")
    assert status == 0
    assert SIX in text
    assert SOLUTION in text
    assert files(copy)[SOLUTION] == "again"  # without a name it only lists
    status, text = course(copy, "restore", "--all")
    assert status == 0, text
    assert files(copy)[SIX] == f"published {SIX}"
    assert files(copy)[f"{TODAY}-2/{SOLUTION}"] == "again"


def test_restore_where_a_folder_stands(copy):
    (copy / SIX).unlink()
    save(copy, "mine", f"{SIX}/a.txt")
    status, text = course(copy, "restore", "06")
    assert status == 0, text
    assert files(copy)[SIX] == f"published {SIX}"
    assert files(copy)[f"{TODAY}/{SIX}/a.txt"] == "mine"


@pytest.mark.parametrize("word", ["99", "6_guidance", "notebooks/", ".."])
def test_restore_of_an_unknown_name(copy, word):
    save(copy, "mine")
    status, text = course(copy, "restore", word)
    assert status == 1
    assert "06_guidance" in text
    assert files(copy)[SIX] == "mine"
    assert course(copy, "restore", "06")[0] == 0
    assert course(copy, "restore", word)[0] == 1  # also where there is nothing to restore


def test_restore_finds_what_was_published_behind_a_commit_of_the_learner_s(clone):
    save(clone, "my answer")
    git(clone, "commit", "-q", "-a", "-m", "mine")
    assert course(clone, "restore", "06")[0] == 0
    assert files(clone)[SIX] == f"published {SIX}"
    assert files(clone)[f"{TODAY}/{SIX}"] == "my answer"


def test_a_notebook_is_the_old_or_the_new_one_when_the_disk_is_full(clone, monkeypatch):
    """The version of the learner's is kept first; the published one replaces it in one step, or not at all."""
    save(clone, "my answer")
    course = published.published(clone)
    replace = os.replace

    def full(partial, path):
        if "mine" not in Path(path).parts:
            raise OSError(28, "No space left on device")
        replace(partial, path)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        published.restore(clone, [SIX], course)
    found = files(clone)
    assert found[SIX] == found[f"{TODAY}/{SIX}"] == "my answer"
    assert not [name for name in found if name.endswith(".part")]


# ---------------------------------------------------------------- a class without git


def test_the_zip_holds_the_last_commit_and_the_originals(clone, tmp_path):
    save(clone, "not committed")
    save(clone, "not of the course", "notes.txt")
    status, text = course(clone, "zip")
    assert status == 0, text
    assert f" M {SIX}" in text  # is told to be left out
    with zipfile.ZipFile(clone / "build/cfgedu-course.zip") as file:
        names = [name for name in file.namelist() if not name.endswith("/")]
        tracked = git(clone, "ls-files").splitlines()
        assert sorted(names) == sorted(f"cfgedu-course/{name}" for name in [*tracked, "published.zip"])
        assert file.read(f"cfgedu-course/{SIX}").decode() == f"published {SIX}"
    assert sorted(path.name for path in (clone / "build").iterdir()) == ["cfgedu-course.zip"]


def test_update_without_git_says_the_way_and_mine_goes_along(unzipped):
    save(unzipped, "my answer")
    before = files(unzipped)
    status, text = course(unzipped, "update")
    assert status == 1
    assert "restore --all" in text
    assert "mine/" in text
    assert files(unzipped) == before
    assert course(unzipped, "zip")[0] == 1


def test_a_copy_without_git_and_originals_says_so(unzipped):
    (unzipped / "published.zip").write_text("no zip")
    status, text = course(unzipped, "restore", "06")
    assert status == 1
    assert "damaged" in text
    (unzipped / "published.zip").unlink()
    status, text = course(unzipped, "restore", "06")
    assert status == 1
    assert "new copy" in text
    assert "restore" not in course(unzipped, "update")[1]
