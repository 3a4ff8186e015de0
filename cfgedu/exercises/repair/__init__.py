"""The capstone's patient: a small CFG in one file (`reference`), the bugs planted in it (`bugs`), and both together."""

import inspect
from collections.abc import Iterable
from functools import cache
from types import SimpleNamespace

from cfgedu.exercises.repair import reference
from cfgedu.exercises.repair.bugs import BUGS, EVERY, SPARES, Bug

__all__ = ["BUGS", "EVERY", "SPARES", "Bug", "code_with", "planted", "trained"]


def planted(bugs: Iterable[Bug]) -> str:
    """The file with these bugs in it, as text. Raises ValueError where a bug finds no place, or two share one."""
    text = inspect.getsource(reference)
    for bug in bugs:
        if text.count(bug.right) != 1:
            raise ValueError(f"the bug {bug.name!r} must find its place once, found {text.count(bug.right)} times")
        text = text.replace(bug.right, bug.wrong)
    return text


def made(text: str) -> dict:
    """What the file defines."""
    names = {}
    exec(compile(text, "<the file>", "exec"), names)
    return names


@cache
def trained(text: str, seed: int = 0):
    """The network of the part of a file that training depends on."""
    return made(text)["train"](seed=seed)


def code_with(bugs: Iterable[Bug] = (), seed: int = 0) -> SimpleNamespace:
    """The file with these bugs as the lights want it; its network trains when it is first asked.

    Files that are alike up to `guided` share one network.
    """
    text = planted(bugs)
    part, names = text.split("def guided")[0], made(text)
    parts = {name: names[name] for name in ("drop_labels", "loss", "guided", "sample", "K")}
    return SimpleNamespace(**parts, schedule=names["alpha_bar"], model=lambda x, t, y: trained(part, seed)(x, t, y))
