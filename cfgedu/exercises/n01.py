"""Checks for the exercises and the predictions of 01_noise."""

import torch

from cfgedu.checks import Exercise, Guess
from cfgedu.protocol import seeded
from cfgedu.schedule import cosine, linear


def levels(*values):
    """Signal levels as 0-d tensors: x ** 0.5, x.sqrt() and math.sqrt(x) all work on them."""
    return tuple(torch.tensor(value, dtype=torch.float64) for value in values)


def uneven(T=9):
    """A table whose betas rise and fall."""
    beta = 0.02 + 0.3 * torch.rand(T, generator=seeded(1), dtype=torch.float64)
    return torch.cat([torch.ones(1, dtype=beta.dtype), (1 - beta).cumprod(0)])


# ---------------------------------------------------------------- 1: two times


def walk(a_s, a_t):
    return (a_t / a_s) ** 0.5


def one_noise(a_s, a_t):
    return (a_s * a_t) ** 0.5 + ((1 - a_s) * (1 - a_t)) ** 0.5


def only_x0(a_s, a_t):
    return (a_s * a_t) ** 0.5


WALK = {  # slips in the first number
    "the first: that is the variance which is kept from s to t; a correlation is the factor itself, its root": (
        lambda a_s, a_t: a_t / a_s
    ),
    "the first: x_t shares more with x_s than x_0, for the noise in x_s stays in it": only_x0,
    "the first: the walk draws new noise at every step, so the two noises are not one": one_noise,
    "the first: the ratio is upside down, and a correlation is never above 1": lambda a_s, a_t: (a_s / a_t) ** 0.5,
    "the first: that is how much of x_0 is left in x_t, whatever s is": lambda a_s, a_t: a_t**0.5,
}
ONE_NOISE = {  # slips in the second
    "the second: the two noises are one and the same, so their part counts too": only_x0,
    "the second: nothing new is drawn between s and t, so this is no walk": walk,
    "the second: the same x_0 and the same eps, but in other shares: the points are not proportional": (
        lambda a_s, a_t: a_s**0
    ),
    "the second: eps is multiplied by the root of 1 - a at both times": (
        lambda a_s, a_t: only_x0(a_s, a_t) + (1 - a_s) * (1 - a_t)
    ),
    "the second: x_0 and eps are multiplied by the roots of the levels": (
        lambda a_s, a_t: a_s * a_t + (1 - a_s) * (1 - a_t)
    ),
}


def both(first, second):
    return lambda a_s, a_t: [first(a_s, a_t), second(a_s, a_t)]


check_two_times = Exercise(  # answer(a_s, a_t) -> [correlation on one walk, correlation with one eps]
    name="two times of one walk, and of one noise",
    right=(
        both(walk, one_noise),
        lambda a_s, a_t: (torch.sqrt(a_t / a_s), a_s.sqrt() * a_t.sqrt() + (1 - a_s).sqrt() * (1 - a_t).sqrt()),
        lambda a_s, a_t: [(a_t / a_s).sqrt(), torch.cos(torch.acos(a_s.sqrt()) - torch.acos(a_t.sqrt()))],
    ),
    wrong={words: both(slip, one_noise) for words, slip in WALK.items()}
    | {words: both(walk, slip) for words, slip in ONE_NOISE.items()}
    | {
        f"{one}; {two}": both(f, g)
        for one, f in WALK.items()
        for two, g in ONE_NOISE.items()
        if (f, g) != (one_noise, walk)
    }
    | {"the two answers are exchanged": both(one_noise, walk)},
    inputs=lambda: {
        "from a_s = 0.9 to a_t = 0.5": levels(0.9, 0.5),
        "from a_s = 0.5 to a_t = 0.1": levels(0.5, 0.1),
        "from clean data to a_t = 0.3": levels(1.0, 0.3),
        "from a_s = 0.3 to a_t = 0.0001": levels(0.3, 0.0001),
    },
)

# ---------------------------------------------------------------- 2: betas


def betas(a):
    return 1 - a[1:] / a[:-1]


