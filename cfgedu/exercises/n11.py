"""Checks for the exercises of 11_digits."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from cfgedu.checks import Exercise, Guess, Unfit, Verdict, call, check, unanswered
from cfgedu.checks.answers import agree, numbers
from cfgedu.exercises.grids import DOWN, by_index, grid, one_call_a_row, scaled, two_calls
from cfgedu.guidance import guided, null_pair, unconditional
from cfgedu.models import MLP, weights_from
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import ddim_step, ddpm_step, sample
from cfgedu.schedule import linear

K, SIZE, T = 10, 2, 200  # images of 2 x 2 pixels: the pictures do not matter here, nor that there is little noise


def example(seed: int, count: int):
    """(net, schedule, x_T (count,1,2,2), y (count,)): a random network of ten classes in float64, noise and labels."""
    generator = seeded(seed)
    with weights_from(generator):
        net = MLP(K, T, dim=SIZE**2, width=16).double()
    with torch.no_grad():
        net.outlet.weight.normal_(std=0.3, generator=generator)  # a new MLP predicts 0 whatever the label
    x_T = torch.randn(count, 1, SIZE, SIZE, generator=generator, dtype=torch.float64)
    return net, linear(T), x_T, torch.randperm(K, generator=generator)[:count]


def other_noise(x: Tensor) -> Tensor:
    return torch.randn(x.shape, generator=seeded(0), dtype=x.dtype)


CHANCE = (
    "two calls with the same x_T give different pictures: start from x_T, draw no label by chance, and step by DDIM, "
    "which draws no noise"
)
NO_START = "the pictures do not start from the given x_T: pass it to `sample`, and draw no other noise"


def require_from_x_T(answer: Callable, given: tuple) -> None:
    """Raises Unfit where the answer's pictures are random, or do not depend on x_T, the third of its arguments."""
    first, again = call(answer, *given), call(answer, *given)
    if unanswered(first):
        return
    if not agree(numbers(first), numbers(again), 1e-6):
        raise Unfit(CHANCE)
    if agree(numbers(first), numbers(call(answer, *given[:2], given[2] + 1, *given[3:])), 1e-9):
        raise Unfit(NO_START)


# ---------------------------------------------------------------- 1: ask for nothing


def drawn(label: Callable, model=lambda net: net, step=ddim_step, steps=lambda n: n, start=lambda x: x) -> Callable:
    """Samples with the labels label(B), with room for one mistake each."""

    def draw_unconditional(net, schedule, x_T, n):
        return sample(step, model(net), schedule, start(x_T), label(len(x_T)), steps(n))

    return draw_unconditional


def nothing(B: int) -> Tensor:
    return torch.full((B,), NULL)


def by_hand(net, schedule, x_T, steps):
    x, y = x_T, torch.full((len(x_T),), -1)
    for t, s in pairwise(schedule.grid(steps)):
        a_t, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
        with torch.no_grad():
            eps = net(x, torch.full_like(y, t), y)
        x = a_s.sqrt() * (x - (1 - a_t).sqrt() * eps) / a_t.sqrt() + (1 - a_s).sqrt() * eps
    return x


def plain_average(net):
    return lambda x, t, y: torch.stack([net(x, t, torch.full_like(y, k)) for k in range(K)]).mean(0)


def mean_of_samples(net, schedule, x_T, steps):
    asked = [torch.full((len(x_T),), k) for k in range(K)]
    return torch.stack([sample(ddim_step, net, schedule, x_T, y, steps) for y in asked]).mean(0)


