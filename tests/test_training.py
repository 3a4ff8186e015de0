"""Training and checkpoints: a resumed run is the same run, bit for bit, and what fails leaves no damage behind."""

import io
import os
import pickle
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from cfgedu import checkpoints, training
from cfgedu.losses import eps_loss
from cfgedu.metrics import field_error
from cfgedu.models import MLP, Judge, TwinMLP, TwinUNet, UNet, weights_from
from cfgedu.protocol import seeded
from cfgedu.schedule import cosine, linear
from cfgedu.toy import two_gaussians
from cfgedu.training import Diverged, batches, load_checkpoint, load_or_train, save_checkpoint, train
from cfgedu.training.place import PlaceError, require_place
from cfgedu.training.run import Bar, Run, learning_rate
from cfgedu.training.signals import uninterrupted
from cfgedu.training.state import State

S = linear()
MIXTURE = two_gaussians()


def net(width=8, seed=0):
    with weights_from(seeded(seed)):
        return MLP(2, width=width, depth=1)


def loss(model, x0, y, generator):
    return eps_loss(model, S, x0, y, 0.1, generator)


def run(steps, model=None, data=MIXTURE.sample, loss=loss, generator=None, **kwargs):
    model, generator = net() if model is None else model, generator or seeded()
    losses = train(model, loss, data, steps, batch=16, generator=generator, **kwargs)
    return model, losses, generator


def same(a, b):
    """Two runs ended alike: weights, losses, and what the generator draws next."""
    weights = all(torch.equal(p, q) for p, q in zip(a[0].parameters(), b[0].parameters(), strict=True))
    return weights and torch.equal(a[1], b[1]) and torch.equal(a[2].get_state(), b[2].get_state())


class FailsAt:
    """A data or loss function that raises at its n-th call."""

    def __init__(self, n, error, function):
        self.n, self.error, self.function, self.calls = n, error, function, 0

    def __call__(self, *args):
        self.calls += 1
        if self.calls == self.n:
            raise self.error
        return self.function(*args)


# ---- the loop ----


def test_training_learns_the_exact_field():
    model = net(width=32)
    exact = MIXTURE.denoiser(S)
    x0, y = MIXTURE.sample(2000, seeded(5))
    before = field_error(model, exact, S, x0, y, [100, 500, 900], seeded(6))
    losses = train(model, loss, MIXTURE.sample, 300, batch=64, generator=seeded())
    after = field_error(model, exact, S, x0, y, [100, 500, 900], seeded(6))
    assert losses.shape == (300,)
    assert losses[-50:].mean() < losses[:10].mean()
    assert (after < 0.25 * before).all()


def test_a_run_is_repeatable_and_leaves_the_global_generator_alone():
    state = torch.random.get_rng_state()
    assert same(run(20), run(20))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_stays_as_it_was_and_no_gradient_is_left(training):
    modes = []

    def watched(model, *args):
        modes.append(model.training)
        return loss(model, *args)

    model, _, _ = run(3, net().train(training), loss=watched)
    assert modes == [training] * 3
    assert model.training == training
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("ema", [0.0, 0.5, 0.999])
def test_the_model_ends_with_the_average_of_its_weights(ema):
    """average <- d average + (1 - d) weights, d = min(ema, n / (n + 9)), from the first weights on."""
    seen = []

    def watched(model, *args):
        seen.append(model.outlet.bias.detach().clone())
        return loss(model, *args)

    model, _, _ = run(30, loss=watched, ema=ema)
    last = run(30, ema=0.0)[0].outlet.bias.detach()
    average = seen[0]
    for n, weights in enumerate([*seen[1:], last], start=1):
        d = min(ema, n / (n + 9))
        average = d * average + (1 - d) * weights
    torch.testing.assert_close(model.outlet.bias.detach(), average, rtol=1e-5, atol=1e-7)


def test_the_bar_shows_loss_and_images_a_second():
    shown = io.StringIO()
    bar = Bar(total=4, initial=2, file=shown, mininterval=0)
    bar.set_postfix_str("loss 0.1234", refresh=False)
    bar.rows = 64
    bar.update()
    bar.close()
    assert "images/s, loss 0.1234" in shown.getvalue()
    assert "3/4" in shown.getvalue()
    steps, images = re.findall(r"([\d.]+)step/s (\d+) images/s", shown.getvalue())[-1]
    assert float(images) == pytest.approx(64 * float(steps), rel=0.01, abs=1)


def test_any_module_with_any_loss_can_be_trained():
    x = torch.randn(64, 3, generator=seeded())
    model = nn.Linear(3, 1)
    data = batches(x, torch.zeros(64, dtype=torch.long))

    def square(model, x, y, generator):
        return (model(x) - x.sum(1, keepdim=True)).square().mean()

    losses = train(model, square, data, 200, lr=0.1, generator=seeded())
    assert losses[-1] < 0.1 * losses[0]


