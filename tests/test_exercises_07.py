"""Notebook 07: wrong answers as learners write them, each with a diagnosis of its own, and right ones beside them."""

from itertools import pairwise
from math import log, sqrt

import pytest
from helpers import wrong_answers

from cfgedu.exercises.n07 import check_corrector_scale, check_corrector_steps, check_matching_scale
from cfgedu.samplers import ddim_step, ddpm_step
from cfgedu.schedule import linear

# ---------------------------------------------------------------- 1: one spread, two scales

V_C, V_U = 0.25, 1.0  # as in the notebook, where a learner's function finds them


def variances(r, v_c=V_C, v_u=V_U):
    sde = (v_c * v_u - v_c ** (2 * r) * v_u ** (2 - 2 * r)) / ((v_u - v_c) * (2 * r - 1))
    return v_c**r * v_u ** (1 - r), sde, 1 / (r / v_c + (1 - r) / v_u)


def scale(v_c, v_u, r):
    return log(variances(r, v_c, v_u)[1] / v_u) / log(v_c / v_u)


WRONG_SCALES = {
    "reads these two from the notebook": lambda v_c, v_u, r: log(variances(r)[1] / v_u) / log(v_c / v_u),
    "whatever they are: use the arguments": lambda v_c, v_u, r: scale(V_C, V_U, r),
    "the logarithms are missing": lambda v_c, v_u, r: (variances(r, v_c, v_u)[1] / v_u) / (v_c / v_u),
    "v_c is divided out in the place of v_u": lambda v_c, v_u, r: scale(v_c, v_u, r) - 1,
    "v_c and v_u are exchanged": lambda v_c, v_u, r: log(variances(r, v_c, v_u)[1] / v_c) / log(v_u / v_c),
    "v_u is missing in the lower logarithm": lambda v_c, v_u, r: log(variances(r, v_c, v_u)[1] / v_u) / log(v_c),
    "is a difference": lambda v_c, v_u, r: log(v_c / ((v_u - v_c) * (2 * r - 1))) / log(v_c / v_u),
    "the sign is the wrong way round": lambda v_c, v_u, r: -scale(v_c, v_u, r),
}

# ---------------------------------------------------------------- 2: until the corrector rests


def corrected(K, of=lambda a_t, a_s: a_s, h_of=lambda h: h, predictor=ddim_step, label=1.0):
    """The final variance, step by step, with room for one mistake each."""
    alpha_bar, V = linear().alpha_bar.tolist(), 1.0
    pull = lambda a, r: r / (a * V_C + 1 - a) + (1 - r) / (a * V_U + 1 - a)
    for t, s in pairwise(linear().grid(100)):
        a_t, a_s = alpha_bar[t], alpha_bar[s]
        k = predictor(1.0, sqrt(1 - a_t) * pull(a_t, label), a_t, a_s, 0.0)
        V = k**2 * V + predictor(0.0, 0.0, a_t, a_s, 1.0 if s > 0 else 0.0) ** 2
        h = h_of((1 - a_t / a_s) * (1 - a_s) / (1 - a_t))
        for _ in range(K if s > 0 else 0):
            V = (1 - h / 2 * pull(of(a_t, a_s), 3)) ** 2 * V + h
    return V


def searched(**mistake):
    """The smallest K for each tolerance: one run a K, each looked at once."""
    left, steps = [0.10, 0.03, 0.013], []
    for K in range(200):
        off = abs(corrected(K, **mistake) / variances(3)[2] - 1)
        while left and off < left[0]:
            steps.append(K)
            left.pop(0)
        if not left:
            return steps
    raise AssertionError("no K is good enough")


WRONG_STEPS = {
    "takes the score of level t": {"of": lambda a_t, a_s: a_t},
    "twice as long as they should be": {"h_of": lambda h: 2 * h},
    "half as long as they should be": {"h_of": lambda h: h / 2},
    "adds noise of its own": {"predictor": ddpm_step},
    "the predictor is the unconditional one": {"label": 0.0},
}

# ---------------------------------------------------------------- 3: the hidden corrector

WRONG_WEIGHTS = {
    "not by eta": lambda r, eta: ((1 + eta**2) * r - 1) / eta,
    "in both places": lambda r, eta: (r + eta * r - 1) / eta**2,
    "has to be divided by eta^2 as well": lambda r, eta: r + r / eta**2 - 1,
    "take out one conditional score": lambda r, eta: (1 + eta**2) * r - eta**2,
    "holds at eta = 1 only": lambda r, eta: (2 * r - 1) / eta**2,
    "the weight of g in the whole step": lambda r, eta: r + eta**2 * r,
}

CASES = wrong_answers((check_matching_scale, WRONG_SCALES), (check_corrector_scale, WRONG_WEIGHTS))


@pytest.mark.parametrize(("check", "sentence", "answer"), CASES)
def test_a_wrong_function_gets_its_diagnosis(capsys, check, sentence, answer):
    assert not check(answer)
    assert sentence in capsys.readouterr().out


@pytest.mark.parametrize("sentence", WRONG_STEPS)
def test_a_wrong_run_gets_its_diagnosis(capsys, sentence):
    assert not check_corrector_steps(searched(**WRONG_STEPS[sentence]))
    assert sentence in capsys.readouterr().out


def test_right_answers_in_a_learners_own_way():
    assert check_matching_scale(scale)
    assert check_corrector_steps(searched())
    assert check_corrector_scale(lambda r, eta: r * (1 + eta**-2) - eta**-2)


def test_one_step_too_many_is_seen(capsys):
    assert not check_corrector_steps([K + 1 for K in searched()])
    assert "one too many each" in capsys.readouterr().out
