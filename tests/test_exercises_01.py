"""Notebook 01: what the exercises call right, measured on samples."""

import pytest
import torch

from cfgedu.exercises.n01 import check_larger_images, check_two_times, levels
from cfgedu.protocol import seeded
from cfgedu.schedule import Schedule, linear


def test_the_correlations_are_those_of_a_walk_and_of_one_noise():
    a_s, a_t = levels(0.6, 0.2)
    x0, eps, z = torch.randn(3, 400_000, generator=seeded(0), dtype=torch.float64)
    x_s = a_s.sqrt() * x0 + (1 - a_s).sqrt() * eps
    walk = (a_t / a_s).sqrt() * x_s + (1 - a_t / a_s).sqrt() * z
    one_noise = a_t.sqrt() * x0 + (1 - a_t).sqrt() * eps
    expected = check_two_times.right[0](a_s, a_t)
    for x_t, correlation in zip((walk, one_noise), expected, strict=True):
        assert torch.corrcoef(torch.stack([x_s, x_t]))[0, 1].item() == pytest.approx(correlation.item(), abs=0.01)


def test_the_table_for_larger_images_is_a_schedule_with_the_snr_asked_for():
    a = linear().alpha_bar
    new = Schedule(check_larger_images.right[0](a, 16.0)).alpha_bar
    torch.testing.assert_close(new[1:] / (1 - new[1:]), a[1:] / (1 - a[1:]) / 16)
