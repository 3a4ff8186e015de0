"""The loss explorer: its floors are the losses of the exact denoiser, its targets average to the exact answer."""

import re

import pytest
import torch

from cfgedu.metrics import buckets
from cfgedu.protocol import NULL
from cfgedu.schedule import linear
from cfgedu.toy import Mixture
from cfgedu.widgets.loss_floors import bucket_floors, loss_explorer_demo


def test_floors_of_a_gaussian_are_the_closed_form():
    v, schedule = 0.25, linear()
    one = torch.tensor
    gaussian = Mixture(torch.zeros(1, 2), one([v**0.5]), one([1.0]), one([0]))
    eps_floor, dsm_floor = bucket_floors(gaussian, schedule, NULL, 40_000)
    for k, (low, high) in enumerate(buckets(schedule.T)):
        a = schedule.alpha_bar[low : high + 1]
        floor = a * v / (a * v + 1 - a)
        assert float(eps_floor[k]) == pytest.approx(float(floor.mean()), rel=0.03)
        assert float(dsm_floor[k]) == pytest.approx(float((floor / (1 - a)).mean()), rel=0.04)


def test_every_state_has_a_finite_readout():
    update = loss_explorer_demo().update
    for bucket in range(1, 11):
        for label in (NULL, 0, 1, 2):
            numbers = re.findall(r"loss (\S+?),? ", update(bucket, label) + " ")
            assert len(numbers) >= 1
            assert "nan" not in update(bucket, label)
