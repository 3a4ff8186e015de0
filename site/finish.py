"""A Sphinx extension: the last touches on each page, and the scripts of the demos where there is one."""

import re


def touch(app, pagename, templatename, context, doctree):
    body = context.get("body", "")
    # A block of Markdown between the tags becomes a paragraph, which a summary cannot hold.
    context["body"] = body.replace("<summary>\n<p>", "<summary>").replace("</p>\n</summary>", "</summary>")
    # Sphinx calls the captions of the contents headings, and does not say of which level.
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')
    demos = set(re.findall(r'data-demo="(\w+)"', body))
    if demos:
        context["demo_style"] = f"js/{app.config.demo_style}"
        context["demo_scripts"] = [f"js/{name}" for name in app.config.demo_scripts if needed(name, demos)]


def needed(script, demos):
    """Whether a page with these demos loads the script: of the scenes, its own."""
    folder, _, file = script.rpartition("/")
    return folder != "scenes" or file.removesuffix(".js") in demos


def setup(app):
    app.add_config_value("demo_style", "", "html", str)
    app.add_config_value("demo_scripts", [], "html", list)
    app.connect("html-page-context", touch, priority=900)  # after the theme
