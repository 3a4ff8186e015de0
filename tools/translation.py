"""`course.py translation COMMAND [LANGUAGE NAME ...]`: keeps other languages in step with the English course.

    start ko 06            a file with the English of every cell, ready to be written over
    check [ko [06 ...]]    what is missing, left over, out of date, or does not agree with the English; exit code 1
    old ko 06 c14          what has changed in the English of a cell since it was translated, word by word
    accept ko 06 c14 ...   the translation of these cells still holds: take the English as it is now
    strings ko             brings translations/ko/cfgedu.po in step: what checks, claims, demos and pictures say
    build [ko]             the notebooks and pages in that language, and the strings, in build/ko

The English notebooks are the only ones that are executed; translations/ko/06_guidance_vector.md holds their text in
Korean. Each cell stands under a marker, <!-- cell c14 7c9f1dd2 -->: its id, and a hash of the English words it was made
from, or - where it is not translated yet. Pages such as README are cut at their headings. NAME is 06 (a lesson),
solutions/06, README, or a page of docs/ such as docs/questions; for `check` it may be strings, the PO file. An empty
text there, or one that is marked fuzzy because the English has changed, is not used.
"""

import argparse
import copy
import difflib
import hashlib
import importlib.util
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import nbformat

from cfgedu.files import write
from cfgedu.language import phrase
from tools import translation_po
from tools.published import Problem, git
from tools.translation_rules import differences

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / "translations"
PAGES = ("README", "docs/questions", "docs/teaching", "docs/cheatsheet", "docs/diffusers")
STRINGS = "strings"  # the name of the PO file
NONE = "-"  # the hash of a cell that is not translated yet
MARKER = re.compile(r"^<!-- cell (\S+) (\S+) -->\n?", re.MULTILINE)


@dataclass(frozen=True)
class Piece:
    """One cell of a translation: its id, the hash of the English it was made from, its text."""

    id: str
    hash: str
    text: str


class Wrong(Exception):
    """What whoever called did wrong, in one sentence."""


# ---------------------------------------------------------------- the English


