"""What repairs a large scale: each rule against a hand-computed vector, each wrapper against plain guidance."""

import copy
import pickle
from itertools import pairwise

import pytest
import torch
from helpers import Net, Recorder, random_batch, random_mixture

from cfgedu.guidance import clip_x0, from_velocity, guided, null_pair
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import ddim_step, sample, trajectory
from cfgedu.schedule import linear
from cfgedu.variants import (
    cfgpp_scale,
    dynamic_threshold,
    magnitude_aware,
    project,
    projected,
    rescale,
    rescaled,
    zero_star,
)

SCHEDULE = linear()
PAIR = null_pair(Net(K=3))
POINTS, IMAGES = (2,), (1, 4, 4)
both_shapes = pytest.mark.parametrize("D", [POINTS, IMAGES], ids=["points", "images"])


def row(*numbers):
    return torch.tensor([numbers], dtype=torch.float64)


def close(got, expected, atol=1e-12):
    torch.testing.assert_close(got, expected, rtol=0, atol=atol)


def batch(D=POINTS, B=16):
    return random_batch(3, 3, 1000, B=B, D=D)


def two(D=POINTS):
    """(un, cond), (16,*D) each, and the plain rule at a scale for every row."""
    g = seeded(5)
    un, cond = (torch.randn(16, *D, generator=g, dtype=torch.float64) for _ in range(2))
    r = torch.linspace(-2, 8, 16, dtype=torch.float64)
    return un, cond, r, un + r.reshape(-1, *[1] * len(D)) * (cond - un)


# ---- the rules, by hand ----


def test_rescale_by_hand():
    x, cond = row(1, 5), row(0, 1)  # standard deviations 2 and 1/2
    close(rescale(x, cond, 1.0), row(0.25, 1.25))
    close(rescale(x, cond, 0.2), 0.2 * row(0.25, 1.25) + 0.8 * x)
    close(rescale(x, cond), row(0.7 * 0.25 + 0.3, 0.7 * 1.25 + 1.5))


def test_project_by_hand():
    un, cond = row(1, 1), row(2, 0)  # the difference (1, -1): 1 along cond, -1 across
    close(project(un, cond, 3.0), row(2, -2))
    close(project(un, cond, 3.0, eta=0.5), row(3, -2))
    close(project(un, cond, 3.0, eta=1.0, cap=2**-0.5), row(3, -1))  # shortened by half
    close(project(un, cond, 3.0, eta=1.0, cap=5.0), row(4, -2))  # shorter than the cap


def test_zero_star_by_hand():
    close(zero_star(row(2, 0), row(1, 3), 2.0), row(1, 6))  # s = 1/2: from (1, 0) twice (0, 3)


def test_dynamic_threshold_by_hand():
    x0 = torch.tensor([[-4.0, -1.0, 0.5, 2.0], [0.9, -0.3, 0.0, 0.1]], dtype=torch.float64)
    t, x = torch.tensor([500, 500]), torch.ones(2, 4, dtype=torch.float64)
    model = dynamic_threshold(lambda x, t, y: SCHEDULE.eps(x, t, x0), SCHEDULE, q=2 / 3)
    eps = model(x, t, torch.zeros(2, dtype=torch.long))
    wanted = torch.tensor([[-1.0, -0.5, 0.25, 1.0], [0.9, -0.3, 0.0, 0.1]], dtype=torch.float64)  # s = 2, and s = 1
    close(SCHEDULE.x0(x, t, eps), wanted)


def test_magnitude_aware_by_hand():
    pair = lambda x, t, y: (row(3, 4), row(3, 9))  # |cond - un| / |un| = 1
    got = magnitude_aware(pair, 5.0, alpha=2.0)(row(0, 0), torch.tensor([1]), torch.tensor([0]))
    close(got, row(3, 4 + 5 * (1 + 4 * torch.e**-2)))


# ---- where they are plain guidance ----


@both_shapes
def test_rules_at_their_limits(D):
    un, cond, r, plain = two(D)
    close(rescale(plain, cond, 0), plain)
    same_contrast = cond.roll(1, -1)
    close(rescale(same_contrast, cond, 0.7), same_contrast)
    close(project(un, cond, r, eta=1.0), plain)
    close(project(un, cond, r, eta=1.0, cap=1e9), plain)
    for eta, cap in ((0.0, None), (0.3, 0.5)):
        close(project(un, cond, 1.0, eta, cap), cond)
    close(zero_star(un, cond, 1.0), cond)
    assert torch.equal(zero_star(un, un, r), un)
    dot = ((cond - un) * un).flatten(1).sum(1) / un.square().flatten(1).sum(1)
    across = cond - dot.reshape(-1, *[1] * len(D)) * un  # cond - un is orthogonal to un
    close(zero_star(un, across, r), un + r.reshape(-1, *[1] * len(D)) * (across - un))


