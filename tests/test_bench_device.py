"""`course.py bench --device`: its tables on the CPU, in one round, and what it says without a GPU."""

import re
import time

import pytest
import torch

from tools import bench_device

CPU = torch.device("cpu")


def cells(lines):
    """The rows of a Markdown table, without its head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_cuda_it_says_so_in_one_sentence():
    with pytest.raises(SystemExit, match=r"^torch finds no CUDA device on this machine[^.]*\.[^.]*\.[^.]*\.$"):
        bench_device.measure("cuda")


def test_every_size_is_sampled_in_every_way():
    for name, batch in (("2D network", 16), ("MNIST U-Net", 1)):
        works, steps = bench_device.ways(CPU, name, batch)
        assert set(works) == {"floor", "course"}
        assert works["course"]().shape[0] == batch
        assert steps in (10, 50)
    assert {name for name, _ in bench_device.CASES} == {"2D network", "MNIST U-Net"}


def test_works_take_turns_and_each_begins():
    said = []
    works = {name: lambda name=name: said.append(name) for name in "ab"}
    times = bench_device.by_turns(CPU, 3, works)
    assert said[4:] == ["a", "b", "b", "a", "a", "b"]  # after two rounds to warm up
    assert {name: len(each) for name, each in times.items()} == {"a": 3, "b": 3}


def test_the_field_and_the_training_are_measured(monkeypatch):
    monkeypatch.setattr(bench_device, "SIDE", 20)
    rows = cells(bench_device.fields(CPU, 1))
    assert [row[0] for row in rows] == ["exact", "exact, float64", "learned, width 128"]
    assert all(float(row[2]) > 0 for row in rows)


def test_a_notebook_is_run_and_one_without_time_is_named(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    cell = '{"cell_type": "code", "execution_count": null, "id": "a", "metadata": {}, "outputs": [], "source": "%s"}'
    look = '{"cells": [%s], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    (tmp_path / "notebooks" / "01_one.ipynb").write_text(look % (cell % "1 + 1"))
    (tmp_path / "notebooks" / "02_two.ipynb").write_text(look % (cell % "1 / 0"))
    root = bench_device.ROOT
    monkeypatch.setattr(bench_device, "environment", lambda: {**bench_device.os.environ, "PYTHONPATH": str(root)})
    monkeypatch.setattr(bench_device, "ROOT", tmp_path)
    rows = cells(bench_device.notebooks(CPU, ("01", "02"), time.monotonic() + 120))
    assert re.fullmatch(r"\d+\.\d", rows[0][1])
    assert 10 < float(rows[0][2]) < 4000
    assert "ZeroDivisionError" in rows[1][1]
    assert cells(bench_device.notebooks(CPU, ("01",), time.monotonic())) == [["01_one", "no time left", ""]]


def test_the_page_names_the_machine_and_holds_every_table(tmp_path, monkeypatch):
    for name in ("sampling", "fields", "training"):
        monkeypatch.setattr(bench_device, name, lambda device, rounds, name=name: [f"the table of {name}"])
    page = tmp_path / "page.md"
    lines = bench_device.measure("cpu", 1, numbers=(), page=page)
    text = page.read_text(encoding="utf-8")
    assert text.splitlines() == lines
    for part in ("sampling", "fields", "training"):
        assert f"the table of {part}" in text
    assert f"torch {torch.__version__}" in text
