"""Guidance as algebra: what each Pair asks for, and what `guided` makes of the two answers."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from helpers import Net, Recorder, random_batch, random_mixture
from hypothesis import given
from hypothesis import strategies as st

from cfgedu.guidance import (
    clip_x0,
    from_score,
    from_v,
    from_velocity,
    from_x0,
    guidance_vector,
    guided,
    guided_by,
    null_pair,
    pair_of,
    two_models,
    unconditional,
    within,
)
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import cosine, linear, straight

SCHEDULE = linear()
seeds = st.integers(0, 2**32 - 1)
scales = st.floats(-5, 15)
POINTS, IMAGES = (2,), (1, 4, 4)
both_shapes = pytest.mark.parametrize("D", [POINTS, IMAGES], ids=["points", "images"])


def forms(r: float, B: int = 16) -> dict:
    """Every way of writing one scale r for a batch of B."""
    return {
        "float": r,
        "fraction": Fraction(r),
        "numpy float64": np.float64(r),
        "numpy float32": np.float32(r),
        "0-dim tensor": torch.tensor(r),
        "tensor of one": torch.tensor([r]),
        "per-sample tensor": torch.full((B,), r),
        "per-sample float64": torch.full((B,), r, dtype=torch.float64),
        "function to float": lambda t: r,
        "function to tensor": lambda t: torch.full(t.shape, r),
    } | ({"int": int(r), "int tensor": torch.tensor(int(r)), "numpy int": np.int64(r)} if r == int(r) else {})


# ---- the pairs ----


@both_shapes
def test_null_pair_asks_once_with_a_doubled_batch_unconditional_first(D):
    x, t, y = random_batch(0, 3, 1000, B=5, D=D)
    model = Recorder()
    eps_un, eps_cond = null_pair(model)(x, t, y)
    [(asked_x, asked_t, asked_y)] = model.calls
    assert torch.equal(asked_x, torch.cat([x, x]))
    assert torch.equal(asked_t, torch.cat([t, t]))
    assert asked_y.tolist() == [NULL] * 5 + y.tolist()
    assert torch.equal(eps_un, x)
    assert torch.equal(eps_cond, x * (y + 2).to(x).reshape(-1, *[1] * len(D)))


def test_two_models_both_get_y_as_given():
    x, t, y = random_batch(0, 3, 1000)
    un, cond = Recorder(), Recorder()
    two_models(un, cond)(x, t, y)
    assert [call[2].tolist() for call in un.calls + cond.calls] == [y.tolist()] * 2


def test_unconditional_never_shows_the_label():
    x, t, y = random_batch(0, 3, 1000)
    model = Recorder()
    assert torch.equal(unconditional(model)(x, t, y), x)
    assert model.calls[0][2].tolist() == [NULL] * len(x)


def test_two_networks_with_an_unconditional_one_agree_with_one_network():
    x, t, y = random_batch(0, 3, 1000)
    net = Net()
    for a, b in zip(two_models(unconditional(net), net)(x, t, y), null_pair(net)(x, t, y), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@both_shapes
def test_null_pair_agrees_with_two_single_forwards(D):
    x, t, y = random_batch(0, 3, 1000, B=33, D=D)
    net = Net(D=D)
    eps_un, eps_cond = null_pair(net)(x, t, y)
    torch.testing.assert_close(eps_un, net(x, t, torch.full_like(y, NULL)), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(eps_cond, net(x, t, y), rtol=1e-12, atol=1e-12)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_two_predictions_are_bitwise_equal_where_y_is_null(dtype):
    """Kernels treat rows by their place in the batch, so this does not come by itself (3 float32 rows, two threads)."""
    net = Net(width=64, dtype=dtype)
    for B in (2, 3, 4, 5, 6, 7, 8, 33, 127, 1000):
        x, t, y = random_batch(B, 3, 1000, B=B, dtype=dtype)
        eps_un, eps_cond = null_pair(net)(x, t, y)
        assert torch.equal(eps_un[y == NULL], eps_cond[y == NULL])
        assert not torch.equal(eps_un[y != NULL], eps_cond[y != NULL])


def test_int32_labels_work_and_nothing_is_mutated():
    x, t, y = random_batch(0, 3, 1000)
    before = x.clone(), t.clone(), y.clone()
    net = Net()
    out = guided(null_pair(net), 3.0)(x, t, y)
    assert torch.equal(out, guided(null_pair(net), 3.0)(x, t, y.int()))
    assert all(torch.equal(a, b) for a, b in zip((x, t, y), before, strict=True))


def test_an_empty_batch_gives_an_empty_answer():
    x, t, y = torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long)
    net = Net(dtype=torch.float32)
    for r in (3.0, torch.zeros(0), lambda t: t * 0.1):
        assert guided(null_pair(net), r)(x, t, y).shape == (0, 2)


# ---- guided ----


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@both_shapes
@pytest.mark.parametrize(("r", "which"), [(0.0, 0), (1.0, 1)])
def test_r_0_and_r_1_are_bitwise_the_outputs_of_the_pair(D, r, which, dtype):
    x, t, y = random_batch(0, 3, 1000, D=D, dtype=dtype)
    answer = null_pair(Net(D=D, dtype=dtype))(x, t, y)
    for name, form in forms(r).items():
        out = guided(lambda x, t, y: answer, form)(x, t, y)
        assert torch.equal(out, answer[which]), name
        assert out.dtype == dtype, name


def test_every_form_of_r_means_the_same():
    x, t, y = random_batch(0, 3, 1000, D=IMAGES)
    pair = null_pair(Net(D=IMAGES))
    for r in (3.0, 0.5, -1.5):
        expected = guided(pair, r)(x, t, y)
        for name, form in forms(r).items():
            torch.testing.assert_close(guided(pair, form)(x, t, y), expected, rtol=1e-14, atol=1e-14, msg=name)


@given(r=scales, seed=seeds)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_where_both_predictions_are_equal_no_r_changes_a_bit(dtype, r, seed):
    x, t, y = random_batch(seed, 3, 1000, dtype=dtype)
    for form in (r, torch.tensor(r), torch.full((len(x),), r)):
        assert torch.equal(guided(lambda x, t, y: (x, x.clone()), form)(x, t, y), x)


@given(r=scales, low=st.integers(0, 1000), high=st.integers(0, 1000))
def test_within_is_r_inside_and_1_outside_exact_in_float64(r, low, high):
    """r = 0.1 is no number of float32: rounded to one, guidance would be off by 7e-10."""
    t = torch.arange(1, 1001)
    scale = within(r, low, high)(t)
    assert scale.dtype == torch.float64
    assert scale.tolist() == [r if low < s <= high else 1.0 for s in t.tolist()]


def test_guided_within_is_guided_bit_by_bit():
    x, t, y = random_batch(0, 3, 1000)
    pair = null_pair(Net())
    for r in (0.1, 3.3, 3.0):
        assert torch.equal(guided(pair, within(r, 0, 1000))(x, t, y), guided(pair, r)(x, t, y))
        inside = (t > 300)[:, None]
        mixed = torch.where(inside, guided(pair, r)(x, t, y), guided(pair, 1.0)(x, t, y))
        assert torch.equal(guided(pair, within(r, 300, 1000))(x, t, y), mixed)


@given(seed=seeds, r=scales)
def test_guided_is_un_plus_r_times_the_difference(seed, r):
    x, t, y = random_batch(seed, 3, 1000)
    pair = null_pair(Net(seed=seed % 97))
    eps_un, eps_cond = pair(x, t, y)
    torch.testing.assert_close(guided(pair, r)(x, t, y), eps_un + r * (eps_cond - eps_un), rtol=1e-12, atol=1e-12)


@given(seed=seeds, r=scales, q=scales, w=st.floats(0, 1))
def test_guided_is_affine_in_r(seed, r, q, w):
    x, t, y = random_batch(seed, 3, 1000)
    pair = null_pair(Net(seed=seed % 97))
    mixed = w * guided(pair, r)(x, t, y) + (1 - w) * guided(pair, q)(x, t, y)
    torch.testing.assert_close(guided(pair, w * r + (1 - w) * q)(x, t, y), mixed, rtol=1e-12, atol=1e-12)


@given(seed=seeds, r=scales)
def test_swapping_the_pair_turns_r_into_1_minus_r(seed, r):
    x, t, y = random_batch(seed, 3, 1000)
    pair = null_pair(Net(seed=seed % 97))
    swapped = guided(lambda *args: pair(*args)[::-1], r)
    torch.testing.assert_close(swapped(x, t, y), guided(pair, 1 - r)(x, t, y), rtol=1e-12, atol=1e-12)


@given(seed=seeds, r=scales)
def test_without_a_label_there_is_nothing_to_guide(seed, r):
    x, t, _ = random_batch(seed, 3, 1000)
    net, y = Net(seed=seed % 97), torch.full((len(x),), NULL)
    torch.testing.assert_close(guided(null_pair(net), r)(x, t, y), net(x, t, y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("at", [0.0, 1.0])
def test_r_has_no_threshold(at):
    """Continuous, with the same slope on both sides: r = 1 + 1e-6 does not switch guidance on."""
    x, t, y = random_batch(0, 3, 1000)
    pair = null_pair(Net())
    eps_un, eps_cond = pair(x, t, y)
    for delta in (-1e-3, -1e-6, 1e-6, 1e-3):
        slope = (guided(pair, at + delta)(x, t, y) - guided(pair, at)(x, t, y)) / delta
        torch.testing.assert_close(slope, eps_cond - eps_un, rtol=0, atol=1e-8)


def test_one_scale_per_sample_and_a_function_of_t():
    x, t, y = random_batch(0, 3, 1000, D=IMAGES)
    pair = null_pair(Net(D=IMAGES))
    r = torch.linspace(-1, 8, len(x), dtype=torch.float64)
    rows = guided(pair, r)(x, t, y)
    for i in range(len(x)):
        torch.testing.assert_close(rows[i], guided(pair, r[i].item())(x, t, y)[i], rtol=1e-14, atol=1e-14)
    interval = guided(pair, lambda t: torch.where(t > 500, 3.0, 1.0))(x, t, y)
    torch.testing.assert_close(interval, guided(pair, torch.where(t > 500, 3.0, 1.0))(x, t, y), rtol=0, atol=0)


def test_a_function_of_t_is_given_the_times_of_the_batch():
    x, t, y = random_batch(0, 3, 1000)
    seen = []
    guided(null_pair(Net()), lambda t: seen.append(t) or 1.0)(x, t, y)
    assert torch.equal(seen[0], t)


def test_r_may_be_learned():
    x, t, y = random_batch(0, 3, 1000)
    pair, r = null_pair(Net()), torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    guided(pair, r)(x, t, y).sum().backward()
    eps_un, eps_cond = pair(x, t, y)
    torch.testing.assert_close(r.grad, (eps_cond - eps_un).sum().detach())


# ---- the guidance vector ----


@given(seed=seeds, K=st.integers(2, 4), t=st.integers(20, 1000))
def test_the_guidance_vector_is_the_gradient_of_the_log_posterior(seed, K, t):
    """Not below t = 20, where log p(y given x_t) of a point far from the class ends in the log of zero."""
    mixture = random_mixture(seed, K, K + 3)
    x, _, y = random_batch(seed, K, 1000)
    y, times = y.clamp(min=0), torch.full_like(y, t)
    z = x.clone().requires_grad_()
    log_p = mixture.posterior(z, SCHEDULE.alpha_bar[t].item()).gather(1, y[:, None]).log()
    g = guidance_vector(null_pair(mixture.denoiser(SCHEDULE)), SCHEDULE)(x, times, y)
    torch.testing.assert_close(g, torch.autograd.grad(log_p.sum(), z)[0], rtol=1e-6, atol=1e-8)


@given(seed=seeds, D=st.sampled_from([POINTS, IMAGES]), r=scales)
def test_the_guidance_vector_is_what_r_multiplies(seed, D, r):
    x, t, y = random_batch(seed, 3, 1000, D=D)
    pair = null_pair(Net(D=D))
    eps_un, eps_cond = pair(x, t, y)
    g = guidance_vector(pair, SCHEDULE)
    s_un, guided_score = SCHEDULE.score(x, t, eps_un), SCHEDULE.score(x, t, guided(pair, r)(x, t, y))
    torch.testing.assert_close(guided_score, s_un + r * g(x, t, y), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(from_score(g, SCHEDULE)(x, t, y), eps_cond - eps_un, rtol=1e-10, atol=1e-10)
    assert not g(x, t, torch.full_like(y, NULL)).any()


class Twin(Net):
    """A network that has a `pair` of its own, as TwinMLP."""

    def pair(self, x, t, y):
        return self(x, t, torch.full_like(y, NULL)), self(x, t, y)


def test_the_pair_of_a_network_is_its_own_or_a_doubled_batch():
    x, t, y = random_batch(0, 3, 1000)
    twin, net = Twin(), Net()
    assert pair_of(twin) == twin.pair
    for got, expected in zip(pair_of(net)(x, t, y), null_pair(net)(x, t, y)):
        assert torch.equal(got, expected)


@pytest.mark.parametrize("r", [0, 1, 0.0, 1.0, 2.5, -1])
def test_guided_by_asks_for_no_more_than_r_needs(r):
    x, t, y = random_batch(0, 3, 1000)
    model = Recorder()
    answer = guided_by(model.__call__, r)(x, t, y)  # the method, which has no `pair`
    torch.testing.assert_close(answer, guided(null_pair(Recorder()), r)(x, t, y))
    [(asked_x, _, asked_y)] = model.calls
    assert len(asked_x) == (len(x) if r in (0, 1) else 2 * len(x))
    assert set(asked_y.tolist()) == ({NULL} if r == 0 else set(y.tolist()) | ({NULL} if r not in (0, 1) else set()))


# ---- parametrisations ----


@given(seed=seeds, r=scales, end=st.sampled_from(["linear", "cosine"]))
def test_guidance_commutes_with_the_parametrisation(seed, r, end):
    """Score, x0 and v are affine in eps with the same coefficients for both modes, so each may be guided instead."""
    schedule = {"linear": SCHEDULE, "cosine": cosine()}[end]
    x, t, y = random_batch(seed, 3, schedule.T)
    a, b = Net(seed=seed % 97), Net(seed=seed % 89 + 100)
    for wrap in (from_score, from_x0, from_v, from_velocity):
        guided_first = wrap(guided(two_models(a, b), r), schedule)
        guided_after = guided(two_models(wrap(a, schedule), wrap(b, schedule)), r)
        torch.testing.assert_close(guided_first(x, t, y), guided_after(x, t, y), rtol=1e-10, atol=1e-10)


@given(seed=seeds, D=st.sampled_from([POINTS, IMAGES]))
def test_each_parametrisation_gives_back_the_eps_it_was_made_from(seed, D):
    x, t, y = random_batch(seed, 3, 1000, D=D)
    net = Net(D=D)
    for wrap, convert in ((from_score, SCHEDULE.score), (from_x0, SCHEDULE.x0), (from_v, SCHEDULE.v)):
        model = wrap(lambda x, t, y, convert=convert: convert(x, t, net(x, t, y)), SCHEDULE)
        torch.testing.assert_close(model(x, t, y), net(x, t, y), rtol=1e-10, atol=1e-10)


@given(seed=seeds, D=st.sampled_from([POINTS, IMAGES]), end=st.sampled_from(["linear", "straight"]))
def test_a_velocity_is_one_more_affine_reading(seed, D, end):
    """velocity = eps - x_0 on the straight path, whatever schedule the sampler runs on."""
    schedule = {"linear": SCHEDULE, "straight": straight()}[end]
    x, t, y = random_batch(seed, 3, 1000, D=D)
    net, asked = Net(D=D), []
    eps = net(x, t, y)

    def velocity(z, u, y):
        asked.append((z, u))
        return eps - schedule.x0(x, t, eps)

    torch.testing.assert_close(from_velocity(velocity, schedule)(x, t, y), eps, rtol=1e-9, atol=1e-9)
    [(z, u)] = asked
    assert (u.shape, u.dtype) == (t.shape, x.dtype)
    side = u.reshape(-1, *[1] * (x.ndim - 1))
    torch.testing.assert_close(z, (1 - side) * schedule.x0(x, t, eps) + side * eps, rtol=1e-9, atol=1e-9)
    if end == "straight":
        torch.testing.assert_close(u, 0.999 * t.double() / 1000, rtol=1e-9, atol=1e-9)


def test_a_velocity_of_another_shape_is_refused():
    x, t, y = random_batch(0, 3, 1000)
    with pytest.raises(ValueError, match="the model's prediction"):
        from_velocity(lambda z, u, y: z[:, :1], SCHEDULE)(x, t, y)


@pytest.mark.parametrize("r", [0.0, 1.0, 4.0])
def test_guided_ddim_is_guided_euler_on_the_velocity(r):
    """One DDIM step from u_t to u_s on the straight path is z_s = z_t + (u_s - u_t) velocity, to rounding."""
    schedule, mixture = straight(50, 0.98), random_mixture(0, 3, 6)
    pair = null_pair(mixture.denoiser(schedule))
    x = torch.randn(64, 2, generator=seeded(1), dtype=torch.float64)
    y = torch.arange(64) % 3
    scale = schedule.alpha_bar.sqrt() + (1 - schedule.alpha_bar).sqrt()  # x = scale z
    z = x / scale[50]
    for t in range(50, 0, -1):
        at = torch.full_like(y, t)
        eps_un, eps_cond = pair(scale[t] * z, at, y)
        v_un, v_cond = (eps - schedule.x0(scale[t] * z, at, eps) for eps in (eps_un, eps_cond))
        z = z - 0.98 / 50 * (v_un + r * (v_cond - v_un))
    torch.testing.assert_close(sample(ddim_step, guided(pair, r), schedule, x, y), z, rtol=1e-10, atol=1e-10)


def test_guidance_does_not_commute_with_clipping():
    x, t, y = random_batch(0, 3, 1000)
    net = Net()
    clip_last = clip_x0(guided(null_pair(net), 3.0), SCHEDULE)
    clip_first = guided(null_pair(clip_x0(net, SCHEDULE)), 3.0)
    assert (clip_last(x, t, y) - clip_first(x, t, y)).abs().max() > 0.1


@given(seed=seeds, D=st.sampled_from([POINTS, IMAGES]), lo=st.floats(-2, -0.1), width=st.floats(0.1, 4))
def test_clip_x0_returns_the_eps_of_the_clipped_x0(seed, D, lo, width):
    x, t, y = random_batch(seed, 3, 1000, D=D)
    net, hi = Net(D=D), lo + width
    eps = clip_x0(net, SCHEDULE, lo, hi)(x, t, y)
    x0 = SCHEDULE.x0(x, t, net(x, t, y)).clamp(lo, hi)
    torch.testing.assert_close(SCHEDULE.x0(x, t, eps), x0, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(SCHEDULE.noise(x0, t, eps), x, rtol=1e-10, atol=1e-10)


def test_clip_x0_leaves_what_lies_inside():
    x, t, y = random_batch(0, 3, 1000)
    net = Net()
    torch.testing.assert_close(clip_x0(net, SCHEDULE, -1e9, 1e9)(x, t, y), net(x, t, y), rtol=1e-10, atol=1e-10)


# ---- what the wrappers keep ----


def test_every_wrapper_knows_the_number_of_classes():
    model, plain = Recorder(K=7), lambda x, t, y: x
    pairs = [null_pair(model), two_models(plain, model), two_models(unconditional(model), model), model.pair]
    wrapped = [guided(pair, 2.0) for pair in pairs] + [
        f(model, SCHEDULE) for f in (from_score, from_x0, from_v, from_velocity, clip_x0)
    ]
    wrapped += [
        unconditional(model),
        clip_x0(guided(model.pair, 2.0), SCHEDULE),
        random_mixture(0, 7, 9).denoiser(SCHEDULE),
    ]
    assert [f.K for f in wrapped] == [7] * len(wrapped)
    assert guided(null_pair(plain), 2.0).K is None


def test_wrappers_are_free_of_data_dependent_branches():
    """vmap, which refuses such branches, runs through guidance, conversions, clipping and the exact denoiser."""
    model = random_mixture(0, 3, 6).denoiser(SCHEDULE)
    deep = clip_x0(
        from_score(guided(null_pair(from_x0(from_v(model, SCHEDULE), SCHEDULE)), lambda t: t / 500), SCHEDULE), SCHEDULE
    )
    x = torch.randn(4, 6, 2, generator=seeded(0), dtype=torch.float64)
    t = torch.randint(1, 1001, (4, 6), generator=seeded(1))
    y = torch.randint(-1, 3, (4, 6), generator=seeded(2))
    torch.testing.assert_close(
        torch.func.vmap(deep)(x, t, y), torch.stack([deep(*rows) for rows in zip(x, t, y, strict=True)])
    )
