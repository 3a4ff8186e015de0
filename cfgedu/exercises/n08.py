"""Checks for the exercises of 08_condition_dropout."""

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cfgedu.checks import Exercise, Guess, Unfit, Verdict, call, check, unanswered
from cfgedu.checks.said import mistaken, not_yet
from cfgedu.exercises.choices import of_choices
from cfgedu.exercises.masks import by_bernoulli, coins, dropping, fixed_number, in_a_loop, in_place, normal
from cfgedu.language import phrase
from cfgedu.losses import drop_labels, noised
from cfgedu.protocol import NULL, seeded
from cfgedu.schedule import linear

# ---------------------------------------------------------------- 1. the mask

K, P_DROP, BATCH, CALLS = 3, 0.2, 8, 2500


def asked(answer: Callable, y: Tensor, p: float, seed: int) -> tuple[Tensor, bool]:
    """(what the answer gives for labels y, whether it wrote into the y that it was given)"""

    def both(y, p, generator):
        before = y.clone()
        return answer(y, p, generator), not torch.equal(y, before)

    return call(both, y, p, seeded(seed))


def judge_mask(answer) -> Verdict:
    """From 2500 batches of 8 labels: enough for a wrong rate, or a wrong scatter, to stand out from chance."""
    if not callable(answer):
        said = "a function is asked for, got a {kind}: give its name, without a call"
        raise Unfit(phrase(said, kind=type(answer).__name__))
    y = torch.randint(K, (BATCH,), generator=seeded(1))
    if unanswered(asked(answer, y, P_DROP, seed=2)[0]):
        return not_yet(check_drop_labels.name)
    rows = []
    for seed in range(10, 10 + CALLS):
        row, wrote = asked(answer, y, P_DROP, seed)
        require_labels(row, y)
        if wrote:
            raise slip(WROTE)
        rows.append(row)
    got = torch.stack(rows)
    foreign = (got != NULL) & (got != y)
    if foreign.any():
        raise slip(foreign_labels(got, y))
    dropped = (got == NULL).double()
    rate, varies = float(dropped.mean()), float(dropped.sum(1).var())
    if 0 < rate < 1 and bool((dropped == dropped[0]).all()):
        raise slip(SAME_COINS)
    scatter = BATCH * rate * (1 - rate)  # of a binomial count
    if 0 < rate < 1 and abs(varies - scatter) > 0.2:
        mistakes = {ONE_COIN: BATCH * scatter, SAME_NUMBER: 0.0}
        return check(
            "scatter of the number dropped in a batch of 8", varies, scatter, atol=0.1, mistakes=mistakes, reveal=True
        )
    slips = wrong_rates(answer, y.repeat(50), rate)
    return (
        check("share of labels dropped, p_drop = 0.2", rate, P_DROP, atol=0.012, mistakes=slips, reveal=True)
        and check("the same share at each place", dropped.mean(0), torch.full((BATCH,), P_DROP), atol=0.035)
        and check("scatter of the number dropped in a batch of 8", varies, scatter, atol=0.1, reveal=True)
        and coins_are_the_generators(answer, y.repeat(50))
    )


WROTE = "you wrote into y: make a new tensor, for instance with torch.where"
SAME_COINS = "every batch loses the same labels: toss new coins in every call, with the generator as it comes"
ONE_COIN = "one coin for the whole batch: draw one for each label, torch.rand(y.shape)"
SAME_NUMBER = "every batch loses the same number of labels: each label needs a coin of its own"
OWN_COINS = "the coins come from somewhere else: pass generator=generator to torch.rand"
WRITTEN_IN = "the share is the same at p_drop = 0.5 and at 1: compare torch.rand, uniform on [0, 1), with p_drop"
NO_TENSOR = "labels are a tensor, in which a network looks rows up: make one, for instance with torch.where"
FLOATS = "the labels have become floats, which no table can look up: keep them long"
SCALED = "that is nn.Dropout, which sets numbers to 0 and scales the others: a label is a name, not a quantity"
MASK = "that is the mask; use it to put NULL in place of the labels it picks"
PAST = "what is dropped must become NULL = -1; 3 is one past the last class"
ZERO = "what is dropped must become NULL = -1; 0 is a class"
ROWS = "those are rows of the table: the network itself adds 1 to a label, so labels stay as they are and NULL is -1"
CHANGED = "what is dropped must become NULL = -1, and what is kept must stay as it was"
OTHER_SIZE = "a label for each row is asked for, none left out: what is dropped stays in its place, as NULL"
INVERTED = "the mask is inverted: p_drop is the share that is dropped, not the share that is kept"
NORMAL = "the coins are randn, normal; a probability needs rand, uniform on [0, 1)"
NORMAL_INVERTED = "the coins are randn, and the mask is inverted"
RATES = {
    INVERTED: 1 - P_DROP,
    NORMAL: NormalDist().cdf(P_DROP),
    NORMAL_INVERTED: 1 - NormalDist().cdf(P_DROP),
    "nothing is ever dropped": 0.0,
    "everything is dropped": 1.0,
    "the labels are dropped twice over: once is enough": 1 - (1 - P_DROP) ** 2,
    "two coins must both fall: one is enough": P_DROP**2,
}
NOTHING, EVERYTHING, TWICE, BOTH = list(RATES)[3:]


