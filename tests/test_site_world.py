"""The exact world of the web edition says what the package says: golden numbers, made here, and planted errors."""

import re
from functools import cache, partial

import pytest
import torch

from cfgedu import toy
from cfgedu.guidance import guidance_vector, guided, null_pair, within
from cfgedu.metrics import class_accuracy, lost_share, mean_posterior, off_support, spread
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import SAMPLERS, trajectory
from cfgedu.schedule import cosine, even_angles, linear, straight
from cfgedu.variants import dynamic_threshold, projected, rescaled
from cfgedu.widgets.stage import edge_of_support
from tests.site import ask, needs_node, planted, wrong
from tools.site_data import SOURCE, WORLD

SCRIPTS = [SOURCE / script for script in WORLD]
SCHEDULES = {"linear": linear, "cosine": cosine, "straight": straight}
WORLDS = {
    ("twoGaussians",): toy.two_gaussians(),
    ("islands",): toy.islands(),
    ("contested",): toy.contested(),
    ("twoAttributes", 0): toy.two_attributes()[0],
    ("twoAttributes", 1): toy.two_attributes()[1],
    ("spirals",): toy.spirals(),
    ("branches",): toy.branches(),
}
EXACT, FLOAT32 = 1e-12, 2e-6  # of float64; of the random numbers, which are float32
B, STEPS = 12, 20


def batch(mixture, seed, dtype=torch.float64):
    """Points of data and far from it, with labels, some of them NULL."""
    x = 1.3 * torch.randn(B, 2, generator=seeded(seed), dtype=dtype)
    y = torch.arange(B) % mixture.K
    return x, torch.where(torch.arange(B) % 5 == 4, NULL, y)


def flat(*parts) -> list[float]:
    return [float(value) for part in parts for value in torch.as_tensor(part).flatten()]


def schedules():
    for name, make in SCHEDULES.items():
        schedule = make()
        yield {"ask": "schedule", "schedule": name}, flat(schedule.alpha_bar), EXACT
        x, u = torch.randn(2, B, 2, generator=seeded(3), dtype=torch.float64)
        for t in (1, 333, schedule.T):
            found = [getattr(schedule, kind)(x, t, u) for kind in ("noise", "x0", "eps", "score", "v")]
            relative = EXACT * max(1.0, *(float(part.abs().max()) for part in found))
            yield {"ask": "convert", "schedule": name, "t": t, "x": x.tolist(), "u": u.tolist()}, flat(*found), relative
        for steps in (1, 7, 32, 999):
            yield {"ask": "grid", "schedule": name, "steps": steps}, flat(schedule.grid(steps)), 0
            yield {"ask": "evenAngles", "schedule": name, "steps": steps}, flat(even_angles(schedule, steps)), 0


def fields():
    for seed, (world, m) in enumerate(WORLDS.items()):
        x, y = batch(m, seed)
        asked = {"world": world, "x": x.tolist(), "y": y.tolist()}
        yield {"ask": "mixture", "world": world}, flat(m.mean, m.std, m.weight, m.label, m.prior), EXACT
        for a in (1.0, 0.9, 0.2, 1e-4):
            yield asked | {"ask": "logProb", "a": a}, flat(m.log_prob(x, y, a)), 1e-12 * 4000  # log p reaches -4000
            yield {"ask": "posterior", "world": world, "x": x.tolist(), "a": a}, flat(m.posterior(x, a)), EXACT
        for name, make in SCHEDULES.items():
            schedule = make()
            model = m.denoiser(schedule)
            pair = null_pair(model)
            t = torch.arange(B) * 90 + 1
            yield {"schedule": name, "t": t.tolist(), **asked, "ask": "eps"}, flat(model(x, t, y)), EXACT
            for t in (1, 40, 500, 1000):
                given = {"schedule": name, "t": t, **asked}
                times = torch.full((B,), t)
                yield given | {"ask": "eps"}, flat(model(x, times, y)), EXACT
                yield given | {"ask": "pair"}, flat(*pair(x, times, y)), EXACT
                score_unit = EXACT / float(schedule.noise_level(t, x)[0])
                yield given | {"ask": "vector"}, flat(guidance_vector(pair, schedule)(x, times, y)), score_unit
            far = 30 * x  # from the data, where one class may be exp(hundreds) times as probable as another
            both = flat(*pair(far, torch.ones(B, dtype=torch.long), y))
            asked_far = asked | {"ask": "pair", "schedule": name, "t": 1, "x": far.tolist()}
            yield asked_far, both, EXACT * max(1.0, *map(abs, both))


