"""`course.py resolve` with a stand-in for uv: what is asked of it, and what is made of its answers. No network."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import course
from tools import resolve

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PLACES = [(system, python) for system in resolve.SYSTEMS for python in resolve.PYTHONS]
posix = pytest.mark.skipif(os.name == "nt", reason="the stand-in for uv is a POSIX script")
# Answers with ANSWER, or fails with FAILURE on the platform that it names; writes what it was asked to LOG.
UV = """#!{python}
import os, sys
platform = sys.argv[sys.argv.index("--python-platform") + 1]
with open(os.environ["LOG"], "a") as log:
    print(os.environ.get("MACOSX_DEPLOYMENT_TARGET"), *sys.argv[1:], sys.stdin.read().split(), file=log)
if platform == os.environ.get("FAILURE"):
    sys.exit("  × No solution found:\\n  ╰─▶ Because torch==2.13.0 has no wheels\\n      with a matching tag.")
print(os.environ["ANSWER"])
"""


def answers(versions=None, **others):
    """Results of the whole table: `versions` everywhere but at the places named "system, python"."""
    return {place: others.get(", ".join(place), (versions or {"torch": "2.13.0"}, None)) for place in PLACES}


@pytest.fixture
def uv(tmp_path, monkeypatch):
    """main() runs this uv in place of its own."""
    path = tmp_path / "uv"
    path.write_text(UV.format(python=sys.executable), encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setattr(resolve, "own_uv", lambda folder: path)
    monkeypatch.setattr(sys, "argv", ["resolve.py"])
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv("ANSWER", "numpy==2.4.6\ntorch==2.13.0")
    return path


def test_every_python_and_system_has_its_place():
    assert resolve.PYTHONS == ["3.11", "3.12", "3.13", "3.14"]
    assert len(PLACES) == 16
    assert "aarch64-apple-darwin" in resolve.SYSTEMS.values()


def test_everything_that_pyproject_names_is_asked_for():
    asked = [Requirement(line).name for line in resolve.requirements(PYPROJECT)]
    assert {"setuptools", "torch", "pytest", "playwright", "sphinx", "diffusers"} <= set(asked)
    groups = [PYPROJECT["project"]["dependencies"], *PYPROJECT["project"]["optional-dependencies"].values()]
    assert len(asked) == sum(map(len, groups)) + len(PYPROJECT["build-system"]["requires"])


def test_pins_are_read_in_every_spelling():
    text = (
        "# a==1\ntyping_extensions==4.16.0\nJinja2==3.1.6 ; python_version < '3.12'\n    # via x==2\nPOT==0.9.7.post1\n"
    )
    assert resolve.pins(text) == {"typing-extensions": "4.16.0", "jinja2": "3.1.6", "pot": "0.9.7.post1"}


def test_a_table_without_a_fault():
    rows, wrong = resolve.table(answers(), {"torch": "2.13.0"})
    assert wrong == []
    assert len(rows) == 1 + len(resolve.SYSTEMS)
    assert rows[1].split() == ["Linux", "x86-64", *["1", "packages"] * 4]


def test_a_table_tells_what_fails_once_for_all_places_of_one_reason():
    no = (None, "Because of torch.")
    results = answers(**{"macOS arm64, 3.11": no, "macOS arm64, 3.14": no, "Linux arm64, 3.12": (None, "Another.")})
    rows, wrong = resolve.table(results, {"torch": "2.13.0"})
    assert rows[4].split() == ["macOS", "arm64", "no", "1", "packages", "1", "packages", "no"]
    assert wrong == [
        "Linux arm64, Python 3.12: Another.",
        "macOS arm64, Python 3.11; macOS arm64, Python 3.14: Because of torch.",
    ]


def test_a_table_names_what_is_not_pinned():
    some = ({"torch": "2.13.0", "click": "8.5.1", "appnope": "1.0"}, None)
    _, wrong = resolve.table(answers(**{"macOS arm64, 3.12": some}), {"torch": "2.13.0"})
    place = "(macOS arm64, Python 3.12)"
    assert wrong == [f"constraints.txt has no version of appnope==1.0 {place}, click==8.5.1 {place}."]


@posix
def test_what_uv_is_asked(uv, tmp_path, capsys):
    assert resolve.main() == 0
    out = capsys.readouterr().out
    assert out.count("2 packages") == 16
    calls = (tmp_path / "log").read_text().splitlines()
    assert len(calls) == 16
    for system, python in PLACES:
        platform = f"--python-version {python} --python-platform {resolve.SYSTEMS[system]} "
        (call,) = [call for call in calls if platform in call]
        assert call.startswith("14.0 pip compile - ")
        assert "--only-binary :all:" in call
        assert "--constraints constraints.txt" in call
        assert "'setuptools>=77'" in call
        assert "http" not in call  # where packages come from is the user's affair


@posix
def test_a_place_without_a_solution_fails_with_the_reason(uv, monkeypatch, capsys):
    monkeypatch.setenv("FAILURE", "x86_64-pc-windows-msvc")
    said = resolve.main()
    assert said == (
        "; ".join(f"Windows x86-64, Python {python}" for python in resolve.PYTHONS)
        + ": No solution found: Because torch==2.13.0 has no wheels with a matching tag."
    )
    assert capsys.readouterr().out.count("no  ") == 3


@posix
def test_a_package_without_a_version_in_constraints_fails(uv, monkeypatch):
    monkeypatch.setenv("ANSWER", "numpy==2.4.6\nleft_pad==1.0")
    assert resolve.main() == "constraints.txt has no version of left-pad==1.0 (Linux x86-64, Python 3.11)."


@posix
def test_no_answer_in_time_is_told(uv, monkeypatch):
    uv.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(30)\n")
    monkeypatch.setattr(resolve, "SECONDS", 0.01)
    assert "no answer" in resolve.main()


@posix
def test_an_index_out_of_reach_is_one_sentence(uv, monkeypatch, capsys):
    """Each resolution stops at another package: the sentence does not name it, so that it stands there once."""
    said = "error: Request failed\\n cause: Failed to fetch: https://x/{platform}/\\n cause: refused (os error 111)"
    uv.write_text(UV.format(python=sys.executable).split("print(os.environ")[0] + f'sys.exit(f"{said}")\n')
    assert resolve.main() == "Everywhere: the package index is out of reach: refused (os error 111)"


# ---------------------------------------------------------------- a uv of its own


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """What would be run to make uv: a dict {number: command}, and FAIL at the number to fail at."""
    done = []
    monkeypatch.setattr(resolve, "ROOT", tmp_path)

    def run(command, **_):
        done.append([str(part) for part in command])
        return subprocess.CompletedProcess(command, 1 if fail and done[-1][1:4] == fail else 0, b"", b"No network.")

    fail = []
    monkeypatch.setattr(resolve, "version", lambda uv: resolve.UV if len(done) >= 2 and not fail else None)
    monkeypatch.setattr(resolve.subprocess, "run", run)
    monkeypatch.setattr(resolve, "surroundings", lambda uv: dict(os.environ))
    return done, fail


def test_uv_is_installed_once_at_its_pin(calls, tmp_path):
    done, _ = calls
    uv = resolve.own_uv(tmp_path / "build/uv")
    assert done[0][1:] == ["-m", "venv", "--clear", str(tmp_path / "build/uv")]
    assert done[1][-1] == f"uv=={resolve.UV}"
    assert "--only-binary" in done[1]
    assert uv.name == ("uv.exe" if course.WINDOWS else "uv")
    resolve.own_uv(tmp_path / "build/uv")
    assert len(done) == 2


NO_VENV, NO_PIP = ["-m", "venv", "--clear"], ["-m", "pip", "install"]


@pytest.mark.parametrize(("step", "says"), [(NO_VENV, "makes no"), (NO_PIP, "network")])
def test_no_uv_is_told(calls, tmp_path, step, says):
    _, fail = calls
    fail += step
    with pytest.raises(resolve.Problem, match=says) as caught:
        resolve.own_uv(tmp_path / "build/uv")
    assert str(caught.value).startswith("No network.")
    assert "\n" in str(caught.value)


def test_version_of_what_does_not_run(tmp_path):
    assert resolve.version(tmp_path / "uv") is None
    assert resolve.version(sys.executable) is not None
