"""Checks for the exercises of 05_conditional_and_unconditional."""

import numpy as np
import torch

from cfgedu.checks import Exercise, Guess
from cfgedu.protocol import seeded


def example(seed: int, B: int = 6, K: int = 3):
    """(scores (B,K,2), posterior (B,K), prior (K,)) in float64."""
    g = seeded(seed)
    scores = torch.randn(B, K, 2, generator=g, dtype=torch.float64)
    posterior = (2 * torch.randn(B, K, generator=g, dtype=torch.float64)).softmax(1)
    prior = torch.rand(K, generator=g, dtype=torch.float64) + 0.1
    return scores, posterior, prior / prior.sum()


def mixed(weights, scores):
    """sum_c weights_c scores_c, over the classes of each row: (B,K) or (K,), and (B,K,2) -> (B,2)"""
    return (weights[..., None] * scores).sum(1)


def shared(weights):
    """Weights that sum to 1 over the classes of each row."""
    return weights / weights.sum(-1, keepdim=True)


# ---------------------------------------------------------------- 1. other shares


def shares_to_try():
    scores, posterior, prior = example(1)
    wanted = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    two = torch.tensor([0.4, 0.6, 0.0], dtype=torch.float64)
    return {
        "with new shares": (scores, posterior, prior, wanted),
        "with a class that is not wanted": (*example(2)[:2], prior, two),
        "where the shares stay as they are": (scores, posterior, prior, prior),
        "with five classes": (*example(3, K=5), shared(torch.arange(1.0, 6.0, dtype=torch.float64))),
    }


def in_logarithms(scores, posterior, prior, wanted):
    return mixed((posterior.log() + wanted.log() - prior.log()).softmax(1), scores)


def in_numpy(scores, posterior, prior, wanted):
    scores, weights = np.asarray(scores), np.asarray(posterior) * np.asarray(wanted) / np.asarray(prior)
    return np.einsum("bk,bkd->bd", weights, scores) / weights.sum(1, keepdims=True)


check_other_shares = Exercise(
    name="the unconditional score under other shares",
    right=(
        lambda scores, posterior, prior, wanted: mixed(shared(posterior * wanted / prior), scores),
        in_logarithms,
        in_numpy,
        lambda scores, p, prior, wanted: (
            ((p * wanted / prior)[:, None] @ scores)[:, 0] / (p @ (wanted / prior))[:, None]
        ),
    ),
    wrong={
        "this is the score under the old shares: the new ones do not appear in it": lambda s, p, old, new: mixed(p, s),
        "the weights are the new shares alone, but the point has been seen: start from its posterior": (
            lambda s, p, old, new: mixed(new, s)
        ),
        "the old shares are still inside the posterior: divide them out before the new ones go in": (
            lambda s, p, old, new: mixed(shared(p * new), s)
        ),
        "the old shares are divided out, but the new ones did not go in": lambda s, p, old, new: mixed(
            shared(p / old), s
        ),
        "the ratio is upside down: a class that is wanted more often must weigh more": (
            lambda s, p, old, new: mixed(shared(p * old / new), s)
        ),
        "the weights do not sum to 1: after the shares have changed, divide by their sum over the classes": (
            lambda s, p, old, new: mixed(p * new / old, s)
        ),
        "the sum runs over the points of the batch: normalise over the classes, dimension 1": (
            lambda s, p, old, new: mixed(p * new / old / (p * new / old).sum(0), s)
        ),
        "this is the plain average of the class scores: nothing of the point or of the shares is in it": (
            lambda s, p, old, new: s.mean(1)
        ),
        "only the likeliest class has a say here: all of them have, in proportion to their posterior": (
            lambda s, p, old, new: s[torch.arange(len(s)), (p * new / old).argmax(1)]
        ),
        "shares are factors of the weights: they are multiplied and divided, not added and subtracted": (
            lambda s, p, old, new: mixed(p + new - old, s)
        ),
        "the posterior and the new shares are averaged: Bayes' rule multiplies, it does not average": (
            lambda s, p, old, new: mixed((p + new) / 2, s)
        ),
        "the posterior is missing: new shares over old ones say nothing of the point": (
            lambda s, p, old, new: mixed(shared(new / old), s)
        ),
        "a class that is not wanted is left out, but the others keep their old shares": (
            lambda s, p, old, new: mixed(shared(p * (new > 0)), s)
        ),
        "a softmax of the weights: they are proportional to the new posterior already, so divide by their sum": (
            lambda s, p, old, new: mixed((p * new / old).softmax(1), s)
        ),
        "the sum runs over points and classes together: normalise over the classes, dimension 1": (
            lambda s, p, old, new: mixed(p * new / old / (p * new / old).sum(), s)
        ),
        "the ratio of the shares was normalised, and the posterior came in afterwards: normalise their product": (
            lambda s, p, old, new: mixed(p * shared(new / old), s)
        ),
        "the right sum, divided by the number of classes: the weights sum to 1 already": (
            lambda s, p, old, new: (shared(p * new / old)[..., None] * s).mean(1)
        ),
        "these are the new weights: the score is the mean of the class scores with them": (
            lambda s, p, old, new: shared(p * new / old)
        ),
    },
    inputs=shares_to_try,
)


