"""Checks for the exercises and the prediction of 03_two_losses."""

import torch

from cfgedu.checks import Exercise, Guess
from cfgedu.schedule import cosine, linear


def level(a):
    """A signal level as a 0-d tensor: a ** 0.5, a.sqrt() and math.sqrt(a) all work on it."""
    return torch.tensor(a, dtype=torch.float64)


# ---------------------------------------------------------------- 1: a weight

check_x0_weight = Exercise(  # answer(a) -> the weight w for which w (x0_hat - x_0)^2 = (eps_hat - eps)^2
    name="the weight of the x_0 loss",
    right=(lambda a: a / (1 - a), lambda a: 1 / (1 / a - 1), lambda a: 1 / (1 - a) - 1),
    wrong={
        "upside down: x_0 is easy to see where there is little noise, and errors there count for more": (
            lambda a: (1 - a) / a
        ),
        "this is the square: the squared error already squares sqrt(a) / sqrt(1 - a)": lambda a: (a / (1 - a)) ** 2,
        "that is the factor between the errors: the loss has its square": lambda a: (a / (1 - a)) ** 0.5,
        "that is the factor from an error in eps to one in x_0: turn it round, and square it": lambda a: (
            ((1 - a) / a) ** 0.5
        ),
        "that is the factor between the errors, with its sign: the loss has its square": lambda a: (
            -((a / (1 - a)) ** 0.5)
        ),
        "that is the factor from an error in eps to one in x_0, with its sign: turn it round, and square it": (
            lambda a: -(((1 - a) / a) ** 0.5)
        ),
        "1 - a is the weight between the score and eps": lambda a: 1 - a,
        "1 / (1 - a) forgets that x_0 is multiplied by sqrt(a) in x_t": lambda a: 1 / (1 - a),
        "a forgets that eps is multiplied by sqrt(1 - a) in x_t": lambda a: a,
        "1 / a is the factor between the losses of v and eps": lambda a: 1 / a,
        "no weight at all: the two losses agree at a = 0.5 only, where signal and noise are equally strong": lambda a: (
            a**0
        ),
        "a is on the wrong side of the fraction line: solve x_t = sqrt(a) x_0 + sqrt(1 - a) eps for x_0": lambda a: (
            1 / (a * (1 - a))
        ),
    },
    inputs=lambda: {f"at a = {a}": (level(a),) for a in (0.7, 0.2, 0.95)},
)

# ---------------------------------------------------------------- 2: a floor


def variance(v, a):
    return a * v + 1 - a


check_v_floor = Exercise(  # answer(v, a) -> the floor of the v loss, per dimension, for data N(0, v)
    name="the floor of the v loss",
    right=(
        lambda v, a: v / variance(v, a),
        lambda v, a: a * v / variance(v, a) / a,
        lambda v, a: 1 / (a + (1 - a) / v),
        # the spread of the target less what a straight line through the pairs (x, target) explains
        lambda v, a: a + (1 - a) * v - (a * (1 - a)) * (1 - v) ** 2 / variance(v, a),
    ),
    wrong={
        "this is the floor of the eps loss: an error in eps becomes a larger one in v": lambda v, a: (
            a * v / variance(v, a)
        ),
        "this is the floor of the x_0 loss": lambda v, a: (1 - a) * v / variance(v, a),
        "the factor between the errors of v and eps is not squared: the loss is": lambda v, a: (
            a**0.5 * v / variance(v, a)
        ),
        "the factor between the errors is used the wrong way: an error in v is the larger one": lambda v, a: (
            a**2 * v / variance(v, a)
        ),
        "the squared factor between the errors is applied once too often": lambda v, a: v / (a * variance(v, a)),
        "this is the floor of the unweighted score loss": lambda v, a: a * v / (1 - a) / variance(v, a),
        "this is the variance of the target itself: the best prediction takes some of it away": lambda v, a: (
            a + (1 - a) * v
        ),
        "this is a times the floor of eps plus 1 - a times that of x_0: it leaves out that, at a given x_t, one error "
        "fixes the other": lambda v, a: (a**2 + (1 - a) ** 2) * v / variance(v, a),
        "this is the variance of the data: the floor is the spread of the target, at a given x_t": lambda v, a: (
            v * a**0
        ),
        "upside down: without any variance of the data there is nothing to guess": lambda v, a: variance(v, a) / v,
        "this is 1 minus the floor: give the floor itself": lambda v, a: 1 - v / variance(v, a),
        "this is the part of the target that x_t explains: the floor is the part that it leaves": lambda v, a: (
            a * (1 - a) * (1 - v) ** 2 / variance(v, a)
        ),
        "the target has x_0 with a minus sign: the target's covariance with x_t is sqrt(a (1 - a)) (1 - v), not "
        "sqrt(a (1 - a)) (1 + v)": lambda v, a: a + (1 - a) * v - a * (1 - a) * (1 + v) ** 2 / variance(v, a),
        "the variance of the target is a + (1 - a) v, not 1": lambda v, a: (
            1 - a * (1 - a) * (1 - v) ** 2 / variance(v, a)
        ),
        "this is the part of eps that x_t explains: find what it leaves, and of the target": lambda v, a: (
            (1 - a) / variance(v, a)
        ),
        "v is the variance of the data already: do not square it": lambda v, a: v**2 / variance(v**2, a),
        "the arguments come as (v, a): first the variance, then the signal level": lambda v, a: a / variance(a, v),
    },
    inputs=lambda: {
        "v = 0.3, a = 0.6": (0.3, level(0.6)),
        "v = 2, a = 0.6": (2.0, level(0.6)),
        "v = 0.3, a = 0.05": (0.3, level(0.05)),
        "v = 1.7, a = 0.9": (1.7, level(0.9)),
    },
)

