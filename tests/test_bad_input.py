"""Bad input to the core: one clear error at the edge that names the argument, what came, and what was expected."""

from functools import partial

import numpy as np
import pytest
import torch
from helpers import Net, Recorder, random_batch, random_mixture

from cfgedu.guidance import clip_x0, from_score, from_v, from_x0, guided, null_pair, two_models, unconditional
from cfgedu.losses import drop_labels, dsm_loss, eps_loss, twin_loss
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import ddim_step, ddpm_step, sample, trajectory
from cfgedu.schedule import Schedule, cosine, linear, straight
from cfgedu.toy import Mixture, islands

S = linear()
NET = Net(K=3)
X, T_, Y = random_batch(0, 3, 1000, B=4)
NAN = torch.tensor([[0.0, float("nan")]] * 4)
TABLE = [1.0, 0.6, 0.3, 0.1]


def complain(error, *words):
    """A context that wants `error` with every one of `words` in its message."""
    pattern = "".join(f"(?=.*{w})" for w in words)
    return pytest.raises(error, match=f"(?s){pattern}")


# ---- sample and trajectory ----

EDGES = {
    "sample": lambda x=X, y=Y, steps=5, model=NET: sample(ddim_step, model, S, x, y, steps),
    "trajectory": lambda x=X, y=Y, steps=5, model=NET: trajectory(
        ddim_step, model, S, x, y, steps
    ),  # at the call itself
}
LOSSES = {
    "eps_loss": lambda x=X, y=Y, model=NET, **k: eps_loss(model, S, x, y, **k),
    "dsm_loss": lambda x=X, y=Y, model=NET, **k: dsm_loss(model, S, x, y, **k),
    "twin_loss": lambda x=X, y=Y, model=NET: twin_loss(null_pair(model), S, x, y),
}
at_sampling = pytest.mark.parametrize("edge", EDGES.values(), ids=list(EDGES))
at_every_edge = pytest.mark.parametrize("edge", [*EDGES.values(), *LOSSES.values()], ids=[*EDGES, *LOSSES])
at_every_loss = pytest.mark.parametrize("edge", LOSSES.values(), ids=list(LOSSES))


@at_every_edge
@pytest.mark.parametrize(
    ("y", "error", "words"),
    [
        (torch.tensor([0, 1, 3, 2]), ValueError, ["y must hold labels 0..2", "NULL = -1", "got 0 to 3"]),
        (torch.tensor([0, 1, -2, 2]), ValueError, ["y must hold labels 0..2", "got -2 to 2"]),
        (torch.tensor([0, 1, 2]), ValueError, ["y must have one label per row", r"shape \(4,\)", r"got \(3,\)"]),
        (torch.tensor([[0], [1], [2], [0]]), ValueError, ["y must have one label per row", r"got \(4, 1\)"]),
        (torch.tensor(1), ValueError, ["y must have one label per row", r"got \(\)"]),
        (torch.zeros(4), TypeError, ["y must be a tensor of integers", "torch.float32"]),
        (torch.zeros(4, dtype=torch.bool), TypeError, ["y must be a tensor of integers", "torch.bool"]),
        (
            torch.zeros(4, dtype=torch.uint8),
            TypeError,
            ["y must be a tensor of integers", "torch.uint8"],
        ),  # cannot hold NULL
        ([0, 1, 2, 0], TypeError, ["y must be a tensor of integers", "list"]),
        (None, TypeError, ["y must be a tensor of integers", "NoneType"]),
    ],
)
def test_labels(edge, y, error, words):
    with complain(error, *words):
        edge(y=y)


@at_every_edge
@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (NAN, ValueError, ["x0? must be finite", "4 NaN or infinite of 8"]),
        (torch.full((4, 2), float("inf")), ValueError, ["x0? must be finite", "8 NaN or infinite of 8"]),
        (torch.zeros(4, 2, dtype=torch.long), TypeError, ["x0? must be a floating-point tensor", "torch.int64"]),
        (np.zeros((4, 2)), TypeError, ["x0? must be a floating-point tensor", "ndarray"]),
        (torch.zeros(4), ValueError, [r"x0? must have shape \(B, \*D\)", r"got \(4,\)"]),
    ],
)
def test_data(edge, x, error, words):
    with complain(error, *words):
        edge(x=x)


