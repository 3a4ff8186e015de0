"""Notebook 16: its hints, and the file that it shows."""

from pathlib import Path

import nbformat
import pytest

from cfgedu.exercises.n16 import hint
from cfgedu.exercises.repair import BUGS, planted
from cfgedu.lights import GAUGES

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "16_repair_a_broken_cfg.ipynb"


def test_hints(capsys):
    for name in GAUGES:
        said = []
        for level in (1, 2, 3):
            hint(name, level)
            said.append(capsys.readouterr().out)
            led = [bug for bug in BUGS if bug.lights[0] == name]
            assert all(bug.hints[level - 1] in said[-1] for bug in led)
            assert said[-1].startswith(name)
            assert all(bug.name not in said[-1] for bug in BUGS if len(bug.name) > 4)
    for bad in (("x", 1), ("clip", 0), ("clip", "1")):
        with pytest.raises(ValueError, match="must be"):
            hint(*bad)


def test_the_notebook_shows_the_file_with_all_its_bugs():
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    shown = "\n".join(cell.source for cell in cells if cell.cell_type == "code" and cell.id.startswith("file-"))
    plain = lambda text: [line for line in text.splitlines() if line.strip()]
    text = planted(BUGS)
    text = text[text.index("T, K, NULL") :]  # its imports stand in the set-up cell
    assert plain(shown) == plain(text)
