"""Masks for the exercises of 08_condition_dropout, and answers made of them, right and wrong."""

import torch

from cfgedu.protocol import NULL


def coins(y, p, generator):
    return torch.rand(y.shape, generator=generator) < p


def dropping(mask=coins, null=NULL):
    """An answer that puts `null` where mask(y, p, generator) says so."""
    return lambda y, p, generator: torch.where(mask(y, p, generator), null, y)


def in_place(y, p, generator):
    y[coins(y, p, generator)] = NULL
    return y


def in_a_loop(y, p, generator):
    return torch.tensor([NULL if torch.rand((), generator=generator) < p else label for label in y.tolist()])


def by_bernoulli(y, p, generator):
    return y.masked_fill(torch.bernoulli(torch.full(y.shape, float(p)), generator=generator).bool(), NULL)


def fixed_number(y, p, generator):
    return torch.where(torch.randperm(len(y), generator=generator) < round(p * len(y)), NULL, y)


def normal(y, p, generator):
    return torch.randn(y.shape, generator=generator) < p
