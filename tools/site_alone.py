"""The demos that the pages have alone: their scenes train networks while one looks on, which no notebook's demo does.

What a page needs to know of a demo, a notebook's demo says itself (tools/site_data.py). For these it is said here, with
the same controls. No notebook stores a picture of them: without its script such a demo is a line of words.
"""

from collections import namedtuple

from cfgedu.language import phrase
from cfgedu.widgets.live import int_slider, slider

# controls: {name: widget}; size: as of a figure; play: the control that trains, from value to value; cell: a notebook's
# cell that does the same, with the state's values in its places; after: the cell of `lesson` under which it stands;
# told: what the gallery calls it, and the words before it.
Alone = namedtuple("Alone", "controls alt size play cell lesson after told")

TRAINING = """\
from cfgedu.losses import eps_loss
from cfgedu.models import MLP, weights_from
from cfgedu.protocol import seeded
from cfgedu.schedule import linear
from cfgedu.toy import islands
from cfgedu.training import train

mixture, schedule, generator, steps = islands(), linear(), seeded({seed}), {steps}
with weights_from(generator):
    net = MLP(K=3)


def loss(net, x0, y, generator):
    return eps_loss(net, schedule, x0, y, p_drop={p_drop}, generator=generator)


if steps:  # at 0 it is as it began
    train(net, loss, mixture.sample, steps, batch=128, lr=1e-2, generator=generator)
"""


def training_demo() -> Alone:
    """The network of notebook 08 at any drop rate: its error of g falls while it trains."""
    controls = {
        "p_drop": slider("p_drop", 0.0, 1.0, 0.1, 0.01),
        "steps": int_slider("training steps", 0, 1200, 0, 10),
        "seed": int_slider("seed of weights and batches", 0, 9, 0),
    }
    alt = "The exact guidance vectors, those of a network in training, and their error over the steps of its training"
    told = {
        "name": phrase("Training, live"),
        "words": phrase(
            "A network like those of notebook 08 trains while you watch. Choose `p_drop` and press *train*. On the "
            "left is the exact $g$ for class 0 at $t = 150$, in the middle the network's. On the right is the error of "
            "the network's $g$, over all times and classes, against the training step. *Try:* 0.1, then 0, then 1, and "
            "press *train* each time. Which of the two predictions stays untrained at 0, and which at 1? *As code* "
            "gives a cell that trains such a network in Python, from the same first weights and batches."
        ),
    }
    return Alone(controls, phrase(alt), (9.6, 4.4), "steps", TRAINING, "08_condition_dropout", "try-read", told)


ALONE = {"training": training_demo}