def test_batches_draws_rows_with_their_labels():
    x, y = torch.arange(20.0).reshape(10, 2), torch.arange(10)
    data = batches(x, y)
    rows, labels = data(500, seeded())
    assert torch.equal(rows, x[labels])
    assert set(labels.tolist()) == set(range(10))
    assert torch.equal(data(5, seeded(1))[1], data(5, seeded(1))[1])
    with pytest.raises(ValueError, match="x must have at least one row"):
        batches(x[:0], y[:0])
    with pytest.raises(ValueError, match=r"y must have one label per row, shape \(10,\), got \(9,\)"):
        batches(x, y[:9])
    with pytest.raises(ValueError, match="x must be finite, got 1 NaN"):
        batches(x.index_fill(0, torch.tensor([3]), float("nan"))[:, :1], y)


# ---- resume ----


@pytest.mark.parametrize("every", [30, 1000])
def test_twice_100_steps_are_200_steps_bit_for_bit(tmp_path, every):
    whole = run(200)
    run(100, checkpoint=tmp_path / "run.safetensors", every=every)
    resumed = run(200, net(seed=9), generator=seeded(9), checkpoint=tmp_path / "run.safetensors", resume=True)
    assert same(whole, resumed)


def test_the_rate_rises_falls_slowly_and_is_led_to_zero():
    rates = [learning_rate(n, 2.0, 1000, 400) for n in range(1, 1001)]
    assert [rates[n - 1] for n in (50, 100, 400)] == [1.0, 2.0, 1.0]
    assert rates[599] == pytest.approx(2 / 6**0.5)
    plain = [learning_rate(n, 2.0, 1000) for n in range(1, 1001)]
    assert rates[:600] == plain[:600]
    share = torch.tensor(rates[600:]) / torch.tensor(plain[600:])
    torch.testing.assert_close(share, torch.arange(400, 0, -1) / 401)  # the next one would be 0
    assert plain == [learning_rate(n, 2.0, 5000) for n in range(1, 1001)]  # without a cool-down a run can be extended


@pytest.mark.parametrize(("cool_down", "rate"), [(0, 1e-2), (1, 0.5e-2)])
def test_the_optimizer_follows_the_rate(cool_down, rate):
    """Adam's first update is the rate times the sign of the gradient (and AdamW's decay of 1% of each weight)."""
    model, _, _ = run(1, lr=1.0, ema=0.0, cool_down=cool_down)
    moved = max((p - q).abs().max().item() for p, q in zip(model.parameters(), net().parameters(), strict=True))
    assert moved == pytest.approx(rate, rel=0.02)


def test_an_interrupted_cool_down_is_resumed_bit_for_bit(tmp_path):
    path, whole = tmp_path / "run.safetensors", run(60, cool_down=40)
    with pytest.raises(KeyboardInterrupt):
        run(60, cool_down=40, checkpoint=path, loss=FailsAt(38, KeyboardInterrupt(), loss))
    assert same(whole, run(60, net(seed=9), checkpoint=path, resume=True, cool_down=40))
    assert not same(whole, run(60))
    run(20, checkpoint=path)  # before it, nothing depends on the cool-down to come
    assert same(whole, run(60, net(seed=9), checkpoint=path, resume=True, cool_down=40))


def test_a_prolonged_run_tells_its_legs(tmp_path):
    path = tmp_path / "run.safetensors"
    legs = lambda: [tuple(leg.values()) for leg in checkpoints.read(path)[1]["legs"]]
    with pytest.raises(KeyboardInterrupt):
        run(30, cool_down=10, checkpoint=path, loss=FailsAt(8, KeyboardInterrupt(), loss))
    run(30, cool_down=10, checkpoint=path, resume=True)
    assert legs() == [(0, 30, 10)]  # gone on with as planned, it is one leg
    run(50, cool_down=20, checkpoint=path, resume=True)
    assert legs() == [(0, 30, 10), (30, 50, 20)]
    run(60, checkpoint=path)
    assert legs() == [(0, 60, 0)]  # started over


@pytest.mark.parametrize("where", ["data", "loss"])
def test_an_interrupted_run_is_saved_and_resumed_bit_for_bit(tmp_path, where):
    path = tmp_path / "run.safetensors"
    interrupted = {where: FailsAt(38, KeyboardInterrupt(), {"data": MIXTURE.sample, "loss": loss}[where])}
    with pytest.raises(KeyboardInterrupt):
        run(60, checkpoint=path, **interrupted)
    assert checkpoints.read(path)[1]["step"] == 37
    assert same(run(60), run(60, net(seed=9), checkpoint=path, resume=True))


