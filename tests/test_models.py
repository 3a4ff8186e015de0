"""The networks: shapes, labels and times reach them, and a twin's unconditional head never hears of y."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from cfgedu.checkpoints import load_checkpoint
from cfgedu.guidance import from_v, guided, null_pair
from cfgedu.losses import eps_loss, twin_loss
from cfgedu.models import MLP, NULLS, Judge, Preconditioning, TwinMLP, TwinUNet, UNet, weights_from, with_null
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import linear

POINTS, DIGITS, MNIST = (2,), (1, 8, 8), (1, 28, 28)


def awake(make, seed=0):
    """The network in float64 with every weight drawn at random, last layers too, which start at zero."""
    with weights_from(seeded(seed)):
        model = make().double()
        for p in model.parameters():
            nn.init.normal_(p, std=0.5 / math.sqrt(p.shape[-1]) if p.ndim > 1 else 0.1)
    return model


CASES = {
    "MLP": (lambda: MLP(3, width=16), POINTS),
    "MLP on digits": (lambda: MLP(3, dim=64, width=16, depth=1), DIGITS),
    "TwinMLP": (lambda: TwinMLP(3, width=16), POINTS),
    "TwinMLP, one block": (lambda: TwinMLP(3, width=16, depth=1), POINTS),
    "UNet": (lambda: UNet(3, width=8, mults=(1, 2)), DIGITS),
    "UNet, padded": (lambda: UNet(3, width=8, attention=True), MNIST),
    "TwinUNet": (lambda: TwinUNet(3, width=8, mults=(1, 2)), DIGITS),
    "TwinUNet, padded": (lambda: TwinUNet(3, width=8, attention=True), MNIST),
}
every_model = pytest.mark.parametrize(("make", "D"), CASES.values(), ids=list(CASES))
TWINS = {name: case for name, case in CASES.items() if name.startswith("Twin")}
every_twin = pytest.mark.parametrize(("make", "D"), TWINS.values(), ids=list(TWINS))


def batch(D):
    g = seeded(1)
    x = torch.randn(6, *D, generator=g, dtype=torch.float64)
    return x, torch.randint(1, 1001, (6,), generator=g), torch.tensor([NULL, 0, 1, 2, NULL, 1])


@every_model
def test_every_input_reaches_the_output_of_its_own_row_alone(make, D):
    model, (x, t, y) = awake(make), batch(D)
    eps = model(x, t, y)
    assert eps.shape == x.shape
    assert eps.dtype == x.dtype
    for changed in (model(x + 0.1, t, y), model(x, t % 1000 + 1, y), model(x, t, (y + 2) % 4 - 1)):
        assert (changed - eps).flatten(1).abs().amax(1).min() > 1e-6
    alone = torch.cat([model(x[i : i + 1], t[i : i + 1], y[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(alone, eps, rtol=0, atol=1e-10)


@every_model
def test_a_new_network_knows_nothing_and_learns_from_the_first_step(make, D):
    """An MLP starts from eps_hat = 0, a U-Net from v = 0, for which it holds linear()'s alpha_bar as a formula."""
    model = make()
    x, t, y = batch(D)
    eps = model(x.float(), t, y)
    if isinstance(model, UNet | TwinUNet):
        assert linear().v(x, t, eps.double()).abs().max() < 0.01
    else:
        assert not eps.any()
    eps_loss(model, linear(), x.float(), y, generator=seeded()).backward()
    assert sum(float(p.grad.abs().sum()) for p in model.parameters() if p.grad is not None) > 0


@pytest.mark.parametrize("make", [UNet, TwinUNet])
@pytest.mark.parametrize("D", [(784,), (3, 28, 28), (28, 28)])
def test_an_image_network_names_the_shape_it_wants(make, D):
    x, t, y = batch(D)
    with pytest.raises(ValueError, match=rf"x must have shape \(B, 1, H, W\), got \(6, {', '.join(map(str, D))}"):
        make(3, width=8)(x.float(), t, y)


@every_model
def test_the_null_row_learns_from_rows_without_a_label_alone(make, D):
    model, (x, t, y) = awake(make), batch(D)
    eps = model(x, t, y)
    eps[y != NULL].sum().backward()
    grad = model.label.weight.grad
    assert not grad[0].any()
    assert grad[1:].abs().sum(1).min() > 0
    model.zero_grad()
    model(x, t, y)[y == NULL].sum().backward()
    grad = model.label.weight.grad
    assert grad is None or not grad[1:].any()
    learns = grad is not None and bool(grad[0].any())
    assert learns == (not hasattr(model, "pair"))  # a twin's unconditional head has no label at all


