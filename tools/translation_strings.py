"""The strings that the course says itself: found in the package, in notebooks, and in the page's scripts.

`strings()` finds them: what `phrase` is called with, the names of checks and claims with the values that they show, the
tables of the exercises, the labels of demos, the words for pictures, what the page's scripts `say`. An f-string becomes
a template with named places. Where they are translated is in tools/translation_po.py.
"""

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import nbformat
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_javascript

import cfgedu.exercises
from cfgedu.checks import Exercise, Guess
from cfgedu.checks.calls import HINTS
from cfgedu.exercises.repair import BUGS
from cfgedu.language import PLACE, WORD, apart, fitting, is_plain
from cfgedu.widgets.live import INVITATION
from tools.notebooks import alt

ROOT = Path(__file__).resolve().parent.parent
SPOKEN = ("phrase", "translated", "check", "claim", "right", "wrong", "not_yet", "mistaken", "Unfit", "slip")
LABELLED = ("slider", "int_slider", "choice", "control")


# ---------------------------------------------------------------- code


def template(node: ast.JoinedStr) -> str:
    """An f-string with named places, whose values come as text: the name of a variable, else value, value2, ..."""
    names, parts = {}, []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(part.value)
            continue
        key = ast.unparse(part.value)
        own = part.value.id if isinstance(part.value, ast.Name) else "value"
        if key not in names:
            same = sum(name.rstrip("0123456789") == own for name in names.values())
            names[key] = f"{own}{same + 1}" if same else own
        parts.append(f"{{{names[key]}}}")
    return "".join(parts)


def spelled(node) -> list[str]:
    """The text of a literal, as a list; none for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    return [template(node)] if isinstance(node, ast.JoinedStr) else []


def named(node, scopes, depth: int = 3) -> list[str]:
    """The sentences that the names in an expression may stand for: literals that are given to them, in these scopes."""
    found = []
    names = dict.fromkeys(part.id for part in ast.walk(node) if isinstance(part, ast.Name))  # once each, in order
    for name in names if depth else ():
        for value in (value for scope in scopes for value in given(scope).get(name, ())):
            found += [text for text in literals(value) if " " in text] + named(value, scopes, depth - 1)
    return found


@cache
def given(scope) -> dict[str, list]:
    """{name: the expressions that it is given, or drawn from} in a scope."""
    found = {}
    own = [
        it for it in scope.body if not isinstance(it, ast.FunctionDef | ast.ClassDef)
    ]  # of a module, what is its own
    for part in ast.walk(ast.Module(own, []) if isinstance(scope, ast.Module) else scope):
        if isinstance(part, ast.Assign | ast.For | ast.comprehension):
            value = part.value if isinstance(part, ast.Assign) else part.iter
            for target in part.targets if isinstance(part, ast.Assign) else [part.target]:
                for name in (it.id for it in ast.walk(target) if isinstance(it, ast.Name)):
                    found.setdefault(name, []).append(value)
    return found


def literals(node) -> Iterator[str]:
    """The texts in an expression; those inside an f-string are parts of it."""
    if isinstance(node, ast.Constant | ast.JoinedStr):
        yield from spelled(node)
    else:
        for child in ast.iter_child_nodes(node):
            yield from literals(child)


def said(node, scopes) -> list[str]:
    """What an argument that is shown may say."""
    if isinstance(node, ast.JoinedStr):
        return spelled(node) + named(node, scopes)
    return spelled(node) or named(node, scopes)


def calls(tree) -> Iterator[tuple[ast.Call, str, list]]:
    """(call, name of what is called, the scopes round it) of all calls in a tree."""

    def inside(node, scopes):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield child, getattr(child.func, "id", getattr(child.func, "attr", "")), scopes
            own = isinstance(child, ast.FunctionDef)
            yield from inside(child, [child, scopes[-1]] if own else scopes)

    yield from inside(tree, [tree])


def options(node, names: dict) -> list[str]:
    """The texts in a list of options: literals, and what names of the module hold."""
    found = [text for part in ast.walk(node) for text in spelled(part)]
    for part in ast.walk(node):
        held = names.get(part.id, ()) if isinstance(part, ast.Name) else ()
        found += (
            [held]
            if isinstance(held, str)
            else [it for it in held if isinstance(it, str)]
            if isinstance(held, tuple | list | dict)
            else []
        )
    return found


def of_module(text: str, names: dict) -> Iterator[str]:
    """The strings of a module with this text, which defines these names."""
    tree = ast.parse(text)
    for call, name, scopes in calls(tree):
        if name in SPOKEN and call.args:
            yield from said(call.args[0], scopes)
        if name in LABELLED:
            yield from next((spelled(arg) for arg in call.args if spelled(arg)), [])
        if name == "choice" and len(call.args) > 1:
            yield from [*options(call.args[1], names), *named(call.args[1], scopes)]
    for part in filter(describes_demo, tree.body):
        for node in ast.walk(part):
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("alt", "ALT"):
                yield from spelled(node.value)
            if isinstance(node, ast.Dict) and node.values and all(isinstance(value, ast.Dict) for value in node.values):
                yield from (
                    key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
                )


def describes_demo(node) -> bool:
    """The function that makes a demo, or what modules of two demos share, ALT and PRESETS."""
    names = [getattr(target, "id", "") for target in getattr(node, "targets", ())]
    return getattr(node, "name", "").endswith("_demo") or bool({"ALT", "PRESETS"} & {*names})


def of_cell(code: str) -> Iterator[str]:
    """The strings of a notebook's cell: names of checks and claims, and what claims show beside them."""
    tree = ast.parse(code)
    for call, name, scopes in calls(tree):
        if name in ("claim", "check") and call.args:
            yield from said(call.args[0], scopes)
        if name == "check":
            tables = [given.value for given in call.keywords if given.arg == "mistakes"]
            yield from (text for table in tables for key in getattr(table, "keys", []) for text in spelled(key))
        if name == "claim":
            for given in call.keywords:
                pairs = [(given.arg, given.value)] if given.arg else held(given.value, tree)
                for key, value in pairs:
                    yield key.replace("_", " ") + " {value}"
                    yield from spelled(value)
        if name.endswith("_demo"):
            tables = [*call.args, *(given.value for given in call.keywords)]
            yield from (text for table in tables for key in getattr(table, "keys", []) for text in spelled(key))


