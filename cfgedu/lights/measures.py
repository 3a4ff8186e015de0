"""What the lights measure: one short function a light, (code, mixture, seed) -> (value, what its picture shows).

`code` is any object that names drop_labels, loss, guided, sample, schedule, model and K, see `lights`; `mixture` is
what its model has learned, and lends points and labels to the others; `seed` makes the random numbers. Most lights hand
the code a model of their own: one that writes down what it is asked, or one whose right answer is known.
"""

from functools import lru_cache

import torch
from torch import Tensor

from cfgedu.edges import shape
from cfgedu.protocol import NULL, seeded
from cfgedu.schedule import Schedule

P_DROP, BATCH = 0.2, 512
SMALL, BATCHES = 64, 600  # of what the loss asks
FEW, MANY = 20, 500  # steps of a sampler
CLIP = 0.8  # not 1, which code may have instead of what it was given


class Recorder:
    """A model that writes down what it is asked, and answers 0."""

    def __init__(self):
        self.calls = []

    def __call__(self, x, t, y):
        self.calls.append((x.detach().clone(), t.clone(), y.clone()))
        return torch.zeros_like(x)


def table(code) -> Tensor:
    """The code's levels alpha_bar[0..T] in float64; its schedule is that table, or has it as `alpha_bar`."""
    alpha_bar = torch.as_tensor(getattr(code.schedule, "alpha_bar", code.schedule)).cpu().double()
    if alpha_bar.ndim != 1:
        raise ValueError(f"schedule must be the table alpha_bar[0..T], shape (T+1,), got {shape(alpha_bar)}")
    return alpha_bar


def truth(code, x0):
    """The model that knows x_0: eps = (x - sqrt(a_t) x_0) / sqrt(1 - a_t), with the levels of the code's own table."""
    alpha_bar = table(code)

    def model(x, t, y):
        a = alpha_bar[t].reshape(-1, *[1] * (x.ndim - 1)).to(x)
        return (x - a.sqrt() * x0) / (1 - a).clamp(min=1e-12).sqrt()

    return model


def points(code, mixture, seed, n=BATCH):
    """x_0 (n,2) in float64, labels y (n,), and times t (n,) of 1..T"""
    x0, y = mixture.to("cpu").sample(n, seeded(seed))
    t = torch.randint(1, len(table(code)), (n,), generator=seeded(seed + 1))
    return x0.double(), y % code.K, t


# ---------------------------------------------------------------- training


@lru_cache(maxsize=1)  # three lights read it
def training_calls(code, mixture, seed):
    """What the loss asks a model in each of many batches: [(x, t, y), ...]"""
    generator, recorder, calls = seeded(seed), Recorder(), []
    x0, y, _ = points(code, mixture, seed, n=SMALL)
    for _ in range(BATCHES):
        code.loss(recorder, x0.float(), y.clone(), P_DROP, generator)
        calls.append(tuple(torch.cat(part) for part in zip(*recorder.calls)))
        recorder.calls.clear()
    return calls


def drop_rate(code, mixture, seed):
    """The share of labels that the loss drops, where a share of 0.2 is asked for."""
    shares = torch.stack([(y == NULL).double().mean() for _, _, y in training_calls(code, mixture, seed)])
    return shares.mean(), shares


def own_coins(code, mixture, seed):
    """How much that share differs from batch to batch, in units of what independent coins do."""
    dropped = torch.stack([y == NULL for _, _, y in training_calls(code, mixture, seed)])  # (batches, B)
    shares = dropped.double().mean(1)
    independent = (P_DROP * (1 - P_DROP) / dropped.shape[1]) ** 0.5
    return shares.std() / independent, dropped


def labels_kept(code, mixture, seed):
    """How many labels of the caller's batch are others after the calls than before."""
    x0, y, _ = points(code, mixture, seed)
    given = y.clone()
    code.drop_labels(given, P_DROP, seeded(seed))
    code.loss(Recorder(), x0.float(), given, P_DROP, seeded(seed))
    return (given != y).sum(), (y, given)


def times_trained(code, mixture, seed):
    """How many of the times 1..T the loss never asks for, and how many others it asks for."""
    T = len(table(code)) - 1
    t = torch.cat([t for _, t, _ in training_calls(code, mixture, seed)])
    asked, wanted = set(t.tolist()), set(range(1, T + 1))
    return len(wanted - asked) + len(asked - wanted), (t, T)


def loss_of_truth(code, mixture, seed):
    """The loss of the model that knows x_0: it can name the noise exactly."""
    x0, y, _ = points(code, mixture, seed)
    values = [code.loss(truth(code, x0), x0, y, P_DROP, seeded(seed + k)).detach() for k in range(8)]
    return torch.stack(values).max(), torch.stack(values)


# ---------------------------------------------------------------- the trained network


