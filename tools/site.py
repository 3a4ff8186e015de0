"""`course.py site [--open]`: the web edition in build/site/, from the outputs that the notebooks store; nothing runs.

It is a folder of plain files: it opens by double-click, without a network, and from any static host. Sources and
figures are put together in build/site-sources/ (by tools/site_cells.py and tools/site_pages.py), then Sphinx makes the
pages (site/conf.py).
"""

import argparse
import contextlib
import gzip
import io
import shutil
import sys
import time
import webbrowser
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from PIL import Image

from cfgedu.saving import DEMO
from tools.site_cells import Picture, demo_figure, demos_of, lesson, minutes_of, solutions
from tools.site_data import write_scripts
from tools.site_pages import front, gallery, questions, rows, solutions_list, symbols

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build/site"
HERO = "guidance_vector"
AS_THEY_ARE = ("cheatsheet", "diffusers", "teaching")  # pages of docs/ that need nothing done to them


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
    in `drawn` under the cell's id, with its address from the root.
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


def titles_of(readme):
    """{name: title} of the lessons, as README lists them: a learner may keep other notebooks beside them."""
    return {path.split("/")[-1]: title for _, title, path, _ in rows(readme)}


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


def pages(root, jobs):
    """{file: its text} of every page; the pictures to write go to `jobs`."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    titles = titles_of(readme)
    lessons, answers = (notebooks_in(root / folder, titles) for folder in ("notebooks", "notebooks/solutions"))
    made, entries = {}, []
    for name, notebook in lessons.items():
        drawn = {}
        with way_back(name):
            made[f"notebooks/{name}.md"] = lesson(notebook, name, painter(jobs, name, "../", drawn))
        for cell, output in demos_of(notebook):
            entries.append((name[:2], titles[name], f"notebooks/{name}", output.data[DEMO], drawn[cell.id]))
    for name, notebook in answers.items():
        picture = painter(jobs, f"solutions-{name}", "../../", {})
        with way_back(f"solutions/{name}"):
            made[f"notebooks/solutions/{name}.md"] = solutions(notebook, name, picture)
    heroes = [demo_figure(demo, drawn) for *_, demo, drawn in entries if demo["demo"] == HERO]
    with way_back(f"06_{HERO}"):
        if not heroes:
            raise ValueError("it stores no picture of its demo")
    minutes = {name[:2]: minutes_of(notebook) for name, notebook in lessons.items()}
    return made | {
        "index.md": front(readme, minutes, heroes[0]),
        "symbols.md": symbols(readme),
        "gallery.md": gallery(entries),
        "docs/questions.md": questions((root / "docs/questions.md").read_text(encoding="utf-8")),
        **{f"docs/{name}.md": (root / f"docs/{name}.md").read_text(encoding="utf-8") for name in AS_THEY_ARE},
        "notebooks/solutions/index.md": solutions_list(answers),
    }


def write_sources(sources, root=ROOT):
    """What Sphinx reads, below `sources`; figures, notebooks and scripts, which it copies, in the folder `extra`."""
    jobs = []
    for name, text in pages(root, jobs).items():
        file = sources / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    write_figures(jobs, sources / "extra/figures")
    titles = titles_of((root / "README.md").read_text(encoding="utf-8"))
    for folder in ("", "solutions"):
        (sources / "extra/downloads" / folder).mkdir()
        for notebook in files_in(root / "notebooks" / folder, titles):
            shutil.copy(notebook, sources / "extra/downloads" / folder)
    write_scripts(sources / "extra/js")


# ---------------------------------------------------------------- the site


def build(out=OUT, root=ROOT):
    """Builds the site anew in `out`; returns the warnings of Sphinx, "" where there are none."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    sources, doctrees = out.with_name(f"{out.name}-sources"), out.with_name(f"{out.name}-doctrees")
    for folder in (out, sources, doctrees):
        shutil.rmtree(folder, ignore_errors=True)
    write_sources(sources, root)
    warnings = io.StringIO()
    with patch_docutils(str(root / "site")), docutils_namespace():
        given = {"html_extra_path": [str(sources / "extra")]}  # figures, notebooks and scripts, as they are
        app = Sphinx(sources, root / "site", out, doctrees, "html", given, status=None, warning=warnings, freshenv=True)
        app.build()
    for left in (".buildinfo", "objects.inv"):
        (out / left).unlink(missing_ok=True)
    (out / ".nojekyll").touch()  # GitHub's pages would leave out the folder _static
    return warnings.getvalue()


def told(out, seconds):
    """What was built, in one line."""
    size = {path: path.stat().st_size for path in out.rglob("*") if path.is_file()}
    pages = [path for path in size if path.suffix == ".html"]
    heaviest = max(len(gzip.compress(path.read_bytes())) for path in pages)
    return (
        f"{len(pages)} pages, {sum(size.values()) / 1e6:.1f} MB, the longest {heaviest / 1e3:.0f} kB compressed, in "
        f"{seconds:.0f} s: {out / 'index.html'}"
    )


def main():
    parser = argparse.ArgumentParser(prog="course.py site", description=__doc__.splitlines()[0])
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    options = parser.parse_args()
    began = time.monotonic()
    warnings = build()
    if warnings:
        print(warnings, file=sys.stderr)
        sys.exit("The site is built, with the warnings above.")
    print(told(OUT, time.monotonic() - began))
    if options.open:
        webbrowser.open((OUT / "index.html").as_uri())


if __name__ == "__main__":
    main()
