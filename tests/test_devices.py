"""Nothing is made on the wrong device: the course on the stand-in "elsewhere", whose numbers must be the CPU's."""

from functools import partial
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
import torch
from elsewhere import NAME, Elsewhere, Far
from helpers import LeakyTwin, random_batch, random_network
from notebook_elsewhere import NOTEBOOKS, run
from test_exercises import EXERCISES

import cfgedu.plots as plots
from cfgedu import metrics, variants
from cfgedu.checkpoints import load_checkpoint
from cfgedu.checks import check, claim
from cfgedu.guidance import (
    clip_x0,
    from_score,
    from_v,
    from_velocity,
    from_x0,
    guidance_vector,
    guided,
    null_pair,
    two_models,
    unconditional,
    within,
)
from cfgedu.lights import dashboard
from cfgedu.losses import drop_labels, dsm_loss, eps_loss, noised, twin_loss
from cfgedu.models import MLP, Judge, TwinMLP, TwinUNet, UNet, weights_from, with_null
from cfgedu.protocol import seeded
from cfgedu.samplers import SAMPLERS, ddim_step, sample, trajectory
from cfgedu.schedule import Schedule, cosine, even_angles, linear, straight
from cfgedu.toy import branches, gaussian, islands, oracle, spirals
from cfgedu.training import train, train_judge
from cfgedu.training.many import train_stack
from cfgedu.widgets.baselines import baselines_demo
from cfgedu.widgets.digits import digits_lab_demo
from cfgedu.widgets.dropout import dropout_explorer_demo
from cfgedu.widgets.guidance_vector import guidance_vector_demo
from cfgedu.widgets.lab import sampling_lab_demo
from cfgedu.widgets.live import LiveFigure
from cfgedu.widgets.twin import twin_heads_demo

S = linear()
X, T, Y = random_batch(0, 3, 1000, dtype=torch.float32)
IMAGES = torch.rand(12, 1, 8, 8, generator=seeded(1)) * 2 - 1, torch.arange(12) % 3


def net(kind=MLP, K=3, **size):
    return random_network(lambda: kind(K, **{"width": 8} | size))


def of_one_size(found) -> list:
    """What a part of the course gives, as a list: tensors, numbers."""
    return list(found) if isinstance(found, tuple | list) else [found]


# ---------------------------------------------------------------- the stand-in


@pytest.mark.parametrize(
    "mixed",
    [
        lambda x: x + torch.ones(2),
        lambda x: torch.cat([x, torch.ones(1, 2)]),
        lambda x: x @ torch.ones(2, 2),
        lambda x: torch.lerp(x, x, torch.tensor(0.5)),
        lambda x: torch.ones(4)[torch.zeros(2, device=NAME).long()],
        lambda x: x.index_select(0, torch.zeros(2).long()),
        lambda x: torch.randn(2, device=NAME, generator=seeded()),
        lambda x: torch.multinomial(x.softmax(1), 1, generator=seeded()),
        lambda x: plt.plot(x),
        lambda x: x.numpy(),
        lambda x: MLP(3, width=8)(x, x[:, 0].long(), x[:, 0].long()),
    ],
)
def test_what_a_gpu_refuses_is_refused(mixed):
    with Elsewhere(), pytest.raises((RuntimeError, TypeError), match="device|numpy"):
        mixed(torch.zeros(4, 2).to(NAME))


def test_what_a_gpu_takes_is_taken():
    with Elsewhere():
        x = torch.zeros(4, 2).to(NAME)
        taken = [x * torch.tensor(2.0), x[torch.arange(2)], torch.where(x == 0, torch.tensor(1.0), x), x + 1, x.mean()]
        taken += [torch.tensor([1.0], device=NAME), torch.arange(3, device=NAME), torch.full_like(x, 2)]
        assert all(isinstance(part, Far) and part.device.type == NAME for part in taken)
        torch.zeros(4, 2).copy_(x)
        assert f"{x.sum():.1f}" == "0.0"


# ---------------------------------------------------------------- the method

# Each part of the course as a function of place(tensor or network or mixture) -> the same, elsewhere. What it gives is
# compared with what it gives on the CPU: to the last bit, since the stand-in computes there.


