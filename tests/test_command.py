"""`python -m cfgedu.training`: what it trains, how it stops and goes on, and what it says about bad options."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cfgedu import checkpoints
from cfgedu.images import load
from cfgedu.losses import dsm_loss, eps_loss, twin_loss
from cfgedu.models import MLP, TwinMLP, TwinUNet, UNet, weights_from
from cfgedu.protocol import seeded
from cfgedu.schedule import cosine, linear
from cfgedu.training import __main__ as training
from cfgedu.training import command, signals
from cfgedu.training.state import State

HANG_UP = [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []  # a terminal that closes; not on Windows
QUICK = ["--data", "digits", "--model", "mlp", "--width", "16", "--batch", "16", "--name", "quick"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The course's folder of data, and the one beside it for runs, in a temporary place."""
    monkeypatch.setattr(checkpoints, "DATA", tmp_path / "data")
    monkeypatch.setattr(command, "DATA", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*options):
    return training.main([*QUICK, *map(str, options)])


def weights(path):
    return load_file(path)


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def signals_at(n, monkeypatch, number=signal.SIGINT):
    """The n-th loss sends this process a signal, as a terminal does at Ctrl-C."""
    calls, made = [], command.loss_of

    def loss_of(*args):
        loss = made(*args)

        def watched(*args):
            calls.append(1)
            if len(calls) == n:
                os.kill(os.getpid(), number)
            return loss(*args)

        return watched

    monkeypatch.setattr(command, "loss_of", loss_of)


# ---- what is trained ----


@pytest.mark.parametrize("model", ["unet", "twin"])
def test_the_recipe_is_the_one_that_a_reader_would_type(model, monkeypatch):
    """Seed, then the first weights, then batches and losses from one generator, in this order."""
    x, y = torch.randn(50, 1, 28, 28, generator=seeded(5)), torch.arange(50) % 10
    monkeypatch.setattr(command, "load", lambda name: (x, y))
    options = command.parse(["--data", "mnist", "--model", model])
    g = seeded(0)
    net, schedule, loss, images, labels, _ = command.recipe(options, g)
    mine = seeded(0)
    with weights_from(mine):
        own = {"unet": UNet, "twin": TwinUNet}[model](10)
    assert net.config == own.config
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), own.parameters(), strict=True))
    assert torch.equal(schedule.alpha_bar, linear().alpha_bar)
    assert torch.equal(images, x)
    assert net.encoder.stem.weight.is_contiguous(memory_format=torch.channels_last)
    own.to(memory_format=torch.channels_last)
    if model == "unet":
        expected = eps_loss(own, linear(), x[:8], y[:8], 0.1, mine)
    else:
        expected = twin_loss(own.pair, linear(), x[:8], y[:8], mine)
    assert torch.equal(loss(net, images[:8], labels[:8], g), expected)
    assert (options.batch, options.lr, options.ema, options.steps) == (64, 2e-3, 0.999, 40_000)
    assert options.state.name == {"unet": "mnist-unet", "twin": "mnist-twin-unet"}[model] + ".safetensors"


@pytest.mark.parametrize(
    ("options", "kind", "T"),
    [
        (["--model", "mlp"], MLP, 1000),
        (["--model", "twin-mlp", "--width", "16"], TwinMLP, 1000),
        (["--model", "unet", "--schedule", "cosine", "--T", "50", "--loss", "dsm"], UNet, 50),
    ],
)
def test_options_choose_the_network_and_the_schedule(options, kind, T):
    given = command.parse(["--data", "digits", *options])
    net, schedule, *_, about = command.recipe(given, seeded())
    assert type(net) is kind
    assert (net.T, schedule.T, net.K) == (T, T, 10)
    assert torch.equal(schedule.alpha_bar, (cosine(50) if T == 50 else linear()).alpha_bar)
    assert about["data"] == "digits"
    x, y = load("digits")
    assert about["data_sha256"] == command.data_sum(x, y)
    assert about["data_sha256"] != command.data_sum(x, y.flip(0))
    assert about["data_sha256"] != command.data_sum(-x, y)
    names = {MLP: "digits-mlp", TwinMLP: "digits-twin-mlp", UNet: "digits-unet-dsm"}
    assert given.out.stem == given.state.stem == names[kind]


