"""`course.py update`, `restore` and `zip`: the published course, and a learner's notebooks, which are never lost.

course.py update           takes what is new; changed notebooks are kept in mine/, the published ones come back
course.py restore 06       keeps your version of a notebook in mine/ and brings the published one back
course.py zip              packs the last commit for a class without git, where `restore` works all the same
"""

import argparse
import os
import shlex
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # a script of this folder does not find the others by itself

from tools.published import (  # noqa: E402
    MINE,
    ORIGINALS,
    Problem,
    ask,
    changed,
    git,
    keep,
    named,
    published,
    raw,
    restore,
    run_git,
    words_of,
    write,
)

UPDATE = "Takes what is new. Notebooks that you changed are kept in mine/, and the published ones come back."
RESTORE = "Keeps your version of notebooks in mine/, brings the published ones back; without a name lists what differs."
PACK = "Packs the last commit, for a class without git: `restore` works in what it unpacks to."
ZIP = "build/cfgedu-course.zip"
UNFINISHED = {
    "MERGE_HEAD": "git merge --abort",
    "rebase-merge": "git rebase --abort",
    "rebase-apply": "git rebase --abort",
    "CHERRY_PICK_HEAD": "git cherry-pick --abort",
    "REVERT_HEAD": "git revert --abort",
}


# ---------------------------------------------------------------- when an update may be


def require_quiet(root):
    """Raises where a merge or a rebase is unfinished."""
    for name, way_out in UNFINISHED.items():
        if (root / git(root, "rev-parse", "--git-path", name)).exists():
            raise Problem(f"A merge or rebase of this clone is unfinished: end it first, or take it back: {way_out}")


def require_branch(root):
    """Raises where this clone follows no published branch."""
    if not ask(root, "symbolic-ref", "-q", "HEAD"):
        raise Problem("This clone stands on a single commit, not on a branch: go back with `git switch main`.")
    if not ask(root, "rev-parse", "@{upstream}"):
        remotes = git(root, "remote").split()
        if not remotes:
            raise Problem("This clone has no remote to update from: add one, `git remote add origin ADDRESS`.")
        raise Problem(
            f"This branch follows none of {remotes[0]}, so there is nothing to update from: "
            f"git branch --set-upstream-to={remotes[0]}/main"
        )


def changed_here(root, notebooks):
    """The published notebooks that are changed here, as git sees it; raises where anything else is, or is staged."""
    fields = git(root, "status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames").split("\0")
    states = {field[3:]: field[:2] for field in fields if field}
    staged = [name for name, state in states.items() if state[0] != " " or state[1] == "A"]
    if staged:
        raise Problem(
            f"Staged for a commit: {', '.join(staged)}. Commit it, or take it back (your files stay as they are): "
            f"git restore --staged ."
        )
    others = [name for name in states if name not in notebooks]
    if others:
        raise Problem(
            f"Changed, and no notebook of the course: {', '.join(others)}. Put these changes aside, and get them back "
            f"after the update with `git stash pop`: git stash push -- {' '.join(map(shlex.quote, others))}"
        )
    return list(states)


# ---------------------------------------------------------------- the words


def update(root):
    """Fetches the published course; keeps the changed notebooks, restores them, and goes forward."""
    if not (root / ".git").exists():
        raise Problem(
            "This copy of the course is no git clone: get the new course where you got this one and unpack it beside, "
            "in a folder of its own. "
            + (f"`python3 course.py restore --all` first puts your notebooks into {MINE}/ here; " * has_originals(root))
            + f"then copy {MINE}/ (and what else is yours) into the new folder."
        )
    require_quiet(root)
    require_branch(root)
    print("Looking for what is new.", flush=True)
    fetched = run_git(root, "fetch", "--quiet")
    if fetched.returncode:
        raise Problem(
            f"{words_of(fetched)}\nThe published course is out of reach (see git's words above). Nothing was changed."
        )
    own, new = map(int, git(root, "rev-list", "--left-right", "--count", "HEAD...@{upstream}").split())
    if not new:
        print("The course is the newest. Your notebooks stay as they are.")
        return
    if own:
        raise Problem(
            f"This clone has {own} commits that the published course lacks, and lacks {new} of its. If they are yours, "
            f"put them on top of it: git pull --rebase. If not, clone the course anew beside this folder, and copy "
            f"what is yours. Nothing was changed."
        )
    course = published(root)
    names = changed_here(root, course.names)
    coming = git(root, "diff-tree", "-r", "--name-only", "--diff-filter=A", "-z", "HEAD", "@{upstream}")
    in_the_way = obstacles(root, coming.split("\0"))
    folder = keep(root, [*names, *in_the_way])
    for name in names:
        write(root / name, course.content(name))
    for name in in_the_way:
        remove(root / name)
    told(root, folder, [*names, *in_the_way])
    raw(root, "merge", "--ff-only", "--quiet", "@{upstream}")
    print(f"The course is the newest now (commits that are new: {new}; CHANGELOG.md says what they bring).")
    print("A notebook that is open in JupyterLab shows the old one until you reload it or open it again.")