def wrappers(place):
    model, twin, world = place(net()), place(net(TwinMLP)), place(islands())
    exact, velocity = world.denoiser(S), lambda z, u, y: model(z, (u * 999).long() + 1, y)
    r = place(torch.linspace(0, 3, len(X)))
    pair = null_pair(model)
    return {
        "network": model,
        "twin": twin,
        "null_pair": pair,
        "twin pair": twin.pair,
        "guided": guided(pair, 3.0),
        "guided, r a tensor of the CPU": guided(pair, torch.linspace(0, 3, len(X))),
        "guided, r a tensor of the device": guided(pair, r),
        "guided, r(t)": guided(pair, lambda t: 1 + t / 1000),
        "guided within": guided(pair, within(3.0, 100, 600)),
        "two_models": guided(two_models(unconditional(exact), model), 2.0),
        "clip_x0": clip_x0(guided(pair, 2.0), S),
        "from_score": from_score(model, S),
        "from_x0": from_x0(model, S),
        "from_v": from_v(model, S),
        "from_velocity": from_velocity(velocity, S),
        "guidance_vector": guidance_vector(pair, S),
        "exact": exact,
        "exact, mixture left on the CPU": islands().denoiser(S),
        "gaussian": gaussian(S, 0.5),
        "oracle": oracle(S, place(X)),
        "with_null": with_null(model, "mean of class rows"),
        "CFG++": guided(pair, variants.cfgpp_scale(0.6, S, [*range(1000, -1, -1)])),
        "rescaled": variants.rescaled(pair, 3.0, S),
        "projected": variants.projected(pair, r, S, cap=0.5, momentum=-0.5),
        "dynamic_threshold": variants.dynamic_threshold(model, S),
        "magnitude_aware": variants.magnitude_aware(pair, 3.0, 1.0),
        "classifier_guided": variants.classifier_guided(
            model, lambda x, t, y: world.posterior(x, S.alpha_bar[t.cpu()])[:, 0].log(), 2.0, S
        ),
        "feedback": variants.feedback(pair, lambda x, t, y: x.square().sum(1) + 1, 0.7),
    }


def schedules(place):
    x, t, eps = place(X), place(T), place(X.flip(0))
    for schedule in (linear(), cosine(), straight()):
        for convert in (schedule.noise, schedule.x0, schedule.eps, schedule.v):
            yield convert(x, t, eps)
        yield schedule.score(x, t, eps)
        yield schedule.score(x, 5, eps)
        yield schedule.at(T, x)  # times of the CPU too


def worlds(place):
    x, y, levels = place(X), place(Y.clamp(max=1)), torch.linspace(0.1, 1, len(X))
    for world in (islands(), spirals(), branches()):
        for there in (place(world), world):  # it follows x
            yield from (there.log_prob(x, y), there.log_prob(x, y, 0.5), there.posterior(x, place(levels)))
            yield there.posterior(x, S.alpha_bar[300])
            yield there.draw_x0(x[:1], 0, 0.5, 4, seeded())
        yield from place(world).sample(5, seeded())


def samplers(place):
    model, twin, x, y = place(net()), place(net(TwinMLP)), place(X), place(Y)
    for step in [*SAMPLERS.values(), partial(ddim_step, eta=0.5)]:
        yield sample(step, guided(null_pair(model), within(2.0, 100, 600)), S, x, y, 4, seeded())
        yield from trajectory(step, guided(twin.pair, 2.0), S, x, y, even_angles(S, 3), seeded())
    yield from variants.resampled(null_pair(place(islands()).denoiser(S)), 2.0, S, x, torch.zeros_like(y), 6, seeded())
    draw = lambda n, generator: place(islands()).sample(n, generator)[0]
    yield variants.rejection(draw, lambda x: x[:, 0] * 0 - 0.5, 2.0, 9, seeded())
    yield sample(ddim_step, guided(null_pair(place(net(UNet))), 2.0), S, *map(place, IMAGES), 3)
    yield sample(ddim_step, guided(place(net(TwinUNet)).pair, 2.0), S, *map(place, IMAGES), 3)


def losses(place):
    model, twin, x, y = place(net()), place(net(TwinMLP)), place(X), place(Y)
    yield drop_labels(y, 0.3, seeded())
    yield from noised(S, x, seeded())
    yield eps_loss(model, S, x, y, 0.1, seeded())
    yield dsm_loss(from_score(model, S), S, x, y, 0.1, generator=seeded())
    yield twin_loss(twin.pair, S, x, y, seeded())
    loss = eps_loss(place(net(UNet)), S, *map(place, IMAGES), 0.1, seeded())
    loss.backward()
    yield loss


