"""Exercises whose answer is one choice for each of several things."""

from collections.abc import Mapping, Sequence

from cfgedu.checks import Exercise, Unfit, Verdict, unanswered
from cfgedu.checks.said import mistaken, not_yet, right
from cfgedu.language import phrase


def of_choices(
    name: str, truth: Mapping[str, str], choices: Sequence[str], hints: Mapping[tuple[str, str], str]
) -> Exercise:
    """The answer is a dictionary {thing: choice}, as `truth` is; capital letters do not matter.

    hints: {(thing, wrong choice): what speaks against it}. A wrong answer is told how many choices are right, and the
    hint on the first that is not.
    """

    said = "{thing} is not {choice}: {hint}"
    sentences = {
        (thing, choice): phrase(said, thing=repr(thing), choice=repr(choice), hint=phrase(hint))
        for (thing, choice), hint in hints.items()
    }

    def judge(answer) -> Verdict:
        if not isinstance(answer, dict) or answer.keys() != truth.keys():
            asked = "a dictionary is asked for, with a choice for each of {things}"
            raise Unfit(phrase(asked, things=listed(truth)))
        if any(unanswered(choice) for choice in answer.values()):
            return not_yet(name)
        chosen = {thing: str(answer[thing]).strip().casefold() for thing in truth}
        for thing, choice in chosen.items():
            if choice not in choices:
                among = "{thing}: a choice is one of {choices}, got {got}"
                raise Unfit(phrase(among, thing=repr(thing), choices=listed(choices), got=repr(answer[thing])))
        missed = [(thing, choice) for thing, choice in chosen.items() if choice != truth[thing]]
        if missed:
            found = phrase("{count} of {all} are right", count=len(truth) - len(missed), all=len(truth))
            raise Unfit(f"{found}\n  {mistaken(sentences[missed[0]])}")
        return right(name)

    return Exercise(
        name=name,
        right=(truth, dict(reversed(truth.items())), {thing: f" {choice.upper()}" for thing, choice in truth.items()}),
        wrong={sentence: truth | {thing: choice} for (thing, choice), sentence in sentences.items()},
        judge=judge,
    )


def listed(words) -> str:
    return ", ".join(map(repr, words))
