"""`course.py site [--open]`: the web edition in build/site/, from the outputs that the notebooks store; nothing runs.

It is a folder of plain files: it opens by double-click, without a network, and from any static host. Sources and
figures are put together in build/site-sources/ (by tools/site_cells.py and tools/site_pages.py), then Sphinx makes the
pages (site/conf.py). Every language with finished translations has its pages in a folder of its own, build/site/ko/,
made by a process of its own; they share the figures and the scripts of the English pages.
"""

import argparse
import contextlib
import gzip
import io
import os
import shutil
import subprocess
import sys
import time
import webbrowser
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from PIL import Image

from cfgedu.language import speak
from cfgedu.saving import DEMO
from tools import translation, translation_po
from tools.site_cells import Picture, alone_in, demo_figure, demos_of, lesson, minutes_of, solutions
from tools.site_data import WORDS, write_scripts
from tools.site_pages import front, gallery, headings_of, questions, rows, sections, sheet, solutions_list, symbols
from tools.student import bare

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build/site"
HERO = "guidance_vector"
ENGLISH = "en"
COMPLETE = ".complete"  # made last: without it a build was cut short
WARNED = 3  # what a process answers whose pages are built, with warnings
AS_THEY_ARE = ("diffusers", "teaching")  # pages of docs/ that need nothing done to them


# ---------------------------------------------------------------- figures


def smaller(png, twice=False):
    """A WebP file with every pixel as it was.

    A picture with two pixels for each of the page's may lose some, where that saves much: it is then a smooth field.
    """
    with Image.open(io.BytesIO(png)) as picture:
        exact = webp(picture, lossless=True, quality=80)
        smooth = webp(picture, quality=90) if twice else exact
    return smooth if len(smooth) < 0.7 * len(exact) else exact


def webp(picture, **look):
    """The picture on white as a WebP file."""
    drawn, stored = picture.convert("RGBA"), io.BytesIO()
    ground = Image.new("RGBA", drawn.size, "white")
    ground.alpha_composite(drawn)
    ground.convert("RGB").save(stored, "WEBP", method=4, **look)
    return stored.getvalue()


def painter(jobs, page, up, drawn):
    """A function for the cells of a page: (png, cell's id, width on the page or None) -> Picture.

    Drawing waits: (name of the file, png, whether it has two pixels for one) goes to `jobs`. The picture is remembered
    in `drawn` under the cell's id, with its address from the root. `up` leads from the page to the English root, where
    all figures are.
    """

    def picture(png, cell, width):
        name = f"{page}-{cell}.webp"
        jobs.append((name, png, bool(width)))
        with Image.open(io.BytesIO(png)) as stored:
            wide, high = stored.size
        width = width or wide
        drawn[cell] = Picture(f"figures/{name}", width, round(high * width / wide))
        return drawn[cell]._replace(address=up + drawn[cell].address)

    return picture


def write_figures(jobs, folder):
    """The pictures of `painter`, in threads: what compresses them lets others run."""
    folder.mkdir(parents=True)

    def write(job):
        name, png, twice = job
        (folder / name).write_bytes(smaller(png, twice))

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, jobs))


# ---------------------------------------------------------------- sources


def titles_of(parts):
    """{name: title} of the lessons, as README lists them: a learner may keep other notebooks beside them."""
    return {path.split("/")[-1]: title for _, title, path, _ in rows(parts)}


def files_in(folder, names):
    """The notebooks of these names in a folder, in order."""
    return [path for path in sorted(folder.glob("*.ipynb")) if path.stem in names]


def notebooks_in(folder, names):
    """{name: notebook} of `files_in`."""
    return {path.stem: nbformat.read(path, as_version=4) for path in files_in(folder, names)}


@contextlib.contextmanager
def way_back(name):
    """What a notebook stores cannot be shown: a sentence says which, and how the published one comes back."""
    try:
        yield
    except ValueError as error:
        raise SystemExit(
            f"notebooks/{name}.ipynb: {error}. `python3 course.py restore {name}` brings the published notebook back, "
            "and keeps yours in mine/."
        ) from None