def trained(place):
    loss = lambda model, x0, y, generator: eps_loss(model, S, x0, y, 0.1, generator)
    for data in (islands().sample, place(islands()).sample):
        model = place(net())
        train(model, loss, data, 3, batch=8, generator=seeded())
        yield from model.parameters()

    def of_rows(stack, x0, y, generator):
        x, t, eps = noised(S, x0, generator)
        return (stack(x, t, drop_labels(y, 0.1, generator)) - eps).square()

    many = [place(net()), place(net())]
    train_stack(many, of_rows, place(islands()).sample, 2, batch=8, generator=seeded())
    yield from many[1].parameters()


def images_measured(place):
    model, judge = place(net(UNet)), place(random_network(lambda: Judge(3)))
    images, y = metrics.generate(model, S, "DDPM", 2.0, (1, 8, 8), 40, 3)
    yield images
    seen = metrics.features(judge, images)
    yield seen
    real = metrics.moments(torch.randn(99, 32, generator=seeded()))
    yield list(map(torch.tensor, metrics.judged(judge, real, images, y).values()))
    yield metrics.judge_accuracy(judge, images.cpu(), y)  # images of another device than the judge


PARTS = [schedules, worlds, samplers, losses, trained]
BITWISE = {"rtol": 0, "atol": 0}
CLOSE = {trained: {"rtol": 1e-4, "atol": 1e-6}}  # on the CPU the optimizer takes all weights in one operation


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_a_part_of_the_course_is_the_same_elsewhere(part):
    expected = list(part(lambda value: value))
    with Elsewhere():
        found = list(part(lambda value: value.to(NAME)))
        assert {tensor.device.type for tensor in found} == {NAME}
        found = [tensor.detach().cpu() for tensor in found]
    torch.testing.assert_close(found, [tensor.detach() for tensor in expected], **CLOSE.get(part, BITWISE))


@pytest.mark.parametrize("name", wrappers(lambda value: value))
def test_whatever_wraps_a_model_is_the_same_elsewhere(name):
    expected = of_one_size(wrappers(lambda value: value)[name](X, T, Y))
    with Elsewhere():
        place = lambda value: value.to(NAME)
        found = of_one_size(wrappers(place)[name](place(X), place(T), place(Y)))
        assert {tensor.device.type for tensor in found} == {NAME}
        found = [tensor.cpu() for tensor in found]
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_images_are_generated_and_judged_elsewhere():
    expected = list(images_measured(lambda value: value))
    with Elsewhere():
        images, seen, numbers, accuracy = images_measured(lambda value: value.to(NAME))
        assert (images.device.type, seen.device.type) == (NAME, NAME)
        assert torch.equal(images.cpu(), expected[0])
        assert torch.equal(seen.cpu(), expected[1])
        assert all(map(torch.equal, numbers, expected[2]))
        assert accuracy == expected[3]
        judge = train_judge(*(part.to(NAME) for part in IMAGES), seeded(), steps=2, K=3)
        assert judge.head.weight.device.type == "cpu"  # it is small: it comes, and stays, where networks are made


# ---------------------------------------------------------------- float64, and another default device


def test_a_device_without_float64_gets_none():
    """As on MPS: float32 data call for nothing in float64 there."""
    with Elsewhere(float64=False):
        place = lambda value: value.to(NAME)
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(2, dtype=torch.float64, device=NAME)
        for part in (schedules, losses, trained):
            assert list(part(place))
        model = guided(null_pair(place(net())), 2.0)
        assert sample(ddim_step, model, S, place(X), place(Y), 3).device.type == NAME


def test_a_notebook_that_sets_the_default_device():
    """set_default_device at its top: what is made without `device=` is there, tables and generators are not."""
    mine = torch.randn(16, 2, generator=seeded(3))
    expected = sample(ddim_step, guided(null_pair(islands().denoiser(cosine(50))), 2.0), cosine(50), mine, Y, 5)
    with Elsewhere():
        torch.set_default_device(NAME)
        try:
            x, y, world = mine.to(NAME), torch.tensor(Y.tolist()), islands()
            assert {world.mean.device.type, y.device.type} == {NAME}
            found = sample(ddim_step, guided(null_pair(world.denoiser(cosine(50))), 2.0), cosine(50), x, y, 5)
            with weights_from(torch.Generator("cpu").manual_seed(0)):
                models = [MLP(3, width=8), UNet(3, width=8), TwinMLP(3, width=8), Judge()]
            assert {p.device.type for model in models for p in model.parameters()} == {NAME}
            train(models[0], lambda net, *more: eps_loss(net, linear(), *more[:2], 0.1, more[2]), world.sample, 2,
                  batch=8, generator=seeded())  # fmt: skip
            measured = metrics.sliced_wasserstein(x, x.flip(1)), metrics.off_support(world, x, y.clamp(min=0), seeded())
            assert torch.tensor(measured).isfinite().all()
            assert world.log_prob(x, y, 0.5).device.type == NAME
            assert load_checkpoint("mnist-judge", "cpu")[0].head.weight.device.type == "cpu"
            plots.density(plt.figure().subplots(), world)
            assert torch.equal(found.cpu(), expected)
        finally:
            torch.set_default_device(None)
            plt.close("all")


