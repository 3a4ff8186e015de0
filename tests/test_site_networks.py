"""Networks in the page: checkpoints are read, and networks compute, as in the package; what is none is refused."""

import base64
import json
import re
import struct
from copy import deepcopy
from functools import cache

import pytest
import torch

from cfgedu.checkpoints import checkpoint_path, load_checkpoint, read
from cfgedu.files import DATA
from cfgedu.guidance import clip_x0, guided_by, pair_of
from cfgedu.metrics import diversity
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import linear
from cfgedu.toy import islands
from tests.site import ask, needs_node, planted, wrong
from tools.site_data import BESIDE, SOURCE, WORLD

SCRIPTS = [SOURCE / script for script in (*WORLD, *BESIDE)]
CLOSE = 5e-6  # of networks, which compute in float32
SHIPPED = sorted(path.stem for path in DATA.glob("*.safetensors"))


def digest(tensor) -> list[float]:
    """A few numbers that tell a tensor from another."""
    flat = tensor.flatten().double()
    return [*tensor.shape, flat[0], flat[-1], (flat * (1 + flat.new_tensor(range(len(flat))) % 97)).sum()]


def files():
    for name in SHIPPED:
        tensors = read(checkpoint_path(name))[0]
        numbers = [float(number) for key in sorted(tensors) for number in digest(tensors[key])]
        asked = {"ask": "checkpoint", "name": name, "names": sorted(tensors)}
        yield asked, numbers, 1e-9 * max(map(abs, numbers))


def products():
    """The kernel alone, on pictures 4 and 7 places wide, one row of a kernel or three, steps of 1 and 2."""
    for width, taps, run, step in ((4, 3, 9, 1), (7, 1, 3, 1), (6, 3, 9, 2)):
        inner, blocks, g = 3, 2, seeded(width)
        row = inner * (step * (width - 1) + 3)
        high = step * (width - 1) + 3
        a, w = torch.randn(high, row, generator=g), torch.randn(blocks, taps * run, 8, generator=g)
        bias = torch.randn(blocks, 8, generator=g)
        places = [0, a.numel(), a.numel() + w.numel(), a.numel() + w.numel() + bias.numel()]
        places = [place + -place % 4 for place in places]
        numbers = torch.zeros(places[3] + width * width * blocks * 8)
        for place, part in zip(places, (a, w, bias), strict=False):
            numbers[place : place + part.numel()] = part.flatten()
        given = [0, row * step, inner * step, row, taps, run, places[1], places[2], blocks, places[3]]
        given += [width * blocks * 8, blocks * 8, width, width]
        seen = [
            torch.cat([a[step * y + tap, inner * step * x :][:run] for tap in range(taps)])
            for y in range(width)
            for x in range(width)
        ]
        c = torch.einsum("pi,bio->pbo", torch.stack(seen).double(), w.double()) + bias
        wanted = torch.cat([numbers[: places[3]].double(), c.flatten()])
        for fast in (True, False):
            close = CLOSE * float(wanted.abs().max())
            yield {"ask": "product", "given": given, "numbers": numbers.tolist(), "fast": fast}, wanted.tolist(), close


@cache
def three_digits():
    """Three digits (3,1,28,28) of the U-Net, a schedule and noise for them."""
    net, schedule, _ = load_checkpoint("mnist-unet")
    x_T, z = torch.randn(2, 3, 1, 28, 28, generator=seeded(4))
    return sample(ddim_step, guided_by(net, 2.0), schedule, x_T, torch.tensor([3, 8, 0]), 5), schedule, z


@torch.no_grad()
def networks():
    """Predictions for noised digits, from almost no noise to noise alone, with and without a label, in float64.

    Where there is almost no noise, rounding is magnified: there the page may be twice as far off as the package itself
    is in float32.
    """
    (x0, schedule, z), y = three_digits(), torch.tensor([3, 8, NULL])
    for name in ("mnist-unet", "mnist-twin-unet"):
        model = load_checkpoint(name)[0]
        exact = deepcopy(model).double()
        exact.time.waves = model.time.waves.double()
        for t in (1, 40, 500, 1000):
            times = torch.full((3,), t)
            x = schedule.noise(x0, times, z)
            wanted, own = (
                torch.cat([net(u, times, y), *pair_of(net)(u, times, y)]).flatten()
                for net, u in ((exact, x.double()), (model, x))
            )
            close = max(CLOSE, 2 * float((wanted - own).abs().max()))
            assert close == CLOSE or t < 50
            asked = {"ask": "network", "name": name, "t": t, "x": x.flatten().tolist(), "y": y.tolist()}
            for fast in (True, False) if t == 500 else (True,):
                yield asked | {"fast": fast}, wanted.tolist(), close


