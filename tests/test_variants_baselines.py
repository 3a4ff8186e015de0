"""Other baselines, and samplers of the tilted density: by hand, in their limiting cases, against closed forms."""

import pickle
from copy import deepcopy

import pytest
import torch
from helpers import Net, Recorder, random_batch, random_mixture
from test_bad_input import complain

from cfgedu.guidance import guided, null_pair, two_models, unconditional
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import SAMPLERS, sample
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import gaussian, islands
from cfgedu.variants import baselines, classifier_guided, feedback, rejection, resampled
from cfgedu.variants.baselines import _systematic

S = linear()
HALF = Schedule(torch.tensor([1.0, 0.75, 0.36], dtype=torch.float64))  # at t = 2: sqrt(1 - a) = 0.8
X, Y = torch.tensor([[1.0, 2.0], [3.0, -1.0]], dtype=torch.float64), torch.tensor([0, 1])
T2 = torch.tensor([2, 2])


def zero(x, t, y):
    return torch.zeros_like(x)


def linear_log_p(x, t, y):
    """Gradient (1, 2) for class 0, (2, 4) for class 1."""
    return (y + 1) * (x @ torch.tensor([1.0, 2.0]).to(x))


def exact_log_p(mixture, schedule=S):
    """log p(y given x_t) without underflow, up to the constant log p(y)."""
    alpha_bar = schedule.alpha_bar

    def log_p(x, t, y):
        return mixture.log_prob(x, y, alpha_bar[t]) - mixture.log_prob(x, torch.full_like(y, NULL), alpha_bar[t])

    return log_p


# ---- classifier guidance ----


def test_classifier_guidance_by_hand():
    model = classifier_guided(lambda x, t, y: x, linear_log_p, 3.0, HALF)
    # eps_un - r * 0.8 * gradient, with eps_un = x
    expected = torch.tensor([[1 - 2.4 * 1, 2 - 2.4 * 2], [3 - 2.4 * 2, -1 - 2.4 * 4]], dtype=torch.float64)
    torch.testing.assert_close(model(X, T2, Y), expected, rtol=0, atol=1e-12)
    each = classifier_guided(lambda x, t, y: x, linear_log_p, torch.tensor([0.0, 3.0]), HALF)(X, T2, Y)
    torch.testing.assert_close(each, torch.stack([X[0], expected[1]]), rtol=0, atol=1e-12)
    of_time = classifier_guided(lambda x, t, y: x, linear_log_p, lambda t: 1.5 * t, HALF)(X, T2, Y)
    torch.testing.assert_close(of_time, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("r", [-1.0, 0.0, 0.5, 1.0, 4.0])
def test_classifier_guidance_is_cfg_where_everything_is_exact(r):
    mixture = random_mixture(0, 3, 6)
    x, t, y = random_batch(1, 3, S.T, B=64)
    eps = mixture.denoiser(S)
    got = classifier_guided(unconditional(eps), exact_log_p(mixture), r, S)(x, t, y)
    torch.testing.assert_close(got, guided(null_pair(eps), r)(x, t, y), rtol=0, atol=1e-12)


def test_classifier_guidance_at_zero_and_without_a_label_is_unconditional():
    net = Net()
    x, t, y = random_batch(2, 3, S.T)
    assert torch.equal(classifier_guided(net, linear_log_p, 0.0, S)(x, t, y), net(x, t, torch.full_like(y, NULL)))
    got = classifier_guided(net, linear_log_p, 5.0, S)(x, t, y)
    assert torch.equal(got[y == NULL], net(x, t, torch.full_like(y, NULL))[y == NULL])
    assert not torch.equal(got[y != NULL], net(x, t, torch.full_like(y, NULL))[y != NULL])


def test_classifier_guidance_works_without_gradients_and_leaves_none():
    mixture = islands()
    model = classifier_guided(mixture.denoiser(S), exact_log_p(mixture), 2.0, S)
    assert model.K == 3
    x, y = torch.randn(8, 2, generator=seeded(0), dtype=torch.float64), torch.arange(8) % 3
    got = sample(SAMPLERS["DDIM"], model, S, x, y, 5)
    expected = sample(SAMPLERS["DDIM"], guided(null_pair(mixture.denoiser(S)), 2.0), S, x, y, 5)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-9)
    assert not x.requires_grad
    with torch.no_grad():
        assert not model(x, torch.full((8,), 500), y).requires_grad