@at_sampling
@pytest.mark.parametrize(
    ("steps", "error", "words"),
    [
        (0, ValueError, ["steps", r"1\.\.T = 1000", "got 0"]),
        (-5, ValueError, ["steps", "got -5"]),
        (1001, ValueError, ["steps", r"1\.\.T = 1000", "got 1001"]),
        (True, TypeError, ["steps must be an int or a list of times", "True"]),
        (5.0, TypeError, ["steps must be an int or a list of times", "5.0"]),
        (torch.tensor(5.0), TypeError, ["steps must be an int or a list of times"]),
        (None, TypeError, ["steps must be an int or a list of times", "None"]),
        ("12", TypeError, ["steps as a list must hold integer times", "'1'"]),
        ([1000, 500.5, 0], TypeError, ["steps as a list must hold integer times", "500.5"]),
        ([1000, float("nan"), 0], TypeError, ["steps as a list must hold integer times", "nan"]),
        (torch.linspace(1000, 0, 3), TypeError, ["steps as a list must hold integer times"]),
        ([], ValueError, ["steps as a list", "end in 0", r"got \[\]"]),
        ([0], ValueError, ["steps as a list", "end in 0", r"got \[0\]"]),
        ([1000, 500], ValueError, ["strictly decrease and end in 0", r"got \[1000, 500\]"]),
        ([0, 500, 1000], ValueError, ["strictly decrease and end in 0"]),
        ([1000, 500, 500, 0], ValueError, ["strictly decrease and end in 0"]),
        ([1000, 0, 0], ValueError, ["strictly decrease and end in 0"]),
        ([1000, 0, -1], ValueError, ["strictly decrease and end in 0"]),
        ([500, 1000, 0], ValueError, ["strictly decrease and end in 0"]),
        ([1001, 500, 0], ValueError, ["steps must start at T = 1000 or below", "got 1001"]),
        (np.array([[1000, 0]]), TypeError, ["steps as a list must hold integer times"]),
    ],
)
def test_steps(edge, steps, error, words):
    with complain(error, *words):
        edge(steps=steps)


@pytest.mark.parametrize("eta", [-0.1, 1.01, 2, float("nan"), float("inf")])
def test_eta(eta):
    with complain(ValueError, r"eta must lie in \[0, 1\]", f"got {eta}"):
        sample(partial(ddim_step, eta=eta), NET, S, X, Y, 3)


# ---- a prediction of the wrong shape ----


@pytest.mark.parametrize(
    "answer", [lambda x, t, y: x[:, :1], lambda x, t, y: x[:1], lambda x, t, y: x.mean(), lambda x, t, y: 0.0]
)
def test_a_prediction_must_have_the_shape_of_x(answer):
    words = ["the model's prediction must have the shape of x", r"\(4, 2\)"]
    for call in (EDGES["sample"], LOSSES["eps_loss"], LOSSES["dsm_loss"]):
        with complain(ValueError, *words):
            call(model=answer)