@both_shapes
def test_project_with_a_small_cap_is_the_conditional_prediction(D):
    un, cond, r, _ = two(D)
    close(project(un, cond, r, eta=1.0, cap=1e-9), cond, atol=1e-7)


def test_zero_vectors_are_no_trouble():
    zero, one = row(0, 0), row(1, 2)
    close(rescale(row(2, 2), one), row(2, 2))  # no contrast to change
    close(project(one, zero, 3.0), row(-2, -4))  # no direction to project on
    close(project(one, one, 3.0, cap=1.0), one)
    close(zero_star(zero, one, 3.0), 3 * one)
    pair = lambda x, t, y: (zero, zero)
    close(magnitude_aware(pair, 3.0, 0.0)(one, torch.tensor([1]), torch.tensor([0])), zero)


SCALES = {
    "a number": 3.0,
    "a scale for every row": torch.linspace(-1, 6, 16),
    "a function": lambda t: 1 + t / 500,
}


@both_shapes
@pytest.mark.parametrize("r", SCALES.values(), ids=list(SCALES))
def test_wrappers_at_their_limits(D, r):
    x, t, y = batch(D)
    plain = guided(PAIR, r)(x, t, y) if D == POINTS else guided(null_pair(Net(3, D)), r)(x, t, y)
    pair = PAIR if D == POINTS else null_pair(Net(3, D))
    for space in ("v", "x0", "eps"):
        close(rescaled(pair, r, SCHEDULE, 0.0, space)(x, t, y), plain)
    close(projected(pair, r, SCHEDULE, eta=1.0)(x, t, y), plain)
    assert torch.equal(magnitude_aware(pair, r, 0.0)(x, t, y), plain)


@both_shapes
def test_at_scale_1_they_are_the_conditional_prediction(D):
    x, t, y = batch(D)
    pair = null_pair(Net(3, D))
    _, cond = pair(x, t, y)
    for model in (
        rescaled(pair, 1.0, SCHEDULE),
        projected(pair, 1.0, SCHEDULE, cap=0.1),
        magnitude_aware(pair, 1.0, 2.0),
    ):
        close(model(x, t, y), cond)


def test_without_a_label_they_are_the_unconditional_prediction():
    x, t, _ = batch()
    y = torch.full_like(t, NULL)
    un, _ = PAIR(x, t, y)
    for model in (
        rescaled(PAIR, 4.0, SCHEDULE),
        projected(PAIR, 4.0, SCHEDULE, momentum=-0.5),
        magnitude_aware(PAIR, 4.0, 2.0),
    ):
        close(model(x, t, y), un)


def test_rescaled_gives_the_conditional_contrast_back_in_its_space():
    x, t, y = batch(IMAGES)
    pair = null_pair(Net(3, IMAGES))
    _, cond = pair(x, t, y)
    for space, there in {"v": SCHEDULE.v, "x0": SCHEDULE.x0, "eps": lambda x, t, eps: eps}.items():
        eps = rescaled(pair, 5.0, SCHEDULE, phi=1.0, space=space)(x, t, y)
        contrast, wanted = (there(x, t, part).flatten(1).std(1) for part in (eps, cond))
        torch.testing.assert_close(contrast, wanted, rtol=1e-9, atol=0)


def test_dynamic_threshold_at_its_limits():
    x, t, y = batch(IMAGES)
    model = guided(null_pair(Net(3, IMAGES)), 4.0)
    small = clip_x0(model, SCHEDULE, -1, 1)
    close(dynamic_threshold(small, SCHEDULE)(x, t, y), small(x, t, y))  # nothing lies outside
    close(dynamic_threshold(model, SCHEDULE, 0.0)(x, t, y), small(x, t, y))  # where the smallest number lies inside
    x0 = SCHEDULE.x0(x, t, dynamic_threshold(model, SCHEDULE, 1.0)(x, t, y))
    largest = SCHEDULE.x0(x, t, model(x, t, y)).flatten(1).abs().amax(1).clamp(min=1)
    close(x0, SCHEDULE.x0(x, t, model(x, t, y)) / largest[:, None, None, None], atol=1e-9)


# ---- CFG++ is a schedule of r ----


def cfgpp_by_hand(pair, lam, x, y, times):
    """x_0 from the scale lam, renoised with the unconditional eps."""
    a = SCHEDULE.alpha_bar
    for t, s in pairwise(times):
        un, cond = pair(x, torch.full_like(y, t), y)
        x0 = SCHEDULE.x0(x, t, un + lam * (cond - un))
        x = a[s].sqrt() * x0 + (1 - a[s]).sqrt() * un
    return x


