"""The configuration of the web edition for Sphinx; `tools/site.py` writes its sources and calls it."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

project = "Classifier-free guidance"
html_title = project
extensions = ["myst_parser", "formulas", "finish"]
extensions += sorted(path.stem for path in HERE.glob("language_*.py"))  # what the search of a language needs
templates_path = [str(HERE / "templates")]

myst_enable_extensions = ["dollarmath"]
myst_dmath_allow_labels = False
myst_dmath_double_inline = False
myst_heading_anchors = 3
smartquotes = False
html_math_renderer = "katex"
nitpicky = True
highlight_language = "none"

html_theme = "furo"
html_static_path = [str(HERE / "_static")]
html_css_files = ["katex/katex.min.css", "course.css"]
html_js_files = [("course.js", {"defer": "defer"})]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_permalinks_icon = "#"
html_use_index = False
html_domain_indices = False
html_last_updated_fmt = None
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
html_theme_options = {
    "top_of_page_buttons": [],
    "light_css_variables": {"color-brand-primary": "#1a5fa8", "color-brand-content": "#1a5fa8"},
    "dark_css_variables": {"color-brand-primary": "#7fb8f5", "color-brand-content": "#7fb8f5"},
}