# ---------------------------------------------------------------- 2. the other class


def two_classes(seed: int, B: int = 6):
    """(g_0 (B,2), p_0 (B,)) of a world with two classes."""
    scores, posterior, _ = example(seed, B, K=2)
    return posterior[:, 1:] * (scores[:, 0] - scores[:, 1]), posterior[:, 0]


def other_in_numpy(g_0, p_0):
    g_0, p_0 = np.asarray(g_0), np.asarray(p_0)
    return np.stack([-p / (1 - p) * g for p, g in zip(p_0, g_0)])


check_other_guidance = Exercise(
    name="the other class's guidance vector",
    right=(
        lambda g_0, p_0: -(p_0 / (1 - p_0))[:, None] * g_0,
        lambda g_0, p_0: -g_0 * torch.exp(torch.logit(p_0)).unsqueeze(1),
        lambda g_0, p_0: ((p_0 * g_0.T) / (p_0 - 1)).T,
        other_in_numpy,
    ),
    wrong={
        "g_1 = -g_0 holds only where both classes are equally probable": lambda g, p: -g,
        "the ratio is upside down: the less probable class has the longer arrow": lambda g, p: (1 - 1 / p)[:, None] * g,
        "the sign: two vectors whose weighted sum is zero point opposite ways": lambda g, p: (p / (1 - p))[:, None] * g,
        "this is the weighted arrow p_1 g_1: divide by p_1": lambda g, p: -p[:, None] * g,
        "this multiplies by p_1 where the weighted sum asks for a division": lambda g, p: -(p * (1 - p))[:, None] * g,
        "that is minus g_0, weighted by p_1: g_0 has the weight p_0 in the sum": lambda g, p: -(1 - p)[:, None] * g,
        "p_0 is missing: in the sum each arrow is weighted by its own class's probability": (
            lambda g, p: -g / (1 - p)[:, None]
        ),
        "you divided by p_0, but the sum is solved for g_1, whose weight is p_1": lambda g, p: -g / p[:, None],
        "the ratio is upside down and the sign is missing: solve p_0 g_0 + p_1 g_1 = 0 for g_1": (
            lambda g, p: (1 / p - 1)[:, None] * g
        ),
        "the weights sum to 1, but the weighted arrows sum to zero: p_0 g_0 + p_1 g_1 = 0": (
            lambda g, p: (1 - p[:, None] * g) / (1 - p)[:, None]
        ),
        "p_0 g_0 = -p_1 g_1: the sign is missing, and the division by p_1": lambda g, p: p[:, None] * g,
    },
    inputs=lambda: {"at six points": two_classes(4), "at nine other points": two_classes(5, B=9)},
)


# ---------------------------------------------------------------- 3. the posterior, read off


def four_arrows(seed: int, B: int = 6):
    """(s_un (B,2), scores (B,3,2))"""
    scores, posterior, _ = example(seed, B)
    return mixed(posterior, scores), scores


def barycentric(s_un, scores):
    rows = torch.cat([scores.mT, torch.ones_like(scores[:, None, :, 0])], 1)  # x, y and the sum of the weights
    return torch.linalg.solve(rows, torch.cat([s_un, torch.ones_like(s_un[:, :1])], 1))


def with_the_rest(p):
    return torch.cat([p, 1 - p.sum(1, keepdim=True)], 1)


def from_the_last_arrow(s_un, scores):
    last = scores[:, 2:]
    return with_the_rest(torch.linalg.solve((scores[:, :2] - last).mT, s_un - last[:, 0]))


