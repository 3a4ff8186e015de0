"""What all of `course.py bench` shares: rounds that alternate, medians with their quartiles, and tables.

Work is timed by the processor's clock: the bench has one thread, so on a quiet machine that is the clock on the wall,
and on a busy one it leaves out the time in which other programs have the core.
"""

import statistics
import time


def seconds(work, *arguments):
    began = time.process_time()
    work(*arguments)
    return time.process_time() - began


def alternating(rounds, works):
    """{name: [seconds of every round]} of {name: work}, after one round to warm up.

    The works take turns, each round begins with another, so that what else the machine does disturbs all of them.
    """
    names = list(works)
    for work in works.values():
        work()
    times = {name: [] for name in names}
    for k in range(rounds):
        first = k % len(names)
        for name in names[first:] + names[:first]:
            times[name].append(seconds(works[name]))
    return times


def ratios(times, over):
    """Each round's seconds over those of the same round of another work."""
    return [a / b for a, b in zip(times, over, strict=True)]


def quartiles(values):
    """(lower quartile, median, upper quartile); of one value, that value thrice."""
    return tuple(statistics.quantiles(values, n=4, method="inclusive")) if len(values) > 1 else (values[0],) * 3


def spread(values, digits=2):
    """A median with its quartiles, as a table shows it."""
    low, middle, high = quartiles(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def table(head, rows):
    """The lines of a Markdown table that is easy to read in a terminal too: the first column to the left."""
    rows = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| "
        + " | ".join(f"{cell:{'>' if k else '<'}{width}}" for k, (cell, width) in enumerate(zip(row, widths)))
        + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 1) + (":" if k else "-") for k, width in enumerate(widths)) + "|"
    return [lines[0], rule, *lines[1:]]