same_pictures = Exercise(
    name="unconditional samples",
    right=(
        drawn(nothing),
        drawn(lambda B: torch.arange(B) % K, unconditional),
        drawn(lambda B: torch.zeros(B, dtype=torch.long), lambda net: guided(null_pair(net), 0.0)),
        by_hand,
    ),
    wrong={
        "you asked for class 0: no label is NULL = -1": drawn(lambda B: torch.zeros(B, dtype=torch.long)),
        "you asked for class 9, the last one: no label is NULL = -1": drawn(lambda B: torch.full((B,), K - 1)),
        "every row got a class of its own: that is a conditional sample of each": drawn(lambda B: torch.arange(B) % K),
        "the plain average of the ten conditional predictions: s_un weights them by p(y given x_t), and the network "
        "has learned the result under NULL": drawn(nothing, plain_average),
        "the mean of ten samples, one of each class, is a mean picture, not a sample: ask for NULL": mean_of_samples,
        "the number of steps is an argument: you left it out, and `sample` takes 50": drawn(
            nothing, steps=lambda n: 50
        ),
        "you took the number of steps of the lesson: here it is an argument": drawn(nothing, steps=lambda n: 20),
        "that is the given noise: nothing was sampled": lambda net, schedule, x_T, n: x_T,
    },
    inputs=lambda: {f"with {steps} steps": (*example(seed, 12)[:3], steps) for seed, steps in ((1, 5), (4, 3))},
)


def judge_unconditional(answer) -> Verdict:
    if callable(answer):
        require_from_x_T(answer, next(iter(same_pictures.inputs().values())))
    return same_pictures(answer)


check_unconditional = Exercise(  # answer(net, schedule, x_T, steps) -> x_0 without any label, by DDIM from x_T
    name=same_pictures.name,
    right=same_pictures.right,
    wrong={
        **same_pictures.wrong,
        CHANCE: drawn(nothing, step=ddpm_step),
        NO_START: drawn(nothing, start=other_noise),
    },
    judge=judge_unconditional,
)

# ---------------------------------------------------------------- 2: what r = 0 must score


def requests():
    """Uneven shares and labels; one label alone; labels in balance, out of order; few labels."""
    shares = torch.rand(K, generator=seeded(2), dtype=torch.float64) + 0.05
    shares = shares / shares.sum()
    many = torch.multinomial(torch.arange(1.0, K + 1), 60, replacement=True, generator=seeded(3))
    y = {"any labels": many, "only threes": torch.full((7,), 3), "labels in balance": torch.arange(30).flip(0) % K}
    return {f"for {kind}": (shares, labels) for kind, labels in (y | {"two labels": torch.tensor([8, 1])}).items()}


check_expected_accuracy = Exercise(  # answer(shares (K,), y (N,)) -> the accuracy to expect at r = 0
    name="accuracy at r = 0",
    right=(
        lambda shares, y: shares[y].mean(),
        lambda shares, y: np.mean([float(shares[int(k)]) for k in y]),
        lambda shares, y: (y.bincount(minlength=len(shares)) * shares).sum() / len(y),
    ),
    wrong={
        "1 / K holds where every class is asked for equally often; these labels need not be": lambda shares, y: (
            1 / len(shares)
        ),
        "that is the accuracy for the commonest digit, if you asked for nothing else": lambda shares, y: shares.max(),
        "that is for labels drawn with the same shares as the digits; the y asked for are given": lambda shares, y: (
            shares.square().sum()
        ),
        "at r = 0 the digits do not depend on the label, so they cannot all fit it": lambda shares, y: 1.0,
        "chance is not nothing: a digit that ignores the label fits it now and then": lambda shares, y: 0.0,
        "that sums over the labels: divide by how many there are": lambda shares, y: shares[y].sum(),
        "divide by the number of labels asked for, not by the number of classes": lambda shares, y: (
            shares[y].sum() / len(shares)
        ),
        "that is the best that any order of the labels could reach; at r = 0 digit and label meet by chance": (
            lambda shares, y: torch.minimum(shares, y.bincount(minlength=len(shares)) / len(y)).sum()
        ),
        "every label counts as often as it is asked for: you counted each kind once": lambda shares, y: shares[
            y.unique()
        ].mean(),
        "that is the share of each label among those asked for: it has to meet the share of that digit": (
            lambda shares, y: y.bincount().max() / len(y)
        ),
        "a model at r = 0 draws all digits, not the commonest one alone": lambda shares, y: (
            (y == shares.argmax()).double().mean()
        ),
        "that is the accuracy of each label: their mean is asked for": lambda shares, y: shares[y],
    },
    inputs=requests,
)

# ---------------------------------------------------------------- 3: a grid in one call


EVERY_ROW = "`sample` ran more than once: draw all rows together, and pass r as a tensor with one entry for each image"

