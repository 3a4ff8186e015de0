"""Training for every network of the course: one loop, the state of a run, many networks at once, and a judge.

    losses = train(net, lambda m, x0, y, g: eps_loss(m, schedule, x0, y, 0.1, g), mixture.sample, 4000, generator=g)

The command `python -m cfgedu.training` trains the networks on images; --help explains it.
"""

from cfgedu.checkpoints import load_checkpoint, load_or_train, save_checkpoint
from cfgedu.training.judge import train_judge
from cfgedu.training.loop import batches, train
from cfgedu.training.many import train_stack
from cfgedu.training.run import Diverged

__all__ = [
    "Diverged",
    "batches",
    "load_checkpoint",
    "load_or_train",
    "save_checkpoint",
    "train",
    "train_judge",
    "train_stack",
]
