"""Checks for the exercises of 05_conditional_and_unconditional."""

from collections.abc import Callable

import torch

from cfgedu.checks import check


def example(seed: int, B: int = 6, K: int = 3):
    """(scores (B,K,2), log_density (B,K), prior (K,)) in float64."""
    g = torch.Generator().manual_seed(seed)
    scores = torch.randn(B, K, 2, generator=g, dtype=torch.float64)
    log_density = 2 * torch.randn(B, K, generator=g, dtype=torch.float64) - 3
    prior = torch.rand(K, generator=g, dtype=torch.float64) + 0.1
    return scores, log_density, prior / prior.sum()


def weighted(weights, scores):
    """sum_c weights_c scores_c, over the classes of each row"""
    return (weights[..., None] * scores).sum(1)


def check_unconditional_score(answer: Callable) -> None:
    """answer(scores (B,K,2), log_density (B,K), prior (K,)) -> s_un (B,2)"""
    scores, log_density, prior = example(1)
    joint = log_density + prior.log()
    by_prior, no_prior = weighted(prior.expand_as(joint), scores), weighted(log_density.softmax(1), scores)
    over_batch, no_sum = weighted(joint.softmax(0), scores), weighted(joint.exp(), scores)
    mistakes = {
        "this is the plain average: every class counts the same, wherever the point is": scores.mean(1),
        "the weights are the prior p(c), but the point has been seen: use p(c given x_t)": by_prior,
        "the prior is missing from Bayes' rule: p(c given x_t) is proportional to p(c) p(x_t given c)": no_prior,
        "the weights do not sum to 1: divide by p(x_t) = sum_c p(c) p(x_t given c)": no_sum,
        "the softmax runs over the points of the batch: normalise over the classes, dimension 1": over_batch,
    }
    right = weighted(joint.softmax(1), scores)
    check("the unconditional score", answer(scores, log_density, prior), right, mistakes=mistakes)


def check_other_guidance(answer: Callable) -> None:
    """answer(g_0 (B,2), p_0 (B,)) -> g_1 (B,2), the guidance vector of the other of two classes."""
    scores, log_density, _ = example(2, K=2)
    p_0, p_1 = log_density.softmax(1)[:, :, None].unbind(1)  # (B,1) each
    g_0 = p_1 * (scores[:, 0] - scores[:, 1])
    mistakes = {
        "g_1 = -g_0 holds only where both classes are equally probable": -g_0,
        "the ratio is upside down: the less probable class has the longer arrow": -p_1 / p_0 * g_0,
        "the sign: two vectors whose weighted sum is zero point opposite ways": p_0 / p_1 * g_0,
        "this is the weighted arrow p_1 g_1: divide by p_1": -p_0 * g_0,
    }
    check("the other class's guidance vector", answer(g_0, p_0[:, 0]), -p_0 / p_1 * g_0, mistakes=mistakes)


def check_read_posterior(answer: Callable) -> None:
    """answer(s_un (B,2), scores (B,3,2)) -> p(c given x_t) (B,3)"""
    scores, log_density, _ = example(3)
    p = log_density.softmax(1)
    s_un = weighted(p, scores)
    inner = torch.einsum("bd,bcd->bc", s_un, scores)
    nearness = 1 / (s_un[:, None] - scores).norm(dim=2)
    nearness = nearness / nearness.sum(1, keepdim=True)
    two_equations = (torch.linalg.pinv(scores.mT) @ s_un[..., None]).squeeze(2)
    mistakes = {
        "the weights solve the two equations of the arrows, but do not sum to 1: that is the third one": two_equations,
        "nearness to each tip is not the weight: solve for the weights whose mean is s_un": nearness,
        "a softmax of inner products is not the weight: solve for the weights whose mean is s_un": inner.softmax(1),
    }
    check("the posterior, read off four arrows", answer(s_un, scores), p, mistakes=mistakes)