def test_a_prediction_for_half_of_the_doubled_batch():
    for answer in (lambda x, t, y: x[:1], lambda x, t, y: x[: len(x) // 2], lambda x, t, y: x[:, 0]):
        with complain(ValueError, "the model's prediction must have the shape of x", r"\(8, 2\)"):
            sample(ddim_step, guided(null_pair(answer), 2.0), S, X, Y, 3)


def test_a_pair_in_place_of_a_denoiser():
    words = ["the model's prediction must be one tensor", "got a tuple", r"guided\(pair, r\)"]
    for call in (EDGES["sample"], LOSSES["eps_loss"], LOSSES["dsm_loss"]):
        with complain(TypeError, *words):
            call(model=null_pair(NET))
    with complain(TypeError, *words):
        null_pair(null_pair(NET))(X, T_, Y)


def test_a_denoiser_in_place_of_a_pair():
    for B in (2, 4):  # two rows would unpack into two predictions without a word
        words = [r"pair must return \(eps_un, eps_cond\)", rf"got \({B}, 2\)", r"null_pair\(model\)"]
        with complain(TypeError, *words):
            guided(NET, 3.0)(X[:B], T_[:B], Y[:B])
        with complain(TypeError, *words):
            twin_loss(NET, S, X[:B], Y[:B])


def test_twin_loss_names_the_prediction_that_does_not_fit():
    with complain(ValueError, "the pair's unconditional prediction must have the shape of x"):
        twin_loss(lambda x, t, y: (x[:1], x), S, X, Y)
    with complain(ValueError, "the pair's conditional prediction must have the shape of x"):
        twin_loss(lambda x, t, y: (x, x[:1]), S, X, Y)


# ---- labels out of range, through every wrapper ----

MODEL = Recorder(K=3)
PLAIN = lambda x, t, y: x
WRAPPED = {
    "null_pair": guided(null_pair(MODEL), 2.0),
    "two_models": guided(two_models(PLAIN, MODEL), 2.0),
    "two_models with unconditional": guided(two_models(unconditional(MODEL), MODEL), 2.0),
    "bound method": guided(MODEL.pair, 2.0),
    "bound method as model": MODEL.__call__,
    "unconditional": unconditional(MODEL),
    "from_score": from_score(MODEL, S),
    "from_x0": from_x0(MODEL, S),
    "from_v": from_v(MODEL, S),
    "clip_x0": clip_x0(MODEL, S),
    "all of them": clip_x0(from_v(guided(null_pair(from_score(from_x0(MODEL, S), S)), 2.0), S), S),
    "exact": random_mixture(0, 3, 5).denoiser(S),
}


@pytest.mark.parametrize("model", WRAPPED.values(), ids=list(WRAPPED))
@pytest.mark.parametrize(
    "call", [EDGES["sample"], LOSSES["eps_loss"], LOSSES["dsm_loss"]], ids=["sample", "eps_loss", "dsm_loss"]
)
def test_labels_out_of_range_are_caught_through_every_wrapper(model, call):
    with complain(ValueError, "y must hold labels 0..2", "got 0 to 3"):
        call(model=model, y=torch.tensor([0, 1, 2, 3]))


def test_labels_out_of_range_are_caught_in_twin_loss():
    for pair in (MODEL.pair, null_pair(MODEL), two_models(PLAIN, MODEL)):
        with complain(ValueError, "y must hold labels 0..2"):
            twin_loss(pair, S, X, torch.tensor([0, 1, 2, 3]))


def test_a_plain_function_knows_no_classes_but_labels_below_null_are_caught():
    sample(ddim_step, PLAIN, S, X, torch.tensor([0, 1, 2, 99]), 3)
    with complain(ValueError, r"y must hold labels 0\.\.K - 1", "got -2 to 2"):
        sample(ddim_step, PLAIN, S, X, torch.tensor([0, 1, 2, -2]), 3)


# ---- guided ----


@pytest.mark.parametrize(
    ("r", "error", "words"),
    [
        (None, TypeError, ["r must be a number", "NoneType"]),
        ("3", TypeError, ["r must be a number", "str '3'"]),
        (True, TypeError, ["r must be a number", "bool True"]),
        (1 + 2j, TypeError, ["r must be a number", "complex"]),
        ([1.0, 2.0], TypeError, ["r must be a number", "list"]),
        (np.ones(4), TypeError, ["r must be a number", "ndarray"]),
        (float("nan"), ValueError, ["r must be finite", "nan"]),
        (float("inf"), ValueError, ["r must be finite", "inf"]),
        (np.float64("nan"), ValueError, ["r must be finite", "nan"]),
        (torch.tensor([1.0, float("nan")]), ValueError, ["r must be finite", "nan"]),
        (torch.ones(4, 1), ValueError, ["r as a tensor", r"got torch.float32 of shape \(4, 1\)"]),
        (torch.ones(4, dtype=torch.bool), ValueError, ["r as a tensor must hold real numbers", "torch.bool"]),
        (
            torch.ones((), dtype=torch.complex64),
            ValueError,
            ["r as a tensor must hold real numbers", "torch.complex64"],
        ),
    ],
)
def test_scale(r, error, words):
    with complain(error, *words):
        guided(null_pair(NET), r)


def test_scale_that_does_not_fit_the_batch():
    with complain(ValueError, "r must be one number or one per row", r"shape \(4,\)", r"got \(3,\)"):
        guided(null_pair(NET), torch.ones(3))(X, T_, Y)
    with complain(ValueError, "r must be one number or one per row", r"got \(3,\)"):
        guided(null_pair(NET), lambda t: torch.ones(3))(X, T_, Y)
    with complain(ValueError, "r as a tensor", r"shape \(4, 1\)"):
        guided(null_pair(NET), lambda t: torch.ones(4, 1))(X, T_, Y)
    with complain(TypeError, "a function of t that returns one", "NoneType"):
        guided(null_pair(NET), lambda t: None)(X, T_, Y)


@pytest.mark.parametrize(("lo", "hi"), [(1, -1), (0, 0), (float("nan"), 1), (0, float("nan"))])
def test_clip_range(lo, hi):
    with complain(ValueError, "lo must be below hi", f"lo = {lo}", f"hi = {hi}"):
        clip_x0(NET, S, lo, hi)


# ---- losses ----


@pytest.mark.parametrize(
    "p_drop", [-0.1, 1.1, float("nan"), float("inf"), None, "0.1", True, torch.tensor([0.1, 0.2]), torch.tensor(2.0)]
)
def test_p_drop(p_drop):
    for call in (
        lambda: drop_labels(Y, p_drop),
        lambda: eps_loss(NET, S, X, Y, p_drop=p_drop),
        lambda: dsm_loss(NET, S, X, Y, p_drop=p_drop),
    ):
        with complain(ValueError, r"p_drop must be a probability in \[0, 1\], got"):
            call()


def test_drop_labels_wants_labels():
    for y, got in (
        (torch.zeros(3), "torch.float32"),
        (torch.zeros(3, dtype=torch.uint8), "torch.uint8"),
        ([0, 1], "list"),
    ):
        with complain(TypeError, "y must be a tensor of integers", got):
            drop_labels(y, 0.5)


@pytest.mark.parametrize("weight", ["Variance", "", None, 1.0])
def test_weight_of_the_dsm_loss(weight):
    with complain(ValueError, 'weight must be "variance" or "none"', f"got {weight!r}"):
        dsm_loss(NET, S, X, Y, weight=weight)


@at_every_loss
def test_an_empty_batch_has_no_mean(edge):
    with complain(ValueError, "x0 must have at least one row", r"got shape \(0, 2\)"):
        edge(x=X[:0], y=Y[:0])


# ---- schedules and times ----


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        (TABLE, TypeError, ["alpha_bar must be a floating-point tensor", "list"]),
        (np.array(TABLE), TypeError, ["alpha_bar must be a floating-point tensor", "ndarray"]),
        (torch.tensor([1, 0]), TypeError, ["alpha_bar must be a floating-point tensor", "torch.int64"]),
        (torch.tensor([TABLE]), ValueError, [r"alpha_bar must have shape \(T\+1,\)", r"got \(1, 4\)"]),
        (torch.tensor([1.0]), ValueError, [r"alpha_bar must have shape \(T\+1,\)", r"got \(1,\)"]),
        (torch.tensor([0.9, 0.5]), ValueError, [r"alpha_bar\[0\] must be 1", "got 0.9"]),
        (
            torch.tensor([1.0, 0.5, 0.6]),
            ValueError,
            ["must strictly decrease", r"alpha_bar\[1\] = 0.5", r"alpha_bar\[2\] = 0.6"],
        ),
        (
            torch.tensor([1.0, 1.0, 0.6]),
            ValueError,
            ["must strictly decrease", r"alpha_bar\[0\] = 1, alpha_bar\[1\] = 1"],
        ),
        (torch.tensor([1.0, 0.5, 0.0]), ValueError, ["alpha_bar must be finite and above 0", "from 0 to 1"]),
        (torch.tensor([1.0, float("nan"), 0.1]), ValueError, ["alpha_bar must be finite", "nan"]),
    ],
)
def test_table(table, error, words):
    with complain(error, *words):
        Schedule(table)