@pytest.mark.parametrize("T", [21, 50, 4000])
def test_every_linear_schedule_ends_in_noise(T):
    schedule = command.recipe(command.parse(["--data", "digits", "--model", "mlp", "--T", str(T)]), seeded())[1]
    assert schedule.T == T
    assert schedule.alpha_bar[-1] < 1e-4
    assert schedule.alpha_bar[T // 3] == pytest.approx(float(linear().alpha_bar[1000 * (T // 3) // T]), rel=0.2)


def test_dsm_trains_the_same_eps_network():
    x, y = (part[:32] for part in load("digits"))
    net, schedule, eps, *_ = command.recipe(command.parse(QUICK), seeded())
    dsm = command.recipe(command.parse([*QUICK, "--loss", "dsm"]), seeded())[2]
    torch.nn.init.normal_(net.outlet.weight, std=0.1, generator=seeded(7))
    score = lambda x, t, y: -net(x, t, y) / schedule.noise_level(t, x)
    value = dsm(net, x, y, seeded(2)).item()
    assert value == pytest.approx(eps(net, x, y, seeded(2)).item(), rel=1e-5)
    assert value == pytest.approx(dsm_loss(score, schedule, x, y, 0.1, "variance", seeded(2)).item(), rel=1e-6)


# ---- a whole run ----


def test_a_run_writes_the_averaged_weights_and_what_they_are(folder, capsys):
    assert run("--steps", 30, "--seed", 3, "--p-drop", 0.2) == 0
    net, schedule, about = checkpoints.load_checkpoint("quick")
    losses = load_file(folder / "runs/quick.safetensors")["losses"]
    x, y = load("digits")
    expected = {
        "class": "MLP",
        "data": "digits",
        "data_sha256": command.data_sum(x, y),
        "loss": "eps",
        "schedule": "linear",
        "p_drop": 0.2,
        "seed": 3,
        "batch": 16,
        "steps": 30,
        "timed_steps": 30,
        "processes": 1,
        "threads": torch.get_num_threads(),
        "device": str(command.device("auto")),
        "command": "python -m cfgedu.training --data digits --model mlp --width 16 --batch 16 --name quick --steps 30 "
        "--seed 3 --p-drop 0.2",
    }
    assert {key: about[key] for key in expected} == expected
    assert about["final_loss"] == pytest.approx(losses.mean().item())
    assert about["seconds"] > 0
    assert about["versions"]["torch"] == torch.__version__
    assert about["sha256"] == checkpoints.tensor_sum(load_file(folder / "data/quick.safetensors"))
    assert torch.equal(schedule.alpha_bar, linear().alpha_bar)
    state = checkpoints.under("model", load_file(folder / "runs/quick.safetensors"))
    assert all(torch.equal(state[name], p) for name, p in net.state_dict().items())
    said = capsys.readouterr()
    assert f"30 steps, mean loss of the last 1000: {about['final_loss']:.4f}" in said.out
    assert os.path.join("data", "quick.safetensors") in said.out
    assert "images/s, loss" in said.err


def test_the_command_in_a_checkpoint_makes_it_again(folder):
    assert run("--steps", 10) == 0
    path = folder / "data/quick.safetensors"
    first, words = weights(path), checkpoints.read(path)[1]["command"].split()
    assert words[:3] == ["python", "-m", "cfgedu.training"]
    assert training.main([*words[3:], "--overwrite"]) == 0
    assert equal(first, weights(path))


def test_a_cool_down_is_part_of_the_recipe(folder):
    assert run("--steps", 20, "--out", "whole") == 0
    assert run("--steps", 20, "--cool-down", 15, "--overwrite") == 0
    path = folder / "data/quick.safetensors"
    cooled, about = weights(path), checkpoints.read(path)[1]
    assert about["cool_down"] == 15
    assert about["legs"] == [{"after": 0, "steps": 20, "cool_down": 15}]
    assert "--cool-down 15" in about["command"]
    assert not equal(weights(folder / "data/whole.safetensors"), cooled)
    assert run("--steps", 5, "--overwrite") == 0  # what comes before the cool-down does not depend on it
    assert run("--steps", 20, "--cool-down", 15, "--resume") == 0
    assert equal(cooled, weights(path))
    assert [leg["after"] for leg in checkpoints.read(path)[1]["legs"]] == [0, 5]


def test_resume_goes_on_bit_for_bit(folder):
    assert run("--steps", 30, "--out", "whole") == 0
    assert run("--steps", 30, "--overwrite") == 0
    (folder / "data/quick.safetensors").unlink()
    assert run("--steps", 12, "--overwrite") == 0
    assert run("--steps", 30, "--resume") == 0
    assert equal(weights(folder / "data/whole.safetensors"), weights(folder / "data/quick.safetensors"))
    assert checkpoints.read(folder / "data/quick.safetensors")[1]["timed_steps"] == 30


def test_where_only_the_network_is_left_its_run_goes_on_from_the_averaged_weights(folder, capsys):
    path, state = folder / "data/quick.safetensors", folder / "runs/quick.safetensors"
    assert run("--steps", 20) == 0
    first = weights(path)
    state.unlink()
    assert run("--steps", 20, "--resume") == 1  # nothing would be left to train
    assert f"steps must be more than the 20 that {path} has done, got 20" in capsys.readouterr().err
    assert run("--steps", 30, "--resume", "--lr", 0.001) == 1
    assert "it is of another model or run: settings" in capsys.readouterr().err
    assert run("--steps", 30, "--resume", "--p-drop", 0.3) == 1
    assert "it is of another model or run: about" in capsys.readouterr().err
    assert run("--steps", 30, "--resume", "--width", 32) == 1
    assert "it is of another model or run: config" in capsys.readouterr().err
    assert not state.exists()
    assert equal(first, weights(path))
    assert run("--steps", 30, "--resume", "--cool-down", 5) == 0
    said = capsys.readouterr().out
    assert f"From the averaged weights in {os.path.join('data', 'quick.safetensors')}, with a new optimizer" in said
    about = checkpoints.read(path)[1]
    assert about["legs"] == [
        {"after": 0, "steps": 20, "cool_down": 0},
        {"after": 20, "steps": 30, "cool_down": 5, "optimizer": "new"},
    ]
    losses = load_file(state)["losses"]
    assert losses.isnan().tolist() == [True] * 20 + [False] * 10
    assert about["final_loss"] == pytest.approx(losses[20:].mean().item())
    assert about["timed_steps"] == 30
    gone_on = weights(path)
    assert run("--steps", 30, "--cool-down", 5, "--resume") == 0  # now there is a state again, of a finished run
    assert equal(gone_on, weights(path))
    assert len(checkpoints.read(path)[1]["legs"]) == 2


def test_what_goes_on_from_a_network_begins_at_its_averaged_weights_and_draws_anew(folder):
    assert run("--steps", 20) == 0
    (folder / "runs/quick.safetensors").unlink()
    options = command.parse([*QUICK, "--steps", "30", "--resume"])
    generator = torch.Generator().manual_seed(0)
    model, _, _, _, _, about = command.recipe(options, generator)
    begun = State(model, generator, {"batch": 16, "lr": options.lr, "ema": options.ema}, about)
    seeded = generator.get_state()
    begun.resume_from_weights(options.out, 30, 0)
    shipped = checkpoints.under("model", load_file(folder / "data/quick.safetensors"))
    for state in (begun.averaged_state(), model.state_dict()):
        assert all(torch.equal(shipped[name], tensor) for name, tensor in state.items())
    assert begun.done == 20
    assert not torch.equal(generator.get_state(), seeded)  # or the batches of the first leg would come again
    assert not begun.optimizer.state_dict()["state"]


@pytest.fixture
def handlers():
    """The signals as the command sees them; what a test changes is put back."""
    numbers = (signal.SIGINT, signal.SIGTERM, *HANG_UP)
    before = [signal.getsignal(number) for number in numbers]
    for number in HANG_UP:
        signal.signal(number, signal.SIG_DFL)  # a test under nohup would ignore it
    with signals.stopped_like_ctrl_c():
        yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "ctrl_c"),
    [
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGTERM, signal.default_int_handler),
        *((number, signal.default_int_handler) for number in HANG_UP),
        (signal.SIGTERM, signal.SIG_IGN),  # as for a job that a script puts in the background
    ],
)
def test_ctrl_c_saves_and_says_how_to_go_on(folder, monkeypatch, capsys, handlers, number, ctrl_c):
    signal.signal(signal.SIGINT, ctrl_c)
    signals_at(8, monkeypatch, number)
    assert run("--steps", 20, "--every", 5) == 130
    done = checkpoints.read(folder / "runs/quick.safetensors")[1]["step"]
    assert done in (7, 8)  # the signal is seen within the step that it came in
    said = capsys.readouterr().err
    assert f"The state of step {done} is in {os.path.join('runs', 'quick.safetensors')}." in said
    assert "Traceback" not in said
    assert not (folder / "data").exists()
    again = said.strip().splitlines()[-1].split()
    assert again[-1] == "--resume"
    monkeypatch.undo()
    monkeypatch.setattr(checkpoints, "DATA", folder / "data")
    monkeypatch.setattr(command, "DATA", folder / "data")
    assert training.main(again[3:]) == 0
    resumed = weights(folder / "data/quick.safetensors")
    assert run("--steps", 20, "--overwrite") == 0
    assert equal(resumed, weights(folder / "data/quick.safetensors"))


