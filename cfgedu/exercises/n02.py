"""Checks for the exercises and the prediction of 02_score."""

import torch

from cfgedu.checks import Exercise, Guess
from cfgedu.protocol import seeded


def level(a):
    """A signal level as a 0-d tensor: a ** 0.5, a.sqrt() and math.sqrt(a) all work on it."""
    return torch.tensor(a, dtype=torch.float64)


def points(seed, D=2, n=8):
    """Two tensors (n, D)."""
    return torch.randn(2, n, D, generator=seeded(seed), dtype=torch.float64)


# ---------------------------------------------------------------- 1: a Gaussian


def variance(std, a):
    return a * std**2 + 1 - a


def pull(x, mean, a):
    return a**0.5 * mean - x


def gaussians():
    x, _ = points(1)
    mean = torch.tensor([[0.8, -0.5], [-1.0, 2.0], [0.3, 0.0]], dtype=torch.float64)
    return {
        "mean (0.8, -0.5), std 0.4, a = 0.66": (x, mean[0], 0.4, level(0.66)),
        "mean (-1, 2), std 1.5, a = 0.2": (x, mean[1], 1.5, level(0.2)),
        "mean (0.3, 0), std 0.1, a = 0.95": (x, mean[2], 0.1, level(0.95)),
    }


check_gaussian_score = Exercise(  # answer(x, mean, std, a) -> the score at x of noised data, x_0 ~ N(mean, std^2 I)
    name="the score of a noised Gaussian",
    right=(
        lambda x, m, s, a: pull(x, m, a) / variance(s, a),
        lambda x, m, s, a: -(x - torch.sqrt(a) * m) / (1 - a * (1 - s**2)),
        lambda x, m, s, a: (float(a) ** 0.5 * m.numpy() - x.numpy()) / (float(a) * s * s + 1 - float(a)),
    ),
    wrong={
        "this is the score of the CLEAN density: noise moves the mean and changes the variance": lambda x, m, s, a: (
            (m - x) / s**2
        ),
        "the variance is still the clean one: what does x_t = sqrt(a) x_0 + sqrt(1 - a) eps add?": lambda x, m, s, a: (
            pull(x, m, a) / s**2
        ),
        "the mean is not scaled: x_t gathers around sqrt(a) mean": lambda x, m, s, a: (m - x) / variance(s, a),
        "the mean is scaled by a: x_t holds sqrt(a) x_0": lambda x, m, s, a: (a * m - x) / variance(s, a),
        "the data's variance is not scaled: a factor acts on a variance by its square": lambda x, m, s, a: (
            pull(x, m, a) / (s**2 + 1 - a)
        ),
        "the data's variance is scaled by sqrt(a): a factor acts on a variance by its square, here a": (
            lambda x, m, s, a: pull(x, m, a) / (a**0.5 * s**2 + 1 - a)
        ),
        "only the noise has been counted: the data have a width of their own": lambda x, m, s, a: (
            pull(x, m, a) / (1 - a)
        ),
        "std is not squared: variances add": lambda x, m, s, a: pull(x, m, a) / (a * s + 1 - a),
        "two standard deviations are added and squared: variances add": lambda x, m, s, a: (
            pull(x, m, a) / (a**0.5 * s + (1 - a) ** 0.5) ** 2
        ),
        "the score divides by the variance, not by the standard deviation": lambda x, m, s, a: (
            pull(x, m, a) / variance(s, a) ** 0.5
        ),
        "this is the pull alone: divide it by the variance of x_t": lambda x, m, s, a: pull(x, m, a),
        "this is the score of N(0, I), where all data end at t = T": lambda x, m, s, a: -x,
        "the variance of the noise is 1 - a as it stands, without a root": lambda x, m, s, a: (
            pull(x, m, a) / (a * s**2 + (1 - a) ** 0.5)
        ),
        "the levels are exchanged: a belongs to the data, 1 - a to the noise": lambda x, m, s, a: (
            pull(x, m, 1 - a) / variance(s, 1 - a)
        ),
        "the sign: the score points uphill, from x towards the mean": lambda x, m, s, a: (
            -pull(x, m, a) / variance(s, a)
        ),
    },
    inputs=gaussians,
)

