"""The pages of the web edition: how cells become pages; and the built site, where the packages of the extra `site` are.

The build is asked for by the first test that needs it, and takes some fifteen seconds.
"""

import base64
import gzip
import io
import json
import re
import shutil
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import numpy as np
import pytest
from babel.messages.jslexer import tokenize
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from cfgedu.saving import DEMO
from cfgedu.widgets.live import INVITATION
from tests.site import OTHERS, Reader, module, with_the_extra
from tools import site_cells, site_pages
from tools.site import ENGLISH, notebooks_in, pages, smaller
from tools.site_cells import Picture
from tools.site_data import STYLE, WORDS, lean, scripts_of

pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated. Check CHANGES for Sphinx API modifications")
ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "site"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PARTS = site_pages.sections(README)
LESSONS = [path.stem for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))]
KILOBYTES = {"page": 80, "figures": 520, "demos": 25, "words": 10}  # compressed; figures stay below 400 where they can


def picture(png, cell, width):
    return Picture(f"../figures/{cell}.webp", width or 4, 2)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def pictured(more=None, shown_as=None, **cell):
    """A cell that stores a picture."""
    data = {"image/png": "AAAA", "text/plain": "<Figure>"} | (more or {})
    return new_code_cell("show()", outputs=[new_output("display_data", data, metadata=shown_as or {})], **cell)


# ---------------------------------------------------------------- cells


def test_a_picture_carries_its_words_its_size_and_waits():
    cell = pictured(id="two", metadata={"mystnb": {"image": {"alt": 'a "b" < c'}}})
    text = site_cells.code_cell(cell, picture)
    assert '<img src="../figures/two.webp" alt="a &quot;b&quot; &lt; c" width="4" height="2" loading="lazy"' in text


def test_a_picture_without_words_is_refused():
    with pytest.raises(ValueError, match="cell two has no alt text"):
        site_cells.code_cell(pictured(id="two"), picture)


def test_a_demo_carries_its_name_and_state():
    demo = {"demo": "scales", "state": {"r": 1.0, "name": 'o"k'}, "alt": f"Three scales. {INVITATION}"}
    cell = pictured({DEMO: demo}, {"image/png": {"width": 800}}, id="d")
    figure = re.search("<figure.*</figure>", site_cells.code_cell(cell, picture))[0]
    read = Reader(figure)
    (attributes,) = read.elements["figure"]
    assert attributes["class"] == "cfgedu-demo"
    assert attributes["data-demo"] == "scales"
    assert json.loads(attributes["data-state"]) == demo["state"]
    assert read.elements["img"][0]["alt"] == "Three scales."
    assert read.elements["img"][0]["width"] == "800"


def test_text_is_escaped_and_an_output_of_another_kind_refused():
    cell = new_code_cell("f()", outputs=[new_output("stream", name="stdout", text="a <b> & c\n\nd\n")], id="x")
    assert '<pre class="cfgedu-output">a &lt;b&gt; &amp; c\n\nd</pre>' in site_cells.code_cell(cell, picture)
    cell.outputs = [new_output("display_data", {"image/svg+xml": "<svg/>"})]
    with pytest.raises(ValueError, match=r"cell x shows image/svg\+xml"):
        site_cells.code_cell(cell, picture)


def test_a_fence_is_longer_than_those_inside():
    assert site_cells.fenced("x", "python") == "```python\nx\n```"
    assert site_cells.fenced('"""\n````\n"""', "python").startswith("`````python\n")


@pytest.mark.parametrize(
    ("link", "page"),
    [
        ("[a](06_guidance_vector.ipynb)", "[a](06_guidance_vector.md)"),
        ("[a](../README.md#symbols)", "[a](../symbols.md)"),
        ("[a](../README.md)", "[a](../index.md)"),
        ("[a](../docs/questions.md)", "[a](../docs/questions.md)"),
        ("[a](notebooks/solutions)", "[a](notebooks/solutions/index.md)"),
    ],
)
def test_links(link, page):
    assert site_cells.links(link, "../") == page


