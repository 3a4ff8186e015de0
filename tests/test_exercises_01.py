"""Every check of notebook 01: the right answer passes, and each named mistake is named."""

from math import sqrt

import pytest
import torch
from helpers import assert_verdict, cases

from cfgedu.exercises.n01 import check_betas, check_jump, check_shorten, check_time_of_snr
from cfgedu.schedule import linear

JUMP = {
    "": lambda x, z, a_s, a_t: sqrt(a_t / a_s) * x + sqrt(1 - a_t / a_s) * z,
    "a_t counts from clean data": lambda x, z, a_s, a_t: sqrt(a_t) * x + sqrt(1 - a_t) * z,
    "the noise is multiplied by its variance": lambda x, z, a_s, a_t: sqrt(a_t / a_s) * x + (1 - a_t / a_s) * z,
    "x_s is multiplied by alpha": lambda x, z, a_s, a_t: a_t / a_s * x + sqrt(1 - a_t / a_s) * z,
    "both roots are missing": lambda x, z, a_s, a_t: a_t / a_s * x + (1 - a_t / a_s) * z,
    "variances do not just add up": lambda x, z, a_s, a_t: sqrt(a_t / a_s) * x + sqrt(a_s - a_t) * z,
}
BETAS = {
    "": lambda a: 1 - a[1:] / a[:-1],
    "all the noise since t = 0": lambda a: 1 - a[1:],
    "this is alpha_t": lambda a: a[1:] / a[:-1],
    "a difference of levels": lambda a: -a.diff(),
    "upside down": lambda a: 1 - a[:-1] / a[1:],
    "t = 0 has no step before it": lambda a: torch.cat([a[:1] - 1, 1 - a[1:] / a[:-1]]),
}


def time(quantity):
    return lambda a, snr: int((quantity(a) < snr).int().argmax())


SNR = {
    "": time(lambda a: a / (1 - a)),
    "the root of the SNR": time(lambda a: (a / (1 - a)).sqrt()),
    "alpha_bar itself": time(lambda a: a),
    "sqrt(alpha_bar)": time(lambda a: a.sqrt()),
    "upside down": lambda a, snr: int(((1 - a) / a > snr).int().argmax()),
    "one too early": lambda a, snr: int((a / (1 - a) >= snr).sum()) - 1,
}
SHORTEN = {
    "": lambda a, n: a[:: (len(a) - 1) // n],
    "the first levels": lambda a, n: a[: n + 1],
    "alpha_bar[0] = 1 is lost": lambda a, n: a[:: (len(a) - 1) // n][1:],
    "the last level is lost": lambda a, n: a[:: (len(a) - 1) // n][:-1],
    "evenly spaced in alpha_bar": lambda a, n: torch.linspace(1, float(a[-1]), n + 1),
    "keeps the betas and not the levels": lambda a, n: linear(T=n).alpha_bar,
}
ANSWERS = {check_jump: JUMP, check_betas: BETAS, check_time_of_snr: SNR, check_shorten: SHORTEN}


@pytest.mark.parametrize(("check", "mistake", "answer"), cases(ANSWERS))
def test_answers(capsys, check, mistake, answer):
    assert_verdict(capsys, check, mistake, answer)


@pytest.mark.parametrize("check", list(ANSWERS))
def test_no_answer_yet(capsys, check):
    check(lambda *arguments: None)
    assert "no answer yet" in capsys.readouterr().out
