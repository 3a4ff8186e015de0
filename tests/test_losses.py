"""Training losses: dropout of labels, and the identities between eps, score and twin losses."""

import math

import pytest
import torch
from helpers import Net, Recorder, random_batch
from hypothesis import given
from hypothesis import strategies as st

from cfgedu.guidance import null_pair, two_models, unconditional
from cfgedu.losses import drop_labels, dsm_loss, eps_loss, noised, twin_loss
from cfgedu.protocol import NULL, seeded
from cfgedu.schedule import cosine, linear
from cfgedu.toy import gaussian

SCHEDULE = linear()
seeds = st.integers(0, 2**32 - 1)
probabilities = st.floats(0, 1)
D_any = st.sampled_from([(2,), (1, 4, 4)])


def as_score(model, schedule=SCHEDULE):
    return lambda x, t, y: schedule.score(x, t, model(x, t, y))


# ---- drop_labels ----


@pytest.mark.parametrize("p_drop", [0.1, 0.2, 0.5, 0.9])
def test_labels_are_dropped_at_the_stated_rate(p_drop):
    n = 100_000
    y = torch.arange(n) % 3
    dropped = drop_labels(y, p_drop, seeded(0)) == NULL
    tolerance = 4 * math.sqrt(p_drop * (1 - p_drop))
    assert abs(dropped.double().mean() - p_drop) < tolerance / math.sqrt(n)
    for k in range(3):  # no class is favoured
        assert abs(dropped[y == k].double().mean() - p_drop) < tolerance / math.sqrt(n / 3)


def test_each_sample_has_its_own_coin():
    """Neighbours in a batch and the same place in the next batch fall independently: covariances vanish."""
    p, n = 0.3, 1000
    g = seeded(1)
    drops = torch.stack([drop_labels(torch.zeros(n, dtype=torch.long), p, g) == NULL for _ in range(100)]).double() - p
    bound = 4 * p * (1 - p) / math.sqrt(drops.numel())
    assert abs((drops[:, 1:] * drops[:, :-1]).mean()) < bound
    assert abs((drops[1:] * drops[:-1]).mean()) < bound
    assert drops.sum(1).var() == pytest.approx(n * p * (1 - p), rel=0.6)  # a whole-batch drop would have n times that


@given(seed=seeds, p_drop=probabilities)
def test_what_is_not_dropped_stays_and_nothing_is_mutated(seed, p_drop):
    _, _, y = random_batch(seed, 5, 1000, B=64)
    before = y.clone()
    new = drop_labels(y, p_drop, seeded(seed))
    assert torch.equal(y, before)
    assert new.data_ptr() != y.data_ptr()
    assert new.dtype == y.dtype
    assert ((new == y) | (new == NULL)).all()


@given(seed=seeds)
def test_p_drop_0_keeps_all_and_1_drops_all(seed):
    _, _, y = random_batch(seed, 5, 1000, B=256)
    for zero, one in ((0, 1), (0.0, 1.0), (torch.tensor(0.0), torch.tensor(1.0))):
        assert torch.equal(drop_labels(y, zero, seeded(seed)), y)
        assert (drop_labels(y, one, seeded(seed)) == NULL).all()


