"""A Sphinx extension: the last touches on each page, the scripts of its demos, and the ways to its other languages."""

import re
from gettext import NullTranslations

from babel import Locale, localedata
from markupsafe import Markup
from sphinx.util.osutil import relative_uri

from cfgedu.language import phrase
from tools.site_data import STYLE, WORDS, scripts_of


def name_of(language):
    """What a language calls itself; its code where babel does not know it."""
    return Locale.parse(language).display_name if localedata.exists(language) else language


SPHINX = '<a href="https://www.sphinx-doc.org/">Sphinx</a>'  # as the theme writes it, in one piece with what follows


def of_the_theme():
    """{English: the reader's language} of what the theme says where neither it nor Sphinx has a translation."""
    return {
        "On this page": phrase("On this page"),
        "Next": phrase("Next"),
        "Previous": phrase("Previous"),
        "Home": phrase("Home"),
        "Back to top": phrase("Back to top"),
        "Skip to content": phrase("Skip to content"),
        "Link to this heading": phrase("Link to this heading"),
        "Please activate JavaScript to enable the search functionality.": phrase("The search needs JavaScript."),
        "Made with ": phrase("Made with "),
        f"{SPHINX} and ": phrase("{name} and ", name=SPHINX),
    }


class Theme(NullTranslations):
    """Behind the words of Sphinx, those of `of_the_theme`."""

    def gettext(self, message):
        return of_the_theme().get(message, message)


def spoken(body):
    """The page with the names of buttons and pictures in the reader's language: the theme has them in English alone."""
    names = {
        "Toggle site navigation sidebar": phrase("the contents of the course, open or closed"),
        "Toggle table of contents sidebar": phrase("the contents of this page, open or closed"),
        "Toggle Light / Dark / Auto color theme": phrase("colours: light, dark, or as the system has them"),
        "Contents": phrase("Contents"),
        "Menu": phrase("Menu"),
        "Expand": phrase("Expand"),
        "Light mode": phrase("light"),
        "Dark mode": phrase("dark"),
        "Auto light/dark, in light mode": phrase("as the system has it: light"),
        "Auto light/dark, in dark mode": phrase("as the system has it: dark"),
    }
    for name, own in names.items():
        body = body.replace(f'aria-label="{name}"', f'aria-label="{own}"').replace(f"<title>{name}<", f"<title>{own}<")
    unfold = lambda found: phrase("the pages below {title}, open or closed", title=found[1])
    return Markup(re.sub(r"(?<=aria-label=\")Toggle navigation of ([^\"]*)", unfold, body))


def speak_too(app):
    if app.config.language != "en":
        app.translator.add_fallback(Theme())


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
    context["spoken"] = spoken
    context["gone"] = phrase("The server has ended. What this page has loaded stays alive; nothing more can come.")
    folders = {other: "" if other == "en" else f"{other}/" for other in app.config.languages}
    context["other_languages"] = [
        (other, name_of(other), relative_uri(here, f"{home}{folder}{here}"))
        for other, folder in folders.items()
        if other != language
    ]


def setup(app):
    app.add_config_value("languages", [], "html", list)
    app.connect("builder-inited", speak_too)
    app.connect("html-page-context", touch, priority=900)  # after the theme