def slip(mistake: str) -> Unfit:
    return Unfit(f"{phrase('not yet one to train with')}\n  {mistaken(mistake)}")


def require_labels(got, y) -> None:
    if not isinstance(got, Tensor):
        raise slip(NO_TENSOR)
    if got.dtype == torch.bool:
        raise slip(MASK)
    if got.shape != y.shape:
        raise slip(OTHER_SIZE)
    if got.is_floating_point():
        raise slip(FLOATS if torch.equal(got, got.round()) else SCALED)


def foreign_labels(got: Tensor, given: Tensor) -> str:
    """What those put in the place of NULL who did not put NULL."""
    changed = got[(got != NULL) & (got != given)]
    if (got == NULL).any():
        return CHANGED
    if (changed == K).all():
        return PAST
    if not changed.any():
        return ZERO
    return ROWS if ((got == 0) | (got == given + 1)).all() else CHANGED


def wrong_rates(answer, y, rate: float) -> dict[str, float]:
    """A rate that stays where it is when p_drop grows; or else RATES, "nothing" and "everything" to the letter."""
    wrong = 0.02 < rate < 1 and abs(rate - P_DROP) > 0.012
    if wrong and all(abs(share - rate) < 0.06 for share in shares(answer, y, (0.5, 1.0))):
        return {WRITTEN_IN: rate}
    return {mistake: value for mistake, value in RATES.items() if value not in (0, 1) or value == rate}


def shares(answer, y, rates) -> list[float]:
    """What is dropped of the labels y, at each of the rates."""
    return [float((asked(answer, y, p, seed=5)[0] == NULL).double().mean()) for p in rates]


def coins_are_the_generators(answer, y) -> Verdict:
    """What the mean does not show: whose coins they are, and the ends of the range."""
    again = [asked(answer, y, 0.5, seed=4)[0] for _ in range(2)]
    apart = float((again[0] != again[1]).double().mean())
    ends = shares(answer, y, (0.0, 0.5, 1.0))
    return check(
        "labels that differ between two calls with equal generators",
        apart,
        0.0,
        mistakes={OWN_COINS: apart or -1},
        reveal=True,
    ) and check(
        "share dropped at p_drop = 0, 0.5, 1",
        ends,
        [0.0, 0.5, 1.0],
        atol=0.06,
        mistakes={WRITTEN_IN: [ends[0], ends[1], ends[1]]},
        reveal=True,
    )


check_drop_labels = Exercise(
    name="the mask",
    right=(drop_labels, dropping(), in_a_loop, by_bernoulli, dropping(lambda y, p, g: ~coins(y, 1 - p, g))),
    wrong={
        WROTE: in_place,
        SAME_COINS: dropping(lambda y, p, g: coins(y, p, g.manual_seed(0))),
        ONE_COIN: dropping(lambda y, p, g: torch.rand(1, generator=g) < p),
        SAME_NUMBER: fixed_number,
        OWN_COINS: dropping(lambda y, p, g: torch.rand(y.shape) < p),
        NO_TENSOR: lambda y, p, g: np.where(coins(y, p, g), NULL, y),
        FLOATS: lambda y, p, g: torch.where(coins(y, p, g), float(NULL), y),
        SCALED: lambda y, p, g: F.dropout(y.float(), p),
        MASK: coins,
        PAST: dropping(null=K),
        ZERO: lambda y, p, g: y * ~coins(y, p, g),
        ROWS: lambda y, p, g: torch.where(coins(y, p, g), 0, y + 1),
        CHANGED: lambda y, p, g: torch.where(coins(y, p, g), NULL, y.clamp(min=1)),
        OTHER_SIZE: lambda y, p, g: y[~coins(y, p, g)],
        INVERTED: dropping(lambda y, p, g: torch.rand(y.shape, generator=g) > p),
        NORMAL: dropping(normal),
        NORMAL_INVERTED: dropping(lambda *given: ~normal(*given)),
        NOTHING: lambda y, p, g: y.clone(),
        EVERYTHING: lambda y, p, g: torch.full_like(y, NULL),
        TWICE: lambda y, p, g: drop_labels(drop_labels(y, p, g), p, g),
        BOTH: dropping(lambda *given: coins(*given) & coins(*given)),
        WRITTEN_IN: dropping(lambda y, p, g: coins(y, P_DROP, g)),
    },
    judge=judge_mask,
)


# ---------------------------------------------------------------- 2. which rate it was


