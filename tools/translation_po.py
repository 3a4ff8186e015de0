"""translations/ko/cfgedu.po: what checks, claims, exercises, demos and pictures say in a language, and where it goes.

`update` brings the file up to date with `translation_strings.strings`, and `problems` says what is wrong with it.
`words` is what `language.speak` takes, `compiled` what is read by CFGEDU_LANG; `put_into` changes what a notebook has
stored, and `of_the_page` is the script of the page with the words of a language.
"""

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from cfgedu.files import write
from cfgedu.language import PLACE, is_plain, known, phrase, speak, translated
from cfgedu.saving import DEMO
from cfgedu.widgets.live import INVITATION
from tools import site_data
from tools.notebooks import alt
from tools.site_alone import ALONE
from tools.site_data import described
from tools.translation_rules import numbers
from tools.translation_strings import ROOT, of_script, strings

SHOWS = re.compile(r"\b(claim|check\w*|hint)\b")  # in the code of a cell whose lines are translated

ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)\b")


def store(language: str, root: Path = ROOT) -> Path:
    return root / f"translations/{language}/cfgedu.po"


def read(language: str, root: Path = ROOT) -> Catalog:
    """The strings of a language as translated so far."""
    file = store(language, root)
    return read_po(io.BytesIO(file.read_bytes()), locale=language) if file.exists() else Catalog(locale=language)


