"""A small classifier-free guidance in one file, right in every line. Notebook 16 shows it with bugs planted in it."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from cfgedu.models import weights_from
from cfgedu.protocol import seeded
from cfgedu.toy import islands

T, K, NULL = 1000, 3, -1  # times 1..T, classes 0..K-1, and the label that means no label
mixture = islands()
beta = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
alpha_bar = torch.cat([torch.ones(1, dtype=torch.float64), (1 - beta).cumprod(0)])  # at 0..T


def levels(t, x):
    a = alpha_bar[t][:, None]
    return a.sqrt().to(x.dtype), (1 - a).sqrt().to(x.dtype)


def to_x0(x, t, eps):  # a whole step from t to clean data
    signal, noise = levels(t, x)
    return (x - noise * eps) / signal


def to_eps(x, t, x0):
    signal, noise = levels(t, x)
    return (x - signal * x0) / noise


class Net(nn.Module):
    def __init__(self, width=64, depth=3):
        super().__init__()
        self.inlet, self.outlet = nn.Linear(2, width), nn.Linear(width, 2)
        self.time, self.label = nn.Linear(32, width), nn.Embedding(K + 1, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x, t, y):
        angle = t[:, None] / T * torch.logspace(0, 2, 16)
        condition = self.time(torch.cat([angle.sin(), angle.cos()], 1)) + self.label(y + 1)
        h = self.inlet(x)
        for layer in self.layers:
            h = h + F.silu(layer(h + condition))
        return self.outlet(h)


def drop_labels(y, p_drop, generator):
    coin = torch.rand(len(y), generator=generator)
    dropped = coin < p_drop
    return y.masked_fill(dropped, NULL)


def loss(model, x0, y, p_drop, generator):
    t = torch.randint(1, T + 1, (len(x0),), generator=generator)
    eps = torch.randn(x0.shape, generator=generator, dtype=x0.dtype)
    signal, noise = levels(t, x0)
    x = signal * x0 + noise * eps
    y = drop_labels(y, p_drop, generator)
    return (model(x, t, y) - eps).square().mean()


@torch.enable_grad()  # it may be a sampler that asks first
def train(steps=700, p_drop=0.2, seed=0):
    generator = seeded(seed)
    with weights_from(generator):
        net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    cooling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, steps)
    for _ in range(steps):
        x0, y = mixture.sample(256, generator)
        optimizer.zero_grad()
        loss(net, x0, y, p_drop, generator).backward()
        optimizer.step()
        cooling.step()
    return net.requires_grad_(False)


def guided(model, r):
    def eps(x, t, y):
        labels = torch.cat([torch.full_like(y, NULL), y])
        un, cond = model(torch.cat([x, x]), torch.cat([t, t]), labels).chunk(2)
        un, cond = to_x0(x, t, un), to_x0(x, t, cond)
        x0 = (1 - r) * un + r * cond  # guidance after the step to clean data
        return to_eps(x, t, x0)

    return eps


@torch.no_grad()
def sample(model, x, y, steps=50, eta=0.0, clip=None, generator=None):
    times = [T * i // steps for i in range(steps, -1, -1)]
    for t, s in pairwise(times):
        now = torch.full_like(y, t)
        eps = model(x, now, y)
        x0 = to_x0(x, now, eps)
        if clip is not None:
            x0 = x0.clamp(-clip, clip)
            eps = to_eps(x, now, x0)
        a_t, a_s = alpha_bar[t].item(), alpha_bar[s].item()
        variance = (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)
        z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        x = a_s**0.5 * x0 + (1 - a_s - eta**2 * variance) ** 0.5 * eps + eta * variance**0.5 * z
    return x
