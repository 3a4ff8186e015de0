"""The pages of the web edition that are no notebook: front page, symbols, questions, gallery, list of the solutions.

Their words come from the README and from docs/, so that each stands in one place; these functions put them together.
"""

import html
import re

from tools.site_cells import alt_of, demo_figure, image, links, title_of

ROW = re.compile(r"^\| \[(\d\d) (.+?)\]\((.+?)\.ipynb\) \| (.+) \|$", re.MULTILINE)


def sections(readme):
    """{heading: text} of the README's parts; its title and what stands before the first heading are under ""."""
    parts = re.split(r"^## (.+)\n", readme, flags=re.MULTILINE)
    return {"": parts[0].strip()} | {name: text.strip() for name, text in zip(parts[1::2], parts[2::2])}


def rows(readme):
    """[(number, title, path, question)] of the README's table of notebooks."""
    return ROW.findall(sections(readme)["The notebooks"])


def toctree(caption, entries):
    lines = "\n".join(f"{title} <{page}>" if title else page for title, page in entries)
    return f"```{{toctree}}\n:caption: {caption}\n:hidden:\n\n{lines}\n```"


def front(readme, minutes, hero):
    """The front page: what the course is, its first demo, the map with minutes, two ways to start, and the contents."""
    parts, table = sections(readme), rows(readme)
    opening = re.sub(r"^!\[.*\]\(.*\)$", lambda _: hero, without_film(parts[""]), flags=re.MULTILINE)
    course_map = "\n".join(
        ["| notebook | the question | minutes |", "|---|---|--:|"]
        + [f"| [{number} {title}]({path}.md) | {words} | {minutes[number]} |" for number, title, path, words in table]
    )
    around = ROW.sub("", parts["The notebooks"])
    around = re.sub(r"^\|.*\|\n", "", around, flags=re.MULTILINE).strip()
    first = table[0]
    ways = (
        f"Two ways: **read here**, from [{first[0]} {first[1]}]({first[2]}.md) on, with every picture and number as "
        "the notebooks store it; or **run it**, with JupyterLab on your own machine, where exercises check "
        "themselves, demos answer, and every cell can be changed."
    )
    lessons = [(f"{number} {title}", path) for number, title, path, _ in table]
    others = [("Symbols", "symbols"), ("On two pages", "docs/cheatsheet"), ("Questions", "docs/questions")]
    others += [("All demos", "gallery"), ("Beside diffusers", "docs/diffusers"), ("Teaching", "docs/teaching")]
    others += [("Solutions", "notebooks/solutions/index")]
    contents = [toctree("The course", lessons), toctree("To look things up", others)]
    start = f"## Start\n\n{ways}\n\n### Run it\n\n{parts['Start']}"
    licence = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", parts["Licence"])
    text = [opening, f"## The map\n\n{course_map}\n\n{around}", start, f"## Licence\n\n{licence}", *contents]
    return links("\n\n".join(text)) + "\n"


def without_film(opening):
    """README opens with a film of digits and a line on it; the front page opens with a demo that moves."""
    return re.sub(r"^!\[[^\]]*\]\([^)]*\.gif\)\n\n\*[^*]+\*\n\n", "", opening, flags=re.MULTILINE)


def symbols(readme):
    return f"# Symbols\n\n{sections(readme)['Symbols']}\n"


def questions(text):
    """docs/questions.md with a heading for each question, and with links to the sections of notebooks that it names."""

    def linked(place):
        link, number, rest = place.groups()
        return link + re.sub(r"\bsection (\d+)", rf"[\g<0>](#{number}-section-\1)", rest)

    text = re.sub(r"(\[(\d\d)\]\([^)]+\))([^\n\[]*)", linked, text)
    text = re.sub(r"^\*\*(.+)\*\*$", r"### \1\n", text, flags=re.MULTILINE)
    text = text.replace("\n*Where: ", "\n\n*Where: ")
    return links(text, "../")


def gallery(entries):
    """All demos, small and then each at its full width: entries holds (number, title, page, demo, picture) for each."""
    small, large = [], []
    for number, title, page, demo, picture in entries:
        name, alt = f"demo-{number}", alt_of(demo)
        text = html.escape(f"{number} {title}")
        small.append(f'<a class="cfgedu-thumb" href="#{name}">{image(picture, alt)}<span>{text}</span></a>')
        head = f'<div class="cfgedu-anchor" id="{name}"></div>\n\n## {number} {title}'
        place = (
            f'<p class="cfgedu-actions"><a href="{page}.html#demo-{demo["demo"]}">Where the text speaks of it</a></p>'
        )
        large += [head, alt, demo_figure(demo, picture), place]
    opening = (
        "# All demos\n\nEach demo of the course, in the order of the notebooks. They are live in the page: "
        "move their controls, or drag a point; *full screen* is for a class or a talk. A demo of large "
        "networks loads them when you ask for it; one that is only a picture here is live in its notebook."
    )
    thumbs = "\n".join(['<div class="cfgedu-gallery">', *small, "</div>"])
    return "\n\n".join([opening, thumbs, *large]) + "\n"


def solutions_list(notebooks):
    """notebooks: {name: notebook} of the solutions."""
    entries = [(f"{name[:2]} {title_of(notebook).split('· ')[-1]}", name) for name, notebook in notebooks.items()]
    items = "\n".join(f"- [{title_of(notebook)}]({name}.md)" for name, notebook in notebooks.items())
    opening = (
        "# Solutions\n\nOne page for each notebook: every exercise with a way to solve it, and why. The answers are "
        "folded, so that looking at one does not give away the next. Try first: in the notebook a check tells whether "
        "you are right, and if not, what you probably did."
    )
    return f"{opening}\n\n{items}\n\n{toctree('Solutions', entries)}\n"