def areas_in_numpy(s_un, scores):
    s, c = np.asarray(s_un), np.asarray(scores)
    cross = lambda a, b: a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    parts = [cross(c[:, i] - s, c[:, j] - s) for i, j in ((1, 2), (2, 0), (0, 1))]
    return np.stack(parts, 1) / sum(parts)[:, None]


def two_equations(s_un, scores):
    return (torch.linalg.pinv(scores.mT) @ s_un[..., None]).squeeze(2)


def homogeneous(s_un, scores):
    rows = torch.cat([scores.mT, torch.ones_like(scores[:, None, :, 0])], 1)
    return torch.linalg.solve(rows, torch.cat([s_un, torch.zeros_like(s_un[:, :1])], 1))


def projected(s_un, scores):
    return (s_un[:, None] * scores).sum(2) / (scores**2).sum(2)


def transposed(s_un, scores):
    columns = torch.cat([scores, torch.ones_like(scores[..., :1])], 2)
    return torch.linalg.solve(columns, torch.cat([s_un, torch.ones_like(s_un[:, :1])], 1))


check_read_posterior = Exercise(
    name="the posterior, read off four arrows",
    right=(barycentric, from_the_last_arrow, areas_in_numpy),
    wrong={
        "the weights solve the two equations of the arrows, but do not sum to 1: that is the third one": two_equations,
        "dividing by the sum comes too late, and breaks the equations of the arrows: solve all three at once": (
            lambda s_un, scores: shared(two_equations(s_un, scores))
        ),
        "the third equation has a 0 on its right-hand side: the weights sum to 1": homogeneous,
        "the matrix is transposed: each equation is a row, and each class a column": transposed,
        "the weights are right and in another order: weight c belongs to scores[:, c]": (
            lambda s_un, scores: barycentric(s_un, scores).flip(1)
        ),
        "nearness to each tip is not the weight: solve for the weights whose mean is s_un": (
            lambda s_un, scores: shared(1 / (s_un[:, None] - scores).norm(dim=2))
        ),
        "a softmax of inner products is not the weight: solve for the weights whose mean is s_un": (
            lambda s_un, scores: torch.einsum("bd,bcd->bc", s_un, scores).softmax(1)
        ),
        "a softmax of distances is not the weight: solve for the weights whose mean is s_un": (
            lambda s_un, scores: (-(s_un[:, None] - scores).norm(dim=2)).softmax(1)
        ),
        "equal weights give the plain average of the arrows, which is not s_un": (
            lambda s_un, scores: torch.full_like(scores[..., 0], 1 / 3)
        ),
        "the third arrow is missing in the equations: put p_2 = 1 - p_0 - p_1 into them before you solve": (
            lambda s_un, scores: with_the_rest(torch.linalg.solve(scores[:, :2].mT, s_un))
        ),
        "one arrow was subtracted from the others, but not from s_un": (
            lambda s_un, scores: with_the_rest(torch.linalg.solve((scores[:, :2] - scores[:, 2:]).mT, s_un))
        ),
        "the matrix of the differences is transposed: each difference of two arrows is a column": (
            lambda s_un, scores: with_the_rest(torch.linalg.solve(scores[:, :2] - scores[:, 2:], s_un - scores[:, 2]))
        ),
        "projections are weights only where the arrows are at right angles, as three in a plane never are": projected,
        "projections divided by their sum are not the weights: solve for the weights whose mean is s_un": (
            lambda s_un, scores: shared(projected(s_un, scores))
        ),
        "each weight stands one place too late: weight c belongs to scores[:, c]": (
            lambda s_un, scores: barycentric(s_un, scores).roll(1, 1)
        ),
        "each weight stands one place too early: weight c belongs to scores[:, c]": (
            lambda s_un, scores: barycentric(s_un, scores).roll(-1, 1)
        ),
        "the solution sums to 1 already: a softmax after it spoils the weights": (
            lambda s_un, scores: barycentric(s_un, scores).softmax(1)
        ),
    },
    inputs=lambda: {"at six points": four_arrows(6), "at nine other points": four_arrows(7, B=9)},
)


# ---------------------------------------------------------------- the prediction

check_guess_average = Guess(
    name="where the averages' samples crowd",
    right="between",
    choices={
        "on the islands": (
            "In the middle of an island the other classes find a point improbable, and an average avoids that."
        ),
        "between": "",
        "on the largest": "The weights of an average never change, so no class wins at a point, not even the largest.",
    },
    why="An average with fixed weights climbs the product of the classes' densities, not their sum.",
)