def channels_last(make, seed=0):
    with weights_from(seeded(seed)):
        return make(3, width=8, mults=(1, 2)).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("make", [UNet, TwinUNet])
def test_a_channels_last_network_resumes_bit_for_bit(tmp_path, make):
    """A file knows no strides: read back as they lie there, the moments would belong to other weights."""
    x, y = torch.randn(40, 1, 8, 8, generator=seeded(3)), torch.arange(40) % 3
    path, data = tmp_path / "run.safetensors", batches(x, y)
    whole = run(8, channels_last(make), data)
    run(4, channels_last(make), data, checkpoint=path)
    resumed = run(8, channels_last(make, seed=9), data, generator=seeded(9), checkpoint=path, resume=True)
    assert same(whole, resumed)
    assert any(not p.is_contiguous() for p in resumed[0].parameters())


def test_a_resumed_moment_lies_in_memory_as_its_weights_do(tmp_path):
    x, y = torch.randn(40, 1, 8, 8, generator=seeded(3)), torch.arange(40) % 3
    path = tmp_path / "run.safetensors"
    run(2, channels_last(UNet), batches(x, y), checkpoint=path)
    state = State(channels_last(UNet), seeded(), {"batch": 16, "lr": 3e-3, "ema": 0.999})
    state.load(path, 2)
    moments = [(p, state.optimizer.state[p][key]) for p in state.weights for key in ("exp_avg", "exp_avg_sq")]
    assert all(moment.stride() == p.stride() for p, moment in moments)
    tensors = checkpoints.under("optimizer", checkpoints.read(path)[0])
    for i, p in enumerate(state.weights):
        assert torch.equal(state.optimizer.state[p]["exp_avg"], tensors[f"{i}.exp_avg"])


def test_the_memory_format_changes_no_more_than_rounding():
    """The fused step of AdamW walks weights, gradients and moments as raw memory: do they lie alike?"""
    x, y = torch.randn(40, 1, 8, 8, generator=seeded(3)), torch.arange(40) % 3
    ends = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        with weights_from(seeded()):
            model = UNet(3, width=8, mults=(1, 2)).to(memory_format=memory_format)
        ends.append(run(5, model, batches(x, y)))
    torch.testing.assert_close(ends[0][1], ends[1][1], rtol=1e-4, atol=1e-5)
    for p, q in zip(ends[0][0].parameters(), ends[1][0].parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-4)


