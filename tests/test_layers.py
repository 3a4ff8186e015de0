"""The package stays small and layered: imports run downward only, without cycles, and no file grows past 300 lines."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "cfgedu"
MOST_LINES = 300
# A module may import from its own layer and from those below. A package (models/) stands in its name's layer.
LAYERS = (
    ("protocol", "schedule"),
    ("guidance", "samplers", "losses", "toy", "parts", "unet", "models"),
    (
        "download",
        "images",
        "checkpoints",
        "run",
        "parallel",
        "command",
        "training",
        "stack",
        "metrics",
        "sweep",
        "plots",
        "checks",
        "exercises",
    ),
    ("widgets",),
)


def layer(module):
    """The layer of "cfgedu.toy" is 1; None where the table does not place the module."""
    name = module.split(".")[1]
    return next((depth for depth, names in enumerate(LAYERS) if name in names), None)


def modules(package):
    """{dotted name: path} of every file of the package, its own __init__ left out (see test_the_root_is_bare)."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    found.pop(package.name, None)
    return found


def imports(package):
    """{module: the modules of the package that it imports}, wherever in the file the import stands."""
    known = modules(package)
    graph = {}
    for module, path in known.items():
        names = set()
        home = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = home[: len(home) - node.level + 1] if node.level else []
                source = ".".join([*base, *([node.module] if node.module else [])])
                names |= {source} | {f"{source}.{alias.name}" for alias in node.names}
        graph[module] = {name for name in names if name in known and name != module}
    return graph


def layer_problems(package):
    problems = []
    graph = imports(package)
    for module, targets in graph.items():
        if layer(module) is None:
            problems.append(f"{module} stands in no layer: add it to LAYERS")
            continue
        for target in targets:
            if layer(target) is not None and layer(target) > layer(module):
                problems.append(f"{module} (layer {layer(module)}) imports {target} (layer {layer(target)})")
    return problems + [f"an import cycle: {' -> '.join(cycle)}" for cycle in cycles(graph)]


def cycles(graph):
    """One cycle, as a list of modules, for each module from which a walk comes back to itself."""
    found = []
    done = set()

    def walk(module, trail):
        if module in trail:
            found.append([*trail[trail.index(module) :], module])
        elif module not in done:
            for target in sorted(graph.get(module, ())):
                walk(target, [*trail, module])
            done.add(module)

    for module in graph:
        walk(module, [])
    return found


def size_problems(package):
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sorted(package.rglob("*.py"))}
    return [f"{path.name} has {lines} lines, over {MOST_LINES}" for path, lines in sizes.items() if lines > MOST_LINES]


def test_imports_run_downward_only():
    assert layer_problems(PACKAGE) == []


def test_no_file_is_long():
    assert size_problems(PACKAGE) == []


def test_the_root_is_bare():
    """`cfgedu/__init__.py` holds a docstring and the version, so that every name is imported from its home."""
    docstring, *rest = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")).body
    assert isinstance(docstring, ast.Expr)
    assert [node.targets[0].id for node in rest] == ["__version__"]


@pytest.fixture
def package(tmp_path):
    """A clean small package to plant violations in."""
    files = {
        "__init__.py": "",
        "protocol.py": "import torch\n",
        "schedule.py": "from cfgedu.protocol import NULL\n",
        "guidance.py": "from cfgedu.protocol import NULL\n",
        "samplers.py": "from .guidance import guided\nimport cfgedu.schedule\n",
        "widgets/__init__.py": "from .live import LiveFigure\n",
        "widgets/live.py": "from cfgedu import guidance\n",
    }
    for name, text in files.items():
        path = tmp_path / "cfgedu" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "cfgedu"


def test_a_clean_package_passes(package):
    assert imports(package)["cfgedu.samplers"] == {"cfgedu.guidance", "cfgedu.schedule"}
    assert imports(package)["cfgedu.widgets.live"] == {"cfgedu.guidance"}
    assert layer_problems(package) == []
    assert size_problems(package) == []


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("protocol.py", "import cfgedu.guidance\n", "cfgedu.protocol (layer 0) imports cfgedu.guidance (layer 1)"),
        (
            "schedule.py",
            "def f():\n    from cfgedu import toy\n",
            "cfgedu.schedule (layer 0) imports cfgedu.toy (layer 1)",
        ),
        ("guidance.py", "from .widgets.live import LiveFigure\n", "imports cfgedu.widgets.live (layer 3)"),
        ("guidance.py", "from cfgedu.samplers import sample\n", "an import cycle: cfgedu.guidance -> cfgedu.samplers"),
        ("helpers.py", "", "cfgedu.helpers stands in no layer"),
    ],
)
def test_a_planted_import_is_caught(package, file, text, problem):
    (package / "toy.py").write_text("")
    (package / file).write_text(text)
    assert any(problem in found for found in layer_problems(package)), layer_problems(package)


def test_a_planted_long_file_is_caught(package):
    (package / "toy.py").write_text("x = 1\n" * (MOST_LINES + 1))
    assert size_problems(package) == ["toy.py has 301 lines, over 300"]
