"""The notebooks of the course keep the rules of notebook_rules.py, and each rule is held to a bad notebook."""

import json
import re
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_rules import (
    EVERYWHERE,
    LESSONS,
    asks_for_a_prediction,
    cells_are_small,
    claims_are_sentences,
    code_cells,
    code_parses,
    ends_with_learned_exercises_reading,
    errors_are_intended,
    executed_in_order,
    exercises_have_an_empty_cell_each,
    ids_are_unique,
    no_absolute_path,
    no_address,
    no_cell_is_empty,
    no_global_seed,
    no_install,
    no_show,
    no_star_import,
    normalised,
    opens_with_title,
    outputs_are_stored,
    pictures_have_words,
    plain_outputs_only,
    says_what_you_will_be_able_to_do,
    sets_threads,
    sets_up_in_the_third_cell,
    shows_a_demo,
    small_enough,
    solutions_answer_everything,
    stderr_is_a_progress_bar,
    unsupported,
)

from cfgedu.saving import DEMO, WIDGET
from tools.notebooks import MOST_BYTES, normalise

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
SOLUTIONS = NOTEBOOKS / "solutions"
# Numbers of the text that stand in no output and no source of their notebook, and why they may.
EXCEPTIONS = {
    ("13_beyond_cfg.ipynb", "1.81"): "what the paper on intervals reports",
    ("05_conditional_and_unconditional.ipynb", "99%"): "what metrics.off_support counts by, its default",
}


# ---------------------------------------------------------------- the notebooks of the course


def read(path):
    return nbformat.read(path, as_version=4)


def paths(folder):
    return [pytest.param(path, id=path.relative_to(NOTEBOOKS).as_posix()) for path in sorted(folder.glob("*.ipynb"))]


@pytest.mark.parametrize("path", paths(NOTEBOOKS) + paths(SOLUTIONS))
def test_notebook(path):
    notebook = read(path)
    rules = EVERYWHERE + (LESSONS if path.parent == NOTEBOOKS else ())
    problems = [f"{rule.__name__}: {problem}" for rule in rules for problem in rule(notebook)]
    assert not problems, "\n" + "\n".join(problems)


def name(path):
    return path.relative_to(NOTEBOOKS).as_posix()


@pytest.mark.parametrize("path", paths(NOTEBOOKS) + paths(SOLUTIONS))
def test_numbers_of_the_text_stand_in_an_output_or_a_source(path):
    problems = [(cell, number) for cell, number in unsupported(read(path)) if (name(path), number) not in EXCEPTIONS]
    assert problems == [], "(cell, number)"


def test_exceptions_are_needed():
    found = {(name(path), number) for path in NOTEBOOKS.rglob("*.ipynb") for _, number in unsupported(read(path))}
    assert EXCEPTIONS.keys() <= found


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


WORDS = {"name": "Toy", "words": "A toy. *Try:* move $r$ below 0."}
STATE = {"demo": "toy", "state": {"r": 3.0}, "alt": "a toy"}


def picture(state):
    """What a demo stores."""
    return new_output(
        "display_data", data={"image/png": "iVBORw0KGgo=", DEMO: state, "text/plain": "LiveFigure: a toy"}
    )


def lesson():
    """A small notebook that keeps every rule."""
    cells = [
        new_markdown_cell("# 99 · A title\n\nThe question? *20 minutes. Prerequisites: none.*"),
        new_markdown_cell("**You will be able to** do it."),
        new_code_cell("import torch\nfrom cfgedu.widgets.toy import toy_demo\n\ntorch.set_num_threads(1)"),
        new_code_cell("g = torch.Generator().manual_seed(0)\nprint(1)", outputs=[stream("1\n")]),
        new_code_cell("draw()", outputs=[shown()]),
        new_code_cell("demo = toy_demo()\ndemo", outputs=[picture(STATE)], metadata={"demo": dict(WORDS)}),
        new_code_cell("train()", outputs=[stream("100%|####| 10/10 [loss=0.2]\n", "stderr")]),
        new_code_cell("my_guess_x = ...  # a number"),
        new_code_cell("print(2)\ncheck_guess_x(my_guess_x)", outputs=[stream("2\n")]),
        new_markdown_cell("## What you learned"),
        new_markdown_cell("## Exercises\n\n**1. One.** Do."),
        new_code_cell("# your turn\n# check_one(answer)"),
        new_markdown_cell("**2. Two.** Do."),
        new_code_cell("# your turn\n# check_two(answer)"),
        new_markdown_cell("## Further reading"),
    ]
    cells[4].metadata["mystnb"] = {"image": {"alt": "a line that rises"}}
    cells[6].metadata["tags"] = ["nbval-ignore-output"]
    cells[7].metadata["tags"] = ["predict"]
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
    (cells_are_small, source(3, "x = 1\n" * 16)),
    (cells_are_small, source(3, f"x = {'1' * 100}")),
    (claims_are_sentences, source(3, "assert 1 < 2")),
    (no_cell_is_empty, source(3, " \n")),
    (executed_in_order, lambda notebook: notebook.cells[3].update(execution_count=7)),
    (executed_in_order, lambda notebook: notebook.cells[11].update(execution_count=None)),
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
    (ends_with_learned_exercises_reading, lambda notebook: notebook.cells.insert(11, new_code_cell("print(1)"))),
    (exercises_have_an_empty_cell_each, lambda notebook: notebook.cells.pop(13)),
    (exercises_have_an_empty_cell_each, without("**2. Two.**")),
    (exercises_have_an_empty_cell_each, source(11, "# your turn\nanswer = 1\n# check_one(answer)")),
    (exercises_have_an_empty_cell_each, without("# check_one(answer)")),
    (shows_a_demo, output(5)),
    (shows_a_demo, output(5, shown())),
    (shows_a_demo, output(5, shown(DEMO, STATE))),
    (shows_a_demo, lambda notebook: notebook.cells[5].metadata.pop("demo")),
    (shows_a_demo, output(4, picture(STATE))),
    (shows_a_demo, lambda notebook: notebook.cells[5].metadata.demo.pop("name")),
    (shows_a_demo, lambda notebook: notebook.cells[5].metadata.demo.update(words="")),
    (shows_a_demo, lambda notebook: notebook.cells[5].metadata.demo.update(words="Section 5 showed it.")),
    (shows_a_demo, lambda notebook: notebook.cells[5].metadata.demo.update(words="The cell above says more.")),
    (asks_for_a_prediction, without("my_guess_x = ...")),
    (asks_for_a_prediction, without("check_guess_x(my_guess_x)")),
    (asks_for_a_prediction, lambda notebook: notebook.cells[7].metadata.update(tags=[])),
    (asks_for_a_prediction, source(7, "my_guess_x = ...\nmy_guess_x = ...")),
    (pictures_have_words, lambda notebook: notebook.cells[4].metadata.pop("mystnb")),
    (pictures_have_words, output(4, shown(), shown())),
    (pictures_have_words, output(5, picture({**STATE, "alt": ""}))),
    (sets_threads, without("torch.set_num_threads(1)")),
    (sets_threads, source(2, "import torch\n\ntorch.set_num_threads(2)")),
    (sets_threads, source(2, "from cfgedu.samplers import sample")),
    (sets_threads, source(2, "import torch\n\n# torch.set_num_threads(1)")),
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


