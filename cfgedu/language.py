"""The language in which checks and demos speak: that of CFGEDU_LANG where it is built, and English everywhere else.

The English stands in the code. `phrase` is for a template with named places, "{name}: got {got}", which is translated
first and filled afterwards; `translated` for a text that comes filled, such as the name of a check, which a notebook
writes as an f-string. `course.py translation build ko` makes the file that is read, from translations/ko/cfgedu.po.
"""

import os
import re
from collections.abc import Container, Mapping
from functools import cache
from pathlib import Path

BUILT = Path(__file__).resolve().parent.parent / "build"
PLACE = re.compile(r"\{(\w*)(?:![rs])?(?::[^{}]*)?\}")  # {share:.1%}
WORD = re.compile("[a-z]{2}")
UNKNOWN = re.compile(r"\b[a-z]{2}")  # "True" is none
QUOTED = re.compile("'[^']*'")

known: dict[str, str] = {}  # {English: translation}; empty for English


def phrase(template: str, **values) -> str:
    """The template in the reader's language, filled with the values; without values it is a plain text.

    Raises KeyError for a place without a value.
    """
    template = known.get(template, template)
    return template.format(**values) if values else template


def translated(text: str) -> str:
    """A text in the reader's language, as it stands or by its template; as it is where there is no translation.

    A template fits where the values in its places are numbers, names or have translations themselves. Sentences that
    are joined by "; " are translated one by one.
    """
    if text in known or not known:
        return known.get(text, text)
    if parts := apart(text, known):
        return "; ".join(known[part] for part in parts)
    for pattern, template in templates():
        if found := pattern.fullmatch(text):
            told = {name: translated(value) for name, value in found.groupdict().items()}
            if all(told[name] != value or is_plain(value) for name, value in found.groupdict().items()):
                return template.format(**told)
    return text


def is_plain(value: str) -> bool:
    """Whether a value holds no word that would have to be translated; what stands in quotes is a name."""
    return not UNKNOWN.search(QUOTED.sub("", value))


def apart(text: str, among: Container[str]) -> list[str]:
    """The sentences among these that a text joins by "; ", a sign that each may hold too; none where it does not."""
    parts = text.split("; ")
    for k in range(1, len(parts)):
        head, rest = "; ".join(parts[:k]), "; ".join(parts[k:])
        if head in among and (others := [rest] if rest in among else apart(rest, among)):
            return [head, *others]
    return []


@cache
def templates() -> list[tuple[re.Pattern, str]]:
    """(what the English template fits, its translation) of every template that holds a word, the longest first."""
    kept = {text: PLACE.sub("", text) for text in known if PLACE.search(text)}
    texts = sorted((text for text, words in kept.items() if WORD.search(words)), key=lambda text: -len(kept[text]))
    return [(fitting(text), PLACE.sub(r"{\1}", known[text])) for text in texts]


def fitting(template: str) -> re.Pattern:
    """What the template fits, with a group for each place."""
    seen, parts, end = set(), [], 0
    for place in PLACE.finditer(template):
        name = place[1]
        parts += [re.escape(template[end : place.start()]), f"(?P={name})" if name in seen else f"(?P<{name}>.+?)"]
        seen.add(name)
        end = place.end()
    return re.compile("".join(parts) + re.escape(template[end:]))


def speak(words: Mapping[str, str]) -> None:
    """From now on in the language of these words, {English: translation}; in English where there are none."""
    known.clear()
    known.update(words)
    templates.cache_clear()


def built(language: str) -> dict[str, str]:
    """The words of a language that is built; none where it is not."""
    file = BUILT / language / "cfgedu.mo"
    if not language or not file.is_file():
        return {}
    import gettext  # English does without

    with file.open("rb") as opened:
        words = gettext.GNUTranslations(opened)._catalog  # it has no public list of them
    return {english: text for english, text in words.items() if english}


speak(built(os.environ.get("CFGEDU_LANG", "")))
