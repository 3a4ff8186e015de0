"""What Korean asks of its text: particles that go with how a formula is read, and the words of the glossary."""

import re

from tools.translation_rules import CODE, DISPLAY, FENCE, INLINE

# Words that the glossary replaces: {what stands there: what to write}.
TERMS = {
    r"비조건부": "무조건부",
    r"라벨": "레이블",
    r"그라디언트|변화도": "그래디언트",
    r"매개변수": "파라미터",
    r"훈련": "학습",
    r"(?<![가-힣])우도": "가능도",
    r"잡음(?!비)": "노이즈",
    r"최빈값": "모드",
    r"트윈 ?헤드": "twin head",
    r"스케쥴": "스케줄",
    r"와서스테인": "바서슈타인",
    r"(?<!신호 대 )잡음비": "신호 대 잡음비",
    r"[은는이가을를와과]\([은는이가을를와과]\)": "the one particle that goes with the reading",
    r"되어집니다|되어진|되어졌": "됩니다, 된",
    r"예상값|기댓값은 .*받은": "정답",
}
FINAL = {"l": "ㄹ", "r": "ㄹ", "m": "c", "n": "c", "L": "ㄹ", "R": "ㄹ", "M": "c", "N": "c"}  # 엘 알 엠 엔
DIGITS = {"0": "c", "1": "ㄹ", "3": "c", "6": "c", "7": "ㄹ", "8": "ㄹ"}  # 영 일 삼 육 칠 팔; 이 사 오 구 have none
SIGNS = {r"\epsilon": "c", r"\varepsilon": "c", r"\varnothing": "c", r"\emptyset": "c", r"\infty": ""}
WORDS = {
    "un": "c", "drop": "c", "U-Net": "c", "DDPM": "c", "DDIM": "c", "NULL": "ㄹ", "cond": "", "eps": "", "CFG": "",
    "ODE": "", "SDE": "", "MNIST": "", "SNR": "ㄹ", "EMA": "", "APG": "", "MLP": "", "uncond": "", "null": "ㄹ",
}  # fmt: skip
GREEK = (  # their readings end in a vowel
    "alpha beta gamma delta eta theta lambda mu nu xi pi rho sigma tau phi chi psi omega".split()  # noqa: SIM905
)
PAIRS = (("은", "는"), ("이", "가"), ("을", "를"), ("과", "와"), ("으로", "로"))  # after a consonant, after a vowel
OTHER = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])}
PARTICLE = r"(으로|은|는|이|가|을|를|과|와|로)(?![가-힣])"
FOLLOWED = re.compile(r"\}" + PARTICLE)  # the place of a value in a string: no particle goes with every value


def of_number(text):
    """The end of a number as it is read: "c" a consonant, "ㄹ" that one, "" a vowel."""
    whole, _, fraction = text.replace(",", "").partition(".")
    return DIGITS.get((fraction or whole)[-1], "")


def ending(formula):
    """How the reading of a formula ends: "c", "ㄹ" or "" (a vowel); None where it can be read in more than one way."""
    text = re.sub(r"\\(?:,|;|!|:|quad|qquad|left|right|big|Big|bigl|bigr)(?![A-Za-z])", " ", formula)
    text = re.sub(r"\\(?:mathrm|mathbf|text|operatorname|mathbb|hat|tilde|bar|vec)\s*", "", text)
    text = text.strip().rstrip("|.)]} ")
    for sign, end in SIGNS.items():
        if text.endswith(sign):
            return end
    if command := re.search(r"\\([A-Za-z]+)$", text):  # those that are no letters are read in many ways
        return "" if command[1] in GREEK else None
    if re.search(r"\^\{?[\w-]+$", text) or "frac" in text or "^" in text.rsplit("=", 1)[-1]:
        return None  # squares and fractions
    if word := re.search(r"_\{?\s*([A-Za-z]{2,})$", text):
        return WORDS.get(word[1])
    if re.search(r"_\{?0$", text):
        return ""  # x_0 is read 엑스 제로
    if number := re.search(r"(\d[\d,]*(?:\.\d+)?)$", text):
        return of_number(number[1])
    if letter := re.search(r"(?<![A-Za-z\\])([A-Za-z])$", text):
        return FINAL.get(letter[1], "")
    return None


def fits(particle, end):
    """Whether the particle goes with such an end; (으)로 has a rule of its own."""
    if particle in ("으로", "로"):
        return (particle == "으로") == (end == "c")
    return (particle in [first for first, _ in PAIRS]) == (end in ("c", "ㄹ"))


def wrong_particles(text):
    """ "$s_{cond}$은: 는", one for each particle that does not go with the formula, number or word before it."""
    text = DISPLAY.sub("\n", FENCE.sub("\n", text))
    found = []
    for match in re.finditer(INLINE.pattern + PARTICLE, text):
        end = ending(match[1])
        if end is not None and not fits(match[2], end):
            found.append((match[0], OTHER[match[2]]))
    for match in re.finditer(CODE.pattern + PARTICLE, text):
        end = WORDS.get(match[2])
        if end is not None and not fits(match[3], end):
            found.append((match[0], OTHER[match[3]]))
    prose = CODE.sub("`", INLINE.sub("@", text))
    for match in re.finditer(r"(?<![\w.-])([A-Za-z][\w-]*|\d[\d,]*(?:\.\d+)?)" + PARTICLE, prose):
        end = of_number(match[1]) if match[1][0].isdigit() else WORDS.get(match[1])
        if end is not None and not fits(match[2], end):
            found.append((match[0], OTHER[match[2]]))
    return [f"{place}: the particle is {right}" for place, right in found]


def problems(text):
    """What is wrong with a Korean text, one line each."""
    prose = CODE.sub("`", INLINE.sub("@", DISPLAY.sub("\n", FENCE.sub("\n", text))))
    found = []
    for pattern, right in TERMS.items():
        found += [f"{match[0]}: write {right}" for match in re.finditer(pattern, prose)]
    found += ["a particle follows a place"] if FOLLOWED.search(prose) else []
    return found + wrong_particles(text)
