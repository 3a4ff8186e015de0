"""What a check says: passed, the likely mistake, no answer yet, or what cannot be an answer. It never raises.

A claim prints a tick with its numbers, or raises.
"""

import io
import re
import sys

import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from cfgedu.checks import Exercise, Guess, call, check, claim
from cfgedu.protocol import seeded


def said(capsys, got, expected, **rules):
    check("it", got, expected, **rules)
    return capsys.readouterr().out


@pytest.mark.parametrize(("got", "expected"), [(2.0, 2), (True, True), ([1, 2.0], torch.tensor([1.0, 2.0]))])
def test_a_right_answer(capsys, got, expected):
    assert said(capsys, got, expected) == "✓ it\n"


@pytest.mark.parametrize("got", [None, ..., [..., ..., ...], [1.0, None], (torch.ones(2), ...)])
def test_a_placeholder_is_no_answer_yet(capsys, got):
    assert "no answer yet" in said(capsys, got, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("got", ["two", {"r": 2.0}, len, b"2", torch, 2 + 1j, [1j], np.array(["a"]), object(), 10**400])
def test_what_cannot_be_an_answer_is_named(capsys, got):
    out = said(capsys, got, 2.0)
    assert "is asked for, got a" in out or "complex" in out
    assert "✗ it" in out


class Broken:
    def __array__(self, *arguments, **rules):
        raise KeyError("no")


LOOP = [1.0]
LOOP.append(LOOP)


@pytest.mark.parametrize("got", [Broken(), LOOP, torch.ones(2, device="meta"), [10**400, 1]])
def test_a_check_never_raises(capsys, got):
    assert "✗ it" in said(capsys, got, [1.0, 2.0])


def test_a_sparse_tensor_is_read(capsys):
    assert said(capsys, torch.tensor([0.0, 2.0]).to_sparse(), [0.0, 2.0]) == "✓ it\n"


def test_a_wrong_number_of_values_is_named(capsys):
    assert "One value is asked for, got 2." in said(capsys, [[1.0], [1.0, 2.0]], 2.0)
    assert "2 values are asked for, got 3." in said(capsys, ([1], [1, 2], 3), ([1], [1, 2]))
    assert "2 numbers are asked for, got 1." in said(capsys, [1.0], torch.tensor([1.0, -2.0]))


FORMS = {
    "floats": [0.1, 1 / 3, -7.0],
    "a tuple": (0.1, 1 / 3, -7.0),
    "an array": np.array([0.1, 1 / 3, -7.0]),
    "a reversed array": np.array([-7.0, 1 / 3, 0.1])[::-1],
    "every second of an array": np.array([0.1, 9, 1 / 3, 9, -7.0])[::2],
    "a tensor": torch.tensor([0.1, 1 / 3, -7.0], dtype=torch.float64),
    "a tensor with a graph": torch.tensor([0.1, 1 / 3, -7.0], dtype=torch.float64, requires_grad=True),
    "0-d tensors": [torch.tensor(v, dtype=torch.float64) for v in (0.1, 1 / 3, -7.0)],
    "0-d arrays": [np.float64(0.1), np.array(1 / 3), -7.0],
}


@pytest.mark.parametrize("got", FORMS.values(), ids=FORMS)
def test_numbers_are_compared_in_float64_whatever_they_came_as(capsys, got):
    assert said(capsys, got, [0.1, 1 / 3, -7.0], atol=1e-15) == "✓ it\n"
    assert "✗" in said(capsys, got, [0.1 + 1e-12, 1 / 3, -7.0], atol=1e-15)


@pytest.mark.parametrize("got", [[2.0], np.array([2]), torch.tensor([[2.0]])])
def test_one_number_is_one_number_also_in_a_list(capsys, got):
    assert said(capsys, got, 2.0) == "✓ it\n"
    assert "too small" in said(capsys, got, 3.0)
    assert "✗" in said(capsys, [2.0, 2.0], 2.0)


def test_lists_of_arrays_and_parts_of_different_shapes(capsys):
    rows = [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])]
    assert said(capsys, rows, torch.tensor([[1.0, 2.0], [3.0, 4.0]])) == "✓ it\n"
    assert said(capsys, (np.ones(3), 2), (torch.ones(3), 2.0)) == "✓ it\n"
    assert "The shapes differ" in said(capsys, (np.ones(2), 2), (torch.ones(3), 2.0))