@pytest.mark.parametrize(("n", "kept"), [(8, "The state of step 5 is in"), (3, "No state was saved yet")])
def test_a_loss_that_turns_nan_ends_in_one_message(folder, monkeypatch, capsys, n, kept):
    made, calls = command.loss_of, []

    def loss_of(*args):
        inner = made(*args)

        def loss(*args):
            calls.append(1)
            return inner(*args) * (float("nan") if len(calls) == n else 1)

        return loss

    monkeypatch.setattr(command, "loss_of", loss_of)
    assert run("--steps", 20, "--every", 5) == 1
    said = capsys.readouterr().err
    assert re.search(rf"step {n} gave a loss of nan .*{kept}.*half of --lr 0.002", said)
    assert "Traceback" not in said
    assert not (folder / "data").exists()
    if n == 8:
        assert checkpoints.read(folder / "runs/quick.safetensors")[1]["step"] == 5


def test_ctrl_c_before_the_first_step(monkeypatch, capsys):
    def stopped(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "load", stopped)
    assert run("--steps", 5) == 130
    assert capsys.readouterr().err == "Stopped. No state was saved yet.\n"


def test_starting_over_leaves_no_state_of_the_run_before(folder, monkeypatch, capsys):
    assert run("--steps", 5) == 0
    signals_at(2, monkeypatch)
    assert run("--steps", 9, "--overwrite") == 130
    assert checkpoints.read(folder / "runs/quick.safetensors")[1]["step"] in (1, 2)