@pytest.mark.parametrize("T", [0, -1, 1.5, True, None, "10"])
def test_T(T):
    for make in (linear, cosine, straight):
        with complain(ValueError, "T must be an int of 1 or more", f"got {T!r}"):
            make(T)


def test_parameters_of_the_named_schedules():
    for k in ({"beta_1": 0.0}, {"beta_T": 1.0}, {"beta_T": -0.1}, {"beta_1": float("nan")}):
        with complain(ValueError, "beta_1 and beta_T must lie strictly between 0 and 1"):
            linear(**k)
    for s in (0.0, -0.1, float("nan")):
        with complain(ValueError, "s must be above 0", f"got {s}"):
            cosine(s=s)
    for beta_max in (0.0, 1.0, float("nan")):
        with complain(ValueError, "beta_max must lie strictly between 0 and 1", f"got {beta_max}"):
            cosine(beta_max=beta_max)
    for last in (0, 1, 1.5, float("nan")):
        with complain(ValueError, "last must lie strictly between 0 and 1"):
            straight(last=last)


@pytest.mark.parametrize("n", [0, 1001, -1, 2.0, True, None])
def test_grid(n):
    with complain(ValueError, "n, the number of steps", r"1\.\.T = 1000", f"got {n!r}"):
        S.grid(n)


