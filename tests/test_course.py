"""course.py on a small copy of the project, with a stand-in for the installer: no network, no minutes."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import course
from cfgedu import saving

ROOT = Path(__file__).resolve().parent.parent
# Makes real environments without packages; "installs" by writing down names and versions. LACKS: a package left out.
# FAIL: what to print before it fails. SETTINGS: where to write down its own variables.
INSTALLER = """#!{python}
import json, os, re, shutil, sys, time, tomllib, venv
from pathlib import Path

def record(site, name, version):
    for old in site.glob(name.replace("-", "_") + "-*.dist-info"):
        shutil.rmtree(old)
    info = site / f"{{name.replace('-', '_')}}-{{version}}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("")

if sys.argv[1:] == ["--version"]:
    sys.exit(print("uv 0.13.9"))
with open(os.environ["LOG"], "a") as log:
    print(*sys.argv[1:], file=log)
if "SETTINGS" in os.environ:
    own = {{name: text for name, text in os.environ.items() if name.startswith(("PIP_", "UV_", "PYTHON"))}}
    Path(os.environ["SETTINGS"]).write_text(json.dumps(own))
if sys.argv[1] == "venv":
    venv.create(sys.argv[-1], with_pip=False, symlinks=True)
else:
    print("Collecting numpy", flush=True)
    time.sleep(float(os.environ.get("SLEEP", 0)))
    if "FAIL" in os.environ:
        sys.exit(os.environ["FAIL"])
    site, = Path(sys.argv[sys.argv.index("--python") + 1]).parent.parent.glob("lib/python3*/site-packages")
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    extras = re.search(r"\\[(.*)\\]", sys.argv[sys.argv.index("--editable") + 1]).group(1).split(",")
    named = sum((project["optional-dependencies"][extra] for extra in extras), project["dependencies"])
    pins = dict(re.findall(r"^([\\w.-]+)==(\\S+)", Path("constraints.txt").read_text(), re.MULTILINE))
    pins = {{name.lower(): (name, version) for name, version in pins.items()}}
    for requirement in named:
        name = re.match(r"[\\w.-]+", requirement).group()
        if name != os.environ.get("LACKS"):
            record(site, *pins.get(name.lower(), (name, "1.0")))
    record(site, "cfgedu", "1.0.0")
    (site / "ruff").mkdir(exist_ok=True)
    (site / "ruff/__main__.py").write_text("import sys; print('ran', sys.argv[1:], sys.prefix)")
"""
posix = pytest.mark.skipif(os.name == "nt", reason="the stand-in installer is a POSIX script")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A copy of the project with a stand-in for uv first on the PATH; `course` works on the copy."""
    root = tmp_path / "the course"  # the blank is meant
    (root / "tools").mkdir(parents=True)
    for name in ("course.py", "course_setup.py", "pyproject.toml", "constraints.txt", "tools/clean.py"):
        shutil.copy(ROOT / name, root / name)
    uv = tmp_path / "bin/uv"
    uv.parent.mkdir()
    uv.write_text(INSTALLER.format(python=sys.executable))
    uv.chmod(0o755)
    monkeypatch.setattr(course, "ROOT", root)
    monkeypatch.setattr(course, "VENV", root / ".venv")
    monkeypatch.setattr(course.signal, "signal", lambda *_: None)
    monkeypatch.setattr(course, "choose_torch", lambda *_: ("default", ""))
    monkeypatch.setattr(course, "NEEDED_BYTES", 0)
    monkeypatch.setattr(course, "start", lambda python, command, here=False: 0)
    monkeypatch.setenv("PATH", f"{uv.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return root


def installed():
    """What the installer was called with since the last question: "venv", or the arguments of an installation."""
    log = Path(os.environ["LOG"])
    calls = log.read_text().splitlines() if log.exists() else []
    log.write_text("")
    return ["venv" if call.startswith("venv") else call.split(".venv/bin/python ")[1] for call in calls]


def stamp(root):
    return json.loads((root / ".venv/course.json").read_text())


# ---------------------------------------------------------------- Python's version


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 1), (3, 13, 0), (3, 14, 2)])
def test_a_right_python_passes(version):
    assert course.python_problem(version) is None


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 0), (3, 10, 13), (3, 15, 0), (4, 0, 0)])
def test_a_wrong_python_is_named(version):
    sentence = course.python_problem(version)
    assert ".".join(map(str, version)) in sentence
    assert "3.11 to 3.14" in sentence