check_betas = Exercise(  # answer(alpha_bar (T+1,)) -> beta_1..beta_T (T,)
    name="the betas of a table",
    right=(
        betas,
        lambda a: 1 - torch.exp(torch.diff(torch.log(a))),
        lambda a: (a[:-1] - a[1:]) / a[:-1],
        lambda a: [1 - a[t] / a[t - 1] for t in range(1, len(a))],
        lambda a: -torch.diff(a).numpy() / a.numpy()[:-1],
    ),
    wrong={
        "this is all the noise since t = 0: beta is that of one step, from t - 1 to t": lambda a: 1 - a[1:],
        "this is alpha_t, the share of the variance that one step keeps": lambda a: a[1:] / a[:-1],
        "this is a difference of levels: beta is relative to the level before the step": lambda a: a[:-1] - a[1:],
        "the ratio is upside down: which of two neighbours is the smaller?": lambda a: 1 - a[:-1] / a[1:],
        "divided by the level after the step: the step begins at the level before": lambda a: (a[:-1] - a[1:]) / a[1:],
        "alpha_bar holds variances already: no root": lambda a: 1 - (a[1:] / a[:-1]).sqrt(),
        "this is the root of beta, the factor of the noise": lambda a: betas(a).sqrt(),
        "a difference of logarithms is near beta where beta is small, and nowhere equal": lambda a: (
            -torch.diff(a.log())
        ),
        "t = 0 has no step before it: beta_1 is the first": lambda a: torch.cat([torch.zeros_like(a[:1]), betas(a)]),
        "this product adds up the steps: the table has them added up already": lambda a: 1 - a[1:].cumprod(0),
    },
    inputs=lambda: {
        "at the cosine table with T = 12": (cosine(T=12).alpha_bar,),
        "at a table whose betas rise and fall": (uneven(),),
        "at the linear table": (linear().alpha_bar,),
    },
)

# ---------------------------------------------------------------- 3: a time


def first(true):
    return int(torch.nonzero(true)[0])


def snr_of(a):
    return a / (1 - a)


check_time_of_snr = Exercise(  # answer(alpha_bar (T+1,), snr) -> the first t at which a_t / (1 - a_t) is below snr
    name="the first t with an SNR below a number",
    right=(
        lambda a, snr: first(snr_of(a) < snr),
        lambda a, snr: (a >= snr * (1 - a)).sum(),
        lambda a, snr: next(t for t in range(len(a)) if a[t] < snr * (1 - a[t])),
        lambda a, snr: (a.numpy() < snr * (1 - a.numpy())).argmax(),
    ),
    wrong={
        "this compares the root: the SNR is a ratio of variances": lambda a, snr: first(snr_of(a).sqrt() < snr),
        "this is where alpha_bar itself falls below the number": lambda a, snr: first(a < snr),
        "this is where sqrt(alpha_bar) falls below the number": lambda a, snr: first(a.sqrt() < snr),
        "the ratio is upside down: signal over noise": lambda a, snr: first(1 / snr_of(a) > snr),
        "one too early: at this t the SNR is not yet below (in alpha_bar[1:], entry 0 is time 1)": lambda a, snr: (
            first(snr_of(a) < snr) - 1
        ),
        "one too late: entry t of the table is time t, for alpha_bar[0] = 1 stands in front": lambda a, snr: (
            first(snr_of(a) < snr) + 1
        ),
        "equal is not below": lambda a, snr: first(snr_of(a) <= snr),
        "this counts the times that are below": lambda a, snr: (snr_of(a) < snr).sum(),
        "the first time above is 0, where there is no noise: below is asked for": lambda a, snr: first(snr_of(a) > snr),
        "that is the SNR: its time is asked for": lambda a, snr: snr_of(a)[first(snr_of(a) < snr)],
        "the noise is 1 - a, not its root": lambda a, snr: first(a / (1 - a).sqrt() < snr),
        "this is the time whose SNR is nearest: it may still be above": lambda a, snr: (snr_of(a) - snr).abs().argmin(),
        "nonzero() lists all times at which it is below: return the first": lambda a, snr: torch.nonzero(
            snr_of(a) < snr
        ),
        "that is a list of all times at which it is below: return the first": lambda a, snr: torch.nonzero(
            snr_of(a) < snr
        ).flatten(),
    },
    inputs=lambda: {
        "linear table, SNR 0.2": (linear().alpha_bar, 0.2),
        "linear table, SNR 0.9": (linear().alpha_bar, 0.9),
        "cosine table with T = 100, SNR 0.05": (cosine(T=100).alpha_bar, 0.05),
        "levels 1, 0.9, 0.5, 0.3, 0.1, 0.05, SNR 1": (torch.stack(levels(1, 0.9, 0.5, 0.3, 0.1, 0.05)), 1.0),
    },
)