def test_a_second_ctrl_c_waits_for_the_state_to_be_saved(tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    save = Run.save

    def slow(self, path):
        os.kill(os.getpid(), signal.SIGINT)
        save(self, path)

    monkeypatch.setattr(Run, "save", slow)
    with pytest.raises(KeyboardInterrupt):
        run(60, checkpoint=path, loss=FailsAt(8, KeyboardInterrupt(), loss))
    assert checkpoints.read(path)[1]["step"] == 7
    assert list(tmp_path.iterdir()) == [path]


def test_what_the_run_is_about_must_agree(tmp_path):
    path = tmp_path / "run.safetensors"
    run(3, checkpoint=path, about={"data": "digits", "p_drop": 0.1})
    run(4, checkpoint=path, about={"data": "digits", "p_drop": 0.1}, resume=True)
    with pytest.raises(ValueError, match=r"about .*'p_drop': 0.1.* there, .*'p_drop': 0.2.* here"):
        run(5, checkpoint=path, about={"data": "digits", "p_drop": 0.2}, resume=True)
    run(5, checkpoint=path, resume=True)  # who says nothing is asked nothing
    run(6, checkpoint=path, about={"data": "mnist"}, resume=True)  # and a file that says nothing fits
    assert checkpoints.read(path)[1]["about"] == {"data": "mnist"}


def test_the_time_of_a_run_adds_up(tmp_path):
    path = tmp_path / "run.safetensors"
    run(10, checkpoint=path)
    first = checkpoints.read(path)[1]
    run(30, checkpoint=path, resume=True)
    second = checkpoints.read(path)[1]
    assert (first["timed"], second["timed"]) == (10, 30)
    assert 0 < first["seconds"] < second["seconds"]


def test_after_an_interrupt_the_model_holds_the_average_so_far():
    model = net()
    with pytest.raises(KeyboardInterrupt):
        run(60, model, data=FailsAt(31, KeyboardInterrupt(), MIXTURE.sample))
    assert torch.equal(model.outlet.weight, run(30)[0].outlet.weight)


def test_ctrl_c_waits_for_the_end_of_an_update():
    done = []

    def update():
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("the rest of the block")

    with pytest.raises(KeyboardInterrupt):
        update()
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_finished_run_resumes_to_the_same_end(tmp_path):
    path = tmp_path / "run.safetensors"
    first = run(20, checkpoint=path)
    assert same(first, run(20, net(seed=9), checkpoint=path, resume=True))


def test_the_state_of_a_run_loads_as_a_network(tmp_path):
    model, _, _ = run(20, checkpoint=tmp_path / "run.safetensors")
    loaded, schedule, metadata = load_checkpoint(tmp_path / "run.safetensors")
    assert torch.equal(loaded.outlet.weight, model.outlet.weight)
    assert schedule is None
    assert metadata["step"] == 20


def test_what_cannot_be_resumed_is_named_and_untouched(tmp_path):
    path, finished = tmp_path / "run.safetensors", tmp_path / "net.safetensors"
    run(20, checkpoint=path)
    save_checkpoint(finished, net(), S, {})
    content, weights = path.read_bytes(), net().inlet.weight

    def refuse(words, steps=30, model=None, checkpoint=path, error=ValueError, **kwargs):
        model = model or net()
        first = model.inlet.weight.clone() if hasattr(model, "inlet") else None
        with pytest.raises(error, match=words):
            run(steps, model, checkpoint=checkpoint, resume=True, **kwargs)
        assert first is None or torch.equal(model.inlet.weight, first)

    refuse("run.safetensors cannot be resumed.*config .*'width': 8.* there, .*'width': 16", model=net(width=16))
    refuse("run.safetensors cannot be resumed.*class MLP there, TwinMLP here", model=TwinMLP(2, width=8, depth=1))
    refuse("run.safetensors cannot be resumed.*settings .*'lr': 0.003.* there, .*'lr': 0.1", lr=0.1)
    refuse("steps must be at least the 20 that .*run.safetensors has done, got 10", steps=10)
    refuse("net.safetensors cannot be resumed: it holds a finished network", checkpoint=finished)
    refuse("no checkpoint at .*absent", checkpoint=tmp_path / "absent.safetensors", error=FileNotFoundError)
    refuse("resume=True needs a checkpoint", checkpoint=None)
    (tmp_path / "short.safetensors").write_bytes(content[:-100])
    refuse("short.safetensors is truncated", checkpoint=tmp_path / "short.safetensors")
    assert path.read_bytes() == content
    assert torch.equal(net().inlet.weight, weights)


def test_another_modules_weights_are_not_resumed(tmp_path):
    data = batches(torch.randn(64, 3, generator=seeded()), torch.zeros(64, dtype=torch.long))
    square = lambda m, x, y, g: m(x).square().mean()
    run(3, nn.Linear(3, 1), data, square, checkpoint=tmp_path / "linear.safetensors")
    with pytest.raises(ValueError, match=r"linear.safetensors cannot be resumed, its weights are"):
        run(5, nn.Linear(3, 2), data, square, checkpoint=tmp_path / "linear.safetensors", resume=True)


# ---- networks with more than weights ----


class Odd(nn.Module):
    """A Denoiser of points with whatever a network can hold beside its own weights."""

    def __init__(self, frozen=False, norm=False, counter=False, tied=False):
        super().__init__()
        self.K, self.counting = 2, counter
        self.inlet, self.hidden, self.outlet = nn.Linear(2, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.norm = nn.BatchNorm1d(6) if norm else nn.Identity()
        self.inlet.requires_grad_(not frozen)
        if tied:
            self.outlet.weight = nn.Parameter(self.outlet.weight.detach().clone())
            self.again = nn.Linear(6, 2)
            self.again.weight = self.outlet.weight
        if counter:
            self.register_buffer("asked", torch.zeros((), dtype=torch.long))
            self.register_buffer("scratch", torch.zeros(3), persistent=False)

    def forward(self, x, t, y):
        if self.counting:
            self.asked = self.asked + 1  # another tensor each time, as such code goes
        h = self.norm(self.hidden(torch.tanh(self.inlet(x))))
        return self.outlet(h) + (self.again(h) if hasattr(self, "again") else 0)


ODD = {name: {name: True} for name in ("frozen", "norm", "counter", "tied")}
ODD["all of it"] = dict.fromkeys(ODD, True)


def odd(parts, seed=0):
    with weights_from(seeded(seed)):
        return Odd(**parts)


def alike(a, b):
    states = [{name: t.clone() for name, t in run[0].state_dict().items()} for run in (a, b)]
    return same(a, b) and all(torch.equal(states[0][name], states[1][name]) for name in states[0] | states[1])


@pytest.mark.parametrize("parts", ODD.values(), ids=list(ODD))
def test_frozen_weights_buffers_and_tied_weights_survive(tmp_path, parts):
    path = tmp_path / "run.safetensors"
    first = {name: t.clone() for name, t in odd(parts).state_dict().items()}
    whole = run(30, odd(parts))
    run(12, odd(parts), checkpoint=path)
    resumed = run(30, odd(parts, seed=9), generator=seeded(9), checkpoint=path, resume=True)
    assert alike(whole, resumed)
    saved = checkpoints.under("model", checkpoints.read(path)[0])
    assert saved.keys() == first.keys()
    assert all(torch.equal(saved[name], t) for name, t in whole[0].state_dict().items())
    moved = {name for name, t in saved.items() if not torch.equal(t, first[name])}
    assert moved == {name for name in first if not (parts.get("frozen") and name.startswith("inlet"))}
    if parts.get("tied"):
        assert resumed[0].again.weight is resumed[0].outlet.weight
    if parts.get("counter"):
        assert resumed[0].asked == 30


@pytest.mark.parametrize("parts", ODD.values(), ids=list(ODD))
def test_what_a_broken_off_step_did_to_buffers_is_undone(tmp_path, parts):
    path, calls = tmp_path / "run.safetensors", []

    def breaks_off(model, *batch):
        value = loss(model, *batch)  # which has asked the network already
        calls.append(1)
        if len(calls) == 13:
            raise KeyboardInterrupt
        return value

    stopped = odd(parts)
    with pytest.raises(KeyboardInterrupt):
        run(30, stopped, loss=breaks_off, checkpoint=path)
    expected = run(12, odd(parts))[0].state_dict()
    assert all(torch.equal(expected[name], t) for name, t in stopped.state_dict().items())
    assert alike(run(30, odd(parts)), run(30, odd(parts, seed=9), checkpoint=path, resume=True))


def test_a_step_that_diverges_leaves_no_nan_in_buffers():
    model, calls = odd({"norm": True}), []

    def breaks(model, x0, y, generator):
        calls.append(1)
        return model(x0 * (float("nan") if len(calls) == 6 else 1), y, y).square().mean()

    with pytest.raises(Diverged):
        run(10, model, loss=breaks)
    assert all(torch.isfinite(t).all() for t in model.state_dict().values())
    assert model.norm.num_batches_tracked == 5


def test_a_run_with_other_frozen_weights_is_another_run(tmp_path):
    path = tmp_path / "run.safetensors"
    run(3, odd({}), checkpoint=path)
    with pytest.raises(ValueError, match=r"frozen \[\] there, \['inlet.bias', 'inlet.weight'\] here"):
        run(5, odd({"frozen": True}), checkpoint=path, resume=True)


def test_a_compiled_network_is_refused_before_the_first_step(tmp_path):
    compiled, asked = torch.compile(net()), []
    data = lambda n, generator: asked.append(n) or MIXTURE.sample(n, generator)
    with pytest.raises(TypeError, match=r"model must be the network itself .* got torch.compile's OptimizedModule"):
        run(5, compiled, data, checkpoint=tmp_path / "run.safetensors")
    assert not asked
    with pytest.raises(TypeError, match=r"model must be one of MLP, .* got OptimizedModule"):
        save_checkpoint(tmp_path / "net.safetensors", compiled, S, {})
    assert not list(tmp_path.iterdir())


# ---- the place of a checkpoint ----


def refused(checkpoint, error, words, **more):
    asked = []
    with pytest.raises(error, match=words):
        run(5, data=lambda n, generator: asked.append(n), checkpoint=checkpoint, **more)
    assert not asked  # no step was begun


def test_a_place_that_cannot_be_written_is_found_before_the_first_step(tmp_path):
    refused(tmp_path, PlaceError, r"checkpoint cannot be written: .* \(it is a folder\)")
    (tmp_path / "file").write_text("mine")
    refused(tmp_path / "file/run.safetensors", PlaceError, r"checkpoint cannot be written: .*run.safetensors \(.*\)")
    refused(tmp_path / ("x" * 300), PlaceError, r"checkpoint cannot be written: .*x \(.*\)")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="who may do everything is refused nothing")
def test_a_folder_that_is_not_ours_is_found_before_the_first_step(tmp_path):
    tmp_path.chmod(0o500)
    refused(tmp_path / "new/run.safetensors", PlaceError, "checkpoint cannot be written: .*Permission denied")


def test_a_folder_that_is_not_there_yet_is_made_with_the_first_file(tmp_path):
    require_place("checkpoint", tmp_path / "a/b/run.safetensors")
    assert not list(tmp_path.iterdir())
    run(3, checkpoint=tmp_path / "a/b/run.safetensors")
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["run.safetensors"]


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    run(3, checkpoint="~/mine/run.safetensors")
    assert (tmp_path / "mine/run.safetensors").is_file()
    assert load_checkpoint("~/mine/run.safetensors")[2]["step"] == 3
    assert checkpoints.checkpoint_path("mine") == checkpoints.DATA / "mine.safetensors"


def test_a_second_run_at_the_same_place_is_told_so(tmp_path):
    path, second = tmp_path / "run.safetensors", []

    def data(n, generator):
        if not second:
            with ThreadPoolExecutor(1) as pool:  # as another process would, which the command's tests start
                second.append(pool.submit(refused, path, PlaceError, "belongs to a run that is going on"))
        return MIXTURE.sample(n, generator)

    first = run(5, data=data, checkpoint=path)
    second[0].result()
    assert same(first, run(5))
    assert list(tmp_path.iterdir()) == [path]
    run(8, checkpoint=path, resume=True)  # the place is free again


def test_the_lock_file_of_a_crashed_run_blocks_nobody(tmp_path):
    path = tmp_path / "run.safetensors"
    path.with_name("run.safetensors.lock").touch()
    run(3, checkpoint=path)
    assert list(tmp_path.iterdir()) == [path]


# ---- around the loop ----


class NoDoubles(TorchFunctionMode):
    """As where MPS is the default device, which has no float64: none may be made without naming another device."""

    def __torch_function__(self, function, types, arguments=(), kwargs=None):
        kwargs = kwargs or {}
        if kwargs.get("dtype") is torch.float64 and function is torch.tensor and kwargs.get("device") is None:
            raise TypeError("the default device has no float64")
        return function(*arguments, **kwargs)


def test_checkpoints_come_and_go_under_another_default_device(tmp_path):
    path, first, second = tmp_path / "run.safetensors", net(), net(seed=9)
    x0, y = MIXTURE.sample(50, seeded(5))
    square = lambda model, x0, y, generator: (model(x0, y + 1, y) - x0).square().mean()
    data = batches(x0, y)
    expected = run(12, net(), data, square)
    with torch.device("meta"), NoDoubles():
        run(5, first, data, square, checkpoint=path)
        losses = run(12, second, data, square, checkpoint=path, resume=True)[1]
        loaded, _, _ = load_checkpoint(path)
    assert torch.equal(losses, expected[1])
    assert torch.equal(loaded.outlet.weight, expected[0].outlet.weight)
    finished = save_checkpoint(tmp_path / "net.safetensors", net(), S, {})
    with torch.device("meta"):
        schedule = load_checkpoint(finished)[1]
    assert torch.equal(schedule.alpha_bar, S.alpha_bar)


def test_training_loads_no_command_no_images_no_downloads():
    code = "import sys, cfgedu.training; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "cfgedu.training.loop" in loaded
    unwanted = {"cfgedu.training.command", "cfgedu.training.__main__", "cfgedu.images", "sklearn", "pooch"}
    assert not unwanted & set(loaded)


FLOORS = ("signals place parallel arguments", "state", "run", "loop many", "judge command", "__main__")


def test_a_batch_goes_down_through_the_layers_of_training():
    """From the loop to the run, its state and the checks: no module imports from its own floor or from above."""
    floor = {module: height for height, modules in enumerate(FLOORS) for module in modules.split()}
    folder = Path(training.__file__).parent
    assert floor.keys() == {path.stem for path in folder.glob("*.py")} - {"__init__"}
    for module in floor:
        used = re.findall(r"from cfgedu\.training\.(\w+) import", (folder / f"{module}.py").read_text(encoding="utf-8"))
        assert all(floor[other] < floor[module] for other in used), module


# ---- bad input and bad luck ----


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, bad):
    path, model = tmp_path / "run.safetensors", net()
    run(20, checkpoint=path)
    content = path.read_bytes()
    calls = []

    def breaks(model, *args):
        calls.append(1)
        return loss(model, *args) * (bad if len(calls) == 6 else 1)

    with pytest.raises(Diverged, match=f"step 26 gave a loss of {bad}.*the 25 good steps before it"):
        run(60, model, loss=breaks, checkpoint=path, resume=True)
    assert path.read_bytes() == content
    assert torch.equal(model.outlet.weight, run(25)[0].outlet.weight)