@every_model
def test_pairs_agree_with_single_forwards(make, D):
    model, (x, t, y) = awake(make), batch(D)
    for pair in (null_pair(model), getattr(model, "pair", null_pair(model))):
        eps_un, eps_cond = pair(x, t, y)
        torch.testing.assert_close(eps_un, model(x, t, torch.full_like(y, NULL)), rtol=0, atol=1e-10)
        torch.testing.assert_close(eps_cond, model(x, t, y), rtol=0, atol=1e-10)
        assert torch.equal(eps_un[y == NULL], eps_cond[y == NULL])


@every_model
def test_the_same_relative_time_looks_the_same_to_every_T(make, D):
    model, (x, t, y) = awake(make), batch(D)
    coarse = type(model)(**{**model.config, "T": 50}).double()
    coarse.load_state_dict(model.state_dict())
    t = (t + 19) // 20
    torch.testing.assert_close(coarse(x, t, y), model(x, 20 * t, y), rtol=0, atol=1e-9)


@every_model
def test_config_rebuilds_the_network(make, D):
    model, (x, t, y) = awake(make), batch(D)
    again = type(model)(**model.config).double()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(x, t, y), model(x, t, y))
    assert (again.K, again.T) == (3, 1000)


@every_model
def test_forward_has_no_branch_on_data(make, D):
    """Meta tensors have shapes and no values: a branch on a value cannot be taken."""
    model = make().to("meta")
    x, t, y = (value.to("meta") for value in batch(D))
    assert model(x.float(), t, y).shape == x.shape
    with pytest.raises(RuntimeError):
        bool((y == NULL).any())


@every_twin
def test_the_unconditional_head_is_bitwise_blind_to_y(make, D):
    twin, (x, t, y) = awake(make), batch(D)
    eps_un, eps_cond = twin.pair(x, t, y)
    for other in (torch.full_like(y, NULL), torch.zeros_like(y), y.flip(0)):
        assert torch.equal(twin.pair(x, t, other)[0], eps_un)
    eps_un.square().sum().backward(retain_graph=True)
    assert twin.label.weight.grad is None  # y is not even in the graph
    eps_cond.square().sum().backward()
    assert twin.label.weight.grad[1:].any()


@every_twin
def test_the_twin_is_a_pair_and_a_denoiser(make, D):
    twin, (x, t, y) = awake(make), batch(D)
    eps_un, eps_cond = twin.pair(x, t, y)
    null = y == NULL
    assert torch.equal(eps_un[null], eps_cond[null])
    assert (eps_un - eps_cond)[~null].flatten(1).abs().amax(1).min() > 1e-6
    assert torch.equal(twin(x, t, y), eps_cond)
    assert torch.equal(guided(twin.pair, 0.0)(x, t, y), eps_un)
    assert torch.equal(guided(twin.pair, 1.0)(x, t, y), eps_cond)
    assert twin_loss(twin.pair, linear(), x, y, seeded()).isfinite()
    assert sample(ddim_step, guided(twin.pair, 2.0), linear(), x, y, steps=2).shape == x.shape


@every_twin
def test_the_heads_start_alike_but_share_nothing(make, D):
    twin = make()
    part = "head" if hasattr(twin, "head_un") else "decoder"
    un, cond = getattr(twin, f"{part}_un"), getattr(twin, f"{part}_cond")
    for p, q in zip(un.parameters(), cond.parameters(), strict=True):
        assert torch.equal(p, q)
        assert p.data_ptr() != q.data_ptr()


def test_a_twin_costs_about_1_4_networks():
    for width in (64, 128):
        mlp, twin = (sum(p.numel() for p in make(3, width=width).parameters()) for make in (MLP, TwinMLP))
        assert 1.3 < twin / mlp < 1.5


def test_stacked_networks_run_as_one():
    """Many small networks trained as one: vmap over stacked weights, forward and gradient."""
    nets = [awake(lambda: MLP(3, width=16), seed) for seed in range(3)]
    x, t, y = batch(POINTS)
    weights, buffers = stack_module_state(nets)

    def forward(weights, buffers):
        return functional_call(nets[0], (weights, buffers), (x, t, y))

    stacked = vmap(forward)(weights, buffers)  # (3, B, 2)
    single = torch.stack([net(x, t, y) for net in nets])
    torch.testing.assert_close(stacked, single, rtol=0, atol=1e-10)
    stacked.square().sum().backward()
    single.square().sum().backward()
    for name, p in nets[1].named_parameters():
        torch.testing.assert_close(weights[name].grad[1], p.grad, rtol=0, atol=1e-9)


