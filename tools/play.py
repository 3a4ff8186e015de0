"""`course.py play [NN ...]`: serves the demos alone, without code, on this machine, for a class or a talk (Voilà).

The pages come from the lessons. A demo's cell says in its metadata what the demo is called and what stands beside it:
{"demo": {"name": "...", "words": "..."}}. The cells before it that it needs are tagged `play`; where a tag is missing,
the page shows a NameError.
"""

import argparse
import asyncio
import contextlib
import html
import importlib.util
import json
import logging
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # a script of tools/ does not find tools by itself

from tools.lessons import named

TOOLS = Path(__file__).resolve().parent
NOTEBOOKS = TOOLS.parent / "notebooks"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
TAG, DEMO, FOLDER = "play", "demo", "cfgedu-play-"


# ---------------------------------------------------------------- the pages


def chosen(numbers, folder):
    """The lessons that the words name (06, a file name or a path); all of them without words."""
    return named(numbers, sorted(folder.glob("*.ipynb")), "lesson")


def demos(cells):
    """{place: {"name": ..., "words": ...}} of the cells that show a demo."""
    return {place: cell.metadata[DEMO] for place, cell in enumerate(cells) if DEMO in cell.metadata}


def needed(cells):
    """The places of the demos and of the cells that they need, in order."""
    shown = demos(cells)
    tagged = [place for place, cell in enumerate(cells) if TAG in cell.metadata.get("tags", ())]
    return sorted({place for place in tagged if place < max(shown)} | set(shown)) if shown else []


def page(lesson):
    """A lesson's demo as a notebook: title, words, the steps that it needs, the demo; None where there is no demo."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    cells = nbformat.read(lesson, as_version=4).cells
    title = re.search("^# (.+)", cells[0].source)[1]
    shown = demos(cells)
    if not shown:
        return None
    made, heading, carried = [new_markdown_cell(f"# {title}")], "", needed(cells)
    for place, cell in enumerate(cells):
        if cell.cell_type == "markdown":
            heading = next(iter(re.findall(r"^##+ (?:\d+\. )?(.+)", cell.source, re.MULTILINE)), heading)
        elif place in shown:
            made += [new_markdown_cell(shown[place]["words"]), new_code_cell(cell.source)]
        elif place in carried:  # the page names the heading while it waits
            made.append(new_code_cell(f"%%capture\n{cell.source}", metadata={"step": heading}))
    name = ", ".join(demo["name"] for demo in shown.values())
    return new_notebook(cells=made, metadata={"kernelspec": KERNEL, "title": title, "demo": name})


def write_site(folder, pages):
    """The generated notebooks, Voilà's templates for them, and the list of all demos as its page of a folder."""
    import nbformat

    notebooks, templates = folder / "notebooks", folder / "share/voila/templates/play"
    for new in (notebooks, templates):
        new.mkdir(parents=True)
    rows = []
    for name, notebook in pages.items():
        nbformat.write(notebook, notebooks / name)
        title, demo = (html.escape(notebook.metadata[key]) for key in ("title", "demo"))
        link = f'<a href="voila/render/{name}"><b>{demo}</b></a>'
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


@contextlib.contextmanager
def workplace():
    """A temporary folder that is gone at the end; its name tells whose it is.

    Folders of processes that were killed are removed here. One whose number a new process has stays until that ends.
    """
    import psutil

    for old in Path(tempfile.gettempdir()).glob(f"{FOLDER}*-*"):
        owner = old.name.removeprefix(FOLDER).split("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(old, ignore_errors=True)  # it may be another user's
    with tempfile.TemporaryDirectory(prefix=f"{FOLDER}{os.getpid()}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def on_signals(stop):
    """Calls stop(number) at the first Ctrl-C, SIGTERM or SIGHUP (a closed terminal); what nohup silences stays so."""
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]

    def once(number, _):
        for other in numbers:  # a second one would cut the tidying short
            signal.signal(other, signal.SIG_IGN)
        stop(number)

    for number in numbers:
        signal.signal(number, once)


def end_kernels():
    """Ends the kernels of this process and what they started; they have nothing to save."""
    import psutil

    ended = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it ended by itself
            if "ipykernel_launcher" in child.cmdline():
                ended += [*child.children(recursive=True), child]
    for program in ended:
        with contextlib.suppress(psutil.Error):
            program.kill()
    psutil.wait_procs(ended, timeout=10)


def serve(folder, port, address, browser):
    """Runs Voilà until a signal ends it, and its kernels with it; returns the exit status that goes with it."""
    from voila.app import Voila

    ended = []

    class Play(Voila):
        def initialize(self, argv=None):
            super().initialize(argv)  # this has a handler of SIGTERM
            on_signals(partial(stop, asyncio.get_event_loop()))

        def stop(self):  # Voilà's asks each kernel, waits for it, and stumbles over one that is still starting
            end_kernels()

        def launch_browser(self):  # called once the server listens
            print(f"The demos are at {address} (Ctrl-C ends this).", flush=True)
            if browser:
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    def stop(loop, number):  # the loop ends what it is doing: an exception would strand a kernel that is starting
        ended.append(128 + number)
        loop.call_soon_threadsafe(loop.stop)

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
        "KernelManager.shutdown_wait_time": 1,  # seconds, for one that is culled; it has nothing to save
        "KernelManager.transport_encryption": "auto",  # without it each kernel warns in the terminal
    }
    Play.launch_instance([*(f"--{name}={value}" for name, value in options.items()), str(folder / "notebooks")])
    return ended[0]


def main():
    parser = argparse.ArgumentParser(prog="course.py play", description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", metavar="NN", help="whose demos, such as 06 (default: all lessons)")
    parser.add_argument("--port", type=int, default=0, help="the port to serve on (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    options = parser.parse_args()
    on_signals(lambda number: sys.exit(128 + number))
    lessons = chosen(options.numbers, NOTEBOOKS)
    if not importlib.util.find_spec("voila"):
        raise SystemExit("Play mode needs Voilà, which `python3 course.py play` installs: start it that way.")
    pages = {lesson.name: page(lesson) for lesson in lessons}
    silent = [name for name in pages if pages[name] is None]
    if options.numbers and silent:
        raise SystemExit(f"There is no demo in {', '.join(silent)}.")
    pages = {name: notebook for name, notebook in pages.items() if notebook}
    port = free_port(options.port)
    address = f"http://127.0.0.1:{port}/" + (f"voila/render/{next(iter(pages))}" if len(pages) == 1 else "")
    with workplace() as folder:
        write_site(folder, pages)
        status = serve(folder, port, address, not options.no_browser)
    sys.exit(status)


if __name__ == "__main__":
    main()
