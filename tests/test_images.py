"""The digits are the same everywhere; MNIST's files are checked before a byte of them is used."""

import gzip
import hashlib
import struct

import pytest
import torch

from cfgedu import images
from cfgedu.images import load


def idx(values, *sizes):
    return struct.pack(f">BBBB{len(sizes)}I", 0, 0, 8, len(sizes), *sizes) + bytes(values)


IMAGES = idx([0, 255, 51, 204] * 49 * 4 * 3, 12, 14, 14)
LABELS = idx(range(12), 12)


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """A folder mnist/ under $CFGEDU_DATA with small IDX files, and their sums in place of the real ones."""
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    monkeypatch.setenv("CFGEDU_DATA", str(folder.parent))
    monkeypatch.setattr(images, "DATA", tmp_path / "course")
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


def ways_out(text):
    """A pattern for a message that names the trouble and both ways out of it."""
    return rf'(?s){text}.*data/mnist/.*CFGEDU_DATA.*load\("digits"\)'


def test_missing_files_are_named_with_both_ways_out(mnist):
    (mnist / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=ways_out("MNIST's file train-labels-idx1-ubyte is not in ")):
        load("mnist")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(IMAGES)[:-20], "train-images-idx3-ubyte.gz is truncated or not a gzip file"),
        (b"not gzip at all", "train-images-idx3-ubyte.gz is truncated or not a gzip file"),
        (gzip.compress(IMAGES[:-1] + b"\7"), "train-images-idx3-ubyte.gz is damaged: its content has SHA-256"),
        (gzip.compress(b""), "train-images-idx3-ubyte.gz is damaged: its content has SHA-256"),
    ],
    ids=["truncated", "not gzip", "one byte changed", "empty"],
)
def test_damaged_files_are_named_with_both_ways_out_and_left_alone(mnist, content, words):
    path = mnist / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=ways_out(words)):
        load("mnist")
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not an IDX file"),
        (b"\x89PNG" + IMAGES, "is not an IDX file .* it starts b'.x89PNG'"),
        (LABELS, "is not an IDX file of unsigned bytes in 3 dimensions"),
        (IMAGES[:10], "should hold .* got 0 bytes"),
        (IMAGES[:-1], r"should hold \[12, 14, 14\] bytes after its header, got 2351 bytes"),
        (IMAGES + b"\0", r"should hold \[12, 14, 14\] bytes after its header, got 2353 bytes"),
    ],
)
def test_malformed_idx_files_are_named(tmp_path, content, words):
    with pytest.raises(ValueError, match=rf"some-file {words}"):
        images.parse_idx(content, 3, "some-file")


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"name must be one of .*digits.*mnist.*, got 'cifar'"):
        load("cifar")
    with pytest.raises(ValueError, match=r"split must be one of .*train.*test.*, got 'validation'"):
        load("digits", split="validation")
