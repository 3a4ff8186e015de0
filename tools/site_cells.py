"""A notebook as a page of the web edition: Markdown that keeps its words, its code and its stored outputs.

`lesson` and `solutions` give the text, in the language that is spoken. Every picture goes to the function that they
are handed, which says where it stands and how large it is.
"""

import base64
import html
import json
import re
from collections import namedtuple

from cfgedu.language import phrase
from cfgedu.saving import DEMO
from cfgedu.widgets.live import INVITATION
from tools.notebooks import alt
from tools.site_alone import ALONE
from tools.translation_po import of_alone

Picture = namedtuple("Picture", "address width height")  # its address in the page, its size on the page in pixels

# What a demo says here as long as no script has made it live.
CAPTION = "The picture of a demo. In the notebook its controls move it."
BARE = "A demo that lives in the web pages alone: without scripts there is nothing to see of it."
EXERCISE = re.compile(r"^\*\*(\d+)\. (.+?)\*\*", re.MULTILINE)
SECTION = re.compile(r"^## (\d+)\. ", re.MULTILINE)
YOUR_TURN = "# your turn"


# ---------------------------------------------------------------- words


def links(text, up=""):
    """Links between the files of the repository, as links between the pages. `up` leads from the page to the root."""
    text = re.sub(r"\]\((?:\.\./)*README\.md#symbols\)", f"]({up}symbols.md)", text)
    text = re.sub(r"\]\((?:\.\./)*README\.md\)", f"]({up}index.md)", text)
    text = re.sub(r"(\]\([^)\s]*?)\.ipynb\)", r"\1.md)", text)
    return re.sub(r"(\]\([^)\s]*?solutions)/?\)", r"\1/index.md)", text)


def labelled(text, number):
    """A target `NN-section-K` before each numbered section, for links from other pages."""
    return SECTION.sub(lambda found: f"({number}-section-{found[1]})=\n{found[0]}", text)


def anchor(name):
    """A place that links and the switch of languages lead to."""
    return f'<div class="cfgedu-anchor" id="{name}"></div>'