@torch.no_grad()
def judges():
    x0, judge = three_digits()[0], load_checkpoint("mnist-judge")[0]
    features = judge.features(x0)
    wanted = [*features.flatten().tolist(), *judge.head(features).softmax(1).flatten().tolist()]
    wanted.append(diversity(features, torch.zeros(3, dtype=torch.long)))
    for fast in (True, False):
        asked = {"ask": "judge", "name": "mnist-judge", "x": x0.flatten(1).tolist(), "fast": fast}
        yield asked, wanted, CLOSE * max(1, wanted[-1])


def guidances():
    """One scale for all: 0 and 1 ask for one prediction alone. And the predicted x_0, clipped."""
    mixture, schedule = islands(), linear()
    x = 1.3 * torch.randn(6, 2, generator=seeded(2), dtype=torch.float64)
    y, t = torch.arange(6) % 3, torch.full((6,), 300)
    for r in (0, 1, 0.5, 3):
        for clip in (False, True):
            model = guided_by(mixture.denoiser(schedule), r)
            model = clip_x0(model, schedule) if clip else model
            asked = {"ask": "guidedBy", "world": ["islands"], "r": r, "clip": clip, "t": 300}
            yield asked | {"x": x.tolist(), "y": y.tolist()}, model(x, t, y).flatten().tolist(), 1e-12


STATE = {"label": 8, "r": 3.0, "steps": 3, "seed": 5, "clip": False, "network": "one"}


@torch.no_grad()
def drawn(label, r, steps, seed, clip, network):
    """The digits, the judge's guesses, its mean probabilities, and their diversity, by the package."""
    net, schedule, _ = load_checkpoint("mnist-twin-unet" if network == "twin" else "mnist-unet")
    judge = load_checkpoint("mnist-judge")[0]
    model, y = guided_by(net, r), torch.full((10,), label)
    model = clip_x0(model, schedule) if clip else model
    x = sample(ddim_step, model, schedule, torch.randn(10, 1, 28, 28, generator=seeded(seed)), y, steps)
    features = judge.features(x)
    p = judge.head(features).softmax(1)
    return x.flatten(), p.argmax(1), p.mean(0), torch.tensor([diversity(features, y)])


def labs():
    """From the same noise the page draws the same digits, and the judge takes each for the same class."""
    for change in ({}, {"r": 0.0, "clip": True}, {"r": 1.0, "seed": 2}, {"network": "twin", "label": 5}):
        state = STATE | change
        x, guess, p, spread = drawn(**state)
        _, at_one, _, spread_at_one = drawn(**state | {"r": 1.0})
        wanted = torch.cat([x, guess, p, spread, at_one, spread_at_one, x.abs().max()[None]]).tolist()
        yield {"ask": "digits", "state": state}, wanted, 1e-3  # rounding, three guided steps on


ROWS = {"checkpoint": files, "product": products, "network": networks, "judge": judges, "guidedBy": guidances}
ROWS |= {"digits": labs}


@cache
def of_kind(kind) -> list:
    """[(question, the package's numbers, how far the page's may be off), ...]"""
    return [*ROWS[kind]()]


@needs_node
@pytest.mark.parametrize("kind", ["product", "network", "judge", "guidedBy", "digits"])
def test_networks_compute_what_the_package_computes(kind):
    off = wrong(of_kind(kind), SCRIPTS)
    assert not off, [({key: q[key] for key in q if key not in ("x", "numbers")}, far) for q, far in off]


