"""One language more needs files of its own and no line of code: `xx` is invented here, in a course of two lessons."""

import io
import json
import re
import shutil

import pytest
from babel.messages.catalog import Catalog

from tests.site import ROOT, SITE, module, needs_node, with_the_extra
from tools import translation, translation_po
from tools.site import pages
from tools.site_check import searches
from tools.translation_po import speaking
from tools.translation_strings import strings

LESSONS = ("00_start_here", "06_guidance_vector")
ADDED = "Xx 라벨."  # what the rules of Korean forbid, like a particle behind a place, is no matter of xx
WORDS = {
    "section {number}": "§{number}은",
    "*(This cell is in English only.)*": "*(Xx.)*",
    "the two agree": "xx xx",
    "minutes": "xin",
}


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A copy of what pages are made of, with two of the lessons."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    kept = [line for line in readme if not re.match(r"\| \[\d\d ", line) or any(name in line for name in LESSONS)]
    (tmp_path / "README.md").write_text("\n".join(kept) + "\n", encoding="utf-8")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for folder in ("notebooks", "notebooks/solutions"):
        (tmp_path / folder).mkdir()
        for name in LESSONS:
            shutil.copy(ROOT / folder / f"{name}.ipynb", tmp_path / folder)
    monkeypatch.setattr(translation, "ROOT", tmp_path)
    monkeypatch.setattr(translation, "STORE", tmp_path / "translations")
    english = Catalog()
    for text in WORDS:
        english.add(text)
    monkeypatch.setattr(translation_po, "strings", lambda root: english)
    return tmp_path


def rewritten(course, name, change):
    """Writes over the English that `start` has left, as a translator does, and accepts it."""
    assert translation.main(["start", "xx", name]) == 0
    file = next((course / "translations/xx").rglob(f"{name}*.md"))
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
    assert translation.main(["check", "xx", name])  # nothing is accepted yet
    assert translation.main(["accept", "xx", name]) == 0
    assert not translation.main(["check", "xx", name])


def added(text):
    """A line more in every cell."""
    return re.sub(r"(?=\n<!-- cell |\Z)", f"\n\n{ADDED}\n", text)


def test_a_third_language_is_started_checked_and_built(course, capsys):
    rewritten(course, "06", added)
    rewritten(course, "docs/questions", lambda text: re.sub(r"section (\d+)", r"§\1은", text))
    assert translation.main(["strings", "xx"]) == 0
    assert f"xx: {len(WORDS)} open" in capsys.readouterr().out
    assert translation.main(["check", "xx", "strings"])
    words = translation_po.read("xx", course)
    for english, told in WORDS.items():
        words.get(english).string = told
    translation_po.save("xx", words, course)
    assert not translation.main(["check", "xx", "strings"])
    (course / "translations/xx/finished").write_text("06_guidance_vector\ndocs/questions\nstrings\n")
    assert not translation.main(["check"])
    assert translation.main(["build", "xx"]) == 0

    built = {name: json.loads((course / f"build/xx/notebooks/{name}.ipynb").read_text("utf-8")) for name in LESSONS}
    texts = {
        name: ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
        for name, notebook in built.items()
    }
    assert all(notebook["metadata"]["cfgedu"]["lang"] == "xx" for notebook in built.values())
    assert all(text.startswith("*(Xx.)*\n\n") for text in texts["00_start_here"])
    assert all(text.endswith(ADDED) for text in texts["06_guidance_vector"])

    with speaking("xx", course):
        made = pages(course, [], course / "build/xx")
    assert re.search(r"^\| notebook \| the question \| xin \|$", made["index.md"], re.MULTILINE)
    assert len(re.findall(r"^\| \[0[06] .+ \| \d+ \|$", made["index.md"], re.MULTILINE)) == len(LESSONS)
    assert re.search(r"\[06\]\([^)]+\), \[§\d은\]\(#06-section-\d\)", made["docs/questions.md"])
    assert ADDED in made["notebooks/06_guidance_vector.md"]


def test_what_a_language_may_lack_is_no_fault(course):
    assert searches("xx") == {}
    assert translation.rules("xx")("라벨") == []
    assert translation_po.words("xx", course) == {}
    assert translation.finished("xx") == []


@with_the_extra
@needs_node
def test_sphinx_makes_pages_in_it(tmp_path):
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    sources, out, warnings = tmp_path / "sources", tmp_path / "out", io.StringIO()
    sources.mkdir()
    (sources / "index.md").write_text("# Xx\n\nXx ($r$) xx.\n", encoding="utf-8")
    given = {"language": "xx", "languages": ["en", "ko", "xx"]}
    with patch_docutils(str(SITE)), docutils_namespace():
        Sphinx(sources, SITE, out, tmp_path / "trees", "html", given, status=None, warning=warnings).build()
    assert warnings.getvalue() == ""
    made = (out / "index.html").read_text(encoding="utf-8")
    ways = re.findall(r'<a href="([^"]*)" lang="(..)" hreflang="..">(.+)</a>', made)
    assert ways == [("../index.html", "en", "English"), ("../ko/index.html", "ko", "한국어")]
    assert module("finish").name_of("xx") == "xx"


def test_the_code_speaks_english_alone():
    """Words of another language stand in its own files, which are named after it."""
    files = [*ROOT.glob("*.py"), *(ROOT / "cfgedu").rglob("*.py"), *(ROOT / "tools").glob("*.py")]
    files += [*(ROOT / "site").glob("*.py"), *(ROOT / "site/js").rglob("*.js"), ROOT / "site/_static/course.js"]
    general = [path for path in files if not path.stem.endswith("_ko")]
    assert len(general) < len(files)
    assert [path.name for path in general if re.search("[가-힣]", path.read_text(encoding="utf-8"))] == []


def test_the_notice_of_a_cell_without_translation_is_a_string_like_others():
    assert "*(This cell is in English only.)*" in strings()
    assert "section {number}" in strings()
