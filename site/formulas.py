"""A Sphinx extension: formulas become HTML while the site is built, so that a page needs no script for them.

All formulas go to KaTeX in one call of node, the one that Playwright brings along.
"""

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

HERE = Path(__file__).resolve().parent
PART = '<span class="katex-base">'  # of a formula: a line may break between two


def node():
    """The path of a node: Playwright's own, else the one on the PATH. Raises RuntimeError where there is none."""
    spec = importlib.util.find_spec("playwright")
    folders = [Path(folder) / "driver" for folder in (spec.submodule_search_locations if spec else ())]
    own = [folder / name for folder in folders for name in ("node", "node.exe") if (folder / name).exists()]
    found = str(own[0]) if own else shutil.which("node")
    if not found:
        raise RuntimeError("formulas need node, which the package playwright brings: start `python3 course.py site`")
    return found


def rendered(formulas):
    """{(tex, display): HTML}. Raises ValueError with every formula that KaTeX cannot read."""
    formulas = list(formulas)
    answer = subprocess.run(
        [node(), str(HERE / "formulas.js")], input=json.dumps(formulas), capture_output=True, encoding="utf-8"
    )
    if answer.returncode:
        raise RuntimeError(f"node failed: {answer.stderr}")
    result = json.loads(answer.stdout)
    if result["problems"]:
        raise ValueError("\n".join(result["problems"]))
    source = re.compile(r"<annotation .*?</annotation>")  # the TeX once more, for nobody to see
    return {formula: source.sub("", html) for formula, html in zip(formulas, result["html"], strict=True)}


def render_all(app, env):
    """Once everything is read: the formulas of all pages, each once."""
    found = set()
    for page in env.found_docs:
        doctree = env.get_doctree(page)
        found |= {(formula.astext(), False) for formula in doctree.findall(nodes.math)}
        found |= {(formula.astext(), True) for formula in doctree.findall(nodes.math_block)}
    app.config.formulas.update(rendered(sorted(found)))


def inline(self, formula):
    html = self.config.formulas[formula.astext(), False]
    if "cfgedu-long" in formula.parent.get("classes", ()):  # it holds on to its neighbours, and breaks inside alone
        head, *parts = html.split(PART)
        html = PART.join([head, f"<wbr>{PART}".join(parts)])
    self.body.append(html)
    raise nodes.SkipNode


def display(self, formula):
    self.body.append(f'<div class="math">{self.config.formulas[formula.astext(), True]}</div>\n')
    raise nodes.SkipNode


class Together(SphinxPostTransform):
    """A formula, the bracket before it and what is joined to it behind stay on one line: browsers would part them."""

    default_priority = 900
    longest = 30  # signs of TeX: a longer formula may break, but inside alone: see `inline`

    def run(self, **_):
        for formula in list(self.document.findall(nodes.math)):
            line, place = formula.parent, formula.parent.index(formula)
            before = line[place - 1] if place else None
            behind = line[place + 1] if place + 1 < len(line) else None
            head = re.search(r"[(\[“‘「]+$", before) if isinstance(before, nodes.Text) else None
            tail = re.match(r"[^\s]+", behind) if isinstance(behind, nodes.Text) else None
            if not (head or tail):
                continue
            long = ["cfgedu-long"] if len(formula.astext()) > self.longest else []
            held = nodes.inline("", "", classes=["cfgedu-together", *long])
            if head:
                line[place - 1] = nodes.Text(before[: head.start()])
                held += nodes.Text(head[0])
            line[place] = held
            held += formula
            if tail:
                line[place + 1] = nodes.Text(behind[tail.end() :])
                held += nodes.Text(tail[0])


def setup(app):
    app.add_post_transform(Together)
    app.add_config_value("formulas", {}, "", dict)
    app.add_html_math_renderer("katex", (inline, None), (display, None))
    app.connect("env-updated", render_all)
