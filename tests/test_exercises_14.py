"""Notebook 14: wrong answers as learners write them, each with a diagnosis of its own, and right ones beside them."""

import math

import pytest
import torch
from helpers import wrong_answers

from cfgedu.exercises.n14 import check_draws, check_honest_share, check_undoing_scale
from cfgedu.toy import Mixture

# ---------------------------------------------------------------- 1: the scale that undoes an error


def errors(v, v_s, v_w):
    """The errors of the two variances, strong and weak."""
    return v_s - v, v_w - v


def scale_of_variances(v, v_s, v_w):
    strong, weak = errors(v, v_s, v_w)
    k = weak / strong
    return k / (k - 1)


def ratio_of_variances(v, v_s, v_w):
    strong, weak = errors(v, v_s, v_w)
    return weak / strong


def scale_of_deviations(v, v_s, v_w):
    k = (v_w**0.5 - v**0.5) / (v_s**0.5 - v**0.5)
    return k / (k - 1)


WRONG_SCALES = {
    "not their sum with weights r and 1 - r: take logarithms": scale_of_variances,
    "take it of their logarithms; the scale is then k / (k - 1)": ratio_of_variances,
    "also of the standard deviations": scale_of_deviations,
    "r is an exponent of v_s / v_w, not a factor": lambda v, v_s, v_w: (v / v_w) / (v_s / v_w),
    "subtracted from each of the two others, not added": (
        lambda v, v_s, v_w: (math.log(v) + math.log(v_w)) / (math.log(v_s) + math.log(v_w))
    ),
    "the strong network alone": lambda v, v_s, v_w: 1,
}

# ---------------------------------------------------------------- 2: labels that are wrong in another way

WRONG_SHARES = {
    "at p = 1 every label is right": lambda p, K: p - p / K,
    "labels that name one wrong class": lambda p, K: (1 - p) / (K - 1),
    "the share of wrong labels": lambda p, K: 1 - p,
    "divide by K - 1, do not multiply": lambda p, K: 1 - K * (1 - p),
    "the p at which labels tell nothing": lambda p, K: 1 / K,
}

# ---------------------------------------------------------------- 3: what rejection costs


def keeps_p_of_the_mean(v_c, v_u, r, d):
    mean_of_p = (1 + (1 - v_c / v_u)) ** (-d / 2)
    return 1 / mean_of_p ** (r - 1)


def without_the_prior(v_c, v_u, r, d):
    share = (1 + (r - 1) * (1 - v_c / v_u)) ** (-d / 2) * (v_u / v_c) ** (d / 2 * (r - 1))
    return 1 / share


def against_all_data(v_c, v_u, r, d):
    tilted = 1 / (r / v_c + (1 - r) / v_u)
    return (v_u / tilted) ** (d / 2)


def mean_of_draws(v_c, v_u, r, d):
    return (v_c * (1 / v_c - (r - 1) * (1 / v_c - 1 / v_u))) ** (-d / 2)


WRONG_DRAWS = {
    "take the mean of the power": keeps_p_of_the_mean,
    "the 2 of |x|^2 / 2 is missing": lambda v_c, v_u, r, d: (1 + (r - 1) * 2 * (1 - v_c / v_u)) ** (d / 2),
    "x_i has the variance v_c, not 1": lambda v_c, v_u, r, d: (1 + (r - 1) * (1 / v_c - 1 / v_u)) ** (d / 2),
    "this leaves out p(c)": without_the_prior,
    "this draws from p(x)": against_all_data,
    "you averaged the number of draws": mean_of_draws,
    "do not round": lambda v_c, v_u, r, d: torch.ceil((1 + (r - 1) * (1 - v_c / v_u)) ** (d / 2)),
}

CASES = wrong_answers(
    (check_undoing_scale, WRONG_SCALES),
    (check_honest_share, WRONG_SHARES),
    (check_draws, WRONG_DRAWS),
)


@pytest.mark.parametrize(("check", "sentence", "answer"), CASES)
def test_a_wrong_answer_is_recognised(capsys, check, sentence, answer):
    assert not check(answer)
    assert sentence in capsys.readouterr().out


def test_right_answers_in_a_learners_own_way():
    def with_k(v, v_s, v_w):
        k = math.log(v_w / v) / math.log(v_s / v)
        return k / (k - 1)

    def counted_in_another_way(p, K):  # p = correct + (1 - correct) / K, solved for correct
        return (p - 1 / K) / (1 - 1 / K)

    def by_the_tilted_variance(v_c, v_u, r, d):
        tilted = 1 / (r / v_c + (1 - r) / v_u)
        return (v_c / tilted) ** (d / 2)

    assert check_undoing_scale(with_k)
    assert check_honest_share(counted_in_another_way)
    assert check_draws(by_the_tilted_variance)


def test_the_share_is_the_weight_of_the_class_in_the_density_of_its_labels():
    """By hand, at points of a line: sum over the true classes of p(label given class) p(x given class)."""
    K, p = 4, 0.6
    world = Mixture(torch.arange(4.0)[:, None], torch.full((K,), 0.7), torch.full((K,), 1 / K), torch.arange(K))
    x = torch.linspace(-2, 5, 9)[:, None].double()
    by_class = torch.stack([world.log_prob(x, torch.full((9,), k)).exp() for k in range(K)])
    of_all = world.log_prob(x, torch.full((9,), -1)).exp()
    noisy = p * by_class[1] + (1 - p) / (K - 1) * (by_class.sum(0) - by_class[1])
    share = float(check_honest_share.right[0](p, K))
    assert torch.allclose(noisy, share * by_class[1] + (1 - share) * of_all, atol=1e-6)
