"""Which test runs get workers, and in what order they take the files: the hooks of conftest.py."""

from pathlib import Path
from types import SimpleNamespace

import conftest
import pytest
import torch

SOURCE = pytest.Config.ArgsSource


def asked(source=SOURCE.TESTPATHS, **options):
    """(workers, dist) after the hook, for a command with these options."""
    option = SimpleNamespace(numprocesses=None, dist="no", **dict.fromkeys(conftest.PARTIAL, False))
    vars(option).update(options)
    conftest.pytest_cmdline_main(SimpleNamespace(option=option, args_source=source, ArgsSource=SOURCE))
    return option.numprocesses, option.dist


def test_the_whole_suite_has_two_workers():
    assert asked() == (2, "loadfile")


@pytest.mark.parametrize("name", conftest.PARTIAL)
def test_a_part_of_it_has_none(name):
    assert asked(**{name: "schedule"}) == (None, "no")


def test_a_path_is_a_part():
    assert asked(SOURCE.ARGS) == (None, "no")


def test_what_the_user_says_holds():
    assert asked(numprocesses=0) == (0, "no")
    assert asked(numprocesses=4, dist="worksteal") == (4, "worksteal")
    assert asked(SOURCE.ARGS, numprocesses=3) == (3, "loadfile")  # the cells of a notebook stay together


def test_a_worker_starts_no_workers():
    option = SimpleNamespace(numprocesses=None, dist="no")
    conftest.pytest_cmdline_main(SimpleNamespace(option=option, workerinput={}))
    assert option.numprocesses is None


def test_without_the_plugin_the_suite_runs_in_one_process():
    conftest.pytest_cmdline_main(SimpleNamespace(option=SimpleNamespace()))


def test_notebooks_go_first_then_long_files_and_the_rest_keeps_its_order():
    names = ["tests/test_b.py", "notebooks/01.ipynb", "tests/test_a.py", "notebooks/00.ipynb", "tests/test_a.py"]
    long = [f"tests/{name}" for name in conftest.LONG]
    items = [SimpleNamespace(path=Path(name), number=k) for k, name in enumerate(names + long)]
    conftest.pytest_collection_modifyitems(items)
    assert [item.number for item in items] == [1, 3, *range(5, 5 + len(long)), 0, 2, 4]
    assert all(Path(__file__).with_name(name).exists() for name in conftest.LONG)


def test_a_test_has_one_thread():
    assert torch.get_num_threads() == 1
    assert conftest.os.environ["OMP_NUM_THREADS"]