def walks():
    for seed, (world, m) in enumerate(WORLDS.items()):
        x, y = batch(m, seed)
        for name, step in SAMPLERS.items():
            for schedule in ("linear", "straight") if seed == 1 else ("linear",):
                for r in (0, 1, 3, 8):
                    yield walk(world, m, schedule, name, step, "guided", r, 0, STEPS, x, y)
    x, y = batch(toy.islands(), 11)
    given = ("islands",), toy.islands(), "linear"
    for eta in (0.5, 1.0):
        yield walk(*given, "DDIM", partial(SAMPLERS["DDIM"], eta=eta), "guided", 3, eta, STEPS, x, y)
    yield walk(*given, "DDIM", SAMPLERS["DDIM"], "guided", [4.0, 200, 700], 0, STEPS, x, y)
    yield walk(*given, "DDIM", SAMPLERS["DDIM"], "guided", [0.25 * k for k in range(B)], 0, STEPS, x, y)
    times = even_angles(linear(), STEPS)
    for method in ("rescaled", "projected", "threshold"):
        for r in (0, 3, 8, [5.0, 100, 600]):
            # one start on the islands crosses a contrast of 0 unguided, where rescaling makes rounding errors large
            for world in [("contested",)] + [("islands",)] * ((method, r) != ("rescaled", 0)):
                yield walk(world, WORLDS[world], "linear", "DDIM", SAMPLERS["DDIM"], method, r, 0, times, x, 0)


def walk(world, mixture, schedule, sampler, step, method, r, eta, steps, x, y):
    """One trajectory, its noise written down; an eta is given to the steps that have none too, which ignore it."""
    s, y = SCHEDULES[schedule](), torch.as_tensor(y).expand(len(x))
    pair, generator = null_pair(mixture.denoiser(s)), seeded(17)
    scale = r if not isinstance(r, list) else within(*r) if len(r) == 3 else torch.tensor(r, dtype=x.dtype)
    model = {
        "guided": lambda: guided(pair, scale),
        "rescaled": lambda: rescaled(pair, scale, s, space="x0"),
        "projected": lambda: projected(pair, scale, s),
        "threshold": lambda: dynamic_threshold(guided(pair, scale), s),
    }[method]()
    states = torch.stack(list(trajectory(step, model, s, x, y, steps, generator)))
    z = torch.stack([torch.randn(x.shape, generator=g, dtype=x.dtype) for g in [seeded(17)] for _ in range(STEPS)])
    asked = {"world": world, "schedule": schedule, "sampler": sampler, "method": method, "r": r, "eta": eta}
    asked |= {"steps": steps, "x": x.tolist(), "y": y.tolist(), "z": z.tolist()}
    return {"ask": "trajectory", **asked}, flat(states), EXACT * max(1.0, float(states.abs().max()))


