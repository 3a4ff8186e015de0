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
# Makes real environments without packages; "installs" by unpacking names. FAIL: what to print before it fails.
INSTALLER = """#!{python}
import os, sys, time, venv
from pathlib import Path

with open(os.environ["LOG"], "a") as log:
    print(*sys.argv[1:], file=log)
if sys.argv[1] == "venv":
    venv.create(sys.argv[-1], with_pip=False, symlinks=True)
else:
    print("Collecting numpy", flush=True)
    time.sleep(float(os.environ.get("SLEEP", 0)))
    if "FAIL" in os.environ:
        sys.exit(os.environ["FAIL"])
    site, = Path(sys.argv[sys.argv.index("--python") + 1]).parent.parent.glob("lib/python3*/site-packages")
    for name in ("numpy-2.4.6", "cfgedu-0.1.0"):
        (site / (name + ".dist-info")).mkdir(exist_ok=True)
    (site / "ruff").mkdir(exist_ok=True)
    (site / "ruff/__main__.py").write_text("import sys; print('ran', sys.argv[1:], sys.prefix)")
"""
posix = pytest.mark.skipif(os.name == "nt", reason="the stand-in installer is a POSIX script")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A copy of the project with a stand-in for uv first on the PATH; `course` works on the copy."""
    root = tmp_path / "the course"  # the blank is meant
    (root / "tools").mkdir(parents=True)
    for name in ("course.py", "pyproject.toml", "constraints.txt", "tools/clean.py"):
        shutil.copy(ROOT / name, root / name)
    uv = tmp_path / "bin/uv"
    uv.parent.mkdir()
    uv.write_text(INSTALLER.format(python=sys.executable))
    uv.chmod(0o755)
    monkeypatch.setattr(course, "ROOT", root)
    monkeypatch.setattr(course, "VENV", root / ".venv")
    monkeypatch.setattr(course.signal, "signal", lambda *_: None)
    monkeypatch.setattr(course, "find_links", lambda: ["/wheels"])
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


def test_arguments_go_on_to_the_program(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    assert course.program("test", ["-k", "schedule"]) == ["-m", "pytest", "-k", "schedule"]
    lab = course.program("lab", ["--no-browser", "--port", "8899"])
    assert lab[:5] == ["-m", "jupyterlab", "--no-browser", "--port", "8899"]
    assert lab[-1] == "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"
    assert not any("00_start" in part for part in course.program("lab", ["notebooks/06_guidance_vector.ipynb"]))
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert "--allow-root" in course.program("lab", [])


def test_programs_see_this_environment_first(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PYTHONHOME", "/elsewhere")
    env = course.environment()
    assert env["PATH"].split(os.pathsep)[0] == str(course.venv_python().parent)
    assert not {"PYTHONPATH", "PYTHONHOME"} & set(env)


# ---------------------------------------------------------------- set-up and repair


@posix
def test_the_first_start_sets_up_and_the_second_does_not(home, capsys):
    assert course.main(["lab"]) == 0
    venv, packages = installed()
    assert venv == "venv"
    assert packages == (
        "--index-strategy unsafe-best-match --find-links /wheels --constraint constraints.txt --editable .[test]"
    )
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


def spoil_package(root):
    next((root / ".venv").glob("lib/python3*/site-packages/numpy-*.dist-info")).rmdir()


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
        (spoil_package, ["install"]),
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
    monkeypatch.setenv("FAIL", "no such option: --typo")
    assert course.main(["--typo", "lab"]) == 1
    monkeypatch.delenv("FAIL")
    installed()
    assert course.main(["lab"]) == 0
    assert not any("--typo" in call for call in installed())


@posix
def test_an_extra_is_installed_at_its_first_use(home):
    (home / "tools/play.py").touch()
    course.main(["lab"])
    installed()
    course.main(["play"])
    assert [call.split("--editable ")[1] for call in installed()] == [".[play,test]"]
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
    monkeypatch.setattr(course, "run_installer", lambda command, lock: commands.append(command))
    course.make_environment(None, None)
    course.install(None, {"extras": ["test"], "args": ["--no-cache-dir"]}, None)
    assert commands[0] == [sys.executable, "-m", "venv", str(home / ".venv")]
    assert commands[1][:4] == [str(course.venv_python()), "-m", "pip", "install"]
    assert commands[1][-5:] == ["--constraint", "constraints.txt", "--editable", ".[test]", "--no-cache-dir"]


def test_pip_s_find_links_are_found(monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "/first/wheels https://example.org/second")
    assert course.find_links()[:2] == ["/first/wheels", "https://example.org/second"]


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
    monkeypatch.setattr(course.shutil, "which", lambda name: None)
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
