"""The noise schedule: one table alpha_bar[0..T], the conversions between eps, x0, score and v, and grids of times.

    x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps,      eps ~ N(0, I),      a_t = alpha_bar[t],      a_0 = 1

Given x_t, the four quantities eps, x_0, the score and v are one object: each is an affine function of any other
(DDPM, arXiv 2006.11239, eq. 4 and 9; v: Salimans & Ho, arXiv 2202.00512, app. D).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cfgedu.edges import is_integer, require_between, require_count, require_integers, require_table, require_times
from cfgedu.protocol import CPU64


@dataclass(frozen=True, eq=False)
class Schedule:
    """alpha_bar (T+1,) float64: alpha_bar[0] = 1 is clean data, then strictly decreasing and above 0.

    `t` is (B,) long in 0..T, or one int for the whole batch; x, x0, eps, score, v are (B,*D). At t = 0 there is no
    noise: eps and score divide by zero there. The table follows x's device and dtype; sqrt(a) and sqrt(1 - a) are
    formed in float64 before the cast. Raises TypeError or ValueError for a table or a t that does not fit.
    """

    alpha_bar: Tensor

    def __post_init__(self):
        object.__setattr__(self, "alpha_bar", require_table("alpha_bar", self.alpha_bar))

    @property
    def T(self) -> int:
        return len(self.alpha_bar) - 1

    def at(self, t, x: Tensor) -> Tensor:
        """a_t shaped (B,1,..,1), to broadcast against x."""
        return _gather(self.alpha_bar, t, x)

    def signal(self, t, x: Tensor) -> Tensor:
        """sqrt(a_t) shaped (B,1,..,1)"""
        return _gather(self.alpha_bar.sqrt(), t, x)

    def noise_level(self, t, x: Tensor) -> Tensor:
        """sqrt(1 - a_t) shaped (B,1,..,1)"""
        return _gather((1 - self.alpha_bar).sqrt(), t, x)

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
        n = require_count("n, the number of steps,", n, most=self.T, most_name="T")
        return [(2 * self.T * (n - i) + n) // (2 * n) for i in range(n + 1)]  # round(T (n - i) / n), halves up


def _gather(table: Tensor, t, x: Tensor) -> Tensor:
    """table[t] in x's dtype, shaped (B,1,..,1) to broadcast over *D."""
    t = torch.as_tensor(t, device=x.device)
    require_integers("t", t)
    try:
        level = table.to(x).index_select(0, t.flatten())  # where table[t] would take t = -1 for T
    except IndexError:
        got = f"values from {int(t.min())} to {int(t.max())}"
        raise ValueError(f"t must lie in 0..T = {len(table) - 1}, got {got}") from None
    return level.reshape(-1, *[1] * (x.ndim - 1))


def times(schedule: Schedule, steps: int | Sequence[int]) -> list[int]:
    """The times that `steps` stands for: that many even steps from T to 0, or the given list of times, checked."""
    return schedule.grid(steps) if is_integer(steps) else require_times("steps", steps, schedule.T)


def even_angles(schedule: Schedule, steps: int) -> list[int]:
    """Times from T to 0 with arccos sqrt(a_{t_i}) = (1 - i / n)^1.3 arccos sqrt(a_T), n = steps.

    arccos sqrt(a_t) is the angle of x_t between signal and noise. The power makes its steps shorter near clean data,
    where clouds are narrow: with few steps this leaves about half the error of even steps in t. Where neighbours round
    to one time, there are fewer than `steps`. Raises ValueError unless 1 <= steps <= T.
    """
    steps = require_count("steps", steps, most=schedule.T, most_name="T")
    angle = schedule.alpha_bar.sqrt().arccos()
    wanted = angle[-1] * torch.linspace(1, 0, steps + 1, **CPU64) ** 1.3
    return sorted(set(torch.searchsorted(angle, wanted).tolist()), reverse=True)


def from_betas(beta: Tensor) -> Schedule:
    """The schedule of per-step noise variances beta_1..beta_T: alpha_bar_t = prod_{u <= t} (1 - beta_u)."""
    return Schedule(torch.cat([torch.ones(1, **CPU64), (1 - beta.to(**CPU64)).cumprod(0)]))


def linear(T: int = 1000, beta_1: float = 1e-4, beta_T: float = 0.02) -> Schedule:
    """beta rises linearly from beta_1 to beta_T (DDPM, arXiv 2006.11239, sec. 4); T = 1000 ends at alpha_bar = 4.04e-5.

    The same betas with a small T stop far short of pure noise. For a shorter table with the same end, take every n-th
    level of a long one: Schedule(linear(1000).alpha_bar[::20]) has T = 50.
    """
    T = require_count("T", T)
    require_between("beta_1 and beta_T", (beta_1, beta_T), 0, 1)
    return from_betas(torch.linspace(beta_1, beta_T, T, **CPU64))


def cosine(T: int = 1000, s: float = 0.008, beta_max: float = 0.999) -> Schedule:
    """alpha_bar_t = f(t) / f(0), f(t) = cos^2((t/T + s) / (1 + s) pi/2), with beta_t at most beta_max
    (Nichol & Dhariwal, arXiv 2102.09672, eq. 17); T = 1000 ends at alpha_bar = 2.4e-9.
    """
    T = require_count("T", T)
    require_between("s", (s,), 0, math.inf)
    require_between("beta_max", (beta_max,), 0, 1)
    u = torch.linspace(0, 1, T + 1, **CPU64)
    f = torch.cos((u + s) / (1 + s) * math.pi / 2) ** 2
    return from_betas((1 - f[1:] / f[:-1]).clamp(max=beta_max))


def straight(T: int = 1000, last: float = 0.999) -> Schedule:
    """The levels of flow matching's path (1 - u) x_0 + u eps at u = last t / T: a_t = (1 - u)^2 / ((1 - u)^2 + u^2)

    (Lipman et al., arXiv 2210.02747; Liu et al., arXiv 2209.03003). `last` lies below 1, where no signal would be left.
    """
    T = require_count("T", T)
    require_between("last", (last,), 0, 1)
    u = last * torch.linspace(0, 1, T + 1, **CPU64)
    return Schedule((1 - u) ** 2 / ((1 - u) ** 2 + u**2))