def judgements():
    for seed, (world, m) in enumerate(WORLDS.items()):
        x, y = m.sample(400, seeded(seed))
        x = (1.3 * x).double()
        x[y == 0] = x[y == 0].abs()  # some components of class 0 get nothing
        found = [spread(m, x, y), mean_posterior(m, x, y), class_accuracy(m, x, y), lost_share(m, x, y)]
        yield {"ask": "metrics", "world": world, "x": x.tolist(), "y": y.tolist()}, found, EXACT
        edges = [edge_of_support(m, x, label) for label in (NULL, 0, 1)]
        y[::7] = NULL
        off = off_support(m, x, y, seeded(9), n=2000)
        asked = {"ask": "edges", "world": world, "x": x.tolist(), "y": y.tolist(), "seed": 9}
        yield asked, [*edges, off], 1e-12 * max(map(abs, edges))


def randomness():
    for seed in (0, 5, 123456):
        for n in (16, 600, 1001):
            g = seeded(seed)
            given = [torch.rand(5, generator=g), torch.rand(1, generator=g, dtype=torch.float64)]
            given += [
                torch.randn(n, generator=g),
                torch.rand(700, generator=g),
                torch.randint(3, 90, (9,), generator=g),
            ]
            yield {"ask": "numbers", "seed": seed, "n": n}, flat(*given), FLOAT32
    for world, m in WORLDS.items():
        yield {"ask": "draw", "world": world, "n": 2000, "seed": 8}, flat(*m.sample(2000, seeded(8))), FLOAT32
        for y in (NULL, 1):
            x = torch.tensor([[0.4, -0.9]], dtype=torch.float64)
            drawn = m.draw_x0(x, y, 0.4, 100, seeded(4)).float()  # in float64 torch draws other noise
            x32 = m.draw_x0(x.float(), y, 0.4, 100, seeded(4))
            assert drawn.shape == x32.shape
            asked = {"ask": "drawX0", "world": world, "x": x.tolist(), "y": y, "a": 0.4, "n": 100, "seed": 4}
            yield asked, flat(x32), 10 * FLOAT32


@cache
def golden() -> list:
    """[(question, the package's numbers, how far the page's may be off), ...]"""
    return [*schedules(), *fields(), *walks(), *judgements(), *randomness()]


def of_kind(kind=None) -> list:
    """The golden rows whose question is of one kind, or all."""
    return [row for row in golden() if kind in (None, row[0]["ask"])]


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.js")), ids=lambda path: path.name)
def test_scripts_run_from_a_file_and_leave_one_name_behind(path):
    text = path.read_text(encoding="utf-8")
    code = [line for line in text.splitlines() if not line.startswith("//")]
    assert (code[1], code[2].strip(), code[-1]) == ("(function () {", '"use strict";', "})();")
    assert not re.search(
        r"^ *(import|export)\b|\b(require|fetch|eval|Function) ?\(|https?:|innerHTML", text, re.MULTILINE
    )
    assert max(map(len, text.splitlines())) <= 120


@needs_node
def test_the_page_writes_numbers_as_python_does():
    values = [0.0, 0.5, 1.5, 2.5, 0.125, 0.375, -0.125, -0.001, 0.145, 12.5, 1e-5, 123456.0, 9.995, 0.09995, 1e18]
    values += [float(v) for v in torch.randn(300, generator=seeded(1), dtype=torch.float64).mul(4).exp()]
    asked = [(value, digits) for value in values for digits in range(4)]
    answers = ask([{"ask": "format", "value": value, "digits": digits} for value, digits in asked], SCRIPTS)
    wanted = [[f"{value:.{d}f}", f"{value:.{d}%}", f"{value:.{d + 1}g}"] for value, d in asked]
    assert answers == wanted


@needs_node
def test_the_page_has_the_numbers_of_the_package():
    off = wrong(of_kind(), SCRIPTS)
    assert not off, [({key: q[key] for key in q if key not in "xyzu"}, far) for q, far in off][:10]