def digest(text):
    """Of the words alone: how lines are broken is no matter of translation."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:8]


def slug(heading):
    return re.sub(r"[^\w]+", "-", heading.lower()).strip("-")


def pieces_of_page(text):
    """{slug of the heading: text}, from one heading to the next; "top" is what stands before the first."""
    found, name, fenced = {"top": []}, "top", False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if not fenced and (heading := re.match(r"#{1,3} (.+)", line)):
            name, count = slug(heading[1]), 2
            while name in found:
                name, count = f"{slug(heading[1])}-{count}", count + 1
            found[name] = []
        found[name].append(line)
    return {name: "\n".join(lines).strip() for name, lines in found.items() if "\n".join(lines).strip()}


def pieces_of_notebook(text):
    cells = nbformat.reads(text, as_version=4).cells
    return {cell.id: cell.source for cell in cells if cell.cell_type == "markdown"}


def source_path(name):
    """The file that the name stands for, relative to the root."""
    return f"{name}.md" if name in PAGES else f"notebooks/{name}.ipynb"


def pieces(name, text=None):
    """{id: English text} of a notebook's cells of text or a page's sections, in order."""
    text = (ROOT / source_path(name)).read_text(encoding="utf-8") if text is None else text
    return pieces_of_page(text) if name in PAGES else pieces_of_notebook(text)


def all_names():
    """Every name there is: the lessons, their solutions, the pages."""
    folder, readme = ROOT / "notebooks", (ROOT / "README.md").read_text(encoding="utf-8")
    lessons = re.findall(r"\]\(notebooks/(\w+)\.ipynb\) \|", readme)  # a learner may keep other notebooks there
    paths = [folder / part / f"{name}.ipynb" for part in ("", "solutions") for name in lessons]
    notebooks = [path for path in paths if path.exists()]
    there = [page for page in PAGES if (ROOT / source_path(page)).exists()]
    return [path.relative_to(folder).with_suffix("").as_posix() for path in notebooks] + there


def full_name(word):
    """The name that begins with the word, which may be 06, solutions/06, README or strings."""
    if word == STRINGS:
        return STRINGS
    found = [name for name in all_names() if name == word or name.startswith(f"{word}_")]
    if len(found) != 1:
        raise Wrong(f"{word} names no lesson, solution or page; there are: {', '.join(all_names())}")
    return found[0]


# ---------------------------------------------------------------- the store


def stored(language, name):
    return STORE / language / f"{name}.md"


def read(language, name):
    """The Pieces of a translation, in its order; none where there is no file."""
    file = stored(language, name)
    if not file.exists():
        return []
    head, *parts = MARKER.split(file.read_text(encoding="utf-8"))
    if head.strip():
        raise Wrong(f"{file.relative_to(ROOT)}: text stands before the first marker: {head.strip()[:60]}")
    return [Piece(*parts[k : k + 2], parts[k + 2].strip("\n")) for k in range(0, len(parts), 3)]


def save(language, name, translated):
    text = "".join(f"<!-- cell {piece.id} {piece.hash} -->\n{piece.text}\n" for piece in translated)
    write(stored(language, name), text.encode())


def languages():
    return sorted(path.name for path in STORE.iterdir() if path.is_dir()) if STORE.exists() else []


def finished(language):
    """The names whose translation is complete, and is held to stay so: translations/ko/finished, one a line."""
    file = STORE / language / "finished"
    return file.read_text(encoding="utf-8").split() if file.exists() else []


def rules(language):
    """What a language asks of its text by itself: problems(text) of tools/translation_ko.py, where there is one."""
    module = f"tools.translation_{language}"
    return importlib.import_module(module).problems if importlib.util.find_spec(module) else lambda text: []


# ---------------------------------------------------------------- check


def problems(language, name):
    """What is wrong with a translation, one line each."""
    if name == STRINGS:
        return problems_of_strings(language)
    english, translated, of_language = pieces(name), read(language, name), rules(language)
    found = []
    counts = Counter(piece.id for piece in translated)
    found += [f"{id}: stands {count} times" for id, count in counts.items() if count > 1]
    found += [f"{id}: is missing" for id in english if id not in counts]
    found += [f"{id}: is left over, the English has no such cell" for id in counts if id not in english]
    here = [piece.id for piece in translated if piece.id in english]
    if here != [id for id in english if id in counts] and not any(count > 1 for count in counts.values()):
        found.append("its cells stand in another order than the English")
    for piece in translated:
        if piece.id not in english:
            continue
        if piece.hash == NONE:
            found.append(f"{piece.id}: is not translated yet")
            continue
        if piece.hash != digest(english[piece.id]):
            found.append(f"{piece.id}: the English has changed (`old {language} {name} {piece.id}` shows what)")
        found += [f"{piece.id}: {what}" for what in differences(english[piece.id], piece.text)]
        found += [f"{piece.id}: {what}" for what in of_language(piece.text)]
    return found


def problems_of_strings(language):
    """What is wrong with the PO file of a language, one line each."""
    found, of_language = translation_po.problems(language, ROOT), rules(language)
    for english, text in translation_po.words(language, ROOT).items():
        found += [f"{what}: {english[:80]}" for what in of_language(text)]
    return found


def check(language, names):
    """Prints the problems; returns how many there are."""
    count = 0
    for name in names:
        for problem in problems(language, name):
            print(f"{language} {name} {problem}")
            count += 1
    print(f"{language}: {len(names)} checked, {count} problems")
    return count


# ---------------------------------------------------------------- start, old, accept


def start(language, name):
    """Writes the English under every marker that is not there yet; what is translated stays. Returns how many."""
    english = pieces(name)
    translated = {piece.id: piece for piece in read(language, name)}
    new = [translated.get(id) or Piece(id, NONE, text) for id, text in english.items()]
    gone = [piece.id for piece in translated.values() if piece.id not in english]
    if gone:
        raise Wrong(f"{name}: {', '.join(gone)} would be lost: rename these markers, or take them out, first")
    save(language, name, new)
    return sum(piece.hash == NONE for piece in new)


def accept(language, name, ids):
    """The text of these cells is a translation of the English as it is now."""
    english, translated = pieces(name), read(language, name)
    unknown = [id for id in ids if id not in english or id not in {piece.id for piece in translated}]
    if unknown:
        raise Wrong(f"{name} has no cell {', '.join(unknown)} in both languages")
    hashed = lambda piece: Piece(piece.id, digest(english[piece.id]), piece.text) if piece.id in ids else piece
    save(language, name, [hashed(piece) for piece in translated])


def english_then(name, id, hash):
    """The English words of a cell that had this hash, from the history of its file."""
    path = source_path(name)
    for commit in git(ROOT, "log", "--format=%H", "--follow", "--", path).split():
        try:
            text = pieces(name, git(ROOT, "show", f"{commit}:{path}")).get(id)
        except (Problem, ValueError):  # the file had another name, or was none yet
            continue
        if text is not None and digest(text) == hash:
            return text
    raise Wrong(f"{name} {id}: the history has no English of hash {hash}")


def words_that_differ(before, after):
    """The text with what went as [-words-] and what came as {+words+}."""
    before, after, told = before.split(), after.split(), []
    for what, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what == "equal":
            told.append(" ".join(before[a:b]))
            continue
        told += [f"[-{' '.join(before[a:b])}-]"] if b > a else []
        told += [f"{{+{' '.join(after[c:d])}+}}"] if d > c else []
    return " ".join(told)


def old(language, name, id):
    piece = next((piece for piece in read(language, name) if piece.id == id), None)
    if piece is None or piece.hash == NONE:
        raise Wrong(f"{name} {id} is not translated")
    return words_that_differ(english_then(name, id, piece.hash), pieces(name)[id])


# ---------------------------------------------------------------- build


def text_for(english, piece):
    """The translation of a cell where it is up to date, else the English under one line that says so."""
    if piece and piece.hash == digest(english):
        return piece.text
    return f"{phrase('*(This cell is in English only.)*')}\n\n{english}"


def assembled(language, name):
    """A notebook in the language: every cell, id and output of the English one, and the text translated."""
    notebook = nbformat.read(ROOT / source_path(name), as_version=4)
    translated = {piece.id: piece for piece in read(language, name)}
    new = copy.deepcopy(notebook)
    for cell in new.cells:
        if cell.cell_type == "markdown":
            cell.source = text_for(cell.source, translated.get(cell.id))
        else:
            translation_po.put_into(cell)
    new.metadata["cfgedu"] = {"lang": language, "made_from": digest(nbformat.writes(notebook))}
    nbformat.validate(new)
    return new


def build(language, folder=None):
    """Writes all that has a translation to build/ko, in the folders of the English; returns how many files.

    A notebook there that its reader has changed since it was built stays as it is.
    """
    folder = folder or ROOT / "build" / language
    with translation_po.speaking(language, ROOT):
        write(folder / "cfgedu.mo", translation_po.compiled(language, ROOT))
        texts = {source_path(name): text for name in all_names() if (text := built_text(language, name))}
    record = folder / "built.json"
    made = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    changed = [path for path in made if (folder / path).exists() and digest_of(folder / path) != made[path]]
    for path in texts.keys() - changed:
        write(folder / path, texts[path].encode())
        made[path] = digest_of(folder / path)
    if changed:
        print(f"You have changed these in {folder}, so they stay; renamed, they are built anew: {', '.join(changed)}")
    write(record, json.dumps(made, indent=1).encode())
    return len(texts)


def digest_of(file):
    """As `holds_work` of tools/clean.py, which goes without this module."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def built_text(language, name):
    """The text of a notebook, or of a page that has a translation; "" for a page that has none."""
    if name not in PAGES:
        return nbformat.writes(assembled(language, name)) + "\n"
    if not stored(language, name).exists():
        return ""
    translated = {piece.id: piece for piece in read(language, name)}
    texts = [text_for(text, translated.get(id)) for id, text in pieces(name).items()]
    return "\n\n".join(texts) + "\n"


