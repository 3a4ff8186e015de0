"""The package stays small and layered: imports run downward only, the method is short, what a learner imports is light.

The layers are those of the design, from the bottom up; a module imports from lower layers alone, never from its own.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = (
    ("protocol", "language"),
    ("edges", "files", "checks", "saving"),
    ("schedule", "models", "images"),
    ("guidance", "samplers", "losses", "toy", "checkpoints"),
    ("variants", "metrics", "plots", "lights"),
    ("exercises", "training"),
    ("widgets",),
    ("tools",),
)
METHOD = ("protocol.py", "schedule.py", "guidance.py", "samplers.py", "losses.py", "toy.py", "models")
METHOD_LINES, FILE_LINES = 720, 300


def files(root, name):
    """The Python files of a module, a package or a folder."""
    place = root / name
    return sorted(place.rglob("*.py")) if place.is_dir() else [place]


def home(module):
    """The layered part that a dotted name belongs to: cfgedu.models.unet is of models, tools.bench of tools."""
    parts = module.split(".")
    return parts[1] if parts[0] == "cfgedu" and len(parts) > 1 else parts[0]


def imported(path, package):
    """The dotted names that a file imports, wherever in it the import stands; relative ones from its package."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*up, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names) if source == "cfgedu" else [source]


def problems(root):
    """What breaks the rule of the layers under `root`, one line each."""
    depth = {name: k for k, names in enumerate(LAYERS) for name in names}
    found = []
    for path in files(root, "cfgedu") + files(root, "tools"):
        module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        own = home(module)
        if module == "cfgedu":
            continue
        if own not in depth:
            found.append(f"{module} stands in no layer")
            continue
        for name in imported(path, package):
            other = home(name)
            if name.split(".")[0] in ("cfgedu", "tools") and other != own and depth.get(other, -1) >= depth[own]:
                found.append(f"{module} (layer {depth[own]}) imports {other} (layer {depth[other]})")
    return found


def code_lines(path):
    """The lines of a file that hold code: no blank line, no comment, no docstring."""
    text = path.read_text(encoding="utf-8")
    layout = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in layout]
    lines = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def test_imports_run_downward_only():
    assert problems(ROOT) == []


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("cfgedu/schedule.py", "from cfgedu.toy import islands", "cfgedu.schedule (layer 2) imports toy (layer 3)"),
        ("cfgedu/toy.py", "def f():\n    from cfgedu import metrics", "cfgedu.toy (layer 3) imports metrics (layer 4)"),
        ("cfgedu/losses.py", "from .guidance import guided", "cfgedu.losses (layer 3) imports guidance (layer 3)"),
        ("cfgedu/models/unet.py", "from ..toy import islands", "cfgedu.models.unet (layer 2) imports toy (layer 3)"),
        ("cfgedu/metrics.py", "import tools.bench", "cfgedu.metrics (layer 4) imports tools (layer 7)"),
        ("cfgedu/helpers.py", "", "cfgedu.helpers stands in no layer"),
    ],
)
def test_a_planted_import_is_caught(tmp_path, file, text, problem):
    for name, content in (("cfgedu/__init__.py", ""), ("cfgedu/protocol.py", "import torch"), (file, text)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "tools").mkdir()
    assert problems(tmp_path) == [problem]


def test_the_method_is_short():
    """720 lines of code: what README promises to an engineer who reads it."""
    lines = {path.name: code_lines(path) for name in METHOD for path in files(ROOT / "cfgedu", name)}
    assert sum(lines.values()) <= METHOD_LINES, lines


def test_what_stands_around_the_method_is_as_large_as_said():
    """To within a tenth, in README and in the package's own words."""
    every = sum(code_lines(path) for path in files(ROOT, "cfgedu"))
    around = every - sum(code_lines(path) for name in METHOD for path in files(ROOT / "cfgedu", name))
    for file in ("README.md", "cfgedu/__init__.py"):
        [said] = re.findall(r"some (\d,\d{3}) lines", (ROOT / file).read_text(encoding="utf-8"))
        assert abs(int(said.replace(",", "")) / around - 1) < 0.1, (file, said, around)


def test_code_lines_are_counted(tmp_path):
    path = tmp_path / "a.py"
    lines = ['"""Two', 'lines."""', "", "# why", "x = (1,  # one", "     2)", "", "def f():", '    """Doc."""']
    path.write_text("\n".join([*lines, '    return """a', 'b"""', ""]))
    assert code_lines(path) == 5


def test_no_file_is_long():
    long = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in files(ROOT, "cfgedu")}
    assert {name: lines for name, lines in long.items() if lines > FILE_LINES} == {}


def test_the_root_is_bare():
    """`cfgedu/__init__.py` holds a docstring and the version, so that every name is imported from its home."""
    docstring, *rest = ast.parse((ROOT / "cfgedu/__init__.py").read_text(encoding="utf-8")).body
    assert isinstance(docstring, ast.Expr)
    assert [node.targets[0].id for node in rest] == ["__version__"]


IMPORTED = """
import importlib, sys

for module in sys.argv[1:]:  # as in a Python of its own, with torch and matplotlib loaded once for all
    ours = lambda: [name for name in sys.modules if name.startswith(("cfgedu", "sklearn", "pooch"))]
    for name in ours():
        del sys.modules[name]
    importlib.import_module(module)
    print(*ours())
"""


def test_what_a_learner_imports_is_light():
    """No training, no command line, nothing of scikit-learn or of downloads."""
    modules = ["cfgedu.metrics", "cfgedu.samplers", "cfgedu.plots", "cfgedu.lights", "cfgedu.checkpoints"]
    command = [sys.executable, "-c", IMPORTED, *modules]
    rows = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for module, loaded in zip(modules, map(str.split, rows), strict=True):
        assert module in loaded
        heavy = [name for name in loaded if home(name) in ("training", "images", "sklearn", "pooch", "widgets")]
        assert heavy == [], module
