"""Notebook 02: what the exercises call right, in the exact world."""

import pytest
import torch

from cfgedu.exercises.n02 import check_factor, check_gaussian_score, check_trust, level, variance
from cfgedu.protocol import NULL, seeded
from cfgedu.schedule import linear
from cfgedu.toy import islands


def test_steins_identity_finds_the_factor_in_the_islands():
    world, schedule = islands(), linear()
    x0, _ = world.sample(100_000, seeded(0))
    x = schedule.noise(x0, 100, torch.randn(x0.shape, generator=seeded(1)))
    eps = world.denoiser(schedule)(x, torch.full((len(x),), 100), torch.full((len(x),), NULL))
    score = schedule.score(x, 100, eps)
    assert check_factor.right[0](x, -1.5 * score).item() == pytest.approx(-1.5, rel=0.02)


def test_trust_is_tweedies_formula_with_the_gaussian_score():
    x, mean = torch.randn(2, 5, 2, generator=seeded(2), dtype=torch.float64)
    std, a = 0.6, level(0.3)
    score = check_gaussian_score.right[0](x, mean, std, a)
    tweedie = (x + (1 - a) * score) / a.sqrt()
    torch.testing.assert_close(mean + check_trust.right[0](std, a) * (x / a.sqrt() - mean), tweedie)
    # and the score is the slope of the Gaussian's log-density
    x.requires_grad_()
    log_p = -(x - a.sqrt() * mean).square().sum() / (2 * variance(std, a))
    torch.testing.assert_close(torch.autograd.grad(log_p, x)[0], score)