def test_a_number_is_not_given_away_before_it_is_asked_for(capsys):
    out = said(capsys, 3.0, 0.25)
    assert "got 3" in out
    assert "The number is too large." in out
    assert "0.25" not in out
    assert "reveal=True" in out
    assert "expected 0.25; got 3" in said(capsys, 3.0, 0.25, reveal=True)
    assert "True" not in said(capsys, False, True).replace("reveal=True", "")


def test_arrays_are_shown_beside_a_wrong_one(capsys):
    assert "expected (2,) [1, 2]; got (3,) [0, 0, 0]" in said(capsys, torch.zeros(3), [1.0, 2.0])


def test_of_truth_values_it_says_how_many_differ(capsys):
    mask = torch.tensor([True, False, True, True])
    assert "1 of 4 differ." in said(capsys, [True, False, False, True], mask)
    assert "3 of 4 differ." in said(capsys, torch.zeros(4), mask)


def test_the_diagnosis(capsys):
    expected = torch.tensor([1.0, -2.0])
    assert "Likely mistake: the root is missing." in said(
        capsys, [1, 4], expected, mistakes={"the root is missing": [1, 4]}
    )
    assert "The shapes differ" in said(capsys, [1.0], expected)
    assert "NaN" in said(capsys, [float("nan"), 1.0], expected)
    assert "the sign is the wrong way round" in said(capsys, -expected, expected)
    assert "a constant factor of 3" in said(capsys, 3 * expected, expected)
    assert "factor" not in said(capsys, expected * (1 + 2e-5), expected)  # rounded, the factor is 1
    assert "The largest difference is 2." in said(capsys, [1.0, 0.0], expected)
    assert "whole trajectory" in said(capsys, [[0.0, 0.0], [1.0, -2.0]], expected)


@pytest.mark.parametrize("got", [421.0, torch.tensor([421.0]), [840]])
def test_one_number_is_never_right_up_to_a_factor(capsys, got):
    assert "factor" not in said(capsys, got, torch.as_tensor(got) * 0 + 420)


def test_a_long_answer_is_cut(capsys):
    out = said(capsys, "x" * 5000, 1.0)
    assert len(out) < 400


class Unshowable:
    def __repr__(self):
        raise RuntimeError("no")


def test_an_answer_that_cannot_show_itself(capsys):
    assert "cannot be shown (RuntimeError)" in said(capsys, Unshowable(), 1.0)


@pytest.mark.parametrize("encoding", ["cp1252", "cp949", "ascii"])
def test_a_console_without_the_signs_gets_plain_letters(monkeypatch, encoding):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    check("größer als 0", 1, 1)
    check("it", 2, 1)
    check("it", None, 1)
    claim("so", True)
    sys.stdout.flush()
    lines = raw.getvalue().decode(encoding).splitlines()
    signs = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert signs in (["OK", "NO", "-", "OK"], ["OK", "NO", "·", "OK"])  # cp1252 has the dot


def test_verdicts_count():
    good, bad, none = check("it", 1, 1), check("it", 2, 1), check("it", None, 1)
    assert good
    assert not bad
    assert not none
    assert good + bad + none == 1


def test_a_verdict_as_the_last_value_of_a_cell_shows_nothing():
    cell = new_code_cell("from cfgedu.checks import check\ncheck('it', 1, 1)")
    NotebookClient(new_notebook(cells=[cell]), kernel_name="python3").execute()
    assert [output.output_type for output in cell.outputs] == ["stream"]
    assert cell.outputs[0].text == "✓ it\n"


# ---- exercises ----

RAMP = torch.linspace(-2, 2, 6, dtype=torch.float64)
HALF = Exercise(
    name="half of x, plus a",
    right=(lambda x, a: x / 2 + a, lambda x, a: (x.numpy() + 2 * a) / 2, lambda x, a: [v / 2 + a for v in x.tolist()]),
    wrong={
        "a is forgotten": lambda x, a: x / 2,
        "x is doubled, not halved": lambda x, a: 2 * x + a,
        "x is forgotten": lambda x, a: a,
        "it fails where a is negative": lambda x, a: x / 2 + a if a >= 0 else 1 / 0,
        "there is a threshold at 0": lambda x, a: x / 2 + max(a, 0),
    },
    inputs=lambda: {"at a = 0": (RAMP, 0.0), "at a = 1": (RAMP, 1.0), "at a = -1": (RAMP, -1.0)},
)
NUMBER = Exercise(
    name="the number", right=(420.0, 420, [420.0][0]), wrong={"one too many": 421.0, "a list": [420.0, 1.0]}
)


def tried(capsys, exercise, *answer, **rules):
    verdict = exercise(*answer, **rules)
    return verdict, capsys.readouterr().out


