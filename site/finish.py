"""A Sphinx extension: the last touches on each page, and the scripts of the demos where there is one."""

from pathlib import Path

JS = Path(__file__).resolve().parent / "js"
LAST = ("draw", "mount")  # what draws comes after what computes, the scenes after both


def scripts(folder=JS):
    """The names of the demos' scripts below `folder`, in the order in which a page loads them; [] without a folder."""
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.js"))

    def place(name):
        stem = name.removesuffix(".js")
        late = LAST.index(stem) + 1 if stem in LAST else len(LAST) + 1 if "/" in name else 0
        return (late, stem != "world", name)

    return sorted(found, key=place)


def touch(app, pagename, templatename, context, doctree):
    body = context.get("body", "")
    # A block of Markdown between the tags becomes a paragraph, which a summary cannot hold.
    context["body"] = body.replace("<summary>\n<p>", "<summary>").replace("</p>\n</summary>", "</summary>")
    context["demo_scripts"] = [f"js/{name}" for name in scripts()] if "data-demo=" in body else []


def setup(app):
    app.connect("html-page-context", touch)
