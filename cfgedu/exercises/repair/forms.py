"""Other right ways to write the capstone's file, and wrong ones that are no bug of its table."""

from types import SimpleNamespace

import torch

from cfgedu.exercises.repair import code_with
from cfgedu.guidance import clip_x0, guided, null_pair
from cfgedu.losses import drop_labels, eps_loss
from cfgedu.protocol import NULL
from cfgedu.samplers import ddim_step, ddpm_step
from cfgedu.samplers import sample as walk
from cfgedu.schedule import linear


def changed(**parts) -> SimpleNamespace:
    """The right code with some parts replaced; None takes one away."""
    return SimpleNamespace(**{**vars(code_with()), **parts})


# ---------------------------------------------------------------- right

SCHEDULE = linear()


def packaged() -> SimpleNamespace:
    """The package's own functions, DDIM as its steps have it."""

    def sample(model, x, y, steps=50, eta=0.0, clip=None, generator=None):
        model = model if clip is None else clip_x0(model, SCHEDULE, -clip, clip)
        return walk(lambda *state: ddim_step(*state, eta=eta), model, SCHEDULE, x, y, steps, generator)

    return changed(
        drop_labels=drop_labels,
        loss=lambda model, *batch: eps_loss(model, SCHEDULE, *batch),
        guided=lambda model, r: guided(null_pair(model), r),
        sample=sample,
        schedule=SCHEDULE,
    )


def spelled_out() -> SimpleNamespace:
    """Two passes, guidance on eps, coins by torch.bernoulli, DDPM's form of the step at eta = 1."""
    a = code_with().schedule

    def drop(y, p_drop, generator):
        coin = torch.bernoulli(torch.full(y.shape, p_drop), generator=generator)
        return torch.where(coin == 1, NULL, y)

    def loss(model, x0, y, p_drop, generator):
        t = 1 + torch.randint(len(a) - 1, (len(x0),), generator=generator)
        eps = torch.randn(x0.shape, generator=generator).to(x0)
        x = a[t, None].sqrt().to(x0) * x0 + (1 - a[t, None]).sqrt().to(x0) * eps
        return torch.nn.functional.mse_loss(model(x, t, drop(y, p_drop, generator)), eps)

    def guide(model, r):
        both = lambda x, t, y: (model(x, t, torch.full_like(y, NULL)), model(x, t, y))
        return lambda x, t, y: torch.lerp(*both(x, t, y), r)

    def sample(model, x, y, steps=50, eta=0.0, clip=None, generator=None):
        times = SCHEDULE.grid(steps)
        for i, t in enumerate(times[:-1]):
            a_t, a_s = float(a[t]), float(a[times[i + 1]])
            eps = model(x, torch.full_like(y, t), y)
            if clip is not None:
                c = ((x - (1 - a_t) ** 0.5 * eps) / a_t**0.5).clamp(-clip, clip)
                eps = (x - a_t**0.5 * c) / (1 - a_t) ** 0.5
            z = torch.randn(x.shape, generator=generator).to(x)
            step = ddpm_step if eta == 1 else lambda *state: ddim_step(*state, eta=eta)
            x = step(x, eps, a_t, a_s, z)
        return x

    return changed(drop_labels=drop, loss=loss, guided=guide, sample=sample)


def in_words_of_w() -> SimpleNamespace:
    """Guidance as the paper writes it, with w = r - 1, and for r = 1 one pass only."""

    def guide(model, r):
        if r == 1:
            return lambda x, t, y: model(x, t, y)

        def eps(x, t, y):
            labels = torch.stack([y, torch.full_like(y, NULL)], 1).flatten()  # each row beside its own question
            cond, un = model(x.repeat_interleave(2, 0), t.repeat_interleave(2), labels).unflatten(0, (-1, 2)).unbind(1)
            w = r - 1
            return (1 + w) * cond - w * un

        return eps

    return changed(guided=guide)


RIGHT = (code_with(), packaged(), spelled_out(), in_words_of_w())


# ---------------------------------------------------------------- wrong


def crashing(model, r):
    def eps(x, t, y):
        model(torch.cat([x, x]), t, torch.cat([torch.full_like(y, NULL), y]))
        raise ValueError("un and cond have no times of their own")

    return eps


def without_clip(model, x, y, steps=50, eta=0.0, generator=None):
    return code_with().sample(model, x, y, steps, eta, None, generator)


def same_for_all(x, t, y):
    """A network that does not look at its label."""
    return code_with().model(x, t, torch.full_like(y, NULL))


def half_precision(model, x, y, steps=50, eta=0.0, clip=None, generator=None):
    """Levels of seven binary digits: close, and not right."""
    return code_with().sample(lambda x, t, y: model(x, t, y).bfloat16().to(x), x, y, steps, eta, clip, generator)