def test_the_binary_is_what_its_text_gives():
    compiler = pytest.importorskip("wasmtime", reason="wasmtime, which compiles gemm.wat, is not installed")
    stored = re.search(r"BINARY =((?:\s+\"[\w+/=]+\"[ +;]*)+)", (SOURCE / "gemm.js").read_text(encoding="utf-8"))[1]
    compiled = bytes(compiler.wat2wasm((SOURCE / "gemm.wat").read_text(encoding="utf-8")))
    wanted = base64.b64encode(compiled).decode()
    assert "".join(re.findall(r'"(.*)"', stored)) == wanted, f"BINARY of gemm.js has to be {wanted}"


@needs_node
def test_a_new_question_ends_the_work_on_the_last():
    (heard,) = ask([{"ask": "works", "states": [STATE | {"steps": 40}, STATE | {"steps": 2}]}], SCRIPTS)
    assert heard[-5:] == ["2: 0/4", "2: 1/4", "2: 2/4", "2: 2/4", "2: 3/4", "2: 4/4", "2: result"][-5:]
    assert 0 < len([line for line in heard if line.startswith("1:")]) < 4
    assert "1: result" not in heard


@needs_node
def test_a_checkpoint_is_read_as_the_package_reads_it():
    assert wrong(of_kind("checkpoint"), SCRIPTS) == []
    answers = ask([{"ask": "about", "name": name} for name in SHIPPED], SCRIPTS)
    for name, (kind, names) in zip(SHIPPED, answers, strict=True):
        tensors, about = read(checkpoint_path(name))
        assert (kind, sorted(names.split())) == (about["class"], sorted(tensors))


ABOUT = {"__metadata__": {"cfgedu": json.dumps({"class": "MLP"})}}


FOREIGN = "is not a checkpoint of this course: it lacks the metadata entry 'cfgedu'"


def file(header, body=b"\0" * 8) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def tensor(kind="F32", shape=(2,), place=(0, 8)):
    return ABOUT | {"w": {"dtype": kind, "shape": shape, "data_offsets": place}}


