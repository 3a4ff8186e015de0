"""The digits are the same everywhere; MNIST's files are checked before a byte of them is used."""

import gzip
import hashlib
import os
import struct
from pathlib import Path

import pytest
import torch

from cfgedu import images
from cfgedu.images import load


def idx(values, *sizes):
    return struct.pack(f">BBBB{len(sizes)}I", 0, 0, 8, len(sizes), *sizes) + bytes(values)


IMAGES = idx([0, 255, 51, 204] * 49 * 4 * 3, 12, 14, 14)
LABELS = idx(range(12), 12)


def ways_out(text):
    """A pattern for a message that names the trouble and both ways out of it."""
    return rf'(?s){text}.*data/mnist/.*CFGEDU_DATA.*load\("digits"\)'


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """A folder mnist/ under $CFGEDU_DATA with small IDX files, their sums in place of the real ones, and no mirrors."""
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    monkeypatch.setenv("CFGEDU_DATA", str(folder.parent))
    monkeypatch.setattr(images, "DATA", tmp_path / "course")
    monkeypatch.setattr(images, "MIRRORS", ())
    for prefix in ("train", "t10k"):
        for name, content in ((f"{prefix}-images-idx3-ubyte", IMAGES), (f"{prefix}-labels-idx1-ubyte", LABELS)):
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            monkeypatch.setitem(images.SHA256, name, hashlib.sha256(content).hexdigest())
    return folder


def test_digits_are_split_once_and_for_all():
    (x, y), (test_x, test_y) = load("digits"), load("digits", split="test")
    assert x.shape == (1297, 1, 8, 8)
    assert test_x.shape == (500, 1, 8, 8)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    for part in (x, test_x):
        assert (part.min(), part.max()) == (-1, 1)
    assert y.bincount().min() >= 120
    assert test_y.bincount().min() >= 48
    assert torch.equal(load("digits", "test")[0], test_x)
    seen = {row.numpy().tobytes() for row in x}
    assert not any(row.numpy().tobytes() in seen for row in test_x)
    assert (test_y[:20].diff() != 0).any()  # shuffled, not sorted
    # The values are 0..16 in sixteenths of the range; a checksum holds the split in place.
    assert int(((test_x + 1) * 8).sum()) == 156_339


def test_mnist_is_read_from_the_folder_of_the_environment(mnist):
    for split in ("train", "test"):
        x, y = load("mnist", split)
        assert x.shape == (12, 1, 14, 14)
        assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
        assert sorted(x.unique().tolist()) == pytest.approx([-1, -0.6, 0.6, 1])
        assert y.tolist() == list(range(12))


def test_mnist_may_be_unpacked_and_lie_in_the_course(mnist, monkeypatch):
    monkeypatch.delenv("CFGEDU_DATA")
    course = images.DATA / "mnist"
    course.mkdir(parents=True)
    for path in mnist.iterdir():
        (course / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    assert load("mnist")[0].shape == (12, 1, 14, 14)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"])
def test_the_first_bytes_tell_what_is_compressed_not_the_name(mnist, name):
    (mnist / "train-images-idx3-ubyte.gz").unlink()
    for content in (IMAGES, gzip.compress(IMAGES)):
        (mnist / name).write_bytes(content)
        assert load("mnist")[0].shape == (12, 1, 14, 14)


def test_missing_files_are_named_with_both_ways_out(mnist):
    (mnist / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=ways_out("MNIST's file train-labels-idx1-ubyte:")) as error:
        load("mnist")
    for folder in (mnist, images.DATA / "mnist"):
        assert f"\n{folder} does not have it\n" in str(error.value)
    assert not images.DATA.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(IMAGES)[:-20], r"its gzip compression is broken \(Compressed file ended"),
        (gzip.compress(IMAGES)[:-8] + bytes(8), r"its gzip compression is broken \(CRC check failed"),
        (gzip.compress(IMAGES[:-1] + b"\7"), "its content has SHA-256 .*, not "),
        (IMAGES[:-1], r"it should hold \[12, 14, 14\] bytes after its header, and has 2351"),
        (b"<!DOCTYPE html>", "it is no 3-dimensional IDX file of unsigned bytes, it starts b'<!DOCTYPE html>'"),
        (gzip.compress(LABELS), "it is no 3-dimensional IDX file of unsigned bytes"),
        (b"", "it is no 3-dimensional IDX file"),
    ],
    ids=["truncated", "checksum", "one byte changed", "unpacked and truncated", "a page", "another file", "empty"],
)
def test_damaged_files_of_the_reader_are_named_with_both_ways_out_and_left_alone(mnist, content, words):
    path = mnist / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=ways_out(f"train-images-idx3-ubyte.gz is damaged: {words}")):
        load("mnist")
    assert path.read_bytes() == content
    assert load("mnist", "test")[0].shape == (12, 1, 14, 14)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is no 3-dimensional IDX file"),
        (b"\x89PNG" + IMAGES, "it is no 3-dimensional IDX file .* it starts b'.x89PNG"),
        (LABELS, "it is no 3-dimensional IDX file of unsigned bytes"),
        (IMAGES[:10], "it should hold .* and has 0"),
        (IMAGES[:-1], r"it should hold \[12, 14, 14\] bytes after its header, and has 2351"),
        (IMAGES + b"\0", r"it should hold \[12, 14, 14\] bytes after its header, and has 2353"),
    ],
)
def test_malformed_idx_is_told_apart(content, words):
    with pytest.raises(ValueError, match=words):
        images.parse_idx(content, 3)


PLACES = [Path(os.environ.get("CFGEDU_DATA") or images.DATA), Path(__file__).resolve().parents[2] / "shared" / "data"]
REAL = next((place for place in PLACES if len(list(place.glob("mnist/*-ubyte*"))) >= 4), None)


@pytest.mark.skipif(REAL is None, reason="MNIST is not on this machine: set CFGEDU_DATA")
def test_the_real_mnist(monkeypatch):
    monkeypatch.setenv("CFGEDU_DATA", str(REAL.resolve()))
    monkeypatch.setattr(images, "MIRRORS", ())
    for split, N, first in (("train", 60_000, [5, 0, 4, 1, 9]), ("test", 10_000, [7, 2, 1, 0, 4])):
        x, y = load("mnist", split)
        assert x.shape == (N, 1, 28, 28)
        assert (x.min(), x.max()) == (-1, 1)
        assert y[:5].tolist() == first
        assert y.bincount().min() > 0.08 * N


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"name must be one of .*digits.*mnist.*, got 'cifar'"):
        load("cifar")
    with pytest.raises(ValueError, match=r"split must be one of .*train.*test.*, got 'validation'"):
        load("digits", split="validation")