# ---------------------------------------------------------------- the command


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="course.py translation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("start", "check", "old", "accept", "strings", "build"), help="see above")
    parser.add_argument("words", nargs="*", metavar="LANGUAGE NAME ID", help="what each of them takes, as above")
    options = parser.parse_args(argv)
    language, *rest = [*options.words, None] if options.words else [None]
    rest = [word for word in rest if word]
    try:
        if options.command in ("start", "old", "accept") and not rest:
            raise Wrong(f"{options.command} needs a language and a name, such as: {options.command} ko 06")
        if options.command == "old" and len(rest) < 2:
            raise Wrong("old needs a cell, such as: old ko 06 c14")
        if options.command in ("check", "old", "accept", "build") and language and language not in languages():
            there = ", ".join(languages()) or "none yet"
            raise Wrong(f"{language} is no language of the course; there are: {there}")
        if options.command == "strings" and not language:
            raise Wrong("strings needs a language, such as: strings ko")
        name = full_name(rest[0]) if rest and options.command != "check" else None
        if options.command == "start":
            print(f"{stored(language, name).relative_to(ROOT)}: {start(language, name)} cells to translate")
        elif options.command == "accept":
            accept(language, name, rest[1:] or [piece.id for piece in read(language, name)])
        elif options.command == "old":
            for id in rest[1:]:
                print(old(language, name, id))
        elif options.command == "strings":
            found = translation_po.update(language, ROOT)
            print(f"{language}: " + ", ".join(f"{count} {state}" for state, count in sorted(found.items())))
        elif options.command == "build":
            for each in [language] if language else languages():
                print(f"build/{each}: {build(each)} files")
        else:
            each = [language] if language else languages()
            return bool(sum([check(one, [full_name(word) for word in rest] or finished(one)) for one in each]))
    except (Wrong, Problem) as wrong:
        raise SystemExit(str(wrong)) from None
    return 0


if __name__ == "__main__":
    sys.exit(main())
