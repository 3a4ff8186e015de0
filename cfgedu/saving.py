"""What a saved notebook keeps of a demo: its picture and its state, not the widget, which needs its kernel.

JupyterLab stores a demo with the id of a widget that is gone on another day, and shows an error in its place. Before a
notebook is saved, `pre_save` takes that id out where the demo's picture stands beside it. Jupyter's server finds the
hook through a file of the environment: `course.py` writes it, and so does `python -m cfgedu.saving`.

Only the standard library: the server imports this module.
"""

import json
import sys
from pathlib import Path

WIDGET = "application/vnd.jupyter.widget-view+json"
DEMO = "application/vnd.cfgedu.demo+json"
STATES = "application/vnd.jupyter.widget-state+json"
FILE = "jupyter_server_config.d/cfgedu.json"  # in a folder of Jupyter's configuration
# An extension of the server, and not its pre_save_hook: that would be in the way of a learner's own hook, and a server
# does not start where it cannot be imported.
CONFIG = {"ServerApp": {"jpserver_extensions": {"cfgedu.saving": True}}}


def outputs_of(notebook: dict) -> list[dict]:
    return [output for cell in notebook["cells"] for output in cell.get("outputs", ())]


def without_view(output: dict) -> None:
    """Takes the widget out of an output, in place; what else it shows stays."""
    output.get("data", {}).pop(WIDGET, None)


def without_live_demos(notebook: dict) -> None:
    """Takes the widget out of the outputs that hold a demo's state, and the states of widgets where none is left.

    In place. A notebook without a demo, and the widgets of others, stay as they are.
    """
    outputs = outputs_of(notebook)
    demos = [output for output in outputs if DEMO in output.get("data", ())]
    for output in demos:
        without_view(output)
    widgets = notebook.get("metadata", {}).get("widgets", {})
    if demos and not any(WIDGET in output.get("data", ()) for output in outputs):
        widgets.pop(STATES, None)
        if not widgets:
            notebook.get("metadata", {}).pop("widgets", None)


def pre_save(model: dict, path: str, contents_manager, **_) -> None:
    """Jupyter's server calls this before it saves a file. What is no notebook as we know it is saved as it is."""
    if model.get("type") != "notebook" or model.get("content") is None:
        return
    try:
        without_live_demos(model["content"])
    except (AttributeError, KeyError, TypeError) as error:  # a learner's work is saved, whatever it looks like
        contents_manager.log.warning("%s is saved as it is, its demos with it: %r", path, error)


def _jupyter_server_extension_points() -> list[dict]:
    return [{"module": "cfgedu.saving"}]


def _load_jupyter_server_extension(app) -> None:
    app.contents_manager.register_pre_save_hook(pre_save)


def install(folder: str | Path = Path(sys.prefix) / "etc/jupyter") -> Path:
    """Writes the file through which Jupyter's server finds the hook, for this environment; returns its path."""
    file = Path(folder) / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(CONFIG, indent=1) + "\n", encoding="utf-8")
    return file


if __name__ == "__main__":
    print(f"Notebooks saved by JupyterLab now keep the pictures of their demos: {install()}")