def test_what_fails_says_so_without_a_traceback(folder, monkeypatch, capsys):
    assert run("--steps", 5) == 0
    capsys.readouterr()
    assert run("--steps", 9, "--resume", "--p-drop", 0.3) == 1
    assert "cannot be resumed, it is of another model or run: about" in capsys.readouterr().err
    assert run("--steps", 4, "--resume") == 1
    assert "steps must be at least the 5" in capsys.readouterr().err

    (folder / "runs/quick.safetensors").write_bytes(b"damaged")
    assert run("--steps", 5, "--resume") == 1
    said = capsys.readouterr().err
    assert "quick.safetensors is truncated or not a safetensors file" in said
    assert "is no state of a run: remove it, or choose another --name." in said

    def missing(name):
        raise FileNotFoundError("MNIST is not here.")

    monkeypatch.setattr(command, "load", missing)
    assert run("--steps", 5, "--name", "other") == 1
    assert capsys.readouterr().err == "MNIST is not here. No state was saved yet.\n"


# ---- a place that cannot be had, and runs that end from outside ----


def placed_at(folder):
    """The words that start the command as a process, with its data and runs in `folder`."""
    code = (
        "import runpy, sys; from pathlib import Path; from cfgedu import checkpoints; "
        "from cfgedu.training import command; checkpoints.DATA = command.DATA = Path(sys.argv.pop(1)) / 'data'; "
        "runpy.run_module('cfgedu.training', run_name='__main__')"
    )
    return [sys.executable, "-c", code, str(folder), *QUICK, "--steps", "1000000", "--every", "1000000"]


