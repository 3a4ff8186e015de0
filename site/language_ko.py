"""A Sphinx extension for pages in Korean: a search that knows particles, and brackets that keep theirs.

Korean joins particles to the word before them: 규칙을, 규칙은 and 규칙 are one noun.
"""

import re

from docutils import nodes
from sphinx.search import SearchLanguage
from sphinx.transforms.post_transforms import SphinxPostTransform

PARTICLES = "은 는 이 가 을 를 과 와 의 에 도 만 로 으로 에서 에게 에는 에도 까지 부터 보다 처럼 마다 조차 뿐 나 이나"
PARTICLES += " 고 이고 며 이며 라 이라 란 이란 라는 이라는 라고 이라고 면 이면 다 이다 자 이자 입니다 입니까"
PARTICLES += " 지만 이지만 므로 이므로 인데 여야 이어야 든 이든"
ENDINGS = "|".join(sorted(PARTICLES.split(), key=len, reverse=True))
# The shortest beginning, of two signs or of anything but Hangul, after which particles alone are left.
STEM = rf"^([^가-힣]+|.{{2,}}?)(?:{ENDINGS})+$"

JOINER = "\u2060"  # takes no room, and no line breaks at it
# Behind these signs a line may break in front of Hangul, where `word-break: keep-all` would not let it between letters.
LOOSE = re.compile(r"(?<=[)\]}%.…])(?=[가-힣])")


class Korean(SearchLanguage):
    """Words without their particles, in the index and in what is asked for."""

    lang = "ko"
    language_name = "Korean"
    js_stemmer_code = f"var Stemmer = function () {{ this.stemWord = (word) => word.replace(/{STEM}/, '$1'); }};"

    def stem(self, word):
        return re.sub(STEM, r"\1", word.lower())


class Joined(SphinxPostTransform):
    """What ends in a bracket or a sign stays on one line with the particle that is joined to it."""

    default_priority = 910  # formulas have theirs already

    def run(self, **_):
        for paragraph in list(self.document.findall(nodes.TextElement)):
            if isinstance(paragraph, nodes.Inline | nodes.FixedTextElement):
                continue
            before = ""  # the sign right in front of the text
            for leaf in list(paragraph.findall(nodes.Text)):
                joined = LOOSE.sub(JOINER, before + leaf)[len(before) :]
                if joined != leaf and not isinstance(leaf.parent, nodes.literal | nodes.math):
                    leaf.parent.replace(leaf, nodes.Text(joined))
                before = leaf[-1:]


def setup(app):
    app.add_search_language(Korean)
    app.add_post_transform(Joined)