# (script, what stands there once, the error planted in its place, the kind of question that has to find it)
ERRORS = [
    ("random", "1812433253", "1812433255", "numbers"),
    ("random", ") + i;\n    }", ");\n    }", "numbers"),
    ("random", "(i + 1) % 624]", "i]", "numbers"),
    ("random", "0x80000000", "0xc0000000", "numbers"),
    ("random", "(i + 397)", "(i + 396)", "numbers"),
    ("random", "mixed & 1 ?", "mixed & 2 ?", "numbers"),
    ("random", "u ^= u >>> 11", "u ^= u >>> 12", "numbers"),
    ("random", "0x9d2c5680", "0x9d2c5600", "numbers"),
    ("random", "u << 15", "u << 16", "numbers"),
    ("random", "u >>> 18", "u >>> 17", "numbers"),
    ("random", "bits() & 0x1fffff", "bits() & 0xfffff", "numbers"),
    ("random", "0xffffff) / 16777216", "0x7fffff) / 8388608", "numbers"),
    ("random", "-2 * Math.log", "-Math.log", "numbers"),
    ("random", "1 - u[k]", "u[k]", "numbers"),
    ("random", "2 * Math.PI * u[k + 8]", "Math.PI * u[k + 8]", "numbers"),
    ("random", "radius * Math.cos", "radius * Math.sin", "numbers"),
    ("random", "high - low + 1", "high - low", "numbers"),
    ("random", "z.set(rand(16), n - 16);", "", "numbers"),
    ("random", "sums[j] += sums[j - 1]", "sums[j] += sums[0]", "draw"),
    ("random", "sum >= u", "sum >= 1 - u", "draw"),
    ("world", "(last - first) / (n - 1)", "(last - first) / n", "schedule"),
    ("world", "last - step * (n - 1 - i)", "last - step * (n - i)", "schedule"),
    ("world", "Math.sqrt(1 - a))", "Math.sqrt(1 - a * a))", "convert"),
    ("world", "signal[t] * x + noiseLevel[t] * eps[i]", "signal[t] * x - noiseLevel[t] * eps[i]", "convert"),
    (
        "world",
        "(x[i] - noiseLevel[t] * e) / signal[t]),\n      /** eps",
        "(x[i] - e) / signal[t]),\n      /** eps",
        "convert",
    ),
    ("world", "(x[i] - signal[t] * u) / noiseLevel[t]", "(x[i] - signal[t] * u) / signal[t]", "convert"),
    ("world", "-e / noiseLevel[t]", "e / noiseLevel[t]", "convert"),
    ("world", "signal[t] * e - noiseLevel[t]", "signal[t] * e + noiseLevel[t]", "convert"),
    ("world", "2 * T * (n - i) + n", "2 * T * (n - i)", "grid"),
    ("world", "u ** 1.3", "u ** 1.2", "evenAngles"),
    ("world", "Math.acos(Math.sqrt(a))", "Math.acos(a)", "evenAngles"),
    ("world", "value >= w", "value > w", "evenAngles"),
    ("world", "t - 1] * (1 - beta[t - 1])", "t - 1] * (1 - (beta[t] || 0))", "schedule"),
    ("world", "(u + s) / (1 + s)", "u", "schedule"),
    ("world", "Math.PI / 2) ** 2", "Math.PI / 2)", "schedule"),
    ("world", "Math.min(1 - f[t + 1] / f[t], betaMax)", "1 - f[t + 1] / f[t]", "schedule"),
    ("world", "(1 - u) ** 2 / (", "(1 - u) / (", "schedule"),
    ("world", "last = 0.999", "last = 1", "schedule"),
    ("world", "Math.log(w / total / mixture.prior[k])", "Math.log(w / total)", "logProb"),
    ("world", "+= mixture.weight[j] / total", "+= 1 / mixture.J", "mixture"),
    ("world", "Math.log(w / total))", "0)", "posterior"),
    ("world", "noise + a * s * s", "noise + s * s", "eps"),
    ("world", "noise = 1 - a", "noise = a", "posterior"),
    ("world", "Math.sqrt(a) * m)", "a * m)", "eps"),
    ("world", "Math.log(p) * mixture.D / 2", "Math.log(p) / 2", "logProb"),
    ("world", "-square * precision[j] / 2", "-square * precision[j]", "eps"),
    ("world", "square += away * away", "square += Math.abs(away)", "eps"),
    ("world", "LOST = -45", "LOST = -5", "posterior"),
    ("world", "return top + Math.log(sum)", "return top", "logProb"),
    ("world", "mixture.D / 2 * Math.log(2 * Math.PI)", "Math.log(2 * Math.PI) / 2", "logProb"),
    ("world", "result[K * i + label[j]] += p[j]", "result[K * i + label[j]] = p[j]", "posterior"),
    ("world", "log[j] += logWeight[j]", "log[j] += 0", "eps"),
    ("world", "pull[j] = p * precision[j]", "pull[j] = p", "eps"),
    ("world", "const here = x[D * i + d]", "const here = x[D * i]", "eps"),
    ("world", "-sigma * score", "sigma * score", "eps"),
    ("world", "log[j] - (own ? top : topOther)", "log[j] - top", "pair"),
    ("world", "Math.max(top, topOther)", "top", "pair"),
    ("world", "Math.exp(top - most)", "1", "pair"),
    ("world", "Math.exp(topOther - most)", "1", "pair"),
    ("world", "share * score + shareOther * scoreOther", "share * score - shareOther * scoreOther", "pair"),
    ("world", "share * sum + shareOther * sumOther", "share * sum", "pair"),
    ("world", "const sigma = schedule.noiseLevel[t]", "const sigma = schedule.noiseLevel[t - 1]", "eps"),
    ("world", "valueAt(labels, i)", "valueAt(labels, 0)", "eps"),
    ("world", "return [un, cond]", "return [cond, un]", "pair"),
    ("world", "Math.fround(std[home] * value)", "value", "draw"),
    ("world", "std[j] ** 2 * level.precision[j]", "std[j] ** 2", "drawX0"),
    ("world", "mean[D * j + d] + Math.sqrt(a) * gain", "mean[D * j + d] + gain", "drawX0"),
    ("world", "x[d] - level.mean[D * j + d]", "x[d] - mean[D * j + d]", "drawX0"),
    ("world", "gain * (1 - a)", "gain", "drawX0"),
    ("worlds", "polar(1.5, 0.75", "polar(1.5, 0.25", "mixture"),
    ("worlds", "radius * Math.sin", "radius * Math.cos", "mixture"),
    ("worlds", "p * 0.6, p * 0.4", "p * 0.5, p * 0.5", "mixture"),
    ("worlds", "[1.3, 0]", "[1.2, 0]", "mixture"),
    ("worlds", "[0.8, -1]", "[0.8, 1]", "mixture"),
    ("worlds", "0.25 + 1.6 * u", "0.25 + 1.5 * u", "mixture"),
    ("worlds", "(i % J + 0.5) / J", "(i % J) / J", "mixture"),
    ("worlds", "0.05 + 0.07 * u", "0.05 + 0.06 * u", "mixture"),
    ("worlds", "side * 0.1", "side * 0.2", "mixture"),
    ("worlds", "0.5 ** level", "0.6 ** level", "mixture"),
    ("worlds", "- 0.12", "+ 0.12", "mixture"),
    ("sampling", "? un + r * (cond - un)", "? un + r * cond", "trajectory"),
    ("sampling", "un + r * (cond - un) : cond", "cond + r * (un - cond) : cond", "trajectory"),
    ("sampling", "cond - (1 - r) *", "cond + (1 - r) *", "trajectory"),
    ("sampling", "i * scale.length / eps.length", "i / eps.length", "trajectory"),
    ("sampling", "(u - cond[i]) / schedule", "(cond[i] - u) / schedule", "vector"),
    ("sampling", "t > low && t <= high", "t >= low && t < high", "trajectory"),
    ("sampling", "const pull = beta / Math.sqrt(1 - aT)", "const pull = beta / Math.sqrt(aT)", "trajectory"),
    ("sampling", "beta / (1 - aT) * (1 - aS);\n    const pull", "beta;\n    const pull", "trajectory"),
    ("sampling", "/ signal + spread", "+ spread", "trajectory"),
    ("sampling", "eta ** 2 * beta", "eta * beta", "trajectory"),
    ("sampling", "Math.sqrt(1 - aS - sigmaSquared)", "Math.sqrt(1 - aS)", "trajectory"),
    ("sampling", "* eps[i]) / signalT", "* eps[i]) / signalS", "trajectory"),
    ("sampling", "signalS * x0", "signalT * x0", "trajectory"),
    ("sampling", "mean + sigma * z[i]", "mean + sigmaSquared * z[i]", "trajectory"),
    ("sampling", "beta * (x[i] / 2 - eps[i]", "beta * (x[i] - eps[i]", "trajectory"),
    ("sampling", "spread = Math.sqrt(beta), next", "spread = beta, next", "trajectory"),
    ("sampling", "beta / 2 * (x[i] - eps[i]", "beta * (x[i] - eps[i]", "trajectory"),
    ("sampling", "s > 0 && draw", "draw", "trajectory"),
    ("sampling", "schedule.alphaBar[s], z", "schedule.alphaBar[t - 1], z", "trajectory"),
    ("metrics", "own.indexOf(Math.max", "own.indexOf(Math.min", "metrics"),
    ("metrics", "mixture.mean[D * j + d]) ** 2", "mixture.mean[D * j + d])", "metrics"),
    ("metrics", "label[j] === valueAt(y, i) && ", "", "metrics"),
    ("metrics", "/ count[j]) ** 2", "/ B) ** 2", "metrics"),
    ("metrics", "log + weight[j]", "log", "metrics"),
    ("metrics", "least * share", "least", "metrics"),
    ("metrics", "due[j] += Math.exp(log) / B", "due[j] = Math.exp(log)", "metrics"),
    ("metrics", "p[K * i + valueAt(y, i)]", "p[K * i]", "metrics"),
    ("metrics", "q * (sorted.length - 1)", "q * sorted.length", "edges"),
    ("metrics", "(place - low) * (", "(", "edges"),
    ("metrics", "label), 0.01)", "label), 0.02)", "edges"),
    ("metrics", "log < low.get(label)", "log > low.get(label)", "edges"),
    ("metrics", "label === cfgedu.NULL ? real.x0 : ", "", "edges"),
    ("variants", "wanted / own", "own / wanted", "trajectory"),
    ("variants", "+ 1 - phi", "+ phi", "trajectory"),
    ("variants", "schedule.x0(x, t, cond), phi", "schedule.x0(x, t, un), phi", "trajectory"),
    ("variants", "d[0] * cond[i] + d[1] * cond[j]", "d[0] * cond[i] - d[1] * cond[j]", "trajectory"),
    ("variants", "along + (r - 1)", "along + r", "trajectory"),
    ("variants", "value - share * along", "value + share * along", "trajectory"),
    ("variants", "eta = 0) {\n    return (x, t", "eta = 1) {\n    return (x, t", "trajectory"),
    ("variants", "q = 0.995", "q = 0.5", "trajectory"),
    ("variants", "Math.max(1, cfgedu", "Math.max(0, cfgedu", "trajectory"),
    ("variants", "-s), s) / s", "-s), s)", "trajectory"),
    ("variants", 'typeof r === "function" ? r(t) : r', 'typeof r === "function" ? r(1) : r', "trajectory"),
]


@needs_node
@pytest.mark.parametrize("error", ERRORS, ids=[f"{script}-{k}" for k, (script, *_) in enumerate(ERRORS)])
def test_a_planted_error_is_found(error, tmp_path):
    *plant, kind = error
    assert wrong(of_kind(kind), planted(SCRIPTS, *plant, tmp_path))