# ---------------------------------------------------------------- 3: drawing times


def shares(weight):
    return weight / weight.sum()


check_times = Exercise(  # answer(alpha_bar) -> p (T,), entry i for t = i + 1: the eps loss becomes unweighted DSM
    name="the probabilities of t = 1..T",
    right=(
        lambda a: shares(1 / (1 - a[1:])),
        lambda a: torch.softmax(-torch.log(1 - a[1:]), 0),
        lambda a: shares(1 / (1 - a.numpy()[1:])),
        lambda a: [w / sum(1 / (1 - b) for b in a.tolist()[1:]) for w in (1 / (1 - b) for b in a.tolist()[1:])],
    ),
    wrong={
        "the probabilities do not sum to 1": lambda a: 1 / (1 - a[1:]),
        "upside down: this draws the large t most": lambda a: shares(1 - a[1:]),
        "that is the factor between the errors: the loss has its square": lambda a: shares((1 - a[1:]).rsqrt()),
        "the square of the weight: 1 / (1 - a) stands before an error that is squared already": lambda a: shares(
            (1 - a[1:]) ** -2
        ),
        "the times are still uniform": lambda a: torch.full_like(a[1:], 1 / (len(a) - 1)),
        "this is the signal-to-noise ratio, the weight of the x_0 loss": lambda a: shares(a[1:] / (1 - a[1:])),
        "this follows the signal level: what counts is how small the noise is": lambda a: shares(a[1:]),
        "this is the softmax of the weights: divide each by their sum": lambda a: torch.softmax(1 / (1 - a[1:]), 0),
        "divided by T, as a mean is: divide by the sum of the weights": lambda a: 1 / (1 - a[1:]) / (len(a) - 1),
        "divided by the largest weight: divide by the sum": lambda a: (1 - a[1]) / (1 - a[1:]),
        "divided by the mean of the weights: divide by their sum": lambda a: 1 / (1 - a[1:]) / (1 / (1 - a[1:])).mean(),
        "this makes the sum of the squares 1: make the sum of the probabilities 1": lambda a: (
            1 / (1 - a[1:]) / (1 / (1 - a[1:])).norm()
        ),
        "1 / a grows with t: the weight must be largest where the noise is smallest": lambda a: shares(1 / a[1:]),
        "this is the weight of the likelihood bound: the weight of unweighted DSM is 1 / (1 - a)": lambda a: shares(
            (a[:-1] / a[1:] - 1) / (1 - a[1:])
        ),
        "divided by T as well: dividing by the sum of the weights already makes them probabilities": lambda a: (
            shares(1 / (1 - a[1:])) / (len(a) - 1)
        ),
        "back to front: entry 0 is t = 1, where the noise is smallest": lambda a: shares(1 / (1 - a[1:])).flip(0),
        "t = 0 is among the times: one too many, and a division by zero": lambda a: shares(1 / (1 - a)),
        "one too many: t = 0 is clean data and has no noise to predict": lambda a: shares(
            torch.cat([torch.zeros_like(a[:1]), 1 / (1 - a[1:])])
        ),
        "t = 0 is clean data and has no noise: its weight is a division by zero": lambda a: shares(1 / (1 - a[:-1])),
        "float32 has too few digits for 1 - a at the first times: stay in the table's float64": lambda a: shares(
            1 / (1 - a[1:].float())
        ),
    },
    inputs=lambda: {
        "at the linear table": (linear().alpha_bar,),
        "at the cosine table with T = 20": (cosine(T=20).alpha_bar,),
        "at a table of levels 1, 0.99, 0.5, 0.45, 0.1": (torch.tensor([1, 0.99, 0.5, 0.45, 0.1], dtype=torch.float64),),
    },
)

# ---------------------------------------------------------------- prediction

check_guess_floor = Guess(
    name="the eps loss of the exact answer, label known, mean over t",
    right=0.185,
    near=0.06,
    why="At small t nobody can know which noise it was, and the loss is near 1; at large t x_t is almost all noise, "
    "and the loss is near 0.",
)
