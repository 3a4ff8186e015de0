"""The noise schedule: one table alpha_bar[0..T], and the conversions between eps, x0, score and v.

    x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps,      eps ~ N(0, I),      a_t = alpha_bar[t],      a_0 = 1

Given x_t, the four quantities eps, x_0, the score and v are one object: each is an affine function of any other
(DDPM, arXiv 2006.11239, eq. 4 and 9; v: Salimans & Ho, arXiv 2202.00512, app. D).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cfgedu.protocol import check_integers, is_integer


@dataclass(frozen=True, eq=False)
class Schedule:
    """alpha_bar (T+1,) float64: alpha_bar[0] = 1 is clean data, then strictly decreasing and above 0.

    `t` is (B,) long in 0..T, or one int for the whole batch; x, x0, eps, score, v are (B,*D). At t = 0 there is no
    noise: eps and score divide by zero there. The table follows x's device and dtype; sqrt(a) and sqrt(1 - a) are
    formed in float64 before the cast. Raises TypeError or ValueError for a table or a t that does not fit.
    """

    alpha_bar: Tensor

    def __post_init__(self):
        a = self.alpha_bar
        if not isinstance(a, Tensor) or not a.is_floating_point():
            got = a.dtype if isinstance(a, Tensor) else type(a).__name__
            raise TypeError(f"alpha_bar must be a floating-point tensor, got {got}")
        if a.ndim != 1 or len(a) < 2:
            raise ValueError(f"alpha_bar must have shape (T+1,) with T of 1 or more, got {tuple(a.shape)}")
        a = a.detach().to("cpu", torch.float64, copy=True)
        if not torch.isfinite(a).all() or a[-1] <= 0:
            raise ValueError(f"alpha_bar must be finite and above 0, got values from {a.min():.3g} to {a.max():.3g}")
        if a[0] != 1:
            raise ValueError(f"alpha_bar[0] must be 1 (t = 0 is clean data), got {a[0]:.6g}")
        rises = torch.nonzero(a.diff() >= 0).flatten()
        if len(rises):
            t = int(rises[0])
            got = f"alpha_bar[{t}] = {a[t]:.6g}, alpha_bar[{t + 1}] = {a[t + 1]:.6g}"
            raise ValueError(f"alpha_bar must strictly decrease, got {got}")
        object.__setattr__(self, "alpha_bar", a)

    @property
    def T(self) -> int:
        return len(self.alpha_bar) - 1

    def _gather(self, table: Tensor, t, x: Tensor) -> Tensor:
        t = torch.as_tensor(t, device=x.device)
        check_integers("t", t)
        try:
            level = table.to(x).index_select(0, t.flatten())  # where table[t] would take t = -1 for T
        except IndexError:
            got = f"values from {int(t.min())} to {int(t.max())}"
            raise ValueError(f"t must lie in 0..T = {self.T}, got {got}") from None
        return level.reshape(-1, *[1] * (x.ndim - 1))  # (B,1,..,1), ready to broadcast over *D

    def signal(self, t, x: Tensor) -> Tensor:
        """sqrt(a_t) shaped (B,1,..,1)"""
        return self._gather(self.alpha_bar.sqrt(), t, x)

    def noise_level(self, t, x: Tensor) -> Tensor:
        """sqrt(1 - a_t) shaped (B,1,..,1)"""
        return self._gather((1 - self.alpha_bar).sqrt(), t, x)

    def at(self, t, x: Tensor) -> Tensor:
        """a_t shaped (B,1,..,1), to broadcast against x."""
        return self._gather(self.alpha_bar, t, x)

    def noise(self, x0: Tensor, t, eps: Tensor) -> Tensor:
        """x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps"""
        return self.signal(t, x0) * x0 + self.noise_level(t, x0) * eps

    def x0(self, x: Tensor, t, eps: Tensor) -> Tensor:
        """x_0 = (x - sqrt(1 - a_t) eps) / sqrt(a_t)"""
        return (x - self.noise_level(t, x) * eps) / self.signal(t, x)

    def eps(self, x: Tensor, t, x0: Tensor) -> Tensor:
        """eps = (x - sqrt(a_t) x_0) / sqrt(1 - a_t)"""
        return (x - self.signal(t, x) * x0) / self.noise_level(t, x)

    def score(self, x: Tensor, t, eps: Tensor) -> Tensor:
        """score = grad log p_t = -eps / sqrt(1 - a_t)"""
        return -eps / self.noise_level(t, x)

    def v(self, x: Tensor, t, eps: Tensor) -> Tensor:
        """v = sqrt(a_t) eps - sqrt(1 - a_t) x_0, from x and eps"""
        return self.signal(t, x) * eps - self.noise_level(t, x) * self.x0(x, t, eps)

    def grid(self, n: int) -> list[int]:
        """n + 1 times from T down to 0, as evenly spaced as integers can be: T = t_0 > ... > t_n = 0.

        Raises ValueError unless 1 <= n <= T.
        """
        if not is_integer(n) or not 1 <= n <= self.T:
            raise ValueError(f"n, the number of steps, must be an int in 1..T = {self.T}, got {n!r}")
        n = int(n)
        return [(2 * self.T * (n - i) + n) // (2 * n) for i in range(n + 1)]  # round(T (n - i) / n), halves up


def from_betas(beta: Tensor) -> Schedule:
    """The schedule of per-step noise variances beta_1..beta_T: alpha_bar_t = prod_{u <= t} (1 - beta_u)."""
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), (1 - beta.double()).cumprod(0)]))


def check_T(T) -> None:
    if not is_integer(T) or T < 1:
        raise ValueError(f"T must be an int of 1 or more, got {T!r}")


def linear(T: int = 1000, beta_1: float = 1e-4, beta_T: float = 0.02) -> Schedule:
    """beta rises linearly from beta_1 to beta_T (DDPM, arXiv 2006.11239, sec. 4); T = 1000 ends at alpha_bar = 4.04e-5.

    The same betas with a small T stop far short of pure noise. For a shorter table with the same end, take every n-th
    level of a long one: Schedule(linear(1000).alpha_bar[::20]) has T = 50.
    """
    check_T(T)
    if not 0 < beta_1 < 1 or not 0 < beta_T < 1:
        raise ValueError(f"beta_1 and beta_T must lie strictly between 0 and 1, got {beta_1!r} and {beta_T!r}")
    return from_betas(torch.linspace(beta_1, beta_T, T, dtype=torch.float64))


def cosine(T: int = 1000, s: float = 0.008, beta_max: float = 0.999) -> Schedule:
    """alpha_bar_t = f(t) / f(0), f(t) = cos^2((t/T + s) / (1 + s) pi/2), with beta_t at most beta_max
    (Nichol & Dhariwal, arXiv 2102.09672, eq. 17); T = 1000 ends at alpha_bar = 2.4e-9.
    """
    check_T(T)
    if not s > 0 or not 0 < beta_max < 1:
        raise ValueError(f"s must be above 0 and beta_max strictly between 0 and 1, got {s!r} and {beta_max!r}")
    u = torch.linspace(0, 1, T + 1, dtype=torch.float64)
    f = torch.cos((u + s) / (1 + s) * math.pi / 2) ** 2
    return from_betas((1 - f[1:] / f[:-1]).clamp(max=beta_max))