@pytest.mark.parametrize("steps", [50, 7, [900, 333, 20, 0]], ids=str)
def test_cfgpp_is_ddim_with_its_scale(steps):
    mixture = random_mixture(1, 3, 6)
    pair = null_pair(mixture.denoiser(SCHEDULE))
    x, _, y = batch()
    y = y.clamp(min=0)
    times = SCHEDULE.grid(steps) if isinstance(steps, int) else steps
    got = sample(ddim_step, guided(pair, cfgpp_scale(0.6, SCHEDULE, steps)), SCHEDULE, x, y, steps)
    close(got, cfgpp_by_hand(pair, 0.6, x, y, times))


def test_cfgpp_scale_in_numbers():
    """lam in the last step; large where steps are fine; nothing between the times of the grid."""
    r = cfgpp_scale(0.6, SCHEDULE, 50)
    close(r(torch.tensor([20, 20])), torch.tensor([0.6, 0.6], dtype=torch.float64))
    assert 3 < r(torch.tensor([1000])) < r(torch.tensor([200])) < 10
    assert cfgpp_scale(0.6, SCHEDULE, 250)(torch.tensor([1000])) > 4 * r(torch.tensor([1000]))
    with pytest.raises(ValueError, match=r"t must be one of the times .* got \[990\]"):
        r(torch.tensor([990]))


# ---- the memory of momentum ----


def eps_along(model, times, x, y):
    return [model(x, torch.full_like(y, t), y) for t in times]


def test_momentum_by_hand():
    x, _, y = batch()
    model = projected(PAIR, 4.0, SCHEDULE, eta=0.3, cap=0.4, momentum=-0.5)
    running = 0
    for t in (800, 500, 100):
        now = torch.full_like(y, t)
        un, cond = (SCHEDULE.x0(x, t, eps) for eps in PAIR(x, now, y))
        running = cond - un - 0.5 * running
        wanted = project(cond - running, cond, 4.0, 0.3, 0.4)
        close(SCHEDULE.x0(x, t, model(x, now, y)), wanted, atol=1e-10)


def test_momentum_forgets_between_samplings():
    x, _, y = batch()
    y = y.clamp(min=0)
    model = projected(PAIR, 4.0, SCHEDULE, momentum=-0.5)
    first = sample(ddim_step, model, SCHEDULE, x, y, 10)
    assert torch.equal(sample(ddim_step, model, SCHEDULE, x, y, 10), first)
    next(iter(trajectory(ddim_step, model, SCHEDULE, x, y, 10)))  # broken off
    steps = trajectory(ddim_step, model, SCHEDULE, x, y, 10)
    [next(steps) for _ in range(4)]
    assert torch.equal(sample(ddim_step, model, SCHEDULE, x, y, 10), first)
    half = sample(ddim_step, model, SCHEDULE, x[:8], y[:8], 10)  # a batch of another size
    close(half, first[:8])
    without = sample(ddim_step, projected(PAIR, 4.0, SCHEDULE), SCHEDULE, x, y, 10)
    assert (first - without).abs().max() > 1e-3


def test_momentum_keeps_each_row_to_its_own_times():
    x, _, y = batch()
    lists = [[900, 600, 300], [500, 800, 200]]  # in the second the time rises once: a new sampling begins there
    alone = [eps_along(projected(PAIR, 4.0, SCHEDULE, momentum=0.5), times, x, y) for times in lists]
    both = projected(PAIR, 4.0, SCHEDULE, momentum=0.5)
    turn = torch.arange(len(y)) % 2
    for k in range(3):
        got = both(x, torch.tensor(lists)[turn, k], y)
        close(got, torch.where(turn[:, None] == 0, alone[0][k], alone[1][k]))


def test_the_same_time_asked_twice_gives_one_answer():
    x, _, y = batch()
    model = projected(PAIR, 4.0, SCHEDULE, momentum=0.5)
    eps_along(model, [900], x, y)
    once, again = eps_along(model, [500, 500], x, y)
    assert torch.equal(once, again)


# ---- what every wrapper of the course can do ----

WRAPPERS = {
    "rescaled": lambda pair: rescaled(pair, 3.0, SCHEDULE),
    "projected": lambda pair: projected(pair, 3.0, SCHEDULE, cap=1.0, momentum=-0.5),
    "dynamic_threshold": lambda pair: dynamic_threshold(guided(pair, 3.0), SCHEDULE),
    "magnitude_aware": lambda pair: magnitude_aware(pair, 3.0, 1.0),
    "guided by cfgpp_scale": lambda pair: guided(pair, cfgpp_scale(0.5, SCHEDULE, 10)),
}
every_wrapper = pytest.mark.parametrize("make", WRAPPERS.values(), ids=list(WRAPPERS))