def has_originals(root):
    return (root / ORIGINALS).exists()


def obstacles(root, coming):
    """What is no file of the course, and stands where a new file of it is to stand: git would refuse."""
    found = []
    for name in filter(None, coming):
        steps = name.split("/")
        for depth in range(1, len(steps) + 1):
            path = "/".join(steps[:depth])
            is_folder = (root / path).is_dir() and not (root / path).is_symlink()
            if os.path.lexists(root / path) and (depth == len(steps) or not is_folder):
                found.append(path)
                break
    return list(dict.fromkeys(found))


def remove(path):
    """A file whose copy is kept goes; what `keep` moved is gone already."""
    if os.path.lexists(path):
        path.unlink()


def pack(root):
    """build/cfgedu-course.zip: the last commit, and its notebooks once more as ORIGINALS. Returns the path."""
    if not (root / ".git").exists():
        raise Problem("The zip is packed from a git clone of the course, and this copy is none.")
    target = root / ZIP
    target.parent.mkdir(exist_ok=True)
    archive = ("-c", "core.autocrlf=false", "archive", "--format=zip")
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        whole, originals = Path(folder, "whole.zip"), Path(folder, ORIGINALS)
        raw(root, *archive, "-o", str(whole), f"--prefix={target.stem}/", "HEAD")
        raw(root, *archive, "-o", str(originals), "HEAD", "notebooks")
        with zipfile.ZipFile(whole, "a") as file:
            file.write(originals, f"{target.stem}/{ORIGINALS}")
        os.replace(whole, target)
    return target


def told(root, folder, names):
    """Says where the learner's versions lie now, and what is back that had been removed."""
    kept = [name for name in names if folder and os.path.lexists(folder / name)]
    if kept:
        print(f"Your versions lie in {folder.relative_to(root).as_posix()} now:")
        print("\n".join(f"    {name}" for name in kept))
    gone = [name for name in names if name not in kept]
    if gone:
        print("Back again, as published:\n" + "\n".join(f"    {name}" for name in gone))


# ---------------------------------------------------------------- the command line


def run_update(args):
    argparse.ArgumentParser(prog="course.py update", description=UPDATE).parse_args(args)
    update(ROOT)


def run_restore(args):
    parser = argparse.ArgumentParser(prog="course.py restore", description=RESTORE)
    parser.add_argument("notebooks", nargs="*", metavar="NN", help="06, solutions/06, or a file name; several at once")
    parser.add_argument("--all", action="store_true", help="every notebook that is not as published")
    options = parser.parse_args(args)
    if (ROOT / ".git").exists():
        require_quiet(ROOT)
    course = published(ROOT)
    chosen = named(options.notebooks, course.names)
    different = changed(ROOT, course)
    if not different:
        print("Every notebook is as published.")
        return
    if not options.notebooks and not options.all:
        print("Not as published (name those to restore, or give --all):")
        print("\n".join(f"    {name}" for name in different))
        return
    names = different if options.all else [name for name in chosen if name in different]
    for name in chosen:
        if name not in different:
            print(f"{name} is as published.")
    told(ROOT, restore(ROOT, names, course), names)


def run_zip(args):
    argparse.ArgumentParser(prog="course.py zip", description=PACK).parse_args(args)
    path = pack(ROOT)
    print(f"{path.relative_to(ROOT).as_posix()} ({path.stat().st_size / 1e6:.0f} MB) holds the last commit:")
    print("    " + git(ROOT, "log", "-1", "--format=%h %s"))
    left_out = git(ROOT, "status", "--porcelain", "--untracked-files=no")
    if left_out:
        print(f"Changes that are not committed are not in it:\n{left_out}")


WORDS = {"update": run_update, "restore": run_restore, "zip": run_zip}


def main(argv):
    try:
        WORDS[argv[0]](argv[1:])
    except Problem as problem:
        return str(problem)
    except zipfile.BadZipFile:
        return f"{ORIGINALS} is damaged: take the notebook from a new copy of the course."
    except OSError as error:
        return f"{error}. Your notebooks are where they were, or in {MINE}/: mend that, and run the command again."
    except KeyboardInterrupt:
        return f"\nStopped. Your notebooks are where they were, or in {MINE}/."
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal can write the names of a learner's files
    sys.exit(main(sys.argv[1:]))
