"""The web edition in several languages: the ways between its pages, its search, formulas with particles; its print."""

import json
import re
import subprocess
from types import SimpleNamespace

import pytest

from tests.site import OTHERS, ROOT, module, needs_node, node, with_the_extra
from tools import site_check
from tools.site import ENGLISH
from tools.site_pages import questions
from tools.translation_po import speaking

STEMS = {
    "규칙을": "규칙", "규칙": "규칙", "가이던스에서는": "가이던스", "모드가": "모드", "네트워크입니다": "네트워크",
    "밀도": "밀도", "가능도는": "가능", "가능도": "가능", "DDIM은": "ddim", "r은": "r", "기울기": "기울기",
    "결과": "결과", "결과가": "결과",
    "noise": "noise", "베이즈": "베이즈", "드롭아웃이라는": "드롭아웃", "스케일로": "스케일", "이미지": "이미지",
}  # fmt: skip


@with_the_extra
def test_a_noun_is_one_word_with_and_without_its_particle():
    stem = module("language_ko").Korean({}).stem
    assert {word: stem(word) for word in STEMS} == STEMS


@with_the_extra
@needs_node
def test_the_page_finds_the_stems_that_the_index_holds():
    program = module("language_ko").Korean.js_stemmer_code + "const stemmer = new Stemmer();"
    program += f"console.log(JSON.stringify({json.dumps(list(STEMS))}.map((w) => stemmer.stemWord(w.toLowerCase()))));"
    said = subprocess.run([node(), "-e", program], capture_output=True, text=True, encoding="utf-8", check=True)
    assert json.loads(said.stdout) == list(STEMS.values())


@with_the_extra
@pytest.mark.parametrize(
    ("before", "tex", "behind", "held"),
    [
        ("여기서 ", "r", "은 큽니다", ["", "은"]),
        ("식(", "g", ")에서", ["(", ")에서"]),
        ("끝 ", "s", " 다음", None),
        ("긴 ", "x" * 40, "는", ["", "는"]),
    ],
)
def test_a_formula_keeps_its_bracket_and_particle(before, tex, behind, held):
    from docutils import nodes
    from docutils.utils import new_document

    document = new_document("x")
    line = nodes.paragraph("", "", nodes.Text(before), nodes.math(tex, tex), nodes.Text(behind))
    document += line
    module("formulas").Together(document).run()
    together = list(line.findall(nodes.inline))
    assert line.astext() == before + tex + behind
    assert bool(together) == bool(held)
    if held:
        assert together[0].astext() == held[0] + tex + held[1]
        assert ("cfgedu-long" in together[0]["classes"]) == (len(tex) > 30)  # it may break inside


@with_the_extra
@needs_node
@pytest.mark.parametrize(("classes", "breaks"), [(["cfgedu-together", "cfgedu-long"], 1), (["cfgedu-together"], 0)])
def test_a_long_formula_breaks_between_its_parts(classes, breaks):
    from docutils import nodes

    formulas = module("formulas")
    page = SimpleNamespace(body=[], config=SimpleNamespace(formulas=formulas.rendered([("x + y", False)])))
    line = nodes.inline("", "", nodes.math("x + y", "x + y"), nodes.Text("는"), classes=classes)
    with pytest.raises(nodes.SkipNode):
        formulas.inline(page, line[0])
    (html,) = page.body
    assert html.count(formulas.PART) == 2
    assert html.count(f"<wbr>{formulas.PART}") == html.count("<wbr>") == breaks


@with_the_extra
@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("배경은 1%만 빼고", "배경은 1%|만 빼고"), ("비는 p(c, x)와 달리", "비는 p(c, x)|와 달리"),
        ("식 [1]은 (또) 맞다.", "식 [1]|은 (또) 맞다."), ("가이던스(guidance)입니다", "가이던스(guidance)|입니다"),
    ],
)  # fmt: skip
def test_no_line_breaks_between_a_bracket_or_sign_and_its_particle(text, joined):
    from docutils import nodes
    from docutils.utils import new_document

    document = new_document("x")
    document += nodes.paragraph("", "", nodes.Text(text))
    document += nodes.paragraph("", "", nodes.literal("", "f(x)"), nodes.Text("는"), nodes.literal("", "(x)가"))
    module("language_ko").Joined(document).run()
    assert [line.astext() for line in document] == [joined.replace("|", "\u2060"), "f(x)\u2060는(x)가"]