@every_wrapper
def test_wrappers_keep_K_and_can_be_pickled_and_copied(make):
    model = make(PAIR)
    x, t, y = batch()
    t = torch.full_like(t, 500)
    assert model.K == 3
    with pytest.raises(ValueError, match=r"labels 0\.\.2"):
        sample(ddim_step, model, SCHEDULE, x, y + 5, 10)
    expected = model(x, t, y)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.K == 3
        assert torch.equal(other(x, t, y), expected)


def test_a_copy_has_a_memory_of_its_own():
    x, _, y = batch()
    model = projected(PAIR, 4.0, SCHEDULE, momentum=0.5)
    eps_along(model, [900], x, y)
    twin = copy.deepcopy(model)
    eps_along(twin, [300, 200], x, y)
    close(eps_along(model, [600], x, y)[0], eps_along(copy.deepcopy(model), [600], x, y)[0])


@every_wrapper
def test_each_asks_for_both_predictions_once(make):
    model = Recorder()
    x, t, y = batch()
    make(null_pair(model))(x, torch.full_like(t, 500), y)
    assert len(model.calls) == 1


@every_wrapper
def test_float32_stays_float32(make):
    x, t, y = batch()
    pair = null_pair(Net(3, dtype=torch.float32))
    assert make(pair)(x.float(), torch.full_like(t, 500), y).dtype == torch.float32


# ---- bad arguments ----

UN, COND = row(1, 2), row(3, 4)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: rescale(UN, COND, 1.5), ValueError, r"phi must lie in \[0, 1\], got 1.5"),
        (lambda: rescale(UN, COND, "a"), ValueError, r"phi must lie in \[0, 1\], got 'a'"),
        (lambda: rescale(UN, COND[0]), ValueError, r"x and cond must have one shape .* got \(1, 2\) and \(2,\)"),
        (lambda: rescale([1.0], COND), TypeError, "x and cond must be floating-point tensors, got list and"),
        (
            lambda: project(UN.long(), COND, 2.0),
            TypeError,
            "must be floating-point tensors, got torch.int64",
        ),
        (lambda: project(UN, COND, float("nan")), ValueError, "r must be finite"),
        (lambda: project(UN, COND, "2"), TypeError, "r must be a number"),
        (lambda: project(UN, COND, torch.ones(3)), ValueError, r"r must be one number or one per row"),
        (lambda: project(UN, COND, 2.0, eta=float("inf")), ValueError, "eta must be a finite number, got inf"),
        (lambda: project(UN, COND, 2.0, cap=0), ValueError, "cap must be a finite number above 0, got 0"),
        (lambda: zero_star(UN, torch.ones(1, 3), 2.0), ValueError, "un and cond must have one shape"),
        (lambda: rescaled(PAIR, None, SCHEDULE), TypeError, "r must be a number"),
        (lambda: rescaled(PAIR, 2.0, SCHEDULE, phi=-0.1), ValueError, "phi must lie in"),
        (lambda: rescaled(PAIR, 2.0, SCHEDULE, space="score"), ValueError, 'space must be "v", "x0" or "eps", got'),
        (lambda: projected(PAIR, 2.0, SCHEDULE, cap=-1.0), ValueError, "cap must be a finite number above 0"),
        (
            lambda: projected(PAIR, 2.0, SCHEDULE, momentum=1.0),
            ValueError,
            "momentum must lie strictly between",
        ),
        (lambda: dynamic_threshold(PAIR, SCHEDULE, q=99.5), ValueError, r"q must lie in \[0, 1\], got 99.5"),
        (lambda: magnitude_aware(PAIR, 2.0, -1), ValueError, "alpha must be a finite number of 0 or more, got -1"),
        (lambda: cfgpp_scale(None, SCHEDULE, 50), ValueError, "lam must be a finite number, got None"),
        (lambda: cfgpp_scale(0.6, SCHEDULE, 0), ValueError, "the number of steps, must be an int"),
        (lambda: cfgpp_scale(0.6, SCHEDULE, [5, 9, 0]), ValueError, "steps as a list must strictly decrease"),
    ],
)
def test_bad_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_denoiser_in_place_of_a_pair_is_named():
    x, t, y = batch()
    with pytest.raises(TypeError, match="pair must return"):
        rescaled(Net(K=3), 2.0, SCHEDULE)(x, t, y)
    with pytest.raises(TypeError, match="guided"):
        dynamic_threshold(PAIR, SCHEDULE)(x, t, y)


def test_zero_star_of_a_velocity_goes_back_through_from_velocity():
    """As the table of notebook 13 uses it: the rule on eps - x_0, brought back to eps; at r = 1 nothing has changed."""
    x, t, y = batch()
    un, cond = PAIR(x, t, y)
    velocity = [eps - SCHEDULE.x0(x, t, eps) for eps in (un, cond)]
    back = from_velocity(lambda z, u, y: zero_star(*velocity, 1.0), SCHEDULE)(x, t, y)
    close(back, cond, atol=1e-9)