def solution_page(*cells):
    return site_cells.solutions(new_notebook(cells=[new_markdown_cell("# S"), *cells]), "06_x", picture)


def test_each_answer_has_a_fold_of_its_own():
    """Also one whose statement stands inside a cell, after the end of another answer."""
    text = solution_page(
        new_markdown_cell("**1. One $x_0$.** Do it.\n\nSo."),
        new_code_cell("one()"),
        new_markdown_cell("The end of one.\n\n**2. Two.** Do that."),
        new_markdown_cell("**The demo** (section 5)."),
        new_markdown_cell("## Beyond"),
        new_markdown_cell("In the open."),
    )
    first, second, third = (part.split("</details>")[0] for part in text.split("<details")[1:])
    assert all(part in first for part in ("One $x_0$", 'id="exercise-1"', "one()", "The end of one."))
    assert all(part in second for part in ('id="exercise-2"', "Do that."))
    assert "<summary>\n\nThe demo\n\n</summary>" in third
    assert text.count("<details") == text.count("</details>") == 3
    assert "In the open." in text.rsplit("</details>")[-1]


def test_a_lesson_leads_to_its_file_and_each_exercise_to_its_solution():
    cells = [
        new_markdown_cell("# 06 · X\n\n60 minutes"),
        new_markdown_cell("## 1. A"),
        new_markdown_cell("**2. Two.** Do."),
        new_code_cell("# your turn\n# check()"),
    ]
    text = site_cells.lesson(new_notebook(cells=cells), "06_x", picture)
    assert '<a href="../downloads/06_x.ipynb" download>' in text
    assert "(06-section-1)=\n## 1. A" in text
    assert text.index('id="exercise-2"') < text.index('href="solutions/06_x.html#exercise-2"')


def test_every_solution_of_the_course_has_its_place():
    """The links from the exercises lead somewhere: each number stated in a lesson is stated in its solutions."""
    answers = notebooks_in(ROOT / "notebooks/solutions", LESSONS)
    for name, notebook in notebooks_in(ROOT / "notebooks", LESSONS).items():
        stated = re.findall(r'href="solutions/\w+\.html#(exercise-\d+)"', site_cells.lesson(notebook, name, picture))
        there = re.findall(r'id="(exercise-\d+)"', site_cells.solutions(answers[name], name, picture))
        assert stated == [f"exercise-{k + 1}" for k in range(len(stated))]
        assert set(stated) <= set(there), name


# ---------------------------------------------------------------- the other pages


@pytest.fixture
def course(tmp_path):
    """A copy of what the pages are made of."""
    shutil.copy(ROOT / "README.md", tmp_path)
    for folder in ("docs", "notebooks"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_what_a_learner_keeps_beside_the_lessons_makes_no_page(course):
    """JupyterLab calls its copy of a notebook 03_two_losses-Copy1."""
    for name in ("03_two_losses-Copy1", "03_mine"):
        (course / f"notebooks/{name}.ipynb").write_text("{", encoding="utf-8")
    lessons = [name for name in pages(course, []) if re.match(r"notebooks/\d", name)]
    assert lessons == [f"notebooks/{name}.md" for name in LESSONS]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("03_two_losses", lambda cells: cells.append(drawing()), "the picture of cell mine has no alt text"),
        ("solutions/03_two_losses", lambda cells: cells.append(drawing()), "the picture of cell mine has no alt text"),
        ("06_guidance_vector", lambda cells: [cell.pop("outputs", None) for cell in cells], "stores no picture of its"),
    ],
)
def test_a_notebook_that_cannot_be_shown_is_named_with_the_way_back(course, name, change, said):
    path = course / f"notebooks/{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.setdefault("outputs", [])
    nbformat.write(notebook, path)
    with pytest.raises(SystemExit, match=rf"^notebooks/{name}\.ipynb: .*{said}.* restore {name}`"):
        pages(course, [])


def drawing():
    """A learner's own cell, and the picture that it stores."""
    file = base64.b64encode(png(np.zeros((2, 2, 3), dtype=np.uint8))).decode()
    return new_code_cell("plot()", outputs=[new_output("display_data", {"image/png": file})], id="mine")


