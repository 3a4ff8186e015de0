"""What checks, claims and demos say in another language: complete, with the same places, and English without one."""

import re
import subprocess
import sys

import nbformat
import pytest
from babel.messages.catalog import Catalog

from cfgedu import language
from cfgedu.checks import Guess, check, claim
from cfgedu.exercises.n00 import check_scales
from cfgedu.language import fitting, is_plain, phrase, translated
from tests.site import ROOT
from tools import translation, translation_po
from tools.site_data import described
from tools.translation_po import SHOWS, faults, line, speaking, store
from tools.translation_rules import numbers
from tools.translation_strings import of_cell, of_module, strings

SPOKEN = [each for each in translation.languages() if store(each).exists()]
every_language = pytest.mark.parametrize("spoken", SPOKEN)
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))


@pytest.fixture(scope="module")
def found():
    return strings()


@every_language
def test_every_string_is_translated_and_keeps_its_places(spoken, found):
    told = translation_po.problems(spoken, found=found)
    of_language = translation.rules(spoken)
    told += [what for text in translation_po.words(spoken).values() for what in of_language(text)]
    assert not told


GOOD = ("{name}: {share:.1%} of 10", "{name}: 10개 가운데 {share:.1%}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{name}: 10개 가운데", "lacks the place {share:.1%}"),
        ("{name}: 10개 가운데 {share:.2%}", "has a place that the English has not, {share:.2%}"),
        ("{title}: 10개 가운데 {share:.1%}", "has a place that the English has not, {title}"),
        ("{name}: 가운데 {share:.1%}", "lacks the numbers 10"),
        ("{name}은 10개 가운데 {share:.1%}", "a particle follows a place"),
    ],
)
def test_a_planted_fault_is_found(text, said):
    korean = translation.rules("ko")
    assert not [*faults(*GOOD), *korean(GOOD[1])]
    assert said in [*faults(GOOD[0], text), *korean(text)]


def test_missing_unsure_and_left_over_strings_are_told(tmp_path):
    english, mine = Catalog(), Catalog(locale="ko")
    for text in ("one", "two", "three"):
        english.add(text)
    mine.add("one", "하나")
    mine.add("two", "둘", flags=["fuzzy"])
    mine.add("four", "넷")
    translation_po.save("ko", mine, tmp_path)
    assert translation_po.problems("ko", tmp_path, english) == [
        "is left over: four",
        "the English has changed: two",
        "is not translated: three",
    ]
    assert translation_po.words("ko", tmp_path) == {"one": "하나", "four": "넷"}


# ---------------------------------------------------------------- one language at a time


def test_english_is_what_the_code_says():
    assert language.known == {}
    assert phrase("{name}: got {got:.2f}", name="a", got=1) == "a: got 1.00"
    assert phrase("{no place}") == "{no place}"
    assert translated("a; b") == "a; b"


def test_english_loads_nothing():
    code = "import sys, cfgedu.language; print('gettext' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@every_language
def test_what_is_built_is_read_and_another_language_is_english(spoken, tmp_path, monkeypatch):
    monkeypatch.setattr(language, "BUILT", tmp_path)
    (tmp_path / spoken).mkdir()
    (tmp_path / spoken / "cfgedu.mo").write_bytes(translation_po.compiled(spoken))
    assert language.built(spoken) == translation_po.words(spoken)
    assert language.built("") == language.built("xx") == {}


WORDS = {
    "the two agree": "둘이 같다",
    "t = {t}: closed form": "t = {t}: 닫힌 형태",
    "share {value}": "비율 {value}",
    "{near} or less": "{near} 이하",
    "{first} and so on": "{first} 등",
    "one; two": "하나, 둘",
    "three": "셋",
}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("the two agree", "둘이 같다"),
        ("t = 300: closed form", "t = 300: 닫힌 형태"),
        ("three; one; two", "셋; 하나, 둘"),  # a sentence may hold the sign that joins
        ("share 0.1 or less", "비율 0.1 이하"),
        ("share 'of name'", "비율 'of name'"),
        ("a word and so on", "a word and so on"),  # which has no translation: no match
        ("the two agree not", "the two agree not"),
    ],
)
def test_filled_texts_are_known_by_their_templates(text, told):
    language.speak(WORDS)
    try:
        assert translated(text) == told
    finally:
        language.speak({})


def test_a_check_and_a_claim_speak_korean(capsys):
    with speaking("ko"):
        check("DDIM", 1.0, 2.0, mistakes={"the sign is the wrong way round": 1.0})
        check_scales(None)
        check_scales([0.1, 7.5, 1.0])
        Guess("accuracy at r = 0", right=0.1, near=0.05, why="")(0.1)
        claim("and diversity falls", True, left="34%")
    assert capsys.readouterr().out == (
        "✗ DDIM: 받은 값 1\n  짐작되는 원인: 부호가 반대입니다.\n"
        "· 세 가지 스케일: 아직 답이 없습니다(함수가 None을 돌려주었거나, 값이 아직 None 또는 ...입니다)\n"
        "✗ 세 가지 스케일: 받은 값 (3,) [0.1, 7.5, 1]\n  짐작되는 원인: 첫째: w와 r은 1만큼 다릅니다. "
        "w = 0과 r = 1이 같은 모델이기 때문입니다; "
        "둘째: guidance_scale은 r과 같은 방식으로 셉니다. 구할 것은 w입니다.\n"
        "✓ r = 0에서의 정확도: 예측 0.1, 결과 0.1. \n"
        "✓ 그리고 다양성이 떨어진다 (남은 몫 34%)\n"
    )
    check_scales(None)
    assert capsys.readouterr().out.startswith("· three scales: no answer yet")