# ---------------------------------------------------------------- 2: a stranger's field


def fields():
    """Points of densities whose scores are known, and fields that are a multiple of the score."""
    found = {}
    for D, std, factor in ((2, 0.7, -1.0), (3, 1.0, 2.5), (5, 2.0, 0.3)):
        x = std * points(D, D, 400)[0]
        found[f"in {D} dimensions"] = (x, -factor * x / std**2)
    x, u = points(7, n=400)
    found["a field with errors of its own"] = (x, -1.7 * x + 0.3 * u)
    return found


def products(x, field):
    return (x * field).sum(1).mean()


check_factor = Exercise(  # answer(x (N,D), field (N,D)) -> the c in field = c times score, by Stein's identity
    name="the factor of a stranger's field",
    right=(
        lambda x, field: -products(x, field) / x.shape[1],
        lambda x, field: -(x * field).mean(),
        lambda x, field: -torch.einsum("nd,nd->", x, field) / x.numel(),
        lambda x, field: -(x.numpy() * field.numpy()).sum(1).mean() / x.shape[1],
    ),
    wrong={
        "not divided by the number of dimensions: for the score itself the mean is -D": lambda x, field: (
            -products(x, field)
        ),
        "divided by 2, which is right in the plane only: D is x.shape[1]": lambda x, field: -products(x, field) / 2,
        "the sign: the score itself gives -D, and its factor is 1": lambda x, field: products(x, field) / x.shape[1],
        "that is the mean of x . field: compare it with what the score would give": products,
        "the mean over the points is missing": lambda x, field: -(x * field).sum() / x.shape[1],
        "one number for each point: take their mean, since the identity is about that": lambda x, field: (
            -(x * field).sum(1) / x.shape[1]
        ),
        "upside down: this is what to multiply the field by": lambda x, field: -x.shape[1] / products(x, field),
        "this is a fit by -x, the score of N(0, I): the data may have any other density": lambda x, field: (
            -(x * field).sum() / x.square().sum()
        ),
        "a ratio of lengths has no sign, and the length of the score is not known": lambda x, field: (
            field.norm() / x.norm()
        ),
        "one factor for each coordinate: add them up, since the identity is about the whole dot product": (
            lambda x, field: -(x * field).mean(0)
        ),
        "a ratio at each point says nothing: the identity holds for the mean alone": lambda x, field: (
            -(field / x).mean()
        ),
    },
    inputs=fields,
)

# ---------------------------------------------------------------- 3: trust


def trust(std, a):
    return a * std**2 / variance(std, a)


check_trust = Exercise(  # answer(std, a) -> the k in E[x_0 given x_t] = mean + k (x_t / sqrt(a) - mean)
    name="how far the prediction trusts x_t",
    right=(
        trust,
        lambda std, a: std**2 / (std**2 + (1 - a) / a),
        lambda std, a: 1 - (1 - a) / (1 - a + a * std * std),
        lambda std, a: float(a / (1 - a)) / (1 / std**2 + float(a / (1 - a))),
    ),
    wrong={
        "that is the weight of the mean: k is the other one": lambda std, a: 1 - trust(std, a),
        "k multiplies x_t / sqrt(a): this is the factor of x_t itself": lambda std, a: trust(std, a) / a**0.5,
        "the noise in x_t / sqrt(a) has been divided by sqrt(a), too": lambda std, a: std**2 / (std**2 + 1 - a),
        "the data's own width is forgotten: a alone is right for std = 1": lambda std, a: a,
        "only the noise has been counted: the narrower the data, the less x_t can tell": lambda std, a: (
            a / (a + (1 - a) * std**2)
        ),
        "the variance of the signal in x_t is a std^2, above as well as below": lambda std, a: (
            std**2 / variance(std, a)
        ),
        "this is the variance of the signal: its share is asked for": lambda std, a: a * std**2,
        "standard deviations are weighed here: independent noise adds variances": lambda std, a: (
            a**0.5 * std / (a**0.5 * std + (1 - a) ** 0.5)
        ),
        "std is not squared: variances are weighed": lambda std, a: a * std / (a * std + 1 - a),
        "the root of the weight: variances are weighed, not standard deviations": lambda std, a: trust(std, a) ** 0.5,
        "a ratio of signal to noise: k is the share of the signal in their sum": lambda std, a: a * std**2 / (1 - a),
        "upside down: k lies between 0 and 1": lambda std, a: 1 / trust(std, a),
        "this comes from the score of the CLEAN density: Tweedie's formula needs that of x_t": lambda std, a: (
            1 - (1 - a) / std**2
        ),
        "(1 - a) times the score, not yet put together with x_t: collect what multiplies x_t": lambda std, a: (
            -(1 - a) / variance(std, a)
        ),
        "the levels are exchanged: a belongs to the data, 1 - a to the noise": lambda std, a: trust(std, 1 - a),
    },
    inputs=lambda: {
        "std 0.4, a = 0.66": (0.4, level(0.66)),
        "std 1.5, a = 0.2": (1.5, level(0.2)),
        "std 0.1, a = 0.95": (0.1, level(0.95)),
        "std 3, a = 0.004": (3.0, level(0.004)),
    },
)