def test_the_map_names_every_notebook_with_its_minutes():
    lessons = notebooks_in(ROOT / "notebooks", LESSONS)
    minutes = {name[:2]: site_cells.minutes_of(notebook) for name, notebook in lessons.items()}
    text = site_pages.front(PARTS, minutes, "<figure></figure>")
    table = re.findall(r"^\| \[(\d\d) .+\]\(notebooks/(.+)\.md\) \| .+ \| (\d+) \|$", text, re.MULTILINE)
    assert [(number, int(count)) for number, _, count in table] == list(minutes.items())
    assert [name for _, name, _ in table] == list(lessons)
    assert "python3 course.py lab" in text
    assert "<figure></figure>" in text
    assert "hero.png" not in text
    assert "digits.gif" not in text
    assert "ten sevens" not in text  # the film's caption goes with it


def test_symbols_are_the_readmes():
    assert site_pages.symbols(PARTS).count("\n|") == 11  # nine rows under a head of two lines


def test_questions_lead_to_the_sections_they_name():
    text = (
        '**Why?**\nSo.\n*Where: [06](../notebooks/06_x.ipynb), section 3, "A", and section 6, "B"; [07](../n.ipynb).*'
    )
    made = site_pages.questions(text)
    assert made.startswith("### Why?\n")
    assert "[06](../notebooks/06_x.md), [section 3](#06-section-3)" in made
    assert "and [section 6](#06-section-6)" in made


def test_a_drawing_keeps_every_pixel():
    drawing = np.random.default_rng(0).integers(0, 2, (20, 30, 3), dtype=np.uint8) * 255
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(smaller(png(drawing)))).convert("RGB")), drawing)


# ---------------------------------------------------------------- formulas and scripts


def test_the_style_of_formulas_is_of_the_version_that_makes_them():
    """Another version's style draws some subscripts at full size. Every font that it names is there, and no other."""
    style = (SITE / "_static/katex/katex.min.css").read_text(encoding="utf-8")
    script = (SITE / "katex.min.js").read_text(encoding="utf-8")
    (drawn_for,) = re.findall(r'\.katex-version:after\{content:"([\d.]+)"\}', style)
    (makes,) = re.findall(r'\{version:"([\d.]+)",render:', script)
    assert drawn_for == makes
    fonts = {path.name for path in (SITE / "_static/katex/fonts").iterdir()}
    assert set(re.findall(r"url\(fonts/([^)]+)\)", style)) == fonts
    assert "MIT License" in (SITE / "_static/katex/LICENSE").read_text(encoding="utf-8")


def test_formulas_are_made_by_playwrights_node():
    pytest.importorskip("docutils")
    pytest.importorskip("playwright")
    formulas = module("formulas")
    made = formulas.rendered([("x_0", False), ("x_0", True)])
    assert ["katex-display" in html for html in made.values()] == [False, True]
    assert "annotation" not in made["x_0", True]
    with pytest.raises(ValueError, match=r"Undefined control sequence.* in \\nothing"):
        formulas.rendered([("a", False), (r"\nothing", False)])


@pytest.mark.parametrize("script", sorted((SITE / "js").rglob("*.js")), ids=lambda path: path.name)
def test_a_page_leaves_out_comments_and_nothing_else(script):
    """`lean` looks at how lines begin, and for " // ": one that reads whole texts finds the same code."""
    text = script.read_text(encoding="utf-8")
    assert [row for row in text.splitlines() if row.count("`") % 2] == []
    code, left = (
        [(token.type, token.value) for token in tokenize(each) if not token.type.endswith("comment")]
        for each in (text, lean(text))
    )
    assert code == left
    assert [token.value for token in tokenize(lean(text)) if token.type.endswith("comment")] == []


# ---------------------------------------------------------------- the built site


@pytest.fixture
def built(every):
    """(folder, {path: Reader}) of the English pages."""
    out, made = every
    return out, {page: read for page, read in made.items() if page.relative_to(out).parts[0] not in OTHERS}


