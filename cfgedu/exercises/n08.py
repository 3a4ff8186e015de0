"""Checks for the exercises of 08_condition_dropout."""

from collections.abc import Callable
from copy import deepcopy
from statistics import NormalDist

import torch
from torch import nn

from cfgedu.checks import check
from cfgedu.models import MLP, weights_from
from cfgedu.protocol import NULL

K, P_DROP, BATCH, CALLS = 3, 0.2, 8, 2500
FLOOR_COND, FLOOR_UN = 0.186, 0.242  # the two floors of the islands, as notebook 03 measures them


def check_drop_labels(answer: Callable) -> None:
    """answer(y (B,), p_drop, generator) -> a new y in which each label is NULL with probability p_drop.

    It is asked for 2500 batches of 8 labels: enough for a wrong rate, or a wrong scatter, to stand out from chance.
    """
    y = torch.randint(K, (BATCH,), generator=torch.Generator().manual_seed(1))
    given = y.clone()
    first = answer(y, P_DROP, torch.Generator().manual_seed(2))
    if not isinstance(first, torch.Tensor) or first.shape != y.shape:
        check("a new label for each row", first, given)
        return
    generator = torch.Generator().manual_seed(3)
    rows = [answer(y, P_DROP, generator) for _ in range(CALLS)]
    got, touched = torch.stack(rows), int((y != given).sum())
    wrote = {"you wrote into y: make a new tensor, for instance with torch.where": touched} if touched else {}
    check("labels of the given y that changed", touched, 0, mistakes=wrote)
    if touched:
        return
    foreign = float(((got != NULL) & (got != given)).double().mean())
    if foreign:
        check("labels that became another class", foreign, 0.0, mistakes={foreign_labels(got, given): foreign})
        return
    dropped = (got == NULL).double()
    rate, varies = float(dropped.mean()), float(dropped.sum(1).var())
    scatter = BATCH * rate * (1 - rate)  # of a binomial count
    if rate in (0, 1) or abs(varies - scatter) < 0.2:
        check("share of labels dropped, p_drop = 0.2", rate, P_DROP, atol=0.012, mistakes=RATES)
        if abs(rate - P_DROP) < 0.02:
            check("scatter of the number dropped in a batch of 8", varies, scatter, atol=0.2)
            rest(answer, y)
        return
    coins = {
        "one coin for the whole batch: draw one for each label, torch.rand(y.shape)": BATCH * scatter,
        "every batch loses the same number of labels: each label needs a coin of its own": 0.0,
    }
    check("scatter of the number dropped in a batch of 8", varies, scatter, atol=0.1, mistakes=coins)


RATES = {
    "the mask is inverted: p_drop is the share that is dropped, so compare with <": 1 - P_DROP,
    "the coins are randn, normal; a probability needs rand, uniform on [0, 1)": NormalDist().cdf(P_DROP),
    "the coins are randn, and the mask is inverted": 1 - NormalDist().cdf(P_DROP),
    "that is a fair coin: where does p_drop come in?": 0.5,
    "nothing is ever dropped": 0.0,
    "everything is dropped": 1.0,
    "the labels are dropped twice over: once is enough": 1 - (1 - P_DROP) ** 2,
    "two coins must both fall: one is enough": P_DROP**2,
}


def foreign_labels(got: torch.Tensor, given: torch.Tensor) -> str:
    """What those put in the place of NULL who did not put NULL."""
    if got.dtype == torch.bool:
        return "that is the mask; use it to put NULL in place of the labels it picks"
    if (got == K).any():
        return f"what is dropped must become NULL = -1; {K} is one past the last class"
    if ((got == 0) & (given != 0)).any():
        return "what is dropped must become NULL = -1; 0 is a class"
    return "what is dropped must become NULL = -1, and what is kept must stay as it was"


def rest(answer: Callable, y: torch.Tensor) -> None:
    """What the mean does not show: whose coins they are, and the ends of the range."""
    y = y.repeat(50)
    again = [answer(y, 0.5, torch.Generator().manual_seed(4)) for _ in range(2)]
    apart = float((again[0] != again[1]).double().mean())
    outside = {"the coins come from somewhere else: pass generator=generator to torch.rand": apart} if apart else {}
    check("difference of two calls with equal generators", apart, 0.0, mistakes=outside)
    ends = [float((answer(y, p, torch.Generator().manual_seed(5)) == NULL).double().mean()) for p in (0.0, 1.0)]
    check("share dropped at p_drop = 0 and 1", ends, [0.0, 1.0])


def check_which_rate(answer: Callable) -> None:
    """answer(loss, floor_cond, floor_un) -> the p_drop with which a network was trained whose loss is at its floor."""
    p = 0.9
    loss = (1 - p) * FLOOR_COND + p * FLOOR_UN
    gap = FLOOR_UN - FLOOR_COND
    mistakes = {
        "that is the share of labels that were kept": 1 - p,
        "the sign: with more labels dropped the loss is higher": -p,
        "that is the height above the conditional floor: divide it by the gap between the floors": loss - FLOOR_COND,
        "divide by the gap between the floors, not by the unconditional one": (loss - FLOOR_COND) / FLOOR_UN,
        "that is the ratio of two losses: subtract the conditional floor first": loss / FLOOR_UN,
        "the fraction is upside down": gap / (loss - FLOOR_COND),
    }
    check("the rate behind a loss", answer(loss, FLOOR_COND, FLOOR_UN), p, mistakes=mistakes)
    check("a loss at the conditional floor", answer(FLOOR_COND, FLOOR_COND, FLOOR_UN), 0.0)


def check_mean_null(answer: Callable) -> None:
    """answer(net) -> a copy of the network whose null row is the mean of its class rows; net stays as it is."""
    generator = torch.Generator().manual_seed(6)
    with weights_from(generator):
        net = MLP(K, width=16)
    nn.init.normal_(net.outlet.weight, generator=generator)  # a new network predicts 0 whatever the label
    before = net.label.weight.detach().clone()
    got = answer(net)
    if got is None:
        check("the null row", None, before[0])
        return
    if not isinstance(got, nn.Module):
        print(f"✗ the null row: expected a network, a copy of net; got a {type(got).__name__}")
        return
    after, now = got.label.weight.detach(), net.label.weight.detach()
    changed = int((now != before).any(1).sum())
    mistakes = {"you changed the network itself: copy it first, with deepcopy": changed} if changed else {}
    check("rows of the given network that changed", changed, 0, mistakes=mistakes)
    classes = before[1:]
    mistakes = {
        "the mean runs over all rows, the null row too: start at row 1": before.mean(0),
        "the last class is left out: NULL is row 0, so class y is row y + 1": before[:K].mean(0),
        "that is the sum of the class rows": classes.sum(0),
        "the null row is as it was: did you write to another row, or to a copy of the table?": before[0],
        "those are zeros": torch.zeros(16),
    }
    check("the null row", after[0], classes.mean(0), mistakes=mistakes)
    if torch.allclose(after[0], classes.mean(0), atol=1e-6):
        check("the class rows", after[1:], classes)
        x, t, y = torch.ones(1, 2), torch.tensor([100]), torch.tensor([NULL])
        expected = deepcopy(net)
        expected.load_state_dict(expected.state_dict() | {"label.weight": torch.cat([classes.mean(0)[None], classes])})
        check("what it answers under NULL", got(x, t, y), expected(x, t, y))
