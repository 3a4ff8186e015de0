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

import os

if __name__ == "__main__":  # the standard library comes first: no json.py of a folder in PYTHONPATH, or of this one
    here = os.path.dirname(os.path.abspath(__file__))
    theirs = [here, *map(os.path.abspath, os.getenv("PYTHONPATH", "").split(os.pathsep))]
    ours = [folder for folder in sys.path if folder not in theirs or folder.startswith(os.path.dirname(os.__file__))]
    sys.path[:] = [*ours, here]

import ast
import contextlib
import errno
import hashlib
import importlib.util
import json
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import deque, namedtuple
from pathlib import Path

from course_setup import (
    DISK_IS_FULL,
    OUT_OF_MEMORY,
    SOURCES,
    VENV_PYTHON,
    Problem,
    choose_torch,
    explain,
    find_uv,
    folder_problem,
    installer_environment,
    machine_problem,
    runs,
    writable,
)

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
WINDOWS = os.name == "nt"
FIRST_NOTEBOOK = "notebooks/00_start_here.ipynb"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
NEEDED_BYTES = 2_500_000_000
FIXED = ("root", "python", "args", "torch")  # of the stamp: an environment that was made for another one is made anew
# What may stand before the word, and which of it may stand after the word too.
BEFORE = {*SOURCES, "cpu", "cuda", "i", "f", "c", "n", "v", "vv", "verbose", "pre", "prefer-binary", "U", "upgrade"}
BEFORE |= {"refresh", "reinstall", "force-reinstall"}
AFTER = {"verbose", "cache-dir", "no-cache", "timeout", "offline", "proxy"}  # programs have such options too

