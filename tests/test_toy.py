"""The exact world: densities, posteriors and the best denoiser, against autograd and against independent code."""

import math

import pytest
import torch
from helpers import random_batch, random_mixture
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal

from cfgedu.protocol import NULL, seeded
from cfgedu.schedule import cosine, linear
from cfgedu.toy import Mixture, branches, contested, gaussian, islands, oracle, spirals, two_attributes, two_gaussians

SCHEDULES = {"linear": linear(), "cosine": cosine()}
NAMED = {
    "two_gaussians": two_gaussians,
    "islands": islands,
    "spirals": spirals,
    "branches": branches,
    "contested": contested,
    "first attribute": lambda: two_attributes()[0],
    "second attribute": lambda: two_attributes()[1],
}
named = pytest.mark.parametrize("name", NAMED)

# one world: a mixture of J >= K components in D dimensions, a schedule, and a batch (x, t, y) with and without labels
worlds = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "K": st.integers(1, 5),
        "extra": st.integers(0, 12),
        "D": st.integers(1, 4),
        "end": st.sampled_from(list(SCHEDULES)),
    }
)


def build(world):
    mixture = random_mixture(world["seed"], world["K"], world["K"] + world["extra"], world["D"])
    schedule = SCHEDULES[world["end"]]
    x, t, y = random_batch(world["seed"] + 1, world["K"], schedule.T, D=(world["D"],))
    return mixture, schedule, x, t, y