same_grid = Exercise(
    name="the grid",
    right=(grid(), grid(guide=two_calls), by_index),
    wrong={
        "r and noise are crossed: a row has one r, so repeat_interleave it": grid(lambda scales, C: scales.repeat(C)),
        "noise and labels are crossed: the noises start again with each row, and so must the labels": grid(
            labels=DOWN["labels"]
        ),
        "labels and noise are crossed: the labels start again with each row, and so must the noises": grid(x=DOWN["x"]),
        "the noises vary down the rows, where they should vary along the columns": grid(**DOWN),
        "the batch runs down the columns: reshape it to (C, R, ...), then swap the two axes": grid(
            lambda scales, C: scales.repeat(C), **DOWN
        ),
        "every column got the first noise: each has its own": grid(
            x=lambda x_T, R: x_T[:1].repeat(R * len(x_T), 1, 1, 1)
        ),
        "the scales play no part: that is the conditional prediction in every row": grid(guide=lambda net, r: net),
        "you read the scale as Ho and Salimans' w = r - 1": scaled(lambda r: r + 1),
        "the two predictions are swapped: r = 1 has to give the conditional one": scaled(lambda r: 1 - r),
        "there is a threshold at r > 1: below it the formula holds too": scaled(lambda r: torch.where(r > 1, r, 1.0)),
        "there is a threshold at r > 0: below it the formula holds too": scaled(lambda r: r.clamp_min(0)),
        "all rows have the first scale": scaled(lambda r: r[:1].expand_as(r)),
        "the labels are ignored: you asked for none": grid(labels=lambda y, R: y.repeat(R) * 0 - 1),
        "the labels are not the given ones: you asked for 0, 1, 2, ...": grid(
            labels=lambda y, R: torch.arange(len(y)).repeat(R)
        ),
        "the number of steps is an argument: you left it out, and `sample` takes 50": grid(steps=lambda n: 50),
        "you took the number of steps of the lesson: here it is an argument": grid(steps=lambda n: 20),
        "the grid is transposed: one row for each r, one column for each noise": grid(
            shape=lambda x0, R, C: x0.reshape(R, C, *x0.shape[1:]).transpose(0, 1)
        ),
        "that is one long batch: give it the shape (R, C, ...)": grid(shape=lambda x0, R, C: x0),
    },
    inputs=lambda: {
        f"with {steps} steps": (*example(seed, 3), torch.tensor(scales, dtype=torch.float64), steps)
        for seed, steps, scales in ((3, 5, [0.0, 1.0, 3.0, 3.0]), (5, 3, [2.0, -1.0, 0.5, 1.0, 4.0]))
    },
)


def judge_grid(answer) -> Verdict:
    """The pictures, and that one call of `sample` drew them: within one call the noise levels never rise."""
    if not callable(answer):
        return same_grid(answer)
    given, times = next(iter(same_grid.inputs().values())), []
    require_from_x_T(answer, given)
    verdict = same_grid(answer)
    if not verdict:
        return verdict
    given[0].register_forward_pre_hook(
        lambda _, arguments, named: times.extend((named | dict(zip("xty", arguments)))["t"].tolist()), with_kwargs=True
    )
    call(partial(answer, *given))
    together = times == sorted(times, reverse=True)
    return check("all of it in one call of `sample`", together, True, mistakes={EVERY_ROW: False})


check_grid = Exercise(  # answer(net, schedule, x_T (C,*D), y (C,), scales (R,), steps) -> (R,C,*D)
    name=same_grid.name,
    right=same_grid.right,
    wrong={
        **same_grid.wrong,
        CHANCE: grid(step=ddpm_step),
        NO_START: grid(x=lambda x_T, R: other_noise(x_T.repeat(R, 1, 1, 1))),
        EVERY_ROW: one_call_a_row,
    },
    judge=judge_grid,
)

# ---------------------------------------------------------------- predictions

check_guess_accuracy_at_0 = Guess(
    name="accuracy at r = 0",
    right=0.1,
    near=0.04,
    why="The label plays no part at r = 0, so it is met by chance, here one time in ten.",
)
check_guess_best_r = Guess(
    name="the r of the smallest Fréchet distance",
    right=1.0,
    near=0.5,
    why="Below, other digits come in; far above, the digits become all alike, and the distance minds both.",
)