def in_places(templates, cell) -> Iterator[str]:
    """The words that stand in the places of these templates where the cell has printed them."""
    texts = [text for output in cell.outputs if output.output_type == "stream" for text in output.text.splitlines()]
    printed = [text[2:].split(" (")[0] for text in texts if text.startswith("✓ ")]
    own = [text for text in templates if PLACE.search(text) and len(PLACE.sub("", text)) > 8]  # sentences, no values
    for pattern in map(fitting, own):
        for found in map(pattern.fullmatch, printed):
            yield from (it for it in (found.groups() if found else ()) if not is_plain(it))


def held(node, tree) -> list[tuple[str, ast.expr]]:
    """(key, value) of a dictionary that the cell names, or writes down."""
    if isinstance(node, ast.Name):
        given = [
            it.value
            for it in ast.walk(tree)
            if isinstance(it, ast.Assign) and getattr(it.targets[0], "id", "") == node.id
        ]
        return [pair for it in given for pair in held(it, tree)]
    if isinstance(node, ast.Call):
        return [(given.arg, given.value) for given in node.keywords if given.arg]
    pairs = (
        zip(node.keys, node.values)
        if isinstance(node, ast.Dict)
        else [(node.key, node.value)]
        if isinstance(node, ast.DictComp)
        else ()
    )
    return [(text, value) for key, value in pairs for text in spelled(key)]


# ---------------------------------------------------------------- tables


