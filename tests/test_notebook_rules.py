"""The notebook rules that a program can check, each a small pure function from a notebook to a list of problems.

Every rule is itself tested: it passes the small good notebook below and names the problem in a bad one.
"""

import ast
import json
import re
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cfgedu.saving import WIDGET
from tools.notebooks import MOST_BYTES, normalise

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
SOLUTIONS = NOTEBOOKS / "solutions"
MOST_LINES = 20
YOUR_TURN = "# your turn"
ENDING = ("What you learned", "Exercises", "Further reading")
PATH = re.compile(r"(?<![\w.:/~])/(?:home|Users|root|tmp|usr|opt|mnt|var|work|content)/\w|\b[A-Z]:\\\\?\w")
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
BAR = re.compile(r"^\s*$|\d+%\|.*\| *\S+/\S+|^\S+it\b")
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


def cells_are_short(notebook):
    sizes = [(i, len(cell.source.strip().splitlines())) for i, cell in code_cells(notebook)]
    return [f"cell {i} has {lines} lines, over {MOST_LINES}" for i, lines in sizes if lines > MOST_LINES]


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
    shown = {"text/plain", "text/latex", "text/markdown", "image/png", WIDGET}
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


def demo_follows_a_picture(notebook):
    """A web viewer shows no widgets: the cell before a demo draws the same thing as a figure."""
    cells = code_cells(notebook)
    demos = [k for k, (_, cell) in enumerate(cells) if any(re.search(r"demo$|LiveFigure$", n) for n in calls(cell))]
    before = {
        k: {kind for out in cells[k - 1][1].outputs for kind in out.get("data", {})} if k else set() for k in demos
    }
    problems = [] if demos else ["no interactive demo (a call of ..._demo)"]
    return problems + [
        f"cell {cells[k][0]} has a demo and no figure before it" for k in demos if "image/png" not in before[k]
    ]


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
    cells_are_short,
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
)
LESSONS = (
    opens_with_title,
    says_what_you_will_be_able_to_do,
    sets_up_in_the_third_cell,
    ends_with_learned_exercises_reading,
    exercises_have_an_empty_cell_each,
    demo_follows_a_picture,
)


# ---------------------------------------------------------------- the notebooks of the course


def read(path):
    return nbformat.read(path, as_version=4)


def paths(folder):
    return [pytest.param(path, id=str(path.relative_to(NOTEBOOKS))) for path in sorted(folder.glob("*.ipynb"))]


@pytest.mark.parametrize("path", paths(NOTEBOOKS) + paths(SOLUTIONS))
def test_notebook(path):
    notebook = read(path)
    rules = EVERYWHERE + (LESSONS if path.parent == NOTEBOOKS else ())
    problems = [f"{rule.__name__}: {problem}" for rule in rules for problem in rule(notebook)]
    assert not problems, "\n" + "\n".join(problems)


@pytest.mark.parametrize("path", paths(NOTEBOOKS))
def test_solutions(path):
    solutions = SOLUTIONS / path.name
    assert solutions_answer_everything(read(path), read(solutions) if solutions.exists() else None) == []


def test_names():
    """Lessons are numbered once each, and no solution stands without its lesson."""
    lessons = [path.name for path in NOTEBOOKS.glob("*.ipynb")]
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", name) for name in lessons), lessons
    assert len({name[:2] for name in lessons}) == len(lessons)
    assert {path.name for path in SOLUTIONS.glob("*.ipynb")} <= set(lessons)


# ---------------------------------------------------------------- the rules themselves


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def shown(kind="image/png", data="iVBORw0KGgo="):
    return new_output("display_data", data={kind: data, "text/plain": "<Figure size 640x480 with 1 Axes>"})