def loads(read):
    """The addresses of everything that a page loads by itself."""
    given = [e.get("src") for e in read.all("img", "script", "iframe", "source", "video", "audio", "embed")]
    given += [e["href"] for e in read.all("link") if {"stylesheet", "icon", "preload"} & set(e["rel"].split())]
    return [address for address in given if address]


@with_the_extra
def test_every_page_is_there_and_in_order(built):
    out, made = built
    names = [
        "index",
        *(f"notebooks/{name}" for name in LESSONS),
        "symbols",
        "docs/cheatsheet",
        "docs/questions",
        "gallery",
    ]
    names += ["docs/diffusers", "docs/teaching", "notebooks/solutions/index"]
    names += [f"notebooks/solutions/{name}" for name in LESSONS]
    assert {out / f"{name}.html" for name in [*names, "search"]} == set(made)
    for here, following in pairwise(names):
        page = out / f"{here}.html"
        (after,) = [given["href"] for given in made[page].all("link") if given.get("rel") == "next"]
        assert (page.parent / after).resolve() == (out / f"{following}.html").resolve()


@with_the_extra
def test_every_picture_has_words_and_a_place_kept_for_it(every):
    pictures = [given for read in every[1].values() for given in read.all("img")]
    assert len(pictures) > 100
    assert [given["src"] for given in pictures if len(given.get("alt", "").split()) < 4] == []
    assert [given["src"] for given in pictures if not (given["width"].isdigit() and given["height"].isdigit())] == []
    assert all(given["loading"] == "lazy" for given in pictures)


@with_the_extra
def test_every_link_inside_leads_somewhere(every):
    made = every[1]
    ids = {page: set(read.ids) for page, read in made.items()}
    broken = []
    for page, read in made.items():
        for given in read.all("a", "link"):
            place = urlsplit(given.get("href", ""))
            if place.scheme or place.netloc or given.get("href") in (None, "#"):
                continue
            target = (page.parent / unquote(place.path)).resolve() if place.path else page
            fragment_missing = place.fragment and target in ids and place.fragment not in ids[target]
            if not target.exists() or fragment_missing:
                broken.append((page.name, given["href"]))
    assert broken == []


@with_the_extra
def test_nothing_is_loaded_from_elsewhere(every):
    out, made = every
    for page, read in made.items():
        for address in loads(read):
            place = urlsplit(address)
            assert address == place.path + (f"?{place.query}" if place.query else ""), f"{page.name} loads {address}"
            assert (page.parent / unquote(place.path)).exists(), f"{page.name} loads {address}, which is not there"
    styles = "".join(path.read_text(encoding="utf-8") for path in out.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)]*", styles) == []


@with_the_extra
def test_a_page_is_light(every):
    """Compressed, with its styles and scripts, without figures and fonts; demos' scripts and figures have their own."""
    weight = {}

    def kilobytes(path):
        if path not in weight:
            weight[path] = len(gzip.compress(path.read_bytes())) / 1000
        return weight[path]

    for page, read in every[1].items():
        files = [(page.parent / urlsplit(address).path).resolve() for address in loads(read)]
        figures = [file for file in files if file.suffix == ".webp"]
        demos = [file for file in files if file.parent in (every[0] / "js", every[0] / "js/scenes")]
        if page.name == "search.html":
            files = [file for file in files if file.name != "searchindex.js"]
        words = [file for file in files if file.name == WORDS]  # of demos in another language
        rest = set(files) - set(figures) - set(demos) - set(words)
        assert kilobytes(page) + sum(map(kilobytes, rest)) <= KILOBYTES["page"], page.name
        assert sum(map(kilobytes, words)) <= KILOBYTES["words"]
        if page.name != "gallery.html":
            assert sum(map(kilobytes, demos)) <= KILOBYTES["demos"], page.name
            assert sum(file.stat().st_size for file in set(figures)) <= 1000 * KILOBYTES["figures"], page.name


