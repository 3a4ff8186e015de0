"""A Sphinx extension: the last touches on each page, the scripts of its demos, and the ways to its other languages."""

import re

from babel import Locale, localedata
from sphinx.util.osutil import relative_uri

from cfgedu.language import phrase
from tools.site_data import STYLE, WORDS, scripts_of


def name_of(language):
    """What a language calls itself; its code where babel does not know it."""
    return Locale.parse(language).display_name if localedata.exists(language) else language


def touch(app, pagename, templatename, context, doctree):
    body = context.get("body", "")
    # A block of Markdown between the tags becomes a paragraph, which a summary cannot hold.
    context["body"] = body.replace("<summary>\n<p>", "<summary>").replace("</p>\n</summary>", "</summary>")
    # Sphinx calls the captions of the contents headings, and does not say of which level.
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')
    language, here = app.config.language, f"{pagename}.html"
    home = "" if language == "en" else "../"  # the figures and scripts of all languages are the English ones
    scripts = scripts_of(re.findall(r'data-demo="(\w+)"', body))
    words = [WORDS] if scripts and language != "en" else []  # before what says them
    context["demo_scripts"] = [relative_uri(here, name) for name in words + [f"{home}js/{name}" for name in scripts]]
    context["demo_style"] = relative_uri(here, f"{home}js/{STYLE}") if scripts else None
    context["gone"] = phrase("The server has ended. What this page has loaded stays alive; nothing more can come.")
    folders = {other: "" if other == "en" else f"{other}/" for other in app.config.languages}
    context["other_languages"] = [
        (other, name_of(other), relative_uri(here, f"{home}{folder}{here}"))
        for other, folder in folders.items()
        if other != language
    ]


def setup(app):
    app.add_config_value("languages", [], "html", list)
    app.connect("html-page-context", touch, priority=900)  # after the theme
