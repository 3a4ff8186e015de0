"""`course.py resolve`: the versions of constraints.txt, resolved from wheels alone for every Python and every system.

For each of them uv looks for one set of packages that satisfies pyproject.toml with all its extras and what builds it.
It reads the descriptions of the packages and downloads none. Exits with 1 where there is no such set, or where it holds
a package of which constraints.txt has no version. Needs the standard library alone, and makes itself a uv in build/.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # a script of this folder does not find course.py by itself

import course  # noqa: E402
from course import Problem  # noqa: E402

UV = "0.13.9"
PYTHONS = [f"{course.OLDEST[0]}.{minor}" for minor in range(course.OLDEST[1], course.NEWEST[1] + 1)]
SYSTEMS = {
    "Linux x86-64": "x86_64-unknown-linux-gnu",
    "Linux arm64": "aarch64-unknown-linux-gnu",
    "Windows x86-64": "x86_64-pc-windows-msvc",
    "macOS arm64": "aarch64-apple-darwin",
}
MACOS = "14.0"  # what the wheels of torch ask for
AT_ONCE = 6  # most of a resolution is waiting for the index
SECONDS = 100


def requirements(pyproject):
    """Everything that pyproject.toml asks for: what it depends on, with every extra, and what builds it."""
    project = pyproject["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    return pyproject["build-system"]["requires"] + project["dependencies"] + extras


def pins(text):
    """{package: version} of the lines "package==version", in constraints.txt as in what uv prints."""
    rows = re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in rows}


# ---------------------------------------------------------------- uv


def own_uv(folder):
    """A uv of the version UV in an environment of its own, which is made where it is not there yet."""
    programs = folder / ("Scripts" if course.WINDOWS else "bin")
    uv, suffix = programs / "uv", ".exe" if course.WINDOWS else ""
    uv = uv.with_suffix(suffix)
    if version(uv) == UV:
        return uv
    print(f"Installing uv {UV} into {folder.relative_to(ROOT).as_posix()}.", flush=True)
    run([sys.executable, "-m", "venv", "--clear", str(folder)], "This Python makes no environment for uv")
    pip = [str((programs / "python").with_suffix(suffix)), "-m", "pip", "install", "--disable-pip-version-check"]
    run([*pip, "--quiet", "--only-binary", ":all:", f"uv=={UV}"], f"uv {UV} cannot be had (is there a network?)")
    if version(uv) != UV:
        raise Problem(f"uv {UV} was installed and does not run here: {uv}")
    return uv


def surroundings(uv):
    """Those of uv, or of pip where it is None, with the user's settings of where packages come from."""
    return course.installer_environment(uv, course.environment(), ROOT)


def version(uv):
    """What a uv says it is; None where it does not run."""
    try:
        said = subprocess.run([str(uv), "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return None
    return said.stdout.decode().partition(" ")[2].split(" ")[0].strip()


def run(command, sentence):
    done = subprocess.run(command, capture_output=True, env=surroundings(None))
    if done.returncode:
        lines = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        raise Problem("\n".join([*lines[-8:], f"{sentence}: see above, mend it, and run the command again."]))


# ---------------------------------------------------------------- the table


def resolve(uv, env, wanted, system, python):
    """({package: version}, None) for a system and a Python, or (None, the reason why there is no such set)."""
    command = [
        str(uv), "pip", "compile", "-", "--constraints", "constraints.txt", "--only-binary", ":all:", "--quiet",
        "--no-header", "--no-annotate", "--python", sys.executable, "--python-version", python,
        "--python-platform", SYSTEMS[system], "--index-strategy", "unsafe-best-match",
    ]  # fmt: skip
    pipes = {"input": "\n".join(wanted).encode(), "capture_output": True, "timeout": SECONDS}
    try:
        done = subprocess.run(command, cwd=ROOT, env={**env, "MACOSX_DEPLOYMENT_TARGET": MACOS}, **pipes)
    except subprocess.TimeoutExpired:
        return None, f"the index gave no answer within {SECONDS} seconds"
    if done.returncode:
        return None, one_line(done.stderr.decode(errors="replace")) or f"uv ended with {done.returncode}"
    return pins(done.stdout.decode()), None


def one_line(text):
    """uv's reason, without the frame that it draws around it; of a failed request only the cause that uv names last."""
    words = " ".join(re.sub(r"[×╰│├─▶·]", " ", text).split())
    if "Failed to fetch" in words:
        return f"the package index is out of reach: {re.split(r'[Cc]aus(?:e|ed by):? ', words)[-1]}"
    return words


def table(results, held):
    """The lines of the table, and what is wrong, a sentence each: none where everything resolves and is pinned."""
    rows = [f"{'':<16}" + "".join(f"Python {python:<9}" for python in PYTHONS)]
    reasons, unpinned = {}, {}
    for system in SYSTEMS:
        cells = []
        for python in PYTHONS:
            versions, reason = results[system, python]
            cells.append("no" if versions is None else f"{len(versions)} packages")
            if reason:
                reasons.setdefault(reason, []).append(f"{system}, Python {python}")
            for name in (versions or {}).keys() - held.keys():
                unpinned.setdefault(name, f"{name}=={versions[name]} ({system}, Python {python})")
        rows.append(f"{system:<16}" + "".join(f"{cell:<16}" for cell in cells))
    wrong = []
    for reason, where in reasons.items():
        wrong.append(f"{'Everywhere' if len(where) == len(results) else '; '.join(where)}: {reason}")
    if unpinned:
        wrong.append(f"constraints.txt has no version of {', '.join(unpinned[name] for name in sorted(unpinned))}.")
    return [row.rstrip() for row in rows], wrong


def main():
    form = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(prog="course.py resolve", description=__doc__, formatter_class=form).parse_args()
    try:
        uv = own_uv(ROOT / "build/uv")
        env = surroundings(str(uv))
    except Problem as problem:
        return str(problem)
    wanted = requirements(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    places = [(system, python) for system in SYSTEMS for python in PYTHONS]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(places, pool.map(lambda place: resolve(uv, env, wanted, *place), places)))
    rows, wrong = table(found, pins((ROOT / "constraints.txt").read_text(encoding="utf-8")))
    print("\n".join(rows), flush=True)
    return "\n".join(wrong) or 0


if __name__ == "__main__":
    sys.exit(main())
