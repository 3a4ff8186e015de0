"""Numerics at the edge: copies and pickles, other default devices, empty batches, half precision, NaN, vmap."""

import copy
import pickle
from functools import partial

import pytest
import torch
from helpers import random_batch
from torch import nn
from torch.func import grad, vmap
from torch.overrides import TorchFunctionMode

from cfgedu.edges import in_words
from cfgedu.guidance import (
    clip_x0,
    from_score,
    from_v,
    from_velocity,
    from_x0,
    guidance_vector,
    guided,
    null_pair,
    two_models,
    unconditional,
    within,
)
from cfgedu.losses import dsm_loss, eps_loss, twin_loss
from cfgedu.metrics import generate, sliced_wasserstein
from cfgedu.models import MLP, Judge, Preconditioning, TwinMLP, TwinUNet, UNet, weights_from
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import SAMPLERS, ddim_step, ddpm_step, sample, trajectory
from cfgedu.schedule import Schedule, cosine, even_angles, linear
from cfgedu.toy import branches, gaussian, islands, oracle, spirals, two_gaussians

S = linear()
every_step = pytest.mark.parametrize("step", SAMPLERS.values(), ids=list(SAMPLERS))


def net(kind=MLP, **size):
    """A network whose last layer is no longer zero."""
    with weights_from(seeded()):
        made = kind(3, width=8, **size)
        for p in made.parameters():
            torch.nn.init.normal_(p, std=0.2)
    return made


class Path(nn.Module):
    """A network of a velocity at u in [0, 1], made of one that counts its times."""

    def __init__(self, net):
        super().__init__()
        self.net, self.K = net, net.K

    def forward(self, z, u, y):
        return self.net(z, (u * 999).long() + 1, y)


def wrappers(model, twin):
    pair = null_pair(model)
    return {
        "null_pair": pair,
        "twin": twin.pair,
        "guided": guided(pair, 3.0),
        "guided, one r a row": guided(pair, torch.linspace(0, 3, 16)),
        "guided twin": guided(twin.pair, 3.0),
        "guided within": guided(pair, within(3.0, 100, 600)),
        "unconditional": unconditional(model),
        "two_models": guided(two_models(unconditional(model), model), 2.0),
        "clip_x0": clip_x0(guided(pair, 2.0), S),
        "from_score": from_score(model, S),
        "from_x0": from_x0(model, S),
        "from_v": from_v(model, S),
        "from_velocity": from_velocity(Path(model), S),
        "guidance_vector": guidance_vector(pair, S),
        "exact": islands().denoiser(S),
        "guided exact": guided(null_pair(islands().denoiser(S)), 2.0),
        "gaussian": gaussian(S, 0.5),
        "oracle": oracle(S, torch.ones(16, 2)),
        "sampling": partial(sample, ddim_step, guided(pair, 2.0), S, steps=3),
    }


def outputs(function, x, t, y):
    found = function(x=x, y=y) if isinstance(function, partial) and function.func is sample else function(x, t, y)
    return found if isinstance(found, tuple) else (found,)


# ---- copies ----


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))], ids=["copy", "pickle"]
)
def test_whatever_wraps_a_model_can_be_copied_and_pickled(again):
    x, t, y = random_batch(0, 3, 1000, dtype=torch.float32)
    for name, function in wrappers(net(), net(TwinMLP)).items():
        twin = again(function)
        for one, other in zip(outputs(function, x, t, y), outputs(twin, x, t, y), strict=True):
            assert torch.equal(one, other), name
        assert getattr(twin, "K", None) == getattr(function, "K", None), name


def test_a_copy_shares_no_network_with_its_original():
    x, t, y = random_batch(0, 3, 1000, dtype=torch.float32)
    model, twin = net(), net(TwinMLP)
    functions = wrappers(model, twin)
    copies = {name: copy.deepcopy(function) for name, function in functions.items()}
    before = {name: outputs(function, x, t, y) for name, function in copies.items()}
    with torch.no_grad():
        for p in [*model.parameters(), *twin.parameters()]:
            p.zero_()
    changed = 0
    for name, function in copies.items():
        for one, other in zip(before[name], outputs(function, x, t, y), strict=True):
            assert torch.equal(one, other), name
        changed += any(
            not torch.equal(one, other) for one, other in zip(before[name], outputs(functions[name], x, t, y))
        )
    assert changed == len(functions) - 4  # all but the four that are exact


