"""`course.py checkpoints branches`: the networks of notebook 14, in the world of thin branches, and what guides what.

One strong network, a weaker one of the same kind, and one that is too weak to be of use, from three seeds. Those of
the first seed ship in data/; what all of them do, as baselines of one another, is in data/branches.json.
"""

import torch

from cfgedu.checkpoints import save_checkpoint
from cfgedu.files import DATA, write_rows
from cfgedu.guidance import guided, null_pair, two_models
from cfgedu.losses import eps_loss
from cfgedu.metrics import lost_share, off_support
from cfgedu.models import MLP, weights_from
from cfgedu.protocol import seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import even_angles, linear
from cfgedu.toy import branches
from cfgedu.training import train

NAME = "branches"
SIZES = {"strong": (96, 4), "weak": (64, 3), "too-weak": (16, 2)}  # width, depth
RUNS = {  # the strong one learns longest, and its last steps are cooled
    "strong": {"steps": 4000, "batch": 512, "cool_down": 2000},
    "weak": {"steps": 1500, "batch": 256},
    "too-weak": {"steps": 1500, "batch": 256},
}
SEEDS, LABEL, N, STEPS = (0, 1, 2), 1, 2000, 50
SCALES = (2.0, 3.0)


def trained(size, seed, place, schedule):
    """(network, metadata) of one size from one seed."""
    generator = seeded(10 * seed + place)
    with weights_from(generator):
        net = MLP(2, width=SIZES[size][0], depth=SIZES[size][1])

    def loss(net, x0, y, generator):
        return eps_loss(net, schedule, x0, y, 0.1, generator)

    losses = train(net, loss, branches().sample, **RUNS[size], generator=generator)
    facts = {"data": NAME, "seed": 10 * seed + place, **RUNS[size], "final_loss": losses[-500:].mean().item()}
    return net.eval(), {**facts, "command": f"python3 course.py checkpoints {NAME}"}


def measured(nets, schedule):
    """The rows of one seed: what is off the data and what is lost, for each baseline and scale, as dicts."""
    world, exact = branches(), branches().denoiser(schedule)
    models = {"exact": exact, "strong": nets["strong"]}
    rows = []
    for model, net in models.items():
        feet = {"unconditional": null_pair(net), "weak": two_models(nets["weak"], net)}
        feet["too weak"] = two_models(nets["too-weak"], net)
        settings = [("none", net, 1.0)]
        settings += [(foot, guided(pair, r), r) for foot, pair in feet.items() for r in SCALES]
        rows += [{"model": model, "baseline": foot, "r": r, **judged(world, m, schedule)} for foot, m, r in settings]
    rows += [
        {"model": size, "baseline": "none", "r": 1.0, **judged(world, nets[size], schedule)}
        for size in ("weak", "too-weak")
    ]
    return rows


def judged(world, model, schedule):
    """off: the share of samples off the data; lost: the share of the class that hardly comes."""
    x_T, y = torch.randn(N, 2, generator=seeded(7)), torch.full((N,), LABEL)
    x = sample(ddim_step, model, schedule, x_T, y, even_angles(schedule, STEPS))
    return {"off": off_support(world, x, y, seeded(3)), "lost": lost_share(world, x, y)}


def make():
    """Trains and measures everything, two minutes in all, so never what is left of a run; returns the exit code."""
    torch.set_num_threads(1)
    schedule, seeds = linear(), []
    for seed in SEEDS:
        made = {size: trained(size, seed, place, schedule) for place, size in enumerate(SIZES)}
        if seed == SEEDS[0]:
            for size, (net, about) in made.items():
                save_checkpoint(f"{NAME}-{size}", net, schedule, about)
        seeds.append(measured({size: net for size, (net, _) in made.items()}, schedule))
        for row in seeds[-1]:
            print(f"seed {seed}", *(f"{word} {value}" for word, value in row.items()), sep="  ", flush=True)
    write_rows(DATA / f"{NAME}.json", together(seeds))
    return 0


def together(seeds):
    """The rows of all seeds as one list, in which off and lost are lists, a number for each seed."""
    rows = []
    for same in zip(*seeds, strict=True):
        setting = {key: same[0][key] for key in ("model", "baseline", "r")}
        rows.append(setting | {key: [row[key] for row in same] for key in ("off", "lost")})
    return rows