def wait_for(condition, process):
    """Until the condition holds, while the process runs."""
    start = time.monotonic()
    while not condition():
        assert process.poll() is None, f"it ended with {process.returncode}"
        assert time.monotonic() < start + 120
        time.sleep(0.05)


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
@pytest.mark.parametrize("out", ["folder", "file/net.safetensors", "x" * 300 + ".safetensors"])
def test_an_out_that_cannot_be_written_is_found_before_training(folder, monkeypatch, capsys, out, more):
    (folder / "folder").mkdir()
    (folder / "file").write_text("mine")
    monkeypatch.setattr(command, "load", lambda name: pytest.fail("it went on to the data"))
    assert run("--steps", 5, "--out", folder / out, *more) == 1
    said = capsys.readouterr().err
    assert re.fullmatch(r"--out cannot be written: \S+ \(.+\)\.\n", said)
    assert out in said
    assert sorted(path.name for path in folder.iterdir()) == ["file", "folder"]


def test_a_folder_of_runs_that_cannot_be_made_is_found_before_training(folder, monkeypatch, capsys):
    (folder / "runs").write_text("a file where the folder should be")
    monkeypatch.setattr(command, "load", lambda name: pytest.fail("it went on to the data"))
    assert run("--steps", 5) == 1
    assert re.fullmatch(
        r"the run's state cannot be written: .*runs.quick.safetensors \(.+\)\.\n", capsys.readouterr().err
    )
    assert [path.name for path in folder.iterdir()] == ["runs"]


def test_out_may_begin_at_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("USERPROFILE", str(folder / "home"))
    assert run("--steps", 3, "--out", "~/nets/mine.safetensors") == 0
    assert checkpoints.read(folder / "home/nets/mine.safetensors")[1]["steps"] == 3
    assert not (folder / "~").exists()


