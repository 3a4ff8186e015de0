"""The notebooks as they were published, by git or by a zip of the course, and how a learner's own are kept.

Only the standard library: `course.py update` and `restore` run before the environment is there.
"""

import contextlib
import os
import shutil
import subprocess
import zipfile
from collections import namedtuple
from datetime import date
from pathlib import Path

MINE = "mine"
ORIGINALS = "published.zip"  # in a copy that `course.py zip` made: the notebooks, where there is no git to ask

Published = namedtuple("Published", "names content")  # paths from the root, "/" between; content(name) -> bytes


class Problem(Exception):
    """What went wrong and what to do about it, in a sentence or two."""


# ---------------------------------------------------------------- the published notebooks


def published(root):
    """The notebooks as published: those of the commit that this clone shares with its remote, or of the ORIGINALS."""
    if (root / ".git").exists():
        commit = shared_commit(root)
        listing = git(root, "ls-tree", "-r", "-z", "--name-only", commit, "--", "notebooks").split("\0")
        return Published(notebooks(listing), lambda name: raw(root, "cat-file", "--filters", f"{commit}:{name}"))
    if not (root / ORIGINALS).exists():
        raise Problem(
            f"This copy of the course is no git clone and has no {ORIGINALS}, so it cannot tell how its notebooks were "
            f"published. Take the notebook from a new copy of the course."
        )
    with zipfile.ZipFile(root / ORIGINALS) as originals:
        contents = {name: originals.read(name) for name in notebooks(originals.namelist())}
    return Published(list(contents), contents.__getitem__)


def notebooks(names):
    return sorted(name for name in names if name.endswith(".ipynb"))


def shared_commit(root):
    """What was published last in this clone's history: a learner's own commits are not."""
    return ask(root, "merge-base", "HEAD", "@{upstream}") or "HEAD"


def changed(root, course):
    """The notebooks that are not as published: changed, replaced by something else, or gone."""
    return [name for name in course.names if content(root / name) != course.content(name)]


def content(path):
    """The bytes of a file; None where there is none, or something else (a folder, a link) than a file."""
    return path.read_bytes() if path.is_file() and not path.is_symlink() else None


def named(words, names):
    """The notebooks that the words name: 06, 06_guidance_vector, solutions/06, or a whole path."""
    found = []
    for word in words:
        start = word.replace("\\", "/").removeprefix("./").removeprefix("notebooks/")
        hits = [name for name in names if name.removeprefix("notebooks/").startswith(start)]
        if not start or not hits:
            lessons = ", ".join(Path(name).stem for name in names if name.count("/") == 1)
            raise Problem(f"No published notebook is called {word}. There are {lessons}, and solutions/06 and so on.")
        found += hits
    return list(dict.fromkeys(found))


# ---------------------------------------------------------------- keeping and restoring


def keep(root, names):
    """Puts what stands under these names aside, in a folder of mine/ that is new, and returns that folder.

    A file is copied, anything else (a folder of that name) is moved; where there is nothing, nothing is kept.
    """
    there = [name for name in names if os.path.lexists(root / name)]
    if not there:
        return None
    (root / MINE).mkdir(exist_ok=True)
    folder = new_folder(root / MINE)
    for name in there:
        if (root / name).is_file():
            write(folder / name, (root / name).read_bytes())
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(root / name, folder / name)
    return folder


def new_folder(parent):
    """A folder named after the day, with a number from the second of the day on: never one that was there."""
    number = 1
    while True:
        folder = parent / (f"{date.today()}" if number == 1 else f"{date.today()}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
        number += 1


def restore(root, names, course):
    """Brings the named notebooks back to their published state, after keeping what stands there; returns the folder."""
    folder = keep(root, names)
    for name in names:
        write(root / name, course.content(name))
    return folder


def write(path, data):
    """All or nothing: the file at `path` is the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(data)
        if os.name == "nt" and path.is_file():
            path.chmod(0o666)  # no read-only file is replaced there
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


# ---------------------------------------------------------------- git


def run_git(root, *args):
    if not shutil.which("git"):
        raise Problem("This copy of the course is a git clone, and git is not on the PATH: install it, then try again.")
    env = {key: value for key, value in os.environ.items() if key not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")}
    return subprocess.run(["git", "--no-pager", *args], cwd=root, env=env, capture_output=True)


def raw(root, *args):
    done = run_git(root, *args)
    if done.returncode:
        raise Problem(f"{words_of(done)}\nThat is what git says to `git {' '.join(args)}`: mend it, then try again.")
    return done.stdout


def git(root, *args):
    """What git prints, as text; a Problem where git fails."""
    return os.fsdecode(raw(root, *args)).strip("\n")


def ask(root, *args):
    """What git prints, as text; "" where git fails, which is an answer too."""
    done = run_git(root, *args)
    return "" if done.returncode else os.fsdecode(done.stdout).strip("\n")


def words_of(done):
    return done.stderr.decode(errors="replace").strip() or f"git ended with {done.returncode}."
