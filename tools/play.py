"""`course.py play [NN ...]`: serves the demos alone, without code, on this machine, for a class or a talk (Voilà).

The pages come from the lessons: a lesson's title, the words beside its demo, what the demo needs, and the demo. What it
needs is found by names, backwards from the demo, statement by statement: an import for most, training for some.
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
import symtable
import sys
import tempfile
import threading
import webbrowser
from itertools import groupby
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

TOOLS = Path(__file__).resolve().parent
NOTEBOOKS = TOOLS.parent / "notebooks"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


# ---------------------------------------------------------------- what a demo needs

IMPORT = ast.Import | ast.ImportFrom
ITEM = ast.Attribute | ast.Subscript
BOX = ast.Dict | ast.List | ast.Set | ast.ListComp | ast.DictComp
DEFINITION = ast.FunctionDef | ast.ClassDef
REPLACES = ast.Assign | ast.AnnAssign | ast.With | IMPORT | DEFINITION  # after these, names have lost what they held
IN_PLACE = {"train", "train_stack"}  # the functions of the course that change their first argument
PASS_ON = {"dict", "enumerate", "filter", "list", "map", "next", "reversed", "sorted", "tuple", "zip"}


def is_demo(statement):
    """True for a statement such as digits_lab_demo(net, judge, schedule)."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id.endswith("_demo")


def names(statement):
    """What a top-level statement binds, reads at once, and reads whenever a function that it defines is called."""
    top = symtable.symtable(ast.unparse(statement), "lesson", "exec")
    inner, tables = set(), top.get_children()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        inner |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    bound = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    read = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()}
    if isinstance(statement, ast.For):
        read -= parts(statement.target)
    return bound, read if isinstance(statement, ast.FunctionDef) else read | inner, inner


def parts(node):
    """The names whose objects may be in a value: nets for [net.eval() for net in nets], none for deepcopy(net)."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.JoinedStr | ast.Compare | ast.Lambda):
        return set()
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        inside = node.args if node.func.id in PASS_ON else []
    else:
        inside = [node.func] if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
    loops = [loop.target for loop in getattr(node, "generators", ())]
    return set().union(*map(parts, inside)) - set().union(*map(parts, loops))


def effect(node):
    """The names of what a call changes in place: net for net.eval(), train(net, ...) and init.zeros_(net.weight)."""
    dropped = isinstance(node, ast.Expr)  # a call whose value is dropped is there for an effect
    call = node.value if dropped else node
    if not isinstance(call, ast.Call):
        return set()
    first = set().union(*map(parts, call.args[:1]))
    if isinstance(call.func, ast.Name):
        return first if call.func.id in IN_PLACE or (dropped and call.func.id != "print") else set()
    return (first if call.func.attr.endswith("_") else set()) | parts(call.func) if dropped else set()


def changes(statements, modules):
    """For each statement the names whose objects it changes in place, through whatever name it does so."""
    held, boxes = {}, set()  # by name, the names whose objects it may hold; the names of fresh lists and the like

    def bind(target, value):
        inside = getattr(value, "elts", ())
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "zip":
            inside = value.args
        if isinstance(target, ast.Tuple) and len(target.elts) == len(inside):  # a, b = x, y, and for a, b in zip(x, y)
            for part, item in zip(target.elts, inside):
                bind(part, item)
            return
        new = parts(value) - modules
        new = new.union(*(held.get(name, ()) for name in new))
        if isinstance(target, ITEM):
            for name in parts(target.value):
                held[name] = held.get(name, set()) | new
            return
        for name in parts(target):
            for others in held.values():
                others.discard(name)
            held[name] = new - {name}
            (boxes.add if isinstance(value, BOX) else boxes.discard)(name)

    found = []
    for statement in statements:
        nodes = [] if isinstance(statement, DEFINITION) else list(ast.walk(statement))
        for node in nodes:
            for target in [node.target] if isinstance(node, ast.For) else getattr(node, "targets", ()):
                bind(target, node.iter if isinstance(node, ast.For) else node.value)
        deep = set().union(*map(effect, nodes)) - modules
        stores = [node.value for node in nodes if isinstance(node, ITEM) and isinstance(node.ctx, ast.Store)]
        stores = set().union(*map(parts, stores + [node.target for node in nodes if isinstance(node, ast.AugAssign)]))
        holders = {name for name, others in held.items() if others & (deep | stores)}
        # To put a thing into a box changes the box, not what it holds.
        found.append((deep | stores | holders).union(*(held.get(name, ()) for name in deep | (stores - boxes))))
    return found


def needed(statements):
    """The demos among the statements and all that they need of the others, in order: a walk backwards, by names."""
    facts = [names(statement) for statement in statements]
    modules = set().union(*(fact[0] for statement, fact in zip(statements, facts) if isinstance(statement, IMPORT)))

    def with_inner(reached):
        """The names, and what functions of these names read when they are called."""
        more = set().union(*(inner for bound, _, inner in facts if bound & reached))
        return reached if more <= reached else with_inner(reached | more)

    wanted, kept = set(), []
    touched = changes(statements, modules)
    for statement, (bound, read, _), changed in zip(statements[::-1], facts[::-1], touched[::-1]):
        threads = ast.unparse(statement).startswith("torch.set_num_threads(")  # speed is part of a demo
        if is_demo(statement) or threads or wanted & (bound | changed):
            kept.append(statement)
            wanted = (wanted - bound if isinstance(statement, REPLACES) else wanted) | with_inner(read)
    return kept[::-1]


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
    cell_of, headings, heading = {}, [], ""
    for place, cell in enumerate(cells):
        if cell.cell_type == "markdown":
            heading = next(iter(re.findall(r"^##+ (?:\d+\. )?(.+)", cell.source, re.MULTILINE)), heading)
        elif "raises-exception" not in cell.metadata.get("tags", ()):
            cell_of |= dict.fromkeys(ast.parse(cell.source).body, place)
        headings.append(heading)
    statements = list(cell_of)
    demos = [statement for statement in statements if is_demo(statement)]
    if not demos:
        return None
    made = [new_markdown_cell(f"# {title}")]
    keep = needed(statements[: statements.index(demos[-1]) + 1])
    for (place, demo), group in groupby(keep, key=lambda statement: (cell_of[statement], is_demo(statement))):
        group = list(group)
        source = "\n".join(ast.unparse(statement) for statement in group)
        if demo:
            made += [new_markdown_cell(words(cells, place)), new_code_cell(source)]
        else:
            works = not all(isinstance(statement, ast.Import | ast.ImportFrom) for statement in group)
            step = headings[place] if works else ""  # what the page names while it waits
            made.append(new_code_cell(f"%%capture\n{source}", metadata={"step": step}))
    name = ", ".join(demo.value.func.id.removesuffix("_demo").replace("_", " ") for demo in demos)
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
