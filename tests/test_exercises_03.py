"""Notebook 03: what the exercises call right, measured on samples."""

import pytest
import torch

from cfgedu.exercises.n03 import check_times, check_v_floor, check_x0_weight, level
from cfgedu.protocol import seeded
from cfgedu.schedule import linear


def test_clean_data_among_the_times_is_a_division_by_zero(capsys):
    assert not check_times(lambda a: (1 / (1 - a[:-1])) / (1 / (1 - a[:-1])).sum())
    assert "division by zero" in capsys.readouterr().out


def test_the_floor_of_the_v_loss_is_the_one_measured():
    """The exact v of Gaussian data, on samples."""
    v, a = 0.3, level(0.6)
    x0, eps = torch.randn(2, 400_000, generator=seeded(0), dtype=torch.float64)
    x0 = v**0.5 * x0
    x, target = a**0.5 * x0 + (1 - a) ** 0.5 * eps, a**0.5 * eps - (1 - a) ** 0.5 * x0
    slope = (x * target).mean() / x.square().mean()
    assert float((target - slope * x).square().mean()) == pytest.approx(float(check_v_floor.right[0](v, a)), rel=0.01)


def test_the_weight_makes_the_two_losses_equal():
    x, eps, eps_hat = torch.randn(3, 50, generator=seeded(1), dtype=torch.float64)
    a = level(0.3)
    x0, x0_hat = ((x - (1 - a) ** 0.5 * e) / a**0.5 for e in (eps, eps_hat))
    torch.testing.assert_close(check_x0_weight.right[0](a) * (x0_hat - x0) ** 2, (eps_hat - eps) ** 2)


def test_drawn_times_make_the_plain_loss_unweighted_dsm():
    a = linear().alpha_bar
    p = check_times.right[0](a)
    loss = torch.rand(len(p), generator=seeded(2), dtype=torch.float64)  # any eps loss at each t
    other = torch.rand(len(p), generator=seeded(3), dtype=torch.float64)
    unweighted = [(each / (1 - a[1:])).mean() for each in (loss, other)]
    drawn = [(p * each).sum() for each in (loss, other)]
    assert float(drawn[0] / drawn[1]) == pytest.approx(float(unweighted[0] / unweighted[1]), rel=1e-9)
