#!/usr/bin/env python3
"""Sets the course up in .venv on the first start, then runs the word it was given: see `python3 course.py --help`.

Only the standard library, and no newer syntax than Python 3.6 reads, so that an old Python can still say what it lacks.
"""

import sys

OLDEST, NEWEST = (3, 11), (3, 14)


def python_problem(version):
    """The sentence for a Python that cannot run the course, None for one that can."""
    if OLDEST <= tuple(version[:2]) <= NEWEST:
        return None
    found = ".".join(str(part) for part in version[:3])
    return (
        f"The course needs Python {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}, and this is Python {found}: "
        f"install one of those and start again with it, for example: python3.13 course.py lab"
    )


if __name__ == "__main__" and python_problem(sys.version_info):
    sys.exit(python_problem(sys.version_info))

import ast
import contextlib
import errno
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import deque, namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
WINDOWS = os.name == "nt"
FIRST_NOTEBOOK = "notebooks/00_start_here.ipynb"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
NEEDED_BYTES = 2_500_000_000
DISK_IS_FULL = (
    "There is too little disk space: the course needs about 2.5 GB (on Linux several more for the CUDA build of "
    "torch, which `python3 course.py --cpu lab` does without): free some, then run the same command again."
)

DULL = ("WARNING", "Requirement already", "Attempting uninstall", "Found existing", "Uninstalling", "Successfully")

# A word belongs to a group of the help, and runs a command with .venv's Python; `extra` is what that needs of
# pyproject.toml. A bare one runs with the Python that reads this and needs nothing but its standard library.
GROUPS = {"learn": "to learn", "teach": "to teach", "maintain": "to work on the course"}
Word = namedtuple("Word", "group says command extra bare here", defaults=(None, False, False))
WORDS = {
    "lab": Word("learn", f"open JupyterLab on {FIRST_NOTEBOOK}", ["-m", "jupyterlab"]),
    "clean": Word("learn", "remove caches and downloads (--all: .venv too)", ["tools/clean.py"], bare=True),
    "play": Word("teach", "serve the demos alone, without code, for a class or a talk", ["tools/play.py"], "play"),
    "grade": Word("teach", "run handed-in notebooks, tell which exercises are right", ["tools/grade.py"], here=True),
    "student": Word("teach", "write a copy without solutions and outputs", ["tools/student.py"], here=True),
    "test": Word("maintain", "run every test: unit, rules, all notebooks and solutions", ["-m", "pytest"]),
    "lint": Word("maintain", "check the style of the code and the notebooks", ["-m", "ruff", "check"]),
    "notebooks": Word("maintain", "run notebooks anew (all, or NN ...), store their outputs", ["tools/notebooks.py"]),
    "checkpoints": Word("maintain", "retrain every network that ships with the course", ["tools/checkpoints.py"]),
    "pictures": Word("maintain", "draw the moving picture of README anew", ["tools/pictures.py"]),
    "browser": Word("maintain", "try every demo in a real browser", ["tools/browser.py"], "browser"),
    "bench": Word("maintain", "measure the speed that the course promises", ["tools/bench.py"]),
}


class Problem(Exception):
    """What went wrong and what to do about it, in one sentence."""


def words():
    """The words that this copy of the course can run."""
    return {name: word for name, word in WORDS.items() if word.command[0] == "-m" or (ROOT / word.command[0]).exists()}


def usage():
    rows = {group: [] for group in GROUPS}
    for name, word in words().items():
        rows[word.group].append(f"    {name:<12} {word.says}")
    groups = "\n\n".join("\n".join([f"{GROUPS[group]}:", *lines]) for group, lines in rows.items() if lines)
    return f"""\
usage: python3 course.py [installer arguments] WORD [arguments of the program]

{groups}

The first start sets everything up in .venv (with uv where it is on the PATH, else with venv and pip) and takes some
minutes; later starts skip that while nothing changed. What stands after the word goes on to the program:

    python3 course.py lab --no-browser --port 8899
    python3 course.py test -k schedule

What stands before the word goes on to the installer, pip or uv, and is remembered for repairs. On Linux, --cpu takes
a torch without CUDA, which saves gigabytes; it is short for the second line:

    python3 course.py --cpu lab
    python3 course.py --extra-index-url {CPU_INDEX} lab"""