@pytest.mark.parametrize("n", [1, 4])
def test_data_that_is_not_finite_is_refused_before_its_step(n):
    model, calls = net(), []

    def data(count, generator):
        calls.append(1)
        x0, y = MIXTURE.sample(count, generator)
        x0[3, 1] = float("nan") if len(calls) == n else 0.0
        return x0, y

    first = model.inlet.weight.clone()
    with pytest.raises(ValueError, match="x0 from data must be finite, got 1 NaN or infinite of 32 numbers"):
        run(10, model, data=data)
    assert torch.equal(model.inlet.weight, first) == (n == 1)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"steps": 0}, ValueError, "steps must be an int of 1 or more, got 0"),
        ({"steps": 10.0}, ValueError, "steps must be an int of 1 or more, got 10.0"),
        ({"batch": 0}, ValueError, "batch must be an int of 1 or more, got 0"),
        ({"every": 0}, ValueError, "every must be an int of 1 or more, got 0"),
        ({"cool_down": -1}, ValueError, r"cool_down must be an int in 0..steps = 5, got -1"),
        ({"cool_down": 6}, ValueError, r"cool_down must be an int in 0..steps = 5, got 6"),
        ({"cool_down": 0.5}, ValueError, r"cool_down must be an int in 0..steps = 5, got 0.5"),
        ({"lr": 0.0}, ValueError, "lr must be above 0, got 0.0"),
        ({"lr": float("nan")}, ValueError, "lr must be above 0, got nan"),
        ({"ema": 1.0}, ValueError, r"ema must be a decay in \[0, 1\), got 1.0"),
        ({"lr": "fast"}, ValueError, "lr must be above 0, got 'fast'"),
        ({"model": lambda x, t, y: x}, TypeError, "model must be a network, an nn.Module, got function"),
        ({"model": net().requires_grad_(False)}, ValueError, "model must have weights to train, got a MLP without any"),
        ({"generator": 0}, TypeError, "generator must be a torch.Generator, got int"),
        ({"data": lambda n, g: MIXTURE.sample(n + 1, g)}, ValueError, "x0 from data must have the 16 rows .* got 17"),
        (
            {"data": lambda n, g: (torch.zeros(n, 2), torch.full((n,), 2))},
            ValueError,
            "y from data must hold labels 0..1",
        ),
        (
            {"data": lambda n, g: (torch.zeros(n, 2, dtype=torch.long), torch.zeros(n))},
            TypeError,
            "x0 from data must be",
        ),
        ({"loss": lambda m, x, y, g: m(x, y + 1, y)}, ValueError, "loss must return a scalar tensor"),
    ],
)
def test_arguments_are_checked(arguments, error, words):
    given = {"steps": 5, "batch": 16, "generator": seeded(), "data": MIXTURE.sample, "loss": loss, **arguments}
    with pytest.raises(error, match=words):
        train(given.pop("model", net()), given.pop("loss"), given.pop("data"), given.pop("steps"), **given)


