"""Notebook 03: what the exercises call right, measured on samples."""

import pytest
import torch
from helpers import wrong_answers

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


def gaussian_pairs(v, a):
    """x_t, eps, x_0 and the target of the v loss, for data N(0, v)."""
    eps, x0 = torch.randn(2, 400_000, generator=seeded(4), dtype=torch.float64)
    x0 = v**0.5 * x0
    return a**0.5 * x0 + (1 - a) ** 0.5 * eps, eps, x0, a**0.5 * eps - (1 - a) ** 0.5 * x0


def explained(x, z):
    return float((x * z).mean() ** 2 / x.square().mean())


@pytest.mark.parametrize(("v", "a"), [(0.3, 0.6), (2.0, 0.2)])
def test_the_explained_part_of_the_v_target_is_told_from_1_minus_the_floor(v, a, capsys):
    x, *_, target = gaussian_pairs(v, a)
    [part] = [wrong for said, wrong in check_v_floor.wrong.items() if "the target that x_t explains" in said]
    assert explained(x, target) == pytest.approx(float(part(v, level(a))), abs=0.005)
    assert not check_v_floor(part)
    assert "x_t explains" in capsys.readouterr().out
    assert not check_v_floor(lambda v, a: 1 - check_v_floor.right[0](v, a))
    assert "1 minus the floor" in capsys.readouterr().out


def test_the_floors_of_eps_and_x0_add_up_to_that_of_v_without_factors(capsys):
    """So the diagnosis speaks of the factors a and 1 - a alone: with them, the errors' covariance is missing."""
    v, a = 0.3, 0.6
    x, eps, x0, target = gaussian_pairs(v, a)
    floors = [float(z.square().mean()) - explained(x, z) for z in (eps, x0, target)]
    assert floors[0] + floors[1] == pytest.approx(floors[2], rel=0.01)
    assert not check_v_floor(lambda v, a: (a * a * v + (1 - a) * (1 - a) * v) / (a * v + 1 - a))
    assert "one error fixes the other" in capsys.readouterr().out


def test_the_moments_of_the_v_target_are_the_ones_that_are_said():
    v, a = 0.3, 0.6
    x, *_, target = gaussian_pairs(v, a)
    assert float((x * target).mean()) == pytest.approx((a * (1 - a)) ** 0.5 * (1 - v), abs=0.005)
    assert float(target.square().mean()) == pytest.approx(a + (1 - a) * v, abs=0.005)


WRONG_WEIGHTS = {
    "between the errors, with its sign": lambda a: -((a / (1 - a)) ** 0.5),
    "from an error in eps to one in x_0, with its sign": lambda a: -(((1 - a) / a) ** 0.5),
}
WRONG_FLOORS = {
    "spread of the target": lambda v, a: v,
    "a + (1 - a) v, not 1": lambda v, a: 1 - a * (1 - a) * (1 - v) ** 2 / (a * v + 1 - a),
}
WRONG_TIMES = {
    "likelihood bound": lambda a: (b := (1 - a[1:] / a[:-1]) * a[:-1] / a[1:] / (1 - a[1:])) / b.sum(),
    "divided by T as well": lambda a: check_times.right[0](a) / (len(a) - 1),
}
CASES = wrong_answers((check_x0_weight, WRONG_WEIGHTS), (check_v_floor, WRONG_FLOORS), (check_times, WRONG_TIMES))


@pytest.mark.parametrize(("check", "sentence", "answer"), CASES)
def test_a_wrong_answer_gets_its_diagnosis(capsys, check, sentence, answer):
    assert not check(answer)
    assert sentence in capsys.readouterr().out
