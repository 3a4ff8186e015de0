"""The exact world: labelled Gaussian mixtures, with score, posterior and best denoiser known at every noise level.

Noising keeps a mixture a mixture: component j of x_t is N(sqrt(a_t) mean_j, a_t std_j^2 + 1 - a_t). So everything that
a network has to learn can be written down, and every learned field, sampler and exercise is judged against the truth.
"""

from dataclasses import dataclass
from functools import cached_property
from math import cos, log, pi, sin

import torch
from torch import Tensor

from cfgedu.edges import (
    require_columns,
    require_count,
    require_data,
    require_integers,
    require_labels,
    require_level,
    require_mixture,
    require_one_point,
)
from cfgedu.protocol import CPU64, Denoiser, drawn, source_device, wrapped
from cfgedu.schedule import Schedule

BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Mixture:
    """p(x) = sum_j weight_j N(x; mean_j, std_j^2 I); component j belongs to class label_j.

    mean (J,D), std (J,) > 0, weight (J,) summing to 1 within 1e-6, label (J,) integers in which each of 0..K-1 occurs.
    Methods compute in the dtype and on the device of their x; `to` says where samples come to lie.
    Raises TypeError or ValueError for parameters that do not fit.
    """

    mean: Tensor
    std: Tensor
    weight: Tensor
    label: Tensor

    def __post_init__(self):
        require_mixture(self.mean, self.std, self.weight, self.label)

    @property
    def K(self) -> int:
        return int(self.label.max()) + 1

    @cached_property
    def prior(self) -> Tensor:
        """p(y) (K,) float64"""
        return self._joint.sum(1)

    @cached_property
    def _joint(self) -> Tensor:
        """p(y, j) (K,J): the weight of component j in the row of its own class, float64 on the CPU."""
        weight, label = self.weight.to(**CPU64), self.label.to("cpu")
        return torch.stack([torch.where(label == k, weight / weight.sum(), 0) for k in range(self.K)])

    @cached_property
    def _log_weight(self) -> Tensor:
        """log p(j given y) (K+1,J), label y in row y + 1: row 0, for NULL, holds log p(j)."""
        return torch.cat([self._joint.sum(0, keepdim=True), self._joint / self.prior[:, None]]).log()

    def to(self, device) -> "Mixture":
        """The same mixture with its tensors on another device."""
        return Mixture(*(part.to(device) for part in (self.mean, self.std, self.weight, self.label)))

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """(x0 (n,D), y (n,)): n draws, of mean's dtype and on its device, whichever the generator's is."""
        n, weight = require_count("n, the number of draws,", n), self.weight.to(source_device(self.mean, generator))
        j = torch.multinomial(weight, n, replacement=True, generator=generator).to(self.mean.device)
        z = drawn(torch.randn, n, self.mean.shape[1], like=self.mean, generator=generator, dtype=self.mean.dtype)
        return self.mean[j] + self.std.to(z)[j, None] * z, self.label.to(z.device)[j].long()

    def _log_densities(self, x: Tensor, a: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """log N(x; sqrt(a) mean_j, v_j I) without its constant -D/2 log 2 pi, and the precision 1 / v_j: (B,J) each,

        with v_j = a std_j^2 + 1 - a, and noise = 1 - a. In plain lines, with a temporary (B,J,D):

            away = x[:, None] - a.sqrt()[..., None] * mean                         # (B,J,D)
            log_density = -away.square().sum(2) / (2 * v) - v.log() * D / 2        # (B,J)
        """
        mean = self.mean.to(x)
        precision = (noise + a * self.std.to(x) ** 2).reciprocal()
        # -|x - sqrt(a) mean_j|^2 / 2 as one matrix product, nine times as fast for a hundred components
        rows = torch.cat([a.sqrt() * x, -x.square().sum(1, keepdim=True) / 2, (-a / 2).expand(len(x), 1)], 1)
        columns = torch.cat([mean, torch.ones_like(mean[:, :1]), mean.square().sum(1, keepdim=True)], 1)
        return torch.addcmul(precision.log() * (x.shape[1] / 2), rows @ columns.T, precision), precision

    def _log_joint(self, x: Tensor, a: float | Tensor, y: Tensor | None = None) -> Tensor:
        """log p_t(x, j given y) (B,J) without its constant; log p_t(x, j) where y is None or NULL."""
        require_data("x", x)
        require_columns("x", x, self.mean.shape[1])
        a = require_level("a", a, len(x))
        if y is not None:
            require_labels("y", y, len(x), self.K)
        log_density, _ = self._log_densities(x, a.to(x), (1 - a).to(x))  # 1 - a before the cast to x's dtype
        return log_density + self._log_weight.to(x)[0 if y is None else y + 1]

    def log_prob(self, x: Tensor, y: Tensor, a: float | Tensor = 1.0) -> Tensor:
        """log p_t(x given y) (B,), normalised; log p_t(x) where y is NULL. a = a_t, one float or (B,); 1 is clean data.

        Raises TypeError or ValueError for x, y or a that do not fit.
        """
        require_integers("y", y)
        return self._log_joint(x, a, y).logsumexp(1) - x.shape[1] / 2 * log(2 * pi)

    def posterior(self, x: Tensor, a: float | Tensor = 1.0) -> Tensor:
        """p(y given x_t) (B,K), by Bayes' rule over the classes; a as in log_prob."""
        component = self._log_joint(x, a).softmax(1)  # p(j given x_t) (B,J)
        return component @ torch.nn.functional.one_hot(self.label.long(), self.K).to(x)

    def denoiser(self, schedule: Schedule) -> Denoiser:
        """The exact Denoiser E[eps given x_t, y] = -sqrt(1 - a_t) grad log p_t(x given y)

        with grad log p_t = sum_j p(j given x_t, y) (sqrt(a_t) mean_j - x) / v_j: no network of any size can do better.
        """
        return wrapped(_exact_eps, self, schedule)

    def draw_x0(self, x: Tensor, y: int, a: float, n: int, generator: torch.Generator) -> Tensor:
        """n exact draws (n,D) of x_0 given one x_t (1,D), the label y (NULL for none) and the signal level a.

        p(x_0 given x_t, y) is a mixture too: component j has the weight p(j given x_t, y), and the mean and variance of
        a Gaussian that has seen one noisy measurement,

            mean_j + sqrt(a) std_j^2 / v_j (x - sqrt(a) mean_j)  and  std_j^2 (1 - a) / v_j,  v_j = a std_j^2 + 1 - a
        """
        n = require_count("n, the number of draws,", n)
        require_one_point("x", x, self.mean.shape[1])
        p = self._log_joint(x, a, torch.full((1,), int(y), device=x.device)).softmax(1)[0]  # p(j given x_t, y) (J,)
        mean, var = self.mean.to(x), self.std.to(x) ** 2
        v = a * var + 1 - a
        centre = mean + (a**0.5 * var / v)[:, None] * (x - a**0.5 * mean)
        p = p.to(source_device(x, generator))
        j = torch.multinomial(p, n, replacement=True, generator=generator).to(x.device)
        z = drawn(torch.randn, n, x.shape[1], like=x, generator=generator, dtype=x.dtype)
        return centre[j] + (var * (1 - a) / v).sqrt()[j, None] * z


def _exact_eps(mixture, schedule, x, t, y):
    require_columns("x", x, mixture.mean.shape[1])
    rows = BLOCK if x.device.type == "cpu" else max(len(x), 1)  # (B,J) tables of one block stay in a CPU's cache
    blocks = zip(x.split(rows), t.split(rows), y.split(rows), strict=True)
    return torch.cat([_exact_eps_of_block(mixture, schedule, *block) for block in blocks])


def _exact_eps_of_block(mixture, schedule, x, t, y):
    a, sigma = schedule.at(t, x), schedule.noise_level(t, x)  # (B,1)
    log_density, precision = mixture._log_densities(x, a, sigma**2)
    pull = (log_density + mixture._log_weight.to(x)[y + 1]).softmax(1) * precision  # (B,J)
    return sigma * (x * pull.sum(1, keepdim=True) - a.sqrt() * (pull @ mixture.mean.to(x)))


def _gaussian(schedule, v, x, t, y):
    a = schedule.at(t, x)
    return schedule.noise_level(t, x) * x / (a * v + 1 - a)


def gaussian(schedule: Schedule, v: float) -> Denoiser:
    """The exact Denoiser of N(0, v I): eps = sqrt(1 - a_t) x / (a_t v + 1 - a_t), for data of any shape; no labels."""
    return wrapped(_gaussian, schedule, v)


def _oracle(schedule, x0, x, t, y):
    return schedule.eps(x, t, x0)


def oracle(schedule: Schedule, x0: Tensor) -> Denoiser:
    """The Denoiser that knows the answer x0 (B,*D): eps = (x - sqrt(a_t) x_0) / sqrt(1 - a_t), recomputed at each x."""
    return wrapped(_oracle, schedule, x0)


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


def contested() -> Mixture:
    """2 classes on a line: class 0 has a far mode and one beside the only mode of class 1, which contests it."""
    return _mixture([[-2.2, 0.0], [0.3, 0.0], [1.3, 0.0]], [0.25] * 3, [0.25, 0.25, 0.5], [0, 0, 1])


def two_attributes() -> tuple[Mixture, Mixture]:
    """One cloud of four Gaussians under two labellings: the first attribute is left or right, the second down or up.

    Right goes with up four times as often as with down, so each attribute tells something of the other. Both at once:
    Mixture(a.mean, a.std, a.weight, 2 * a.label + b.label).
    """
    mean = [[-1.0, -0.8], [-0.8, 1.0], [0.8, -1.0], [1.0, 0.8]]
    std, weight = [0.45, 0.4, 0.4, 0.45], [0.4, 0.1, 0.1, 0.4]
    return _mixture(mean, std, weight, [0, 0, 1, 1]), _mixture(mean, std, weight, [0, 1, 0, 1])


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
