"""The pages of the web edition that are no notebook: front page, symbols, questions, gallery, list of the solutions.

Their words come from the README and from docs/, so that each stands in one place; these functions put them together.
"""

import html
import re

from cfgedu.language import phrase
from tools.site_cells import alt_of, anchor, bare_figure, demo_figure, image, links, title_of

ROW = re.compile(r"^\| \[(\d\d) (.+?)\]\((.+?)\.ipynb\) \| (.+) \|$", re.MULTILINE)


def headings_of(readme):
    return re.findall(r"^## (.+)\n", readme, flags=re.MULTILINE)


def sections(readme, names=None):
    """{heading: text} of the README's parts; its title and what stands before the first heading are under "".

    Of a README in another language, `names` are the English headings, under which its parts are found.
    """
    head, *parts = re.split(r"^## .+\n", readme, flags=re.MULTILINE)
    named = zip(names or headings_of(readme), parts, strict=True)
    return {"": head.strip()} | {name: text.strip() for name, text in named}


def rows(parts):
    """[(number, title, path, question)] of the README's table of notebooks."""
    return ROW.findall(parts["The notebooks"])


def toctree(caption, entries):
    lines = "\n".join(f"{title} <{page}>" if title else page for title, page in entries)
    return f"```{{toctree}}\n:caption: {caption}\n:hidden:\n\n{lines}\n```"


def front(parts, minutes, hero):
    """The front page: what the course is, its first demo, the map with minutes, two ways to start, and the contents."""
    table = rows(parts)
    opening = re.sub(r"^!\[.*\]\(.*\)$", lambda _: hero, without_film(parts[""]), flags=re.MULTILINE)
    course_map = "\n".join(
        [f"| {phrase('notebook')} | {phrase('the question')} | {phrase('minutes')} |", "|---|---|--:|"]
        + [f"| [{number} {title}]({path}.md) | {words} | {minutes[number]} |" for number, title, path, words in table]
    )
    around = ROW.sub("", parts["The notebooks"])
    around = re.sub(r"^\|.*\|\n", "", around, flags=re.MULTILINE).strip()
    first = table[0]
    ways = phrase(
        "Two ways: **read here**, from [{title}]({page}) on, with every picture and number as the notebooks store it; "
        "or **run it**, with JupyterLab on your own machine, where exercises check themselves, demos answer, and "
        "every cell can be changed.",
        title=f"{first[0]} {first[1]}",
        page=f"{first[2]}.md",
    )
    lessons = [(f"{number} {title}", path) for number, title, path, _ in table]
    others = [(phrase("Symbols"), "symbols"), (phrase("On two pages"), "docs/cheatsheet")]
    others += [(phrase("Questions"), "docs/questions"), (phrase("All demos"), "gallery")]
    others += [(phrase("Beside diffusers"), "docs/diffusers"), (phrase("Teaching"), "docs/teaching")]
    others += [(phrase("Solutions"), "notebooks/solutions/index")]
    contents = [toctree(phrase("The course"), lessons), toctree(phrase("To look things up"), others)]
    start = f"## {phrase('Start')}\n\n{ways}\n\n### {phrase('Run it')}\n\n{parts['Start']}"
    licence = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", parts["Licence"])
    text = [opening, f"## {phrase('The map')}\n\n{course_map}\n\n{around}", start]
    text += [f"## {phrase('Licence')}\n\n{licence}", *contents]
    return links("\n\n".join(text)) + "\n"


def without_film(opening):
    """README opens with a film of digits and a line on it; the front page opens with a demo that moves."""
    return re.sub(r"^!\[[^\]]*\]\([^)]*\.gif\)\n\n\*[^*]+\*\n\n", "", opening, flags=re.MULTILINE)


def symbols(parts):
    return f"# {phrase('Symbols')}\n\n{parts['Symbols']}\n"


def sheet(text):
    """docs/cheatsheet.md with a mark by which the style prints it on two pages."""
    title, rest = text.split("\n", 1)
    return f'{title}\n\n<div class="cfgedu-sheet"></div>\n{rest}'


def questions(text):
    """docs/questions.md with a heading for each question, and with links to the sections of notebooks that it names."""

    section = r"(?<!\w)" + phrase("section {number}", number=r"(\d+)")

    def linked(place):
        link, number, rest = place.groups()
        return link + re.sub(section, lambda place: f"[{place[0]}](#{number}-section-{place[1]})", rest)

    text = re.sub(r"(\[(\d\d)\]\([^)]+\))([^\n\[]*)", linked, text)
    text = re.sub(r"^\*\*(.+)\*\*$", r"### \1\n", text, flags=re.MULTILINE)
    text = re.sub(r"\n(\*[^*:\n]+: )", r"\n\n\1", text)  # the line that says where
    return links(text, "../")


def gallery(entries):
    """All demos, small and then each at its full width: entries holds (number, title, page, told, demo, picture) for
    each; `told` is {"name": ..., "words": ...}, with what the demo is called and what to try in it. One that the pages
    have alone has no picture.
    """
    small, large = [], []
    for number, title, page, told, demo, picture in entries:
        name = f"demo-{number}" if picture else f"demo-{number}-{demo['demo']}"
        text = html.escape(phrase(told["name"]))
        seen = image(picture, alt_of(demo)) if picture else ""
        shown = f"{seen}<span><b>{number} {text}</b> {html.escape(title)}</span>"
        small.append(f'<a class="cfgedu-thumb" href="#{name}">{shown}</a>')
        where = phrase("Where the text speaks of it")
        place = f'<p class="cfgedu-actions"><a href="{page}.html#demo-{demo["demo"]}">{where}</a></p>'
        large += [f"## {number} {phrase(told['name'])}", anchor(name), phrase(told["words"])]
        large += [demo_figure(demo, picture) if picture else bare_figure(demo["demo"]), place]
    opening = f"# {phrase('All demos')}\n\n" + phrase(
        "The demos of the course, in the order of its notebooks. They are live in the page: move their controls, or "
        "drag a point; *full screen* is for a class or a talk. A demo of large networks loads them when you ask for it."
    )
    thumbs = "\n".join(['<div class="cfgedu-gallery">', *small, "</div>"])
    return "\n\n".join([opening, thumbs, *large]) + "\n"


def solutions_list(notebooks):
    """notebooks: {name: notebook} of the solutions."""
    entries = [(f"{name[:2]} {title_of(notebook).split('· ')[-1]}", name) for name, notebook in notebooks.items()]
    items = "\n".join(f"- [{title_of(notebook)}]({name}.md)" for name, notebook in notebooks.items())
    opening = f"# {phrase('Solutions')}\n\n" + phrase(
        "One page for each notebook: every exercise with a way to solve it, and why. The answers are folded, so that "
        "looking at one does not give away the next. Try first: in the notebook a check tells whether you are right, "
        "and if not, what you probably did."
    )
    return f"{opening}\n\n{items}\n\n{toctree(phrase('Solutions'), entries)}\n"
