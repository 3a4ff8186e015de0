"""What a saved notebook keeps of a demo: the hook, how Jupyter's server finds it, and that strict nbval passes."""

import json
import logging
import os
import runpy
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cfgedu import saving
from cfgedu.saving import DEMO, STATES, WIDGET

ROOT = Path(__file__).resolve().parent.parent
STATE = {"demo": "box", "state": {"r": 3.0}, "alt": "a box"}
# A demo as far as saving and comparing go: a widget whose stored output holds its picture and its state.
BOX = """
import base64
import ipywidgets


class Box(ipywidgets.VBox):
    def __repr__(self):
        return "LiveFigure: a box"

    def _repr_mimebundle_(self, **kwargs):
        picture = base64.b64encode(b"a picture").decode()
        demo = {"demo": "box", "state": {"r": 3.0}, "alt": "a box"}
        return super()._repr_mimebundle_(**kwargs) | {"image/png": picture, "application/vnd.cfgedu.demo+json": demo}
"""


def shown(**data):
    kinds = {"widget": WIDGET, "demo": DEMO, "png": "image/png", "plain": "text/plain"}
    return new_output("display_data", data={kinds[name]: value for name, value in data.items()})


def notebook(*outputs, **metadata):
    cells = [new_markdown_cell("# x"), new_code_cell("x", outputs=[new_output("stream", text="1\n"), *outputs])]
    return new_notebook(cells=cells, metadata=metadata)


LIVE = shown(widget={"model_id": "0f"}, png="iVBO", demo=STATE, plain="LiveFigure: a box")
OTHER = shown(widget={"model_id": "1e"}, png="iVBO", plain="Canvas()")


def saved(content, path="notebooks/06.ipynb"):
    """What the server stores where it is asked to save this."""
    model = {"type": "notebook", "format": "json", "content": deepcopy(content)}
    saving.pre_save(model=model, path=path, contents_manager=None)
    return model["content"]


def test_a_demo_keeps_its_picture_and_its_state_alone():
    stored = saved(notebook(LIVE, widgets={STATES: {"state": {}}}, mine=1))
    assert stored.cells[1].outputs[1].data == {"image/png": "iVBO", DEMO: STATE, "text/plain": "LiveFigure: a box"}
    assert stored.metadata == {"mine": 1}
    nbformat.validate(stored)
    assert saved(stored) == stored


def test_the_widgets_of_others_stay():
    states = {STATES: {"state": {"1e": {}}}}
    for other in (notebook(), notebook(OTHER), notebook(OTHER, widgets=states), notebook(widgets=states)):
        assert saved(other) == other
    both = saved(notebook(LIVE, OTHER, widgets=states))
    assert both.cells[1].outputs[2] == OTHER
    assert both.metadata.widgets == states
    assert WIDGET not in both.cells[1].outputs[1].data


@pytest.mark.parametrize("odd", [{}, {"cells": 3}, {"cells": [{"outputs": [7]}]}, {"cells": ["x"]}, []])
def test_an_odd_notebook_is_saved_as_it_is_with_a_warning(odd, caplog):
    with caplog.at_level(logging.WARNING):
        model = {"type": "notebook", "content": deepcopy(odd)}
        saving.pre_save(model=model, path="odd.ipynb", contents_manager=SimpleNamespace(log=logging.getLogger()))
    assert model["content"] == odd
    assert "odd.ipynb is saved as it is" in caplog.text


@pytest.mark.parametrize("model", [{"type": "file", "content": "x"}, {"type": "notebook"}, {"type": "directory"}, {}])
def test_what_is_no_notebook_is_left_alone(model):
    before = dict(model)
    saving.pre_save(model=model, path="x", contents_manager=None)
    assert model == before


def test_jupyter_s_server_finds_the_hook_and_keeps_another(tmp_path):
    """A real server, in a process of its own, with a hook of the learner's beside ours: both are called."""
    config = tmp_path / "config"
    saving.install(config)
    (config / "jupyter_server_config.json").write_text('{"ContentsManager": {"pre_save_hook": "mine.hook"}}')
    (tmp_path / "mine.py").write_text("def hook(model, **_):\n    model['content']['metadata']['mine'] = 1\n")
    (tmp_path / "live.json").write_text(json.dumps(notebook(LIVE)))
    script = """
import asyncio, json, sys
from jupyter_server.serverapp import ServerApp
app = ServerApp(open_browser=False, root_dir=sys.argv[1], allow_root=True, port=0)
app.initialize(argv=[])
content = json.load(open("live.json"))
asyncio.run(app.contents_manager.save({"type": "notebook", "format": "json", "content": content}, "x.ipynb"))
"""
    places = {f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    env = {**os.environ, **places, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    command = [sys.executable, "-c", script, str(tmp_path)]
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (tmp_path / "x.ipynb").exists(), run.stderr
    stored = nbformat.read(tmp_path / "x.ipynb", as_version=4)
    assert stored.metadata.mine == 1
    assert stored.cells[1].outputs[1].data.keys() == {"image/png", DEMO, "text/plain"}


def test_the_server_s_module_needs_the_standard_library_alone():
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import cfgedu.saving; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-ISc", code], capture_output=True, text=True, check=True)
    assert {name.split(".")[0] for name in run.stdout.split()} - sys.stdlib_module_names <= {"cfgedu", "__main__"}


def test_one_command_writes_the_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    runpy.run_path(saving.__file__, run_name="__main__")
    assert json.loads((tmp_path / "etc/jupyter" / saving.FILE).read_text()) == saving.CONFIG
    assert str(tmp_path) in capsys.readouterr().out


def test_strict_nbval_passes_on_a_demo_without_its_widget(tmp_path):
    """The cell shows a widget again when it is run, and the stored output has none; the state is compared."""
    live = new_notebook(cells=[new_code_cell(BOX), new_code_cell("Box()"), new_code_cell("demo = Box()\ndemo")])
    NotebookClient(live, store_widget_state=False).execute()
    assert WIDGET in live.cells[1].outputs[0].data
    stored = saved(live)
    assert stored.cells[2].outputs[0].data.keys() == {"image/png", DEMO, "text/plain"}
    nbformat.write(stored, tmp_path / "good.ipynb")
    stored.cells[2].outputs[0].data[DEMO]["state"]["r"] = 4.0
    nbformat.write(stored, tmp_path / "other_state.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env"]
    command += [f"--nbval-sanitize-with={ROOT / 'tests/nbval.cfg'}", "-c", os.devnull, str(tmp_path)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "1 failed, 5 passed" in run.stdout, run.stdout
    assert "FAILED other_state.ipynb::Cell 2" in run.stdout
