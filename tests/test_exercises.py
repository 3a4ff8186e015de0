"""Every exercise and prediction: right forms pass, each wrong answer gets its own sentence, nothing raises."""

import importlib
import pkgutil

import pytest
import torch

import cfgedu.exercises
from cfgedu.checks import Exercise, Guess

MODULES = [m.name for m in pkgutil.iter_modules(cfgedu.exercises.__path__) if m.name[1:].isdigit()]  # n00, n01, ...


def checks_of(module: str, kind: type = object) -> list[tuple]:
    """(module, name, check) of what the module calls check_..., of one kind."""
    found = vars(importlib.import_module(f"cfgedu.exercises.{module}")).items()
    return [(module, name, it) for name, it in found if name.startswith("check_") and isinstance(it, kind)]


def all_of(kind: type) -> list:
    found = [case for module in MODULES for case in checks_of(module, kind)]
    return [pytest.param(check, id=f"{module}-{name}") for module, name, check in found]


EXERCISES, GUESSES = all_of(Exercise), all_of(Guess)
every_exercise = pytest.mark.parametrize("exercise", EXERCISES)
every_guess = pytest.mark.parametrize("guess", GUESSES)


def said(capsys, check, answer, **rules) -> tuple[bool, str]:
    verdict = check(answer, **rules)
    return bool(verdict), capsys.readouterr().out


def of_functions(exercise) -> bool:
    return callable(exercise.right[0])


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_two_to_four_exercises_and_a_prediction_and_no_other_check(module):
    exercises, guesses = checks_of(module, Exercise), checks_of(module, Guess)
    assert 2 <= len(exercises) <= 4
    assert guesses
    assert all(name.startswith("check_guess_") for _, name, _ in guesses)
    assert len(exercises) + len(guesses) == len(checks_of(module))


# ---------------------------------------------------------------- exercises


@every_exercise
def test_right_answers_pass_in_every_form(capsys, exercise):
    assert len(exercise.right) >= (3 if exercise.inputs else 1)
    for answer in exercise.right:
        verdict, out = said(capsys, exercise, answer)
        assert verdict, out
        assert "✓" in out
        assert "✗" not in out


@every_exercise
def test_each_wrong_answer_gets_its_own_sentence(capsys, exercise):
    assert len(exercise.wrong) >= 6
    for sentence, answer in exercise.wrong.items():
        verdict, out = said(capsys, exercise, answer)
        assert not verdict, sentence
        assert "✗" in out
        assert sentence in out, (sentence, out)


@every_exercise
@pytest.mark.parametrize("nothing", [None, ..., [..., 1.0], lambda *arguments: None], ids=["None", "...", "[...]", "f"])
def test_no_answer_yet(capsys, exercise, nothing):
    if callable(nothing) and not of_functions(exercise):
        pytest.skip("a value is asked for")
    verdict, out = said(capsys, exercise, nothing)
    assert not verdict
    assert "no answer yet" in out


def failing(*arguments):
    raise ArithmeticError("on purpose")


@every_exercise
@pytest.mark.parametrize(
    "strange", ["text", b"", {}, {1.0}, object(), 1j, [], [[1.0], [1.0, 2.0]], float("nan"), failing]
)
@pytest.mark.parametrize("returned", [False, True])
def test_no_answer_makes_a_check_raise(capsys, exercise, strange, returned):
    verdict, out = said(capsys, exercise, (lambda *arguments: strange) if returned else strange)
    assert not verdict
    assert "✗" in out


@every_exercise
def test_a_number_is_shown_only_on_request(capsys, exercise):
    if exercise.inputs or exercise.judge:
        pytest.skip("shows what came beside what was expected")
    wrong = next(iter(exercise.wrong.values()))
    assert "expected" not in said(capsys, exercise, wrong)[1]
    assert "expected" in said(capsys, exercise, wrong, reveal=True)[1]


@every_exercise
def test_inputs_tell_an_answer_that_ignores_them_from_a_right_one(capsys, exercise):
    """At two inputs or more; each argument that is a number changes from input to input; no constant passes."""
    if not exercise.inputs:
        pytest.skip("no inputs")
    inputs = exercise.inputs()
    assert len(inputs) >= 2
    for given in zip(*inputs.values(), strict=True):
        if all(isinstance(one, int | float) or (isinstance(one, torch.Tensor) and one.ndim == 0) for one in given):
            assert len({float(one) for one in given}) > 1
    for given in inputs.values():
        constant = exercise.right[0](*given)
        assert not said(capsys, exercise, lambda *arguments, it=constant: it)[0]


@every_exercise
def test_inputs_are_the_same_each_time(exercise):
    if not exercise.inputs:
        pytest.skip("no inputs")
    for one, other in zip(exercise.inputs().values(), exercise.inputs().values(), strict=True):
        for a, b in zip(one, other, strict=True):
            assert not isinstance(a, torch.Tensor) or torch.equal(a, b)


# ---------------------------------------------------------------- predictions


@every_guess
def test_a_guess_not_made_says_so(capsys, guess):
    for nothing in (None, ...):
        verdict, out = said(capsys, guess, nothing)
        assert not verdict
        assert "no guess yet" in out


@every_guess
def test_a_good_guess_and_a_bad_one(capsys, guess):
    verdict, out = said(capsys, guess, guess.right)
    assert verdict
    assert out.startswith("✓")
    assert guess.why in out
    if guess.choices:
        assert guess.right in guess.choices
        assert len(guess.choices) >= 2
        bad = {choice: words for choice, words in guess.choices.items() if choice != guess.right}
        assert all(bad.values())
    else:
        assert guess.near > 0
        bad = {guess.right + 1.01 * guess.near: "", guess.right - 1.01 * guess.near: ""}
        assert said(capsys, guess, guess.right - 0.99 * guess.near)[0]
    for value, words in bad.items():
        verdict, out = said(capsys, guess, value)
        assert not verdict
        assert out.startswith("✗")
        assert words in out
        assert guess.why in out


@every_guess
def test_what_is_no_guess_is_named(capsys, guess):
    for strange in (object(), [], 1j, "neither of them", [1.0, 2.0]):
        verdict, out = said(capsys, guess, strange)
        assert not verdict
        assert "a guess is one" in out
