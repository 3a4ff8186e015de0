"""Checks for the exercises of 11_digits."""

from collections.abc import Callable

import torch

from cfgedu.checks import check
from cfgedu.guidance import guided, null_pair
from cfgedu.models import MLP, weights_from
from cfgedu.protocol import NULL
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import linear

K, STEPS = 10, 5


def example(seed: int, count: int):
    """(net, schedule, x_T (count,1,8,8), y (count,)): a random network of ten classes in float64, noise and labels."""
    generator = torch.Generator().manual_seed(seed)
    with weights_from(generator):
        net = MLP(K, dim=64, width=16).double()
    with torch.no_grad():
        net.outlet.weight.normal_(std=0.3, generator=generator)  # a new MLP predicts 0 whatever the label
    x_T = torch.randn(count, 1, 8, 8, generator=generator, dtype=torch.float64)
    return net, linear(), x_T, torch.randperm(K, generator=generator)[:count]


def check_unconditional(answer: Callable) -> None:
    """answer(net, schedule, x_T, steps) -> x_0 without any label, by DDIM from x_T."""
    net, schedule, x_T, _ = example(1, 8)

    def drawn(y, model=net):
        return sample(ddim_step, model, schedule, x_T, torch.as_tensor(y).expand(len(x_T)), STEPS)

    def plain_average(x, t, y):
        return torch.stack([net(x, t, torch.full_like(y, k)) for k in range(K)]).mean(0)

    mistakes = {
        "you asked for class 0: no label is NULL = -1": drawn(0),
        "you asked for class 9, the last one: no label is NULL = -1": drawn(K - 1),
        "every row got a class of its own: that is a conditional sample of each": drawn(torch.arange(len(x_T)) % K),
        "the plain average of the ten conditional predictions: s_un weights them by p(y given x_t), and the network "
        "has learned the result under NULL": drawn(NULL, plain_average),
    }
    check("unconditional samples", answer(net, schedule, x_T, STEPS), drawn(NULL), mistakes=mistakes)


def check_expected_accuracy(answer: Callable) -> None:
    """answer(shares (K,), y (N,)) -> the accuracy to expect at r = 0, where the label asked for plays no part."""
    generator = torch.Generator().manual_seed(2)
    shares = torch.rand(K, generator=generator, dtype=torch.float64) + 0.05
    shares /= shares.sum()
    y = torch.multinomial(torch.arange(1.0, K + 1), 60, replacement=True, generator=generator)
    mistakes = {
        "1 / K holds where every class is asked for equally often; these labels are not balanced": 1 / K,
        "that is the accuracy for the commonest digit, if you asked for nothing else": shares.max(),
        "that is for labels drawn with the same shares as the digits; the y asked for are given": shares.square().sum(),
        "at r = 0 the digits do not depend on the label, so they cannot all fit it": 1.0,
        "that sums over the labels: divide by how many there are": shares[y].sum(),
    }
    check("accuracy at r = 0, any labels", answer(shares, y), shares[y].mean(), mistakes=mistakes)
    balanced = torch.arange(K).repeat(3)
    check("accuracy at r = 0, balanced labels", answer(shares, balanced), 1 / K)


def check_grid(answer: Callable) -> None:
    """answer(net, schedule, x_T (C,*D), y (C,), scales (R,), steps) -> (R,C,*D), in one call of `sample`."""
    net, schedule, x_T, y = example(3, 3)
    scales = torch.tensor([0.0, 1.0, 3.0, 3.0], dtype=torch.float64)  # one scale twice, to see if the noise is shared
    R, C = len(scales), len(x_T)
    passes = []
    watch = net.register_forward_hook(lambda *_: passes.append(1))
    got = answer(net, schedule, x_T, y, scales, STEPS)
    watch.remove()

    def grid(r, x, y):
        drawn = sample(ddim_step, guided(null_pair(net), r), schedule, x, y, STEPS)
        return drawn.reshape(R, C, *x_T.shape[1:])

    if got is not None and len(got) == R:
        change = float((torch.as_tensor(got[2]) - torch.as_tensor(got[3])).abs().max())
        mistakes = {"every row has noise of its own: repeat the given x_T": change} if change else {}
        check("two rows with the same r are the same", change, 0.0, mistakes=mistakes)
    rows, x, labels = scales.repeat_interleave(C), x_T.repeat(R, 1, 1, 1), y.repeat(R)
    right = grid(rows, x, labels)
    mistakes = {
        "r and noise are crossed: a row has one r, so repeat_interleave it": grid(scales.repeat(C), x, labels),
        "noise and labels are crossed: repeat both in the same way": grid(rows, x, y.repeat_interleave(R)),
        "you read the scale as Ho and Salimans' w = r - 1": grid(rows + 1, x, labels),
        "the grid is transposed: one row for each r, one column for each noise": right.transpose(0, 1),
        "the noises vary down the rows, where they should vary along the columns": grid(
            rows, x_T.repeat_interleave(R, 0), y.repeat_interleave(R)
        ),
    }
    check("the grid", got, right, mistakes=mistakes)
    if got is not None:
        mistakes = {"`sample` ran once for every scale: pass r as a tensor with one entry for each image": R * STEPS}
        check("passes through the network", len(passes), STEPS, mistakes=mistakes)