# ---------------------------------------------------------------- around the method


def test_measures_take_tensors_of_any_device():
    world, own = islands(), Y.clamp(min=0)
    exact, learned = world.denoiser(S), net()
    fields = [(lambda x, t, y: 0 * x), exact]

    def measured(place, world):
        x, y, asked = place(X), place(Y), place(own)
        return [
            *metrics.field_error(*fields, S, x, y, [10, 500], seeded()).tolist(),
            *metrics.field_error(place(learned), exact, S, x, y, [10, 500], seeded()).tolist(),
            metrics.sliced_wasserstein(x, place(X.flip(1))),
            metrics.sliced_wasserstein(x, X.flip(1)),  # of two devices: both come to the CPU
            metrics.class_accuracy(world, x, asked),
            metrics.mean_posterior(world, x, asked),
            metrics.spread(world, x, asked),
            metrics.off_support(world, x, asked, seeded(), n=500),
            metrics.off_support(world, x, y, seeded(), n=500),
            metrics.lost_share(world, x, asked),
            metrics.diversity(x, place(own % 2)),
            metrics.frechet_distance(x, place(X.flip(1) + 1)),
        ]

    expected = measured(lambda value: value, world)
    learned = net()
    with Elsewhere():
        place = lambda value: value.to(NAME)
        assert measured(place, world) == expected
        learned = net()
        assert measured(place, place(world)) == expected
        learned = net()
        assert measured(lambda value: value, place(world)) == expected


def drawn(place):
    """Every picture that `plots` can draw, each on its own axes."""
    world, figure = place(islands()), plt.figure(figsize=(8, 8))
    axes = iter(figure.subplots(4, 3).flat)
    x, y, images = place(X), place(Y), place(IMAGES[0])
    plots.cloud(next(axes), x, y)
    plots.field(next(axes), place(torch.linspace(0, 1, 25)), 5, levels=[0.5])
    plots.density(next(axes), world, 0.5, y=1, n=11)
    plots.posterior(next(axes), world, 1, S.alpha_bar[100], n=11)
    plots.arrows(next(axes), x, x.flip(1))
    plots.strip(next(axes), world, S, rows=11)
    plots.paths(next(axes), [x, x + 1], y)
    plots.arrow_sum(next(axes), x[0], x[1], 2.0)
    plots.images(next(axes), plots.enlarged(images), columns=4)
    plots.images(next(axes), images, columns=4)
    plots.loss_curve(next(axes), place(torch.linspace(1, 0.5, 60)))
    next(axes).set_title(plots.color(y[0]) + plots.class_map(y[1]).name)
    plots.table([(y[0], x[0, 0], "word"), (1, 2.0, None)], {"y": "d", "x": ".2f", "": ""})
    figure.canvas.draw()
    picture = bytes(figure.canvas.buffer_rgba())
    plt.close(figure)
    return picture


def test_pictures_and_tables_take_tensors_of_any_device(capsys):
    expected = drawn(lambda value: value)
    printed = capsys.readouterr().out
    with Elsewhere():
        assert drawn(lambda value: value.to(NAME)) == expected
    assert capsys.readouterr().out == printed


def test_a_check_takes_an_answer_of_any_device(capsys):
    with Elsewhere():
        x = X.to(NAME)
        assert check("a field", x, X)
        assert check("a field", X, x)
        assert check("parts", [x[0], x], [X[0], x])
        claim("a truth", (x == x).all(), size=x.norm())
    assert "✓ a truth (size" in capsys.readouterr().out


def moved(value, place):
    """The value with every tensor in it on another device; of a function, what it gives."""
    if isinstance(value, torch.Tensor):
        return place(value)
    if isinstance(value, list | tuple):
        return type(value)(moved(part, place) for part in value)
    if isinstance(value, dict):
        return {name: moved(part, place) for name, part in value.items()}
    return value


def of_values(exercise) -> bool:
    """Whether its answer is a value, or a function that is tried at inputs; others have a judge of their own."""
    return bool(exercise.inputs) or not callable(exercise.right[0])


