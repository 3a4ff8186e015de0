"""Every check of notebook 05: the right answer passes, and each named mistake is named."""

import pytest
import torch
from helpers import assert_verdict, cases

from cfgedu.exercises.n05 import check_other_guidance, check_read_posterior, check_unconditional_score


def mean(weights, scores):
    return torch.einsum("bc,bcd->bd", weights, scores)


def bayes(log_density, prior):
    return (log_density + prior.log()).softmax(1)


def solve(s_un, scores):
    """The weights with sum 1 whose mean of the three arrows is s_un."""
    rows = torch.cat([scores.mT, torch.ones_like(scores[:, None, :, 0])], 1)
    return torch.linalg.solve(rows, torch.cat([s_un, torch.ones_like(s_un[:, :1])], 1))


def nearness(s_un, scores):
    near = 1 / (s_un[:, None] - scores).norm(dim=2)
    return near / near.sum(1, keepdim=True)


SCORE = {
    "": lambda s, logp, prior: mean(bayes(logp, prior), s),
    "plain average": lambda s, logp, prior: s.mean(1),
    "weights are the prior": lambda s, logp, prior: mean(prior.expand(len(s), -1), s),
    "prior is missing": lambda s, logp, prior: mean(logp.softmax(1), s),
    "do not sum to 1": lambda s, logp, prior: mean(prior * logp.exp(), s),
    "over the points of the batch": lambda s, logp, prior: mean((logp + prior.log()).softmax(0), s),
}
GUIDANCE = {
    "": lambda g, p: -(p / (1 - p))[:, None] * g,
    "equally probable": lambda g, p: -g,
    "upside down": lambda g, p: -((1 - p) / p)[:, None] * g,
    "opposite ways": lambda g, p: (p / (1 - p))[:, None] * g,
    "divide by p_1": lambda g, p: -p[:, None] * g,
}
POSTERIOR = {
    "": solve,
    "the third one": lambda s_un, s: torch.linalg.lstsq(s.mT, s_un[..., None], driver="gelsd").solution[..., 0],
    "nearness to each tip": nearness,
    "softmax of inner products": lambda s_un, s: torch.softmax((s @ s_un[..., None])[..., 0], 1),
}
ANSWERS = {check_unconditional_score: SCORE, check_other_guidance: GUIDANCE, check_read_posterior: POSTERIOR}


@pytest.mark.parametrize(("check", "mistake", "answer"), cases(ANSWERS))
def test_answers(capsys, check, mistake, answer):
    assert_verdict(capsys, check, mistake, answer)


@pytest.mark.parametrize("check", ANSWERS)
def test_no_answer_yet(capsys, check):
    check(lambda *arguments: None)
    assert "no answer yet" in capsys.readouterr().out