@needs_node
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (file(tensor()), "w"),
        (b"", "Error: mine is truncated or not a safetensors file"),
        (b"<!doctype html><title>404</title>", "Error: mine is truncated or not a safetensors file"),
        (file(tensor())[:-1], "Error: mine: the tensor w is not where the header says"),
        (file(tensor()) + b"\0", "Error: mine is truncated or not a safetensors file"),
        (file(b"{"), "Error: mine has a header that cannot be read"),
        (file(b"\xff{}"), "Error: mine has a header that cannot be read"),
        (file({"__metadata__": {"cfgedu": "{"}}), "Error: mine has a header that cannot be read"),
        (file({"w": tensor()["w"]}), f"Error: mine {FOREIGN}"),
        (file(tensor("BF16")), "Error: mine: the tensor w is of the type BF16, not one of F16, F32, F64"),
        (file(tensor("F64")), "Error: mine: the tensor w is not where the header says"),
        (file(tensor(shape=(3,))), "Error: mine: the tensor w is not where the header says"),
        (file(tensor(place=(-8, 0))), "Error: mine: the tensor w is not where the header says"),
        (file(tensor(place=(2, 10)), b"\0" * 10), "Error: mine: the tensor w is not where the header says"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_it_should_be_is_refused(data, said):
    asked = {"ask": "safetensors", "bytes": base64.b64encode(data).decode(), "name": "mine"}
    assert ask([asked], SCRIPTS) == [said]


# (script, what stands there once, the error planted in its place, the kind of question that has to find it)
ERRORS = [
    ("safetensors", "8 + Number(", "Number(", "checkpoint"),
    ("safetensors", "(0, true)", "(0, false)", "checkpoint"),
    ("safetensors", "body.buffer, from,", "body.buffer, 0,", "checkpoint"),
    ("safetensors", "F32: Float32Array", "F32: Int32Array", "checkpoint"),
    ("safetensors", "exponent - 15", "exponent - 16", "checkpoint"),
    ("safetensors", "? -1 : 1", "? 1 : 1", "checkpoint"),
    ("safetensors", "fraction / 1024", "fraction / 512", "checkpoint"),
    ("gemm", "4 * aTap", "aTap", "product"),
    ("gemm", "4 * cRow", "4 * cStep", "product"),
    ("gemm", "row * aRow + x * aStep", "row * aRow + x", "product"),
    ("gemm", "from + tap * aTap", "from", "product"),
    ("gemm", "w += each", "w += 8", "product"),
    ("gemm", "s7 += u * m[q + 7]", "s7 += u * m[q + 6]", "product"),
    ("layers", "1 + Math.exp(-u)", "1 + Math.exp(u)", "network"),
    ("gemm", "k * inner + i", "i * high * wide + k", "network"),
    ("layers", "row(from) * stride, step", "row(from), step", "judge"),
    ("layers", "from.channels * stride", "from.channels", "judge"),
    ("layers", "size === 3 ? from.at : inside(from)", "from.at", "network"),
    ("layers", "let sum = bias[o]", "let sum = 0", "network"),
    ("layers", "divisor(8, n)", "divisor(4, n)", "network"),
    ("layers", "- mean * mean", "", "network"),
    ("layers", "+ 1e-5", "+ 1e-2", "network"),
    ("layers", "scale ? 1 + scale[k] : 1", "scale ? scale[k] : 1", "network"),
    ("layers", "(shift ? shift[k] : 0)", "0", "network"),
    ("layers", "bias[k] - mean", "bias[k] + mean", "network"),
    ("unet", "both.subarray(0, after), both", "both.subarray(after), both", "network"),
    ("unet", "memory[i] += memory[i + ahead]", "memory[i] += 0", "network"),
    ("unet", "memory[down + from.channels]) / 4", "memory[down + from.channels]) / 2", "network"),
    ("unet", "(y >> 1) * row(coarse)", "y * row(coarse)", "network"),
    ("unet", "memory.copyWithin(at + coarse.channels, high", "memory.copyWithin(at + coarse.channels, low", "network"),
    ("unet", "u = 2 * column + k % 2 - edge", "u = 2 * column + (k >> 1) - edge", "network"),
    ("unet", "pooled(net, features[k]", "pooled(net, features[0]", "network"),
    ("unet", "leave(enter(features[last], c), c)", "enter(features[last], c)", "network"),
    ("unet", "(w % 2) * 2 + u % 2", "(u % 2) * 2 + w % 2", "network"),
    ("layers", "10 ** (-4 * k / n)", "10 ** (-4 * k / (n - 1))", "network"),
    ("layers", "t / T * f", "t / T * f / 2", "network"),
    ("unet", "-0.1 * u - 9.95", "-0.1 * u - 9.9", "network"),
    ("unet", "noise * x[i] + signal * value", "x[i] + signal * value", "network"),
    ("unet", "(y + 1) * condition, (y", "y * condition, (y", "network"),
    ("unet", "y === NULL ? un : predict(1, sum(plain, labelled(y)).map(silu))", "predict(1, c)", "network"),
    ("unet", "predict(0, c)", "predict(1, c)", "network"),
    ("judge", "(side + 1) >> 1", "side >> 1", "judge"),
    ("judge", "(k * side + v) * side + u", "(k * side + u) * side + v", "judge"),
    ("judge", "map(Math.tanh)", "map(Math.sin)", "judge"),
    ("judge", "Math.exp(u - top)", "Math.exp(top - u)", "judge"),
    ("sampling", "r === 0 ? (x, t) => model(x, t, cfgedu.NULL)", "r === 0 ? model", "guidedBy"),
    ("sampling", "Math.min(Math.max(u, low), high)", "Math.max(u, low)", "guidedBy"),
    ("metrics", "** 2, 0) / (n - 1)", "** 2, 0) / n", "judge"),
    ("metrics", "centre[i % F] += value / n", "centre[i % F] = value / n", "judge"),
    ("digits", "own.indexOf(Math.max(...own))", "own.indexOf(Math.min(...own))", "digits"),
    ("digits", "clip ? cfgedu.clipX0(model, schedule) : model", "model", "digits"),
    ("digits", '{ ...state, r: 1 }', "state", "digits"),
    ("digits", "Math.max(most, Math.abs(u))", "Math.max(most, u)", "digits"),
]  # fmt: skip


@needs_node
@pytest.mark.parametrize("error", ERRORS, ids=[f"{script}-{k}" for k, (script, *_) in enumerate(ERRORS)])
def test_a_planted_error_is_found(error, tmp_path):
    *plant, kind = error
    assert wrong(of_kind(kind), planted(SCRIPTS, *plant, tmp_path))