def test_a_second_run_of_one_name_is_told_so_and_a_crashed_one_blocks_nobody(folder, capsys):
    state = folder / "runs/quick.safetensors"
    state.parent.mkdir()
    first = subprocess.Popen([*placed_at(folder), "--seed", "1"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for(state.with_name("quick.safetensors.lock").exists, first)
        for more in ([], ["--overwrite"]):
            assert run("--steps", 5, *more) == 1
            assert re.fullmatch(
                r"\S+quick.safetensors belongs to a run that is going on: .*\n", capsys.readouterr().err
            )
        state.write_bytes(b"what the first run has saved by now")
        assert run("--steps", 5, "--overwrite") == 1
        assert run("--steps", 5, "--resume") == 1
        assert state.read_bytes() == b"what the first run has saved by now"
        assert not (folder / "data").exists()
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()
    assert len(list(state.parent.iterdir())) == 2  # its file and its lock, of which it could not take leave
    assert run("--steps", 5, "--overwrite") == 0
    assert list(state.parent.iterdir()) == [state]


@pytest.mark.skipif(not HANG_UP, reason="Windows sends no such signal")
@pytest.mark.parametrize("ignored", [False, True])
def test_a_terminal_that_closes_saves_the_run_unless_it_was_told_to_go_on(folder, ignored):
    import pty
    import termios

    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))  # in a window without a width no bar is seen
    handler = "signal.SIG_IGN" if ignored else "signal.SIG_DFL"  # said, for the tests may run under nohup themselves
    become = f"signal.signal(signal.SIGHUP, {handler}); os.execv(sys.argv[1], sys.argv[1:])"
    begin = [sys.executable, "-c", f"import os, signal, sys; os.login_tty(0); {become}"]
    process = subprocess.Popen([*begin, *placed_at(folder)], stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    try:
        said = b""
        while b"100" not in said.partition(b"training:")[2]:  # the bar moves: 100 is in its total
            said += os.read(master, 1000)
        time.sleep(0.5)
        os.close(master)  # the window is closed: reading and writing fail from now on
        if ignored:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2)
            process.terminate()
        process.wait(60)
    finally:
        process.kill()
    assert checkpoints.read(folder / "runs/quick.safetensors")[1]["step"] > 0
    assert [path.name for path in (folder / "runs").iterdir()] == ["quick.safetensors"]  # and no lock


# ---- options ----


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--data", "cifar"], "argument --data: invalid choice: 'cifar'"),
        (["--model", "vit"], "argument --model: invalid choice: 'vit'"),
        (["--loss", "v"], "argument --loss: invalid choice: 'v'"),
        (["--schedule", "sqrt"], "argument --schedule: invalid choice: 'sqrt'"),
        (["--T", "0"], "argument --T: must be a whole number of 1 or more, got '0'"),
        (["--T", "20"], "argument --T: must be 21 or more with --schedule linear, whose betas end at 20 / T, got 20"),
        (["--p-drop", "1.5"], r"argument --p-drop: must be a probability in [0, 1), got '1.5'"),
        (["--p-drop", "nan"], r"argument --p-drop: must be a probability in [0, 1), got 'nan'"),
        (["--width", "15"], "argument --width: must be even"),
        (["--steps", "1e3"], "argument --steps: must be a whole number of 1 or more, got '1e3'"),
        (["--batch", "-4"], "argument --batch: must be a whole number of 1 or more, got '-4'"),
        (["--cool-down", "-1"], "argument --cool-down: must be a whole number of 0 or more, got '-1'"),
        (["--steps", "9", "--cool-down", "10"], "argument --cool-down: must be at most the 9 of --steps, got 10"),
        (["--lr", "0"], "argument --lr: must be a number above 0, got '0'"),
        (["--lr", "inf"], "argument --lr: must be a number above 0, got 'inf'"),
        (["--ema", "1"], "argument --ema: must be a decay in [0, 1), got '1'"),
        (["--seed", "-1"], "argument --seed: must be a whole number of 0 or more, got '-1'"),
        (["--threads", "two"], "argument --threads: must be a whole number of 1 or more, got 'two'"),
        (["--device", "abacus"], "argument --device: 'abacus' is no device here"),
        (["--device", "meta"], "argument --device: 'meta' is no device here: networks are not trained there"),
        (["--name", "a/b"], "argument --name: must be a plain name without folder or ending, got 'a/b'"),
        (["--name", "a.pt"], "argument --name: must be a plain name without folder or ending, got 'a.pt'"),
        (["--model", "twin", "--p-drop", "0.1"], "--p-drop is not for twins"),
        (["--model", "twin-mlp", "--loss", "dsm"], "--loss dsm is not for twins"),
        (["--resume", "--name", "none"], "--resume: there is no run in"),
        (["--res"], "unrecognized arguments: --res"),
    ],
)
def test_bad_options_end_in_one_line(options, words, capsys):
    with pytest.raises(SystemExit) as stop:
        command.parse(options)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 2  # argparse's usage and its error
    assert words in said