# ---- another default device ----


MAKERS = (torch.tensor, torch.as_tensor, torch.zeros, torch.ones, torch.full, torch.empty, torch.eye, torch.arange)
MAKERS += (torch.linspace, torch.logspace, torch.rand, torch.randn, torch.randint)


class NoFloat64(TorchFunctionMode):
    """As on a default device without float64 (mps): whatever is made there in float64 without naming a device fails."""

    def __torch_function__(self, function, types, arguments=(), kwargs=None):
        result = function(*arguments, **(kwargs or {}))
        made_here = function in MAKERS and (kwargs or {}).get("device") is None
        if made_here and not any(isinstance(a, torch.Tensor) for a in arguments) and result.dtype == torch.float64:
            raise TypeError(f"{function.__name__} made a float64 tensor on the default device, which has none")
        return result


def whole_course(x, y):
    """A number or two from every part of the method."""
    schedule = Schedule(cosine(40).alpha_bar)
    model, twin = net(T=40), net(TwinMLP, T=40)
    worlds = [islands(), two_gaussians(), spirals(), branches()]
    found = [world.log_prob(x, y.clamp(max=1), 0.5) for world in worlds] + [worlds[0].posterior(x)]
    for denoiser in (worlds[0].denoiser(schedule), model):
        found.append(sample(ddpm_step, guided(null_pair(denoiser), within(2.0, 5, 30)), schedule, x, y, 5, seeded()))
    found += [twin_loss(twin.pair, schedule, x, y, seeded()), eps_loss(model, schedule, x, y, 0.1, seeded())]
    found += [dsm_loss(from_score(model, schedule), schedule, x, y, 0.1, generator=seeded())]
    found += [worlds[0].draw_x0(x[:1], 0, 0.5, 4, seeded()), worlds[0].sample(5, seeded())[0]]
    found += [torch.tensor(sliced_wasserstein(x, x.flip(1))), torch.tensor(even_angles(schedule, 8))]
    return [part.detach() for part in found]


def test_nothing_is_made_in_float64_on_the_default_device():
    x, _, y = random_batch(0, 3, 40, dtype=torch.float32)
    expected = whole_course(x, y)
    with NoFloat64():
        found = whole_course(x, y)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_tables_live_on_the_cpu_whatever_the_default_device_is():
    table = torch.tensor([1.0, 0.5, 0.1], dtype=torch.float64)
    expected = [linear().alpha_bar, cosine(50).alpha_bar, table]
    x, y = torch.zeros(4, 2), torch.tensor([0, 1, 0, NULL])
    world = islands()
    log_p = world.log_prob(x, y, 0.3)
    torch.set_default_device("meta")
    try:
        found = [linear().alpha_bar, cosine(50).alpha_bar, Schedule(table).alpha_bar]
        again = world.log_prob(x, y, 0.3)
        grid = linear().noise(x, 5, x)
        networks = [MLP(3, width=8), UNet(3, width=8), Judge()]
    finally:
        torch.set_default_device(None)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert torch.equal(again, log_p)
    assert grid.device.type == "cpu"
    assert {p.device.type for network in networks for p in [*network.parameters(), *network.buffers()]} == {"meta"}


# ---- empty batches and half precision ----