def test_weights_come_from_the_generator_given():
    before = torch.random.get_rng_state()

    def first(seed):
        with weights_from(seeded(seed)):
            return MLP(3, width=8).inlet.weight

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_judge_bounds_its_features():
    for size in (8, 28):
        judge = Judge(10, size=size)
        x = 100 * torch.randn(4, 1, size, size, generator=seeded())
        assert judge.features(x).shape == (4, 32)
        assert judge.features(x).abs().max() <= 1
        assert torch.equal(judge(x), judge.head(judge.features(x)))
        assert judge(x).shape == (4, 10)


@pytest.mark.parametrize("make", [MLP, TwinMLP, UNet, TwinUNet])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"K": 0}, "K must be an int of 1 or more, got 0"),
        ({"K": 2.0}, "K must be an int of 1 or more, got 2.0"),
        ({"K": 3, "T": 0}, "T must be an int of 1 or more, got 0"),
        ({"K": 3, "width": 33}, "width must be even .*, got 33"),
    ],
)
def test_sizes_are_checked(make, arguments, words):
    with pytest.raises(ValueError, match=words):
        make(**arguments)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="depth must be an int of 1 or more, got 0"):
        MLP(3, depth=0)
    with pytest.raises(ValueError, match=r"mults must .*, got \(\)"):
        UNet(3, mults=())
    with pytest.raises(ValueError, match=r"x must have dim = 2 numbers per row, got shape \(6, 1, 8, 8\)"):
        MLP(3).double()(*batch(DIGITS))


# ---- the line that makes eps of v ----


@pytest.mark.parametrize("name", ["mnist-unet", "mnist-twin-unet"])
def test_the_shipped_networks_answer_as_they_did_when_they_were_trained(name):
    """Every ninth pixel of four answers in float64, noted before the preconditioning became a module of its own."""
    expected = json.loads((Path(__file__).parent / "unet_reference.json").read_text())[name]
    model = load_checkpoint(name)[0].double()
    x = torch.randn(4, 1, 28, 28, generator=seeded(), dtype=torch.float64)
    asked = x, torch.tensor([1, 250, 600, 1000]), torch.tensor([NULL, 0, 5, 9])
    with torch.no_grad():
        answers = model.pair(*asked) if hasattr(model, "pair") else [model(*asked)]
    for answer, pixels in zip(answers, expected, strict=True):
        torch.testing.assert_close(answer[:, 0, ::9, ::9].flatten(), torch.tensor(pixels).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("D", [POINTS, DIGITS])
def test_the_preconditioning_is_from_v_with_an_alpha_bar_of_its_own(D):
    """Its alpha_bar is within 0.001 of linear()'s; it has no weights and no buffers, so files need not know of it."""
    model = Preconditioning(T=1000)
    x, t, _ = batch(D)
    v = torch.randn(x.shape, generator=seeded(2), dtype=torch.float64)
    a = torch.exp(-0.1 * t / 1000 - 9.95 * (t / 1000) ** 2).double().reshape(-1, *[1] * len(D))
    torch.testing.assert_close(model(x, t, v), (1 - a).sqrt() * x + a.sqrt() * v, rtol=1e-6, atol=1e-6)
    table = linear()
    torch.testing.assert_close(model(x, t, v), from_v(lambda *_: v, table)(x, t, t), rtol=0, atol=0.02)
    assert not model.state_dict()


@pytest.mark.parametrize("make", [UNet, TwinUNet])
def test_the_layers_of_a_unet_speak_v_and_its_preconditioning_makes_eps_of_it(make):
    model, (x, t, y) = awake(lambda: make(3, width=8, mults=(1, 2))), batch(DIGITS)
    seen = []
    model.eps.register_forward_hook(lambda module, inputs, output: seen.append((*inputs, output)))
    answer = model(x, t, y)
    assert torch.equal(seen[-1][0], x)
    assert torch.equal(seen[-1][1], t)
    assert torch.equal(torch.where((y == NULL)[:, None, None, None], seen[0][3], seen[-1][3]), answer)


# ---- what no label may be made of ----


def test_with_null_changes_the_null_row_of_a_copy():
    net = awake(lambda: MLP(3, width=8)).float()
    rows = net.label.weight.detach().clone()
    expected = rows[0], torch.zeros(8), (rows[1] + rows[2] + rows[3]) / 3
    for null, row in zip(NULLS, expected, strict=True):
        got = with_null(net, null).label.weight
        torch.testing.assert_close(got[0].detach(), row)
        assert torch.equal(got[1:], rows[1:])
    assert torch.equal(net.label.weight, rows)
    with pytest.raises(ValueError, match='null must be "learned row", "zeros" or "mean of class rows", got .ones.'):
        with_null(net, "ones")