def pages(root, jobs, texts=None):
    """{file: its text} of every page; the pictures to write go to `jobs`.

    In another language `texts` has the notebooks and pages of `translation.build`; what it lacks is English.
    """
    home, above = texts or root, "../" if texts else ""

    def text(name):
        return ((home if (home / name).exists() else root) / name).read_text(encoding="utf-8")

    readme, headings = text("README.md"), headings_of((root / "README.md").read_text(encoding="utf-8"))
    parts = sections(readme, headings)
    titles = titles_of(parts)
    lessons, answers = (notebooks_in(home / folder, titles) for folder in ("notebooks", "notebooks/solutions"))
    made, entries = {}, []
    for name, notebook in lessons.items():
        drawn = {}
        with way_back(name):
            made[f"notebooks/{name}.md"] = lesson(notebook, name, painter(jobs, name, f"../{above}", drawn))
        for cell, output in demos_of(notebook):
            shown = drawn[cell.id]._replace(address=above + drawn[cell.id].address)
            told, demo = cell.metadata["demo"], output.data[DEMO]
            entries.append((name[:2], titles[name], f"notebooks/{name}", told, demo, shown))
        for demo, one in alone_in(name).items():
            entries.append((name[:2], titles[name], f"notebooks/{name}", one.told, {"demo": demo}, None))
    for name, notebook in answers.items():
        picture = painter(jobs, f"solutions-{name}", f"../../{above}", {})
        with way_back(f"solutions/{name}"):
            made[f"notebooks/solutions/{name}.md"] = solutions(notebook, name, picture)
    heroes = [demo_figure(demo, drawn) for *_, demo, drawn in entries if demo["demo"] == HERO]
    with way_back(f"06_{HERO}"):
        if not heroes:
            raise ValueError("it stores no picture of its demo")
    english = notebooks_in(root / "notebooks", titles) if texts else lessons
    minutes = {name[:2]: minutes_of(notebook) for name, notebook in english.items()}
    return made | {
        "index.md": front(parts, minutes, heroes[0]),
        "symbols.md": symbols(parts),
        "gallery.md": gallery(entries),
        "docs/questions.md": questions(text("docs/questions.md")),
        "docs/cheatsheet.md": sheet(text("docs/cheatsheet.md")),
        **{f"docs/{name}.md": text(f"docs/{name}.md") for name in AS_THEY_ARE},
        "notebooks/solutions/index.md": solutions_list(answers),
    }


def write_sources(sources, root=ROOT, language=ENGLISH, texts=None):
    """What Sphinx reads, below `sources`; what it copies, in the folder `extra`: the notebooks, which are to be run and
    so come without their outputs, and with the English pages the figures and scripts of all languages.
    """
    jobs = []
    for name, text in pages(root, jobs, texts).items():
        file = sources / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    titles = titles_of(sections((root / "README.md").read_text(encoding="utf-8")))
    notebooks = (texts or root) / "notebooks"
    for folder in ("", "solutions"):
        (sources / "extra/downloads" / folder).mkdir(parents=True)
        for notebook in files_in(notebooks / folder, titles):
            (sources / "extra/downloads" / folder / notebook.name).write_text(bare(notebook), encoding="utf-8")
    if language == ENGLISH:
        write_figures(jobs, sources / "extra/figures")
        write_scripts(sources / "extra/js")
    else:
        (sources / f"extra/{WORDS}").write_text(translation_po.of_the_page(language), encoding="utf-8")


# ---------------------------------------------------------------- the site


