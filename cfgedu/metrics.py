"""Numbers to judge by: a field against the exact one, samples against the true distribution, images by a judge.

A judge is trained by `cfgedu.training.train_judge`; the table of all settings is made by `course.py checkpoints`.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cfgedu.edges import (
    require_between,
    require_choice,
    require_classes,
    require_columns,
    require_data,
    require_labels,
    require_same_shape,
)
from cfgedu.files import DATA, read_rows
from cfgedu.guidance import Field, guided_by
from cfgedu.models import Judge
from cfgedu.protocol import NULL, classes, noise_like, seeded
from cfgedu.samplers import SAMPLERS, sample
from cfgedu.schedule import Schedule
from cfgedu.toy import Mixture

EDGES = (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1)  # of the buckets, as shares of T
AT_ONCE = 100  # images made together: they fit a CPU's cache, which saves a fifth; their noise is drawn together too

# ---------------------------------------------------------------- fields


def buckets(T: int) -> list[tuple[int, int]]:
    """[(first t, last t), ...]: ten spans of times, narrower at small t, that together are 1..T; T of 100 or more.

    A loss changes most at small t, so its mean over a span tells more than its mean over all times.
    """
    ends = [round(share * T) for share in EDGES]
    return [(low + 1, high) for low, high in pairwise(ends)]


@torch.no_grad()
def field_error(
    field: Field,
    exact: Field,
    schedule: Schedule,
    x0: Tensor,
    y: Tensor,
    times: Sequence[int],
    generator: torch.Generator | None = None,
) -> Tensor:
    """The error at each noise level (len(times),): mean over batch and dims of (field(x_t, t, y) - exact(x_t, t, y))^2

    at x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps. field and exact are any two functions of (x, t, y): Denoisers, scores,
    guidance vectors. All levels share one eps, so that a difference between them is not chance.
    """
    require_data("x0", x0, some=True)
    require_labels("y", y, len(x0), classes(field) or classes(exact))
    eps = noise_like(x0, generator)
    errors = []
    for level in times:
        t = torch.full_like(y, level, dtype=torch.long)
        x = schedule.noise(x0, t, eps)
        got, expected = field(x, t, y), exact(x, t, y)
        require_same_shape("the field", got, expected)
        errors.append((got - expected).square().mean())
    return torch.stack(errors)


# ---------------------------------------------------------------- points


def sliced_wasserstein(a: Tensor, b: Tensor, projections: int = 256, seed: int = 0) -> float:
    """The sliced Wasserstein-2 distance of two sets of samples (N,*D) and (M,*D), in units of the data:

    the root of the mean over directions theta of W_2^2 between the sets projected on theta (Bonneel et al. 2015), where
    W_2^2 in one dimension is the integral over u in [0, 1] of (quantile_a(u) - quantile_b(u))^2.
    The same seed gives the same directions, so that distances can be compared. Two sets drawn from one distribution
    are not at 0 but at a floor that falls with N: measure it beside the distance.
    """
    require_data("a", a, some=True)
    require_data("b", b, some=True)
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(f"a and b must hold samples of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    a, b = (samples.detach().flatten(1).double().cpu() for samples in (a, b))  # (N, D), (M, D)
    theta = directions(a.shape[1], projections, seed)
    sorted_a, sorted_b = (a @ theta).sort(dim=0).values, (b @ theta).sort(dim=0).values  # (N, P), (M, P)
    N, M = len(a), len(b)
    # Both quantile functions are constant between neighbouring multiples of 1 / N and 1 / M; counted in 1 / (N M)
    ends = torch.arange(0, N * M, M, device="cpu"), torch.arange(0, N * M + 1, N, device="cpu")
    steps = torch.cat(ends).unique()
    gap = sorted_a[steps[:-1] // M] - sorted_b[steps[:-1] // N]  # (steps, P)
    return (steps.diff().double() / (N * M) @ gap.square()).mean().sqrt().item()


def directions(D: int, n: int, seed: int) -> Tensor:
    """n unit vectors, uniform on the sphere (D, n)."""
    theta = torch.randn(D, n, generator=seeded(seed), dtype=torch.float64, device="cpu")
    return theta / theta.norm(dim=0)


def class_accuracy(mixture: Mixture, x: Tensor, y: Tensor) -> float:
    """The share of samples x (N,2) whose most probable class, by the exact p(y given x), is the y they are made for."""
    require_data("x", x, some=True)
    require_classes("y", y, len(x), mixture.K)
    return (mixture.posterior(x).argmax(1) == y).cpu().double().mean().item()


def mean_posterior(mixture: Mixture, x: Tensor, y: Tensor) -> float:
    """The mean of the exact p(y given x) over samples x (N,D) made for the labels y (N,)."""
    require_data("x", x, some=True)
    require_classes("y", y, len(x), mixture.K)
    return mixture.posterior(x).gather(1, y[:, None].long()).mean().item()


def spread(mixture: Mixture, x: Tensor, y: Tensor) -> float:
    """The standard deviation of samples x (N,D) within the components of their classes y (N,), per dimension.

    Every sample goes to the nearest component of its class, and its distance is taken from the mean of the samples
    there: so the components may move apart, as guidance makes them, without counting as variety.
    """
    require_data("x", x, some=True)
    require_columns("x", x, mixture.mean.shape[1])
    require_classes("y", y, len(x), mixture.K)
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    mean = mixture.mean.to(x)
    strange = mixture.label.to(y.device) != y[:, None]  # (N,J)
    home = torch.cdist(x, mean).masked_fill(strange, torch.inf).argmin(1)  # (N,)
    member = F.one_hot(home, len(mean)).to(x)  # (N,J)
    centre = member.T @ x / member.sum(0).clamp(min=1)[:, None]  # (J,D)
    return (x - centre[home]).square().mean().sqrt().item()


def off_support(
    mixture: Mixture, x: Tensor, y: Tensor, generator: torch.Generator, quantile: float = 0.01, n: int = 20_000
) -> float:
    """The share of samples x (N,2) that lie where class y almost never does: log p(x given y) below a low quantile

    of the log-densities of true samples of that class, out of n drawn from the mixture. True samples score `quantile`.
    Where y is NULL the density is p(x).
    """
    require_data("x", x, some=True)
    require_labels("y", y, len(x), mixture.K)
    require_between("quantile", (quantile,), 0, 1)
    true_x, true_y = (part.to(x.device) for part in mixture.sample(n, generator))
    outside = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for label in y.unique():
        own = true_x if label == NULL else true_x[true_y == label]
        low = mixture.log_prob(own, label.expand(len(own))).quantile(quantile)
        outside |= (y == label) & (mixture.log_prob(x, y) < low)
    return outside.cpu().double().mean().item()


def lost_share(mixture: Mixture, x: Tensor, y: Tensor, least: float = 0.2) -> float:
    """How much of its classes the samples x (N,D), made for the labels y (N,), have lost: the share of their weight

    in components that get fewer than `least` of the samples that are theirs. A sample counts for the component of its
    class from which it most probably came. Take enough samples for the lightest component, or chance empties it too.
    """
    require_data("x", x, some=True)
    require_columns("x", x, mixture.mean.shape[1])
    require_classes("y", y, len(x), mixture.K)
    require_between("least", (least,), 0, 1)
    home = mixture._log_joint(x, 1.0, y).argmax(1)  # (N,); a component of another class has the weight 0
    got = F.one_hot(home, len(mixture.label)).double().mean(0).cpu()  # (J,)
    classes_asked = F.one_hot(y.long(), mixture.K).double().mean(0).cpu()  # (K,)
    due = classes_asked @ (mixture._joint / mixture.prior[:, None])  # p(j given y), over the labels asked for (J,)
    return float(due[got < least * due].sum())


# ---------------------------------------------------------------- images


@torch.no_grad()
def features(judge: Judge, x: Tensor) -> Tensor:
    """The judge's features (N, features) of images x on any device, a thousand at a time to bound the memory."""
    require_data("x", x)
    device = judge.head.weight.device
    return torch.cat([judge.features(part.to(device)) for part in x.split(1000)])