def test_classifier_guidance_asks_for_no_label_and_never_for_the_log_p_of_none():
    asked = Recorder()
    x, t, y = random_batch(3, 3, S.T)
    labels = []

    def log_p(x, t, y):
        labels.append(y)
        return x.sum(1)

    classifier_guided(asked, log_p, 1.0, S)(x, t, y)
    assert (asked.calls[0][2] == NULL).all()
    assert labels[0].min() >= 0


@pytest.mark.parametrize(
    ("log_p", "r", "error", "words"),
    [
        (lambda x, t, y: x, 1.0, ValueError, ["log_p must return one number per row", r"\(2,\)", r"\(2, 2\)"]),
        (lambda x, t, y: x.sum(), 1.0, ValueError, ["log_p must return one number per row", r"got \(\)"]),
        (lambda x, t, y: y.to(x), 1.0, ValueError, ["log_p must depend on x", "without a gradient"]),
        (lambda x, t, y: y, 1.0, TypeError, ["log_p must return a floating-point tensor", "int64"]),
        (linear_log_p, float("nan"), ValueError, ["r must be finite"]),
        (linear_log_p, "2", TypeError, ["r must be a number"]),
    ],
)
def test_classifier_guidance_refuses(log_p, r, error, words):
    with complain(error, *words):
        classifier_guided(zero, log_p, r, HALF)(X, T2, Y)


# ---- noisy labels ----


def noisy(mixture, correct, schedule=S):
    """(pair, q) of a world whose labels are right with probability `correct`: exact, by autograd of its density."""
    alpha_bar, own = schedule.alpha_bar, exact_log_p(mixture, schedule)

    def q(x, t, y):
        return correct * own(x, t, y).exp() + 1 - correct

    def eps_cond(x, t, y):
        point = x.detach().requires_grad_()
        without = mixture.log_prob(point, torch.full_like(y, NULL), alpha_bar[t])
        (score,) = torch.autograd.grad((without + q(point, t, y).log()).sum(), point)
        return -schedule.noise_level(t, x) * score

    return two_models(unconditional(mixture.denoiser(schedule)), eps_cond), q


