"""Every check of notebook 03: the right answer passes, and each named mistake is named."""

from math import sqrt

import pytest
import torch
from helpers import assert_verdict, cases

from cfgedu.exercises.n03 import check_times, check_v_floor, check_x0_weight

X0_WEIGHT = {
    "": lambda a: a / (1 - a),
    "upside down": lambda a: (1 - a) / a,
    "is the square": lambda a: a**2 / (1 - a) ** 2,
    "the loss has its square": lambda a: sqrt(a / (1 - a)),
    "between the score and eps": lambda a: 1 - a,
    "multiplied by sqrt(a) in x_t": lambda a: 1 / (1 - a),
}
V_FLOOR = {
    "": lambda v, a: v / (a * v + 1 - a),
    "floor of the eps loss": lambda v, a: a * v / (a * v + 1 - a),
    "floor of the x_0 loss": lambda v, a: (1 - a) * v / (a * v + 1 - a),
    "was not squared": lambda v, a: sqrt(a) * v / (a * v + 1 - a),
    "should be divided": lambda v, a: a * a * v / (a * v + 1 - a),
    "variance of the target itself": lambda v, a: a + (1 - a) * v,
}
TIMES = {
    "": lambda a: (1 / (1 - a[1:])) / (1 / (1 - a[1:])).sum(),
    "do not sum to 1": lambda a: 1 / (1 - a[1:]),
    "draws the large t most": lambda a: (1 - a[1:]) / (1 - a[1:]).sum(),
    "the loss has its square": lambda a: (1 - a[1:]) ** -0.5 / ((1 - a[1:]) ** -0.5).sum(),
    "still uniform": lambda a: torch.ones(len(a) - 1) / (len(a) - 1),
}
ANSWERS = {check_x0_weight: X0_WEIGHT, check_v_floor: V_FLOOR, check_times: TIMES}


@pytest.mark.parametrize(("check", "mistake", "answer"), cases(ANSWERS))
def test_answers(capsys, check, mistake, answer):
    assert_verdict(capsys, check, mistake, answer)


def test_clean_data_among_the_times_is_a_division_by_zero(capsys):
    check_times(lambda a: (1 / (1 - a[:-1])) / (1 / (1 - a[:-1])).sum())
    assert "division by zero" in capsys.readouterr().out


@pytest.mark.parametrize("check", ANSWERS)
def test_no_answer_yet(capsys, check):
    check(lambda *arguments: None)
    assert "no answer yet" in capsys.readouterr().out


def test_the_floor_of_the_v_loss_is_the_one_measured():
    """The exact v of Gaussian data, on samples."""
    v, a = 0.3, 0.6
    x0, eps = torch.randn(2, 400_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x0 = v**0.5 * x0
    x, target = a**0.5 * x0 + (1 - a) ** 0.5 * eps, a**0.5 * eps - (1 - a) ** 0.5 * x0
    slope = (x * target).mean() / x.square().mean()
    assert float((target - slope * x).square().mean()) == pytest.approx(V_FLOOR[""](v, a), rel=0.01)
