"""Translations stay in step with the English: what is listed as finished is complete, fresh, and agrees with it."""

import json
import subprocess

import nbformat
import pytest
from babel.messages.catalog import Catalog

from cfgedu.saving import DEMO
from tools import translation, translation_po
from tools.translation import Piece, Wrong, digest, pieces
from tools.translation_ko import ending, problems
from tools.translation_rules import differences

LISTED = [(language, name) for language in translation.languages() for name in translation.finished(language)]


@pytest.mark.parametrize(("language", "name"), LISTED)
def test_what_is_finished_agrees_with_the_english(language, name):
    assert not translation.problems(language, name)


@pytest.mark.parametrize("name", translation.all_names())
def test_english_agrees_with_itself(name):
    """No false alarm in any cell of the course."""
    assert pieces(name)
    assert not {id: found for id, text in pieces(name).items() if (found := differences(text, text))}


ENGLISH = """## 3. The same arrow

The arrow of $s_{cond} - s_{un}$ is long at 40% of 1,000 points; **see** `guided` and [06](06_guidance_vector.ipynb).

$$g_\\epsilon = -\\sqrt{1-a_t}\\;g .$$

- one
- two

| a | b |
|---|---|
| 1 | 2 |

> **Misconception: "no".** A quote.

```python
r = 3
```"""
KOREAN = """## 3. 같은 화살표

점 1,000개의 40%에서 $s_{cond} - s_{un}$의 화살표가 깁니다. `guided`와 [06](06_guidance_vector.ipynb)을 **보세요**.

$$g_\\epsilon = -\\sqrt{1-a_t}\\; g .$$

- 하나
- 둘

| 가 | 나 |
|---|---|
| 1 | 2 |

> **흔한 오해: "아니다".** 인용.

```python
r = 3
```"""
FAULTS = {  # what is planted: (before, after, what is said of it)
    "a sign lost": ("= -\\sqrt", "= \\sqrt", "lacks the displayed formula"),
    "a formula changed": ("$s_{cond} - s_{un}$", "$s_{un} - s_{cond}$", "has a formula that the English has not"),
    "a number lost": ("40%에서", "많은 곳에서", "lacks the numbers 40"),
    "a link changed": ("(06_guidance_vector.ipynb)", "(05_x.ipynb)", "lacks the link 06_guidance_vector.ipynb"),
    "code changed": ("`guided`", "`guide`", "lacks the code span guided"),
    "a block of code changed": ("r = 3\n", "r = 4\n", "lacks the code block"),
    "a heading's level": ("## 3.", "### 3.", "headings"),
    "a heading's number": ("## 3.", "## 4.", "headings"),
    "a column": ("| 1 | 2 |", "| 1, 2 |", "columns"),
    "an item": ("- 하나\n- 둘", "- 하나와 둘", "items of lists: 1 instead of 2"),
    "a quote": ("> **흔한", "**흔한", "quoted blocks: 0 instead of 1"),
    "bold that stays open": ("**보세요**", "**보세요(see)**요", "bold does not close"),
}


def test_a_good_translation_passes():
    assert not differences(ENGLISH, KOREAN)
    assert not problems(KOREAN)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault):
    before, after, said = FAULTS[fault]
    assert KOREAN.count(before) == 1
    assert any(said in what for what in differences(ENGLISH, KOREAN.replace(before, after)))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("$s_{cond}$은", "는"), ("$s_{un}$는", "은"), ("$x_0$이", "가"), ("$r$는", "은"), ("$r = 0$가", "이"),
        ("$r$으로", "로"), ("$t = 500$로", "으로"), ("`NULL`으로", "로"), ("CFG은", "는"), ("DDPM와", "과"),
        ("값 3는", "은"),
        ("$x_{t-1}$가", "이"), ("$\\epsilon$를", "을"), ("$a_t$을", "를"), ("`eps`은", "는"), ("0.25을", "를"),
    ],
)  # fmt: skip
def test_a_wrong_particle_is_found_and_the_right_one_passes(text, right):
    [said] = problems(text)
    assert said.endswith(f"the particle is {right}")
    for wrong in ("으로", "로", "은", "는", "이", "가", "을", "를", "과", "와"):
        if text.endswith(wrong):
            assert not problems(text.removesuffix(wrong) + right)
            break


@pytest.mark.parametrize("formula", ["\\frac{a}{b}", "x^2", "\\sum_i x_i^2", "\\nabla\\log p", "s_{cond} + r^2"])
def test_formulas_that_are_read_in_many_ways_are_left_alone(formula):
    assert ending(formula) in (None, "")