def lesson():
    """A small notebook that keeps every rule."""
    cells = [
        new_markdown_cell("# 99 · A title\n\nThe question? *20 minutes. Prerequisites: none.*"),
        new_markdown_cell("**You will be able to** do it."),
        new_code_cell("import torch\nfrom cfgedu.widgets.toy import toy_demo"),
        new_code_cell("g = torch.Generator().manual_seed(0)\nprint(1)", outputs=[stream("1\n")]),
        new_code_cell("draw()", outputs=[shown()]),
        new_code_cell("toy_demo()"),
        new_code_cell("train()", outputs=[stream("100%|####| 10/10 [loss=0.2]\n", "stderr")]),
        new_markdown_cell("## What you learned"),
        new_markdown_cell("## Exercises\n\n**1. One.** Do."),
        new_code_cell("# your turn\n# check_one(answer)"),
        new_markdown_cell("**2. Two.** Do."),
        new_code_cell("# your turn\n# check_two(answer)"),
        new_markdown_cell("## Further reading"),
    ]
    cells[6].metadata["tags"] = ["nbval-ignore-output"]
    for count, cell in enumerate((c for c in cells if c.cell_type == "code"), start=1):
        cell.execution_count = count
    return normalise(new_notebook(cells=cells))


def answers():
    cells = [
        new_markdown_cell("# 99 · Solutions"),
        new_markdown_cell("### Exercise 1: One"),
        new_code_cell("check_one(1)"),
        new_markdown_cell("**2. Two.** Do."),
        new_code_cell("check_two(2)"),
    ]
    return normalise(new_notebook(cells=cells))


def source(i, text):
    return lambda notebook: notebook.cells[i].update(source=text)


def output(i, *outputs):
    return lambda notebook: notebook.cells[i].update(outputs=list(outputs))


def without(text):
    """Takes a piece of text out of every cell."""
    return lambda notebook: [cell.update(source=cell.source.replace(text, "")) for cell in notebook.cells]


BAD = [
    (code_parses, source(3, "print(")),
    (cells_are_short, source(3, "x = 1\n" * 21)),
    (no_cell_is_empty, source(3, " \n")),
    (executed_in_order, lambda notebook: notebook.cells[3].update(execution_count=7)),
    (executed_in_order, lambda notebook: notebook.cells[9].update(execution_count=None)),
    (outputs_are_stored, lambda notebook: [cell.update(outputs=[]) for _, cell in code_cells(notebook)]),
    (errors_are_intended, output(3, new_output("error", ename="ValueError", evalue="r", traceback=[]))),
    (no_star_import, source(3, "from cfgedu.toy import *")),
    (no_install, source(3, "%pip install torch")),
    (no_install, source(3, "!python -m pip --quiet install torch")),
    (no_absolute_path, source(3, "open('/home/ada/x.npy')")),
    (no_absolute_path, source(3, r"open('C:\\data')")),
    (no_absolute_path, output(3, stream("loaded /tmp/x.npy"))),
    (no_show, source(3, "plt.show()")),
    (no_show, source(3, "matplotlib.plt.show()")),
    (no_global_seed, source(3, "torch.manual_seed(0)")),
    (no_global_seed, source(3, "np.random.seed(0)")),
    (small_enough, output(3, shown(data="A" * (MOST_BYTES + 1)))),
    (normalised, lambda notebook: notebook.metadata.update(language_info={"name": "python", "version": "3.11.7"})),
    (normalised, lambda notebook: notebook.cells[3].metadata.update(collapsed=True)),
    (normalised, lambda notebook: notebook.metadata.update(widgets={})),
    (normalised, output(3, stream("a"), stream("b"))),
    (normalised, output(6, stream("\r 10%|#  | 1/10\r100%|###| 10/10 [00:01<00:00, 9.9it/s]\n", "stderr"))),
    (normalised, output(5, shown(WIDGET, {"model_id": "0f"}))),
    (ids_are_unique, lambda notebook: notebook.cells[3].update(id=notebook.cells[4].id)),
    (plain_outputs_only, output(3, shown("image/svg+xml", "<svg/>"))),
    (plain_outputs_only, output(3, shown("text/html", "<b>1</b>"))),
    (no_address, output(3, stream("<function f at 0x7f0011223344>"))),
    (stderr_is_a_progress_bar, output(6, stream("UserWarning: deprecated\n", "stderr"))),
    (stderr_is_a_progress_bar, lambda notebook: notebook.cells[6].metadata.update(tags=[])),
    (opens_with_title, without("# 99 · A title")),
    (opens_with_title, without("minutes")),
    (opens_with_title, without("Prerequisites")),
    (says_what_you_will_be_able_to_do, without("You will be able to")),
    (sets_up_in_the_third_cell, source(2, "print(1)")),
    (sets_up_in_the_third_cell, lambda notebook: notebook.cells.insert(2, new_markdown_cell("import this"))),
    (ends_with_learned_exercises_reading, without("## What you learned")),
    (ends_with_learned_exercises_reading, without("## Exercises")),
    (ends_with_learned_exercises_reading, without("## Further reading")),
    (ends_with_learned_exercises_reading, lambda notebook: notebook.cells.insert(7, notebook.cells.pop())),
    (ends_with_learned_exercises_reading, lambda notebook: notebook.cells.insert(9, new_code_cell("print(1)"))),
    (exercises_have_an_empty_cell_each, lambda notebook: notebook.cells.pop(11)),
    (exercises_have_an_empty_cell_each, without("**2. Two.**")),
    (exercises_have_an_empty_cell_each, source(9, "# your turn\nanswer = 1\n# check_one(answer)")),
    (exercises_have_an_empty_cell_each, without("# check_one(answer)")),
    (demo_follows_a_picture, output(4)),
    (demo_follows_a_picture, without("toy_demo()")),
]


