"""One step in four ways, and the loop that they share."""

import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers import Net, Recorder, random_batch
from hypothesis import given
from hypothesis import strategies as st

from cfgedu.guidance import guided, null_pair, two_models
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import ddim_step, ddpm_step, euler_maruyama_step, ode_step, sample, trajectory
from cfgedu.schedule import Schedule, cosine, linear
from cfgedu.toy import gaussian, oracle

LINEAR, COSINE = linear(), cosine()
STEPS = {
    "ddpm": ddpm_step,
    "ddim": ddim_step,
    "ddim eta=0.5": partial(ddim_step, eta=0.5),
    "euler-maruyama": euler_maruyama_step,
    "ode": ode_step,
}
every_step = pytest.mark.parametrize("step", STEPS.values(), ids=list(STEPS))
seeds = st.integers(0, 2**32 - 1)


def noises(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


def no_label(x):
    return torch.full((len(x),), NULL)


# ---- one step ----


@given(seed=seeds, a_t=st.floats(1e-5, 0.999), share=st.floats(0.001, 1))
def test_ddpm_is_ddim_with_eta_1(seed, a_t, share):
    a_s = a_t + share * (1 - a_t)
    x, eps, z = noises(3, 64, 2, seed=seed)
    scale = math.sqrt(a_s / a_t)  # of the terms that are added up
    ddpm, ddim = ddpm_step(x, eps, a_t, a_s, z), ddim_step(x, eps, a_t, a_s, z, eta=1.0)
    torch.testing.assert_close(ddpm / scale, ddim / scale, rtol=1e-12, atol=1e-12)


@given(seed=seeds, t=st.integers(2, 1000), eta=st.floats(0, 1), data=st.data(), end=st.sampled_from([LINEAR, COSINE]))
def test_ddim_keeps_the_marginals_of_the_forward_process(seed, t, eta, data, end):
    """From x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps to mean sqrt(a_s) x_0 and variance 1 - a_s, for every eta."""
    s = data.draw(st.integers(1, t - 1))
    a_t, a_s = end.alpha_bar[t].item(), end.alpha_bar[s].item()
    x0, eps = noises(2, 8, 2, seed=seed)
    x, zero, one = math.sqrt(a_t) * x0 + math.sqrt(1 - a_t) * eps, torch.zeros_like(x0), torch.ones_like(x0)
    step = partial(ddim_step, eta=eta)
    mean = step(math.sqrt(a_t) * x0, zero, a_t, a_s, zero)
    from_eps = step(x, eps, a_t, a_s, zero) - mean  # linear in eps ...
    from_z = step(zero, zero, a_t, a_s, one)  # ... and in z
    torch.testing.assert_close(mean, math.sqrt(a_s) * x0, rtol=1e-9, atol=1e-9)
    variance = (from_eps / eps).square() + from_z.square()
    torch.testing.assert_close(variance, torch.full_like(variance, 1 - a_s), rtol=1e-6, atol=1e-9)


@every_step
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_step_is_pure(step, dtype):
    x, eps, z = (noises(5, 1, 3, 3, seed=i, dtype=dtype) for i in range(3))
    before = x.clone(), eps.clone(), z.clone()
    out = step(x, eps, 0.3, 0.6, z)
    assert (out.shape, out.dtype) == (x.shape, dtype)
    assert torch.equal(out, step(x, eps, 0.3, 0.6, z))
    assert all(torch.equal(a, b) for a, b in zip((x, eps, z), before, strict=True))


@pytest.mark.parametrize("step", [ddim_step, ode_step])
def test_deterministic_steps_ignore_the_noise(step):
    x, eps, z = noises(3, 5, 2)
    assert torch.equal(step(x, eps, 0.3, 0.6, z), step(x, eps, 0.3, 0.6, torch.zeros_like(z)))


def test_small_steps_of_each_kind_agree():
    """To first order in the step, DDIM is the ODE and DDPM is Euler-Maruyama: the gap closes with its square."""
    x, eps, z = noises(3, 5, 2)
    for exact, first_order, power in ((ddim_step, ode_step, 2), (ddpm_step, euler_maruyama_step, 1.5)):
        gap = [
            (exact(x, eps, 0.5, 0.5 + h, z) - first_order(x, eps, 0.5, 0.5 + h, z)).abs().max() for h in (1e-3, 1e-4)
        ]
        assert gap[0] / gap[1] == pytest.approx(10**power, rel=0.2)


@every_step
def test_noise_of_a_step_has_the_stated_variance(step):
    """What multiplies z: beta-tilde for DDPM (times eta^2 for DDIM), beta for Euler-Maruyama, nothing for the ODE."""
    a_t, a_s = 0.3, 0.6
    beta = 1 - a_t / a_s
    tilde = beta * (1 - a_s) / (1 - a_t)
    expected = dict(zip(STEPS.values(), (tilde, 0.0, tilde / 4, beta, 0.0), strict=True))[step]
    zero, one = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    assert step(zero, zero, a_t, a_s, one).item() ** 2 == pytest.approx(expected, rel=1e-12)


# ---- the oracle: a model that knows x_0 ----

any_times = st.sets(st.integers(1, 1000), min_size=1, max_size=12).map(lambda s: sorted(s, reverse=True) + [0])


@given(seed=seeds, times=any_times, eta=st.floats(0, 1), end=st.sampled_from([LINEAR, COSINE]))
def test_ddpm_and_ddim_bring_the_oracle_back_to_x0_for_any_list_of_times(seed, times, eta, end):
    x0, x = noises(2, 6, 2, seed=seed)
    for step in (ddpm_step, ddim_step, partial(ddim_step, eta=eta), partial(ddim_step, eta=1)):
        found = sample(step, oracle(end, x0), end, x, no_label(x), times, seeded(seed))
        torch.testing.assert_close(found, x0, rtol=0, atol=1e-10)


@every_step
def test_the_oracle_on_images(step):
    x0, x = noises(2, 6, 1, 4, 4)
    found = sample(step, oracle(COSINE, x0), COSINE, x, no_label(x), 200, seeded(0))
    torch.testing.assert_close(
        found, x0, rtol=0, atol=0.1 if step is ode_step else 1e-5 if step is euler_maruyama_step else 1e-10
    )


@pytest.mark.parametrize("schedule", [LINEAR, COSINE], ids=["linear", "cosine"])
def test_the_oracle_under_the_ode_keeps_half_of_the_last_noise(schedule):
    """Euler's step in time is not exact for an oracle. From 10 to 100 steps its error is of first order (it nearly
    halves when the steps double), beyond that slower: the drift has a singular end, and the last step, to s = 0, takes
    away only half of the noise that is left, sqrt(1 - a) / 2 at the last time."""
    x0, x = noises(2, 64, 2)
    error = {}
    for n in (25, 50, 100, 200, 400):
        path = list(trajectory(ode_step, oracle(schedule, x0), schedule, x, no_label(x), n))
        error[n] = (path[-1] - x0).abs().max().item()
        t = schedule.grid(n)[-2]
        left = oracle(schedule, x0)(path[-2], torch.full((64,), t), None)
        half = schedule.noise_level(t, x) / 2
        # x_0 = x + beta (x + score) / 2 with x = sqrt(a) x_0 + sqrt(1 - a) eps and beta = 1 - a
        torch.testing.assert_close(
            path[-1] - x0, half * left, rtol=0, atol=0.1 * error[n] + (1 - schedule.alpha_bar[t].item())
        )
    assert 1.7 < error[25] / error[50] < 2.1
    assert 1.7 < error[50] / error[100] < 2.1
    assert error[200] / error[400] < 1.7


@pytest.mark.parametrize("schedule", [LINEAR, COSINE], ids=["linear", "cosine"])
def test_the_oracle_under_euler_maruyama_converges_faster_than_first_order(schedule):
    """The SDE pulls twice as hard as the ODE, so the last step leaves none of the noise: what remains is the drift's
    own discretisation. Twice the steps divide the error by more than 2 (6 to 13 without noise, 4 to 6 with it)."""
    x0, x = noises(2, 4000, 1)

    def silent(x, eps, a_t, a_s, z):
        return euler_maruyama_step(x, eps, a_t, a_s, 0 * z)

    for step in (euler_maruyama_step, silent):
        error = [
            (sample(step, oracle(schedule, x0), schedule, x, no_label(x), n, seeded(1)) - x0)
            .square()
            .mean()
            .sqrt()
            .item()
            for n in (25, 50, 100, 200)
        ]
        assert all(coarse > 2 * fine for coarse, fine in pairwise(error))
        assert error[-1] < 1e-3


# ---- Gaussian data: everything in closed form ----


def variance_of_x0(step, schedule, n, coefficient, x_T=1.0):
    """The exact variance of x_0 where eps = coefficient(a) x: a step is linear in x and z, so variances are floats."""
    variance, a = x_T, schedule.alpha_bar.tolist()
    for t, s in pairwise(schedule.grid(n)):
        of_x = step(1.0, coefficient(a[t]), a[t], a[s], 0.0)
        of_z = step(0.0, 0.0, a[t], a[s], 1.0) if s > 0 else 0.0
        variance = of_x**2 * variance + of_z**2
    return variance


def exact(v):
    return lambda a: math.sqrt(1 - a) / (a * v + 1 - a)


@every_step
@pytest.mark.parametrize("v", [0.25, 4.0])
def test_samples_of_a_gaussian_converge_at_first_order(step, v):
    """Twice the steps, half the error of the variance."""
    for schedule in (LINEAR, COSINE):
        error = [variance_of_x0(step, schedule, n, exact(v)) / v - 1 for n in (250, 500, 1000)]
        assert abs(error[-1]) < 0.02
        for coarse, fine in pairwise(error):
            assert 1.75 < coarse / fine < 2.1


def ode_variance(v_c, v_u, r):
    return v_c**r * v_u ** (1 - r)


def sde_variance(v_c, v_u, r):
    return (v_c * v_u - v_c ** (2 * r) * v_u ** (2 - 2 * r)) / ((v_u - v_c) * (2 * r - 1))


GUIDED = [(0.25, 1.0, 2.0), (0.5, 1.0, 1.5), (0.5, 2.0, 3.0), (1.0, 4.0, 2.0), (0.25, 1.0, 0.0), (0.25, 1.0, 1.0)]
CLOSED_FORMS = [  # step, closed form, bar
    (ddim_step, ode_variance, 0.035),
    (ode_step, ode_variance, 0.035),
    (euler_maruyama_step, sde_variance, 0.035),
    (ddpm_step, sde_variance, 0.045),
]
closed_forms = pytest.mark.parametrize(
    ("step", "form", "bar"), CLOSED_FORMS, ids=["ddim", "ode", "euler-maruyama", "ddpm"]
)


@closed_forms
@pytest.mark.parametrize(("v_c", "v_u", "r"), GUIDED)
def test_guided_variance_by_exact_recursion(step, form, bar, v_c, v_u, r):
    """Guided Gaussians of equal means (Bradley & Nakkiran, arXiv 2408.09000): ODE and SDE samplers differ, and neither
    gives the variance of the tilted density. The gap to the closed form is the step's own: a finer table closes it."""

    def coefficient(a):
        return r * exact(v_c)(a) + (1 - r) * exact(v_u)(a)

    fine = linear(4000, 1e-4 / 4, 0.02 / 4)
    at_1000 = variance_of_x0(step, LINEAR, 1000, coefficient) / form(v_c, v_u, r) - 1
    at_4000 = variance_of_x0(step, fine, 4000, coefficient) / form(v_c, v_u, r) - 1
    assert abs(at_1000) < bar
    assert abs(at_4000) < 0.3 * bar


@pytest.mark.parametrize(("step", "form", "bar"), [c for c in CLOSED_FORMS if c[0] is not ode_step])
def test_guided_variance_of_samples(step, form, bar):
    """The same through the public loop, at 20,000 samples."""
    v_c, v_u, r = 0.25, 1.0, 2.0
    x = noises(20_000, 2, dtype=torch.float32)
    model = guided(two_models(gaussian(LINEAR, v_u), gaussian(LINEAR, v_c)), r)
    x0 = sample(step, model, LINEAR, x, no_label(x), 1000, seeded(1))
    assert x0.var().item() == pytest.approx(form(v_c, v_u, r), rel=bar)
    tilted = 1 / (r / v_c + (1 - r) / v_u)
    assert abs(x0.var().item() / tilted - 1) > bar


# ---- the loop ----


class Spy:
    """A step that notes what it was given."""

    def __init__(self):
        self.calls = []

    def __call__(self, x, eps, a_t, a_s, z):
        self.calls.append((x, eps, a_t, a_s, z))
        return 0.5 * x + 0.1 * eps + 0.1 * z


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("D", [(2,), (1, 3, 3)], ids=["points", "images"])
def test_noise_is_drawn_once_per_step_in_order_and_not_for_the_last(D, dtype):
    x, _, y = random_batch(0, 3, 1000, B=7, D=D, dtype=dtype)
    spy, model, g = Spy(), Recorder(), seeded(3)
    sample(spy, model, LINEAR, x, y, [900, 500, 20, 0], g)
    reference = seeded(3)
    for *_, z in spy.calls[:-1]:
        assert torch.equal(z, torch.randn(x.shape, generator=reference, dtype=dtype))
    assert torch.equal(spy.calls[-1][-1], torch.zeros_like(x))
    assert torch.equal(g.get_state(), reference.get_state())


@every_step
def test_every_step_draws_the_same_noise(step):
    """Deterministic steps too: the same generator gives the same path whichever step is put in."""
    g, h = seeded(0), seeded(0)
    x, _, y = random_batch(0, 3, 1000)
    sample(step, Recorder(), LINEAR, x, y, 4, g)
    for _ in range(3):
        torch.randn(x.shape, generator=h, dtype=x.dtype)
    assert torch.equal(g.get_state(), h.get_state())


def test_the_model_is_asked_at_each_time_and_the_step_gets_levels_as_floats():
    x, _, y = random_batch(0, 3, 1000)
    spy, model, times = Spy(), Recorder(), [1000, 500, 1, 0]
    sample(spy, model, LINEAR, x, y, times)
    assert [call[1].tolist() for call in model.calls] == [[t] * len(x) for t in times[:-1]]
    assert all(call[1].dtype == torch.int64 for call in model.calls)
    assert all(torch.equal(call[2], y) for call in model.calls)
    a = LINEAR.alpha_bar
    assert [(c[2], c[3]) for c in spy.calls] == [(a[t].item(), a[s].item()) for t, s in pairwise(times)]
    assert all(type(c[2]) is float and type(c[3]) is float for c in spy.calls)
    for (x_asked, _, _), (x_given, eps, *_) in zip(model.calls, spy.calls, strict=True):
        assert torch.equal(x_asked, x_given)
        assert torch.equal(eps, x_given * (y + 2).to(x)[:, None])


@every_step
def test_trajectory_yields_the_start_first_and_sample_is_its_end(step):
    x, _, y = random_batch(0, 3, 1000, B=5)
    before, net = x.clone(), Net()
    path = list(trajectory(step, net, LINEAR, x, y, 6, seeded(2)))
    assert len(path) == 7
    assert torch.equal(path[0], x)
    assert torch.equal(x, before)
    assert torch.equal(path[-1], sample(step, net, LINEAR, x, y, 6, seeded(2)))
    assert all(state.shape == x.shape and state.dtype == x.dtype for state in path)
    assert not any(state.requires_grad for state in path)


def test_a_path_taken_up_again_half_way_is_the_same_path():
    x, _, y = random_batch(0, 3, 1000)
    net, g = Net(), seeded(2)
    whole = list(trajectory(ddpm_step, net, LINEAR, x, y, [800, 400, 100, 0], seeded(2)))
    first = list(trajectory(ddpm_step, net, LINEAR, x, y, [800, 400, 0], g))
    assert torch.equal(first[1], whole[1])
    rest = list(trajectory(ddim_step, net, LINEAR, first[1], y, [400, 0]))
    assert torch.equal(rest[0], whole[1])


def test_steps_may_be_given_in_any_integer_form():
    x, _, y = random_batch(0, 3, 1000)
    net = Net()
    for same in (
        [3, np.int64(3), np.int32(3), torch.tensor(3), [1000, 667, 333, 0], (1000, 667, 333, 0), range(1000, -1, -500)],
        [
            np.array([1000, 667, 333, 0]),
            torch.tensor([1000, 667, 333, 0]),
            [torch.tensor(1000), np.int64(667), 333, 0],
            LINEAR.grid(3),
        ],
    ):
        for steps in same:
            expected = [1000, 500, 0] if isinstance(steps, range) else [1000, 667, 333, 0]
            found = sample(ddim_step, net, LINEAR, x, y, steps)
            assert torch.equal(found, sample(ddim_step, net, LINEAR, x, y, expected))


def test_generators_make_sampling_reproducible():
    x, _, y = random_batch(0, 3, 1000)
    one, same, other = (sample(ddpm_step, Net(), LINEAR, x, y, 5, seeded(s)) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_deterministic_samplers_do_not_depend_on_the_generator():
    x, _, y = random_batch(0, 3, 1000)
    for step in (ddim_step, ode_step):
        assert torch.equal(
            sample(step, Net(), LINEAR, x, y, 5, seeded(1)), sample(step, Net(), LINEAR, x, y, 5, seeded(2))
        )


@every_step
@pytest.mark.parametrize("shape", [(0, 2), (1, 2), (3, 1, 4, 4)])
def test_any_batch_goes_through(step, shape):
    x = torch.randn(shape, generator=seeded(0))
    net = Net(D=shape[1:], dtype=torch.float32)
    assert (
        sample(step, guided(null_pair(net), 3.0), LINEAR, x, torch.zeros(shape[0], dtype=torch.long), 3).shape == shape
    )


def test_a_single_step_schedule():
    x, _, y = random_batch(0, 3, 1)
    schedule = Schedule(torch.tensor([1.0, 0.01]))
    x0 = noises(*x.shape, seed=5)
    torch.testing.assert_close(sample(ddpm_step, oracle(schedule, x0), schedule, x, y, 1), x0, rtol=0, atol=1e-12)


@every_step
def test_guidance_is_independent_of_the_sampler(step):
    """r = 1 samples like the conditional model alone, r = 0 like the unconditional one, in every sampler."""
    x, _, y = random_batch(0, 3, 1000)
    net = Net()
    for r, label in ((1.0, y), (0.0, torch.full_like(y, NULL))):
        a = sample(step, guided(null_pair(net), r), LINEAR, x, y, 10, seeded(0))
        torch.testing.assert_close(a, sample(step, net, LINEAR, x, label, 10, seeded(0)), rtol=1e-10, atol=1e-10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_generator_of_the_cpu_gives_the_same_noise_on_a_gpu():
    x, _, y = random_batch(0, 3, 1000, dtype=torch.float32)
    net = Net(dtype=torch.float32)
    on_gpu = sample(ddpm_step, net.cuda(), LINEAR, x.cuda(), y.cuda(), 20, seeded(0))
    torch.testing.assert_close(
        on_gpu.cpu(), sample(ddpm_step, net.cpu(), LINEAR, x, y, 20, seeded(0)), rtol=1e-3, atol=1e-3
    )
