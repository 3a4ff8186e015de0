"""`course.py play [NN ...]`: serves the demos alone, without code, on this machine, for a class or a talk (Voilà).

The pages come from the lessons: a lesson's title, the words beside its demo, those cells before it that the demo needs,
which are tagged `play`, and the demo. Where a tag is missing, the page shows a NameError.
"""

import argparse
import ast
import html
import importlib.util
import json
import logging
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

TOOLS = Path(__file__).resolve().parent
NOTEBOOKS = TOOLS.parent / "notebooks"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
TAG = "play"


# ---------------------------------------------------------------- a lesson's demo


def called(node):
    """ "guidance_vector" for the call guidance_vector_demo(...), None for anything else."""
    name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
    return name.removesuffix("_demo") if name.endswith("_demo") else None


def demos(cells):
    """{place: name} of the cells that end in a demo: in x_demo(...), or in a name that was set to it."""
    found, bound = {}, {}
    for place, cell in enumerate(cells):
        if cell.cell_type != "code" or "raises-exception" in cell.metadata.get("tags", ()):
            continue
        body = ast.parse(cell.source).body
        for node in body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                bound[node.targets[0].id] = called(node.value)
        shown = body[-1].value if body and isinstance(body[-1], ast.Expr) else None
        name = bound.get(shown.id) if isinstance(shown, ast.Name) else called(shown)
        if name:
            found[place] = name
    return found


# ---------------------------------------------------------------- the pages


def chosen(numbers, folder):
    """The lessons that the words name (06, a file name or a path); all of them without words."""
    lessons = sorted(folder.glob("*.ipynb"))
    wanted = [Path(number).name for number in numbers]
    unknown = [name for name in wanted if not any(path.name.startswith(name) for path in lessons)]
    if unknown:
        there = ", ".join(path.stem for path in lessons)
        raise SystemExit(f"No lesson begins with {', '.join(unknown)}. There are: {there}.")
    return [path for path in lessons if not wanted or path.name.startswith(tuple(wanted))]


def words(cells, place):
    """The paragraph right before the demo or, where another cell's picture stands there, the one right after it."""
    before, after = cells[:place][::-1], cells[place + 1 : place + 2]
    texts = [re.split(r"\n\s*\n", cell.source)[0] for cell in after if cell.cell_type == "markdown"]
    if before[0].cell_type == "markdown" or not texts or texts[0].startswith("#"):
        texts = [re.split(r"\n\s*\n", cell.source)[-1] for cell in before if cell.cell_type == "markdown"]
    return texts[0]


def page(lesson):
    """A lesson's demo as a notebook: title, words, the steps that it needs, the demo; None where there is no demo."""
    cells = nbformat.read(lesson, as_version=4).cells
    title = re.search("^# (.+)", cells[0].source)[1]
    shown = demos(cells)
    if not shown:
        return None
    made, heading = [new_markdown_cell(f"# {title}")], ""
    for place, cell in enumerate(cells[: max(shown) + 1]):
        if cell.cell_type == "markdown":
            heading = next(iter(re.findall(r"^##+ (?:\d+\. )?(.+)", cell.source, re.MULTILINE)), heading)
        elif place in shown:
            made += [new_markdown_cell(words(cells, place)), new_code_cell(cell.source)]
        elif TAG in cell.metadata.get("tags", ()):  # the page names the heading while it waits
            made.append(new_code_cell(f"%%capture\n{cell.source}", metadata={"step": heading}))
    name = ", ".join(demo.replace("_", " ") for demo in shown.values())
    return new_notebook(cells=made, metadata={"kernelspec": KERNEL, "title": title, "demo": name})


def write_site(folder, pages):
    """The generated notebooks, Voilà's templates for them, and the list of all demos as its page of a folder."""
    notebooks, templates = folder / "notebooks", folder / "share/voila/templates/play"
    for new in (notebooks, templates):
        new.mkdir(parents=True)
    rows = []
    for name, notebook in pages.items():
        nbformat.write(notebook, notebooks / name)
        title, demo = (html.escape(notebook.metadata[key]) for key in ("title", "demo"))
        link = f'<a href="voila/render/{name}"><b>{demo[0].upper()}{demo[1:]}</b></a>'
        rows.append(f"<li>{link}<br><small>{title}</small></li>")
    index = "<h1>Guidance, to play with</h1>\n<ul>\n{}\n</ul>".format("\n".join(rows))
    files = {
        "conf.json": json.dumps({"base_template": "lab"}),
        "index.html.j2": (TOOLS / "play_demo.html").read_text(encoding="utf-8"),
        "page.html": (TOOLS / "play_frame.html").read_text(encoding="utf-8"),
        "tree.html": f"{{% extends 'page.html' %}}{{% block body %}}{{% raw %}}{index}{{% endraw %}}{{% endblock %}}",
    }
    for name, text in files.items():
        (templates / name).write_text(text, encoding="utf-8")


# ---------------------------------------------------------------- the server


def free_port(wanted):
    """The port, where it can be listened on; some free one for 0."""
    with socket.socket() as probe:
        if os.name != "nt":  # there it would admit a port in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise SystemExit(f"Port {wanted} cannot be used ({why}): name another, or none for a free one.") from None
        return probe.getsockname()[1]


def serve(folder, port, address, browser):
    """Runs Voilà until Ctrl-C or SIGTERM; it ends its kernels."""
    from voila.app import Voila

    class Play(Voila):
        def launch_browser(self):  # called once the server listens
            print(f"The demos are at {address} (Ctrl-C ends this).", flush=True)
            if browser:
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    logging.disable(logging.WARNING)
    here = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = os.pathsep.join([str(folder / "share"), *([here] if here else [])])
    options = {
        "Voila.ip": "127.0.0.1",
        "Voila.port": port,
        "Voila.port_retries": 0,
        "Voila.open_browser": True,
        "Voila.connection_dir_root": folder,
        "VoilaConfiguration.template": "play",
        "VoilaConfiguration.theme": "light",
        "VoilaConfiguration.classic_tree": True,
        "VoilaConfiguration.strip_sources": True,
        "VoilaConfiguration.show_tracebacks": True,
        "MappingKernelManager.root_dir": NOTEBOOKS,  # where the lessons run
        "MappingKernelManager.cull_idle_timeout": 600,  # seconds; a page that is open keeps its kernel
        "KernelManager.shutdown_wait_time": 1,  # seconds; they have nothing to save
        "KernelManager.transport_encryption": "auto",  # without it each kernel warns in the terminal
    }
    Play.launch_instance([*(f"--{name}={value}" for name, value in options.items()), str(folder / "notebooks")])


def main():
    parser = argparse.ArgumentParser(prog="course.py play", description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", metavar="NN", help="whose demos, such as 06 (default: all lessons)")
    parser.add_argument("--port", type=int, default=0, help="the port to serve on (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    options = parser.parse_args()
    if not importlib.util.find_spec("voila"):
        raise SystemExit("Play mode needs Voilà, which `python3 course.py play` installs: start it that way.")
    pages = {lesson.name: page(lesson) for lesson in chosen(options.numbers, NOTEBOOKS)}
    silent = [name for name in pages if pages[name] is None]
    if options.numbers and silent:
        raise SystemExit(f"There is no demo in {', '.join(silent)}.")
    pages = {name: notebook for name, notebook in pages.items() if notebook}
    port = free_port(options.port)
    address = f"http://127.0.0.1:{port}/" + (f"voila/render/{next(iter(pages))}" if len(pages) == 1 else "")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="cfgedu-play-") as folder:
        write_site(Path(folder), pages)
        serve(Path(folder), port, address, not options.no_browser)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