@pytest.mark.parametrize("file", ["runs/quick.safetensors", "data/quick.safetensors"])
def test_nothing_is_overwritten_unasked(folder, capsys, file):
    path = folder / file
    path.parent.mkdir()
    path.write_bytes(b"hours of work")
    with pytest.raises(SystemExit):
        run("--steps", 5)
    assert f"{Path(file)} exists: choose another --name" in capsys.readouterr().err
    assert path.read_bytes() == b"hours of work"


def test_help_explains_every_option(folder, capsys):
    with pytest.raises(SystemExit) as stop:
        command.parse(["--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    named = set(re.findall(r"^  (--[\w-]+)", said, re.MULTILINE))
    assert named == {f"--{name.replace('_', '-')}" for name in command.EXPLAINED}
    for example in re.findall(r"^  python -m cfgedu.training (.*)$", said, re.MULTILINE):
        if "--resume" in example:  # of the run that the example before it made
            (folder / "runs").mkdir(exist_ok=True)
            (folder / "runs/mine.safetensors").touch()
        command.parse(example.split())  # raises where an example has gone stale


def test_it_runs_as_a_module():
    """From any folder, without a warning."""
    asked = [sys.executable, "-W", "error", "-m", "cfgedu.training", "--steps", "0"]
    answer = subprocess.run(asked, capture_output=True, text=True)
    assert answer.returncode == 2
    assert answer.stderr.startswith("usage: python -m cfgedu.training")
    assert "--steps: must be a whole number" in answer.stderr


# ---- more than one process ----

RANKS = """
import sys
import time
from pathlib import Path
import torch
from safetensors.torch import save_file
from cfgedu import checkpoints
from cfgedu.training import __main__ as training, command, parallel

folder = Path(sys.argv[1])
checkpoints.DATA = command.DATA = folder / "data"
seen, train = [], training.train

def watched(model, loss, data, *args, **kwargs):
    def noted(n, generator):
        x0, y = data(n, generator)
        seen.append(x0)
        return x0, y
    losses = train(model, loss, noted, *args, **kwargs)
    print(parallel.rank(), parallel.world(), len(losses))
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file({**state, "first": seen[0]}, folder / f"rank{parallel.rank()}.safetensors")
    return losses

training.train = watched
sys.exit(training.main(sys.argv[2:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="torch's gloo on Windows lacks torchrun's rendezvous")
def test_two_processes_train_one_network(folder):
    script = folder / "ranks.py"
    script.write_text(RANKS)
    options = [*QUICK, "--model", "twin", "--width", "8", "--device", "cpu", "--name", "two", "--steps"]
    assert training.main([*options, "2"]) == 0  # a run by one process, which two go on with
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    words = [*start, str(folder), *options, "5", "--resume"]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=400)
    assert answer.returncode == 0, answer.stderr
    ranks = [load_file(folder / f"rank{rank}.safetensors") for rank in (0, 1)]
    first = [state.pop("first") for state in ranks]
    assert not torch.equal(*first)  # each draws its own batches
    assert equal(*ranks)
    assert {"0 2 5", "1 2 5"} <= set(answer.stdout.splitlines())  # rank, world, losses
    assert answer.stdout.count("The averaged weights are in") == 1
    for place in ("data", "runs"):
        assert [path.name for path in (folder / place).iterdir()] == ["two.safetensors"]
    assert equal(checkpoints.under("model", load_file(folder / "data/two.safetensors")), ranks[0])
    about = checkpoints.read(folder / "data/two.safetensors")[1]
    assert about["processes"] == 2
    assert about["command"].startswith("torchrun --nproc-per-node 2 -m cfgedu.training --data digits")