# ---------------------------------------------------------------- the environment


def venv_python():
    return VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")


def stamp_file():
    return VENV / "course.json"


def read_stamp():
    """What the last set-up wrote about itself: {} where there is none, and "done" is False where it did not finish."""
    try:
        stamp = json.loads(stamp_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(stamp):
    partial = stamp_file().with_suffix(".tmp")
    partial.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    os.replace(partial, stamp_file())


def packages_digest():
    """Changes when what is to be installed changes, and not when, say, a style rule in pyproject.toml does."""
    import tomllib  # not in Python before 3.11

    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    parts = [pyproject["build-system"], pyproject["project"], pyproject["tool"]["setuptools"]]
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    return hashlib.sha256(json.dumps([parts, constraints], sort_keys=True).encode()).hexdigest()


def interpreter():
    """The version of .venv's Python, "3.12", or None where it does not run (its base may have been upgraded away)."""
    if not (VENV / "pyvenv.cfg").exists():  # without it, this Python would install into its base
        return None
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([str(venv_python()), "-ISc", ask], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return None
    return answer.stdout.decode().strip() or None


def distributions(python):
    """The names of what is installed: a package removed by hand is missed at the next start."""
    site = VENV / "Lib/site-packages" if WINDOWS else VENV / f"lib/python{python}/site-packages"
    names = os.listdir(site) if site.is_dir() else []
    return sorted({name.split("-")[0] for name in names if name.endswith(".dist-info")})


def wanted(stamp, args, extra):
    """The stamp of a finished set-up. Without new installer arguments the old ones hold; extras add up."""
    return {
        "root": str(ROOT),
        "packages": packages_digest(),
        "args": list(args) or stamp.get("args", []),
        "extras": sorted({"test", *stamp.get("extras", []), *([extra] if extra else [])}),
    }


def missing(args, extra):
    """What .venv needs: None (it is ready), "packages" (install into it) or "all" (make it anew)."""
    stamp, python = read_stamp(), interpreter()
    if not python or python_problem([int(part) for part in python.split(".")]):
        return "all"
    goal = {**wanted(stamp, args, extra), "python": python}
    if stamp and (not stamp.get("done") or any(stamp.get(key) != goal[key] for key in ("root", "python", "args"))):
        return "all"
    complete = set(stamp.get("distributions", [])) <= set(distributions(python))
    if stamp and complete and goal.items() <= stamp.items():
        return None
    return "packages" if shutil.which("uv") or has_pip() else "all"  # without a stamp: another tool's, or killed early


def has_pip():
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.run([str(venv_python()), "-m", "pip", "--version"], **quiet).returncode == 0


# ---------------------------------------------------------------- set-up


def set_up(args, extra=None):
    """Makes .venv what `wanted` says; does nothing where it is so already. The stamp is the last thing written."""
    if missing(args, extra) is None:
        write_jupyter_settings()  # an environment of an older course may lack a file
        return
    with only_one() as lock:
        need = missing(args, extra)
        if need is None:
            return
        start = time.monotonic()
        stamp = read_stamp()
        goal = wanted(stamp, args, extra)
        uv = shutil.which("uv")
        if need == "all":
            make_environment(uv, lock)
        write_stamp({**goal, "args": stamp.get("args", []), "done": False})  # new ones count once they have worked
        install(uv, goal, lock)
        write_jupyter_settings()
        python = interpreter()
        write_stamp({**goal, "python": python, "distributions": distributions(python), "done": True})
        say(f"The course is set up ({time.monotonic() - start:.0f} s).")


def make_environment(uv, lock):
    if Path(sys.prefix).resolve() == VENV.resolve():
        raise Problem(
            "The environment .venv must be made anew, and this Python runs inside it: "
            "type `deactivate`, then run the same command again."
        )
    if not uv and not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise Problem(
            f"This Python cannot make environments, because its venv module is missing: install it (on Debian and "
            f"Ubuntu: sudo apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv), or install uv, "
            f"then run the same command again."
        )
    if os.path.lexists(VENV):
        say("The environment in .venv is unfinished, broken or made for something else: making it anew.")
        remove(VENV)
    if shutil.disk_usage(ROOT).free < NEEDED_BYTES:
        raise Problem(DISK_IS_FULL)
    say("Setting the course up in .venv. This happens once and takes some minutes.")
    command = [uv, "venv", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
    run_installer([*command, str(VENV)], lock)


def install(uv, goal, lock):
    say(f"Installing the packages with {'uv' if uv else 'pip'}.")
    what = ["--constraint", "constraints.txt", "--editable", ".[{}]".format(",".join(goal["extras"])), *goal["args"]]
    if uv:
        # pip looks at all its indexes and takes the best version: uv does so only when asked.
        command = [uv, "pip", "install", "--python", str(venv_python()), "--index-strategy", "unsafe-best-match"]
        for place in find_links():
            command += ["--find-links", place]
    else:
        command = [str(venv_python()), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    run_installer(command + what, lock)


def find_links():
    """The folders and pages where pip is told to look for packages besides its index, which uv does not read."""
    places = os.environ.get("PIP_FIND_LINKS", "").split()
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    for line in listing.stdout.decode(errors="replace").splitlines():
        name, _, value = line.partition("=")
        if name.endswith(".find-links"):
            places += ast.literal_eval(value).split()
    return list(dict.fromkeys(places))


def write_jupyter_settings():
    """JupyterLab keeps the pictures of demos when it saves, and does not ask whether to fetch news, nor for updates."""
    quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    hook = {"ServerApp": {"jpserver_extensions": {"cfgedu.saving": True}}}  # as cfgedu/saving.py writes it
    files = {
        "share/jupyter/lab/settings/overrides.json": quiet,
        "etc/jupyter/jupyter_server_config.d/cfgedu.json": hook,
    }
    for name, settings in files.items():
        text, file = json.dumps(settings, indent=1) + "\n", VENV / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")


def run_installer(command, lock):
    """Runs a step of the set-up; shows its current line, and its last ones with a sentence when it fails."""
    env = environment()
    env["PIP_USER"] = "0"  # a `user = true` in pip's settings stops every installation into an environment
    # The installer holds the lock too: one that outlives this process is waited for.
    held = {} if WINDOWS else {"pass_fds": (lock.fileno(),)}
    process = subprocess.Popen(
        command, cwd=str(ROOT), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        universal_newlines=True, encoding="utf-8", errors="replace", **held
    )  # fmt: skip
    lines = deque(maxlen=15)
    reader = threading.Thread(target=lambda: lines.extend(line.rstrip() for line in process.stdout), daemon=True)
    reader.start()
    try:
        watch(process, lines)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    reader.join()
    if process.returncode:
        print("\n".join(lines), file=sys.stderr)
        raise Problem(explain(lines))


def watch(process, lines):
    """Waits, with the minutes and the installer's latest line in view (without a terminal, one line in 30 s)."""
    terminal, start = sys.stdout.isatty(), time.monotonic()
    width = shutil.get_terminal_size().columns - 1
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.5 if terminal else 30)
            break
        seconds = int(time.monotonic() - start)
        shown = next((line for line in reversed(list(lines)) if not line.lstrip().startswith(DULL)), "")
        row = f"  {seconds // 60}:{seconds % 60:02d}  {shown.strip()}"
        print("\r" + row[:width].ljust(width) if terminal else row[:110], end="" if terminal else "\n", flush=True)
    if terminal:
        print("\r" + " " * width + "\r", end="", flush=True)


def explain(lines):
    """The sentence that goes with an installer's last lines."""
    text = "\n".join(lines).lower()

    def has(*marks):
        return any(mark in text for mark in marks)

    if has("no space left", "not enough space", "disk full", "errno 28", "disk quota exceeded"):
        return DISK_IS_FULL
    if has("connection", "timed out", "timeout", "name resolution", "failed to fetch", "dns error", "unreachable"):
        return "The package index is out of reach: check the network (or the proxy), then run the same command again."
    if has("no matching distribution", "no solution found", "could not find a version"):
        return (
            "The index has no version of a package for this Python and machine (see above): start with another Python "
            "between 3.11 and 3.14, or name an index that has it, as `python3 course.py --help` shows."
        )
    return "The installation failed (see above): mend what it names, then run the same command again."


@contextlib.contextmanager
def only_one():
    """Two starts at once would install over each other: the second waits here for the first."""
    with open(ROOT / ".course.lock", "w") as lock:
        told = False
        while not grab(lock):
            if not told:
                say("Another start is setting the course up: waiting for it.")
            told = True
            time.sleep(0.5)
        yield lock


def grab(lock):
    try:
        if WINDOWS:
            import msvcrt

            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        raise
    return True


# ---------------------------------------------------------------- the words


def environment():
    """The surroundings of every program: .venv first, and nothing of another Python's."""
    env = dict(os.environ, VIRTUAL_ENV=str(VENV), JUPYTER_PREFER_ENV_PATH="1")
    env["PATH"] = str(venv_python().parent) + os.pathsep + env.get("PATH", "")
    for name in ("PYTHONHOME", "PYTHONPATH"):
        env.pop(name, None)
    return env


def program(word, args):
    """The command line of a word, without the Python that runs it."""
    first, *rest = WORDS[word].command
    command = [str(ROOT / first) if first.endswith(".py") else first, *rest, *args]
    if word == "lab":
        command += [f"--ServerApp.root_dir={ROOT}"]
        if not any(arg.endswith(".ipynb") for arg in args):
            command += [f"--LabApp.default_url=/lab/tree/{FIRST_NOTEBOOK}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command += ["--allow-root"]  # in a container; the server listens on this machine alone, behind a token
    return command


def start(python, command, here=False):
    """Becomes the program, so that Ctrl-C reaches it; Windows has no exec, there this process waits for it.

    here: its arguments are files of whoever calls, so the folder stays theirs.
    """
    command = [str(python), *command]
    if not here:
        os.chdir(str(ROOT))
    sys.stdout.flush()
    if not WINDOWS:
        os.execve(command[0], command, environment())
    process = subprocess.Popen(command, env=environment())
    while True:
        with contextlib.suppress(KeyboardInterrupt):  # the program got it too, and decides
            return process.wait()


def remove(path):
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(str(path))
        else:
            path.unlink()
    except PermissionError as error:
        raise Problem(f"Cannot remove {error.filename}: close what uses it (JupyterLab?), then try again.") from None


def say(text):
    print(text, flush=True)


def main(argv):
    place = next((i for i, arg in enumerate(argv) if arg in WORDS), None)
    if place is None and (not argv or {"-h", "--help", "help"} & set(argv)):
        print(usage())
        return 0
    if place is None or not (place == 0 or argv[0].startswith("-")):
        print(f"course.py does not know the word {argv[0]}\n\n{usage()}", file=sys.stderr)
        return 2
    before, word, after = argv[:place], argv[place], argv[place + 1 :]
    installer = [part for arg in before for part in (["--extra-index-url", CPU_INDEX] if arg == "--cpu" else [arg])]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that an installer is stopped with us
    try:
        if word not in words():
            raise Problem(f"This copy of the course lacks {WORDS[word].command[0]}, which `{word}` runs.")
        if WORDS[word].bare:  # `clean` may remove the environment, `update` must work without one
            return start(sys.executable, program(word, after))
        set_up(installer, WORDS[word].extra)
        return start(venv_python(), program(word, after), WORDS[word].here)
    except Problem as problem:
        return fail(problem)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))
        return fail(DISK_IS_FULL if full else f"{error}: mend that, then run the same command again.")
    except KeyboardInterrupt:
        return fail("\nStopped. The next start mends what is unfinished.", code=130)


def fail(sentence, code=1):
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