def gradient(f, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(f(x).sum(), x)[0]


def close(value, expected, tolerance=1e-10):
    torch.testing.assert_close(value, expected, rtol=tolerance, atol=tolerance)


# ---- densities ----


@given(world=worlds)
def test_log_prob_is_that_of_the_noised_mixture(world):
    """Written out with torch.distributions: the components of x_t are N(sqrt(a) mean_j, a std_j^2 + 1 - a)."""
    mixture, schedule, x, t, y = build(world)
    a = schedule.alpha_bar[t]
    std = (a[:, None] * mixture.std**2 + 1 - a[:, None]).sqrt()  # (B,J)
    component = Normal(a.sqrt()[:, None, None] * mixture.mean, std[:, :, None]).log_prob(x[:, None]).sum(2)
    weight = torch.where((mixture.label == y[:, None]) | (y == NULL)[:, None], mixture.weight, 0)
    expected = (component + weight.log() - weight.sum(1, keepdim=True).log()).logsumexp(1)
    close(mixture.log_prob(x, y, a), expected)
    for level in (a[0], float(a[0])):  # one level for all
        close(mixture.log_prob(x[:1], y[:1], level), expected[:1])


@given(world=worlds)
def test_classes_add_up_to_the_marginal(world):
    mixture, schedule, x, t, _ = build(world)
    a, K = schedule.alpha_bar[t], mixture.K
    each = torch.stack([mixture.log_prob(x, torch.full_like(t, k), a) for k in range(K)], 1)  # (B,K)
    joint = mixture.prior.log() + each
    null = torch.full_like(t, NULL)
    close(joint.logsumexp(1), mixture.log_prob(x, null, a))
    posterior = mixture.posterior(x, a)
    close(posterior, (joint - mixture.log_prob(x, null, a)[:, None]).exp())  # Bayes' rule
    close(posterior.sum(1), torch.ones(len(x), dtype=x.dtype))
    assert posterior.shape == (len(x), K)


@named
@pytest.mark.parametrize("a", [1.0, 0.5, 4e-5])
def test_densities_integrate_to_one(name, a):
    """On a grid as fine as the smallest std, out to six of the largest, the sum of p is its integral to about 1e-8."""
    mixture = NAMED[name]()
    std = (a * mixture.std.double() ** 2 + 1 - a).sqrt()
    end, h = float(math.sqrt(a) * mixture.mean.abs().max() + 6 * std.max()), float(std.min())
    axis = torch.arange(-end, end, h, dtype=torch.float64)
    x = torch.cartesian_prod(axis, axis)
    for k in range(NULL, mixture.K):
        total = mixture.log_prob(x, torch.full((len(x),), k), a).exp().sum() * h**2
        assert total.item() == pytest.approx(1, abs=1e-6)


def test_clean_data_is_the_default_level():
    mixture, (x, _, y) = islands(), random_batch(0, 3, 1000)
    assert torch.equal(mixture.log_prob(x, y), mixture.log_prob(x, y, a=1.0))
    assert torch.equal(mixture.posterior(x), mixture.posterior(x, 1))


def test_far_away_points_keep_finite_answers():
    mixture, schedule = islands(), linear()
    x = torch.tensor([[1e3, -2e3]]).expand(4, 2).contiguous()
    t, y = torch.tensor([1, 10, 500, 1000]), torch.tensor([0, 1, 2, NULL])
    assert mixture.denoiser(schedule)(x, t, y).isfinite().all()
    assert mixture.log_prob(x, y, schedule.alpha_bar[t]).isfinite().all()
    close(mixture.posterior(x, schedule.alpha_bar[t]).sum(1), torch.ones(4), 1e-6)


# ---- the denoiser, the two scores and the guidance vector ----


@given(world=worlds)
def test_exact_eps_is_autograd_of_log_prob(world):
    """eps = -sqrt(1 - a) grad log p_t(x given y), with and without a label."""
    mixture, schedule, x, t, y = build(world)
    a = schedule.alpha_bar[t]
    score = gradient(lambda x: mixture.log_prob(x, y, a), x)
    close(mixture.denoiser(schedule)(x, t, y), -(1 - a).sqrt()[:, None] * score)


@given(world=worlds)
def test_the_unconditional_score_is_the_posterior_mean_of_the_class_scores(world):
    """s_un = sum_c p(c given x_t) s_c, exactly; the prior in place of the posterior is wrong."""
    mixture, schedule, x, t, _ = build(world)
    eps, null = mixture.denoiser(schedule), torch.full_like(t, NULL)
    each = torch.stack([eps(x, t, torch.full_like(t, k)) for k in range(mixture.K)], 1)  # (B,K,D)
    close((mixture.posterior(x, schedule.alpha_bar[t])[:, :, None] * each).sum(1), eps(x, t, null))


def test_the_prior_mean_of_the_class_scores_is_something_else():
    mixture, schedule = islands(), linear()
    x, _, _ = random_batch(0, 3, 1000)
    t = torch.full((len(x),), 200)
    eps = mixture.denoiser(schedule)
    each = torch.stack([eps(x, t, torch.full_like(t, k)) for k in range(3)], 1)
    assert ((mixture.prior[:, None] * each).sum(1) - eps(x, t, torch.full_like(t, NULL))).abs().max() > 0.1


@given(world=worlds)
def test_the_guidance_vector_is_the_gradient_of_the_log_posterior(world):
    """g = s_cond - s_un = grad log p(y given x_t), where the class is not so unlikely that its log drowns."""
    mixture, schedule, x, t, _ = build(world)
    a, eps = schedule.alpha_bar[t], mixture.denoiser(schedule)
    rows = torch.arange(len(x))
    y = mixture.posterior(x, a).argmax(1) if world["seed"] % 2 else rows % mixture.K
    likely = mixture.posterior(x, a)[rows, y] > 1e-12
    g = schedule.score(x, t, eps(x, t, y) - eps(x, t, torch.full_like(y, NULL)))
    expected = gradient(lambda x: mixture.posterior(x, a)[rows, y].log(), x)
    close(g[likely], expected[likely], 1e-9)
    close((1 - a).sqrt()[:, None][likely] * g[likely], (1 - a).sqrt()[:, None][likely] * expected[likely])


@named
def test_no_denoiser_has_a_smaller_error(name):
    """E[eps given x_t, y] is the least-squares answer: scaling or shifting it only makes the error larger."""
    mixture, schedule, n = NAMED[name](), linear(), 20_000
    x0, y = mixture.sample(n, seeded(0))
    t = torch.randint(1, 1001, (n,), generator=seeded(1))
    noise = torch.randn(n, 2, generator=seeded(2))
    best = mixture.denoiser(schedule)(schedule.noise(x0, t, noise), t, y)
    error = (best - noise).square().mean()
    for other in (0.9 * best, 1.1 * best, best + 0.1):
        assert (other - noise).square().mean() > error


@pytest.mark.parametrize("name", ["islands", "spirals", "branches"])
def test_float32_stays_near_float64(name):
    mixture, schedule = NAMED[name](), linear()
    x, t, y = random_batch(0, mixture.K, 1000, B=3000, dtype=torch.float32)
    eps = mixture.denoiser(schedule)
    assert eps(x, t, y).dtype == torch.float32
    assert (eps(x, t, y) - eps(x.double(), t, y)).abs().max() < 5e-3
    assert (mixture.posterior(x, 0.5) - mixture.posterior(x.double(), 0.5)).abs().max() < 1e-4


def test_the_answer_for_a_row_does_not_depend_on_the_batch():
    mixture, schedule = spirals(), linear()
    x, t, y = random_batch(0, 3, 1000, B=2500)
    eps = mixture.denoiser(schedule)
    close(eps(x, t, y)[1777:1780], eps(x[1777:1780], t[1777:1780], y[1777:1780]), 1e-12)
    assert eps(x[:0], t[:0], y[:0]).shape == (0, 2)
    assert torch.equal(eps(x, t, y.int()), eps(x, t, y))


def test_arguments_are_left_alone():
    mixture, (x, t, y) = islands(), random_batch(0, 3, 1000)
    before = x.clone(), t.clone(), y.clone()
    mixture.denoiser(linear())(x, t, y)
    mixture.log_prob(x, y, 0.5)
    mixture.posterior(x, 0.5)
    assert all(torch.equal(a, b) for a, b in zip((x, t, y), before, strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_results_follow_the_device_of_x():
    mixture, (x, t, y) = islands(), random_batch(0, 3, 1000, dtype=torch.float32)
    on_gpu = mixture.denoiser(linear())(x.cuda(), t.cuda(), y.cuda())
    close(on_gpu.cpu(), mixture.denoiser(linear())(x, t, y), 1e-4)
    close(mixture.posterior(x.cuda(), 0.5).cpu(), mixture.posterior(x, 0.5), 1e-4)


# ---- samples ----


@named
def test_samples_have_the_class_rates_means_and_variances(name):
    mixture, n = NAMED[name](), 40_000
    x, y = mixture.sample(n, seeded(0))
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((n, 2), torch.float32, (n,), torch.int64)
    rate = torch.bincount(y, minlength=mixture.K).double() / n
    close(rate, mixture.prior, 4 * 0.5 / math.sqrt(n))
    for k in range(mixture.K):
        w = torch.where(mixture.label == k, mixture.weight.double(), 0)
        w = w / w.sum()
        mean = w @ mixture.mean.double()
        variance = w @ (mixture.mean.double() ** 2 + mixture.std[:, None].double() ** 2) - mean**2
        found = x[y == k].double()
        torch.testing.assert_close(found.mean(0), mean, rtol=0, atol=4 * float((variance.max() / len(found)).sqrt()))
        torch.testing.assert_close(found.var(0), variance, rtol=8 / math.sqrt(len(found)), atol=0)


def test_sampling_is_reproducible_and_follows_the_parameters_dtype():
    mixture = random_mixture(0, 3, 5, D=3)
    x, y = mixture.sample(50, seeded(4))
    again = mixture.sample(50, seeded(4))
    assert torch.equal(x, again[0])
    assert torch.equal(y, again[1])
    assert (x.shape, x.dtype) == ((50, 3), torch.float64)
    assert mixture.sample(1)[0].shape == (1, 3)


def test_samples_are_where_the_density_says():
    """The mean of log p over samples of p exceeds that over samples of another density (Gibbs' inequality)."""
    mixture, other = islands(), two_gaussians()
    x, _ = mixture.sample(5000, seeded(0))
    y = torch.full((5000,), NULL)
    assert mixture.log_prob(x, y).mean() > other.log_prob(x, y).mean() + 0.1


# ---- the named worlds ----


@named
def test_named_worlds_keep_what_they_promise(name):
    mixture = NAMED[name]()
    assert 2 <= mixture.K <= 4
    assert sorted(set(mixture.label.tolist())) == list(range(mixture.K))
    assert mixture.prior.sum().item() == pytest.approx(1, abs=1e-12)
    x, _ = mixture.sample(4000, seeded(0))
    assert 0.3 < x.std() < 1.5  # the scale of the noise that covers it


def test_islands_have_their_stated_priors_and_all_class_means_at_the_origin():
    mixture = islands()
    close(mixture.prior, torch.tensor([0.5, 0.3, 0.2]).double(), 1e-7)
    for k in range(3):
        w = torch.where(mixture.label == k, mixture.weight, 0)
        close(w @ mixture.mean, torch.zeros(2), 1e-6)


def test_two_gaussians_have_a_logistic_posterior_and_a_constant_direction_of_g():
    mixture, (x, _, _) = two_gaussians(), random_batch(0, 2, 1000)
    close(mixture.posterior(x)[:, 1], torch.sigmoid(2 * x[:, 0] / mixture.std[0].double() ** 2), 1e-9)
    g = gradient(lambda x: mixture.posterior(x)[:, 1].log(), x)
    assert (g[:, 0] > 0).all()
    close(g[:, 1], torch.zeros(len(x), dtype=x.dtype))


def test_weights_within_1e_6_of_one_are_taken_as_their_share():
    a = Mixture(
        torch.zeros(2, 2), torch.ones(2), torch.tensor([0.5, 0.5 + 8e-7], dtype=torch.float64), torch.tensor([0, 1])
    )
    assert a.prior.sum().item() == pytest.approx(1, abs=1e-15)


# ---- one noisy point, and denoisers known without a mixture ----


@pytest.mark.parametrize("y", [NULL, 0, 2])
@pytest.mark.parametrize("t", [5, 150, 600])
def test_the_mean_of_the_drawn_x0_is_the_exact_denoiser(y, t):
    mixture, schedule = islands(), linear()
    x = torch.tensor([[0.4, -0.7]], dtype=torch.float64)
    drawn = mixture.draw_x0(x, y, float(schedule.alpha_bar[t]), 200_000, seeded(0))
    exact = mixture.denoiser(schedule)(x, torch.tensor([t]), torch.tensor([y]))
    torch.testing.assert_close(schedule.eps(x, t, drawn).mean(0, keepdim=True), exact, atol=0.01, rtol=0)


@pytest.mark.parametrize("y", [NULL, 1])
def test_the_drawn_x0_have_the_density_that_bayes_gives_them(y):
    """A third of the draws lie in each third of p(x_0) p(x_t given x_0), cut along a line, by integration on a grid."""
    mixture, a = islands(), 0.6
    x = torch.tensor([[0.5, 0.4]], dtype=torch.float64)
    axis = torch.linspace(-4, 4, 401, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    log_p = mixture.log_prob(points, torch.full((len(points),), y)) - (x - a**0.5 * points).square().sum(1) / (
        2 * (1 - a)
    )
    marginal = (log_p - log_p.max()).exp().reshape(401, 401).sum(1).cumsum(0)  # over the first coordinate
    cuts = axis[torch.searchsorted(marginal / marginal[-1], torch.tensor([1 / 3, 2 / 3], dtype=torch.float64))]
    drawn = mixture.draw_x0(x, y, a, 90_000, seeded(1))
    shares = torch.histc(torch.bucketize(drawn[:, 0].contiguous(), cuts).double(), 3, 0, 2) / len(drawn)
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3, dtype=torch.float64), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"x": torch.zeros(2, 2)}, r"x must be one point, shape \(1, 2\), got \(2, 2\)"),
        ({"y": 3}, "y must hold labels 0..2"),
        ({"a": 0.0}, "a must be a signal level"),
        ({"n": 0}, "n, the number of draws, must be an int of 1 or more"),
    ],
)
def test_draw_x0_names_what_does_not_fit(arguments, words):
    good = {"x": torch.zeros(1, 2), "y": 0, "a": 0.5, "n": 3, "generator": seeded()}
    with pytest.raises(ValueError, match=words):
        islands().draw_x0(**good | arguments)


