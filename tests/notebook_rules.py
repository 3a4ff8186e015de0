"""The notebook rules that a program can check, each a small pure function from a notebook to a list of problems.

tests/test_notebook_rules.py holds the notebooks of the course to them, and each rule to a bad notebook.
"""

import ast
import json
import re
from copy import deepcopy
from decimal import Decimal

import nbformat

from cfgedu.saving import DEMO
from tools.notebooks import MOST_BYTES, alt, normalise

MOST_LINES, MOST_COLUMNS = 15, 100
YOUR_TURN = "# your turn"
ENDING = ("What you learned", "Exercises", "Further reading")
PATH = re.compile(r"(?<![\w.:/~])/(?:home|Users|root|tmp|usr|opt|mnt|var|work|content)/\w|\b[A-Z]:\\\\?\w")
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
BAR = re.compile(r"^\s*$|\d+%\|.*\| *\S+/\S+|^\S+it\b")
NOT_ALONE = re.compile(r"\b(?:(?:section|notebook|solution|exercise|lesson|cell)s?|above|as code)\b", re.IGNORECASE)
STATEMENT = re.compile(r"^(?:\*\*|#{3,4} +)(?:Exercise +)?\d+[.:]", re.MULTILINE)


# ---------------------------------------------------------------- reading a notebook


def code_cells(notebook):
    """(index in the notebook, cell) of each cell of code that is not empty."""
    return [(i, c) for i, c in enumerate(notebook.cells) if c.cell_type == "code" and c.source.strip()]


def tags(cell):
    return cell.metadata.get("tags", [])