def test_an_old_python_can_read_the_script():
    ast.parse((ROOT / "course.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_an_old_python_ends_in_one_sentence():
    """Before any import that an old Python may not have."""
    pretend = "import runpy, sys; sys.version_info = (3, 8, 1); sys.argv[1:] = ['lab']; "
    run = [sys.executable, "-c", pretend + f"runpy.run_path({str(ROOT / 'course.py')!r}, run_name='__main__')"]
    result = subprocess.run(run, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.strip() == course.python_problem((3, 8, 1))


# ---------------------------------------------------------------- words


def test_help_lists_the_words_that_can_run(home, capsys):
    assert course.main([]) == course.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "    lab " in text
    assert "    clean " in text
    assert "    play " not in text
    (home / "tools/play.py").touch()
    course.main(["--help"])
    assert "    play " in capsys.readouterr().out


def test_help_groups_the_words_by_who_needs_them(capsys):
    course.main(["--help"])
    text = capsys.readouterr().out
    places = [text.index(f"\n{title}:\n") for title in course.GROUPS.values()]
    assert places == sorted(places)
    assert (
        places[0] < text.index("    lab ") < places[1] < text.index("    play ") < places[2] < text.index("    lint ")
    )
    for name in course.words():
        assert text.count(f"    {name} ") == 1
    assert max(map(len, text.splitlines())) <= 119


@pytest.mark.parametrize("argv", [["lap"], ["lap", "lab"], ["--cpu"], ["3", "test"]])
def test_an_unknown_word_installs_nothing(home, capsys, argv):
    assert course.main(argv) == 2
    assert f"does not know the word {argv[0]}" in capsys.readouterr().err
    assert not (home / ".venv").exists()


def test_a_word_without_its_tool(home, capsys):
    assert course.main(["bench"]) == 1
    assert "lacks tools/bench.py" in capsys.readouterr().err
    assert not (home / ".venv").exists()


def test_every_word_is_a_tool_of_the_course_or_a_program_that_is_explained(monkeypatch):
    for word in course.WORDS:
        assert (course.tool_of(word) is None) == (word in course.MORE)
        assert word in course.words()
    monkeypatch.setitem(course.WORDS, "lint", course.Word("maintain", "", ["-m", "tools.clean"]))
    assert course.tool_of("lint") == ROOT / "tools/clean.py"
    monkeypatch.setitem(course.WORDS, "lint", course.Word("maintain", "", ["-m", "tools.gone"]))
    assert "lint" not in course.words()


def test_arguments_go_on_to_the_program(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    assert course.program("test", ["-k", "schedule"]) == ["-m", "pytest", "-k", "schedule"]
    lab = course.program("lab", ["--no-browser", "--port", "8899"])
    assert lab[:5] == ["-m", "jupyterlab", "--no-browser", "--port", "8899"]
    assert lab[-1] == "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"
    assert not any("00_start" in part for part in course.program("lab", ["notebooks/06_guidance_vector.ipynb"]))
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert "--allow-root" in course.program("lab", [])


def test_lab_opens_another_language(monkeypatch, tmp_path):
    monkeypatch.setattr(course, "ROOT", tmp_path)
    with pytest.raises(course.Problem, match="no language `ko`. `--lang` knows: none yet"):
        course.language_of(["--lang", "ko"])
    (tmp_path / "translations/ko").mkdir(parents=True)
    with pytest.raises(course.Problem, match="no language `kr`. `--lang` knows: ko"):
        course.language_of(["--lang=kr"])
    with pytest.raises(course.Problem, match="no language ``"):
        course.language_of(["--lang"])
    with pytest.raises(course.Problem, match="Nothing of the course is finished in `ko`"):
        course.language_of(["--lang", "ko"])
    (tmp_path / "translations/ko/finished").write_text("00_start_here\n")
    assert course.language_of(["--port", "8899", "--lang", "ko", "--no-browser"]) == (
        "ko",
        ["--port", "8899", "--no-browser"],
    )
    assert course.language_of(["--lang=ko", "a.ipynb"]) == ("ko", ["a.ipynb"])
    assert course.language_of(["--port", "1"]) == (None, ["--port", "1"])
    lab = course.program("lab", [], "ko")
    assert "--LabApp.default_url=/lab/tree/build/ko/notebooks/00_start_here.ipynb" in lab


def test_a_language_is_built_before_it_is_shown(monkeypatch, tmp_path):
    monkeypatch.setattr(course, "ROOT", tmp_path)
    monkeypatch.setenv("CFGEDU_LANG", "")
    (tmp_path / "tools").mkdir()
    told = "import pathlib, sys\npathlib.Path('told').write_text(' '.join(sys.argv[1:]))\n"
    (tmp_path / "tools/translation.py").write_text(told)
    course.build_language(sys.executable, "ko")
    assert (tmp_path / "told").read_text() == "build ko"
    assert os.environ["CFGEDU_LANG"] == "ko"
    (tmp_path / "tools/translation.py").write_text("raise SystemExit(1)\n")
    with pytest.raises(course.Problem, match="could not be built in `ko`"):
        course.build_language(sys.executable, "ko")


# ---------------------------------------------------------------- help, and options in the wrong place


@pytest.mark.parametrize("word", course.WORDS)
def test_help_of_a_word_needs_no_set_up(word, capfd, tmp_path, monkeypatch):
    """On a copy without an environment: the tool's own words and options, and nothing is installed."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (*ROOT.glob("*.py"), ROOT / "pyproject.toml", ROOT / "constraints.txt"):
        shutil.copy(path, tmp_path)
    for option in ("--help", "-h"):
        run = [sys.executable, str(tmp_path / "course.py"), word, option]
        result = subprocess.run(run, capture_output=True, text=True)
        assert (result.returncode, result.stderr) == (0, "")
        assert f"course.py {word}" in result.stdout
        if word in course.MORE:
            assert "https://" in result.stdout
        elif not course.WORDS[word].bare:  # which tells its own options
            tool = ast.parse(course.tool_of(word).read_text(encoding="utf-8"))
            assert ast.get_docstring(tool) in result.stdout
            assert all(name in result.stdout for names, _ in course.options_of(tool) for name in names)
    assert not (tmp_path / ".venv").exists()


def test_help_tells_the_options_of_a_tool():
    text = course.help_of("play")
    assert "NN ...]`: serves the demos alone" in text
    assert "    --port           the port to serve on (default: a free one)" in text
    assert "    NN               whose demos, such as 06 (default: all lessons)" in text
    assert "... (default: all of them)" in course.help_of("checkpoints")


@posix
def test_help_of_a_word_is_the_program_s_own_once_it_is_there(home, monkeypatch):
    course.main(["lint"])
    started = []
    monkeypatch.setattr(course, "start", lambda python, command, *_: started.append(command))
    course.main(["lint", "--help"])
    assert started == [["-m", "ruff", "check", "--help"]]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["lab", "--cpu"], "stands before the word: python3 course.py --cpu lab"),
        (["lab", "--cuda"], "stands before the word: python3 course.py --cuda lab"),
        (["test", "-k", "x", "--extra-index-url", "https://x"], "`--extra-index-url` is for the installer"),
        (["lint", "--index-url=https://x"], "stands before the word: python3 course.py --index-url=https://x lint"),
        (["--no-browser", "lab"], "after the word: python3 course.py lab --no-browser"),
        (["--port", "8899", "lab"], "after the word: python3 course.py lab --port"),
        (["-k", "schedule", "test"], "after the word: python3 course.py test -k"),
        (["--cpu", "--typo", "lab"], "`--typo` stands before the word"),
        (["--target", "/x", "lab"], "`--target` stands before the word"),
        (["--prefix=/x", "lab"], "`--prefix=/x` stands before the word"),
        (["--no-deps", "lab"], "`--no-deps` stands before the word"),
        (["--dry-run", "clean"], "`--dry-run` stands before the word"),
        (["notebooks", "06", "99"], "No lesson begins with 99. There are: 00_start_here, 06_guidance_vector."),
        (["notebooks", "lap"], "No lesson begins with lap."),
    ],
)
def test_what_stands_in_the_wrong_place_is_told_before_anything_is_installed(home, capsys, argv, said):
    (home / "notebooks").mkdir()
    (home / "tools/notebooks.py").write_text("")
    for name in ("00_start_here", "06_guidance_vector"):
        (home / f"notebooks/{name}.ipynb").touch()
    assert course.main(argv) == 2
    assert said in sentence(capsys)
    assert not (home / ".venv").exists()


def test_what_stands_in_the_right_place_is_left_to_the_program():
    for argv in (
        ["lint", "--no-cache"],
        ["lint", "--cache-dir", "/x"],
        ["test", "--verbose"],
        ["test", "--", "--cpu"],
        ["lab", "--no-browser", "--port", "8899"],
        ["notebooks", "06", "guidance".join(["06_", "_vector.ipynb"]), "notebooks/11_digits.ipynb"],
        ["play", "--port", "8899", "06"],
        ["browser", "gallery", "--site", "index", "questions"],
    ):
        assert course.misplaced([], argv[0], argv[1:]) is None
    for before in (["--cpu"], ["--cuda"], ["-i", "https://x"], ["--cert=/x"], ["--find-links", "/x", "--pre"], ["-vv"]):
        assert course.misplaced(before, "lab", []) is None


# ---------------------------------------------------------------- what programs and installers see of the user's


def test_programs_see_this_environment_first(monkeypatch):
    foreign = ("PYTHONPATH", "PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONINSPECT")
    foreign += ("PYTHONSAFEPATH", "PYTHON_OF_TOMORROW", "JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "JUPYTERLAB_DIR")
    for name in (*foreign, "MPLBACKEND", "PYTEST_PLUGINS"):
        monkeypatch.setenv(name, "/elsewhere")
    own = {"PYTHONUNBUFFERED": "1", "JUPYTER_TOKEN": "x", "OMP_NUM_THREADS": "1", "HTTPS_PROXY": "http://p:1"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    env = course.environment()
    assert env["PATH"].split(os.pathsep)[0] == str(course.venv_python().parent)
    assert not {*foreign, "MPLBACKEND", "PYTEST_PLUGINS"} & set(env)
    assert own.items() <= env.items()
    assert env["PYTHONUTF8"] == "1"


def test_what_the_course_sets_for_every_program_gives_way_to_the_user(monkeypatch):
    monkeypatch.setattr(course, "STEADY", {"MALLOC_ARENA_MAX": "2"})
    assert course.environment()["MALLOC_ARENA_MAX"] == "2"
    monkeypatch.setenv("MALLOC_ARENA_MAX", "7")
    assert course.environment()["MALLOC_ARENA_MAX"] == "7"


@posix
def test_clean_and_the_course_itself_do_not_see_another_python_s_files(home, tmp_path):
    """A broken json.py on the PYTHONPATH, no docstrings: `clean` runs with the Python at hand."""
    (tmp_path / "broken").mkdir()
    for folder in (tmp_path / "broken", home):
        (folder / "json.py").write_text("raise SystemExit('not the standard library')")
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "broken"), "PYTHONOPTIMIZE": "2"}
    run = [sys.executable, str(home / "course.py"), "clean"]
    result = subprocess.run(run, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (result.returncode, result.stderr) == (0, "")


@posix
def test_a_home_folder_that_cannot_be_written_is_told_and_replaced(home, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert course.with_home({"HOME": str(tmp_path)}) == {"HOME": str(tmp_path)}
    monkeypatch.setenv("HOME", "/proc/nobody")
    (home / ".venv").mkdir()
    assert course.with_home({"HOME": "/proc/nobody"}) == {"HOME": str(home / ".venv/home")}
    assert (home / ".venv/home").is_dir()
    assert "The home folder /proc/nobody cannot be written" in capsys.readouterr().out


# ---------------------------------------------------------------- set-up and repair


@posix
def test_the_first_start_sets_up_and_the_second_does_not(home, capsys):
    assert course.main(["lab"]) == 0
    venv, packages = installed()
    assert venv == "venv"
    assert packages == ("--index-strategy unsafe-best-match --constraint constraints.txt --editable .[test]")
    assert stamp(home)["done"] is True
    news = json.loads((home / ".venv/share/jupyter/lab/settings/overrides.json").read_text())
    assert news["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    capsys.readouterr()
    assert course.main(["test"]) == 0
    assert installed() == []
    assert capsys.readouterr().out == ""


@posix
def test_set_up_writes_the_hook_that_keeps_pictures_of_demos(home, tmp_path):
    """The file that the package itself writes, also into an environment that was set up before there was one."""
    course.main(["lab"])
    file = home / ".venv/etc/jupyter" / saving.FILE
    assert file.read_text() == saving.install(tmp_path).read_text()
    file.unlink()
    installed()
    course.main(["lab"])
    assert json.loads(file.read_text()) == saving.CONFIG
    assert installed() == []
    written = file.stat().st_mtime_ns
    course.main(["lab"])
    assert file.stat().st_mtime_ns == written


@posix
def test_the_program_runs_in_the_environment(home):
    """The real process from end to end: it becomes the program, whose output and arguments are its own."""
    run = [sys.executable, str(home / "course.py"), "lint", "--fix", "a b"]
    first = subprocess.run(run, capture_output=True, text=True)
    assert f"ran ['check', '--fix', 'a b'] {home / '.venv'}" in first.stdout, first.stderr
    start = time.monotonic()
    second = subprocess.run(run, capture_output=True, text=True)
    assert second.stdout.startswith("ran ")
    assert time.monotonic() - start < 5


def spoil_stamp(root):
    (root / ".venv/course.json").unlink()


def spoil_half(root):
    """As a start leaves it that was killed while it installed."""
    (root / ".venv/course.json").write_text(json.dumps({**stamp(root), "done": False}))


def spoil_text(root):
    (root / ".venv/course.json").write_text('{"done": tr')


def spoil_interpreter(root):
    (root / ".venv/bin/python").unlink()
    (root / ".venv/bin/python").symlink_to("/nonexistent/python3")


def spoil_settings(root):
    (root / ".venv/pyvenv.cfg").unlink()


def spoil_everything(root):
    shutil.rmtree(root / ".venv")
    (root / ".venv").mkdir()


def spoil_place(root):
    """As after moving the folder: scripts and the editable installation point to the old place."""
    (root / ".venv/course.json").write_text(json.dumps({**stamp(root), "root": "/elsewhere"}))


def spoil_version(root):
    (root / ".venv/course.json").write_text(json.dumps({**stamp(root), "python": "3.9"}))


def site(root):
    return next((root / ".venv").glob("lib/python3*/site-packages"))


def spoil_package(root):
    shutil.rmtree(next(site(root).glob("numpy-*.dist-info")))


def spoil_half_a_package(root):
    (next(site(root).glob("numpy-*.dist-info")) / "METADATA").unlink()


def spoil_a_version(root):
    """As after `pip install numpy==1.26` by hand."""
    next(site(root).glob("numpy-*.dist-info")).rename(site(root) / "numpy-1.26.0.dist-info")


def spoil_old_stamp(root):
    """As an older course.py left it where PIP_PREFIX had sent all packages elsewhere: done, with nothing."""
    for info in site(root).glob("*.dist-info"):
        shutil.rmtree(info)
    old = {key: value for key, value in stamp(root).items() if key != "torch"}
    (root / ".venv/course.json").write_text(json.dumps({**old, "distributions": ["pip", "setuptools"]}))


def spoil_types(root):
    (root / ".venv/course.json").write_text(json.dumps({**stamp(root), "distributions": 5, "args": None}))


def spoil_isolation(root):
    """A package of the system's would count as installed here."""
    file = root / ".venv/pyvenv.cfg"
    file.write_text(file.read_text().replace("packages = false", "packages = true"))


def spoil_constraints(root):
    with open(root / "constraints.txt", "a") as file:
        file.write("einops==1.0\n")


def spoil_dependencies(root):
    text = (root / "pyproject.toml").read_text()
    (root / "pyproject.toml").write_text(text.replace('"torch",', '"torch", "einops",'))


@posix
@pytest.mark.parametrize(
    ("spoil", "calls"),
    [
        (spoil_half, ["venv", "install"]),
        (spoil_interpreter, ["venv", "install"]),
        (spoil_settings, ["venv", "install"]),
        (spoil_everything, ["venv", "install"]),
        (spoil_place, ["venv", "install"]),
        (spoil_version, ["venv", "install"]),
        (spoil_stamp, ["install"]),
        (spoil_text, ["install"]),
        (spoil_isolation, ["venv", "install"]),
        (spoil_types, ["install"]),
        (spoil_package, ["install"]),
        (spoil_half_a_package, ["install"]),
        (spoil_a_version, ["install"]),
        (spoil_constraints, ["install"]),
        (spoil_dependencies, ["install"]),
    ],
)
def test_a_spoilt_environment_is_repaired_once(home, spoil, calls):
    course.main(["lab"])
    installed()
    spoil(home)
    assert course.main(["lab"]) == 0
    assert [call if call == "venv" else "install" for call in installed()] == calls
    assert course.main(["lab"]) == 0
    assert installed() == []


@posix
def test_the_stamp_of_an_older_course_that_installed_nothing_heals(home):
    course.main(["lab"])
    installed()
    spoil_old_stamp(home)
    assert course.main(["lab"]) == 0
    assert len(installed()) == 1
    assert course.lacking(["test"], course.interpreter()) == []
    assert course.main(["lab"]) == 0
    assert installed() == []


@posix
def test_the_stamp_of_an_older_course_that_is_complete_stays(home):
    """It knew no choice of a torch: what is there stays, and what --cpu stood for is --cpu."""
    for args, choice in (([], "default"), (["--extra-index-url", course.CPU_INDEX, "--pre"], "cpu")):
        shutil.rmtree(home / ".venv", ignore_errors=True)
        course.main(["lab"])
        old = {key: value for key, value in stamp(home).items() if key != "torch"}
        (home / ".venv/course.json").write_text(json.dumps({**old, "args": args}))
        installed()
        assert course.main(["lab"]) == 0
        assert installed() == []
        assert course.wanted(course.read_stamp(), [], None)["torch"] == choice
        if choice == "cpu":
            assert course.main(["--cpu", "lab"]) == 0
            assert installed() == []


@posix
def test_what_the_installer_left_out_is_missed(home, capsys, monkeypatch):
    monkeypatch.setenv("PIP_CONSTRAINT", "/mine.txt")
    monkeypatch.setenv("LACKS", "jupyterlab")
    assert course.main(["lab"]) == 1
    said = sentence(capsys)
    assert "uv reports success, but .venv lacks jupyterlab at the version in constraints.txt" in said
    assert "UV_CONSTRAINT" in said
    assert stamp(home)["done"] is False
    monkeypatch.delenv("LACKS")
    assert course.main(["lab"]) == 0
    assert stamp(home)["done"] is True


@posix
def test_another_version_than_the_one_of_the_course_is_missed(home):
    course.main(["lab"])
    python = course.interpreter()
    assert course.lacking(["test"], python) == []
    assert course.lacking(["test", "site"], python) == ["sphinx", "myst-parser", "furo", "docutils", "playwright"]
    shutil.copytree(next(site(home).glob("torch-*.dist-info")), site(home) / "torch-2.9.0.dist-info")
    assert course.lacking(["test"], python) == []  # what a broken installation left beside it
    shutil.rmtree(site(home) / "torch-2.9.0.dist-info")
    for name in ("torch-2.13.0+cu130", "torch-2.13"):
        next(site(home).glob("torch-*.dist-info")).rename(site(home) / f"{name}.dist-info")
        assert course.lacking(["test"], python) == []
    next(site(home).glob("torch-*.dist-info")).rename(site(home) / "torch-2.13.1.dist-info")
    next(site(home).glob("scikit_learn-*")).rename(site(home) / "gone")
    assert course.lacking(["test"], python) == ["torch", "scikit-learn"]


@posix
def test_the_user_s_settings_reach_the_installer_and_others_do_not(home, tmp_path, monkeypatch):
    monkeypatch.setenv("SETTINGS", str(tmp_path / "settings"))
    for name in ("UV_TARGET", "UV_PREFIX", "UV_NO_DEPS", "PIP_PREFIX", "PYTHONPATH", "PYTHONOPTIMIZE", "UV_PYTHON"):
        monkeypatch.setenv(name, "/x")
    monkeypatch.setenv("UV_INDEX", "https://school/simple")
    course.main(["lab"])
    seen = json.loads((tmp_path / "settings").read_text())
    assert seen["UV_INDEX"] == "https://school/simple"
    assert "/x" not in seen.values()


@posix
def test_a_uv_that_does_not_run_leaves_the_work_to_pip(home, tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(course, "run_installer", lambda command, env, lock: commands.append(command))
    monkeypatch.setattr(course, "interpreter", lambda: None)
    monkeypatch.setattr(course, "lacking", lambda *_: [])
    monkeypatch.setattr(course, "distributions", lambda python: {})
    (home / ".venv").mkdir()
    monkeypatch.setattr(course, "remove", lambda path: None)
    (tmp_path / "bin/uv").write_text("#!/bin/sh\nexit 127\n")
    assert course.main(["lab"]) == 0
    assert [command[1:3] for command in commands] == [["-m", "venv"], ["-m", "pip"]]


@posix
def test_a_uv_that_makes_no_environment_leaves_the_work_to_pip(home, capsys, monkeypatch):
    commands = []

    def fails(command, env, lock):
        commands.append(command)
        if command[1] == "venv":
            raise course.Problem("no such option")

    def does_nothing(command, env, lock):
        commands.append(command)

    for run in (fails, does_nothing):
        commands.clear()
        monkeypatch.setattr(course, "run_installer", run)
        assert course.make_environment("/bin/uv", {}, None) is None
        assert [command[1:3] for command in commands] == [["venv", "--python"], ["-m", "venv"]]
        assert "going on with pip" in capsys.readouterr().out


@posix
def test_the_torch_is_chosen_once_and_kept(home, capsys, monkeypatch):
    asked = []

    def choose(index, env, args):
        asked.append(index)
        return "cpu", "No NVIDIA driver is here."

    monkeypatch.setattr(course, "choose_torch", choose)
    monkeypatch.setenv("FAIL", "error: dns error")
    assert course.main(["lab"]) == 1
    monkeypatch.delenv("FAIL")
    assert course.main(["lab"]) == 0
    assert asked == 2 * [course.CPU_INDEX]  # a set-up that failed has settled nothing
    assert capsys.readouterr().out.count("No NVIDIA driver is here.") == 2
    assert stamp(home)["torch"] == "cpu"
    for spoil in (spoil_package, spoil_interpreter, spoil_place):
        installed()
        spoil(home)
        course.main(["lab"])
        assert installed()[-1].endswith(f".[test] --extra-index-url {course.CPU_INDEX}")
    course.main(["--cuda", "lab"])
    assert [course.CPU_INDEX in call for call in installed()] == [False, False]  # made anew, and without it
    assert stamp(home)["torch"] == "default"
    course.main(["lab"])
    assert installed() == []
    assert len(asked) == 2


@posix
@pytest.mark.parametrize("name", ["a {b}", "costs $five", "one:two"])
def test_a_folder_that_cannot_work_is_told_before_anything_is_made(home, capsys, monkeypatch, name):
    monkeypatch.setattr(course, "ROOT", home.parent / name)
    monkeypatch.setattr(course, "VENV", home.parent / name / ".venv")
    home.rename(home.parent / name)
    assert course.main(["lab"]) == 1
    assert "rename the folder" in sentence(capsys)
    assert not (home.parent / name / ".venv").exists()


def test_a_machine_that_cannot_work_is_told_before_anything_is_made(home, capsys, monkeypatch):
    monkeypatch.setattr(course, "machine_problem", lambda: "There is no PyTorch for it.")
    assert course.main(["lab"]) == 1
    assert sentence(capsys) == "There is no PyTorch for it."
    assert not (home / ".venv").exists()


@posix
def test_a_style_rule_installs_nothing(home):
    course.main(["lab"])
    installed()
    text = (home / "pyproject.toml").read_text()
    (home / "pyproject.toml").write_text(text.replace("line-length = 120", "line-length = 99"))
    course.main(["lab"])
    assert installed() == []


@posix
def test_installer_arguments_are_passed_and_remembered(home):
    course.main(["--cpu", "lab"])
    assert installed()[1].endswith(f".[test] --extra-index-url {course.CPU_INDEX}")
    course.main(["lab"])
    assert installed() == []
    spoil_package(home)
    course.main(["lab"])
    assert installed()[0].endswith(course.CPU_INDEX)
    course.main(["--pre", "lab"])
    assert [call.split()[-1] for call in installed()] == ["venv", "--pre"]


@posix
def test_arguments_that_did_not_work_are_forgotten(home, monkeypatch):
    monkeypatch.setenv("FAIL", "no such file: /typo.pem")
    assert course.main(["--cpu", "--cert", "/typo.pem", "lab"]) == 1
    monkeypatch.delenv("FAIL")
    installed()
    assert course.main(["lab"]) == 0
    assert not any("typo" in call or course.CPU_INDEX in call for call in installed())


@posix
def test_an_extra_is_installed_at_its_first_use(home):
    (home / "tools/play.py").touch()
    course.main(["lab"])
    installed()
    course.main(["play"])
    assert [call.split("--editable ")[1] for call in installed()] == [".[site,test]"]
    course.main(["play"])
    course.main(["lab"])
    assert installed() == []


@posix
def test_a_stopped_set_up_leaves_no_installer_and_is_mended(home):
    """SIGTERM in the middle of the installation: the installer ends too, and the next start begins anew."""
    run = [sys.executable, str(home / "course.py"), "lint"]
    process = subprocess.Popen(
        run, env={**os.environ, "SLEEP": "60"}, stdout=subprocess.DEVNULL, start_new_session=True
    )
    log = Path(os.environ["LOG"])
    deadline = time.monotonic() + 30
    while not (log.exists() and "--editable" in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 143
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert stamp(home)["done"] is False
    installed()
    assert course.main(["lint"]) == 0
    assert installed()[0] == "venv"


@posix
def test_two_starts_do_not_install_at_once(home):
    with course.only_one(), open(home / ".course.lock", "w") as lock:
        assert course.grab(lock) is False
    with open(home / ".course.lock", "w") as lock:
        assert course.grab(lock) is True


def test_pip_is_used_where_there_is_no_uv(home, monkeypatch):
    commands = []
    monkeypatch.setattr(course, "run_installer", lambda command, env, lock: commands.append(command))
    course.make_environment(None, {}, None)
    course.install(None, {}, {"extras": ["test"], "args": ["--no-cache-dir"], "torch": "default"}, None)
    assert commands[0] == [sys.executable, "-m", "venv", str(home / ".venv")]
    assert commands[1][:4] == [str(course.venv_python()), "-m", "pip", "install"]
    assert commands[1][-5:] == ["--constraint", "constraints.txt", "--editable", ".[test]", "--no-cache-dir"]


# ---------------------------------------------------------------- failures end in one sentence


def sentence(capsys):
    """The last line on stderr; there is no traceback above it."""
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return text.strip().splitlines()[-1]


@posix
@pytest.mark.parametrize(
    ("printed", "said"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "too little disk space",
        ),
        ("error: failed to write to file: No space left on device (os error 28)", "too little disk space"),
        (
            "ERROR: Could not install: <urllib3.connection.HTTPSConnection>: Failed to establish a new connection",
            "network",
        ),
        ("error: Failed to fetch: `https://example.org`\n  Caused by: dns error: failed to lookup address", "network"),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: Read timed out.", "network"),
        ("ERROR: No matching distribution found for torch==2.13.0", "no version of a package for this Python"),
        ("  x No solution found when resolving dependencies:", "no version of a package for this Python"),
        ("error: command 'gcc' failed", "The installation failed (see above)"),
    ],
)
def test_a_failed_installation(home, capsys, monkeypatch, printed, said):
    monkeypatch.setenv("FAIL", printed)
    assert course.main(["lab"]) == 1
    text = capsys.readouterr().err
    assert printed.splitlines()[-1] in text
    assert said in text.splitlines()[-1]
    assert "Traceback" not in text


def test_no_venv_module(home, capsys, monkeypatch):
    monkeypatch.setattr(course, "find_uv", lambda env: None)
    monkeypatch.setattr(course.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else True)
    assert course.main(["lab"]) == 1
    said = sentence(capsys)
    assert f"sudo apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv" in said


def test_too_little_space_before_anything_is_made(home, capsys, monkeypatch):
    monkeypatch.setattr(course, "NEEDED_BYTES", shutil.disk_usage(home).total + 1)
    assert course.main(["lab"]) == 1
    assert sentence(capsys) == course.DISK_IS_FULL
    assert not (home / ".venv").exists()


@posix
def test_the_disk_fills_up_at_the_stamp(home, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(course.os, "replace", full)
    assert course.main(["lab"]) == 1
    assert sentence(capsys) == course.DISK_IS_FULL


def test_a_folder_one_may_not_write_in(home, capsys, monkeypatch):
    def denied():
        raise PermissionError(13, "Permission denied", ".course.lock")

    monkeypatch.setattr(course, "only_one", denied)
    assert course.main(["lab"]) == 1
    assert ".course.lock" in sentence(capsys)


@posix
def test_an_environment_in_use_by_this_python(home, capsys, monkeypatch):
    monkeypatch.setattr(course.sys, "prefix", str(home / ".venv"))
    assert course.main(["lab"]) == 1
    assert "deactivate" in sentence(capsys)


def test_ctrl_c(home, capsys, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(course, "set_up", stop)
    assert course.main(["lab"]) == 130
    assert "next start" in sentence(capsys)


def test_words_with_files_of_the_caller_stay_in_the_callers_folder(monkeypatch, tmp_path):
    """`course.py grade anna.ipynb` from another folder means the file there."""
    there = {}
    monkeypatch.setattr(course, "WINDOWS", False)
    monkeypatch.setattr(os, "execve", lambda file, command, env: there.update({command[-1]: Path.cwd()}))
    for here in (True, False):
        monkeypatch.chdir(tmp_path)
        course.start("python", [str(here)], here)
    assert there == {"True": tmp_path, "False": course.ROOT}
    assert course.program("grade", ["x.ipynb"]) == [str(course.ROOT / "tools/grade.py"), "x.ipynb"]
    assert {name for name, word in course.WORDS.items() if word.here} == {"grade", "student"}
