"""The exact world: labelled Gaussian mixtures, with score, posterior and best denoiser known at every noise level.

Noising keeps a mixture a mixture: component j of x_t is N(sqrt(a_t) mean_j, a_t std_j^2 + 1 - a_t). So everything that
a network has to learn can be written down, and every learned field, sampler and exercise is judged against the truth.
"""

from dataclasses import dataclass
from functools import cached_property
from math import cos, log, pi, sin

import torch
from torch import Tensor

from cfgedu.protocol import Denoiser, check_data, check_labels, is_integer, shape
from cfgedu.schedule import Schedule

BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Mixture:
    """p(x) = sum_j weight_j N(x; mean_j, std_j^2 I); component j belongs to class label_j.

    mean (J,D), std (J,) > 0, weight (J,) summing to 1 within 1e-6, label (J,) integers in which each of 0..K-1 occurs.
    Methods compute in the dtype and on the device of their x.
    Raises TypeError or ValueError for parameters that do not fit.
    """

    mean: Tensor
    std: Tensor
    weight: Tensor
    label: Tensor

    def __post_init__(self):
        for name in ("mean", "std", "weight", "label"):
            if not isinstance(getattr(self, name), Tensor):
                raise TypeError(f"{name} must be a tensor, got {type(getattr(self, name)).__name__}")
        if self.mean.ndim != 2 or not self.mean.numel() or not self.mean.is_floating_point():
            got = f"{self.mean.dtype} of shape {shape(self.mean)}"
            raise ValueError(f"mean must be floating-point of shape (J, D), got {got}")
        J = len(self.mean)
        for name in ("std", "weight", "label"):
            if getattr(self, name).shape != (J,):
                got = shape(getattr(self, name))
                raise ValueError(f"{name} must have one entry per component, shape ({J},), got {got}")
        if not torch.isfinite(self.mean).all():
            raise ValueError(f"mean must be finite, got values from {self.mean.min():.3g} to {self.mean.max():.3g}")
        if not (torch.isfinite(self.std) & (self.std > 0)).all():
            got = f"values from {self.std.min():.3g} to {self.std.max():.3g}"
            raise ValueError(f"std must be finite and above 0, got {got}")
        total = self.weight.double().sum()
        if not (self.weight >= 0).all() or abs(total - 1) > 1e-6:
            got = f"a smallest weight of {self.weight.min():.3g} and a sum of {total:.8g}"
            raise ValueError(f"weight must be non-negative and sum to 1 within 1e-6, got {got}")
        if self.label.is_floating_point() or sorted(set(self.label.tolist())) != list(range(int(self.label.max()) + 1)):
            raise ValueError(f"label must hold integers in which each of 0..K-1 occurs, got {self.label.tolist()}")
        if not (self.prior > 0).all():
            raise ValueError(f"weight must give every class a probability above 0, got {self.prior.tolist()}")

    @property
    def K(self) -> int:
        return int(self.label.max()) + 1

    @cached_property
    def prior(self) -> Tensor:
        """p(y) (K,) float64"""
        weight = self.weight.double() / self.weight.double().sum()
        return torch.stack([weight[self.label == k].sum() for k in range(self.K)])

    @cached_property
    def _log_weight(self) -> Tensor:
        """log p(j given y) (K+1, J), label y in row y + 1: row 0, for NULL, holds log p(j)."""
        weight = self.weight.double() / self.weight.double().sum()
        rows = [weight] + [torch.where(self.label == k, weight, 0) / self.prior[k] for k in range(self.K)]
        return torch.stack(rows).log()

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """(x0 (n,D), y (n,)): n draws, of mean's dtype, on the generator's device (without one: mean's)."""
        if not is_integer(n) or n < 1:
            raise ValueError(f"n, the number of draws, must be an int of 1 or more, got {n!r}")
        device = self.mean.device if generator is None else generator.device
        j = torch.multinomial(self.weight.to(device), n, replacement=True, generator=generator)
        z = torch.randn(n, self.mean.shape[1], generator=generator, device=device, dtype=self.mean.dtype)
        return self.mean.to(device)[j] + self.std.to(z)[j, None] * z, self.label.to(device)[j].long()

    def _level(self, x: Tensor, a) -> tuple[Tensor, Tensor]:
        """a and 1 - a as (B,1) or (1,1), the difference formed before the cast to x's dtype."""
        a = torch.as_tensor(a, dtype=None if isinstance(a, Tensor) else torch.float64).reshape(-1, 1)
        if len(a) not in (1, len(x)):
            raise ValueError(f"a must be one number or one per row of x, shape ({len(x)},), got {len(a)} numbers")
        if not ((a > 0) & (a <= 1)).all():
            raise ValueError(f"a must be a signal level in (0, 1], got values from {a.min():.3g} to {a.max():.3g}")
        return a.to(x), (1 - a).to(x)

    def _log_densities(self, x: Tensor, a: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """log N(x; sqrt(a) mean_j, v_j I) without its constant -D/2 log 2 pi, and the precision 1 / v_j: (B,J) each."""
        if x.ndim != 2 or x.shape[1] != self.mean.shape[1]:
            raise ValueError(f"x must have shape (B, {self.mean.shape[1]}), got {shape(x)}")
        mean = self.mean.to(x)
        precision = (noise + a * self.std.to(x) ** 2).reciprocal()  # noise = 1 - a
        # -|x - sqrt(a) mean_j|^2 / 2 as one matrix product, with no (B,J,D) temporary
        rows = torch.cat([a.sqrt() * x, -x.square().sum(1, keepdim=True) / 2, (-a / 2).expand(len(x), 1)], 1)
        columns = torch.cat([mean, torch.ones_like(mean[:, :1]), mean.square().sum(1, keepdim=True)], 1)
        return torch.addcmul(precision.log() * (x.shape[1] / 2), rows @ columns.T, precision), precision

    def log_prob(self, x: Tensor, y: Tensor, a: float | Tensor = 1.0) -> Tensor:
        """log p_t(x given y) (B,), normalised; log p_t(x) where y is NULL. a = a_t, one float or (B,); 1 is clean data.

        Raises TypeError or ValueError for x, y or a that do not fit.
        """
        check_data("x", x)
        check_labels("y", y, len(x), self.K)
        log_density, _ = self._log_densities(x, *self._level(x, a))
        return (log_density + self._log_weight.to(x)[y + 1]).logsumexp(1) - x.shape[1] / 2 * log(2 * pi)

    def posterior(self, x: Tensor, a: float | Tensor = 1.0) -> Tensor:
        """p(y given x_t) (B,K), by Bayes' rule over the classes; a as in log_prob."""
        check_data("x", x)
        log_density, _ = self._log_densities(x, *self._level(x, a))
        component = (log_density + self._log_weight.to(x)[0]).softmax(1)  # p(j given x_t) (B,J)
        return component @ torch.nn.functional.one_hot(self.label.long(), self.K).to(x)

    def denoiser(self, schedule: Schedule) -> Denoiser:
        """The exact Denoiser E[eps given x_t, y] = -sqrt(1 - a_t) grad log p_t(x given y)

        with grad log p_t = sum_j p(j given x_t, y) (sqrt(a_t) mean_j - x) / v_j: no network of any size can do better.
        """

        def rows(x, t, y):
            a, sigma = schedule.at(t, x), schedule.noise_level(t, x)  # (B,1)
            log_density, precision = self._log_densities(x, a, sigma**2)
            pull = (log_density + self._log_weight.to(x)[y + 1]).softmax(1) * precision  # (B,J)
            return sigma * (x * pull.sum(1, keepdim=True) - a.sqrt() * (pull @ self.mean.to(x)))

        def eps(x, t, y):  # in blocks of rows whose (B,J) tables stay in the processor's cache
            blocks = zip(x.split(BLOCK), t.split(BLOCK), y.split(BLOCK), strict=True)
            return torch.cat([rows(*block) for block in blocks])

        eps.K = self.K
        return eps


def _mixture(mean, std, weight, label) -> Mixture:
    return Mixture(torch.tensor(mean), torch.tensor(std), torch.tensor(weight), torch.tensor(label))


def _polar(radius: float, turns: float) -> list[float]:
    return [radius * cos(2 * pi * turns), radius * sin(2 * pi * turns)]


def two_gaussians() -> Mixture:
    """2 classes of one Gaussian each, equal but for their means: p(y given x_t) is logistic, g points one way."""
    return _mixture([[-1.0, 0.0], [1.0, 0.0]], [0.7, 0.7], [0.5, 0.5], [0, 1])


def islands() -> Mixture:
    """The course's own world: 3 classes of 2 islands each, with p(y) = 0.5, 0.3, 0.2.

    The islands of a class lie on opposite sides, the larger one nearer, so that all three class means are the origin:
    whatever guidance does, it does not pull to the class mean.
    """
    mean = [_polar(radius, turns) for k in range(3) for radius, turns in ((1.0, 0.25 + k / 3), (1.5, 0.75 + k / 3))]
    weight = [p * share for p in (0.5, 0.3, 0.2) for share in (0.6, 0.4)]
    return _mixture(mean, [0.35, 0.3] * 3, weight, [0, 0, 1, 1, 2, 2])


def spirals(K: int = 3, J: int = 32) -> Mixture:
    """K interleaved spiral arms, one class each, of J narrow components."""
    place = [(k, (j + 0.5) / J) for k in range(K) for j in range(J)]
    mean = [_polar(0.25 + 1.6 * u, 0.8 * u + k / K) for k, u in place]
    std = [0.05 + 0.07 * u for _, u in place]
    return _mixture(mean, std, [1 / (K * J)] * (K * J), [k for k, _ in place])


def branches(K: int = 2, depth: int = 4, points: int = 4) -> Mixture:
    """K trees from one root, one class each: thin branches on `depth` levels, `points` narrow components a piece."""
    mean, std, weight, label = [], [], [], []

    def grow(k, level, x, y, turns):
        length = 0.75 * 0.75**level
        for i in range(points):
            u = (i + 0.5) / points
            mean.append([x + u * length * cos(2 * pi * turns), y + u * length * sin(2 * pi * turns)])
            std.append(0.07 * 0.75**level)
            weight.append(0.5**level / points)
            label.append(k)
        end = x + length * cos(2 * pi * turns), y + length * sin(2 * pi * turns)
        if level + 1 < depth:
            for side in (-1, 1):
                grow(k, level + 1, *end, turns + side * 0.1)

    for k in range(K):
        grow(k, 0, 0.0, 0.0, (k + 0.5) / K - 0.12)
    total = sum(weight)
    return _mixture(mean, std, [w / total for w in weight], label)