def test_a_generator_makes_it_reproducible():
    y = torch.arange(500) % 3
    first, again, other = (drop_labels(y, 0.5, seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(first, drop_labels(y, torch.tensor(0.5), seeded(1)))
    assert torch.equal(first.int(), drop_labels(y.int(), 0.5, seeded(1)))


# ---- what a loss draws and asks ----


@pytest.mark.parametrize("D", [(2,), (1, 4, 4)])
def test_a_loss_draws_t_eps_and_drops_in_this_order(D):
    x0, _, y = random_batch(0, 3, 1000, B=64, D=D, dtype=torch.float32)
    model, before = Recorder(), (x0.clone(), y.clone())
    loss = eps_loss(model, SCHEDULE, x0, y, 0.3, seeded(5))
    g = seeded(5)
    t = torch.randint(1, 1001, (64,), generator=g)
    eps = torch.randn(x0.shape, generator=g)
    kept = drop_labels(y, 0.3, g)
    [(asked_x, asked_t, asked_y)] = model.calls
    assert torch.equal(asked_t, t)
    assert torch.equal(asked_x, SCHEDULE.noise(x0, t, eps))
    assert torch.equal(asked_y, kept)
    assert loss.shape == ()
    torch.testing.assert_close(loss, (Recorder()(asked_x, t, kept) - eps).square().mean())
    assert torch.equal(x0, before[0])
    assert torch.equal(y, before[1])


def test_times_are_uniform_over_1_to_T():
    schedule = linear(5)
    _, t, _ = noised(schedule, torch.zeros(50_000, 2), seeded(0))
    rate = torch.bincount(t, minlength=6) / 50_000
    assert rate[0] == 0
    torch.testing.assert_close(rate[1:], torch.full((5,), 0.2), rtol=0, atol=4 * math.sqrt(0.16 / 50_000))


def test_losses_train():
    x0, _, y = random_batch(0, 3, 1000, B=32)
    net = Net()
    for loss in (
        eps_loss(net, SCHEDULE, x0, y),
        dsm_loss(as_score(net), SCHEDULE, x0, y),
        dsm_loss(as_score(net), SCHEDULE, x0, y, weight="none"),
        twin_loss(null_pair(net), SCHEDULE, x0, y),
    ):
        assert loss.dtype == x0.dtype
        grads = torch.autograd.grad(loss, list(net.parameters()))
        assert all(grad.isfinite().all() and grad.abs().sum() > 0 for grad in grads)


# ---- identities ----


@given(seed=seeds, p_drop=probabilities, D=D_any, end=st.sampled_from(["linear", "cosine"]))
def test_weighted_dsm_loss_is_the_eps_loss(seed, p_drop, D, end):
    """For any eps_hat at all: weight (1 - a_t) and score = -eps_hat / sqrt(1 - a_t) cancel."""
    schedule = {"linear": SCHEDULE, "cosine": cosine()}[end]
    x0, _, y = random_batch(seed, 3, 1000, D=D)
    net = Net(D=D, seed=seed % 97)
    eps = eps_loss(net, schedule, x0, y, p_drop, seeded(seed))
    dsm = dsm_loss(as_score(net, schedule), schedule, x0, y, p_drop, "variance", seeded(seed))
    torch.testing.assert_close(dsm, eps, rtol=1e-12, atol=1e-12)


@given(seed=seeds, D=D_any)
def test_unweighted_dsm_loss_divides_each_error_by_1_minus_a(seed, D):
    x0, _, y = random_batch(seed, 3, 1000, D=D)
    net = Net(D=D)
    dsm = dsm_loss(as_score(net), SCHEDULE, x0, y, 0.0, "none", seeded(seed))
    x, t, eps = noised(SCHEDULE, x0, seeded(seed))
    expected = ((net(x, t, y) - eps).square() / (1 - SCHEDULE.at(t, x))).mean()
    torch.testing.assert_close(dsm, expected, rtol=1e-12, atol=1e-12)


@given(seed=seeds, D=D_any)
def test_twin_loss_is_the_sum_of_its_two_terms(seed, D):
    x0, _, y = random_batch(seed, 3, 1000, D=D)
    un, cond = Net(D=D, seed=1), Net(D=D, seed=2)
    twin = twin_loss(two_models(unconditional(un), cond), SCHEDULE, x0, y, seeded(seed))
    terms = eps_loss(un, SCHEDULE, x0, y, 1.0, seeded(seed)) + eps_loss(cond, SCHEDULE, x0, y, 0.0, seeded(seed))
    torch.testing.assert_close(twin, terms, rtol=1e-12, atol=1e-12)


def test_twin_loss_takes_a_bound_method_and_drops_no_label():
    x0, _, y = random_batch(0, 3, 1000)
    twin = Recorder()
    twin_loss(twin.pair, SCHEDULE, x0, y, seeded(0))
    assert [call[2].tolist() for call in twin.calls] == [[NULL] * len(y), y.tolist()]


@pytest.mark.parametrize("v", [0.25, 4.0])
def test_the_loss_has_a_floor_above_zero(v):
    """On data N(0, v) the best possible eps leaves a v / (a v + 1 - a) per dimension, averaged over t; unweighted DSM
    leaves that divided by 1 - a. The perfect model sits on the floor, within 4 standard errors."""
    schedule, n = linear(100, 1e-2, 0.1), 20_000
    a = schedule.alpha_bar[1:]
    floor = a * v / (a * v + 1 - a)
    model = gaussian(schedule, v)
    x0 = math.sqrt(v) * torch.randn(n, 2, generator=seeded(0), dtype=torch.float64)
    y = torch.full((n,), NULL)
    loss = eps_loss(model, schedule, x0, y, 0.0, seeded(1))
    assert loss == pytest.approx(floor.mean().item(), abs=4 * math.sqrt(3 * floor.square().mean() / (2 * n)))
    assert loss > 0.1
    unweighted = floor / (1 - a)
    loss = dsm_loss(as_score(model, schedule), schedule, x0, y, 0.0, "none", seeded(1))
    assert loss == pytest.approx(unweighted.mean().item(), abs=4 * math.sqrt(3 * unweighted.square().mean() / (2 * n)))


def test_no_model_goes_below_the_floor():
    schedule, v, n = linear(100, 1e-2, 0.1), 0.5, 5_000
    x0 = math.sqrt(v) * torch.randn(n, 2, generator=seeded(0), dtype=torch.float64)
    y, best = torch.full((n,), NULL), gaussian(schedule, v)
    for c in (0.8, 0.95, 1.05, 1.2):
        worse = eps_loss(lambda x, t, y, c=c: c * best(x, t, y), schedule, x0, y, 0.0, seeded(1))
        assert worse > eps_loss(best, schedule, x0, y, 0.0, seeded(1))
