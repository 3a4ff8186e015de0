"""Networks in the page: checkpoints are read as the package reads them, and what is none is refused by name."""

import base64
import json
import struct
from functools import cache

import pytest

from cfgedu.checkpoints import checkpoint_path, read
from cfgedu.files import DATA
from tests.site import ask, needs_node, planted, wrong
from tools.site_data import SOURCE, WORLD

SCRIPTS = [SOURCE / script for script in WORLD]
SHIPPED = sorted(path.stem for path in DATA.glob("*.safetensors"))


def digest(tensor) -> list[float]:
    """A few numbers that tell a tensor from another."""
    flat = tensor.flatten().double()
    return [*tensor.shape, flat[0], flat[-1], (flat * (1 + flat.new_tensor(range(len(flat))) % 97)).sum()]


@cache
def golden() -> list:
    rows = []
    for name in SHIPPED:
        tensors = read(checkpoint_path(name))[0]
        numbers = [float(number) for key in sorted(tensors) for number in digest(tensors[key])]
        asked = {"ask": "checkpoint", "name": name, "names": sorted(tensors)}
        rows.append((asked, numbers, 1e-9 * max(map(abs, numbers))))
    return rows


@needs_node
def test_a_checkpoint_is_read_as_the_package_reads_it():
    assert wrong(golden(), SCRIPTS) == []
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
        (file(tensor("F16")), "Error: mine: the tensor w is of the type F16, not one of F32, F64"),
        (file(tensor("F64")), "Error: mine: the tensor w is not where the header says"),
        (file(tensor(shape=(3,))), "Error: mine: the tensor w is not where the header says"),
        (file(tensor(place=(-8, 0))), "Error: mine: the tensor w is not where the header says"),
        (file(tensor(place=(2, 10)), b"\0" * 10), "Error: mine: the tensor w is not where the header says"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_it_should_be_is_refused(data, said):
    asked = {"ask": "safetensors", "bytes": base64.b64encode(data).decode(), "name": "mine"}
    assert ask([asked], SCRIPTS) == [said]


# (script, what stands there once, the error planted in its place)
ERRORS = [
    ("safetensors", "8 + Number(", "Number("),
    ("safetensors", "(0, true)", "(0, false)"),
    ("safetensors", "body.buffer, from,", "body.buffer, 0,"),
    ("safetensors", "F32: Float32Array", "F32: Int32Array"),
]


@needs_node
@pytest.mark.parametrize("error", ERRORS, ids=[f"{script}-{k}" for k, (script, *_) in enumerate(ERRORS)])
def test_a_planted_error_is_found(error, tmp_path):
    assert wrong(golden(), planted(SCRIPTS, *error, tmp_path))