def build(out=OUT, root=ROOT, language=ENGLISH, languages=()):
    """Builds the pages of one language anew in `out`; returns the warnings of Sphinx, "" where there are none.

    `languages`: all that the site has, the given one among them; each page leads to itself in the others.
    """
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    sources, doctrees = out.with_name(f"{out.name}-sources"), out.with_name(f"{out.name}-doctrees")
    for folder in (out, sources, doctrees):
        shutil.rmtree(folder, ignore_errors=True)
    write_sources(sources, root, language, None if language == ENGLISH else texts_of(out))
    warnings = io.StringIO()
    with patch_docutils(str(root / "site")), docutils_namespace():
        given = {"html_extra_path": [str(sources / "extra")]}  # figures, notebooks and scripts, as they are
        given |= {"language": language, "languages": list(languages) or [language]}
        app = Sphinx(sources, root / "site", out, doctrees, "html", given, status=None, warning=warnings, freshenv=True)
        app.build()
    for left in (".buildinfo", "objects.inv"):
        (out / left).unlink(missing_ok=True)
    (out / ".nojekyll").touch()  # GitHub's pages would leave out the folder _static
    return warnings.getvalue()


def texts_of(made):
    """The folder of the notebooks and pages in another language, beside that of the pages that are made of them."""
    return made.with_name(f"{made.name}-texts")


@contextlib.contextmanager
def beside(language, languages, out, warned, root=ROOT):
    """Meanwhile a process of its own builds the pages of a language; in the end they are in a folder of `out`.

    That it had warnings, which it prints, is noted in the list `warned`.
    """
    command = [sys.executable, "-m", "tools.site", "--language", language, "--languages", *languages]
    environment = os.environ | {"PYTHONPATH": str(root)}
    made = out.with_name(f"{out.name}-{language}")
    shutil.rmtree(texts_of(made), ignore_errors=True)
    translation.build(language, texts_of(made))
    process = subprocess.Popen([*command, "--out", made], cwd=root, env=environment)
    try:
        yield
    except BaseException:
        process.kill()
        raise
    finally:
        process.wait()
    if process.returncode not in (0, WARNED):
        sys.exit(f"The pages in {language} could not be built.")
    made.replace(out / language)
    if process.returncode:
        warned.append(f"There are warnings above for the pages in {language}.")


def built(languages, out=OUT, root=ROOT):
    """The pages of all languages, each built beside the others; returns the warnings, "" where there are none."""
    warned = []
    with contextlib.ExitStack() as stack:
        for language in languages[1:]:
            stack.enter_context(beside(language, languages, out, warned, root))
        warnings = build(out, root, ENGLISH, languages)
    (out / COMPLETE).touch()
    return "\n".join([warnings, *warned]).strip()


def told(out, seconds):
    """What was built, in one line."""
    size = {path: path.stat().st_size for path in out.rglob("*") if path.is_file()}
    pages = [path for path in size if path.suffix == ".html"]
    heaviest = max(len(gzip.compress(path.read_bytes())) for path in pages)
    return (
        f"{len(pages)} pages, {sum(size.values()) / 1e6:.1f} MB, the longest {heaviest / 1e3:.0f} kB compressed, in "
        f"{seconds:.0f} s: {out / 'index.html'}"
    )


def make():
    """Builds the pages of all languages in build/site, and tells so; returns the warnings."""
    began = time.monotonic()
    speak({})  # English, whatever the environment says
    spoken = [language for language in translation.languages() if translation.finished(language)]
    warnings = built([ENGLISH, *spoken])
    print(told(OUT, time.monotonic() - began))
    return warnings


def main():
    parser = argparse.ArgumentParser(prog="course.py site", description=__doc__.splitlines()[0])
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    parser.add_argument("--language", default=None, help=argparse.SUPPRESS)  # what this command says to its processes
    parser.add_argument("--languages", nargs="*", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=OUT, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.language:
        speak(translation_po.words(options.language))
        warnings = build(options.out, ROOT, options.language, options.languages)
        print(warnings, end="", file=sys.stderr)
        sys.exit(WARNED if warnings else 0)
    warnings = make()
    if options.open:
        webbrowser.open((OUT / "index.html").as_uri())
    if warnings:
        print(warnings, file=sys.stderr)
        sys.exit("The site is built, with the warnings above.")


if __name__ == "__main__":
    main()