@torch.no_grad()
def judge_accuracy(judge: Judge, x: Tensor, y: Tensor) -> float:
    """The share of images x that the judge takes for the class y they were made for."""
    require_classes("y", y, len(x), judge.K)
    return (judge.head(features(judge, x)).argmax(1).cpu() == y.cpu()).double().mean().item()


def diversity(features: Tensor, y: Tensor) -> float:
    """The mean over classes of tr Cov(features of the class), features (N, F): how much images of one class differ.

    tr Cov is half the mean squared distance between two different images of the class.
    Raises ValueError where a class has a single image.
    """
    require_data("features", features)
    require_classes("y", y, len(features))
    features, y = features.cpu(), y.cpu()
    own = [features[y == label].double() for label in y.unique()]
    if min(map(len, own)) < 2:
        raise ValueError("features must hold two images or more of every class in y, got a class with one")
    return torch.stack([part.var(dim=0).sum() for part in own]).mean().item()


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """(mean (F,), covariance (F, F)) of features (N, F), in float64. Raises ValueError unless N > F."""
    require_data("features", features)
    N, size = features.shape
    if size >= N:
        raise ValueError(f"features need more rows than columns, or their covariance is singular; got {N} x {size}")
    features = features.cpu().double()  # MPS has no float64
    return features.mean(0), features.T.cov()