@every_step
@pytest.mark.parametrize("D", [(2,), (1, 8, 8), (3, 2, 2, 2)], ids=str)
def test_an_empty_batch_is_sampled_to_an_empty_batch(step, D):
    x, y = torch.zeros(0, *D), torch.zeros(0, dtype=torch.long)
    with weights_from(seeded()):
        models = [MLP(3, dim=torch.zeros(D).numel(), width=8), gaussian(S, 1.0), oracle(S, x)]
        models += [UNet(3, width=8), TwinUNet(3, width=8), UNet(3, width=8, attention=True)] if D == (1, 8, 8) else []
        models += [islands().denoiser(S)] if D == (2,) else []
    for model in models:
        assert sample(step, guided(null_pair(model), 2.0), S, x, y, 3).shape == (0, *D)
        assert guided(null_pair(model), torch.zeros(0))(x, y, y).shape == (0, *D)


def test_the_exact_world_takes_an_empty_batch():
    x, y = torch.zeros(0, 2), torch.zeros(0, dtype=torch.long)
    assert islands().log_prob(x, y).shape == (0,)
    assert islands().posterior(x).shape == (0, 3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_goes_through(dtype):
    """To the digits that it has: three or four binary ones fewer for each division by a small sqrt(a)."""
    x, _, y = random_batch(0, 3, 1000, dtype=torch.float32)
    model = net()
    expected = sample(ddim_step, guided(null_pair(model), 2.0), S, x, y, 10)
    found = sample(ddim_step, guided(null_pair(copy.deepcopy(model).to(dtype)), 2.0), S, x.to(dtype), y, 10)
    exact = islands().denoiser(S)
    assert found.dtype == exact(x.to(dtype), y.clamp(min=1), y).dtype == dtype
    assert (found.float() - expected).abs().mean() < 0.1 * expected.abs().mean()


# ---- what goes wrong is said ----


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (guided(null_pair(net()), 1e38), r"guided\(null_pair\(MLP\), 1e\+38\)"),
        (lambda x, t, y: x * torch.nan, "<lambda>"),
        (from_score(lambda x, t, y: x / 0, S), "from_score"),
    ],
)
def test_nan_and_infinity_are_named_at_the_end_of_sample(model, words):
    x, _, y = random_batch(0, 3, 1000, dtype=torch.float32)
    with pytest.raises(ValueError, match=f"x_0 must be finite, got .* NaN or infinite of 32 .*the model, {words}"):
        sample(ddim_step, model, S, x, y, 5)


def test_a_model_in_words():
    twin = TwinMLP(3, width=8)
    assert in_words(clip_x0(guided(twin.pair, 2.0), S)) == "clip_x0(guided(pair, 2), -1, 1)"
    assert in_words(islands().denoiser(S)) == "exact_eps()"


@pytest.mark.parametrize("model", [MLP(3, width=8), TwinMLP(3, width=8)], ids=["MLP", "TwinMLP"])
def test_a_network_names_the_dtype_it_wants(model):
    x, _, y = random_batch(0, 3, 1000, dtype=torch.float64)
    for call in (lambda: sample(ddim_step, model, S, x, y, 3), lambda: eps_loss(model, S, x, y)):
        with pytest.raises(
            TypeError, match="x must have the dtype of the network's weights, torch.float32, got torch.f"
        ):
            call()
    with pytest.raises(TypeError, match="x must have the dtype of the network's weights"):
        UNet(3, width=8)(torch.zeros(2, 1, 8, 8, dtype=torch.float64), torch.ones(2).long(), torch.zeros(2).long())
    with pytest.raises(TypeError, match="x must have the dtype of the network's weights"):
        Judge()(torch.zeros(2, 1, 8, 8, dtype=torch.float64))
    with torch.autocast("cpu", torch.bfloat16):
        assert model(x.bfloat16(), y.clamp(min=1), y).isfinite().all()


@every_step
def test_what_trajectory_yields_is_the_callers(step):
    x, _, y = random_batch(0, 3, 1000)
    before, model = x.clone(), islands().denoiser(S)
    expected = [state.clone() for state in trajectory(step, model, S, x, y, 5, seeded())]
    found = []
    for state in trajectory(step, model, S, x, y, 5, seeded()):
        found.append(state.clone())
        state.zero_()
    assert torch.equal(x, before)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert not next(trajectory(step, model, S, x.requires_grad_(), y, 2)).requires_grad