# ---- checkpoints ----

NETWORKS = {
    "MLP": MLP(3, T=50, width=8),
    "TwinMLP": TwinMLP(3, dim=64, width=8, depth=2),
    "UNet": UNet(3, width=8, mults=(1, 2), attention=True),
    "TwinUNet": TwinUNet(3, width=8),
    "Judge": Judge(3, width=8, features=4),
    "float64": MLP(3, width=8).double(),
}


@pytest.mark.parametrize("model", NETWORKS.values(), ids=list(NETWORKS))
def test_a_checkpoint_comes_back_as_it_went(tmp_path, model):
    schedule = None if isinstance(model, Judge) else cosine(model.T)
    path = save_checkpoint(tmp_path / "net.safetensors", model.train(), schedule, {"steps": 7, "loss": 0.25})
    loaded, table, metadata = load_checkpoint(path)
    assert type(loaded) is type(model)
    assert loaded.config == model.config
    assert not loaded.training
    assert model.training  # as the caller left it
    for (name, p), (_, q) in zip(model.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert torch.equal(p, q), name
        assert p.dtype == q.dtype
    assert table is None if schedule is None else torch.equal(table.alpha_bar, schedule.alpha_bar)
    assert (metadata["steps"], metadata["loss"], metadata["class"]) == (7, 0.25, type(model).__name__)
    assert metadata["versions"]["torch"] == torch.__version__


def test_tensors_that_go_with_a_network_come_back_with_it(tmp_path):
    extra = {"mean": torch.arange(4.0), "covariance": torch.eye(4, dtype=torch.float64)}
    path = save_checkpoint(tmp_path / "judge.safetensors", NETWORKS["Judge"], None, {"accuracy": 0.5}, extra)
    metadata = load_checkpoint(path)[2]
    assert metadata["accuracy"] == 0.5
    assert set(metadata["extra"]) == set(extra)
    assert all(torch.equal(metadata["extra"][name], extra[name]) for name in extra)
    assert "extra" not in load_checkpoint(save_checkpoint(path, net(), S, {}))[2]


def test_a_flipped_bit_is_found(tmp_path):
    path = save_checkpoint(tmp_path / "net.safetensors", net(), S, {})
    content = bytearray(path.read_bytes())
    for place in (len(content) - 1, len(content) - 5000):  # in the tensors, after the header
        damaged = content.copy()
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"net.safetensors is damaged: its tensors have the sum"):
            load_checkpoint(path)


