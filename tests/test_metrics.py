"""The metrics against cases whose answer is known."""

import math

import pytest
import torch
from helpers import random_mixture

from cfgedu import metrics
from cfgedu.guidance import null_pair
from cfgedu.images import load
from cfgedu.metrics import (
    buckets,
    class_accuracy,
    diversity,
    field_error,
    frechet_distance,
    judge_accuracy,
    lost_share,
    mean_posterior,
    moments,
    off_support,
    sliced_wasserstein,
    spread,
)
from cfgedu.models import Judge, weights_from
from cfgedu.protocol import NULL, seeded
from cfgedu.schedule import linear
from cfgedu.toy import branches, islands, two_gaussians
from cfgedu.training import train_judge

S = linear()


def gaussians(n, mean=0.0, std=1.0, D=4, seed=0):
    return mean + std * torch.randn(n, D, generator=seeded(seed), dtype=torch.float64)


# ---- fields ----


def test_field_error_is_the_mean_square_of_the_difference_at_each_level():
    mixture = islands()
    exact = mixture.denoiser(S)
    x0, y = mixture.sample(500, seeded())
    times = [1, 500, 1000]
    assert not field_error(exact, exact, S, x0, y, times, seeded()).any()
    off = field_error(lambda x, t, y: exact(x, t, y) + t[:, None] / 1000, exact, S, x0, y, times, seeded())
    torch.testing.assert_close(off, torch.tensor([1e-6, 0.25, 1.0]), rtol=1e-3, atol=0)
    # Where no label tells more than none, both modes of the exact denoiser agree: at the last level.
    pair = null_pair(exact)
    gap = field_error(lambda *a: pair(*a)[0], lambda *a: pair(*a)[1], S, x0, y, times, seeded())
    assert gap[1] > 100 * gap[2]


def test_field_error_checks_its_input():
    x0, y = islands().sample(8, seeded())
    exact = islands().denoiser(S)
    with pytest.raises(ValueError, match=r"the field must have the shape of x, \(8, 2\); got \(8, 1\)"):
        field_error(lambda x, t, y: x[:, :1], exact, S, x0, y, [5], seeded())
    with pytest.raises(ValueError, match="x0 must be finite"):
        field_error(exact, exact, S, x0 * float("nan"), y, [5], seeded())


def test_buckets_cover_the_times_once():
    for T in (100, 1000, 4000):
        times = [t for low, high in buckets(T) for t in range(low, high + 1)]
        assert times == list(range(1, T + 1))


# ---- points ----


def test_sliced_wasserstein_of_shifted_and_scaled_sets():
    a = gaussians(5000, D=2)
    assert sliced_wasserstein(a, a) == 0
    # A shift by d moves every projection by d cos(angle); the root mean square of a cosine in 2D is 1 / sqrt 2.
    shift = torch.tensor([3.0, 0.0], dtype=torch.float64)
    assert sliced_wasserstein(a, a + shift, projections=600) == pytest.approx(3 / math.sqrt(2), rel=0.05)
    centred = a - a.mean(0)
    assert sliced_wasserstein(centred, 2 * centred) == pytest.approx(1.0, rel=0.05)
    assert sliced_wasserstein(a, a + shift) == sliced_wasserstein(a, a + shift)
    assert sliced_wasserstein(a, gaussians(3000, D=2, seed=1)) < 0.1  # the floor of two draws
    with pytest.raises(ValueError, match=r"samples of one shape, got \(5000, 2\) and \(3000, 4\)"):
        sliced_wasserstein(a, gaussians(3000))


@pytest.mark.parametrize("sizes", [(300, 300), (300, 200), (301, 7), (1, 50)])
def test_sliced_wasserstein_agrees_with_pot(sizes):
    import ot  # here, since it takes a second to load

    a, b = gaussians(sizes[0], D=3), gaussians(sizes[1], mean=0.5, D=3, seed=1)
    theta = metrics.directions(3, 20, seed=0).numpy()
    expected = ot.sliced_wasserstein_distance(a.numpy(), b.numpy(), projections=theta)
    assert sliced_wasserstein(a, b, projections=20) == pytest.approx(expected, rel=1e-9)