def said(text, *code):
    """The numbers of a text that a notebook with these cells of code does not hold; "-> ..." is a cell's output."""
    cells = [new_code_cell("x", outputs=[stream(c[3:])]) if c.startswith("-> ") else new_code_cell(c) for c in code]
    return [number for _, number in unsupported(new_notebook(cells=[new_markdown_cell(text), *cells]))]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("It is 0.31, about 31%.", ["-> accuracy 0.3127"]),
        ("It is 31.3% or 31 %.", ["-> 31.27%"]),
        ("A third: 0.33 (33%).", ["r = 0.33"]),
        ("From -0.5 to 1,234.5, and 0.50.", ["-> -0.5 1234.5"]),
        ("A drop of 10%.", ["p_drop = 0.1"]),
        ("It ends at 2.4e-9.", ["-> 2.41e-09"]),
        ("Some 10%-20% of 0.5-0.7.", ["x = [0.1, 0.2, 0.5, 0.7]"]),
        ("See [2207.12598](https://arxiv.org/abs/2207.12598), section 3.1, and https://example.org/v1.2.", []),
        ("Here `0.77`, $r = 1.7$, $$9.9$$ and\n```\n8.8\n```", []),
        ("Three, 3 and 1,000 are no decimals. **2.** Next.", []),
    ],
)  # fmt: skip
def test_numbers_that_stand_somewhere(text, code):
    assert said(text, *code) == []


@pytest.mark.parametrize(
    ("text", "code", "found"),
    [
        ("It is 0.31.", ["-> 0.3227"], ["0.31"]),
        ("It is 0.312.", ["-> 0.31"], ["0.312"]),
        ("It is 31%.", ["-> 31 of 90"], ["31%"]),
        ("It is 3.1.", ["-> 13.1 x3.1 3.14"], []),
        ("It is 3.1.", ["-> 13.1 x3.1 3.16"], ["3.1"]),
        ("It is 12% and\n0.5", [], ["12%", "0.5"]),
        ("It is .5", ["x = 5"], [".5"]),
    ],
)
def test_numbers_that_stand_nowhere(text, code, found):
    assert said(text, *code) == found


def test_the_state_of_a_demo_holds_a_number():
    notebook = lesson()
    notebook.cells.insert(6, new_markdown_cell("Begin at 3.0, then take 4.5."))
    assert unsupported(notebook) == [(6, "4.5")]


def test_every_rule_has_a_bad_notebook():
    assert {rule for rule, _ in BAD} == set(EVERYWHERE + LESSONS)


def test_bad_solutions_are_caught():
    assert solutions_answer_everything(lesson(), None) == ["no notebook of the same name in solutions/"]
    for spoil in (without("**2. Two.**"), source(4, "check = 2"), without("# 99 · Solutions")):
        solutions = answers()
        spoil(solutions)
        assert len(solutions_answer_everything(lesson(), solutions)) == 1


def test_a_number_of_threads_with_a_reason_passes():
    notebook = lesson()
    notebook.cells[2].source = "import torch\n\ntorch.set_num_threads(2)  # 40 s, 60 with one"
    assert sets_threads(notebook) == []
    notebook.cells = [new_code_cell("from cfgedu.exercises.n00 import check_w\nfrom cfgedu.schedule import linear")]
    assert sets_threads(notebook) == []


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