@with_the_extra
def test_the_site_is_small(every):
    """Without downloads, and networks that wait until they are asked for. All languages share figures and networks."""
    out, size = every[0], dict.fromkeys((ENGLISH, *OTHERS, "networks"), 0)
    for path in out.rglob("*"):
        if path.is_file() and "downloads" not in path.parts:
            first = path.relative_to(out).parts[0]
            kind = first if first in OTHERS else ENGLISH
            if path.parent.name == "packed":
                kind = "networks" if path.stat().st_size < 1e6 else None  # large ones wait until they are asked for
            if kind:
                size[kind] += path.stat().st_size
    assert size["networks"] <= 3e6
    assert size[ENGLISH] <= 13e6
    assert all(size[language] <= 10e6 for language in OTHERS)


@with_the_extra
def test_downloads_are_the_notebooks_to_be_run(built):
    """Every cell of them, without outputs: the page shows those."""
    files = sorted((ROOT / "notebooks").glob("**/[0-9]*.ipynb"))
    assert len(files) == 34
    for file in files:
        given = nbformat.read(built[0] / "downloads" / file.relative_to(ROOT / "notebooks"), as_version=4)
        cells = nbformat.read(file, as_version=4).cells
        assert [(cell.id, cell.source) for cell in given.cells] == [(cell.id, cell.source) for cell in cells]
        assert not any(cell.get("outputs") for cell in given.cells)


@with_the_extra
def test_a_page_loads_the_scripts_of_its_demos_and_no_others(built):
    for read in built[1].values():
        shown = {given["data-demo"] for given in read.all("figure") if "data-demo" in given}
        loaded = [re.sub(r"^(\.\./)*", "", address) for address in loads(read)]
        scripts = [address.removeprefix("js/") for address in loaded if re.match(r"js/.+\.js$", address)]
        assert scripts == scripts_of(shown)
        assert (f"js/{STYLE}" in loaded) == bool(scripts)


@with_the_extra
@pytest.mark.parametrize(
    ("word", "page"),
    [
        ("guidance", "06_guidance_vector"), ("posterior", "05_conditional_and_unconditional"), ("cosine", "01_noise"),
        ("tweedie", "02_score"), ("floor", "03_two_losses"), ("maruyama", "04_samplers"), ("mnist", "12_mnist"),
        ("tilted", "07_what_guidance_samples"), ("dropout", "08_condition_dropout"), ("twin", "09_twin_head"),
        ("spread", "10_guided_sampling_lab"), ("judge", "11_digits"), ("handwriting", "11_digits"),
        ("interval", "13_beyond_cfg"), ("autoguidance", "14_other_baselines"), ("velocity", "15_in_the_wild"),
        ("baseline", "14_other_baselines"),
        ("inversion", "15_in_the_wild"), ("lights", "16_repair_a_broken_cfg"), ("diffusers", "diffusers"),
    ],
)  # fmt: skip
def test_search_finds(built, word, page):
    import_name = pytest.importorskip("snowballstemmer")
    text = (built[0] / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").rstrip().removesuffix(")"))
    term = import_name.stemmer("english").stemWord(word)
    found = []
    for table in ("terms", "titleterms"):
        places = index[table].get(term, [])
        found += places if isinstance(places, list) else [places]
    assert page in {index["docnames"][place].split("/")[-1] for place in found}


@with_the_extra
def test_no_formula_is_left_as_text(every):
    """Every $...$ of the notebooks' text has become a formula: none is left between words."""
    for page in every[1]:
        text = page.read_text(encoding="utf-8")
        words = re.sub(r"<(pre|code|script|style|title)\b.*?</\1>", "", text, flags=re.DOTALL)
        assert re.findall(r">[^<]*\$[^<]*<", words) == [], page.name
        assert "katex-error" not in text


@with_the_extra
def test_every_figure_is_shown_somewhere(every):
    out, made = every
    shown = {(page.parent / given["src"]).resolve() for page, read in made.items() for given in read.all("img")}
    assert shown == {path.resolve() for path in (out / "figures").iterdir()}