def nodes(cell):
    """The syntax tree of a cell, without its magics; none where it does not parse (`code_parses` says so)."""
    lines = [line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        return list(ast.walk(ast.parse("\n".join(lines))))
    except SyntaxError:
        return []


def calls(cell):
    """The names of what a cell calls, written out: "torch.manual_seed"."""
    return [ast.unparse(node.func) for node in nodes(cell) if isinstance(node, ast.Call)]


def texts(output):
    """What an output shows as text."""
    if output.output_type == "stream":
        return [output.text]
    if output.output_type == "error":
        return [output.evalue, *output.traceback]
    return [data for kind, data in output.data.items() if kind.startswith("text/")]


def headings(notebook):
    """(index of the cell, text) of each Markdown heading."""
    return [
        (i, row.lstrip("#").strip())
        for i, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown"
        for row in cell.source.splitlines()
        if re.match(r"#{1,6} ", row)
    ]


def your_turns(notebook):
    return [(i, cell) for i, cell in code_cells(notebook) if YOUR_TURN in cell.source.lower()]


def statements(notebook):
    """How many exercises are stated: "**1. Title.**" or "### Exercise 1: Title"."""
    return sum(len(STATEMENT.findall(cell.source)) for cell in notebook.cells if cell.cell_type == "markdown")


def checks(notebook):
    """How many exercise checks a notebook calls: check(...) or check_something(...)."""
    return sum(name.split(".")[-1].startswith("check") for _, cell in code_cells(notebook) for name in calls(cell))


# ---------------------------------------------------------------- rules for every notebook


def code_parses(notebook):
    return [f"cell {i} is not Python" for i, cell in code_cells(notebook) if not nodes(cell)]


def cells_are_small(notebook):
    """At most 15 lines of at most 100 columns."""
    cells = [(i, cell.source.strip().splitlines()) for i, cell in code_cells(notebook)]
    long = [f"cell {i} has {len(rows)} lines, over {MOST_LINES}" for i, rows in cells if len(rows) > MOST_LINES]
    wide = [(i, len(row)) for i, rows in cells for row in rows if len(row) > MOST_COLUMNS]
    return long + [f"cell {i} has a line of {columns} columns" for i, columns in wide]


def claims_are_sentences(notebook):
    """What a cell claims is a claim(...) that a learner can read, and no bare assert."""
    return [
        f"cell {i} asserts" for i, cell in code_cells(notebook) if any(isinstance(n, ast.Assert) for n in nodes(cell))
    ]


def no_cell_is_empty(notebook):
    return [f"cell {i} is empty" for i, cell in enumerate(notebook.cells) if not cell.source.strip()]


def executed_in_order(notebook):
    counts = [cell.execution_count for _, cell in code_cells(notebook)]
    return [] if counts == list(range(1, len(counts) + 1)) else [f"execution counts are {counts}, not 1, 2, ..."]


def outputs_are_stored(notebook):
    shown = any(cell.outputs for _, cell in code_cells(notebook))
    return [] if shown else ["no cell has an output: run `course.py notebooks`"]


def errors_are_intended(notebook):
    return [
        f"cell {i} ends in {output.ename}"
        for i, cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type == "error" and "raises-exception" not in tags(cell)
    ]


def no_star_import(notebook):
    return [
        f"cell {i} imports * from {node.module}"
        for i, cell in code_cells(notebook)
        for node in nodes(cell)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]


def no_install(notebook):
    install = re.compile(r"\b(pip\d?|conda|mamba|uv)\b.*\binstall\b")
    return [f"cell {i} installs something" for i, cell in code_cells(notebook) if install.search(cell.source)]


def no_absolute_path(notebook):
    found = [(i, cell.source) for i, cell in enumerate(notebook.cells)]
    found += [(i, text) for i, cell in code_cells(notebook) for output in cell.outputs for text in texts(output)]
    return [f"cell {i} has the absolute path {PATH.search(text)[0]}..." for i, text in found if PATH.search(text)]


def no_show(notebook):
    return [f"cell {i} calls {n}()" for i, cell in code_cells(notebook) for n in calls(cell) if n.endswith("plt.show")]


def no_global_seed(notebook):
    seeds = re.compile(
        r"^(torch(\.random|\.cuda)?\.(manual_)?seed(_all)?|manual_seed|(np|numpy)\.random\.seed|random\.seed)$"
    )
    return [f"cell {i} calls {n}()" for i, cell in code_cells(notebook) for n in calls(cell) if seeds.match(n)]


def small_enough(notebook):
    size = len(nbformat.writes(notebook).encode())
    return [f"{size / 1e6:.2f} MB, over {MOST_BYTES / 1e6} MB"] if size > MOST_BYTES else []


def normalised(notebook):
    same = normalise(deepcopy(notebook)) == notebook
    return [] if same else ["metadata or outputs are not normalised: run `course.py notebooks`"]


def ids_are_unique(notebook):
    ids = [cell.get("id") for cell in notebook.cells]
    return [f"two cells have the id {i}" for i in sorted({str(i) for i in ids if ids.count(i) > 1 or not i})]


def plain_outputs_only(notebook):
    """SVG and HTML are compared to the letter by the tests, and change with every library."""
    shown = {"text/plain", "text/latex", "text/markdown", "image/png", DEMO}
    return [
        f"cell {i} shows {kind}"
        for i, cell in code_cells(notebook)
        for output in cell.outputs
        for kind in output.get("data", {})
        if kind not in shown
    ]


def no_address(notebook):
    return [
        f"cell {i} shows the address of an object"
        for i, cell in code_cells(notebook)
        if any(ADDRESS.search(text) for output in cell.outputs for text in texts(output))
    ]


def stderr_is_a_progress_bar(notebook):
    """No warnings; and a bar's text is compared with nothing, so its cell asserts what it claims."""
    problems = []
    for i, cell in code_cells(notebook):
        rows = [row for out in cell.outputs if out.get("name") == "stderr" for row in out.text.split("\n")]
        problems += [f"cell {i} has on stderr: {row[:80]}" for row in rows if not BAR.search(row)]
        if rows and "nbval-ignore-output" not in tags(cell):
            problems.append(f"cell {i} has a progress bar but not the tag nbval-ignore-output")
    return problems


def pictures_have_words(notebook):
    """One picture a cell, and its words in the cell's metadata or, for a demo, beside its state."""
    problems = []
    for i, cell in code_cells(notebook):
        shown = [output.data for output in cell.outputs if "image/png" in output.get("data", {})]
        problems += [f"cell {i} shows {len(shown)} pictures, which one alt text cannot name"] if len(shown) > 1 else []
        if any(not (data[DEMO].get("alt") if DEMO in data else alt(cell.metadata)) for data in shown):
            problems.append(f"cell {i} shows a picture without an alt text (mystnb.image.alt)")
    return problems


def sets_threads(notebook):
    """The first code cell says how many threads torch takes: one, or a comment says why not."""
    cells = [cell for _, cell in code_cells(notebook)]
    if not any(runs_torch(node) for cell in cells for node in nodes(cell)):
        return []
    found = re.search(r"^torch\.set_num_threads\((\d+)\)( +#.+)?$", cells[0].source, re.MULTILINE)
    if not found:
        return ["the first code cell does not call torch.set_num_threads(1)"]
    return [] if found[1] == "1" or found[2] else [f"torch.set_num_threads({found[1]}) has no comment that says why"]


def runs_torch(node):
    """An import of torch, of a demo, or of a module of the course that keeps it busy; a schedule alone does not."""
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return any(re.match(r"torch\b|cfgedu\.(toy|models|samplers|metrics|training|widgets)\b", name) for name in names)


# ---------------------------------------------------------------- numbers in the text

NO_PROSE = re.compile(  # code, formulas, addresses, the numbers of articles and of their sections
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$"
    r"|\]\([^)]*\)|https?://\S+|\b\d{4}\.\d{4,5}\b|\b10\.\d{4,}/\S+|\bsections? [\d.]+",
    re.DOTALL | re.IGNORECASE,
)
NUMBER = re.compile(r"(?<![\w.])(?:\d+(?:[,_]\d{3})*(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?(?!\d|\.\d)(?: ?%)?")


def value(text):
    """The number that a text such as "1,234.5", "31.3%" or "2.4e-9" stands for, and the unit of its last digit."""
    plain = Decimal(re.sub(r"[,_ %]", "", text))
    one = Decimal(1).scaleb(plain.as_tuple().exponent)
    return (plain / 100, one / 100) if text.endswith("%") else (plain, one)


def unsupported(notebook):
    """[(cell, number)]: numbers of the text with a decimal point or a % sign that no output and no source holds.

    A number is held by itself, by one with more digits that rounds to it, and a percentage by its share.
    """
    held = set()
    for _, cell in code_cells(notebook):
        shown = [text for output in cell.outputs for text in texts(output)]
        states = [json.dumps(output.data[DEMO]) for output in cell.outputs if DEMO in output.get("data", {})]
        held |= {value(found)[0] for text in [cell.source, *shown, *states] for found in NUMBER.findall(text)}
    problems = []
    for i, cell in enumerate(notebook.cells):
        text = NO_PROSE.sub(" ", cell.source) if cell.cell_type == "markdown" else ""
        for found in NUMBER.findall(text):
            number, one = value(found)
            if ("." in found or "%" in found) and not any(abs(number - other) <= one / 2 for other in held):
                problems.append((i, found))
    return problems


# ---------------------------------------------------------------- rules for lessons


def opens_with_title(notebook):
    """The first cell: title, and under it the minutes and what to read before."""
    text = notebook.cells[0].source if notebook.cells and notebook.cells[0].cell_type == "markdown" else ""
    found = {
        "a title (# ...)": text.startswith("# "),
        "the minutes": re.search(r"\bminutes\b", text),
        "the prerequisites (or: Before this)": re.search(r"prerequisites?|before this", text, re.IGNORECASE),
    }
    return [f"the first cell lacks {what}" for what, there in found.items() if not there]


def says_what_you_will_be_able_to_do(notebook):
    there = len(notebook.cells) > 1 and "you will be able to" in notebook.cells[1].source.lower()
    return [] if there else ['the second cell is not "You will be able to"']


def sets_up_in_the_third_cell(notebook):
    there = len(notebook.cells) > 2 and any(
        isinstance(n, ast.Import | ast.ImportFrom) for n in nodes(notebook.cells[2])
    )
    return [] if there and notebook.cells[2].cell_type == "code" else ["the third cell is not the set-up, with imports"]


def ends_with_learned_exercises_reading(notebook):
    places = {text: i for i, text in headings(notebook)}
    missing = [f"no heading {name!r}" for name in ENDING if name not in places]
    if missing:
        return missing
    learned, exercises, reading = (places[name] for name in ENDING)
    problems = [] if learned <= exercises <= reading else [f"the endings are not in the order {', '.join(ENDING)}"]
    late = [i for i, cell in code_cells(notebook) if i > learned and YOUR_TURN not in cell.source.lower()]
    return problems + [f"cell {i} comes after What you learned and is no exercise" for i in late]


def exercises_have_an_empty_cell_each(notebook):
    """Two to four; each `# your turn` cell holds only comments, among them the check, so that "Run all" works."""
    turns, stated = your_turns(notebook), statements(notebook)
    problems = [] if 2 <= len(turns) <= 4 else [f"{len(turns)} `{YOUR_TURN}` cells, not 2 to 4"]
    if stated != len(turns):
        problems.append(f"{stated} exercises are stated (**1. ...**), {len(turns)} have a `{YOUR_TURN}` cell")
    for i, cell in turns:
        if not all(row.strip().startswith("#") for row in cell.source.splitlines() if row.strip()):
            problems.append(f"cell {i}, `{YOUR_TURN}`, holds code")
        if "check" not in cell.source:
            problems.append(f"cell {i}, `{YOUR_TURN}`, does not name its check")
    return problems


def shows_a_demo(notebook):
    """A demo's stored output is its picture and its state: both are there on another day, on paper, on a web page.

    The metadata of its cell hold its name, and the words that stand beside it where it is shown without the lesson.
    """
    named = {i: cell.metadata["demo"] for i, cell in code_cells(notebook) if "demo" in cell.metadata}
    problems = []
    for i, cell in code_cells(notebook):
        kinds = {kind for output in cell.outputs for kind in output.get("data", ())}
        if i in named:
            missing = {"image/png", DEMO} - kinds
            problems += [f"cell {i} shows a demo and stores no {kind}" for kind in sorted(missing)]
        elif DEMO in kinds:
            problems.append(f"cell {i} shows a demo whose name and words are not in its metadata")
    if not named:
        problems.append('no cell shows an interactive demo (its metadata hold {"demo": {"name": ..., "words": ...}})')
    for i, demo in named.items():
        if set(demo) != {"name", "words"} or not all(demo.values()):
            problems.append(f"cell {i} has metadata of a demo other than its name and words")
        elif found := NOT_ALONE.findall(demo["words"]):
            problems.append(f"cell {i} has words for its demo that lean on the lesson: {', '.join(found)}")
    return problems


def asks_for_a_prediction(notebook):
    """Before a result a learner commits to a guess: a cell tagged `predict` with my_guess_x = ..., held against the

    result by check_guess_x(my_guess_x) in a later cell. One name a prediction.
    """
    cells = code_cells(notebook)
    asked = [
        (i, name) for i, cell in cells for name in re.findall(r"^my_guess_(\w+) = \.\.\.", cell.source, re.MULTILINE)
    ]
    problems = [] if asked else ["no prediction is asked for (my_guess_... = ... in a cell tagged predict)"]
    problems += [
        f"cell {i} asks for a guess and is not tagged predict"
        for i, _ in asked
        if "predict" not in tags(notebook.cells[i])
    ]
    for i, name in asked:
        call = f"check_guess_{name}(my_guess_{name})"
        if not any(j > i and call in cell.source for j, cell in cells):
            problems.append(f"the guess of cell {i} is never held against the result: {call}")
    names = [name for _, name in asked]
    return problems + [f"two guesses are called {name}" for name in sorted({n for n in names if names.count(n) > 1})]


# ---------------------------------------------------------------- rules for a lesson with its solutions


def solutions_answer_everything(lesson, solutions):
    """The solutions state every exercise again and run at least as many checks as the lesson has exercises."""
    if solutions is None:
        return ["no notebook of the same name in solutions/"]
    asked, stated, checked = len(your_turns(lesson)), statements(solutions), checks(solutions)
    problems = [] if stated >= asked else [f"the solutions state {stated} of {asked} exercises (**1. ...**)"]
    if checked < asked:
        problems.append(f"the solutions call {checked} checks for {asked} exercises")
    if not (solutions.cells and solutions.cells[0].source.startswith("# ")):
        problems.append("the solutions have no title (# ...)")
    return problems


EVERYWHERE = (
    code_parses,
    cells_are_small,
    claims_are_sentences,
    no_cell_is_empty,
    executed_in_order,
    outputs_are_stored,
    errors_are_intended,
    no_star_import,
    no_install,
    no_absolute_path,
    no_show,
    no_global_seed,
    small_enough,
    normalised,
    ids_are_unique,
    plain_outputs_only,
    no_address,
    stderr_is_a_progress_bar,
    pictures_have_words,
    sets_threads,
)
LESSONS = (
    opens_with_title,
    says_what_you_will_be_able_to_do,
    sets_up_in_the_third_cell,
    ends_with_learned_exercises_reading,
    exercises_have_an_empty_cell_each,
    shows_a_demo,
    asks_for_a_prediction,
)
