"""The project's files agree with each other: packages, versions, imports, licences, commands."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import course
from tools.bench_peers import SMALLDIFFUSION
from tools.clean import BUILT_OR_DOWNLOADED, CACHES, LEFTOVERS, clean, leftovers
from tools.published import MINE

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}  # the others are called the same
CONDA_ALONE = {"python", "pip", "setuptools"}  # what `pip install --no-deps -e .` needs there
IMPORT_NAMES = {"sklearn": "scikit-learn", "ot": "pot", "PIL": "pillow"}  # where it differs from the package's name


def names(requirements):
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}


def pins():
    """{package: version} of constraints.txt; a line that is no exact pin raises."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def conda():
    """{package: version} of environment.yml, "" where it names none."""
    rows = re.findall(r"^  - ([\w.-]+)(?: +([^\s#]+))?$", (ROOT / "environment.yml").read_text(), re.MULTILINE)
    return {name: version for name, version in rows if name not in ("conda-forge", "nodefaults")}


def third_party(path):
    """The packages outside the standard library and the course that a file of Python or a notebook imports."""
    sources = [path.read_text(encoding="utf-8")]
    if path.suffix == ".ipynb":
        sources = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    found = set()
    for source in sources:
        for node in ast.walk(ast.parse("\n".join(row for row in source.splitlines() if not row.startswith("%")))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split(".")[0])
    beside = [path.stem for folder in (ROOT, ROOT / "tests") for path in folder.glob("*.py")]
    ours = {"cfgedu", "tools", "tests", *beside}
    return {canonicalize_name(IMPORT_NAMES.get(name, name)) for name in found - sys.stdlib_module_names - ours}


@pytest.mark.parametrize(
    ("pattern", "declared"),
    [
        ("cfgedu/**/*.py", PROJECT["dependencies"]),
        ("notebooks/**/*.ipynb", PROJECT["dependencies"]),
        ("tests/*.py", PROJECT["dependencies"] + EXTRAS["test"] + EXTRAS["peers"] + EXTRAS["browser"] + EXTRAS["site"]),
        ("*.py", []),  # course.py and its part: the standard library alone
        ("tools/*.py", sum(EXTRAS.values(), PROJECT["dependencies"]) + SMALLDIFFUSION),
    ],
)
def test_what_is_imported_is_declared(pattern, declared):
    strangers = {path.name: third_party(path) - names(declared) for path in ROOT.glob(pattern)}
    assert {name: unknown for name, unknown in strangers.items() if unknown} == {}


def test_what_is_declared_is_imported():
    files = [*ROOT.glob("cfgedu/**/*.py"), *ROOT.glob("notebooks/**/*.ipynb")]
    used = set().union(*(third_party(path) for path in files))
    assert names(PROJECT["dependencies"]) - used == {"jupyterlab"}  # a program


def test_third_party_sees_every_form_of_import(tmp_path):
    file = tmp_path / "x.py"
    file.write_text("import os, einops.layers\nfrom cfgedu import toy\ndef f():\n    from sklearn.datasets import a\n")
    assert third_party(file) == {"einops", "scikit-learn"}


def test_every_dependency_is_pinned():
    held = pins()
    for requirement in map(
        Requirement, sum(EXTRAS.values(), PROJECT["dependencies"] + PYPROJECT["build-system"]["requires"])
    ):
        name = canonicalize_name(requirement.name)
        assert name in held, f"constraints.txt has no version of {name}"
        assert Version(held[name]) in requirement.specifier
    assert held["torch"] == "2.13.0"


def test_environment_yml_is_in_step():
    """conda gets the packages of pyproject.toml (those of the extra `test` too) in the versions of constraints.txt."""
    wanted = {CONDA_NAMES.get(name, name): pins()[name] for name in names(PROJECT["dependencies"] + EXTRAS["test"])}
    listed = conda()
    assert {name: version.lstrip("=") for name, version in listed.items() if name not in CONDA_ALONE} == wanted
    assert set(listed) >= CONDA_ALONE
    assert listed["setuptools"].lstrip("=") == pins()["setuptools"]


def test_python_versions_agree():
    oldest, newest = course.OLDEST, course.NEWEST
    assert PROJECT["requires-python"] == f">={oldest[0]}.{oldest[1]}"
    assert conda()["python"] == f">={oldest[0]}.{oldest[1]},<{newest[0]}.{newest[1] + 1}"
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py{oldest[0]}{oldest[1]}"


def test_licences():
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert "creativecommons.org/licenses/by/4.0" in (ROOT / "LICENSE-text").read_text()
    assert all((ROOT / file).exists() for file in PROJECT["license-files"])


def test_version_is_the_package_s():
    import cfgedu

    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"]["attr"] == "cfgedu.__version__"
    assert Version(cfgedu.__version__)


def test_git_ignores_what_clean_removes():
    ignored = {line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
    assert {*CACHES, *LEFTOVERS, *BUILT_OR_DOWNLOADED, ".venv"} <= ignored


@pytest.mark.parametrize(("folder", "most"), [("notebooks", 14e6), ("data", 8e6)])
def test_what_ships_stays_small(folder, most):
    """The bytes of the files that git keeps; in a copy without git, of all but what `clean` removes."""
    found = shipped(folder)
    assert found
    assert sum(path.stat().st_size for path in found) < most


def shipped(folder):
    if (ROOT / ".git").exists() and shutil.which("git"):
        listing = subprocess.run(["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, check=True).stdout
        return [ROOT / name for name in listing.decode().split("\0") if name and (ROOT / name).exists()]
    leftover = leftovers(ROOT)
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    return [path for path in files if not any(path == left or left in path.parents for left in leftover)]


def test_shipped_is_the_same_without_git(monkeypatch):
    with_git = shipped("data")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert set(shipped("data")) >= set(with_git)


def test_what_a_learner_keeps_is_safe_from_git_and_clean(tmp_path):
    assert f"{MINE}/" in (ROOT / ".gitignore").read_text().splitlines()
    (tmp_path / MINE).mkdir()
    (tmp_path / MINE / "06.ipynb.tmp").write_text("{}")
    assert clean(tmp_path, with_venv=True) == []


@pytest.mark.skipif(os.name == "nt", reason="CI's script is for a POSIX shell")
def test_ci_script_runs():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
    assert "course.py test" in script.read_text()


def test_no_machine_paths():
    """The sources name no folder of the machine they were written on (notebooks have their own rule)."""
    path = re.compile(r"(?<![\w.])/(home|Users|root|work|tmp)/\w")
    files = [
        path
        for pattern in ("cfgedu/**/*.py", "tools/*.py", "*.py", "*.md", "*.toml", "*.yml", ".ci/run")
        for path in ROOT.glob(pattern)
    ]
    assert [str(file) for file in files if path.search(file.read_text(encoding="utf-8"))] == []