@pytest.mark.parametrize(
    "term", ["비조건부 스코어", "라벨", "훈련 데이터", "잡음을 더한다", "기준은(는)", "되어집니다"]
)
def test_a_word_that_the_glossary_replaces_is_found(term):
    assert problems(term)
    assert not problems("신호 대 잡음비")


# ---------------------------------------------------------------- the store


ROW = "| [06 Arrow](notebooks/06_arrow.ipynb) | What? |"


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one notebook and one page, in git."""
    monkeypatch.setattr(translation, "ROOT", tmp_path)
    monkeypatch.setattr(translation, "STORE", tmp_path / "translations")
    new = nbformat.v4
    cells = [
        new.new_markdown_cell(ENGLISH, id="a"),
        new.new_code_cell("1 + 1", id="b"),
        new.new_markdown_cell("Two.", id="c"),
    ]
    (tmp_path / "notebooks/solutions").mkdir(parents=True)
    nbformat.write(new.new_notebook(cells=cells), tmp_path / "notebooks/06_arrow.ipynb")
    (tmp_path / "README.md").write_text(
        f"# Course\n\nWords.\n\n## Start\n\n```\n# no heading\n```\n\n## Start\n\n{ROW}\n"
    )
    (tmp_path / "notebooks/06_mine.ipynb").write_text("{", encoding="utf-8")  # a learner's own, which may be anything
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)
    return tmp_path


def finish(language="ko", name="06_arrow"):
    translation.start(language, name)
    done = [
        Piece(p.id, digest(pieces(name)[p.id]), {"a": KOREAN, "c": "둘."}[p.id])
        for p in translation.read(language, name)
    ]
    translation.save(language, name, done)


def rewrite(file, *changes):
    text = file.read_text(encoding="utf-8")
    for before, after in changes:
        assert text.count(before) == 1
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")


def test_start_writes_english_and_keeps_what_is_translated(course):
    assert translation.start("ko", "06_arrow") == 2
    assert [piece.hash for piece in translation.read("ko", "06_arrow")] == ["-", "-"]
    finish()
    assert translation.start("ko", "06_arrow") == 0
    assert translation.read("ko", "06_arrow")[1].text == "둘."
    assert not translation.problems("ko", "06_arrow")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("<!-- cell c ", "<!-- cell d ", "c: is missing"),
        ("<!-- cell c ", "<!-- cell d ", "d: is left over"),
        ("둘.", "둘.\n<!-- cell c -  -->".replace("  ", " ") + "\n둘.", "c: stands 2 times"),
        (digest("Two."), "-", "c: is not translated yet"),
        (digest("Two."), "00000000", "c: the English has changed"),
    ],
)
def test_the_store_tells_missing_extra_and_stale_cells(course, before, after, said):
    finish()
    rewrite(course / "translations/ko/06_arrow.md", (before, after))
    assert any(problem.startswith(said) for problem in translation.problems("ko", "06_arrow"))


def test_cells_in_another_order_are_told(course):
    finish()
    translation.save("ko", "06_arrow", translation.read("ko", "06_arrow")[::-1])
    assert translation.problems("ko", "06_arrow") == ["its cells stand in another order than the English"]


def test_a_stale_cell_shows_what_changed_and_is_accepted(course):
    finish()
    rewrite(course / "notebooks/06_arrow.ipynb", ('"Two."', '"Two or three."'))
    [problem] = translation.problems("ko", "06_arrow")
    assert "the English has changed" in problem
    assert translation.old("ko", "06_arrow", "c") == "[-Two.-] {+Two or three.+}"
    translation.accept("ko", "06_arrow", ["c"])
    assert not translation.problems("ko", "06_arrow")
    with pytest.raises(Wrong, match="no cell x"):
        translation.accept("ko", "06_arrow", ["x"])


def test_another_breaking_of_lines_makes_nothing_stale():
    assert digest("a b\nc") == digest("a  b c ") != digest("a b d")


def test_build_shares_code_and_falls_back_to_english(course):
    finish()
    rewrite(course / "notebooks/06_arrow.ipynb", ('"Two."', '"Three."'))
    words = Catalog(locale="ko")
    words.add("*(This cell is in English only.)*", "*(이 셀은 아직 영어로만 있습니다.)*")
    translation_po.save("ko", words, course)
    assert translation.build("ko") == 1
    made = json.loads((course / "build/ko/notebooks/06_arrow.ipynb").read_text(encoding="utf-8"))
    assert [cell["id"] for cell in made["cells"]] == ["a", "b", "c"]
    text = ["".join(cell["source"]) for cell in made["cells"]]
    assert text[:2] == [KOREAN, "1 + 1"]
    assert text[2].startswith("*(이 셀은")
    assert text[2].endswith("Three.")
    assert made["metadata"]["cfgedu"]["lang"] == "ko"


def test_build_keeps_what_a_reader_has_changed(course, capsys):
    finish()
    translation.build("ko")
    mine = course / "build/ko/notebooks/06_arrow.ipynb"
    rewrite(mine, ("1 + 1", "1 + 2"))
    translation.build("ko")
    assert "1 + 2" in mine.read_text(encoding="utf-8")
    assert "so they stay; renamed, they are built anew: notebooks/06_arrow.ipynb" in capsys.readouterr().out
    mine.unlink()
    translation.build("ko")
    assert "1 + 1" in mine.read_text(encoding="utf-8")


def test_build_puts_printed_lines_and_words_for_pictures_into_the_language(course):
    new = nbformat.v4
    printed = "✓ the two agree (share 0.25)\nthe two agree\n✓ unknown\n"
    demo = {"alt": "A picture. The picture of a demo: running this cell makes it live.", "demo": "x", "state": {}}
    data = {DEMO: demo, "text/plain": "LiveFigure: A picture", "image/png": "AAAA"}
    shown = new.new_output("display_data", data=data, metadata={"image/png": {"alt": "A"}})
    cells = [
        new.new_code_cell("claim('the two agree')", id="a", outputs=[new.new_output("stream", text=printed)]),
        new.new_code_cell("print()", id="b", outputs=[new.new_output("stream", text="✓ the two agree\n")]),
        new.new_code_cell("x", id="c", outputs=[shown]),
        new.new_code_cell("y", id="d", metadata={"mystnb": {"image": {"alt": "A line"}}}),
    ]
    nbformat.write(new.new_notebook(cells=cells), course / "notebooks/06_arrow.ipynb")
    words = Catalog(locale="ko")
    for english, korean in {
        "the two agree": "둘이 같다",
        "share {value}": "비율 {value}",
        "A picture": "그림",
        "A line": "직선",
        "The picture of a demo: running this cell makes it live.": "데모의 그림입니다.",
    }.items():
        words.add(english, korean)
    translation_po.save("ko", words, course)
    translation.build("ko")
    built = nbformat.read(course / "build/ko/notebooks/06_arrow.ipynb", as_version=4).cells
    assert built[0].outputs[0].text == "✓ 둘이 같다 (비율 0.25)\nthe two agree\n✓ unknown\n"
    assert built[1].outputs[0].text == "✓ the two agree\n"  # a cell that claims nothing
    assert built[2].outputs[0].data[DEMO]["alt"] == "그림. 데모의 그림입니다."
    assert built[2].outputs[0].metadata["image/png"]["alt"] == "그림. 데모의 그림입니다."
    assert built[2].outputs[0].data["text/plain"] == "LiveFigure: 그림"
    assert built[3].metadata == {"mystnb": {"image": {"alt": "직선"}}}


def test_pages_are_cut_at_their_headings_and_built(course):
    assert list(pieces("README")) == ["course", "start", "start-2"]
    translation.start("ko", "README")
    done = {
        "course": "# 강좌\n\n말.",
        "start": pieces("README")["start"],
        "start-2": "## 시작\n\n| [06 화살표](notebooks/06_arrow.ipynb) | 무엇? |",
    }
    translation.save("ko", "README", [Piece(id, digest(pieces("README")[id]), text) for id, text in done.items()])
    assert not translation.problems("ko", "README")
    translation.build("ko")
    assert (course / "build/ko/README.md").read_text(encoding="utf-8").startswith("# 강좌\n\n말.\n\n## Start")


def test_from_the_command_line(course, capsys):
    assert translation.main(["start", "ko", "06"]) == 0
    assert translation.main(["check", "ko", "06"])  # nothing is translated yet
    finish()
    assert not translation.main(["check", "ko", "06"])
    (course / "translations/ko/finished").write_text("06_arrow\n")
    assert not translation.main(["check"])
    assert "1 checked, 0 problems" in capsys.readouterr().out
    for words, said in (
        (["start", "ko", "99"], "99 names no"),
        (["old", "ko", "06", "x"], "is not translated"),
        (["start"], "needs"),
    ):
        with pytest.raises(SystemExit, match=said):
            translation.main(words)