@pytest.mark.parametrize("t", [1001, -1, torch.tensor([1, 5, 1001, 3]), torch.tensor([1, 5, -1, 3])])
def test_times_outside_the_table(t):
    """A time of -1 would be the last entry of a Python table: noise where clean data were meant."""
    got = (
        "from 1 to 1001"
        if isinstance(t, torch.Tensor) and t.max() > 1000
        else "-1"
        if isinstance(t, int) and t < 0
        else "got values"
    )
    for f in (S.noise, S.x0, S.eps, S.score, S.v):
        with complain(ValueError, r"t must lie in 0\.\.T = 1000", got):
            f(X, t, X)
    if isinstance(t, torch.Tensor):
        with complain(ValueError, r"t must lie in 0\.\.T = 1000"):
            islands().denoiser(S)(X, t, Y)


def test_times_that_are_no_integers():
    for t, got in (
        (0.5, "torch.float32"),
        (torch.rand(4), "torch.float32"),
        (torch.ones(4, dtype=torch.bool), "torch.bool"),
    ):
        with complain(TypeError, "t must be a tensor of integers", got):
            S.noise(X, t, X)


# ---- Mixture ----

GOOD = {
    "mean": torch.zeros(3, 2),
    "std": torch.ones(3),
    "weight": torch.tensor([0.5, 0.25, 0.25]),
    "label": torch.tensor([0, 1, 1]),
}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"mean": [[0.0, 0.0]] * 3}, TypeError, ["mean must be a tensor", "list"]),
        ({"std": 1.0}, TypeError, ["std must be a tensor", "float"]),
        ({"mean": torch.zeros(3)}, ValueError, [r"mean must be floating-point of shape \(J, D\)", r"shape \(3,\)"]),
        ({"mean": torch.zeros(3, 2, dtype=torch.long)}, ValueError, ["mean must be floating-point", "torch.int64"]),
        ({"mean": torch.zeros(0, 2)}, ValueError, [r"mean must be floating-point of shape \(J, D\)", r"\(0, 2\)"]),
        ({"mean": torch.full((3, 2), float("nan"))}, ValueError, ["mean must be finite", "from nan to nan"]),
        ({"std": torch.ones(2)}, ValueError, ["std must have one entry per component", r"shape \(3,\)", r"got \(2,\)"]),
        ({"weight": torch.ones(2) / 2}, ValueError, ["weight must have one entry per component", r"got \(2,\)"]),
        (
            {"label": torch.tensor([[0, 1, 1]])},
            ValueError,
            ["label must have one entry per component", r"got \(1, 3\)"],
        ),
        ({"std": torch.tensor([1.0, 0.0, 1.0])}, ValueError, ["std must be finite and above 0", "from 0 to 1"]),
        (
            {"std": torch.tensor([1.0, float("inf"), 1.0])},
            ValueError,
            ["std must be finite and above 0", "from 1 to inf"],
        ),
        ({"weight": torch.tensor([0.5, 0.5, 0.5])}, ValueError, ["weight must be non-negative and sum to 1", "1.5"]),
        (
            {"weight": torch.tensor([1.5, -0.75, 0.25])},
            ValueError,
            ["weight must be non-negative", "smallest weight of -0.75"],
        ),
        (
            {"weight": torch.tensor([0.5, 0.5, float("nan")])},
            ValueError,
            ["weight must be non-negative and sum to 1", "nan"],
        ),
        (
            {"weight": torch.tensor([1.0, 0.0, 0.0])},
            ValueError,
            ["weight must give every class a probability above 0", "0.0"],
        ),
        (
            {"label": torch.tensor([0, 2, 2])},
            ValueError,
            ["label must hold integers in which each of 0..K-1 occurs", r"\[0, 2, 2\]"],
        ),
        ({"label": torch.tensor([1, 2, 2])}, ValueError, ["label must hold integers in which each of 0..K-1 occurs"]),
        ({"label": torch.tensor([-1, 0, 1])}, ValueError, ["label must hold integers in which each of 0..K-1 occurs"]),
        ({"label": torch.tensor([0.0, 1.0, 1.0])}, ValueError, ["label must hold integers"]),
    ],
)
def test_parameters_of_a_mixture(change, error, words):
    with complain(error, *words):
        Mixture(**(GOOD | change))