def fenced(code, language):
    """A block of code; its fence is longer than any inside."""
    longest = max((len(ticks) for ticks in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"


# ---------------------------------------------------------------- outputs


def attributes(**given):
    """Attributes of an HTML element; `_` at the end of a name is dropped and others become hyphens."""
    names = {name: name.rstrip("_").replace("_", "-") for name in given}
    return "".join(f' {names[name]}="{html.escape(str(value), quote=True)}"' for name, value in given.items())


def image(picture, words):
    """An <img> that loads when it is near, and for which the page keeps room."""
    size = dict(width=picture.width, height=picture.height)
    return f"<img{attributes(src=picture.address, alt=words, **size, loading='lazy', decoding='async')}>"


def demo_figure(demo, picture, **more):
    """The still picture of a demo; a script finds in it the demo's name and state, and makes it live."""
    state = json.dumps(demo["state"], ensure_ascii=False)
    given = attributes(class_="cfgedu-demo", data_demo=demo["demo"], data_state=state, **more)
    return f"<figure{given}>{image(picture, alt_of(demo))}<figcaption>{phrase(CAPTION)}</figcaption></figure>"


def bare_figure(name, **more):
    """The place of a demo that the pages have alone, of which no picture is stored, with its words."""
    words = of_alone(name)
    spoken = {"data_words": json.dumps(words, ensure_ascii=False)} if words else {}
    given = attributes(class_="cfgedu-demo", data_demo=name, **spoken, **more)
    return f"<figure{given}><figcaption>{phrase(BARE)}</figcaption></figure>"


def alt_of(demo):
    """The words for a demo's picture, without what they say of running a cell."""
    return demo["alt"].removesuffix(f" {phrase(INVITATION)}")


def shown(output, cell, picture):
    """One stored output as HTML or Markdown. Raises ValueError for one that the pages cannot show."""
    if output.output_type == "stream":
        kind = "cfgedu-output" if output.name == "stdout" else "cfgedu-output cfgedu-log"
        return text_block(output.text, kind)
    if output.output_type == "error":
        return text_block(f"{output.ename}: {output.evalue}", "cfgedu-output cfgedu-error")
    data = output.data
    if "image/png" in data:
        width = output.metadata.get("image/png", {}).get("width")
        drawn = picture(base64.b64decode(data["image/png"]), cell.id, width)
        if DEMO in data:
            return demo_figure(data[DEMO], drawn, id=f"demo-{data[DEMO]['demo']}")
        words = alt(cell.metadata)
        if not words:
            raise ValueError(f"the picture of cell {cell.id} has no alt text")
        return f'<figure class="cfgedu-figure">{image(drawn, words)}</figure>'
    for kind in ("text/markdown", "text/latex"):
        if kind in data:
            return data[kind]
    if "text/plain" in data:
        return text_block(data["text/plain"], "cfgedu-output")
    raise ValueError(f"cell {cell.id} shows {', '.join(data)}, which the pages cannot show")


def text_block(text, kind):
    text = text.strip("\n")
    return f'<pre class="{kind}">{html.escape(text, quote=False)}</pre>' if text.strip() else ""


def code_cell(cell, picture):
    """The code, and below it what is stored of its outputs, in one block."""
    parts = [fenced(cell.source, "python"), *(shown(output, cell, picture) for output in cell.outputs)]
    return "\n\n".join(['<div class="cfgedu-cell">', *(part for part in parts if part), "</div>"])


# ---------------------------------------------------------------- pages


def title_of(notebook):
    return re.search("^# (.+)", notebook.cells[0].source, re.MULTILINE)[1]


def minutes_of(notebook):
    """Of an English lesson."""
    return int(re.search(r"(\d+) minutes", notebook.cells[0].source)[1])


def demos_of(notebook):
    """(cell, output) of each demo whose picture and state a notebook stores."""
    return [
        (cell, output)
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if DEMO in output.get("data", {})
    ]


def alone_in(name):
    """{demo: how it is described} of the demos that the page of a lesson has alone."""
    made = {demo: make() for demo, make in ALONE.items()}
    return {demo: one for demo, one in made.items() if one.lesson == name}


def lesson(notebook, name, picture, up="../"):
    """The page of a lesson: below its title a way to the notebook itself, after each exercise one to its solution."""
    number, exercise, parts, alone = name[:2], None, [], alone_in(name)
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            found = EXERCISE.findall(cell.source)
            exercise = found[-1][0] if found else exercise
            anchors = [anchor(f"exercise-{k}") for k, _ in found]
            parts += [anchor(f"cell-{cell.id}"), *anchors, labelled(links(cell.source, up), number)]
        elif cell.source.strip():
            parts.append(code_cell(cell, picture))
            if YOUR_TURN in cell.source.lower() and exercise:
                address = f"solutions/{name}.html#exercise-{exercise}"
                words = phrase("Solution of exercise {exercise}", exercise=exercise)
                parts.append(f'<p class="cfgedu-actions"><a href="{address}">{words}</a></p>')
        for demo, one in alone.items():
            if one.after == cell.id:
                parts += [one.told["words"], bare_figure(demo, id=f"demo-{demo}")]
        if place == 0:
            parts.append(actions(up, f"{name}.ipynb", f'<a href="solutions/{name}.html">{phrase("Solutions")}</a>'))
    return "\n\n".join(parts) + "\n"


def actions(up, file, more=""):
    download = f'<a href="{up}downloads/{file}" download>{phrase("Download this notebook")}</a>'
    return f'<p class="cfgedu-actions">{download}{more}</p>'


def solutions(notebook, name, picture, up="../../"):
    """The page of a lesson's solutions: the answer to each exercise is folded, so that one does not give away another.

    A fold begins with a statement (**1. Title.**), or with a cell that begins with bold words, and ends with the next
    one or at a heading.
    """
    parts, folded = [], False
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            parts.append(code_cell(cell, picture) if cell.source.strip() else "")
            continue
        for text in pieces(cell.source):
            found = re.match(r"\*\*(?:(\d+)\. )?(.+?)\*\*\s*", text)
            if folded and (found or text.startswith("#")):
                parts.append("</details>")
                folded = False
            if found:
                parts += [*opened(found), links(text, up)]
                folded = True
            else:
                parts.append(links(text, up))
        if place == 0:
            parts.append(
                actions(up, f"solutions/{name}.ipynb", f'<a href="../{name}.html">{phrase("The notebook")}</a>')
            )
    parts += ["</details>"] if folded else []
    return "\n\n".join(part for part in parts if part) + "\n"


def pieces(text):
    """A cell's text, cut before each statement of an exercise that stands inside it."""
    cuts = [found.start() for found in EXERCISE.finditer(text) if found.start()]
    return [text[a:b].strip() for a, b in zip([0, *cuts], [*cuts, None])]


def opened(found):
    """The head of a fold; the target of links lies inside, so that following one opens it."""
    number, name = found[1], found[2].rstrip(".")
    title = f"{number}. {name}" if number else name
    target = [anchor(f"exercise-{number}")] if number else []
    summary = ["<summary>", title.replace(". ", "\\. ", 1) if number else title, "</summary>"]
    return ['<details class="cfgedu-fold">', *summary, *target]