@pytest.mark.parametrize("exercise", [HALF, NUMBER], ids=["function", "value"])
def test_every_right_form_passes_and_every_wrong_one_gets_its_sentence(capsys, exercise):
    for form in exercise.right:
        assert tried(capsys, exercise, form) == (True, f"✓ {exercise.name}\n")
    for sentence, form in exercise.wrong.items():
        verdict, out = tried(capsys, exercise, form)
        assert not verdict
        assert f"Likely mistake: {sentence}." in out or "fails" in sentence


def test_the_first_input_that_tells_them_apart_is_named(capsys):
    assert "at a = 1: expected (6,)" in tried(capsys, HALF, lambda x, a: x / 2 + a**2 * 0)[1]
    assert "at a = -1: expected (6,)" in tried(capsys, HALF, HALF.wrong["there is a threshold at 0"])[1]


def test_a_factor_is_said_only_if_it_is_the_same_at_every_input(capsys):
    assert "constant factor of 3" in tried(capsys, HALF, lambda x, a: 3 * (x / 2 + a))[1]
    assert "factor" not in tried(capsys, HALF, lambda x, a: (3 + a) * (x / 2 + a))[1]


def test_writing_in_place_neither_passes_a_wrong_answer_nor_fails_a_right_one(capsys):
    def in_place(x, a):
        x /= 2
        x += a
        return x

    def cheat(x, a):
        return x.zero_()

    assert tried(capsys, HALF, in_place)[0]
    assert not tried(capsys, HALF, cheat)[0]
    assert torch.equal(RAMP, torch.linspace(-2, 2, 6, dtype=torch.float64))


def test_where_it_fails_after_inputs_that_went_well_the_place_is_named(capsys):
    places = list(HALF.inputs())

    def fails_later(x, a):
        if a:
            raise ArithmeticError("on purpose")
        return x

    def fails_always(x, a):
        raise ArithmeticError("on purpose")

    first = next(place for place, (_, a) in HALF.inputs().items() if a)
    assert f"{first}: your function raised ArithmeticError" in tried(capsys, HALF, fails_later)[1]
    assert not any(f"{place}: your function" in tried(capsys, HALF, fails_always)[1] for place in places)


def test_an_answer_that_draws_random_numbers_is_told_so(capsys):
    said_twice = "gives two answers"
    assert said_twice in tried(capsys, HALF, lambda x, a: torch.rand_like(x))[1]
    assert said_twice in tried(capsys, HALF, lambda x, a: x + np.random.default_rng().random())[1]
    assert said_twice not in tried(capsys, HALF, lambda x, a: torch.rand(x.shape, generator=seeded(0)))[1]
    assert said_twice not in tried(capsys, HALF, lambda x, a: x * float("nan"))[1]


def test_what_the_learners_function_raises_is_a_cross_with_their_line(capsys):
    def mine(x, a):
        return x / 2 + (a * 1.0).sqrt()

    verdict, out = tried(capsys, HALF, mine)
    assert not verdict
    assert "your function raised AttributeError" in out
    assert "return x / 2 + (a * 1.0).sqrt()" in out
    assert "`** 0.5` is a root of floats and tensors alike" in out


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: x, "raised TypeError: .*positional argument"),
        (lambda x, a: x if x > 0 else a, "Boolean value of Tensor.*torch.where"),
        (lambda x, a: eval("no_such_name") + x, "NameError.*is not defined"),
        (lambda x, a: (x for _ in range(3)), "returned a generator"),
        (lambda x, a: torch.stack([x, x, x / 2 + a]), "whole trajectory"),
        (lambda x, a: (x, a), "One value is asked for, got 2|The shapes differ"),
        (lambda x, a: {"x": x}, "got a dict"),
        (lambda x, a: x[:3], "6 numbers are asked for, got 3"),
        (lambda x, a: x + 1j, "complex"),
        (3.0, "a function is asked for, got 3.0"),
    ],
)
def test_an_answer_that_does_not_fit_gets_a_sentence(capsys, answer, words):
    verdict, out = tried(capsys, HALF, answer)
    assert not verdict
    assert re.search(words, out, re.DOTALL), out


@pytest.mark.parametrize("answer", [(), (None,), (...,), (lambda x, a: None,), (lambda x, a: ...,)])
def test_no_answer_yet(capsys, answer):
    for exercise in (HALF, NUMBER):
        if answer and callable(answer[0]) and exercise is NUMBER:
            continue
        verdict, out = tried(capsys, exercise, *answer)
        assert not verdict
        assert "no answer yet" in out