def test_feedback_by_hand():
    pair = two_models(zero, lambda x, t, y: x)
    model = feedback(pair, lambda x, t, y: torch.tensor([1.2, 0.4], dtype=torch.float64), 0.75)
    # r = q / (q - 0.25): 1.2 / 0.95 and 0.4 / 0.15
    expected = X * torch.tensor([[1.2 / 0.95], [0.4 / 0.15]], dtype=torch.float64)
    torch.testing.assert_close(model(X, T2, Y), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("correct", [0.3, 0.7, 0.95])
def test_feedback_undoes_noisy_labels(correct):
    mixture = islands()
    g = seeded(4)
    x0, y = mixture.sample(200, g)
    t = torch.randint(1, S.T + 1, (200,), generator=g)
    x = S.noise(x0.double(), t, torch.randn(200, 2, generator=g, dtype=torch.float64))
    pair, q = noisy(mixture, correct)
    right = mixture.denoiser(S)(x, t, y)
    assert (pair(x, t, y)[1] - right).abs().max() > 0.01  # the noisy conditional model is another one
    torch.testing.assert_close(feedback(pair, q, correct)(x, t, y), right, rtol=0, atol=1e-9)


def test_feedback_of_right_labels_is_the_conditional_prediction():
    net = Net()
    x, t, y = random_batch(5, 3, S.T)
    for q in (lambda x, t, y: torch.ones(len(x)), lambda x, t, y: torch.zeros(len(x))):  # whatever q says
        assert torch.equal(feedback(null_pair(net), q, 1.0)(x, t, y), null_pair(net)(x, t, y)[1])
    assert feedback(null_pair(net), q, 0.5).K == 3


def test_feedback_stays_finite_where_x_speaks_against_the_label():
    mixture = islands()
    pair, q = noisy(mixture, 0.7)
    x = torch.tensor([[6.0, -6.0], [-6.0, -6.0], [0.0, 9.0]])
    got = feedback(pair, q, 0.7)(x, torch.tensor([20, 20, 20]), torch.tensor([0, 1, 2]))
    assert torch.isfinite(got).all()
    with complain(ValueError, "q must return one number per row"):
        feedback(pair, lambda x, t, y: x, 0.7)(X, T2, Y)


@pytest.mark.parametrize("correct", [0, -0.5, 1.5, float("nan"), "0.7", True])
def test_feedback_refuses(correct):
    with complain(ValueError, r"correct must be a share in \(0, 1\]"):
        feedback(null_pair(Net()), lambda x, t, y: x[:, 0], correct)


# ---- rejection ----


def line(n, generator):
    """Uniform on (0, 1)."""
    return torch.rand(n, 1, generator=generator, dtype=torch.float64)


def test_rejection_draws_the_tilted_density():
    """p(c given x) = x on (0, 1): the tilted density of r is r x^(r-1), with mean r / (r + 1)."""
    asked = []

    def draw(n, generator):
        asked.append(n)
        return line(n, generator)

    for r in (1.0, 2.0, 4.0):
        asked.clear()
        x = rejection(draw, lambda x: x[:, 0].log(), r, 20_000, seeded(0))
        assert x.shape == (20_000, 1)
        mean, deviation = r / (r + 1), (r / (r + 2) - (r / (r + 1)) ** 2) ** 0.5
        assert abs(float(x.mean()) - mean) < 4 * deviation / 20_000**0.5
        assert 20_000 / sum(asked) == pytest.approx(1 / r, rel=0.05)  # the share kept is the integral of x^(r-1)
    assert torch.equal(rejection(line, lambda x: x[:, 0].log(), 1.0, 9, seeded(3)), line(9, seeded(3)))  # keeps all


def test_rejection_by_hand():
    """The draws in order, each against its own coin."""
    x = rejection(line, lambda x: x[:, 0].log(), 3.0, 4, seeded(1))
    g, kept = seeded(1), []
    while len(kept) < 4:
        candidates = line(4 - len(kept), g)
        coins = torch.rand(len(candidates), generator=g)
        kept += [float(c) for c, coin in zip(candidates, coins) if coin < float(c) ** 2]
    assert x.flatten().tolist() == kept


@pytest.mark.parametrize(
    ("r", "n", "log_p", "error", "words"),
    [
        (0.5, 4, lambda x: x[:, 0].log(), ValueError, ["r must be 1 or more", "got 0.5"]),
        (float("inf"), 4, lambda x: x[:, 0].log(), ValueError, ["r must be finite"]),
        (torch.ones(4), 4, lambda x: x[:, 0].log(), TypeError, ["r must be one number"]),
        (2.0, 0, lambda x: x[:, 0].log(), ValueError, ["n, the number of samples, must be an int of 1 or more"]),
        (2.0, 4, lambda x: x[:, 0] + 1, ValueError, ["log_p must return logarithms of probabilities, at most 0"]),
        (2.0, 4, lambda x: x, ValueError, ["log_p must return one number per row"]),
        (2.0, 4, lambda x: x[:, 0] * float("nan"), ValueError, ["log_p must return logarithms"]),
        (2.0, 2, lambda x: x[:, 0] - 1000, RuntimeError, ["draws 0 were kept", "r = 2"]),
    ],
)
def test_rejection_refuses(r, n, log_p, error, words):
    with complain(error, *words):
        rejection(line, log_p, r, n, seeded(0))


# ---- a corrected population ----

V_C, V_U = 0.25, 1.0
GAUSSIANS = two_models(gaussian(S, V_U), gaussian(S, V_C))


def population(r, n, steps, seed=0, pair=GAUSSIANS):
    x = torch.randn(n, 1, generator=seeded(100 + seed), dtype=torch.float64)
    return resampled(pair, r, S, x, torch.zeros(n).long(), steps, seeded(seed))


def tilted_variance(r):
    return 1 / (r / V_C + (1 - r) / V_U)


def test_resampled_by_hand():
    """Two rows, two steps of a schedule with short numbers; weights so close that no row is drawn anew."""
    pair = two_models(zero, lambda x, t, y: 0.1 * x)
    x, y = torch.tensor([[1.0], [2.0]], dtype=torch.float64), torch.tensor([0, 0])
    got, log_weight = resampled(pair, 3.0, HALF, x, y, [2, 1, 0], seeded(7))
    z = torch.randn(2, 1, generator=seeded(7), dtype=torch.float64)
    b2, b1 = 1 - 0.36 / 0.75, 1 - 0.75
    x1 = x + b2 * (x / 2 - 0.3 * x / 0.8) + b2**0.5 * z
    x0 = x1 + b1 * (x1 / 2 - 0.3 * x1 / 0.25**0.5)
    torch.testing.assert_close(got, x0, rtol=0, atol=1e-12)
    # beta / 2 r (r - 1) |eps_cond - eps_un|^2 / (1 - a_t), with r (r - 1) = 6
    expected = 3 * (b2 * (0.1 * x) ** 2 / 0.64 + b1 * (0.1 * x1) ** 2 / 0.25)
    torch.testing.assert_close(log_weight, expected[:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("r", [0.0, 1.0])
def test_resampled_without_a_tilt_is_a_sampler(r):
    mixture = random_mixture(6, 2, 4)
    pair = null_pair(mixture.denoiser(S))
    x, y = torch.randn(32, 2, generator=seeded(1), dtype=torch.float64), torch.ones(32).long()
    got, log_weight = resampled(pair, r, S, x, y, 20, seeded(2))
    assert torch.equal(got, sample(SAMPLERS["Euler-Maruyama"], guided(pair, r), S, x, y, 20, seeded(2)))
    assert torch.equal(log_weight, torch.zeros(32, dtype=torch.float64))


@pytest.mark.parametrize("r", [2.0, 3.0])
def test_resampled_reaches_the_tilted_gaussian(r):
    """Variance and integral have closed forms; the guided SDE alone misses the variance."""
    x, log_weight = population(r, 10_000, 500)
    weight = log_weight.softmax(0)
    variance = float(weight @ x[:, 0] ** 2 - (weight @ x[:, 0]) ** 2)
    plain = (V_C * V_U - V_C ** (2 * r) * V_U ** (2 - 2 * r)) / ((V_U - V_C) * (2 * r - 1))
    assert abs(variance - tilted_variance(r)) < 0.4 * abs(plain - tilted_variance(r))
    integral = (tilted_variance(r) / (V_C**r * V_U ** (1 - r))) ** 0.5
    assert float(log_weight.exp().mean()) == pytest.approx(integral, rel=0.1)


def test_rows_are_drawn_anew_by_their_weights(monkeypatch):
    weight = torch.tensor([0.5, 0.0, 0.25, 0.25], dtype=torch.float64)
    for seed in range(20):
        assert _systematic(weight, seeded(seed)).tolist() == [0, 0, 2, 3]
    weight = torch.tensor([0.6, 0.3, 0.1, 0.0], dtype=torch.float64)
    counts = sum(_systematic(weight, seeded(seed)).bincount(minlength=4) for seed in range(2000)) / 2000
    torch.testing.assert_close(counts.double(), 4 * weight, rtol=0, atol=0.04)
    drawn_by = []
    monkeypatch.setattr(baselines, "_systematic", lambda w, g: drawn_by.append(w) or _systematic(w, g))
    _, log_weight = population(6.0, 500, 100)
    assert drawn_by
    assert all(1 / float(w.square().sum()) < 250 for w in drawn_by)
    assert 1 / float(log_weight.softmax(0).square().sum()) >= 250


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"r": torch.ones(4)}, TypeError, ["r must be one number"]),
        ({"r": lambda t: 2.0}, TypeError, ["r must be one number"]),
        ({"r": float("nan")}, ValueError, ["r must be finite"]),
        ({"y": torch.tensor([0, 1, 0, 0])}, ValueError, ["y must hold one label", r"\[0, 1\]"]),
        ({"y": torch.full((4,), 3)}, ValueError, ["y must hold labels 0..2"]),
        ({"x": torch.full((4, 2), float("nan"))}, ValueError, ["x must be finite"]),
        ({"steps": [500, 600, 0]}, ValueError, ["steps as a list must strictly decrease"]),
    ],
)
def test_resampled_refuses(change, error, words):
    x = torch.randn(4, 2, generator=seeded(0), dtype=torch.float64)
    given = {"r": 2.0, "schedule": S, "x": x, "y": torch.zeros(4).long(), "steps": 5} | change
    with complain(error, *words):
        resampled(null_pair(Net()), **given)


# ---- wrappers can be stored and copied ----


def ratio(x, t, y):
    return 1 + x[:, 0].square()


@pytest.mark.parametrize(
    "make",
    [
        lambda net: classifier_guided(net, linear_log_p, 2.0, S),
        lambda net: feedback(null_pair(net), ratio, 0.7),
    ],
    ids=["classifier_guided", "feedback"],
)
def test_wrappers_can_be_stored_and_copied(make):
    net = Net()
    x, t, y = random_batch(8, 3, S.T)
    model = make(net)
    stored, copied = pickle.loads(pickle.dumps(model)), deepcopy(model)
    assert torch.equal(stored(x, t, y), model(x, t, y))
    before = model(x, t, y).detach().clone()
    with torch.no_grad():
        net.out.add_(0.1)
    assert torch.equal(copied(x, t, y), before)  # a copy holds a copy of the network
    assert not torch.equal(model(x, t, y), before)
    assert copied.K == stored.K == 3
