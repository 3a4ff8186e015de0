"""What a translated cell must share with its English: formulas, code, links, numbers, headings, lists, tables.

`differences(english, translated)` says in one line each what does not agree. Sense and order are for readers.
"""

import re
from collections import Counter
from itertools import pairwise

FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
DISPLAY = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
INLINE = re.compile(r"(?<![\\$])\$(?!\s)([^$]+?)(?<!\s)\$(?!\$)")
LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)")
AUTOLINK = re.compile(r"<(https?://[^>\s]+)>")
HEADING = re.compile(r"^(#{1,6}) +(\d+(?:\.|\b))?", re.MULTILINE)
ITEM = re.compile(r"^ *(?:[-*+]|\d+\.) +", re.MULTILINE)
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)*")


def taken(pattern, text, group, fill):
    """(the pattern's group at each place, the text with `fill` in their place)"""
    return [match[group] for match in pattern.finditer(text)], pattern.sub(fill, text)


def parts(text):
    """{"kind": what the text holds of it}, and the prose that is left, with a sign for each formula and code span."""
    fences, text = taken(FENCE, text, 0, "\n")
    codes, text = taken(CODE, text, 2, "`")
    displays, text = taken(DISPLAY, text, 1, "\n@\n")
    inlines, text = taken(INLINE, text, 1, "@")
    links, text = taken(LINK, text, 1, "]")
    autolinks, text = taken(AUTOLINK, text, 1, "")
    bare = lambda formulas: ["".join(formula.split()) for formula in formulas]
    return {
        "code block": fences,
        "code span": codes,
        "displayed formula": bare(displays),
        "formula": bare(inlines),
        "link": links + autolinks,
    }, text


def columns(text):
    """The number of columns of each row of a table."""
    rows = [line.strip() for line in text.splitlines() if line.strip().startswith("|")]
    return [len(re.findall(r"(?<!\\)\|", row)) - 1 for row in rows]


def quotes(text):
    """How many quoted blocks there are."""
    lines = ["", *text.splitlines()]
    return sum(line.startswith(">") and not before.startswith(">") for before, line in pairwise(lines))


def numbers(text):
    return Counter(number.replace(",", "").rstrip(".") for number in NUMBER.findall(text))


def unclosed_bold(prose):
    """The places where ** stays a pair of stars, by CommonMark's rule on what it stands between.

    A closing ** that follows a punctuation mark, a formula or code must be followed by a blank or another mark.
    """
    found, opened = [], []
    for match in re.finditer(r"(?<![*\\])\*\*(?!\*)", prose):
        before, after = prose[match.start() - 1 : match.start()] or " ", prose[match.end() : match.end() + 1] or " "
        mark = lambda sign: not sign.isalnum() and not sign.isspace()
        opens = not after.isspace() and (not mark(after) or before.isspace() or mark(before))
        closes = not before.isspace() and (not mark(before) or after.isspace() or mark(after))
        if closes and opened:
            opened.pop()
        elif opens:
            opened.append(match.start())
        else:
            found.append(match.start())
    return [prose[max(0, place - 12) : place + 14].replace("\n", " ") for place in found + opened]


def differences(english, translated):
    (ours, prose), (theirs, other) = parts(english), parts(translated)
    found = []
    for kind in ours:
        lacking, extra = Counter(ours[kind]) - Counter(theirs[kind]), Counter(theirs[kind]) - Counter(ours[kind])
        found += [f"lacks the {kind} {what[:80]}" for what in lacking]
        found += [f"has a {kind} that the English has not: {what[:80]}" for what in extra]
    headings = [HEADING.findall(text) for text in (prose, other)]
    if headings[0] != headings[1]:
        told = [", ".join(f"{level} {number}".strip() for level, number in each) or "none" for each in headings]
        found.append(f"headings: {told[1]} instead of {told[0]}")
    for kind, count in {"items of lists": lambda text: len(ITEM.findall(text)), "quoted blocks": quotes}.items():
        if count(prose) != count(other):
            found.append(f"{kind}: {count(other)} instead of {count(prose)}")
    if columns(prose) != columns(other):
        found.append(f"columns of the tables' rows: {columns(other)} instead of {columns(prose)}")
    lost = numbers(prose) - numbers(other)
    if lost:
        found.append(f"lacks the numbers {', '.join(sorted(lost))}")
    found += [f"bold does not close: {place}" for place in unclosed_bold(other)]
    return found
