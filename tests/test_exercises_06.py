"""Notebook 06: wrong answers as learners write them, each with a diagnosis of its own; the baselines, measured."""

import pytest
import torch
import torch.nn.functional as F
from helpers import wrong_answers

from cfgedu.exercises.n06 import (
    check_baselines,
    check_guess_time,
    check_posterior_gradient,
    check_resting_scale,
)
from cfgedu.guidance import guided, null_pair, two_models
from cfgedu.metrics import off_support
from cfgedu.protocol import seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import linear
from cfgedu.toy import Mixture, islands, two_gaussians

# ---------------------------------------------------------------- 1: g from nothing but a posterior


def gradient(of):
    def my_g(posterior, x, y):
        x = x.clone().requires_grad_()
        return torch.autograd.grad(of(posterior(x), y), x)[0]

    return my_g


def labels(p, y):
    return torch.full((len(p),), y)


def whole_tuple(posterior, x, y):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(posterior(x)[:, y].log().sum(), x)


def slopes(h, sides=2, together=False, out=lambda parts: torch.stack(parts, 1)):
    """Differences with steps of h to one or both sides, along each coordinate or along both at once."""

    def my_g(posterior, x, y):
        log_p = lambda x: posterior(x)[:, y].log()
        steps = [torch.full((2,), h).to(x)] if together else h * torch.eye(2).to(x)
        behind = lambda step: log_p(x - step) if sides == 2 else log_p(x)
        return out([(log_p(x + step) - behind(step)) / (sides * h) for step in steps])

    return my_g


WRONG_GRADIENTS = {
    "returns a tuple": whole_tuple,
    "for one component of g each": slopes(1e-4, together=True, out=lambda parts: parts[0]),
    "both components are this one slope": slopes(1e-4, together=True, out=lambda parts: torch.stack(parts * 2, 1)),
    "at 0.1 log p is no straight line": slopes(0.1),
    "needs shorter steps": slopes(0.01, sides=1),
    "is transposed": slopes(1e-4, out=torch.stack),
    "turn the sign, and take the sum": gradient(lambda p, y: F.nll_loss(p.log(), labels(p, y))),
    "a probability already": gradient(lambda p, y: p.log_softmax(1)[:, y].sum()),
    "F.cross_entropy takes logits": gradient(lambda p, y: F.cross_entropy(p, labels(p, y))),
    "of all other classes together": gradient(lambda p, y: (1 - p[:, y]).log().sum()),
    "the most probable at each point": gradient(lambda p, y: p.max(1).values.log().sum()),
}

# ---------------------------------------------------------------- 3: a place to rest


def rest(world=two_gaussians, answer=lambda un, cond: -un / (cond - un)):
    schedule, x = linear(), torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    both = null_pair(world().denoiser(schedule))(x, torch.tensor([200]), torch.tensor([1]))
    return answer(*(schedule.score(x, 200, eps)[0, 0] for eps in both))


WRONG_SCALES = {
    "the world of the islands": rest(islands),
    "the divisor is s_cond": rest(answer=lambda un, cond: -un / cond),
    "upside down at that": rest(answer=lambda un, cond: cond / un),
    "the divisor is a sum": rest(answer=lambda un, cond: -un / (cond + un)),
    "this is g itself": rest(answer=lambda un, cond: cond - un),
    "rounded to one": 2.5,
}

CASES = wrong_answers((check_posterior_gradient, WRONG_GRADIENTS), (check_resting_scale, WRONG_SCALES))


@pytest.mark.parametrize(("check", "sentence", "answer"), CASES)
def test_a_wrong_answer_gets_its_diagnosis(capsys, check, sentence, answer):
    assert not check(answer)
    assert sentence in capsys.readouterr().out


def test_right_answers_in_a_learners_own_way():
    assert check_posterior_gradient(slopes(1e-3))
    assert check_posterior_gradient(slopes(1e-4, sides=1))
    assert check_posterior_gradient(gradient(lambda p, y: -F.nll_loss(p.log(), labels(p, y), reduction="sum")))
    assert check_resting_scale(2.45)
    assert check_resting_scale(rest())


# ---------------------------------------------------------------- the baselines, and the peak


def off_the_data(share: float) -> float:
    """Class 0 at r = 4: the share of samples off the data, where the baseline holds that share of class 0."""
    world, schedule = islands(), linear()
    weight = world.weight.double()
    shares = torch.where(world.label == 0, 2 * share * weight, 2 * (1 - share) * weight)  # p(y = 0) is a half
    q = Mixture(world.mean, world.std, shares, torch.zeros_like(world.label)).denoiser(schedule)
    base = lambda x, t, y: q(x, t, torch.zeros_like(y))
    x_T = torch.randn(500, 2, generator=seeded(2), dtype=torch.float64)
    y = torch.zeros(500, dtype=torch.long)
    x = sample(ddim_step, guided(two_models(base, world.denoiser(schedule)), 4.0), schedule, x_T, y)
    return off_support(world, x, y, seeded(3))


def test_a_bound_on_the_ratio_is_not_enough_the_share_counts():
    assert check_baselines.right[0]["1% class 0"] == "off"
    assert off_the_data(0.5) < 0.02
    assert off_the_data(0.01) > 0.15


def test_the_guess_of_the_time_is_the_peak():
    world, schedule = islands(), linear()
    pair = null_pair(world.denoiser(schedule))
    x0, y = world.sample(20_000, seeded(5))
    x0 = x0[y == 0].double()
    noise = torch.randn(x0.shape, generator=seeded(6), dtype=torch.float64)
    y = torch.zeros(len(x0), dtype=torch.long)

    def share(t):
        un, cond = pair(schedule.noise(x0, t, noise), torch.full_like(y, t), y)
        return float((cond - un).norm(dim=1).mean() / cond.norm(dim=1).mean())

    peak, near = int(check_guess_time.right), int(check_guess_time.near)
    assert max((peak - 30, peak, peak + 30), key=share) == peak
    assert share(peak - near) == pytest.approx(share(peak + near), rel=0.1)  # what counts as near is even-handed