# Variables of every program, where the user has not set them. On Linux, C's library hands the memory of a large tensor
# back to the system after every operation, a sixth of the time of sampling 1000 points (docs/benchmarks.md): with
# these it is kept. 32 MB is the most that every version of the library takes for the first.
STEADY = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**30)} if sys.platform == "linux" else {}
PYTHON_KEPT = {  # of Python's own: the others change which files it reads, what it leaves out, what it makes an error
    *("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONHASHSEED", "PYTHONFAULTHANDLER"),
    *("PYTHONMALLOC", "PYTHON_COLORS", "PYTHON_CPU_COUNT", "PYTHON_KEYRING_BACKEND"),
}
FOREIGN = {  # they name kernels, extensions, backends or plugins that are not those of .venv
    *("JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "JUPYTER_NO_CONFIG", "JUPYTERLAB_DIR", "MPLBACKEND"),
    *("PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "__PYVENV_LAUNCHER__"),
}

DULL = ("WARNING", "Requirement already", "Attempting uninstall", "Found existing", "Uninstalling", "Successfully")

# A word belongs to a group of the help, and runs a command with .venv's Python; `extra` is what that needs of
# pyproject.toml. A bare one runs with the Python that reads this and needs nothing but its standard library.
GROUPS = {"learn": "to learn", "teach": "to teach", "maintain": "to work on the course"}
Word = namedtuple("Word", "group says command extra bare here", defaults=(None, False, False))
WORDS = {
    "lab": Word("learn", f"open JupyterLab on {FIRST_NOTEBOOK} (--lang ko: in Korean)", ["-m", "jupyterlab"]),
    "site": Word("learn", "build the course as web pages (--open shows them)", ["-m", "tools.site"], "site"),
    "clean": Word("learn", "remove caches and downloads (--all: .venv too)", ["tools/clean.py"], bare=True),
    "update": Word("learn", "take what is new; your notebooks go to mine/", ["tools/update.py", "update"], bare=True),
    "restore": Word("learn", "bring notebooks back; yours go to mine/", ["tools/update.py", "restore"], bare=True),
    "play": Word("teach", "serve the demos alone, without code, for a class or a talk", ["tools/play.py"], "site"),
    "zip": Word("teach", "pack the course for a class without git", ["tools/update.py", "zip"], bare=True),
    "grade": Word("teach", "run handed-in notebooks, tell which exercises are right", ["tools/grade.py"], here=True),
    "student": Word("teach", "write a copy without solutions and outputs", ["tools/student.py"], here=True),
    "test": Word("maintain", "run every test: unit, rules, all notebooks and solutions", ["-m", "pytest"]),
    "lint": Word("maintain", "check the style of the code and the notebooks", ["-m", "ruff", "check"]),
    "notebooks": Word("maintain", "run notebooks anew (all, or NN ...), store their outputs", ["tools/notebooks.py"]),
    "checkpoints": Word("maintain", "retrain every network that ships with the course", ["tools/checkpoints.py"]),
    "pictures": Word("maintain", "draw the moving picture at the top of README anew", ["tools/pictures.py"]),
    "translation": Word("maintain", "keep other languages in step with the English", ["-m", "tools.translation"]),
    "browser": Word("maintain", "try every demo in a real browser", ["tools/browser.py"], "browser"),
    "bench": Word("maintain", "measure the speed that the course promises", ["tools/bench.py"]),
    "resolve": Word("maintain", "check that the pinned versions suit every system", ["tools/resolve.py"], bare=True),
}
LESSONS = ("play", "notebooks", "browser")  # their arguments name notebooks
HELP = {"-h", "--help", "--help-all"}
MORE = {  # where the options of a program of others are explained
    "lab": "JupyterLab (`--lang ko`: the course in Korean): https://jupyterlab.readthedocs.io/en/stable/getting_started/starting.html",
    "test": "pytest: https://docs.pytest.org/en/stable/reference/reference.html#command-line-flags",
    "lint": "ruff: https://docs.astral.sh/ruff/linter/",
}


def words():
    """The words that this copy of the course can run."""
    return {name: word for name, word in WORDS.items() if not tool_of(name) or tool_of(name).exists()}


def tool_of(word):
    """The file of the course that a word runs, also where its command is "-m tools.x"; None for a program of others."""
    file, *more = WORDS[word].command
    if file == "-m" and more[0].startswith("tools."):
        file = more[0].replace(".", "/") + ".py"
    return None if file == "-m" else ROOT / file


def usage():
    rows = {group: [] for group in GROUPS}
    for name, word in words().items():
        rows[word.group].append(f"    {name:<12} {word.says}")
    groups = "\n\n".join("\n".join([f"{GROUPS[group]}:", *lines]) for group, lines in rows.items() if lines)
    return f"""\
usage: python3 course.py [installer arguments] WORD [arguments of the program]

{groups}

The first start sets everything up in .venv (with uv where it is on the PATH, else with venv and pip) and takes some
minutes; later starts skip that while nothing changed. What stands after the word goes on to the program, and
WORD --help tells what that understands:

    python3 course.py lab --no-browser --port 8899
    python3 course.py test -k schedule

What stands before the word goes on to the installer, pip or uv, and is remembered for repairs:

    python3 course.py --index-url https://example.org/simple lab

On Linux there are two builds of torch. The first start takes the one without CUDA, which saves gigabytes, where it
sees no NVIDIA driver and that build's index answers at once. Or you choose; --cpu is short for the third line:

    python3 course.py --cpu lab
    python3 course.py --cuda lab
    python3 course.py --extra-index-url {CPU_INDEX} lab"""


def help_of(word):
    """What a word does and understands, read from its tool without running it: nothing needs to be installed."""
    usage = f"usage: python3 course.py {word} [arguments of the program]"
    if word in MORE:
        return f"{usage}\n\n{word}: {WORDS[word].says}\n\nWhat stands after the word goes on to {MORE[word]}"
    tool = ast.parse(tool_of(word).read_text(encoding="utf-8"))
    rows = [f"    {', '.join(names):<16} {says}" for names, says in options_of(tool)]
    return "\n".join([usage, "", ast.get_docstring(tool) or "", "", *rows])


def options_of(tool):
    """(names, help) of every call of argparse's add_argument in a parsed program; "..." for what is computed."""
    for node in ast.walk(tool):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            given = {key.arg: key.value for key in node.keywords}
            parts = getattr(given.get("help"), "values", [given.get("help")])
            names = [name.value for name in node.args if isinstance(name, ast.Constant)]
            if isinstance(given.get("metavar"), ast.Constant) and not names[0].startswith("-"):
                names = [given["metavar"].value]
            yield names, "".join(part.value if isinstance(part, ast.Constant) else "..." for part in parts)


# ---------------------------------------------------------------- the environment


def venv_python():
    return ROOT / VENV_PYTHON


def stamp_file():
    return VENV / "course.json"


def read_stamp():
    """What the last set-up wrote about itself: {} where there is none, and "done" is False where it did not finish."""
    try:
        stamp = json.loads(stamp_file().read_text(encoding="utf-8"))
        for key in ("args", "extras", "distributions"):
            stamp[key] = [str(name) for name in stamp.get(key, [])]
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    choice, stamp["args"] = torch_and_others(stamp["args"])
    return {"torch": choice or "default", **stamp}  # older ones tell the torch by their arguments


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
    try:
        settings = (VENV / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    except OSError:  # without it, this Python would install into its base
        return None
    if re.search("include-system-site-packages *= *true", settings):  # what is there would count as installed here
        return None
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([str(venv_python()), "-ISc", ask], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return None
    return answer.stdout.decode().strip() or None


def distributions(python):
    """{name: its versions} of what is installed, in its own spelling: what is removed or changed, a start misses."""
    site = VENV / "Lib/site-packages" if WINDOWS else VENV / f"lib/python{python}/site-packages"
    names = os.listdir(str(site)) if site.is_dir() else []
    found = {}  # two versions of one name are what a broken installation may leave
    for name in sorted(names):
        if name.endswith(".dist-info") and (site / name / "METADATA").is_file():
            name, _, version = name[: -len(".dist-info")].partition("-")
            found.setdefault(name, []).append(version)
    return found


def lacking(extras, python):
    """What pyproject.toml names, these extras included, and .venv does not hold at the version in constraints.txt."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [project["name"], *project["dependencies"]]
    for extra in extras:
        named += project["optional-dependencies"].get(extra, [])
    rows = re.findall(r"^([\w.-]+)==([\w.+!-]+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    pins, held = {}, {spelled(name): versions for name, versions in distributions(python).items()}
    for name, version in rows:
        pins.setdefault(spelled(name), []).append(version)
    names = [re.match(r"[\w.-]+", line).group() for line in named if ";" not in line]  # a marker: perhaps not for here
    return [name for name in names if not any_of(held.get(spelled(name)), pins.get(spelled(name)))]


def spelled(name):
    """As the index spells it: of POT, scikit_learn and Jinja2 there is one spelling."""
    return re.sub(r"[-_.]+", "-", name).lower()


def any_of(versions, pins):
    """2.13.0+cpu is a build of 2.13.0, and 1.0 is 1.0.0. Any version does where nothing is pinned."""
    plain = lambda text: re.sub(r"(\.0)+$", "", text.partition("+")[0])
    return bool(versions) and (not pins or not set(map(plain, pins)).isdisjoint(map(plain, versions)))


def wanted(stamp, args, extra):
    """The stamp of a finished set-up. Without new installer arguments the old ones hold; extras add up.

    "torch" is "cpu" (the build without CUDA) or "default" (what the index gives), None where nobody has chosen yet.
    """
    choice, others = torch_and_others(args)
    return {
        "root": str(ROOT),
        "packages": packages_digest(),
        "args": others or stamp.get("args", []),
        "torch": choice or stamp.get("torch"),
        "extras": sorted({"test", *stamp.get("extras", []), *([extra] if extra else [])}),
    }


def torch_and_others(args):
    """(the build of torch that these arguments choose, or None; the other arguments)."""
    choice, others = None, []
    for arg in args:
        if arg in ("--cpu", "--cuda"):
            choice = "cpu" if arg == "--cpu" else "default"
        else:
            others.append(arg)
            if others[-2:] == ["--extra-index-url", CPU_INDEX]:
                choice, others = "cpu", others[:-2]
    return choice, others


def missing(args, extra):
    """What .venv needs: None (it is ready), "packages" (install into it) or "all" (make it anew)."""
    stamp, python = read_stamp(), interpreter()
    if not python or python_problem([int(part) for part in python.split(".")]):
        return "all"
    goal = {**wanted(stamp, args, extra), "python": python}
    if stamp and (not stamp.get("done") or any(stamp.get(key) != goal[key] for key in FIXED)):
        return "all"
    complete = set(stamp.get("distributions", [])) <= set(distributions(python))
    if stamp and complete and goal.items() <= stamp.items() and not lacking(goal["extras"], python):
        return None
    # Without a stamp it is another tool's, or was killed early.
    return "packages" if find_uv(environment()) or has_pip() else "all"


def has_pip():
    return runs([str(venv_python()), "-m", "pip", "--version"], environment())


# ---------------------------------------------------------------- set-up


def set_up(args, extra=None):
    """Makes .venv what `wanted` says; does nothing where it is so already. The stamp is the last thing written."""
    if missing(args, extra) is None:
        write_jupyter_settings()  # an environment of an older course may lack a file
        return
    for problem in (machine_problem(), folder_problem(str(ROOT))):
        if problem:
            raise Problem(problem)
    with only_one() as lock:
        need = missing(args, extra)
        if need is None:
            return
        start = time.monotonic()
        stamp = read_stamp()
        goal = wanted(stamp, args, extra)
        uv = find_uv(environment())
        env = installer_environment(uv, environment(), ROOT)
        if goal["torch"] is None:
            goal["torch"], line = "default", ""
            if need == "all" or "torch" not in distributions(interpreter()):
                goal["torch"], line = choose_torch(CPU_INDEX, env, goal["args"])
            if line:
                say(line)
        if need == "all":
            uv = make_environment(uv, env, lock)
            env = installer_environment(uv, environment(), ROOT)  # it may be pip now
        old = {"args": stamp.get("args", []), "torch": stamp.get("torch")}
        write_stamp({**goal, **old, "done": False})  # new choices count once they have worked
        install(uv, env, goal, lock)
        python = interpreter()
        lacks = lacking(goal["extras"], python)
        if lacks:
            settings = sorted(name for name in env if name.startswith(("PIP_", "UV_")))
            raise Problem(
                f"{'uv' if uv else 'pip'} reports success, but .venv lacks {', '.join(lacks)} at the version in "
                f"constraints.txt: look at what stands before the word and at {', '.join(settings) or 'its settings'}, "
                f"then run the same command again."
            )
        write_jupyter_settings()
        write_stamp({**goal, "python": python, "distributions": list(distributions(python)), "done": True})
        say(f"The course is set up ({time.monotonic() - start:.0f} s).")


def make_environment(uv, env, lock):
    """Makes .venv anew with uv, or with venv where uv is None or fails; returns the uv to go on with, or None."""
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
    if uv:
        with contextlib.suppress(Problem):
            run_installer([uv, "venv", "--python", sys.executable, str(VENV)], env, lock)
            if interpreter():
                return uv
        say("uv makes no environment here: going on with pip.")
        if os.path.lexists(VENV):
            remove(VENV)
    run_installer([sys.executable, "-m", "venv", str(VENV)], env, lock)
    return None


def install(uv, env, goal, lock):
    say(f"Installing the packages with {'uv' if uv else 'pip'}.")
    what = ["--constraint", "constraints.txt", "--editable", ".[{}]".format(",".join(goal["extras"]))]
    if goal["torch"] == "cpu":  # 2.13.0+cpu counts as higher than the 2.13.0 of other indexes, for pip and for uv
        what += ["--extra-index-url", CPU_INDEX]
    if uv:
        # pip looks at all its indexes and takes the best version: uv does so only when asked.
        command = [uv, "pip", "install", "--python", str(venv_python()), "--index-strategy", "unsafe-best-match"]
    else:
        command = [str(venv_python()), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    run_installer([*command, *what, *goal["args"]], env, lock)


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


def run_installer(command, env, lock):
    """Runs a step of the set-up; shows its current line, and its last ones with a sentence when it fails."""
    # The installer holds the lock too: one that outlives this process is waited for.
    held = {} if WINDOWS else {"pass_fds": (lock.fileno(),)}
    process = subprocess.Popen(
        command, cwd=str(ROOT), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, universal_newlines=True, encoding="utf-8", errors="replace", **held
    )  # fmt: skip
    lines = deque(maxlen=30)
    reader = threading.Thread(target=lambda: lines.extend(line.rstrip() for line in process.stdout), daemon=True)
    reader.start()
    with process.stdout:
        try:
            watch(process, lines)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        reader.join()
    if process.returncode:
        print("\n".join(list(lines)[-15:]), file=sys.stderr)
        raise Problem(OUT_OF_MEMORY if process.returncode == -9 else explain(lines))


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
    """The surroundings of every program: .venv first, and nothing that belongs to another Python."""
    env = {**STEADY, **os.environ}
    for name in os.environ:
        if name in FOREIGN or (name.startswith("PYTHON") and name not in PYTHON_KEPT):
            del env[name]
    env.update(VIRTUAL_ENV=str(VENV), JUPYTER_PREFER_ENV_PATH="1", PYTHONUTF8="1")
    env["PATH"] = str(venv_python().parent) + os.pathsep + env.get("PATH", "")
    return env


def misplaced(before, word, after):
    """The sentence for an option on the wrong side of the word, and for a lesson that there is not; None otherwise."""
    for arg in before:
        if arg.startswith("-") and arg.partition("=")[0].lstrip("-") not in BEFORE:
            return (
                f"`{arg}` stands before the word, and is no option of the installer about where packages come from. "
                f"If it is one of the program's, it stands after the word: python3 course.py {word} {arg}"
            )
    if WORDS[word].bare:
        return None
    tool = ast.parse(tool_of(word).read_text(encoding="utf-8") if tool_of(word) else "")
    own = {name for names, _ in options_of(tool) for name in names}
    for arg in after[: after.index("--") if "--" in after else None]:
        name = arg.partition("=")[0]
        if name.startswith("--") and name[2:] in BEFORE - AFTER and name not in own:
            return f"`{name}` is for the installer and stands before the word: python3 course.py {arg} {word}"
    return unknown_lesson(after) if word in LESSONS and "--site" not in after else None  # those words name pages


def unknown_lesson(args):
    """The sentence for an argument that is the beginning of no notebook's name; values of options are not looked at."""
    names = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    plain = [arg for arg, last in zip(args, ["", *args]) if not arg.startswith("-") and not last.startswith("-")]
    for arg in plain if names else []:
        if not any(name.startswith(Path(arg).name) for name in names):
            return f"No lesson begins with {arg}. There are: {', '.join(name[: -len('.ipynb')] for name in names)}."
    return None


def with_home(env):
    """Programs keep settings and sockets in the home folder: where it cannot be written, one in .venv stands in."""
    home = os.path.expanduser("~")
    if not WINDOWS and VENV.is_dir() and not writable(home):
        env["HOME"] = str(VENV / "home")
        os.makedirs(env["HOME"], exist_ok=True)
        say(f"The home folder {home} cannot be written: programs keep their settings in {env['HOME']} instead.")
    return env


def language_of(args):
    """(the language that `--lang` names, or None; the other arguments). Raises Problem where it cannot be shown."""
    rest, language = list(args), None
    for k, arg in enumerate(args):
        if arg.partition("=")[0] == "--lang":
            split = "=" not in arg
            language = "".join(args[k + 1 : k + 2]) if split else arg.partition("=")[2]
            del rest[k : k + 1 + split]
            break
    else:
        return None, rest
    folder = ROOT / "translations"
    known = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if language not in known:
        raise Problem(f"The course has no language `{language}`. `--lang` knows: {', '.join(known) or 'none yet'}.")
    finished = folder / language / "finished"
    if not (finished.is_file() and finished.read_text(encoding="utf-8").split()):
        raise Problem(f"Nothing of the course is finished in `{language}` yet: start it without `--lang`.")
    return language, rest


def build_language(python, language):
    """Builds the notebooks of a language, which programs then speak too."""
    env = environment()
    if subprocess.run([str(python), "-m", "tools.translation", "build", language], cwd=str(ROOT), env=env).returncode:
        raise Problem(f"The course could not be built in `{language}`: see above.")
    os.environ["CFGEDU_LANG"] = language


def program(word, args, language=None):
    """The command line of a word, without the Python that runs it."""
    first, *rest = WORDS[word].command
    command = [str(ROOT / first) if first.endswith(".py") else first, *rest, *args]
    if word == "lab":
        command += [f"--ServerApp.root_dir={ROOT}"]
        if not any(arg.endswith(".ipynb") for arg in args):
            folder = f"build/{language}/" if language else ""
            command += [f"--LabApp.default_url=/lab/tree/{folder}{FIRST_NOTEBOOK}"]
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
    env = with_home(environment())
    if not WINDOWS:
        os.execve(command[0], command, env)
    process = subprocess.Popen(command, env=env)
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
    if not argv or {*HELP, "help"} & set(argv[:place]):
        print(usage())
        return 0
    if place is None or not (place == 0 or argv[0].startswith("-")):
        print(f"course.py does not know the word {argv[0]}\n\n{usage()}", file=sys.stderr)
        return 2
    before, word, after = argv[:place], argv[place], argv[place + 1 :]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that an installer is stopped with us
    try:
        if word not in words():
            raise Problem(f"This copy of the course lacks {tool_of(word).relative_to(ROOT)}, which `{word}` runs.")
        told = misplaced(before, word, after)
        if told:
            return fail(told, code=2)
        if WORDS[word].bare:  # `clean` may remove the environment, `update` must work without one
            return start(sys.executable, program(word, after))
        if HELP & set(after) and missing(before, WORDS[word].extra):
            print(help_of(word))
            return 0
        if word != "lab":  # a terminal of a JupyterLab that speaks Korean has it set
            os.environ.pop("CFGEDU_LANG", None)
        language, after = language_of(after) if word == "lab" else (None, after)
        set_up(before, WORDS[word].extra)
        if language:
            build_language(venv_python(), language)
        return start(venv_python(), program(word, after, language), WORDS[word].here)
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