@pytest.mark.parametrize("exercise", [case for case in EXERCISES if of_values(case.values[0])])
def test_an_exercise_takes_an_answer_of_any_device(capsys, exercise):
    """A value, or a function that hands its answer over from another device."""
    right = exercise.right[0]
    with Elsewhere():
        place = lambda value: value.to(NAME)
        answer = (lambda *given: moved(right(*given), place)) if exercise.inputs else moved(right, place)
        assert exercise(answer), capsys.readouterr().out


def test_the_lights_take_a_network_and_a_table_of_any_device():
    short = Schedule(S.alpha_bar[::10])
    code = {"drop_labels": drop_labels, "loss": lambda net, x, y, p, g: eps_loss(net, short, x, y, p, g), "K": 3}
    code |= {"guided": lambda net, r: guided(null_pair(net), r), "schedule": short.alpha_bar, "sample": None}
    expected = [light.value for light in dashboard(SimpleNamespace(**code, model=net(T=100)))]
    with Elsewhere():
        there = code | {"model": net(T=100).to(NAME), "schedule": short.alpha_bar.to(NAME)}
        lights = dashboard(SimpleNamespace(**there), islands().to(NAME))
    assert [light.value for light in lights] == pytest.approx(expected, nan_ok=True)
    assert not any(light.said for light in lights if light.green is False)


# ---------------------------------------------------------------- demos


def demos(place):
    """Every demo that is given a network or a mixture, with these on the device."""
    digits = random_network(lambda: MLP(10, dim=64, width=8, depth=2))
    yield sampling_lab_demo({"learned": place(net())}, place(islands()))
    yield dropout_explorer_demo({0.1: place(net())})
    yield twin_heads_demo(place(net(TwinMLP)), place(random_network(lambda: LeakyTwin(3, width=8))))
    yield digits_lab_demo(place(digits), place(random_network(Judge)), S)
    networks = {name: place(net(K=2)) for name in ("strong", "a weaker one")}
    yield baselines_demo(networks)
    yield guidance_vector_demo(place(islands()))


def test_a_demo_is_the_same_with_networks_and_worlds_elsewhere(monkeypatch):
    monkeypatch.setattr(LiveFigure, "sharpen", lambda self: None)  # it draws what is computed, larger
    states = [{"model": "learned", "steps": 5}, {"t": 300}, {"t": 300}, {"r": 3.0, "steps": 3}, {"r": 1.5}, {"t": 300}]

    def told(place):
        found = []
        for demo, state in zip(demos(place), states, strict=True):
            demo.set(**state)
            found.append((demo.error.value, demo.readout.value))
            plt.close(demo.figure)
        return found

    expected = told(lambda value: value)
    with Elsewhere():
        assert told(lambda value: value.to(NAME)) == expected
    assert {error for error, _ in expected} == {""}


# ---------------------------------------------------------------- a real GPU

on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@on_cuda
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_a_part_of_the_course_is_the_same_on_cuda(part):
    """To the digits that float32 has after some steps: a GPU adds in another order."""
    expected = list(part(lambda value: value))
    with torch.backends.cudnn.flags(allow_tf32=False):
        found = list(part(lambda value: value.to("cuda")))
    assert {tensor.device.type for tensor in found} == {"cuda"}
    pairs = ([tensor.detach().cpu() for tensor in tensors] for tensors in (found, expected))
    torch.testing.assert_close(*pairs, rtol=1e-3, atol=1e-3)


@on_cuda
@pytest.mark.parametrize("name", wrappers(lambda value: value))
def test_whatever_wraps_a_model_is_the_same_on_cuda(name):
    place = lambda value: value.to("cuda")
    expected = of_one_size(wrappers(lambda value: value)[name](X, T, Y))
    found = of_one_size(wrappers(place)[name](place(X), place(T), place(Y)))
    assert {tensor.device.type for tensor in found} == {"cuda"}
    torch.testing.assert_close([tensor.cpu() for tensor in found], expected, rtol=1e-3, atol=1e-4)


@on_cuda
def test_a_demo_is_drawn_with_networks_on_cuda():
    for demo in demos(lambda value: value.to("cuda")):
        assert demo.error.value == ""


# ---------------------------------------------------------------- notebooks


WITH_FIELDS = ["02", "05", "06", "07", "08", "10", "13", "14", "15"]


@pytest.mark.parametrize("number", WITH_FIELDS)
def test_a_notebook_with_fields_runs_elsewhere(number):
    """Its cells on the stand-in, in few steps: `python tests/notebook_elsewhere.py 06` says which cell does not."""
    [path] = NOTEBOOKS.glob(f"{number}_*.ipynb")
    assert run(path) > 10  # names that hold a tensor of the device
