"""What is special to the checks of notebook 08: answers of chance, and bugs that counting must be able to find."""

import pytest
import torch
from helpers import wrong_answers

from cfgedu.exercises.n08 import (
    HIDDEN,
    P_DROP,
    WRITTEN_IN,
    check_drop_labels,
    check_which_rate,
    coins,
    dropping,
    suspects,
)
from cfgedu.losses import drop_labels
from cfgedu.protocol import NULL, seeded
from cfgedu.toy import islands


def in_place_on_a_view(y, p, generator):
    new = y[:]
    new[coins(y, p, generator)] = NULL
    return new


def second_batch_fails(y, p, generator):
    if int(torch.randint(100, (1,), generator=generator)) == 7:
        raise ValueError("a rare error")
    return drop_labels(y, p, generator)


WRONG_MASKS = {
    "you wrote into y": in_place_on_a_view,
    "toss new coins in every call": lambda y, p, g: torch.where(torch.arange(len(y)) < p * len(y), NULL, y),
    "one coin for the whole batch": dropping(lambda y, p, g: torch.rand(1, generator=g) > p),
    "0 is a class": dropping(null=0),
    "none left out": lambda y, p, g: y[:2],
    "raised ValueError: a rare error": second_batch_fails,
    "a coin of its own": lambda y, p, g: torch.where(
        torch.arange(len(y)).roll(coins(y, p, g).sum().item()) < 2, NULL, y
    ),
    "✗ the same share at each place": dropping(lambda y, p, g: coins(y, p * (torch.arange(len(y)) % 2 * 0.6 + 0.7), g)),
    "✗ share dropped at p_drop = 0, 0.5, 1": dropping(lambda y, p, g: coins(y, 0.2, g)),
    "what is kept must stay as it was": lambda y, p, g: torch.where(coins(y, p, g), NULL, y + 1),
    "not the share that is kept": lambda y, p, g: torch.where(coins(y, p, g), y, NULL),
    "The number is too small.": dropping(lambda y, p, g: torch.randint(100, y.shape, generator=g) < p),
    "got 0.10285\n  The number is too small.": dropping(lambda y, p, g: coins(y, p / 2, g)),
}

WRONG_RATES = {
    "the share of labels that were kept": lambda loss, cond, un: 1 - (loss - cond) / (un - cond),
    "that is the ratio of two losses": lambda loss, cond, un: loss / un,
    "the loss divided by the conditional floor": lambda loss, cond, un: loss / cond,
    "parentheses are missing: / comes before -": lambda loss, cond, un: loss - (cond / un) - cond,
    "parentheses are missing around loss - floor_cond": lambda loss, cond, un: loss - (cond / (un - cond)),
    "parentheses are missing around floor_un - floor_cond": lambda loss, cond, un: (loss - cond) / un - cond,
    "the floors are added in the denominator": lambda loss, cond, un: (loss - cond) / (cond + un),
}

CASES = wrong_answers((check_drop_labels, WRONG_MASKS), (check_which_rate, WRONG_RATES))


@pytest.mark.parametrize(("check", "sentence", "answer"), CASES)
def test_a_wrong_answer_gets_its_diagnosis(capsys, check, sentence, answer):
    assert not check(answer)
    assert sentence in capsys.readouterr().out


@pytest.mark.parametrize("rate", [0.04, 0.05, 0.1, P_DROP, 0.36, 0.42, 0.5, 0.58, 0.8])
def test_a_rate_that_is_written_in_is_called_so_whatever_it_is(capsys, rate):
    assert not check_drop_labels(dropping(lambda y, p, g: coins(y, rate, g)))
    assert WRITTEN_IN in capsys.readouterr().out


@pytest.mark.parametrize("sides", [2, 5, 10])
def test_a_die_compared_with_p_drop_hears_that_the_share_does_not_grow(capsys, sides):
    assert not check_drop_labels(dropping(lambda y, p, g: torch.randint(sides, y.shape, generator=g) < p))
    assert WRITTEN_IN in capsys.readouterr().out


@pytest.mark.parametrize("seed", range(5))
def test_a_right_mask_passes_whatever_its_coins(seed):
    assert check_drop_labels(dropping(lambda y, p, g: coins(y, p, g.manual_seed(g.initial_seed() + 10_000 * seed))))


def found_by_counting(loss) -> str:
    """What a learner can find out from the labels that reach the model."""
    mixture, batches, generator = islands(), 400, seeded(0)
    seen, count = [], []
    for _ in range(batches):
        x0, y = mixture.sample(128, generator)
        given = y.clone()
        loss(lambda x, t, y: seen.append(y.clone()) or torch.zeros_like(x), x0, y, generator)
        if not torch.equal(y, given):
            return "overwritten"
        if ((seen[-1] != NULL) & (seen[-1] != given)).any():
            return "shuffled"
        count.append(float((seen[-1] == NULL).sum()))
    dropped, count = torch.stack(seen) == NULL, torch.tensor(count)
    if (dropped == dropped[0]).all():
        return "same coins"
    if count.var() > 5 * 128 * 0.2 * 0.8:
        return "one coin"
    return "right" if abs(count.mean() / 128 - 0.2) < 0.02 else "inverted"


@pytest.mark.parametrize("name", HIDDEN)
def test_counting_finds_the_bug(name):
    assert found_by_counting(suspects[name]) == HIDDEN[name][0]