def test_arguments_of_a_mixture():
    m = Mixture(**GOOD)
    for a in (0.0, -0.5, 1.1, float("nan"), torch.tensor([0.5, 0.5, 0.0, 0.5])):
        with complain(ValueError, r"a must be a signal level in \(0, 1\]"):
            m.log_prob(X, Y.clamp(max=1), a)
        with complain(ValueError, r"a must be a signal level in \(0, 1\]"):
            m.posterior(X, a)
    with complain(ValueError, "a must be one number or one per row of x", r"shape \(4,\)", "got 3"):
        m.posterior(X, torch.full((3,), 0.5))
    with complain(ValueError, r"x must have shape \(B, 2\)", r"got \(4, 3\)"):
        m.posterior(torch.zeros(4, 3))
    with complain(ValueError, r"x must have shape \(B, 2\)", r"got \(4, 1, 2\)"):
        m.denoiser(S)(torch.zeros(4, 1, 2), T_, Y.clamp(max=1))
    for ask in (m.posterior, lambda x: m.log_prob(x, Y.clamp(max=1))):
        with complain(TypeError, "x must be a floating-point tensor", "got torch.int64"):
            ask(X.long())
        with complain(ValueError, "x must be finite"):
            ask(NAN)
    with complain(ValueError, r"y must hold labels 0..1", "got .* to 2"):
        m.log_prob(X, torch.tensor([0, 1, 2, NULL]))
    with complain(ValueError, "y must have one label per row", r"got \(4, 1\)"):
        m.log_prob(X, Y[:, None])
    for n in (0, -1, 2.5, True):
        with complain(ValueError, "n, the number of draws, must be an int of 1 or more", f"got {n!r}"):
            m.sample(n)


# ---- an error leaves everything as it was ----


def test_a_refused_call_draws_nothing_and_asks_nothing():
    g, model = seeded(0), Recorder()
    before = g.get_state()
    for call in (
        lambda: sample(ddpm_step, model, S, X, torch.tensor([0, 1, 2, 3]), 5, g),
        lambda: sample(ddpm_step, model, S, X, Y, [5, 5, 0], g),
        lambda: eps_loss(model, S, NAN, Y, 0.1, g),
        lambda: dsm_loss(model, S, X, Y, 0.1, "other", g),
        lambda: twin_loss(model.pair, S, X, Y[:2], g),
        lambda: drop_labels(Y, 2.0, g),
        lambda: eps_loss(model, S, X, Y, 2.0, g),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 (the messages are tested above)
            call()
    assert torch.equal(g.get_state(), before)
    assert model.calls == []