def test_a_demo_speaks_korean_and_keeps_its_state():
    from cfgedu.widgets.attributes import two_attributes_demo

    english = described(two_attributes_demo())
    with speaking("ko"):
        korean = described(live := two_attributes_demo())
        assert live.update(**live.state).startswith("연쇄식, r_a = 1.00")
        live.go("합산식, 1과 1")
        assert live.state["formula"] == "summed"
    assert korean["start"] == english["start"]
    assert [control["label"] for control in korean["controls"]][:2] == ["a", "스케일 r_a"]
    assert [value for _, value in korean["controls"][0]["options"]] == ["left", "right"]
    shown = re.compile("[가-힣]")
    assert all(shown.search(text) for text in [korean["alt"], *korean["presets"]])


# ---------------------------------------------------------------- extraction


def test_strings_are_found_in_code():
    code = """
claim(f"{name}, t = {t}: {max(gaps):.2f}", True, largest_gap=1, far=f"{x:.1f} or more")
check("the sign", 1, 1, mistakes={"upside down": -1})
told = {"of_all": 3}
claim("and so on", True, **told)
print("not this")
"""
    assert list(of_cell(code)) == [
        "{name}, t = {t}: {value}", "largest gap {value}", "far {value}", "{x} or more", "the sign", "upside down",
        "and so on", "of all {value}",
    ]  # fmt: skip
    module = """
NAMES = ("one way", "or another")
def x_demo():
    alt = "a picture"
    controls = {"a": choice("label", NAMES, NAMES[0]), "b": slider("scale", 0, 1, 0)}
    presets = {"at the start": {"a": 1}}
    said = "{a} of {b}"
    return phrase(said, a=1, b=2)
"""
    expected = ["label", "one way", "or another", "scale", "{a} of {b}", "a picture", "at the start"]
    assert set(of_module(module, {"NAMES": ("one way", "or another")})) == set(expected)


# ---------------------------------------------------------------- stored outputs


def meant(text, templates):
    """What a text is in the language that is spoken, by each of these templates that it fits."""
    told = set()
    for template in templates:
        if template in language.known and (fit := fitting(template).fullmatch(text)):
            values = {name: (value, translated(value)) for name, value in fit.groupdict().items()}
            if all(value != other or is_plain(value) for value, other in values.values()):
                form = language.PLACE.sub(r"{\1}", language.known[template])
                told.add(form.format(**{name: other for name, (_, other) in values.items()}))
    return told


def strangers(asked, own, package):
    """[(text, translation)] of what was translated by a template that is not meant: by another notebook's, or, where
    the cell itself says it, by any but the cell's own.
    """
    said = [(text, told) for text, told in asked if told != text and text not in language.known]
    return [(text, told) for text, told in said if told not in (meant(text, own) or meant(text, package))]


def test_a_translation_by_a_stranger_is_found():
    own, package = ["largest error {value}"], ["{name}: no guess yet"]
    with speaking("ko"):
        right = [("largest error 0.1", translated("largest error 0.1")), ("DDIM", "DDIM")]
        assert right[0][1] != right[0][0]
        assert strangers(right, own, package) == []
        wrong = ("largest error 0.1", next(iter(meant("largest error 0.1", ["largest {value}"]))))
        assert strangers([wrong], own, package) == [wrong]


@every_language
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "notebooks").as_posix())
def test_what_checks_have_printed_is_known_and_keeps_its_numbers(path, spoken, found, monkeypatch):
    package = [it.id for it in found if it.id and any(place.startswith("cfgedu/") for place, _ in it.locations)]
    asked = []

    def heard(text):
        asked.append((text, translated(text)))
        return asked[-1][1]

    monkeypatch.setattr(translation_po, "translated", heard)
    with speaking(spoken):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type != "code" or not SHOWS.search(cell.source):
                continue
            own = list(of_cell(cell.source))
            printed = [out.text.splitlines() for out in cell.outputs if out.output_type == "stream"]
            for text in (text for lines in printed for text in lines if text[:2] in ("✓ ", "✗ ", "· ")):
                told = line(text)
                same = text[2:] in meant(text[2:], own) or not re.search("[a-z]{3} [a-z]{3}", text)
                assert told or same, text
                assert not numbers(text) - numbers(told or text), (text, told)
            assert strangers(asked, own, package) == []
            asked.clear()


@pytest.mark.parametrize(
    "text", ["✓ unknown words", "✓ and diversity falls (no such name 3)", "r = 3: 0.25", "  three"]
)
def test_a_line_that_is_not_known_whole_stays(text):
    with speaking("ko"):
        assert line(text) is None
