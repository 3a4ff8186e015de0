"""Checks for the exercises of 06_guidance_vector."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from cfgedu.checks import Exercise, Guess
from cfgedu.exercises.choices import of_choices
from cfgedu.guidance import null_pair
from cfgedu.protocol import seeded
from cfgedu.schedule import linear
from cfgedu.toy import Mixture, islands, two_gaussians

# ---------------------------------------------------------------- 1. g from nothing but a posterior


def posterior_of(seed: int, K: int, spread: float):
    """A function posterior(x (B,2)) -> (B,K) for K Gaussians of one width; it takes x of any shape (..., 2)."""
    mean = torch.randn(K, 2, generator=seeded(seed), dtype=torch.float64)
    log_share = torch.arange(1.0, K + 1).double().log()
    return lambda x: (log_share - (x[..., None, :] - mean).square().sum(-1) / (2 * spread**2)).softmax(-1)


def posteriors_to_try():
    """(posterior, points in float64, a class)"""
    x = torch.randn(7, 2, generator=seeded(1), dtype=torch.float64)
    near, far = posterior_of(2, K=3, spread=0.6), posterior_of(3, K=3, spread=2.0)
    return {
        "for class 0": (near, x, 0),
        "for class 2": (near, x, 2),
        "in deep noise, for class 1": (far, x, 1),
        "with two classes": (posterior_of(4, K=2, spread=0.8), x[:4], 1),
    }


def by_autograd(posterior, x, y, of=torch.log):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(of(posterior(x)[:, y]).sum(), x)[0]


def by_backward(posterior, x, y):
    x = x.detach().requires_grad_(True)
    posterior(x)[:, y].log().sum().backward()
    return x.grad


def by_chain_rule(posterior, x, y):
    whole = torch.autograd.functional.jacobian(lambda x: posterior(x)[:, y], x)  # (B,B,2), zero off its diagonal
    return torch.stack([whole[i, i] / posterior(x)[i, y] for i in range(len(x))])


def by_differences(posterior, x, y, h=1e-4, of=torch.log, span=2.0):
    steps = h * torch.eye(2, dtype=x.dtype)
    ahead, behind = (torch.stack([of(posterior(x + s * e)[:, y]) for e in steps], 1) for s in (1, -1))
    return (ahead - behind) / (span * h)


def one_sided(posterior, x, y, h=1e-5):
    at = posterior(x)[:, y].log()
    return torch.stack([(posterior(x + step)[:, y].log() - at) / h for step in h * torch.eye(2, dtype=x.dtype)], 1)


def by_cross_entropy(posterior, x, y, reduction="mean"):
    x = x.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(posterior(x), torch.full((len(x),), y), reduction=reduction)
    return torch.autograd.grad(loss, x)[0]


check_posterior_gradient = Exercise(
    name="g from nothing but a posterior",
    right=(by_autograd, by_backward, by_chain_rule, by_differences, one_sided),
    wrong={
        "this is the gradient of p(y given x_t) itself: take the logarithm first": partial(by_autograd, of=lambda p: p),
        "the gradient was taken of log p summed over all classes: pick the column of the class y": (
            lambda posterior, x, y: sum(by_autograd(posterior, x, c) for c in range(posterior(x).shape[1]))
        ),
        "posterior(x)[y] is the row of one point: the class is a column, posterior(x)[:, y]": (
            lambda posterior, x, y: by_autograd(lambda x: posterior(x)[y, :, None], x, 0)
        ),
        "this is class 0, whichever class is asked for: y picks the column of the posterior": (
            lambda posterior, x, y: by_autograd(posterior, x, 0)
        ),
        "the sign: g climbs the posterior of the class": lambda posterior, x, y: -by_autograd(posterior, x, y),
        "this is the gradient of the log-odds, log p / (1 - p): g is that of log p alone": (
            partial(by_autograd, of=torch.logit)
        ),
        "a central difference spans two steps: divide by 2 h": partial(by_differences, span=1.0),
        "the difference is divided by twice its step: only a central difference spans 2 h": (
            lambda posterior, x, y: one_sided(posterior, x, y) / 2
        ),
        "the gradient has length 1 everywhere: its length counts, so do not normalise it": (
            lambda posterior, x, y: torch.nn.functional.normalize(by_autograd(posterior, x, y))
        ),
        "the mean over the batch divides every gradient by the number of points: take the sum": (
            lambda posterior, x, y: by_autograd(posterior, x, y) / len(x)
        ),
        "the posteriors of all points were added up before the logarithm: each point has a logarithm of its own": (
            lambda posterior, x, y: by_autograd(posterior, x, y, of=lambda p: p.sum().log())
        ),
        "torch.autograd.grad returns a tuple, one gradient for each input: take its first, [0]": (
            lambda posterior, x, y: by_autograd(posterior, x, y)[None]
        ),
        "both coordinates were moved at once: move one, then the other, for one component of g each": (
            lambda posterior, x, y: by_differences(posterior, x, y).sum(1)
        ),
        "both coordinates were moved at once, and both components are this one slope: move one, then the other": (
            lambda posterior, x, y: by_differences(posterior, x, y).sum(1, keepdim=True).expand(-1, 2)
        ),
        "the steps of the differences are too long: at 0.1 log p is no straight line, 0.0001 is short enough": (
            partial(by_differences, h=0.1)
        ),
        "a one-sided difference needs shorter steps: 0.0001 instead of 0.01": partial(one_sided, h=1e-2),
        "the answer is transposed: a row for each point, (B, 2)": lambda posterior, x, y: (
            by_autograd(posterior, x, y).T
        ),
        "this is the gradient of the mean of -log p, as of a loss: turn the sign, and take the sum": (
            lambda posterior, x, y: -by_autograd(posterior, x, y) / len(x)
        ),
        "a softmax was taken of the posterior, which is a probability already: take its logarithm only": (
            lambda posterior, x, y: -by_cross_entropy(posterior, x, y, reduction="sum")
        ),
        "F.cross_entropy takes logits and gives the mean of -log p: take the log of the posterior itself, and add up": (
            by_cross_entropy
        ),
        "this is the gradient of log (1 - p), of all other classes together: take log p": (
            partial(by_autograd, of=lambda p: (1 - p).log())
        ),
        "this climbs the class that is the most probable at each point: pick the column of the class y": (
            lambda posterior, x, y: by_autograd(lambda x: posterior(x).amax(1, keepdim=True), x, 0)
        ),
        "the posterior's own rows came back: g is a vector at each point, the gradient with respect to x": (
            lambda posterior, x, y: posterior(x)
        ),
        "this is log p(y given x_t): its gradient with respect to x is asked for": (
            lambda posterior, x, y: posterior(x)[:, y].log()
        ),
    },
    inputs=posteriors_to_try,
    atol=5e-3,  # differences with any sensible step are right too
)


# ---------------------------------------------------------------- 2. what a baseline must satisfy

BASELINES = ("class 0 or 1", "all but class 0", "1% class 0", "wide", "blurred", "sharpened")
OFF, ON, UNBOUNDED = "off", "on", "unbounded"
TRUTH = dict(zip(BASELINES, (OFF, UNBOUNDED, OFF, ON, ON, UNBOUNDED)))
WRONG_CHOICES = {  # what speaks against a choice
    ("class 0 or 1", ON): "where label 0 is certain nothing of class 1 is left, and q is p(x | y) times a constant",
    ("class 0 or 1", UNBOUNDED): "p(x | y) is one term of the sum q, so q is never much smaller than p(x | y)",
    ("all but class 0", OFF): "where label 0 is certain the other classes vanish, and they are all that q has",
    ("all but class 0", ON): "far out on the side of class 0 the density of the others falls faster than its own",
    ("1% class 0", ON): "where label 0 is certain, even one part in a hundred of p(x | y) is all of q that is left",
    ("1% class 0", UNBOUNDED): "q is never below a hundredth of p(x | y), which is a ceiling, if a high one",
    ("wide", OFF): "label 0 is certain on its islands, and there the score of q points to the origin",
    ("wide", UNBOUNDED): "far out it is the tails that count, and those of q are the wider ones",
    ("blurred", OFF): "label 0 is certain on its islands, and there one of the two scores is steeper than the other",
    ("blurred", UNBOUNDED): "far out it is the tails that count, and blurring makes them wider",
    ("sharpened", OFF): "label 0 is certain on its islands, and there q has the steeper score of the two",
    ("sharpened", ON): "far out it is the tails that count, and those of q are the narrower ones",
}


check_baselines = of_choices("what a baseline must satisfy", TRUTH, (OFF, ON, UNBOUNDED), WRONG_CHOICES)


# ---------------------------------------------------------------- 3. a place to rest


def two_scores(y: int, world: Mixture | None = None, t: int = 200) -> tuple[Tensor, Tensor]:
    """(s_un, s_cond), each (1,2), at x = (1, 0), in the world of two Gaussians unless another is given."""
    schedule, x = linear(), torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    both = null_pair((world or two_gaussians()).denoiser(schedule))(x, torch.tensor([t]), torch.tensor([y]))
    return tuple(schedule.score(x, t, eps) for eps in both)


def resting(answer: Callable, y: int = 1, **place):
    """What answer(s_un, s_cond, g) makes of the first coordinates."""
    s_un, s_cond = (score[0, 0].item() for score in two_scores(y, **place))
    return answer(s_un, s_cond, s_cond - s_un)


def both_coordinates() -> Tensor:
    s_un, s_cond = two_scores(1)
    return -s_un / (s_cond - s_un)


check_resting_scale = Exercise(
    name="the scale at which the point rests",
    right=(
        resting(lambda s_un, s_cond, g: -s_un / g),
        torch.tensor(resting(lambda s_un, s_cond, g: s_un / (s_un - s_cond))),
        round(resting(lambda s_un, s_cond, g: 1 - s_cond / g), 2),
    ),
    wrong={
        "these are both coordinates, the second is 0 / 0: all is on the axis, so take the first": both_coordinates(),
        "the sign: s_un + r g = 0 gives r = -s_un / g": resting(lambda s_un, s_cond, g: s_un / g),
        "this is w = r - 1, counted from the conditional score: start from s_un": (
            resting(lambda s_un, s_cond, g: -s_cond / g)
        ),
        "the fraction is upside down: s_un + r g = 0 gives r = -s_un / g": resting(lambda s_un, s_cond, g: -g / s_un),
        "s_un and s_cond are swapped: g = s_cond - s_un": resting(lambda s_un, s_cond, g: s_cond / g),
        "this is class 0's scale: class 1 is asked for": resting(lambda s_un, s_cond, g: -s_un / g, y=0),
        "this is the scale at which the guided score equals g, not zero": resting(lambda s_un, s_cond, g: 1 - s_un / g),
        "this is the ratio of the two scores: the guided score is s_un + r (s_cond - s_un), not r s_cond - s_un": (
            resting(lambda s_un, s_cond, g: s_un / s_cond)
        ),
        "this is the scale in the world of the islands, the mixture of the notebook: take `two_gaussians()`": (
            resting(lambda s_un, s_cond, g: -s_un / g, world=islands())
        ),
        "the divisor is s_cond: s_un + r g = 0 has g = s_cond - s_un in its place": (
            resting(lambda s_un, s_cond, g: -s_un / s_cond)
        ),
        "this is the ratio of the two scores, upside down at that: divide -s_un by g = s_cond - s_un": (
            resting(lambda s_un, s_cond, g: s_cond / s_un)
        ),
        "the divisor is a sum: g is the difference, s_cond - s_un": (
            resting(lambda s_un, s_cond, g: -s_un / (s_cond + s_un))
        ),
        "this is g itself: the guided score s_un + r g is to be zero, so divide -s_un by it": (
            resting(lambda s_un, s_cond, g: g)
        ),
        "two decimals are asked for, and this is rounded to one": round(resting(lambda s_un, s_cond, g: -s_un / g), 1),
        "r = 1 pulls back to the noisy mean, which lies left of the point: there the score is not zero": 1.0,
    },
    atol=2e-3,
)


# ---------------------------------------------------------------- the predictions

check_guess_time = Guess(
    name="the time at which guidance counts most",
    right=170.0,
    near=60.0,
    why="Earlier all points are noise and the label says little; later most of them need no label to be certain. "
    "(The table steps over the peak: of its times 200 is the nearest.)",
)

check_guess_mean = Guess(
    name="the distance to the class mean",
    right="farther",
    choices={
        "nearer": "That would be a pull to the mean, and g knows nothing of the mean.",
        "equally far": "Each sample is pushed to where its label is certain, and here that is mostly outwards.",
        "farther": "",
    },
    why="All three classes meet around the origin, so the label is surest on the far sides of the islands.",
)
