"""A Sphinx extension: the last touches on each page, and the scripts of its demos."""

import re

from tools.site_data import STYLE, scripts_of


def touch(app, pagename, templatename, context, doctree):
    body = context.get("body", "")
    # A block of Markdown between the tags becomes a paragraph, which a summary cannot hold.
    context["body"] = body.replace("<summary>\n<p>", "<summary>").replace("</p>\n</summary>", "</summary>")
    # Sphinx calls the captions of the contents headings, and does not say of which level.
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')
    scripts = scripts_of(re.findall(r'data-demo="(\w+)"', body))
    context["demo_scripts"] = [f"js/{name}" for name in scripts]
    context["demo_style"] = f"js/{STYLE}" if scripts else None


def setup(app):
    app.connect("html-page-context", touch, priority=900)  # after the theme