# ---------------------------------------------------------------- 4: larger images


def table(ratio):
    return 1 / (1 + ratio)  # from noise to signal


check_larger_images = Exercise(  # answer(alpha_bar (T+1,), k) -> the table (T+1,) whose SNR is k times smaller
    name="the table with an SNR k times smaller",
    right=(
        lambda a, k: a / (a + k * (1 - a)),
        lambda a, k: table(k * (1 - a) / a),
        lambda a, k: torch.sigmoid(torch.logit(a) - torch.log(torch.tensor(k, dtype=a.dtype))),
        lambda a, k: (a / k).numpy() / (a / k + 1 - a).numpy(),
    ),
    wrong={
        "the level is divided by k: the ratio of signal and noise should be": lambda a, k: a / k,
        "the wrong way: this SNR is k times larger": lambda a, k: a / (a + (1 - a) / k),
        "these are the ratios: a table holds levels, and a = SNR / (1 + SNR)": lambda a, k: snr_of(a) / k,
        "the root of k: an SNR is a ratio of variances, and k divides it as it is": lambda a, k: table(
            k**0.5 * (1 - a) / a
        ),
        "the square of k: an SNR is a ratio of variances already": lambda a, k: table(k**2 * (1 - a) / a),
        "the noise is k times larger, but at the cost of the signal: their ratio falls by more than k": lambda a, k: (
            1 - k * (1 - a)
        ),
        "the betas are multiplied by k: that changes the steps, and the SNR by another factor at each t": lambda a, k: (
            torch.cat([a[:1], (1 - k * betas(a)).cumprod(0)])
        ),
        "a power of the table: where the noise is small it is nearly right, at the end it is not": lambda a, k: a**k,
        "t = 0 is lost: a table begins with clean data": lambda a, k: table(k * (1 - a) / a)[1:],
        "at t = 0 the SNR is infinite, and infinity over infinity is undefined: divide by no 1 - a": lambda a, k: (
            (snr_of(a) / k) / (1 + snr_of(a) / k)
        ),
        "the sum of signal and noise is a + k (1 - a)": lambda a, k: a / (1 + k * (1 - a)),
        "not brought back to a sum of 1: divide by signal plus noise": lambda a, k: a / k + 1 - a,
        "every k-th level: that is another clock for the same end, and the SNR at T stays": lambda a, k: a[:: int(k)],
    },
    inputs=lambda: {
        "linear table, k = 4": (linear(T=60).alpha_bar, 4.0),
        "cosine table, k = 16": (cosine(T=12).alpha_bar, 16.0),
        "a table whose betas rise and fall, k = 2": (uneven(), 2.0),
    },
)

# ---------------------------------------------------------------- predictions

check_guess_star = Guess(
    name="p(class 1) at the star, t = 1000",
    right=0.3,
    near=0.03,
    why="Pure noise says nothing about the class, so what remains is the prior of class 1, and not an equal share.",
)
check_guess_short = Guess(
    name="50 steps along 1000 levels, or along every 20th of them",
    right="same",
    choices={
        "long": "The other 950 levels are never visited, so they cannot help.",
        "short": "The short table has no level that the long one lacks.",
        "same": "",
    },
    why="Both walks visit the same 50 levels, and the number that a level has in its table plays no part.",
)