def logs_to_read():
    """(loss, floor_cond, floor_un), numbers without dimensions; the floors of the islands, and others."""
    rows = {f"a rate of {p}": ((1 - p) * 0.185 + p * 0.242, 0.185, 0.242) for p in (0.0, 0.1, 0.9, 1.0)}
    rows["floors further apart"] = (0.37, 0.3, 0.8)
    return {name: tuple(torch.tensor(value, dtype=torch.float64) for value in row) for name, row in rows.items()}


check_which_rate = Exercise(
    name="the rate behind a loss",
    right=(
        lambda loss, cond, un: (loss - cond) / (un - cond),
        lambda loss, cond, un: 1 - (un - loss) / (un - cond),
        lambda loss, cond, un: np.interp(float(loss), [float(cond), float(un)], [0, 1]),
        lambda loss, cond, un: np.linalg.solve([[1, 1], [float(cond), float(un)]], [1, float(loss)])[1],
    ),
    wrong={
        "that is the share of labels that were kept": lambda loss, cond, un: (un - loss) / (un - cond),
        "the sign: with more labels dropped the loss is higher": lambda loss, cond, un: (cond - loss) / (un - cond),
        "that is the height above the conditional floor: divide it by the gap between the floors": (
            lambda loss, cond, un: loss - cond
        ),
        "divide by the gap between the floors, not by the unconditional one": (
            lambda loss, cond, un: (loss - cond) / un
        ),
        "divide by the gap between the floors, not by the conditional one": lambda loss, cond, un: (loss - cond) / cond,
        "that is the ratio of two losses: subtract the conditional floor first": lambda loss, cond, un: loss / un,
        "the loss divided by the conditional floor is a ratio of two losses: subtract that floor first": (
            lambda loss, cond, un: loss / cond
        ),
        "parentheses are missing: / comes before -": lambda loss, cond, un: loss - cond / un - cond,
        "parentheses are missing around loss - floor_cond": lambda loss, cond, un: loss - cond / (un - cond),
        "parentheses are missing around floor_un - floor_cond": lambda loss, cond, un: (loss - cond) / un - cond,
        "the floors are added in the denominator: the gap is floor_un - floor_cond": (
            lambda loss, cond, un: (loss - cond) / (un + cond)
        ),
        "the fraction is upside down": lambda loss, cond, un: (un - cond) / (loss - cond),
        "this divides by the height above the other floor: the gap between the floors belongs there": (
            lambda loss, cond, un: (loss - cond) / (un - loss)
        ),
    },
    inputs=logs_to_read,
)


# ---------------------------------------------------------------- 3. find the bug by counting


def shuffled(y, p, generator):
    return drop_labels(y[torch.randperm(len(y), generator=generator)], p, generator)


def training_loss(hide: Callable) -> Callable:
    """loss(model, x0, y, generator) as in training, p_drop = 0.2, with its labels hidden by hide(y, p, generator)."""
    schedule = linear()

    def loss(model, x0, y, generator):
        x, t, eps = noised(schedule, x0, generator)
        return (model(x, t, hide(y, P_DROP, generator)) - eps).square().mean()

    return loss


FINDINGS = ("right", "inverted", "one coin", "same coins", "too rare", "class 0", "shuffled", "overwritten")
HIDDEN = {
    "A": ("one coin", dropping(lambda y, p, g: torch.rand(1, generator=g) < p)),
    "B": ("shuffled", shuffled),
    "C": ("right", drop_labels),
    "D": ("overwritten", in_place),
    "E": ("inverted", dropping(lambda y, p, g: torch.rand(y.shape, generator=g) > p)),
    "F": ("same coins", dropping(lambda y, p, g: coins(y, p, seeded(2)))),
}
suspects = {name: training_loss(hide) for name, (_, hide) in HIDDEN.items()}  # what a learner is given
COUNTS = {
    "A": "the mean over many batches is as it should be, and the number dropped scatters too much between batches",
    "B": "as many labels are NULL as should be, but of those kept some are not the ones that were given in their rows",
    "C": "mean and scatter, the labels kept, the rows that lose theirs and the given y are all as they should be",
    "D": "what reaches the model is as it should be, but the y that was handed over is another after the call",
    "E": "of the labels that reach the model about four in five are NULL, and each row loses its own at times",
    "F": "two calls with one generator take their labels from the same rows",
}
check_suspects = of_choices(
    "the bugs, found by counting",
    {name: finding for name, (finding, _) in HIDDEN.items()},
    FINDINGS,
    {(name, choice): COUNTS[name] for name in HIDDEN for choice in FINDINGS if choice != HIDDEN[name][0]},
)


# ---------------------------------------------------------------- the prediction

check_guess_rate = Guess(
    name="the smallest rate that is enough",
    right=0.02,
    near=0.005,
    why="Two labels in a hundred, over all the batches, are thousands of samples that ask for NULL.",
)