@with_the_extra
@pytest.mark.parametrize("language", OTHERS)
def test_what_the_theme_says_is_in_the_language_of_the_page(every, language):
    out, _ = every
    for page in (out / language).rglob("*.html"):
        text = re.sub(r"<script.*?</script>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        said = ("On this page", ">Next<", ">Previous<", ">Home<", "Back to top", "Skip to content", "Link to this")
        assert [words for words in (*said, "Made with", 'aria-label="Toggle', "<title>Menu<") if words in text] == []


@with_the_extra
@pytest.mark.parametrize("language", OTHERS)
def test_the_words_for_pictures_are_in_the_language_of_the_page(every, language):
    out, made = every
    seen = 0
    for page in (page for page in made if page.is_relative_to(out / language)):
        ours, theirs = (
            {figure["src"].split("/")[-1]: figure["alt"] for figure in made[one].all("img")}
            for one in (page, out / page.relative_to(out / language))
        )
        assert ours.keys() == theirs.keys()
        assert {name: alt for name, alt in ours.items() if alt in theirs.values()} == {}, page.name
        seen += len(ours)
    assert seen > 100


@with_the_extra
@pytest.mark.parametrize("language", OTHERS)
def test_each_page_leads_to_itself_in_the_other_language_at_the_same_place(every, language):
    out, made = every
    pages = [page for page in made if page.relative_to(out).parts[0] not in OTHERS and page.name != "search.html"]
    for page in pages:
        other = out / language / page.relative_to(out)
        for here, there in ((page, other), (other, page)):
            (way,) = [given for given in made[here].all("a") if given.get("hreflang")]
            assert (here.parent / way["href"]).resolve() == there.resolve()
        marks = [[id for id in made[one].ids if re.match("cell-|exercise-|demo-", id)] for one in (page, other)]
        assert marks[0] == marks[1], page.name
        assert f'lang="{language}"' in other.read_text(encoding="utf-8")[:400]


@with_the_extra
@pytest.mark.parametrize("language", OTHERS)
def test_pages_of_all_languages_share_figures_and_scripts(every, language):
    out, _ = every
    assert not (out / language / "figures").exists()
    assert not (out / language / "js").exists()
    assert ENGLISH not in OTHERS


@with_the_extra
@pytest.mark.skipif("ko" not in OTHERS, reason="no Korean page is finished")
@pytest.mark.parametrize(
    ("word", "page"),
    [
        ("가이던스를", "06_guidance_vector"), ("가이던스", "00_start_here"), ("스코어는", "02_score"),
        ("베이즈", "06_guidance_vector"), ("등고선", "06_guidance_vector"), ("손실", "03_two_losses"),
        ("사후확률", "05_conditional_and_unconditional"),
        ("샘플러", "04_samplers"), ("기울인", "07_what_guidance_samples"), ("드롭아웃", "08_condition_dropout"),
        ("몸통", "09_twin_head"), ("퍼짐", "10_guided_sampling_lab"), ("손글씨", "11_digits"), ("판정", "12_mnist"),
        ("구간을", "13_beyond_cfg"), ("autoguidance", "14_other_baselines"), ("속도", "15_in_the_wild"),
        ("버그", "16_repair_a_broken_cfg"), ("노이즈가", "01_noise"), ("신호", "01_noise"),
    ],
)  # fmt: skip
def test_korean_search_finds(every, word, page):
    text = (every[0] / "ko/searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").rstrip().removesuffix(")"))
    term, found = module("language_ko").Korean({}).stem(word), []
    for table in ("terms", "titleterms"):
        places = index[table].get(term, [])
        found += places if isinstance(places, list) else [places]
    assert page in {index["docnames"][place].split("/")[-1] for place in found}


@pytest.mark.parametrize("asked", [site_check.SEARCHES, *map(site_check.searches, OTHERS)], ids=[ENGLISH, *OTHERS])
def test_the_look_at_the_pages_asks_the_search_for_lessons(asked):
    assert asked
    assert set(asked.values()) <= {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


@with_the_extra
def test_the_switch_names_each_language_in_itself():
    assert [module("finish").name_of(language) for language in ("en", "ko")] == ["English", "한국어"]


def test_links_to_sections_are_found_in_korean():
    with speaking("ko"):
        made = questions('*관련 절: [06](../notebooks/06_x.ipynb) 3절 "가"; [07](../notebooks/07_y.ipynb) 12절.*')
    assert "[3절](#06-section-3)" in made
    assert "[12절](#07-section-12)" in made


@with_the_extra
@pytest.mark.parametrize("language", [ENGLISH, *OTHERS])
def test_the_cheat_sheet_prints_on_two_pages(every, browser, language):
    folder = every[0] if language == ENGLISH else every[0] / language
    page = browser.new_page()
    page.goto((folder / "docs/cheatsheet.html").as_uri())
    printed = page.pdf(prefer_css_page_size=True)
    page.close()
    assert len(re.findall(rb"/Type /Page\b(?!s)", printed)) == 2
