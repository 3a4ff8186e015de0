"""Grids for exercise 3 of 11_digits, right and wrong: one row for each r, one column for each noise."""

from collections.abc import Callable

import torch

from cfgedu.guidance import guided, null_pair
from cfgedu.protocol import NULL
from cfgedu.samplers import ddim_step, sample

DOWN = {"x": lambda x_T, R: x_T.repeat_interleave(R, 0), "labels": lambda y, R: y.repeat_interleave(R)}


def grid(
    r=lambda scales, C: scales.repeat_interleave(C),
    x=lambda x_T, R: x_T.repeat(R, 1, 1, 1),
    labels=lambda y, R: y.repeat(R),
    guide=lambda net, r: guided(null_pair(net), r),
    shape=lambda x0, R, C: x0.reshape(R, C, *x0.shape[1:]),
    step=ddim_step,
    steps=lambda n: n,
):
    """The grid in one call of sample, with room for one mistake each."""

    def draw_grid(net, schedule, x_T, y, scales, n):
        R, C = len(scales), len(x_T)
        x0 = sample(step, guide(net, r(scales, C)), schedule, x(x_T, R), labels(y, R), steps(n))
        return shape(x0, R, C)

    return draw_grid


def two_calls(net, r):
    """Guidance written out, which asks the network twice at each step."""

    def eps(x, t, y):
        un, cond = net(x, t, torch.full_like(y, NULL)), net(x, t, y)
        return un + r[:, None, None, None] * (cond - un)

    return eps


def by_index(net, schedule, x_T, y, scales, n):
    row, column = torch.meshgrid(torch.arange(len(scales)), torch.arange(len(x_T)), indexing="ij")
    row, column = row.flatten(), column.flatten()
    x0 = sample(ddim_step, guided(null_pair(net), scales[row]), schedule, x_T[column], y[column], n)
    return list(x0.split(len(x_T)))


def one_call_a_row(net, schedule, x_T, y, scales, n):
    return [sample(ddim_step, guided(null_pair(net), float(r)), schedule, x_T, y, n) for r in scales]


def scaled(change: Callable) -> Callable:
    return grid(guide=lambda net, r: guided(null_pair(net), change(r)))