def test_class_accuracy_under_the_exact_posterior():
    mixture = two_gaussians()  # means -1 and 1, std 0.7: Bayes' rule is right for Phi(1 / 0.7) of the samples
    x, y = mixture.sample(20_000, seeded())
    assert class_accuracy(mixture, x, y) == pytest.approx(0.5 * (1 + math.erf(1 / 0.7 / math.sqrt(2))), abs=0.01)
    assert class_accuracy(mixture, x, 1 - y) == pytest.approx(1 - class_accuracy(mixture, x, y))
    with pytest.raises(ValueError, match="y must hold a class for every sample here, got 1 NULL"):
        class_accuracy(mixture, x[:2], torch.tensor([0, NULL]))


def test_off_support_of_true_samples_is_the_quantile():
    mixture = random_mixture(3, K=3, J=5)
    x, y = mixture.sample(20_000, seeded(1))
    for label in (y, torch.full_like(y, NULL)):
        assert off_support(mixture, x, label, seeded(2), quantile=0.05) == pytest.approx(0.05, abs=0.012)
    assert off_support(mixture, x + 50, y, seeded(2)) == 1
    assert off_support(mixture, mixture.mean[:3], torch.arange(3), seeded(2)) == 0
    half = torch.cat([mixture.mean[:3], mixture.mean[:3] + 50])
    assert off_support(mixture, half, torch.arange(3).repeat(2), seeded(2)) == 0.5
    with pytest.raises(ValueError, match="quantile must lie strictly between 0 and 1, got 0"):
        off_support(mixture, x, y, seeded(2), quantile=0)


def test_lost_share_is_the_weight_of_the_components_without_samples():
    mixture = islands()  # each class: 0.6 of it in one island, 0.4 in the other
    x, y = mixture.sample(20_000, seeded(3))
    assert lost_share(mixture, x, y) == 0
    own, labels = x[y == 1], y[y == 1]
    upper = (own - mixture.mean[2]).norm(dim=1) < (own - mixture.mean[3]).norm(dim=1)
    assert lost_share(mixture, own[upper], labels[upper]) == pytest.approx(0.4)
    assert lost_share(mixture, own[~upper], labels[~upper]) == pytest.approx(0.6)
    few = torch.cat([own[upper], own[~upper][: int(upper.sum()) // 20]])  # a thirteenth of what is due there
    assert lost_share(mixture, few, torch.ones(len(few)).long()) == pytest.approx(0.4)
    assert lost_share(mixture, few, torch.ones(len(few)).long(), least=0.05) == 0
    both = torch.cat([own[upper], x[y == 0]])  # the labels weigh as often as they are asked for
    asked = torch.cat([labels[upper], y[y == 0]])
    assert lost_share(mixture, both, asked) == pytest.approx(0.4 * float(upper.sum()) / len(both))
    with pytest.raises(ValueError, match="least must lie strictly between 0 and 1"):
        lost_share(mixture, x, y, least=1.0)


def test_spread_and_mean_posterior_of_data():
    for mixture in (islands(), branches()):
        x, y = mixture.sample(20_000, seeded(5))
        assert spread(mixture, x, y) < mixture.mean.std()
        assert mean_posterior(mixture, x, y) == pytest.approx(class_accuracy(mixture, x, y), abs=0.06)
    mixture = islands()
    x, y = mixture.sample(20_000, seeded(5))
    true = float((mixture.weight * mixture.std**2).sum().sqrt())
    assert spread(mixture, x, y) == pytest.approx(true, rel=0.03)
    apart = x + 3 * mixture.mean[torch.cdist(x, mixture.mean).masked_fill(mixture.label != y[:, None], 99).argmin(1)]
    assert spread(mixture, apart, y) == pytest.approx(spread(mixture, x, y), rel=1e-3)


def test_the_mean_posterior_is_the_mean_of_the_exact_probabilities():
    mixture = two_gaussians()
    x, y = torch.tensor([[0.0, 3.0], [1.0, 0.0]]), torch.tensor([0, 1])
    expected = (0.5 + 1 / (1 + math.exp(-2 / 0.7**2))) / 2  # logistic, with the slope 2 mean / std^2
    assert mean_posterior(mixture, x, y) == pytest.approx(expected, rel=1e-6)
    for metric in (spread, mean_posterior):
        with pytest.raises(ValueError, match="y must hold a class for every sample here, got 1 NULL labels"):
            metric(mixture, x, torch.tensor([NULL, 1]))


# ---- images ----


def test_diversity_is_half_the_mean_squared_distance_within_a_class():
    y = torch.tensor([0, 1, 1, 0, 1, 0, 1, 0])
    f = gaussians(8)
    half = []
    for label in (0, 1):
        own = f[y == label]
        pairs = (own[:, None] - own[None]).square().sum(2)  # (4, 4) squared distances, 12 of them between two images
        half.append(pairs.sum() / 12 / 2)
    assert diversity(f, y) == pytest.approx(float(sum(half) / 2))
    assert diversity(f[:1].expand(8, -1), y) == pytest.approx(0, abs=1e-12)
    assert diversity(f + 10 * y[:, None], y) == pytest.approx(diversity(f, y))  # what lies between classes is not in it
    assert diversity(gaussians(20_000), torch.arange(20_000) % 2) == pytest.approx(4, rel=0.03)
    with pytest.raises(ValueError, match="two images or more of every class"):
        diversity(f, torch.tensor([0, 1, 1, 1, 1, 1, 1, 1]))


def test_frechet_distance_of_gaussians():
    a, b = gaussians(50_000), gaussians(50_000, mean=1.0, std=2.0, seed=1)
    # equal shapes: |m|^2 + D (sigma_a - sigma_b)^2 = 4 + 4
    assert frechet_distance(a, b) == pytest.approx(8, rel=0.03)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))
    assert frechet_distance(moments(a), b) == frechet_distance(a, b)
    assert frechet_distance(a.float(), b.float()) == pytest.approx(frechet_distance(a, b), rel=1e-5)


def test_frechet_distance_of_diagonal_and_rotated_covariances():
    g = seeded()
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=g, dtype=torch.float64)).Q
    u, v = torch.rand(2, 4, generator=g, dtype=torch.float64) + 0.1
    zero = torch.zeros(4, dtype=torch.float64)
    expected = (u.sqrt() - v.sqrt()).square().sum()
    for Q in (torch.eye(4, dtype=torch.float64), rotation):
        distance = frechet_distance((zero, Q @ u.diag() @ Q.T), (zero, Q @ v.diag() @ Q.T))
        assert distance == pytest.approx(float(expected), rel=1e-9)
    singular = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64).diag()
    assert frechet_distance((zero, singular), (zero, singular)) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_needs_more_samples_than_features():
    with pytest.raises(ValueError, match="features need more rows than columns.* got 4 x 4"):
        frechet_distance(gaussians(4), gaussians(50))
    with pytest.raises(ValueError, match="features must be finite"):
        frechet_distance(gaussians(50), gaussians(50) * float("nan"))