def test_the_sum_is_of_names_types_shapes_and_contents():
    a, b = torch.arange(6.0).reshape(2, 3), torch.zeros((), dtype=torch.int64)
    total = checkpoints.tensor_sum({"a": a, "b": b})
    assert total == checkpoints.tensor_sum({"b": b, "a": a.T.contiguous().T})
    others = [{"a": a}, {"a": b, "b": a}, {"a": a.reshape(3, 2), "b": b}, {"a": a + 1, "b": b}, {"a": a, "b": b.int()}]
    assert total not in map(checkpoints.tensor_sum, others)
    assert len(set(map(checkpoints.tensor_sum, others))) == len(others)


def test_a_bare_name_is_looked_up_in_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "DATA", tmp_path)
    made = []

    def make_and_train():
        made.append(1)
        return run(5)[0], S, {"steps": 5}

    first = load_or_train("toy", make_and_train)
    again = load_or_train("toy", make_and_train)
    assert made == [1]
    assert (tmp_path / "toy.safetensors").is_file()
    assert torch.equal(first[0].outlet.weight, again[0].outlet.weight)
    assert load_checkpoint("toy")[2]["steps"] == 5
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*unknown.safetensors"):
        load_checkpoint("unknown")


def test_a_truncated_or_foreign_file_is_named_and_untouched(tmp_path):
    path = save_checkpoint(tmp_path / "net.safetensors", net(), S, {})
    content = path.read_bytes()
    damaged = [content[:n] for n in (0, 4, 8, 100, len(content) // 2, len(content) - 1)] + [b"x" * 500, pickle.dumps(1)]
    for bad in damaged:
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"net.safetensors is truncated or not a safetensors file"):
            load_checkpoint(path)
        assert path.read_bytes() == bad


def test_a_checkpoint_that_is_not_what_it_says_is_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    weights = checkpoints.prefixed("model", net().state_dict())
    whole = checkpoints.describe(net())

    def refuse(words, tensors=weights, metadata=whole):
        checkpoints.write(path, tensors, metadata)
        with pytest.raises(ValueError, match=words):
            load_checkpoint(path)

    refuse("net.safetensors holds a 'Linear'", metadata={**whole, "class": "Linear"})
    refuse("net.safetensors holds a 'MLP' with config None", metadata={"class": "MLP"})
    refuse("net.safetensors does not hold the MLP", metadata={**whole, "config": {**net().config, "width": 16}})
    refuse("net.safetensors does not hold the MLP", metadata={**whole, "config": {"colour": "red"}})
    refuse("net.safetensors does not hold the MLP", tensors={k: t for k, t in weights.items() if "inlet" not in k})
    refuse("net.safetensors does not hold the MLP", tensors={})
    refuse("alpha_bar must", tensors={**weights, "alpha_bar": torch.ones(3)})
    path.write_bytes(checkpoints.save(weights))
    with pytest.raises(ValueError, match=r"net.safetensors is not a checkpoint of this course"):
        load_checkpoint(path)


def test_only_what_can_be_rebuilt_is_saved(tmp_path):
    with pytest.raises(TypeError, match=r"model must be one of MLP, .* got Linear"):
        save_checkpoint(tmp_path / "net.safetensors", nn.Linear(2, 2), S, {})
    with pytest.raises(ValueError, match="schedule must have the model's T = 1000, got T = 50"):
        save_checkpoint(tmp_path / "net.safetensors", net(), cosine(50), {})
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = save_checkpoint(tmp_path / "net.safetensors", net(), S, {})
    content = path.read_bytes()

    def full(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(path, net(seed=1), S, {})
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("steps", [np.int64(30), torch.tensor(30)])
def test_counts_may_be_numbers_of_numpy_or_torch(tmp_path, steps):
    model, path = net(), tmp_path / "run.safetensors"
    rules = {"batch": np.int64(16), "every": np.int32(10), "cool_down": np.int64(5), "lr": np.float64(1e-3)}
    losses = train(model, loss, MIXTURE.sample, steps, generator=seeded(0), checkpoint=path, **rules)
    assert losses.shape == (30,)
    assert load_checkpoint(path)[2]["step"] == 30


def test_facts_that_a_file_cannot_hold_are_refused_before_the_first_step():
    with pytest.raises(TypeError, match="about must hold what JSON can write"):
        train(net(), loss, MIXTURE.sample, 3, generator=seeded(0), about={"a": np.float32(1)})


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_run_in_a_program_of_its_own_is_saved_when_the_program_is_told_to_end(tmp_path, name):
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip(f"this system has no {name}")
    before = signal.signal(number, signal.SIG_DFL)
    try:
        path, sent = tmp_path / "run.safetensors", []

        def told_to_end(model, x0, y, generator):
            if len(sent) == 7:
                signal.raise_signal(number)
            sent.append(1)
            return loss(model, x0, y, generator)

        with pytest.raises(KeyboardInterrupt):
            run(20, loss=told_to_end, checkpoint=path)
        assert checkpoints.read(path)[1]["step"] == 7
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)