def test_a_value_is_shown_only_when_asked_for(capsys):
    assert "420" not in tried(capsys, NUMBER, 17.0)[1]
    assert "expected 420; got 17" in tried(capsys, NUMBER, 17.0, reveal=True)[1]


def test_a_function_to_truth_values_is_told_how_many_differ(capsys):
    above = Exercise("what is above a", (lambda x, a: x > a,), {}, lambda: {"": (RAMP, 0.0), "at a = 1": (RAMP, 1.0)})
    assert tried(capsys, above, lambda x, a: (x > a).tolist())[0]
    assert "3 of 6 differ." in tried(capsys, above, lambda x, a: x > 9)[1]


def test_a_judge_that_stumbles_over_an_answer_is_not_seen_to(capsys):
    exercise = Exercise("a network", (None,), {}, judge=lambda net: check("its weights", net.weight.mean(), 0.0))
    verdict, out = tried(capsys, exercise, "a text")
    assert not verdict
    assert "'a text' does not have the form that is asked for (AttributeError" in out


def test_a_judge_of_its_own_may_say_unfit(capsys):
    def judge(answer):
        return check("its sum", sum(call(answer, [1, 2])), 3)

    exercise = Exercise(name="a function", right=(list,), wrong={}, judge=judge)
    assert tried(capsys, exercise, lambda values: values) == (True, "✓ its sum\n")
    assert "✗ a function: your function raised ZeroDivisionError" in tried(capsys, exercise, lambda values: 1 / 0)[1]
    assert "no answer yet" in tried(capsys, exercise)[1]


def test_a_generator_is_handed_over_as_a_copy():
    generator = seeded(3)
    first = call(lambda g: torch.rand(4, generator=g), generator)
    assert torch.equal(first, call(lambda g: torch.rand(4, generator=g), generator))


# ---- guesses ----

SHARE = Guess(name="the share", right=0.31, near=0.05, why="Two of three are lost.")
SIDE = Guess(name="the side", right="left", why="It is nearer.", choices={"left": "", "right": "That one is farther."})


@pytest.mark.parametrize(
    ("guess", "answer", "good", "words"),
    [
        (SHARE, 0.28, True, "✓ the share: you guessed 0.28, it is 0.31. Two of three are lost."),
        (SHARE, torch.tensor(0.9), False, "✗ the share: you guessed 0.9, it is 0.31.\n  Two of three are lost."),
        (SHARE, "many", False, "✗ the share: a guess is one number, got 'many'"),
        (SHARE, [0.1, 0.2], False, "a guess is one number"),
        (SIDE, " Left", True, "✓ the side: left. It is nearer."),
        (SIDE, "right", False, "✗ the side: you guessed right, it is left. That one is farther.\n  It is nearer."),
        (SIDE, 3, False, "a guess is one of 'left', 'right', got 3"),
        (SIDE, ..., False, "· the side: no guess yet. The result follows all the same."),
        (SHARE, None, False, "· the share: no guess yet."),
    ],
)
def test_a_guess_is_held_against_the_result(capsys, guess, answer, good, words):
    assert guess(answer) == good
    assert words in capsys.readouterr().out


# ---- claims ----


@pytest.mark.parametrize("truth", [True, np.bool_(True), torch.tensor(True), torch.ones(2).sum() > 1])
def test_a_true_claim_shows_its_numbers(capsys, truth):
    claim("the label plays no part", truth, share=0.09876, of_all=np.float64(2), n=1000, each=torch.tensor([0.5, 2.0]))
    expected = "✓ the label plays no part (share 0.0988, of all 2, n 1000, each 0.5, 2)\n"
    assert capsys.readouterr().out == expected


def test_a_claim_without_numbers_is_the_sentence_alone(capsys):
    claim("it is so", True)
    assert capsys.readouterr().out == "✓ it is so\n"


@pytest.mark.parametrize("truth", [False, np.bool_(False), torch.tensor(False), np.float64("nan") < 1])
def test_a_false_claim_raises_with_its_numbers(capsys, truth):
    with pytest.raises(AssertionError, match=r"✗ it is so \(error 1.23e-05, name two\)"):
        claim("it is so", truth, error=1.23456e-5, name="two")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("truth", [None, 1, "yes", torch.tensor([True, True]), torch.tensor(1), ()])
def test_a_claim_wants_one_truth_value(truth):
    with pytest.raises(TypeError, match="truth must be one truth value"):
        claim("it is so", truth)
