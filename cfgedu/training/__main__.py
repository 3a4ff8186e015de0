"""The training command: `python -m cfgedu.training --help`."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from cfgedu.checkpoints import read, save_checkpoint
from cfgedu.protocol import seeded
from cfgedu.training.command import command_line, parse, recipe, shown
from cfgedu.training.loop import batches, train
from cfgedu.training.parallel import processes, rank, world
from cfgedu.training.place import PlaceError, require_place, reserved
from cfgedu.training.run import Diverged
from cfgedu.training.signals import stopped_like_ctrl_c
from cfgedu.training.state import State


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m cfgedu.training`: trains what the options say and saves it; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    with processes(options.device):
        code = 1
        try:
            code, words = 0, carry_out(options, command_line(arguments, world()))
        except KeyboardInterrupt:
            code, words = 130, f"Stopped. {kept(options.state)}"
            if options.state.exists():
                words += f" Go on with\n  {command_line(arguments, world(), '--resume')}"
        except Diverged as error:
            words = f"{error}. {kept(options.state)} Start again under another --name with half of --lr {options.lr:g}."
        except PlaceError as error:  # a state that is there may be another run's
            words = f"{error}."
        except (OSError, ValueError) as error:
            words = f"{str(error).rstrip('.')}. {kept(options.state)}"
        if rank() == 0:
            print(words, file=sys.stderr if code else sys.stdout)
    return code


def carry_out(options: argparse.Namespace, command: str) -> str:
    """Train and save; returns what there is to say about it."""
    with ExitStack() as whole_run:
        if rank() == 0:
            require_place("--out", options.out)
            require_place("the run's state", options.state)
            whole_run.enter_context(reserved(options.state))  # before --overwrite removes anything
        return train_and_save(options, command)


def train_and_save(options: argparse.Namespace, command: str) -> str:
    generator = seeded(options.seed)
    model, schedule, loss, x, y, about = recipe(options, generator)
    if rank() == 0:
        size = sum(p.numel() for p in model.parameters())
        print(f"{type(model).__name__} of {size:,} parameters, {len(x):,} images, on {options.device}")
        if not options.resume:
            options.state.unlink(missing_ok=True)  # --overwrite: what is there from now on is this run's
    settings = {"batch": options.batch, "lr": options.lr, "ema": options.ema}
    where = {"checkpoint": options.state, "resume": options.resume, "every": options.every}
    length = {"steps": options.steps, "cool_down": options.cool_down}
    if options.resume and not options.state.exists():  # every process writes the same, before any of them goes on
        state = State(model, generator, settings, about)
        state.resume_from_weights(options.out, options.steps, options.cool_down)
        state.save(options.state)
        if rank() == 0:
            print(f"From the averaged weights in {shown(options.out)}, with a new optimizer: the run's state is gone")
    data = batches(x, y)
    losses = train(model, loss, data, generator=generator, about=about, **settings, **length, **where)
    if rank():
        return ""
    state = read(options.state)[1]
    metadata = {
        **about,
        **settings,
        **length,
        "legs": state["legs"],
        "final_loss": losses[-1000:].nanmean().item(),
        "seconds": state["seconds"],
        "timed_steps": state["timed"],
        "processes": world(),
        "threads": torch.get_num_threads(),
        "device": str(options.device),
        "command": command,
    }
    save_checkpoint(options.out, model, schedule, metadata)
    return (
        f"{options.steps} steps, mean loss of the last 1000: {metadata['final_loss']:.4f}. "
        f"The averaged weights are in {shown(options.out)}, the state of the run in {shown(options.state)}."
    )


def kept(state: Path) -> str:
    """Where the last good state is."""
    try:
        return f"The state of step {read(state)[1]['step']} is in {shown(state)}."
    except FileNotFoundError:
        return "No state was saved yet."
    except (KeyError, ValueError):
        return f"What is in {shown(state)} is no state of a run: remove it, or choose another --name."


if __name__ == "__main__":
    with stopped_like_ctrl_c():
        code = main()
    sys.exit(code)
