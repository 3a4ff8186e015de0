"""Sampling loops for exercise 4 of 04_samplers, right and broken, and what watches one at every step."""

from itertools import pairwise, product

import torch

from cfgedu.checks import Verdict, call, check
from cfgedu.checks.answers import agree, numbers
from cfgedu.protocol import seeded
from cfgedu.schedule import linear
from cfgedu.toy import oracle

# the second one begins below T; the third visits t = 1, and only its steps are watched
LISTS = ([1000, 700, 400, 150, 20, 0], [600, 30, 5, 0], [50, 1, 0])
ONCE = "the noise is drawn once and used again at every step"
NAME = "the oracle brings x back to x_0"
TOLD = {
    "": lambda t, s: t,
    "the model is told s, where the step goes, in place of t, where x is": lambda t, s: max(s, 1),
    "the model is told s, where the step goes, and 0 at the end, where no noise is left to predict": lambda t, s: s,
    "the model is told t - 1: this course counts t from 1 to T": lambda t, s: t - 1,
}
LEVELS = {
    "": lambda a, t, s: (a[t], a[s]),
    "the levels are one index off: alpha_bar[0] = 1 is clean data, so level t is alpha_bar[t]": lambda a, t, s: (
        a[t - 1],
        a[max(s - 1, 0)],
    ),
    "the levels are one index off, and at s = 0 the index -1 takes the last level, pure noise": lambda a, t, s: (
        a[t - 1],
        a[s - 1],
    ),
    "a_t and a_s are swapped": lambda a, t, s: (a[s], a[t]),
    "both levels are a_t: the step ends at a_s": lambda a, t, s: (a[t], a[t]),
    "a step takes the levels alpha_bar themselves, not their roots": lambda a, t, s: (a[t] ** 0.5, a[s] ** 0.5),
}
NOISE = {
    "": lambda i, t, s: s > 0,
    "the last step adds fresh noise: nothing comes after it to take that away": lambda i, t, s: True,
    "the noise is left out where t is 1: the last step is the one to s = 0, and it may begin at a larger t": (
        lambda i, t, s: t > 1
    ),
    "the step to s = 1 gets no noise: only the one to s = 0 is the last": lambda i, t, s: s > 1,
    "no step gets fresh noise: every sampler becomes a deterministic one": lambda i, t, s: False,
    ONCE: lambda i, t, s: i == 0 and s > 0,
}
ORDER = {
    "": list,
    "the last step is missing: pair the times with the ones after them, down to s = 0": lambda times: times[:-1],
    "the first step is missing: x comes at the level of the first time": lambda times: times[1:],
    "the times run upwards: sampling starts at the largest": lambda times: times[::-1],
    "a step from 0 to 0 was added: the list ends in 0 already": lambda times: [*times, 0],
}


def loop(told="", level="", noise="", order=""):
    """A sampling loop with the bugs that the sentences name."""

    def run(step, model, schedule, x, y, times):
        a = schedule.alpha_bar.tolist()
        for i, (t, s) in enumerate(pairwise(ORDER[order](times))):
            eps = model(x, torch.full_like(y, TOLD[told](t, s)), y)
            if NOISE[noise](i, t, s):
                z = torch.randn_like(x)
            elif noise != ONCE or s == 0:
                z = torch.zeros_like(x)
            x = step(x, eps, *LEVELS[level](a, t, s), z)
        return x

    return run


def watched(answer, times):
    """What a loop tells the model, the levels and the noise that its steps get, where it ends, and where it should."""
    schedule = linear()
    x_T, x0 = torch.randn(2, 16, 2, generator=seeded(4), dtype=torch.float64)
    told, given, drawn = [], [], []

    def model(x, t, y):
        told.append(int(t.flatten()[0]))
        return oracle(schedule, x0)(x, t, y)

    def step(x, eps, a_t, a_s, z):  # DDIM with eta = 0, written out so that it survives levels in the wrong order
        if z is None:
            raise TypeError("a step wants a tensor for z; where no noise is meant, torch.zeros_like(x)")
        given.append((float(a_t), float(a_s)))
        drawn.append(torch.as_tensor(z))
        return (a_s**0.5 * (x - (1 - a_t) ** 0.5 * eps)) / a_t**0.5 + (1 - a_s) ** 0.5 * eps

    end = call(answer, step, model, schedule, x_T, torch.zeros(16, dtype=torch.long), list(times))
    fresh = [bool(z.any()) and not any(torch.equal(z, other) for other in drawn[:i]) for i, z in enumerate(drawn)]
    return told, given, fresh, end, x0


def seen(kinds, one, orders=ORDER):
    """{sentences: what is seen of all steps}, right under "": each kind of bug with each order of the times."""
    return {
        "; ".join(filter(None, (late, words))): [
            one(bug, i, t, s) for times in LISTS for i, (t, s) in enumerate(pairwise(order(times)))
        ]
        for (late, order), (words, bug) in product(orders.items(), kinds.items())
    }


def walked(given, a):
    """The orders of the times that agree with the levels, before the right one; all of them where none does.

    Times and noise alone do not show which step is missing: told s without the last step is told t without the first.
    """
    found = {
        words: order
        for words, order in ORDER.items()
        if any(
            agree(numbers(given), numbers(value), 1e-6)
            for value in seen(LEVELS, lambda bug, i, t, s: bug(a, t, s), {words: order}).values()
        )
    }
    return (found or ORDER) | {"": list}


def judge_loop(answer) -> Verdict:
    """Watched at every step, along three lists of times, and judged by the oracle along the first two."""
    runs = [watched(answer, times) for times in LISTS]
    told, given, fresh = ([one for run in runs for one in run[part]] for part in range(3))
    if any(end is None for *_, end, _ in runs):
        return check(NAME, None, 0)
    a = linear().alpha_bar.tolist()
    orders = walked(given, a)
    looks = (
        ("the time the model is told at each step", told, seen(TOLD, lambda bug, i, t, s: bug(t, s), orders)),
        ("the levels a_t, a_s of each step", given, seen(LEVELS, lambda bug, i, t, s: bug(a, t, s))),
        ("which steps get fresh noise", fresh, seen(NOISE, lambda bug, i, t, s: bug(i, t, s), orders)),
    )
    verdicts = [check(name, got, table.pop(""), mistakes=table) for name, got, table in looks]
    names = (NAME, "and so it does from t = 600")
    # levels in float32 are right too, and cost about 2e-6
    verdicts += [check(name, end, x0, atol=1e-5) for name, (*_, end, x0) in zip(names, runs)]
    return Verdict(all(verdicts))


def found(step, model, schedule, x, y, times):
    """The loop of the exercise, as it was found."""
    a = schedule.alpha_bar.tolist()
    for i in range(len(times) - 2):
        t, s = times[i], times[i + 1]
        x = step(x, model(x, torch.full_like(y, s), y), a[t], a[s], torch.randn_like(x))
    return x


def by_index(step, model, schedule, x, y, times):
    for i in range(len(times) - 1):
        t, s = times[i], times[i + 1]
        z = torch.randn(x.shape, dtype=x.dtype) * (s > 0)
        x = step(x, model(x, torch.full_like(y, t), y), schedule.alpha_bar[t], schedule.alpha_bar[s], z)
    return x