def of_exercises() -> Iterator[tuple[str, str]]:
    """(string, module) of the tables of all exercises and predictions, and of the bugs' hints."""
    for module in sorted(m.name for m in pkgutil.iter_modules(cfgedu.exercises.__path__) if m.name[1:].isdigit()):
        home = importlib.import_module(f"cfgedu.exercises.{module}")
        tree = ast.parse(Path(home.__file__).read_text(encoding="utf-8"))
        joineds = [template(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
        phrases = [
            text for call, name, scopes in calls(tree) if name == "phrase" for text in said(call.args[0], scopes)
        ]
        for name, it in vars(home).items():
            place = f"cfgedu/exercises/{module}.py {name}"
            if isinstance(it, Guess):
                yield from ((text, place) for text in (it.name, it.why, *(it.choices or {}).values()) if text)
            if isinstance(it, Exercise):
                yield it.name, place
                for sentence in it.wrong:
                    for text in [] if apart(sentence, it.wrong) else by_template(sentence, [], []):
                        yield text, place
                for key in it.inputs() if it.inputs else ():
                    yield from ((text, place) for text in by_template(key, joineds, phrases))
    yield from ((hint, "cfgedu/exercises/repair/bugs.py") for bug in BUGS for hint in bug.hints if hint)
    yield from ((hint, "cfgedu/checks/calls.py") for hint in HINTS.values())


MADE = (
    "{thing} is not {choice}: {hint}", "red: {lights}", "{light} is dark, {said}", "the code has no {part}",
    "its {part} has no {argument}",
)  # fmt: skip  # of sentences in tables that `phrase` has made, the templates


def by_template(text: str, joineds, phrases) -> list[str]:
    """The template that a text was made with, and the words in its places; the text itself where it was written so."""
    for made in (*MADE, *phrases, *joineds):
        if made == MADE[0] and not text.startswith(("'", '"')):  # the thing and the choice of it stand in quotes
            continue
        if PLACE.search(made) and WORD.search(PLACE.sub("", made)) and (found := fitting(made).fullmatch(text)):
            values = [found[name] for name in found.groupdict() if name in ("hint", "place")]
            return values if made in MADE or made in phrases else [made, *values]
    return [text]


# ---------------------------------------------------------------- all of them


def of_script(path: Path) -> Iterator[str]:
    with path.open("rb") as opened:
        for _, _, message, _ in extract_javascript(opened, ["say"], [], {"template_string": False}):
            text = message if isinstance(message, str) else message[0]
            if text:  # not what stands in a variable
                yield text


def strings(root: Path = ROOT) -> Catalog:
    """All strings, in the order of the course, each with the files that it stands in."""
    found: dict[str, list[str]] = {}
    pairs = []
    for path in sorted((root / "cfgedu").rglob("*.py")):
        name = path.relative_to(root).as_posix()
        module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        if path.name not in ("language.py", "__main__.py") and "training" not in path.parts:
            text = path.read_text(encoding="utf-8")
            names = vars(importlib.import_module(module)) if "choice(" in text else {}
            pairs += [(it, name) for it in of_module(text, names)]
    for path in [*sorted((root / "tools").glob("site*.py")), root / "tools/translation.py", root / "site/finish.py"]:
        pairs += [(it, path.relative_to(root).as_posix()) for it in of_module(path.read_text(encoding="utf-8"), {})]
    pairs += [(it, place.split()[0]) for it, place in of_exercises()]
    pairs += [(INVITATION, "cfgedu/widgets/live.py")]
    folder = root / "notebooks"
    for path in sorted(folder.glob("*.ipynb")) + sorted((folder / "solutions").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            told = cell.metadata.get("demo", {})  # what the gallery tells of a demo
            pairs += [(told[key], path.relative_to(root).as_posix()) for key in ("name", "words") if key in told]
            if cell.cell_type == "code":
                own = list(of_cell(cell.source))
                texts = [*own, *in_places(own, cell), alt(cell.metadata) or ""]
                pairs += [(it, path.relative_to(root).as_posix()) for it in texts]
    for path in sorted((root / "site/js").rglob("*.js")):
        pairs += [(it, path.relative_to(root).as_posix()) for it in of_script(path)]
    for text, place in pairs:
        if WORD.search(PLACE.sub("", text)) and text not in HINTS:  # whose keys are Python's
            found.setdefault(text, []).append(place)
    catalog = Catalog(charset="utf-8", fuzzy=False)
    for text, places in found.items():
        catalog.add(text, locations=[(place, None) for place in dict.fromkeys(places)])
    return catalog
