"""`course.py clean`: removes what can be made or fetched again; never a file git keeps, nor what a link points to."""

import argparse
import fnmatch
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHES = ("__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".ruff_cache", ".hypothesis", "*.egg-info")
LEFTOVERS = ("*.part", "*.tmp", ".course.lock")
NOT_OURS = (".git", ".venv", "mine")
BUILT_OR_DOWNLOADED = ("build", "dist", "data/mnist")


def leftovers(root):
    """Everything below root that may go, outside .git, .venv and what a learner keeps."""
    found = [root / name for name in BUILT_OR_DOWNLOADED if os.path.lexists(root / name)]
    if worked := [folder for folder in (root / "build").glob("*") if holds_work(folder)]:
        found.remove(root / "build")
        if not (root / "build").is_symlink():
            found += [path for path in (root / "build").iterdir() if path not in worked]
    for folder, folders, files in os.walk(root):
        here = [Path(folder, name) for name in folders if matches(name, CACHES)]
        here += [Path(folder, name) for name in files if matches(name, LEFTOVERS)]
        found += here
        below = [(name, Path(folder, name)) for name in folders if name not in NOT_OURS]
        folders[:] = [name for name, path in below if path not in found and not holds_work(path)]
    return found


def holds_work(folder):
    """Whether a notebook of another language, which was built into this folder, was changed, renamed or added there."""
    record = folder / "built.json"
    if not record.is_file():
        return False
    made = json.loads(record.read_text(encoding="utf-8"))
    now = lambda file: hashlib.sha256(file.read_bytes()).hexdigest()[:16]  # as `digest_of` of tools/translation.py
    there = [file for file in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in file.parts]
    return any(made.get(file.relative_to(folder).as_posix()) != now(file) for file in there)


def matches(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def kept_by_git(root):
    if not shutil.which("git"):
        return set()
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True)
    return {root / name for name in os.fsdecode(listing.stdout).split("\0") if name}


def clean(root, with_venv=False):
    """Removes the leftovers below root and returns them."""
    kept = kept_by_git(root)
    doomed = [path for path in leftovers(root) if not any(path == file or path in file.parents for file in kept)]
    if with_venv and os.path.lexists(root / ".venv"):
        doomed.append(root / ".venv")
    for path in doomed:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return doomed


def main():
    parser = argparse.ArgumentParser(prog="course.py clean", description=__doc__)
    parser.add_argument("--all", action="store_true", help="remove the environment .venv too")
    with_venv = parser.parse_args().all
    if not with_venv and sys.stdin.isatty() and (ROOT / ".venv").exists():
        with_venv = input("Remove the environment .venv as well? [y/N] ").strip().lower() in ("y", "yes")
    try:
        for path in clean(ROOT, with_venv):
            print("removed", path.relative_to(ROOT))
    except PermissionError as error:
        sys.exit(f"Cannot remove {error.filename}: close what uses it (JupyterLab?), then try again.")


if __name__ == "__main__":
    main()
