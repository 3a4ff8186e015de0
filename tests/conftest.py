"""What all tests share: one thread each, two workers for the whole suite, examples that are the same everywhere."""

import gc
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # kernels and programs that tests start take it over

import signal
import time
from pathlib import Path

import matplotlib
import pytest
import torch
from hypothesis import settings

matplotlib.use("Agg")  # not through the environment, which the notebooks' kernels would inherit

# Small tensors want one thread: beside another job, two can be many times slower than one.
torch.set_num_threads(1)

# A job in the background of a script starts with Ctrl-C ignored, and the tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples on every machine, and no deadline: a laptop under load is slow, not wrong.
settings.register_profile("course", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("course")

PARTIAL = ("keyword", "markexpr", "deselect", "lf", "failedfirst", "collectonly", "usepdb", "stepwise")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """The whole suite runs on two workers; a part of it is over before they would have started. -n says otherwise."""
    option = config.option
    if hasattr(config, "workerinput") or not hasattr(option, "numprocesses"):
        return
    whole = config.args_source is config.ArgsSource.TESTPATHS and not any(
        getattr(option, name, None) for name in PARTIAL
    )
    if option.numprocesses is None and whole:
        option.numprocesses = 2
    if option.numprocesses and option.dist == "no":
        option.dist = "loadfile"  # the cells of a notebook belong together
        option.loadscopereorder = False


LONG = ("test_widgets.py", "test_lights.py")


def pytest_collection_modifyitems(items):
    """Notebooks first, then the longest files, since a file is one worker's: what begins last should be short."""
    items.sort(key=lambda item: (item.path.suffix != ".ipynb", item.path.name not in LONG))


def pytest_collection_finish():
    """What is loaded by now stays to the end: looking it through for garbage took a twentieth of many files' time."""
    gc.freeze()


def pytest_runtest_setup():
    """What draws from torch's own generator draws the same in each run: the course's code takes one from its caller."""
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def browser():
    """A Chromium for a module's tests of pages; without one they are skipped."""
    from tests.site import chromium

    with chromium() as program:
        yield program


def made_once(tmp_path_factory, name, make):
    """A folder that `make` fills in the worker that asks first; the others wait, up to ten minutes."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    begun, ended, limit = base / f"{name}-begun", base / f"{name}-ended", time.monotonic() + 600
    try:
        begun.touch(exist_ok=False)
    except FileExistsError:
        while not ended.exists() and time.monotonic() < limit:
            time.sleep(0.2)
    else:
        try:
            make(base / name)
        finally:
            ended.touch()
    return base / name


@pytest.fixture(scope="session")
def every(tmp_path_factory):
    """(folder, {path: Reader}) of the web edition in all its languages.

    It is the one in the folder $CFGEDU_SITE, which `course.py site` has just built, or else one that is built here.
    """
    from tests.site import OTHERS, Reader
    from tools.site import COMPLETE, ENGLISH, built

    def make(folder):
        assert built([ENGLISH, *OTHERS], folder) == ""

    given = os.environ.get("CFGEDU_SITE")
    out = Path(given).resolve() if given else made_once(tmp_path_factory, "web", make)
    assert (out / COMPLETE).exists(), f"{out} holds no whole site"
    return out, {path: Reader(path.read_text(encoding="utf-8")) for path in sorted(out.rglob("*.html"))}


@pytest.fixture(scope="session")
def scripts(tmp_path_factory):
    """A folder with the scripts of all live demos."""
    from tools.site_data import write_scripts

    return made_once(tmp_path_factory, "js", write_scripts)
