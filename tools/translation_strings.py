"""The strings that the course says itself: found in package, notebooks and scripts, kept in translations/ko/cfgedu.po.

`strings()` finds them: what `phrase` is called with, the names of checks and claims with the values that they show, the
tables of the exercises, the labels of demos, what the page's scripts `say`. An f-string becomes a template with named
places. `update` brings a PO file up to date, `problems` says what is wrong with it, `words` is what `language.speak`
takes, and `put_into` changes what a notebook has stored.
"""

import ast
import importlib
import io
import json
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import nbformat
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_javascript
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import cfgedu.exercises
from cfgedu.checks import Exercise, Guess
from cfgedu.checks.calls import HINTS
from cfgedu.exercises.repair import BUGS
from cfgedu.files import write
from cfgedu.language import PLACE, WORD, apart, fitting, is_plain, known, phrase, speak, translated
from cfgedu.saving import DEMO
from cfgedu.widgets.live import INVITATION
from tools.translation_rules import numbers

ROOT = Path(__file__).resolve().parent.parent
SPOKEN = ("phrase", "translated", "check", "claim", "right", "wrong", "not_yet", "mistaken", "Unfit", "slip")
LABELLED = ("slider", "int_slider", "choice", "control")
SHOWS = re.compile(r"\b(claim|check\w*|hint)\b")  # in the code of a cell whose lines are translated


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
    for name in {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} if depth else ():
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
            yield from options(call.args[1], names)
    for demo in (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.endswith("_demo")):
        for node in ast.walk(demo):
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "alt":
                yield from spelled(node.value)
            if isinstance(node, ast.Dict) and node.values and all(isinstance(value, ast.Dict) for value in node.values):
                yield from (
                    key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
                )


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
            yield message if isinstance(message, str) else message[0]


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
    pairs += [(it, place.split()[0]) for it, place in of_exercises()]
    pairs += [(INVITATION, "cfgedu/widgets/live.py")]
    folder = root / "notebooks"
    for path in sorted(folder.glob("*.ipynb")) + sorted((folder / "solutions").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                own = list(of_cell(cell.source))
                pairs += [(it, path.relative_to(root).as_posix()) for it in [*own, *in_places(own, cell)]]
    for path in sorted((root / "site/js").rglob("*.js")):
        pairs += [(it, path.relative_to(root).as_posix()) for it in of_script(path)]
    for text, place in pairs:
        if WORD.search(PLACE.sub("", text)) and text not in HINTS:  # whose keys are Python's
            found.setdefault(text, []).append(place)
    catalog = Catalog(charset="utf-8", fuzzy=False)
    for text, places in found.items():
        catalog.add(text, locations=[(place, None) for place in dict.fromkeys(places)])
    return catalog


# ---------------------------------------------------------------- the PO file

ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)\b")
FOLLOWED = re.compile(r"\}(?:으로|[은는이가을를과와로])(?![가-힣])")  # no particle goes with every value


def store(language: str, root: Path = ROOT) -> Path:
    return root / f"translations/{language}/cfgedu.po"


def read(language: str, root: Path = ROOT) -> Catalog:
    """The strings of a language as translated so far."""
    file = store(language, root)
    return read_po(io.BytesIO(file.read_bytes()), locale=language) if file.exists() else Catalog(locale=language)