def test_the_good_notebook_passes():
    assert [f"{rule.__name__}: {found}" for rule in EVERYWHERE + LESSONS for found in rule(lesson())] == []
    assert solutions_answer_everything(lesson(), answers()) == []


@pytest.mark.parametrize(
    ("rule", "spoil"), [pytest.param(*pair, id=f"{pair[0].__name__}-{k}") for k, pair in enumerate(BAD)]
)
def test_a_bad_notebook_is_caught(rule, spoil):
    notebook = lesson()
    spoil(notebook)
    assert rule(notebook) != []


def test_every_rule_has_a_bad_notebook():
    assert {rule for rule, _ in BAD} == set(EVERYWHERE + LESSONS)


def test_bad_solutions_are_caught():
    assert solutions_answer_everything(lesson(), None) == ["no notebook of the same name in solutions/"]
    for spoil in (without("**2. Two.**"), source(4, "check = 2"), without("# 99 · Solutions")):
        solutions = answers()
        spoil(solutions)
        assert len(solutions_answer_everything(lesson(), solutions)) == 1


def test_an_intended_error_passes():
    notebook = lesson()
    notebook.cells[3].outputs = [new_output("error", ename="ValueError", evalue="r", traceback=[])]
    notebook.cells[3].metadata["tags"] = ["raises-exception"]
    assert errors_are_intended(notebook) == []


def test_normalising_twice_changes_nothing():
    messy = lesson()
    messy.metadata.update(widgets={"state": {}}, toc={})
    messy.cells[6].outputs = [
        stream("\r  0%|  | 0/9", "stderr"),
        stream("\r100%|##| 9/9 [00:01<00:00, 7it/s, loss=1]\n", "stderr"),
    ]
    messy.cells[5].outputs = [shown(WIDGET, {"model_id": "0f"})]
    once = normalise(deepcopy(messy))
    assert normalise(deepcopy(once)) == once
    assert once.cells[6].outputs[0].text == "100%|##| 9/9 [loss=1]\n"
    assert once.cells[5].outputs[0].data == {"text/plain": "<Figure size 640x480 with 1 Axes>"}
    assert json.loads(nbformat.writes(once))["metadata"].keys() == {"kernelspec", "language_info"}