def test_the_judge_knows_digits_it_has_not_seen():
    judge = train_judge(*load("digits"), seeded(), steps=120)
    x, y = load("digits", split="test")
    assert not judge.training
    assert judge_accuracy(judge, x, y) > 0.95
    assert judge_accuracy(judge, x, (y + 1) % 10) < 0.05
    assert judge_accuracy(judge, x, y) == pytest.approx(float((judge(x).argmax(1) == y).double().mean()))


def test_features_are_taken_in_parts():
    with weights_from(seeded()):
        judge = Judge(3, size=8, width=4, features=5)
    x = torch.randn(2500, 1, 8, 8, generator=seeded())
    torch.testing.assert_close(metrics.features(judge, x), judge.features(x).detach())


def test_the_judge_refuses_what_it_cannot_learn_from():
    x, y = load("digits")
    with pytest.raises(ValueError, match=r"y must hold labels 0..4, .* got 0 to 9"):
        train_judge(x, y, seeded(), K=5)
    with pytest.raises(ValueError, match="y must hold a class for every sample here, got 1297 NULL"):
        train_judge(x, torch.full_like(y, NULL), seeded())


@pytest.mark.parametrize(
    "metric", [class_accuracy, mean_posterior, spread, lambda m, x, y: off_support(m, x, y, seeded(1))]
)
def test_metrics_name_what_they_cannot_measure(metric):
    mixture, y = islands(), torch.zeros(0, dtype=torch.long)
    with pytest.raises(ValueError, match=r"x must have at least one row, got shape \(0, 2\)"):
        metric(mixture, torch.zeros(0, 2), y)
    with pytest.raises(ValueError, match=r"x must have shape \(B, 2\), got \(4, 3\)"):
        metric(mixture, torch.zeros(4, 3), torch.zeros(4, dtype=torch.long))
    x, label = mixture.sample(200, seeded(0))
    assert metric(mixture, x.bfloat16(), label) == pytest.approx(metric(mixture, x, label), abs=0.02)