HEAD = """# What checks, claims, exercises and demos say; `course.py translation strings` follows the English.
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def save(language: str, catalog: Catalog, root: Path = ROOT) -> None:
    """Writes a PO file without dates, which would change every time, and flags of formats that are none."""
    written = io.BytesIO()
    for message in catalog:
        message.flags -= {"python-format", "python-brace-format"}
    write_po(written, catalog, width=0, include_lineno=False, omit_header=True)
    write(store(language, root), HEAD.format(language=language).encode() + written.getvalue())


def update(language: str, root: Path = ROOT) -> Counter:
    """Brings the PO file in step with the course: new strings stand empty, changed ones are marked fuzzy."""
    catalog = read(language, root)
    catalog.update(strings(root))
    save(language, catalog, root)
    return Counter("fuzzy" if it.fuzzy else "done" if it.string else "open" for it in catalog if it.id)


def problems(language: str, root: Path = ROOT, found: Catalog | None = None) -> list[str]:
    """What is wrong with a PO file, a line each: strings that are missing, unsure, left over, or lost a place."""
    catalog, english = read(language, root), strings(root) if found is None else found
    told = [f"is left over: {message.id[:80]}" for message in catalog if message.id and message.id not in english]
    for message in english:
        mine = catalog.get(message.id) if message.id else message
        if mine is None or not (message.id and mine.string):
            told += [f"is not translated: {message.id[:80]}"] if message.id else []
        elif mine.fuzzy:
            told.append(f"the English has changed: {message.id[:80]}")
        else:
            told += [f"{what}: {message.id[:80]}" for what in faults(message.id, mine.string)]
    return told


def faults(english: str, text: str) -> list[str]:
    """What a translated string lacks of its English, or has too much."""
    places = [Counter(place[0] for place in PLACE.finditer(each)) for each in (english, text)]
    found = [f"lacks the place {place}" for place in places[0] - places[1]]
    found += [f"has a place that the English has not, {place}" for place in places[1] - places[0]]
    lost = numbers(ORDINAL.sub(" ", PLACE.sub(" ", english))) - numbers(PLACE.sub(" ", text))
    found += [f"lacks the numbers {', '.join(sorted(lost))}"] if lost else []
    found += ["a particle follows a place"] if FOLLOWED.search(text) else []
    return found + (["is broken into lines"] if "\n" in text else [])


def words(language: str, root: Path = ROOT) -> dict[str, str]:
    """{English: translation} of all that is translated and still fits."""
    return {
        message.id: message.string
        for message in read(language, root)
        if message.id and message.string and not message.fuzzy
    }


def compiled(language: str, root: Path = ROOT) -> bytes:
    """The MO file of a language, for gettext."""
    catalog = Catalog(locale=language)
    for english, text in words(language, root).items():
        catalog.add(english, text)
    written = io.BytesIO()
    write_mo(written, catalog)
    return written.getvalue()


def of_the_page(language: str, root: Path = ROOT) -> str:
    """The script that gives the page's scripts their words, the names of options among them; it is loaded first."""
    own = {text for path in (root / "site/js").rglob("*.js") for text in of_script(path)}
    own |= {message.id for message in read(language, root) if is_label(message)}
    known = {english: text for english, text in words(language, root).items() if english in own}
    table = json.dumps(known, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return f"(globalThis.cfgedu = globalThis.cfgedu || {{}}).words = {table};\n"


def is_label(message) -> bool:
    """A short text of a demo, without places, such as an option of a list: a readout may hold it."""
    of_demo = any(place.startswith("cfgedu/widgets/") for place, _ in message.locations)
    return of_demo and len(message.id) < 40 and not PLACE.search(message.id)


@contextmanager
def speaking(language: str | None, root: Path = ROOT):
    """Checks and demos speak the language within, and English again after it."""
    speak(words(language, root) if language else {})
    try:
        yield
    finally:
        speak({})


# ---------------------------------------------------------------- what a notebook has stored


def line(text: str) -> str | None:
    """A printed line in the language that is spoken; None where a part of it is not known."""
    sign, _, rest = text.partition(" ")
    if sign in ("✓", "✗", "·"):
        body = told(rest) or diagnosed(rest)
        return body and f"{sign} {body}"
    body = told(text.strip()) if text.startswith("  ") else None
    return body and f"  {body}"


def known_as(text: str) -> str | None:
    """The translation of a text, None where there is none."""
    found = translated(text)
    return found if found != text else None


def told(text: str) -> str | None:
    """What a check or claim says, with its numbers in brackets: "sentence (name 0.31, other name 12)"."""
    if text in known:
        return known[text]
    if text.endswith(")"):
        for start in (match.start() for match in re.finditer(r" \(", text)):
            sentence, values = known_as(text[:start]), text[start + 2 : -1]
            if sentence and (found := known_as(values) or listed(values)):
                return f"{sentence} ({found})"
    return known_as(text)


def listed(text: str) -> str | None:
    """name value, name value, ...: a value that follows another one has no name of its own."""
    parts = [known_as(part) or (part if is_plain(part) else None) for part in text.split(", ")]
    return None if None in parts else ", ".join(parts)


def diagnosed(text: str) -> str | None:
    """name: place: expected ...; got ..., of which each part has to be known."""
    for cut in (match.start() for match in re.finditer(": ", text)):
        if (head := known_as(text[:cut])) and (rest := known_as(text[cut + 2 :]) or diagnosed(text[cut + 2 :])):
            return f"{head}: {rest}"
    return None


def put_into(cell) -> None:
    """Puts what checks, claims and exercises have printed in a cell, and the words of its demo, into the language."""
    for output in cell.get("outputs", ()):
        if output.output_type == "stream" and SHOWS.search(cell.source):
            output.text = "\n".join(line(each) or each for each in output.text.split("\n"))
        data = output.get("data", {})
        if DEMO in data:
            alt = data[DEMO]["alt"].removesuffix(f". {INVITATION}")
            data[DEMO]["alt"] = output.metadata["image/png"]["alt"] = f"{phrase(alt)}. {phrase(INVITATION)}"
            data["text/plain"] = data["text/plain"].replace(alt, phrase(alt))