# ---------------------------------------------------------------- 4: v


def eps_from_v(x, v, a):
    return a**0.5 * v + (1 - a) ** 0.5 * x


def x0_from_v(x, v, a):
    return a**0.5 * x - (1 - a) ** 0.5 * v


def score_from(eps):
    """(x, v, a) -> the score that belongs to eps(x, v, a)."""
    return lambda x, v, a: -eps(x, v, a) / (1 - a) ** 0.5


check_score_from_v = Exercise(  # answer(x, v, a) -> the score, for a network that predicts v
    name="the score of a v-network",
    right=(
        score_from(eps_from_v),
        lambda x, v, a: -x - torch.sqrt(a / (1 - a)) * v,
        lambda x, v, a: (a.sqrt() * x0_from_v(x, v, a) - x) / (1 - a),
        lambda x, v, a: -x.numpy() - (float(a) / (1 - float(a))) ** 0.5 * v.numpy(),
    ),
    wrong={
        "this is eps: one step is left, from eps to the score": eps_from_v,
        "this is x_0: go through eps, or one step further": x0_from_v,
        "the sign of the score: it points against the noise": lambda x, v, a: -score_from(eps_from_v)(x, v, a),
        "divided by 1 - a: the score has the root of it below eps": lambda x, v, a: -eps_from_v(x, v, a) / (1 - a),
        "not divided by sqrt(1 - a): this is -eps": lambda x, v, a: -eps_from_v(x, v, a),
        "v is taken for eps: turn v back first, with x": score_from(lambda x, v, a: v),
        "v is taken for x_0: turn v back first, with x": lambda x, v, a: (a**0.5 * v - x) / (1 - a),
        "x_t is put in for x_0 in the definition of v: x_0 is not known, so replace it": score_from(
            lambda x, v, a: (v + (1 - a) ** 0.5 * x) / a**0.5
        ),
        "x_0 is taken for eps: look at the rotation picture, which arrow is which?": score_from(x0_from_v),
        "the two roots are swapped: which of the two arrows lies nearer to eps when there is little noise?": score_from(
            lambda x, v, a: (1 - a) ** 0.5 * v + a**0.5 * x
        ),
        "v is divided by sqrt(a), but it holds x_0 as well: eps is a sum of v and x_t, each times a root": score_from(
            lambda x, v, a: v / a**0.5
        ),
        "the rotation runs the other way: eps lies between x_t and v": score_from(
            lambda x, v, a: a**0.5 * v - (1 - a) ** 0.5 * x
        ),
        "the roots of the levels are missing": score_from(lambda x, v, a: a * v + (1 - a) * x),
    },
    inputs=lambda: {f"at a = {a}": (*points(4), level(a)) for a in (0.66, 0.2, 0.95)},
)

# ---------------------------------------------------------------- prediction

check_guess_log_p = Guess(
    name="the mean log p of samples from the clean score, beside the data's",
    right="higher",
    choices={
        "higher": "",
        "lower": "It would be, if the points missed the islands.",
        "same": "It would be, if they were spread like the data.",
    },
    why="Each point is sent to a dot close to a peak: likely samples, and yet not the data's.",
)