def test_where_a_value_check_forbids_vmap_a_sentence_says_what_to_do():
    x, t, y = random_batch(0, 3, 1000)
    mixture, pair = islands(), null_pair(islands().denoiser(S))
    log_prob = lambda x, y: mixture.log_prob(x[None], y[None], 0.5)[0]
    mapped = [
        lambda: vmap(grad(log_prob))(x, y),
        lambda: vmap(lambda x: mixture.posterior(x[None], 0.5)[0])(x),
        lambda: vmap(lambda r: guided(pair, r)(x, t, y))(torch.tensor([0.0, 1.0, 2.0])),
        lambda: vmap(lambda a: mixture.posterior(x, a))(torch.tensor([0.1, 0.5])),
    ]
    for call in mapped:
        with pytest.raises(RuntimeError, match="pass the whole batch in one call"):
            call()
    torch.testing.assert_close(grad(log_prob)(x[0], y[0]), grad(lambda x: mixture.log_prob(x, y, 0.5).sum())(x)[0])


# ---- wrappers are as strict and as lenient as the loop ----


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: guided(two_models(net(), model), 2.0),
        lambda model: guided(two_models(model, net()), 2.0),
        lambda model: from_x0(model, S),
        lambda model: from_v(model, S),
        lambda model: from_velocity(model, S),
        lambda model: clip_x0(model, S),
    ],
)
def test_no_wrapper_lets_a_prediction_of_another_shape_broadcast(wrap):
    x, _, y = random_batch(0, 3, 1000, dtype=torch.float32)
    with pytest.raises(ValueError, match=r"prediction must have the shape of x, \(16, 2\); got \(16, 1\)"):
        sample(ddim_step, wrap(lambda x, t, y: x[:, :1]), S, x, y, 3)


def test_two_models_of_two_dtypes_are_guided_in_the_finer():
    x, t, y = random_batch(0, 3, 1000, dtype=torch.float32)
    rough, fine = (lambda x, t, y: x.bfloat16()), (lambda x, t, y: 2 * x)
    answer = guided(two_models(rough, fine), 2.0)(x, t, y)
    assert answer.dtype == torch.float32
    torch.testing.assert_close(answer, x.bfloat16().float() + 2 * (2 * x - x.bfloat16().float()))
    with torch.autocast("cpu", torch.bfloat16):
        assert sample(ddim_step, guided(two_models(unconditional(islands().denoiser(S)), net()), 2.0), S, x, y, 3).shape


def test_a_partial_of_a_network_is_told_too():
    class Broken(torch.nn.Module):
        def forward(self, x, t, y, factor=1.0):
            return x * torch.nan * factor

    x, _, y = random_batch(0, 3, 1000, dtype=torch.float32)
    with pytest.raises(ValueError, match=r"x_0 must be finite.*the model, Broken\(\)"):
        sample(ddim_step, partial(Broken(), factor=2.0), S, x, y, 2)
    assert in_words(guided(null_pair(net()), torch.tensor(2.5))) == "guided(null_pair(MLP), 2.5)"
    assert in_words(two_models(net(), net(TwinMLP))) == "two_models(MLP, TwinMLP)"


def test_images_are_generated_under_another_default_device():
    model = net(UNet)
    expected = generate(model, S, "DDIM", 2.0, (1, 8, 8), 6, 3)
    torch.set_default_device("meta")
    try:
        found = generate(model, S, "DDIM", 2.0, (1, 8, 8), 6, 3)
    finally:
        torch.set_default_device(None)
    assert all(torch.equal(one, other) for one, other in zip(found, expected))


def test_the_preconditioning_holds_in_half_precision():
    """t up to 1000 has more digits than bfloat16; the coefficients are formed in float32."""
    model, t = Preconditioning(1000), torch.tensor([1, 333, 701, 999])
    x, v = torch.ones(2, 4, 1, 1, 1)
    expected, found = model(x, t, v), model(x.bfloat16(), t, v.bfloat16())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.01, atol=0.01)
