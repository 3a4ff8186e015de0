"""Notebook 05: wrong answers as learners write them, each with a diagnosis of its own, and right ones beside them."""

import pytest
import torch
from helpers import wrong_answers

from cfgedu.exercises.n05 import check_guess_average, check_other_guidance, check_other_shares, check_read_posterior


def score(weights, scores):
    return torch.einsum("bk,bkd->bd", weights, scores)


def sharing(weights):
    """An answer to exercise 1 from its weights (posterior, prior, wanted), which are divided by their sum."""
    return lambda scores, p, prior, wanted: score(torch.nn.functional.normalize(weights(p, prior, wanted), 1), scores)


def rest(two):
    return torch.column_stack([two, 1 - two.sum(1)])


def solved(s_un, scores):
    ones = torch.ones(len(scores), 1, 3, dtype=scores.dtype)
    return torch.linalg.solve(torch.cat([scores.mT, ones], 1), torch.column_stack([s_un, ones[:, 0, 0]]))


WRONG_SHARES = {
    "Bayes' rule multiplies": lambda s, p, old, new: 0.5 * score(p, s) + 0.5 * (new @ s),
    "new shares over old ones": sharing(lambda p, old, new: (new / old).expand_as(p)),
    "the others keep their old shares": sharing(lambda p, old, new: torch.where(new == 0, 0, p)),
    "a softmax of the weights": lambda s, p, old, new: score(torch.softmax(new * p / old, 1), s),
    "points and classes together": lambda s, p, old, new: score(p * new / old, s) / (p * new / old).sum(),
    "the posterior came in afterwards": lambda s, p, old, new: score(p * (new / old) / (new / old).sum(), s),
    "divided by the number of classes": lambda s, p, old, new: (
        sharing(lambda p, old, new: p * new / old)(s, p, old, new) / len(old)
    ),
    "these are the new weights": lambda s, p, old, new: p * new / old / (p * new / old).sum(1)[:, None],
}
WRONG_ARROWS = {
    "upside down and the sign is missing": lambda g, p: g * ((1 - p) / p)[:, None],
    "the weighted arrows sum to zero": lambda g, p: (1 - g * p[:, None]) / (1 - p[:, None]),
    "the sign is missing, and the division": lambda g, p: g * p[:, None],
}
WRONG_POSTERIORS = {
    "the third arrow is missing": lambda s, c: rest((torch.linalg.inv(c[:, :2].mT) @ s[..., None])[..., 0]),
    "but not from s_un": lambda s, c: rest((torch.linalg.inv((c[:, :2] - c[:, 2:]).mT) @ s[..., None])[..., 0]),
    "the differences is transposed": lambda s, c: rest(
        (torch.linalg.inv(c[:, :2] - c[:, 2:]) @ (s - c[:, 2])[..., None])[..., 0]
    ),
    "at right angles": lambda s, c: torch.einsum("bd,bkd->bk", s, c) / c.norm(dim=2) ** 2,
    "projections divided by their sum": lambda s, c: (
        (w := torch.einsum("bd,bkd->bk", s, c) / c.norm(dim=2) ** 2) / w.sum(1, keepdim=True)
    ),
    "one place too late": lambda s, c: solved(s, c)[:, [2, 0, 1]],
    "one place too early": lambda s, c: solved(s, c)[:, [1, 2, 0]],
    "a softmax after it": lambda s, c: torch.softmax(solved(s, c), 1),
}
TABLES = ((check_other_shares, WRONG_SHARES), (check_other_guidance, WRONG_ARROWS))
TABLES += ((check_read_posterior, WRONG_POSTERIORS),)
CASES = wrong_answers(*TABLES)


@pytest.mark.parametrize(("check", "sentence", "answer"), CASES)
def test_a_wrong_function_gets_its_diagnosis(capsys, check, sentence, answer):
    assert not check(answer)
    assert sentence in capsys.readouterr().out


def test_right_answers_in_a_learners_own_way():
    assert check_other_shares(sharing(lambda p, old, new: p * (new / old) / (new / old).sum()))
    assert check_other_guidance(lambda g, p: g - g / (1 - p[:, None]))
    assert check_read_posterior(solved)


def test_a_guess_of_the_islands_is_told_of_their_middles(capsys):
    assert not check_guess_average("on the islands")
    assert "In the middle of an island" in capsys.readouterr().out
