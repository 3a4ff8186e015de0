"""What a learner meets: an `Exercise` looks at an answer, `check` at one value, `claim` says what a cell has shown.

A check says whether the answer is right, what came, and the likely mistake. It prints and returns a verdict; it never
raises, whatever the answer is or does, and never gives a number away at the first wrong try: reveal=True shows it. A
claim is the course's own: it prints a tick with its numbers, and raises where it is false.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cfgedu.checks.answers import (
    Unfit,
    agree,
    described,
    difference,
    factor_in_words,
    is_truth,
    numbers,
    shown,
    unanswered,
)
from cfgedu.checks.calls import call, call_everywhere, outcome
from cfgedu.checks.said import LONGEST, Verdict, mistaken, not_yet, number_in_words, right, say, shortened, wrong
from cfgedu.language import phrase, translated

__all__ = ["Exercise", "Guess", "Unfit", "Verdict", "call", "check", "claim", "unanswered"]


@dataclass(frozen=True)
class Exercise:
    """A check made from one table: right answers, and wrong ones that learners really give, each with its sentence.

    name: what is asked for, as in "✓ the guided prediction". right: right answers; the others are other ways to write
    the first. wrong: {"what you probably did": such an answer}. inputs: where an answer is a function, what makes the
    inputs it is tried at, {"at r = 0": its arguments, ...}; they must tell every wrong function from the right ones.
    Without inputs an answer is a value, and is not shown before reveal=True. An answer is right where it agrees with
    right[0] at every input: |got - expected| <= atol (1 + |expected|).

    judge: a function of its own, judge(answer) -> Verdict, for an answer that no list of inputs can judge, such as a
    random one. It may raise Unfit; `call` hands an answer its arguments.

    The same table is run by the tests: every right answer passes, every wrong one gets its sentence.
    """

    name: str
    right: Sequence
    wrong: Mapping[str, object]
    inputs: Callable[[], Mapping[str, tuple]] | None = None
    atol: float = 1e-6
    judge: Callable[[object], Verdict] | None = None

    def __call__(self, answer=None, *, reveal: bool = False) -> Verdict:
        if unanswered(answer):
            return not_yet(self.name)
        try:
            if self.judge:
                return self.judged(answer)
            if self.inputs is None:
                return compare(self.name, answer, self.right[0], self.atol, self.wrong, reveal, hidden=True)
            return self.compare_everywhere(answer)
        except Unfit as unfit:
            return wrong(self.name, str(unfit))

    def judged(self, answer) -> Verdict:
        try:
            return self.judge(answer)
        except Unfit:
            raise
        except Exception as error:  # an answer may be of any form, and a judge reads what it asked for
            what = f"{type(error).__name__}: {str(error)[:LONGEST]}"
            form = phrase(
                "{answer} does not have the form that is asked for ({what})", answer=shortened(answer), what=what
            )
            raise Unfit(form) from error

    def compare_everywhere(self, answer) -> Verdict:
        """The verdict on a function: the expected values are formed first, and all calls get copies of the inputs."""
        inputs = self.inputs()
        wanted = {place: call(self.right[0], *given) for place, given in inputs.items()}
        expected = {place: numbers(value) for place, value in wanted.items()}
        if not callable(answer):
            asked = "a function is asked for, got {answer}: give its name, without a call"
            raise Unfit(phrase(asked, answer=shortened(answer)))
        returned = call_everywhere(answer, inputs)
        if any(unanswered(value) for value in returned.values()):
            return not_yet(self.name)
        got = {place: numbers(value) for place, value in returned.items()}
        places = [place for place in expected if not agree(got[place], expected[place], self.atol)]
        if not places:
            return right(self.name)
        for mistake, function in self.wrong.items():
            values = {place: outcome(function, given) for place, given in inputs.items()}
            if all(value is not None and agree(got[place], value, self.atol) for place, value in values.items()):
                return wrong(self.name, shown(got, expected, places[0]), mistaken(mistake))
        again = numbers(call(answer, *inputs[places[0]]))
        if not agree(again, got[places[0]], self.atol):
            twice = (
                "Called twice with the same input, your function gives two answers: does it draw random numbers, or "
                "keep something from one call to the next?"
            )
            return wrong(self.name, shown(got, expected, places[0]), phrase(twice))
        words = factor_in_words([(got[place], expected[place]) for place in expected], self.atol)
        truths = is_truth(wanted[places[0]])
        words = words or difference(got[places[0]], expected[places[0]], self.atol, truths)
        return wrong(self.name, shown(got, expected, places[0]), words)


@dataclass(frozen=True)
class Guess:
    """A prediction that a learner writes down before a result is shown, held against the result beside it.

    name: what is guessed. right: the number, or the choice, that the notebook finds. near: how far from the number a
    good guess may lie. choices: {choice: one sentence on it}, for a guess among choices; capital letters do not matter.
    why: one sentence on what makes the result what it is. Without a guess it says so, and the notebook goes on.
    """

    name: str
    right: float | str
    why: str
    near: float = 0.0
    choices: Mapping[str, str] | None = None

    def __call__(self, guess=None) -> Verdict:
        if unanswered(guess):
            said = phrase("{name}: no guess yet. The result follows all the same.", name=translated(self.name))
            say(f"· {said}")
            return Verdict(False)
        return self.among_choices(guess) if self.choices else self.of_a_number(guess)

    def among_choices(self, guess) -> Verdict:
        known = {choice.casefold(): choice for choice in self.choices}
        choice = known.get(guess.strip().casefold()) if isinstance(guess, str) else None
        if choice is None:
            choices = ", ".join(map(repr, self.choices))
            said = phrase("a guess is one of {choices}, got {guess}", choices=choices, guess=shortened(guess))
            return wrong(self.name, said)
        if choice == self.right:
            return right(f"{translated(self.name)}: {choice}. {phrase(self.why)}")
        said = phrase("you guessed {guess}, it is {right}.", guess=choice, right=self.right)
        return wrong(self.name, f"{said} {phrase(self.choices[choice])}", self.why)

    def of_a_number(self, guess) -> Verdict:
        try:
            [value] = numbers(guess)
            value = value.item()
        except (Unfit, ValueError, RuntimeError):
            return wrong(self.name, phrase("a guess is one number, got {guess}", guess=shortened(guess)))
        said = phrase("you guessed {guess}, it is {right}.", guess=f"{value:.3g}", right=f"{self.right:.3g}")
        if abs(value - self.right) <= self.near:
            return right(f"{translated(self.name)}: {said} {phrase(self.why)}")
        return wrong(self.name, said, self.why)


def check(
    name: str, got, expected, *, atol: float = 1e-6, mistakes: Mapping[str, object] | None = None, reveal: bool = False
) -> Verdict:
    """Prints one line: passed; or what came and, where `got` equals a known wrong answer, the mistake behind it.

    got, expected: numbers, arrays, tensors, or lists of them, compared in float64; equal where shapes agree and
    |got - expected| <= atol (1 + |expected|). An expected array is shown beside a wrong one; an expected number is not,
    unless reveal=True. mistakes: {"what you probably did": the wrong value it gives}. None or ... for `got` means: not
    answered yet. Returns a verdict, true or false.
    """
    if unanswered(got):
        return not_yet(name)
    try:
        return compare(name, got, expected, atol, mistakes or {}, reveal, hidden=numbers(expected)[0].ndim == 0)
    except Unfit as unfit:
        return wrong(name, str(unfit))


def compare(name, got, expected, atol, mistakes, reveal, hidden) -> Verdict:
    """The verdict on one value."""
    truths = is_truth(expected)
    got, expected = numbers(got), numbers(expected)
    if agree(got, expected, atol):
        return right(name)
    if reveal or not hidden:
        what = shown({"": got}, {"": expected}, "", truths)
    else:
        what = phrase("got {got}", got=described(got, truths))
    for mistake, value in mistakes.items():
        if agree(got, numbers(value), atol):
            return wrong(name, what, mistaken(mistake))
    if hidden and not reveal:
        words = difference(got, expected, atol, truths, hidden=True)
        words = phrase("{difference} (reveal=True shows the answer.)", difference=words)
    else:
        words = factor_in_words([(got, expected)], atol) or difference(got, expected, atol, truths)
    return wrong(name, what, words)


def claim(sentence: str, truth, **found) -> None:
    """Prints "✓ sentence (name 0.31, other name 12)"; raises AssertionError with the same words where `truth` is false.

    truth: a truth value of Python, NumPy or torch. found: the numbers it rests on, underscores in their names shown as
    blanks; floats are printed to three digits, texts as they are. Raises TypeError for a truth that is none.

        claim("at r = 0 the label plays no part", abs(share - 0.1) < 0.03, share_of_the_class_asked_for=share)
    """
    one = isinstance(truth, Tensor) and truth.dtype == torch.bool and truth.ndim == 0
    if not one and not isinstance(truth, bool | np.bool_):
        raise TypeError(f"truth must be one truth value, such as a < b, got {type(truth).__name__} {truth!r}")
    values = {name.replace("_", " "): number_in_words(value) for name, value in found.items()}
    told = ", ".join(phrase(f"{name} {{value}}", value=value) for name, value in values.items())
    told = f"{translated(sentence)} ({told})" if told else translated(sentence)
    if not truth:
        raise AssertionError(f"✗ {told}")
    say(f"✓ {told}")