def answers(model, code, mixture, seed):
    """What a model says of noised data without a label, and with each label: (n,2) and (K,n,2)"""
    x0, y, t = points(code, mixture, seed, n=4 * BATCH)
    a = table(code)[t][:, None]
    x = a.sqrt() * x0 + (1 - a).sqrt() * torch.randn(x0.shape, generator=seeded(seed + 2), dtype=x0.dtype)
    place = next((p.device for p in getattr(model, "parameters", list)()), "cpu")  # all but the network is on the CPU
    there = lambda label: (part.to(place) for part in (x.float(), t, torch.full_like(y, label)))
    ask = lambda label: model(*there(label)).detach().cpu().double()
    return ask(NULL), torch.stack([ask(label) for label in range(code.K)])


def no_label(code, mixture, seed):
    """How far the network's answer without a label is from that with a label, for the label where it is nearest."""
    without, labelled = answers(code.model, code, mixture, seed)
    apart = (labelled - without).square().mean((1, 2)).sqrt()  # (K,)
    return apart.min(), apart


def error_of_g(code, mixture, seed):
    """The squared error of eps_cond - eps_un, as a share of the true one's square."""
    exact = mixture.denoiser(Schedule(table(code)))
    found, true = (
        labelled - without
        for without, labelled in (answers(model, code, mixture, seed) for model in (code.model, exact))
    )
    return (found - true).square().mean() / true.square().mean(), (found, true)


# ---------------------------------------------------------------- guidance


def stub(x, t, y):
    """A model whose answer tells the label: x (y + 2) / 2, which is x / 2 without one."""
    return x * (y + 2).to(x)[:, None] / 2


def labels_asked(code, mixture, seed):
    """How many questions "this x at this t, with its label, and without" guidance does not ask, or asks besides."""
    x, y, t = points(code, mixture, seed, n=32)
    recorder = Recorder()
    code.guided(recorder, 3.0)(x, t, y)
    rows = lambda x, t, y: list(zip(x[:, 0].tolist(), t.tolist(), y.tolist()))
    asked = [row for call in recorder.calls for row in rows(*call)]
    wanted = rows(x, t, y) + rows(x, t, torch.full_like(y, NULL))
    return len(set(wanted) ^ set(asked)), (y, torch.cat([y for _, _, y in recorder.calls]))


def guided_at(r):
    def measure(code, mixture, seed):
        x, y, t = points(code, mixture, seed)
        got = code.guided(stub, r)(x, t, y)
        un, cond = stub(x, t, torch.full_like(y, NULL)), stub(x, t, y)
        wanted = un + r * (cond - un)
        return (got - wanted).abs().max(), (wanted, got)

    measure.__doc__ = f"The largest error of the guided answer at r = {r:g}, with a model whose two answers are known."
    return measure


# ---------------------------------------------------------------- sampling


def start(code, mixture, seed, n=BATCH):
    """Pure noise (n,2) in float64, labels, and the x_0 that a model may know."""
    x0, y, _ = points(code, mixture, seed, n)
    return torch.randn(x0.shape, generator=seeded(seed + 3), dtype=x0.dtype), y, x0


def times_asked(code, mixture, seed):
    """How far below T the sampler's first question lies, plus the number of questions outside 1..T."""
    x, y, _ = start(code, mixture, seed, n=4)
    recorder, T = Recorder(), len(table(code)) - 1
    code.sample(recorder, x, y, steps=FEW)
    t = torch.stack([t[0] for _, t, _ in recorder.calls])
    return (T - t[0]).abs() + ((t < 1) | (t > T)).sum(), (t, T)


def oracle(code, mixture, seed):
    """How far from x_0 the sampler ends with the model that knows it; with another label it would be another."""
    x, y, x0 = start(code, mixture, seed)
    knows = lambda x, t, label: truth(code, x0 + (label - y)[:, None])(x, t, label)
    end = code.sample(knows, x, y, steps=FEW)
    return (end - x0).abs().max(), (x0, end)


def fresh_noise(code, mixture, seed):
    """The variance of samples of N(0, 1), with its exact model, at eta = 0.5 and 1: the one farther from 1."""
    x, y, _ = start(code, mixture, seed, n=2000)
    alpha_bar = table(code)
    exact = lambda x, t, y: (1 - alpha_bar[t]).sqrt()[:, None] * x
    ends = [code.sample(exact, x, y, steps=MANY, eta=eta, generator=seeded(seed)) for eta in (0.5, 1.0)]
    variances = torch.stack([end.var() for end in ends])
    return variances[(variances - 1).abs().argmax()], torch.stack(ends).flatten(1)


def clipped(code, mixture, seed):
    """With x_0 clipped to c, DDIM walks along sqrt(a) c + sqrt(1 - a) eps: how much this eps changes on the way."""
    x, y, x0 = start(code, mixture, seed)
    asked, knows, alpha_bar = [], truth(code, 2 * x0), table(code)

    def model(x, t, y):
        asked.append((x, alpha_bar[t][:, None]))
        return knows(x, t, y)

    code.sample(model, x, y, steps=FEW, clip=CLIP)
    c = (2 * x0).clamp(-CLIP, CLIP)
    eps = torch.stack([(x - a.sqrt() * c) / (1 - a).sqrt() for x, a in asked])  # (steps, B, 2)
    return (eps - eps[0]).abs().max(), eps


def last_level(code, mixture, seed):
    """The signal level at T, where a sampler starts from pure noise."""
    alpha_bar = table(code)
    return alpha_bar[-1], alpha_bar
