"""Calling a learner's function: with copies of its arguments, and with words for what it raises."""

import copy
import linecache
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from cfgedu.checks.answers import Numbers, Unfit, numbers
from cfgedu.checks.said import LONGEST
from cfgedu.language import phrase, translated

NOT_THE_LEARNERS = (str(Path(__file__).parents[1]), *map(sysconfig.get_path, ("stdlib", "purelib", "platlib")))
HINTS = {  # part of an error's message: what helps
    "object has no attribute 'sqrt'": "a float has no .sqrt(); `** 0.5` is a root of floats and tensors alike",
    "must be Tensor, not float": "torch.sqrt and its like take tensors; `** 0.5` takes floats and tensors alike",
    "Boolean value of Tensor with more than one value": "the arguments are tensors of many numbers, so `if` cannot "
    "choose for all of them at once: write the formula without it, or use torch.where",
    "math domain error": "look for the root of a negative number, or the log of 0",
    "must match the size of tensor": "one number for each row, (B,), multiplies rows (B, 2) as `p[:, None]`",
    "grad can be implicitly created only": "take the gradient of the sum: each term depends on its own row alone",
    "does not require grad": "start from `x.clone().requires_grad_()`, and compute everything from that",
    "positional argument": "the function is called with the arguments that the exercise names, in their order",
    "is not defined": "define it in this cell, or run the cell that does",
    "Expected all tensors to be on the same device": "make new tensors on the device of the arguments",
}


def call(function: Callable, *arguments):
    """function(*arguments) with copies of the arguments. What it raises becomes Unfit, with the learner's own line."""
    try:
        value = function(*map(copied, arguments))
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if not frame.filename.startswith(NOT_THE_LEARNERS)]
        line = linecache.getline(own[-1].filename, own[-1].lineno).strip() if own else ""
        what = f"{type(error).__name__}: {str(error)[:LONGEST]}"
        if line:
            raised = 'your function raised {what}, in line {number}, "{line}"'
            text = phrase(raised, what=what, number=own[-1].lineno, line=line)
        else:
            text = phrase("your function raised {what}", what=what)
        hint = next((hint for part, hint in HINTS.items() if part in str(error)), "")
        raise Unfit(f"{text}\n  {phrase('Hint: {hint}.', hint=phrase(hint))}" if hint else text) from error
    if isinstance(value, Iterator):
        said = "your function returned a generator, which yields one value after the other: return one answer"
        raise Unfit(phrase(said))
    return value


def call_everywhere(function: Callable, inputs: Mapping[str, tuple]) -> dict:
    """{place: what it returns there}. Where it fails at one place and not at those before, the place is named."""
    returned = {}
    for place, given in inputs.items():
        try:
            returned[place] = call(function, *given)
        except Unfit as unfit:
            where = f"{translated(place)}: " if returned and place else ""
            raise Unfit(f"{where}{unfit}") from unfit
    return returned


def copied(argument):
    if isinstance(argument, torch.Generator):
        twin = torch.Generator(argument.device)
        twin.set_state(argument.get_state())
        return twin
    return argument.detach().clone() if isinstance(argument, Tensor) else copy.deepcopy(argument)


def outcome(function: Callable, arguments: tuple) -> Numbers | None:
    """The numbers of a known wrong function, None where it fails at this input."""
    try:
        return numbers(call(function, *arguments))
    except Unfit:
        return None
