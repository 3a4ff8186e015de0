"""The page's JavaScript, asked from Python in Playwright's own node; what the tests of the web edition share."""

import importlib.util
import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/site_golden.js"


def node() -> Path:
    """The node that Playwright's wheel holds; the test is skipped where that is not installed."""
    found = importlib.util.find_spec("playwright")
    if found is None:
        pytest.skip("playwright, whose node runs the page's scripts, is not installed: `course.py browser` does that")
    return Path(found.origin).parent / "driver" / ("node.exe" if os.name == "nt" else "node")


def ask(questions: list[dict], scripts: list[Path]) -> list:
    """The answers of the scripts, loaded in this order, to questions of `site_golden.js`."""
    command = [node(), GOLDEN, *scripts]
    done = subprocess.run(command, input=json.dumps(questions), capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