def frechet_distance(a: Tensor | tuple[Tensor, Tensor], b: Tensor | tuple[Tensor, Tensor]) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)): the squared Wasserstein-2 distance of two Gaussians

    with the means and covariances of two sets of features (N, F), given as features or as their `moments` (Heusel et
    al., arXiv 1706.08500, eq. 6; FID is this on another network's features). Biased upwards for few samples: compare
    sets of one size only.
    """
    (m_a, C_a), (m_b, C_b) = (moments(part) if isinstance(part, Tensor) else part for part in (a, b))
    values, vectors = torch.linalg.eigh(C_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T  # C_a^(1/2)
    # C_a C_b has the eigenvalues of the symmetric C_a^(1/2) C_b C_a^(1/2), whose root is stable
    cross = torch.linalg.eigvalsh(root @ C_b @ root).clamp(min=0).sqrt().sum()
    distance = (m_a - m_b).square().sum() + C_a.trace() + C_b.trace() - 2 * cross
    return max(distance.item(), 0.0)  # of a set to itself, rounding can leave it just below 0


def generate(
    model: nn.Module,
    schedule: Schedule,
    sampler: str,
    r: float,
    shape: tuple[int, ...] = (1, 28, 28),
    n: int = 1000,
    steps: int = 50,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """(images (n,C,H,W), y (n,)): the K classes in turn, guided with r, on the model's device.

    The same seed gives every network, sampler and r the same x_T and the same fresh noise.
    Raises ValueError for a sampler that is not one of SAMPLERS.
    """
    require_choice("sampler", sampler, SAMPLERS)
    denoiser, device = guided_by(model, r), next(model.parameters()).device
    return drawn_by(SAMPLERS[sampler], denoiser, model.K, schedule, shape, n, steps, seed, device)


def drawn_by(step, denoiser, K, schedule, shape, n, steps, seed, device="cpu") -> tuple[Tensor, Tensor]:
    """What `generate` returns, of any Denoiser of K classes."""
    generator = seeded(seed)
    x_T = torch.randn(n, *shape, generator=generator, device="cpu").to(device)
    y = torch.arange(n, device=device) % K
    parts = zip(x_T.split(AT_ONCE), y.split(AT_ONCE))
    return torch.cat([sample(step, denoiser, schedule, *part, steps, generator) for part in parts]), y


def judged(judge: nn.Module, real: tuple[Tensor, Tensor], images: Tensor, y: Tensor) -> dict:
    """What the judge says of images made for the labels y.

    real: the `moments` of its features over real images, on the CPU: a judge's file has them in metadata["extra"], as
    "mean" and "covariance".
    accuracy: share taken for their y. diversity: trace of the features' covariance within a class. frechet: the Frechet
    distance to the real images. classes: share of the images taken for each class, whatever y says.
    """
    seen = features(judge, images)
    with torch.no_grad():
        taken = judge.head(seen).argmax(1).cpu()
    seen, y = seen.cpu(), y.cpu()  # float64, which follows, is for the CPU
    return {
        "accuracy": (taken == y).double().mean().item(),
        "diversity": diversity(seen, y),
        "frechet": frechet_distance(seen, real),
        "classes": (taken.bincount(minlength=judge.K).double() / len(taken)).tolist(),
    }


def swept(key: str, network: str = "unet", sampler: str | None = "DDIM", rows: Sequence[dict] | None = None) -> dict:
    """{r: [a value for each seed]}: the column `key` of data/mnist-sweep.json for one network and sampler, in order.

    Rows of real digits are those of network "real" (one for each draw) and "test", with None for sampler and r.
    rows: those of another table. Raises ValueError where there is no such row, or rows are of different sizes n, whose
    distances could not be compared.
    """
    rows = read_rows(DATA / "mnist-sweep.json") if rows is None else rows
    own = [row for row in rows if (row["network"], row["sampler"]) == (network, sampler)]
    sizes = sorted({row["n"] for row in own})
    if len(sizes) != 1:
        raise ValueError(f"rows of {network!r} with {sampler!r} must be there and of one n, got n of {sizes}")
    own.sort(key=lambda row: (row["r"] or 0, row["seed"]))
    return {r: [row[key] for row in own if row["r"] == r] for r in dict.fromkeys(row["r"] for row in own)}
