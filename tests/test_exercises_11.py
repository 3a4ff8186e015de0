"""Every check of notebook 11: the right answer passes, and each named mistake is named."""

import pytest
import torch
from helpers import assert_verdict, cases

from cfgedu.exercises.n11 import check_expected_accuracy, check_grid, check_unconditional
from cfgedu.guidance import guided, null_pair, unconditional
from cfgedu.protocol import NULL
from cfgedu.samplers import ddim_step, sample


def drawn(label, model=lambda net: net):
    """Samples with the labels that label(B) gives."""

    def answer(net, schedule, x_T, steps):
        return sample(ddim_step, model(net), schedule, x_T, label(len(x_T)), steps)

    return answer


def plain_average(net):
    return lambda x, t, y: sum(net(x, t, torch.full_like(y, k)) for k in range(10)) / 10


def constant(k):
    return lambda B: torch.full((B,), k)


UNCONDITIONAL = {
    "": drawn(constant(NULL)),
    "class 0": drawn(constant(0)),
    "class 9": drawn(constant(9)),
    "a class of its own": drawn(torch.arange),
    "plain average": drawn(constant(NULL), plain_average),
}
ALSO_RIGHT = {
    "the wrapper": drawn(constant(4), unconditional),
    "guidance at r = 0": drawn(constant(4), lambda net: guided(null_pair(net), 0.0)),
}
ACCURACY = {
    "": lambda shares, y: float(shares[y].mean()),
    "1 / K holds where": lambda shares, y: 0.1,
    "commonest digit": lambda shares, y: shares.max(),
    "the same shares": lambda shares, y: (shares * shares).sum(),
    "cannot all fit": lambda shares, y: 1.0,
    "sums over the labels": lambda shares, y: shares[y].sum(),
}


def grid(r=lambda scales, C: scales.repeat_interleave(C), noise=False, labels=False, transpose=False, fresh=False):
    """The grid in one call of sample, with room for one mistake each; noise, labels: repeat them the other way."""

    def answer(net, schedule, x_T, y, scales, steps):
        R, C = len(scales), len(x_T)
        x = x_T.repeat_interleave(R, 0) if noise else x_T.repeat(R, 1, 1, 1)
        if fresh:
            x = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
        y = y.repeat_interleave(R) if labels else y.repeat(R)
        x0 = sample(ddim_step, guided(null_pair(net), r(scales, C)), schedule, x, y, steps)
        x0 = x0.reshape(R, C, *x_T.shape[1:])
        return x0.transpose(0, 1) if transpose else x0

    return answer


def one_call_a_row(net, schedule, x_T, y, scales, steps):
    rows = [sample(ddim_step, guided(null_pair(net), float(r)), schedule, x_T, y, steps) for r in scales]
    return torch.stack(rows)


GRID = {
    "": grid(),
    "r and noise are crossed": grid(r=lambda scales, C: scales.repeat(C)),
    "noise and labels are crossed": grid(labels=True),
    "w = r - 1": grid(r=lambda scales, C: 1 + scales.repeat_interleave(C)),
    "transposed": grid(transpose=True),
    "vary down the rows": grid(noise=True, labels=True),
    "noise of its own": grid(fresh=True),
    "once for every scale": one_call_a_row,
}
ANSWERS = {check_unconditional: UNCONDITIONAL, check_expected_accuracy: ACCURACY, check_grid: GRID}


@pytest.mark.parametrize(("check", "mistake", "answer"), cases(ANSWERS))
def test_answers(capsys, check, mistake, answer):
    assert_verdict(capsys, check, mistake, answer)


@pytest.mark.parametrize("answer", ALSO_RIGHT.values(), ids=ALSO_RIGHT)
def test_other_ways_to_be_unconditional(capsys, answer):
    check_unconditional(answer)
    out = capsys.readouterr().out
    assert "✓" in out
    assert "✗" not in out


@pytest.mark.parametrize("check", ANSWERS)
def test_no_answer_yet(capsys, check):
    check(lambda *arguments: None)
    assert "no answer yet" in capsys.readouterr().out
