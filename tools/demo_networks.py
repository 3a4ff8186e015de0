"""`course.py checkpoints dropout twins lab digits repair`: the small networks in the demos of 08, 09, 10, 11 and 16.

All but the last are made as the notebook makes its own, from the same seeds: the notebook trains, and compares. Where
it has three seeds, the first one ships; notebook 10's demo shows all three.
"""

from copy import deepcopy

import torch

from cfgedu.checkpoints import checkpoint_path, prefixed, save_checkpoint, write
from cfgedu.exercises.repair import trained
from cfgedu.images import load
from cfgedu.losses import drop_labels, eps_loss, noised
from cfgedu.metrics import judge_accuracy
from cfgedu.models import MLP, TwinMLP, weights_from
from cfgedu.protocol import NULL, seeded
from cfgedu.schedule import linear
from cfgedu.toy import islands
from cfgedu.training import batches, train, train_judge, train_stack
from cfgedu.widgets.dropout import RATES, shipped_name
from cfgedu.widgets.gallery import CHOICES, NETWORKS, trained_as, training_part
from cfgedu.widgets.lab import SHIPPED
from cfgedu.widgets.twin import LeakyTwin

DROPOUT = {"steps": 1200, "batch": 128, "lr": 1e-2}
TWINS = {"steps": 600, "batch": 512, "lr": 1e-2}
LAB = {"steps": 1300, "batch": 256}
DIGITS, JUDGE_STEPS = {"steps": 3000, "batch": 128, "cool_down": 1500}, 600
TRAINED_TOO = 1.0  # a rate of notebook 08 that its demo does not offer: with it a stack's batches are the notebook's
HALF = ("dropout", "lab")  # families in float16: data/README.md says what that changes


def ship(name, net, schedule, family, facts, losses=None):
    """Writes one network to data/; it keeps the precision in which its family is stored."""
    net = net.eval().half() if family in HALF else net.eval()
    final = {} if losses is None else {"final_loss": losses[-100:].mean().item()}
    command = f"python3 course.py checkpoints {family}"
    path = save_checkpoint(name, net, schedule, {**facts, **final, "command": command})
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB", flush=True)


def dropout():
    """One network for each rate, from the same first weights."""
    world, schedule, rates, each = islands(), linear(), [*RATES, TRAINED_TOO], 3
    with weights_from(seeded(9)):
        first = [MLP(3) for _ in range(each)]
    nets = {p: deepcopy(first) for p in rates}
    rate = torch.tensor(rates).repeat_interleave(each * DROPOUT["batch"])  # one for each row of the stack's batch

    def rows(stack, x0, y, generator):
        x, t, eps = noised(schedule, x0, generator)
        dropped = torch.rand(y.shape, generator=generator) < rate
        return (stack(x, t, torch.where(dropped, NULL, y)) - eps).square()

    losses = train_stack([net for p in rates for net in nets[p]], rows, world.sample, **DROPOUT, generator=seeded(10))
    for k, p in enumerate(RATES):
        facts = {"data": "islands", "seed": 9, "p_drop": p, **DROPOUT}
        ship(shipped_name(p), nets[p][0], schedule, "dropout", facts, losses[:, each * k])


def twins():
    """Late fusion and the leaky twin, from the same first weights, data and noise. The leaky one goes by TwinMLP."""
    world, schedule = islands(), linear()

    def rows(stack, x0, y, generator):
        x, t, eps = noised(schedule, x0, generator)
        eps_un, eps_cond = stack.pair(x, t, y)
        return (eps_un - eps).square() + (eps_cond - eps).square()

    for name, kind in (("twin-late", TwinMLP), ("twin-leaky", LeakyTwin)):
        nets = []
        for seed in range(3):
            with weights_from(seeded(seed)):
                nets.append(kind(3))
        losses = train_stack(nets, rows, world.sample, **TWINS, generator=seeded(1))
        plain = TwinMLP(3)
        plain.load_state_dict(nets[0].state_dict())  # what a checkpoint can hold; LeakyTwin reads the same weights
        facts = {"data": "islands", "seed": 0, "leaky": kind is LeakyTwin, **TWINS}
        ship(name, plain, schedule, "twins", facts, losses[:, 0])


def lab():
    """Three networks, which differ in their first weights and in the batches that they see."""
    schedule = linear()

    def rows(stack, x0, y, generator):
        x, t, eps = noised(schedule, x0, generator)
        return (stack(x, t, drop_labels(y, 0.1, generator)) - eps).square()

    with weights_from(seeded(0)):
        nets = [MLP(3) for _ in SHIPPED]
    losses = train_stack(nets, rows, islands().sample, **LAB, generator=seeded(1))
    for k, (name, net) in enumerate(zip(SHIPPED.values(), nets, strict=True)):
        facts = {"data": "islands", "seed": 0, "network": k + 1, "p_drop": 0.1, **LAB}
        ship(name, net, schedule, "lab", facts, losses[:, k])


def digits():
    """The network of 8x8 digits and their judge."""
    x, y = load("digits", "train")
    test_x, test_y = load("digits", "test")
    judge, schedule = train_judge(x, y, seeded(0), JUDGE_STEPS), linear()
    facts = {"data": "digits", "seed": 0, "steps": JUDGE_STEPS, "accuracy": judge_accuracy(judge, test_x, test_y)}
    facts["command"] = "python3 course.py checkpoints digits"
    save_checkpoint("digits-judge", judge, None, facts)

    def loss(net, x0, y, generator):
        return eps_loss(net, schedule, x0, y, p_drop=0.1, generator=generator)

    generator = seeded(1)
    with weights_from(generator):
        net = MLP(10, dim=64, width=128, depth=4)
    losses = train(net, loss, batches(x, y), **DIGITS, generator=generator)
    ship("digits-mlp", net, schedule, "digits", {"data": "digits", "seed": 1, "p_drop": 0.1, **DIGITS}, losses)


def repair():
    """The networks of the broken files of notebook 16, each trained by its own file; float16 is enough to see them."""
    tensors = {}
    for name in CHOICES:
        weights = trained(training_part(name)).state_dict()  # trained once for all files that agree so far
        tensors |= prefixed(trained_as(name), {key: tensor.half() for key, tensor in weights.items()})
    about = {
        "class": "Net",
        "data": "islands",
        "seed": 0,
        "steps": 700,
        "command": "python3 course.py checkpoints repair",
    }
    write(checkpoint_path(NETWORKS), tensors, about)


def make(name):
    """Trains one of the families from its start, in half a minute at most; returns the exit code."""
    torch.set_num_threads(1)
    FAMILIES[name]()
    return 0


FAMILIES = {"dropout": dropout, "twins": twins, "lab": lab, "digits": digits, "repair": repair}
NAMES = tuple(FAMILIES)