HEAD = """# What checks, claims, exercises, demos and pictures say; `course.py translation strings` follows the English.
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def save(language: str, catalog: Catalog, root: Path = ROOT) -> None:
    """Writes a PO file without dates, which would change every time, and flags of formats that are none."""
    written = io.BytesIO()
    for message in catalog:
        message.flags -= {"python-format", "python-brace-format"}
    write_po(written, catalog, width=0, include_lineno=False, omit_header=True)
    write(store(language, root), HEAD.format(language=language).encode() + written.getvalue())


def update(language: str, root: Path = ROOT) -> Counter:
    """Brings the PO file in step with the course: new strings stand empty, changed ones are marked fuzzy."""
    catalog = read(language, root)
    catalog.update(strings(root))
    save(language, catalog, root)
    return Counter("fuzzy" if it.fuzzy else "done" if it.string else "open" for it in catalog if it.id)


def problems(language: str, root: Path = ROOT, found: Catalog | None = None) -> list[str]:
    """What is wrong with a PO file, a line each: strings that are missing, unsure, left over, or lost a place."""
    catalog, english = read(language, root), strings(root) if found is None else found
    told = [f"is left over: {message.id[:80]}" for message in catalog if message.id and message.id not in english]
    for message in english:
        mine = catalog.get(message.id) if message.id else message
        if mine is None or not (message.id and mine.string):
            told += [f"is not translated: {message.id[:80]}"] if message.id else []
        elif mine.fuzzy:
            told.append(f"the English has changed: {message.id[:80]}")
        else:
            told += [f"{what}: {message.id[:80]}" for what in faults(message.id, mine.string)]
    return told


def faults(english: str, text: str) -> list[str]:
    """What a translated string lacks of its English, or has too much."""
    places = [Counter(place[0] for place in PLACE.finditer(each)) for each in (english, text)]
    found = [f"lacks the place {place}" for place in places[0] - places[1]]
    found += [f"has a place that the English has not, {place}" for place in places[1] - places[0]]
    lost = numbers(ORDINAL.sub(" ", PLACE.sub(" ", english))) - numbers(PLACE.sub(" ", text))
    found += [f"lacks the numbers {', '.join(sorted(lost))}"] if lost else []
    return found + (["is broken into lines"] if "\n" in text else [])


def words(language: str, root: Path = ROOT) -> dict[str, str]:
    """{English: translation} of all that is translated and still fits."""
    return {
        message.id: message.string
        for message in read(language, root)
        if message.id and message.string and not message.fuzzy
    }


def compiled(language: str, root: Path = ROOT) -> bytes:
    """The MO file of a language, for gettext."""
    catalog = Catalog(locale=language)
    for english, text in words(language, root).items():
        catalog.add(english, text)
    written = io.BytesIO()
    write_mo(written, catalog)
    return written.getvalue()


def labels(demos) -> Iterator[str]:
    """What the page shows of demos: words for the picture, controls, options, presets."""
    for demo in demos:
        yield from (demo["alt"], *demo["presets"], *(control["label"] for control in demo["controls"]))
        yield from (text for control in demo["controls"] for text, _ in control.get("options", ()))


@cache
def every_label() -> tuple[str, ...]:
    """What it shows of all demos that notebooks have, in English."""
    with speaking(None):  # demos made in another language would have its labels
        return tuple(labels(described(site_data.demo(name)) for name in site_data.DEMOS))


def of_the_page(language: str, root: Path = ROOT) -> str:
    """The script that gives the page its words: of its scripts, and of the demos. It is loaded before all others.

    Without those of a demo that the pages have alone, which come with its figure (`of_alone`).
    """
    scripts = [path for path in sorted((root / "site/js").rglob("*.js")) if path.stem not in ALONE]
    texts = [*(text for path in scripts for text in of_script(path)), *every_label()]
    with speaking(language, root):
        told = {text: translated(text) for text in texts}
    table = {text: other for text, other in sorted(told.items()) if text != other}
    given = json.dumps(table, ensure_ascii=False, separators=(",", ":"))
    return f"(globalThis.cfgedu = globalThis.cfgedu || {{}}).words = {given};\n"


def of_alone(name: str, root: Path = ROOT) -> dict[str, str]:
    """{English: translation} of what such a demo says, in the language that is spoken; what is the same is left out."""
    with speaking(None, root):
        texts = [*of_script(root / f"site/js/scenes/{name}.js"), *labels([site_data.alone(ALONE[name]())])]
    return {text: translated(text) for text in texts if text != translated(text)}


@contextmanager
def speaking(language: str | None, root: Path = ROOT):
    """Checks and demos speak the language within, English for None, and after it what they spoke before."""
    before = dict(known)
    speak(words(language, root) if language else {})
    try:
        yield
    finally:
        speak(before)


# ---------------------------------------------------------------- what a notebook has stored


def line(text: str) -> str | None:
    """A printed line in the language that is spoken; None where a part of it is not known."""
    sign, _, rest = text.partition(" ")
    if sign in ("✓", "✗", "·"):
        body = told(rest) or diagnosed(rest)
        return body and f"{sign} {body}"
    body = told(text.strip()) if text.startswith("  ") else None
    return body and f"  {body}"


def known_as(text: str) -> str | None:
    """The translation of a text, None where there is none."""
    found = translated(text)
    return found if found != text else None


def told(text: str) -> str | None:
    """What a check or claim says, with its numbers in brackets: "sentence (name 0.31, other name 12)"."""
    if text in known:
        return known[text]
    if text.endswith(")"):
        for start in (match.start() for match in re.finditer(r" \(", text)):
            sentence, values = known_as(text[:start]), text[start + 2 : -1]
            if sentence and (found := known_as(values) or listed(values)):
                return f"{sentence} ({found})"
    return known_as(text)


def listed(text: str) -> str | None:
    """name value, name value, ...: a value that follows another one has no name of its own."""
    parts = [known_as(part) or (part if is_plain(part) else None) for part in text.split(", ")]
    return None if None in parts else ", ".join(parts)


def diagnosed(text: str) -> str | None:
    """name: place: expected ...; got ..., of which each part has to be known."""
    for cut in (match.start() for match in re.finditer(": ", text)):
        if (head := known_as(text[:cut])) and (rest := known_as(text[cut + 2 :]) or diagnosed(text[cut + 2 :])):
            return f"{head}: {rest}"
    return None


def put_into(cell) -> None:
    """Puts what checks, claims and exercises have printed in a cell, and its picture's words, into the language."""
    if words := alt(cell.metadata):
        cell.metadata.mystnb.image.alt = phrase(words)
    for output in cell.get("outputs", ()):
        if output.output_type == "stream" and SHOWS.search(cell.source):
            output.text = "\n".join(line(each) or each for each in output.text.split("\n"))
        data = output.get("data", {})
        if DEMO in data:
            words = data[DEMO]["alt"].removesuffix(f". {INVITATION}")
            data[DEMO]["alt"] = output.metadata["image/png"]["alt"] = f"{phrase(words)}. {phrase(INVITATION)}"
            data["text/plain"] = data["text/plain"].replace(words, phrase(words))
