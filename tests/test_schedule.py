"""The noise table and the conversions between eps, x0, score and v."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers import random_batch
from hypothesis import given
from hypothesis import strategies as st

from cfgedu.protocol import seeded
from cfgedu.schedule import Schedule, cosine, even_angles, linear, straight, times

LINEAR, COSINE = linear(), cosine()
both_schedules = pytest.mark.parametrize("schedule", [LINEAR, COSINE], ids=["linear", "cosine"])
shapes = st.sampled_from([(2,), (1, 4, 4), (3, 2, 5)])


@both_schedules
def test_the_table_starts_clean_and_strictly_decreases(schedule):
    assert schedule.T == 1000
    assert schedule.alpha_bar.shape == (1001,)
    assert schedule.alpha_bar.dtype == torch.float64
    assert schedule.alpha_bar[0] == 1
    assert (schedule.alpha_bar.diff() < 0).all()


def test_known_values_of_the_linear_schedule():
    assert LINEAR.alpha_bar[1].item() == pytest.approx(1 - 1e-4, rel=1e-15)
    assert LINEAR.alpha_bar[2].item() == pytest.approx((1 - 1e-4) * (1 - 1e-4 - 0.0199 / 999), rel=1e-14)
    assert LINEAR.alpha_bar[-1].item() == pytest.approx(4.04e-5, rel=2e-3)
    beta = 1 - LINEAR.alpha_bar[1:] / LINEAR.alpha_bar[:-1]
    torch.testing.assert_close(beta, torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), rtol=1e-9, atol=0)


def test_known_values_of_the_cosine_schedule():
    assert COSINE.alpha_bar[-1].item() == pytest.approx(2.4e-9, rel=0.02)
    f = [math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2 for u in (0, 0.5)]
    assert COSINE.alpha_bar[500].item() == pytest.approx(f[1] / f[0], rel=1e-12)
    assert (1 - COSINE.alpha_bar[-1] / COSINE.alpha_bar[-2]).item() == pytest.approx(0.999, rel=1e-9)  # beta_max


def test_the_straight_path_is_even_in_u():
    schedule = straight(10, 0.9)
    signal, noise = schedule.alpha_bar.sqrt(), (1 - schedule.alpha_bar).sqrt()
    u = torch.linspace(0, 0.9, 11, dtype=torch.float64)
    torch.testing.assert_close(noise / (signal + noise), u, rtol=1e-12, atol=1e-15)
    assert schedule.alpha_bar[0] == 1
    assert straight().alpha_bar[-1].item() == pytest.approx(1e-6, rel=3e-3)


def test_every_twentieth_level_ends_where_the_long_table_ends():
    short = Schedule(LINEAR.alpha_bar[::20])
    assert short.T == 50
    assert short.alpha_bar[-1] == LINEAR.alpha_bar[-1]


def test_the_table_is_a_copy():
    table = torch.tensor([1.0, 0.5, 0.1], dtype=torch.float64)
    schedule = Schedule(table)
    table[1] = 7.0
    assert schedule.alpha_bar.tolist() == [1.0, 0.5, 0.1]


@given(T=st.integers(1, 300), data=st.data())
def test_grid_runs_from_T_to_0_as_evenly_as_integers_can(T, data):
    n = data.draw(st.integers(1, T))
    grid = linear(T).grid(n)
    assert len(grid) == n + 1
    assert (grid[0], grid[-1]) == (T, 0)
    assert all(type(t) is int for t in grid)
    assert all(t > s for t, s in pairwise(grid))
    assert all(abs(t - T * (n - i) / n) <= 0.5 for i, t in enumerate(grid))


def test_grid_for_every_n():
    schedule = linear(60)
    for n in range(1, 61):
        grid = schedule.grid(n)
        assert sorted(set(grid), reverse=True) == grid
        assert (grid[0], grid[-1], len(grid)) == (60, 0, n + 1)
    assert schedule.grid(60) == list(range(60, -1, -1))
    assert schedule.grid(np.int64(3)) == schedule.grid(torch.tensor(3)) == [60, 40, 20, 0]


@both_schedules
@given(seed=st.integers(0, 2**32 - 1), D=shapes)
def test_eps_x0_score_and_v_are_one_object(schedule, seed, D):
    x0, t, _ = random_batch(seed, 3, schedule.T, B=8, D=D)
    eps = torch.randn(x0.shape, generator=seeded(seed + 1), dtype=x0.dtype)
    x = schedule.noise(x0, t, eps)
    a = schedule.at(t, x)
    assert a.shape == (8, *[1] * len(D))

    def close(value, expected):
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10)

    close(schedule.x0(x, t, eps), x0)
    close(schedule.eps(x, t, x0), eps)
    close(-(1 - a).sqrt() * schedule.score(x, t, eps), eps)
    v = schedule.v(x, t, eps)
    close(v, a.sqrt() * eps - (1 - a).sqrt() * x0)
    close(a.sqrt() * x - (1 - a).sqrt() * v, x0)
    close((1 - a).sqrt() * x + a.sqrt() * v, eps)


@both_schedules
def test_one_int_for_the_whole_batch_is_the_same_as_a_tensor_of_it(schedule):
    x, _, _ = random_batch(0, 3, schedule.T, B=5, D=(1, 3, 3))
    for t in (1, 500, 1000, np.int64(7), torch.tensor(7)):
        full = torch.full((5,), int(t))
        assert torch.equal(schedule.noise(x, t, x), schedule.noise(x, full, x))
        assert torch.equal(schedule.noise(x, full.int(), x), schedule.noise(x, full, x))
        assert torch.equal(schedule.at(t, x).expand(5, 1, 1, 1), schedule.at(full, x))


@both_schedules
def test_at_t_0_data_are_clean(schedule):
    x0, _, _ = random_batch(0, 3, schedule.T)
    eps = torch.randn(x0.shape, generator=seeded(1), dtype=x0.dtype)
    assert torch.equal(schedule.noise(x0, 0, eps), x0)
    assert torch.equal(schedule.x0(x0, 0, eps), x0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_results_follow_the_dtype_of_x_and_are_formed_in_float64(dtype):
    x, t, _ = random_batch(0, 3, 1000, dtype=dtype)
    for value in (
        LINEAR.at(t, x), LINEAR.noise(x, t, x), LINEAR.x0(x, t, x),
        LINEAR.eps(x, t, x), LINEAR.score(x, t, x), LINEAR.v(x, t, x),
    ):  # fmt: skip
        assert value.dtype == dtype
    # 1 - a_1 = 1e-4 keeps all its digits: the difference is not taken in x's dtype
    assert torch.equal(LINEAR.noise_level(1, x), (1 - LINEAR.alpha_bar[1]).sqrt().to(dtype).reshape(1, 1))


def test_noise_has_the_mean_and_variance_that_it_claims():
    n, t = 40_000, 300
    a = LINEAR.alpha_bar[t].item()
    x0 = torch.tensor([[1.5, -0.5]], dtype=torch.float64).expand(n, 2)
    x = LINEAR.noise(x0, torch.full((n,), t), torch.randn(n, 2, generator=seeded(3), dtype=torch.float64))
    torch.testing.assert_close(x.mean(0), math.sqrt(a) * x0[0], rtol=0, atol=4 * math.sqrt((1 - a) / n))
    torch.testing.assert_close(x.var(0), torch.full((2,), 1 - a).double(), rtol=4 * math.sqrt(2 / n), atol=0)


def test_arguments_are_left_alone():
    x, t, _ = random_batch(0, 3, 1000)
    before = x.clone(), t.clone()
    for f in (LINEAR.noise, LINEAR.x0, LINEAR.eps, LINEAR.score, LINEAR.v):
        f(x, t, x)
    assert torch.equal(x, before[0])
    assert torch.equal(t, before[1])


def test_conversions_are_free_of_data_dependent_branches():
    """vmap, which refuses such branches, runs through every conversion."""
    x = torch.randn(4, 6, 2, generator=seeded(0))
    t = torch.randint(1, 1001, (4, 6), generator=seeded(1))
    for f in (LINEAR.noise, LINEAR.x0, LINEAR.eps, LINEAR.score, LINEAR.v):
        stacked = torch.func.vmap(f)(x, t, x)
        torch.testing.assert_close(stacked, torch.stack([f(x[i], t[i], x[i]) for i in range(4)]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_results_follow_the_device_of_x():
    x, t, _ = random_batch(0, 3, 1000, dtype=torch.float32)
    on_gpu = LINEAR.noise(x.cuda(), t.cuda(), x.cuda())
    torch.testing.assert_close(on_gpu.cpu(), LINEAR.noise(x, t, x))


# ---- grids of times ----


@given(T=st.integers(1, 400), share=st.floats(0, 1))
def test_even_angles_go_from_T_to_0(T, share):
    schedule = linear(T, 0.1 / max(T, 6), min(20 / max(T, 21), 0.99))
    steps = 1 + int(share * (T - 1))
    found = even_angles(schedule, steps)
    assert found[0] == T
    assert found[-1] == 0
    assert all(t > s for t, s in pairwise(found))
    assert len(found) <= steps + 1


def test_even_angles_are_even_but_for_their_power():
    """arccos sqrt(a_t) is the angle of x_t between signal and noise; it falls as the power 1.3 of an even grid."""
    schedule, steps = linear(), 32
    found = even_angles(schedule, steps)
    assert len(found) == steps + 1
    angle = schedule.alpha_bar.sqrt().arccos()
    even = (angle[torch.tensor(found)] / angle[-1]) ** (1 / 1.3)
    torch.testing.assert_close(even, torch.linspace(1, 0, steps + 1, dtype=torch.float64), atol=0.02, rtol=0)


def test_times_are_a_number_of_even_steps_or_the_list_itself():
    assert times(linear(), 4) == linear().grid(4) == [1000, 750, 500, 250, 0]
    assert times(linear(), torch.tensor(4)) == linear().grid(4)
    for given_times in ([900, 10, 0], (900, 10, 0), range(900, -1, -450), torch.tensor([5, 0]), iter([3, 0])):
        expected = [3, 0] if not hasattr(given_times, "__len__") else [int(t) for t in given_times]
        assert times(linear(), given_times) == expected
