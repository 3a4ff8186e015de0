"""Stacks: networks trained side by side end where `train` brings each of them alone."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from cfgedu.losses import drop_labels, eps_loss, noised, twin_loss
from cfgedu.models import MLP, TwinMLP, weights_from
from cfgedu.protocol import NULL, seeded
from cfgedu.schedule import linear
from cfgedu.toy import two_gaussians
from cfgedu.training import train
from cfgedu.training.many import Stack, clip_norms, train_stack

S, MIXTURE, B, STEPS = linear(), two_gaussians(), 16, 40
CLOSE = {"rtol": 1e-9, "atol": 1e-10}


def networks(M, kind=MLP, width=8):
    with weights_from(seeded()):
        return [kind(2, width=width, depth=2).double() for _ in range(M)]


def data(n, generator):
    x0, y = MIXTURE.sample(n, generator)
    return x0.double(), y


def eps_rows(stack, x0, y, generator, p_drop=0.1):
    x, t, eps = noised(S, x0, generator)
    return (stack(x, t, drop_labels(y, p_drop, generator)) - eps).square()


def eps_scalar(model, x0, y, generator):
    return eps_loss(model, S, x0, y, 0.1, generator)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


# ---- the forward ----


def test_each_network_answers_its_own_rows():
    nets = networks(3)
    for net in nets:
        nn.init.normal_(net.outlet.weight, generator=seeded(1))
    x, y = data(3 * B, seeded())
    t, y = torch.arange(1, 3 * B + 1), torch.where(y == 0, NULL, y)
    rows = [net(*part) for net, *part in zip(nets, x.chunk(3), t.chunk(3), y.chunk(3))]
    stack = Stack(nets)
    torch.testing.assert_close(stack(x, t, y), torch.cat(rows), **CLOSE)
    assert stack.K == 2
    for w, p in zip(stack.weights, nets[1].parameters()):
        assert torch.equal(w[1], p)
        assert w.data_ptr() != p.data_ptr()


def test_a_stack_of_twins_has_both_predictions():
    nets = networks(2, TwinMLP)
    for net in nets:
        for outlet in (net.outlet_un, net.outlet_cond):
            nn.init.normal_(outlet.weight, generator=seeded(1))
    x, y = data(2 * B, seeded())
    t = torch.arange(1, 2 * B + 1)
    pairs = [net.pair(*part) for net, *part in zip(nets, x.chunk(2), t.chunk(2), y.chunk(2))]
    for got, parts in zip(Stack(nets).pair(x, t, y), zip(*pairs)):
        torch.testing.assert_close(got, torch.cat(parts), **CLOSE)


# ---- training ----


def test_a_stack_of_one_is_train():
    (alone,), (stacked,) = networks(1), networks(1)
    expected = train(alone, eps_scalar, data, STEPS, batch=B, generator=seeded(2))
    losses = train_stack([stacked], eps_rows, data, STEPS, batch=B, generator=seeded(2))
    assert losses.shape == (STEPS, 1)
    torch.testing.assert_close(losses[:, 0].float(), expected.float())
    torch.testing.assert_close(weights(stacked), weights(alone), **CLOSE)


def test_a_stack_of_twins_of_one_is_train():
    (alone,), (stacked,) = networks(1, TwinMLP), networks(1, TwinMLP)

    def rows(stack, x0, y, generator):
        x, t, eps = noised(S, x0, generator)
        eps_un, eps_cond = stack.pair(x, t, y)
        return (eps_un - eps).square() + (eps_cond - eps).square()

    train(alone, lambda model, *batch: twin_loss(model.pair, S, *batch), data, STEPS, batch=B, generator=seeded(2))
    train_stack([stacked], rows, data, STEPS, batch=B, generator=seeded(2))
    torch.testing.assert_close(weights(stacked), weights(alone), **CLOSE)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_every_network_ends_as_if_it_were_alone(ema):
    """Each keeps its rows, its own clipping and its own drop rate: networks alone, fed the same rows, end the same."""
    M, large = 3, torch.tensor([1.0, 30.0, 1.0]).double().repeat_interleave(B)[:, None]  # the second one has to clip
    p_drop = torch.tensor([0.0, 0.5, 1.0]).repeat_interleave(B)
    nets, recorded = networks(M), []

    def rows(stack, x0, y, generator):
        x, t, eps = noised(S, x0, generator)
        y = torch.where(torch.rand(y.shape, generator=generator) < p_drop, NULL, y)
        recorded.append((x, t, y, large * eps))
        return (stack(x, t, y) - large * eps).square()

    alone = deepcopy(nets)
    losses = train_stack(nets, rows, data, STEPS, batch=B, ema=ema, generator=seeded(3))
    assert losses.shape == (STEPS, M)
    for m, net in enumerate(alone):
        batches = iter(recorded)

        def replayed(model, x0, y, generator, batches=batches, m=m):
            x, t, y, target = (part.chunk(M)[m] for part in next(batches))
            return (model(x, t, y) - target).square().mean()

        expected = train(net, replayed, data, STEPS, batch=B, ema=ema, generator=seeded(3))
        torch.testing.assert_close(losses[:, m].float(), expected.float())
        torch.testing.assert_close(weights(nets[m]), weights(net), **CLOSE)
    assert not torch.allclose(weights(nets[0]), weights(nets[2]), atol=0.01)


def test_a_null_row_that_is_never_asked_keeps_its_direction():
    """With p_drop = 0 the null row gets no gradient: weight decay shrinks it a little, that is all."""
    nets = networks(2)
    before = [net.label.weight[0].detach().clone() for net in nets]
    rows = lambda stack, x0, y, g: eps_rows(stack, x0, y, g, p_drop=0.0)
    train_stack(nets, rows, data, STEPS, batch=B, generator=seeded())
    for net, row in zip(nets, before):
        now = net.label.weight[0].detach()
        torch.testing.assert_close(now / now.norm(), row / row.norm(), rtol=0, atol=1e-12)
        assert 0.9 < now.norm() / row.norm() < 1


def test_frozen_weights_stay():
    nets = networks(2)
    for net in nets:
        net.label.weight.requires_grad_(False)
    before = [net.label.weight.clone() for net in nets]
    train_stack(nets, eps_rows, data, 3, batch=B, generator=seeded())
    assert all(torch.equal(net.label.weight, row) for net, row in zip(nets, before))
    assert not nets[0].label.weight.requires_grad


def test_no_gradient_mode_or_global_draw_is_left_behind():
    nets, state = [net.eval() for net in networks(2)], torch.random.get_rng_state()
    train_stack(nets, eps_rows, data, 3, batch=B, generator=seeded())
    assert torch.equal(torch.random.get_rng_state(), state)
    for net in nets:
        assert not net.training
        assert all(p.grad is None for p in net.parameters())


def test_clipping_is_each_network_s_own():
    gradient = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    w = nn.Parameter(torch.zeros(2, 2))
    w.grad = gradient.clone()
    norms = clip_norms([w], 1.0)
    torch.testing.assert_close(norms, torch.tensor([5.0, 0.5]))
    torch.testing.assert_close(w.grad, torch.tensor([[0.6, 0.8], [0.3, 0.4]]))


# ---- what fails ----


def test_an_interrupted_run_leaves_averaged_weights():
    nets, calls = networks(2), []

    def stops(stack, x0, y, generator):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return eps_rows(stack, x0, y, generator)

    with pytest.raises(KeyboardInterrupt):
        train_stack(nets, stops, data, 10, batch=B, generator=seeded())
    finished = networks(2)
    train_stack(finished, eps_rows, data, 3, batch=B, generator=seeded())
    for stopped, net in zip(nets, finished):
        torch.testing.assert_close(weights(stopped), weights(net), **CLOSE)


def test_a_network_that_explodes_is_named():
    def explodes(stack, x0, y, generator):
        factor = torch.ones(2 * B, 1)
        factor[B:] = torch.inf
        return factor * eps_rows(stack, x0, y, generator)

    nets = networks(2)
    before = [weights(net) for net in nets]
    with pytest.raises(RuntimeError, match="step 1 gave network 1 a loss of inf"):
        train_stack(nets, explodes, data, 3, batch=B, generator=seeded())
    assert all(torch.equal(weights(net), w) for net, w in zip(nets, before))


def wide():
    return [*networks(1), *networks(1, width=16)]


def modes():
    first, second = networks(2)
    return [first, second.eval()]


def longer():
    first, second = networks(2)
    second.time.waves = second.time.waves + 1
    return [first, second]


BAD = {
    "models must be networks, at least one, got none": list,
    "models must be networks, at least one, got function": lambda: [lambda x: x],
    "some are one and the same": lambda: networks(1) * 2,
    "one class, size and mode, got another in network 1": wide,
    "one class, size and mode": modes,
    "got others in network 1": longer,
}


@pytest.mark.parametrize("message", BAD)
def test_networks_that_do_not_stack(message):
    with pytest.raises((TypeError, ValueError), match=message):
        train_stack(BAD[message](), eps_rows, data, 1, batch=B, generator=seeded())


ARGUMENTS = {
    "steps must be an int": {"steps": 0},
    "batch must be an int": {"batch": 1.5},
    "lr must be above 0": {"lr": -1.0},
    "ema must be a decay": {"ema": 1.0},
    "generator must be a torch.Generator": {"generator": 0},
    "loss must return one loss a row": {"loss": lambda *args: eps_rows(*args).mean()},
    "must have the 32 rows asked for, got 3": {"data": lambda n, generator: data(3, generator)},
    "y from data must hold labels": {"data": lambda n, generator: (torch.zeros(n, 2), torch.full((n,), 2))},
}


@pytest.mark.parametrize("message", ARGUMENTS)
def test_arguments_that_do_not_fit(message):
    arguments = {"loss": eps_rows, "data": data, "steps": 1, "batch": B, "generator": seeded()} | ARGUMENTS[message]
    with pytest.raises((TypeError, ValueError), match=message):
        train_stack(networks(2), **arguments)