@pytest.mark.parametrize("v", [0.25, 1.0, 3.0])
def test_gaussian_is_the_denoiser_of_one_component(v):
    x, t, y = random_batch(0, 1, 1000)
    mean, std, weight = (torch.tensor(part, dtype=torch.float64) for part in ([[0.0, 0.0]], [v**0.5], [1.0]))
    one = Mixture(mean, std, weight, torch.tensor([0]))
    torch.testing.assert_close(gaussian(linear(), v)(x, t, y), one.denoiser(linear())(x, t, y), rtol=1e-12, atol=1e-12)


def test_the_oracle_knows_the_answer():
    x0, t, y = random_batch(0, 3, 1000, D=(1, 4, 4))
    eps = torch.randn(x0.shape, generator=seeded(1), dtype=torch.float64)
    x = linear().noise(x0, t, eps)
    torch.testing.assert_close(oracle(linear(), x0)(x, t, y), eps, rtol=1e-9, atol=1e-9)


def test_two_attributes_are_one_cloud_under_two_labellings():
    first, second = two_attributes()
    for part in ("mean", "std", "weight"):
        assert torch.equal(getattr(first, part), getattr(second, part))
    both = Mixture(first.mean, first.std, first.weight, 2 * first.label + second.label)
    x, y = torch.randn(8, 2, generator=seeded(0)), torch.full((8,), NULL)
    densities = [mixture.log_prob(x, y, 0.5) for mixture in (first, second, both)]
    assert torch.equal(densities[0], densities[1])
    assert torch.equal(densities[0], densities[2])
    joint = both.prior.reshape(2, 2)
    assert (joint - first.prior[:, None] * second.prior).abs().max() > 0.05  # they are not independent
