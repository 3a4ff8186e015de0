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
    assert f"\n{mnist.parent} does not have it, nor do the folders in it (there is: mnist)\n" in str(error.value)
    assert f"\n{images.DATA / 'mnist'} does not have it\n" in str(error.value)
    assert not images.DATA.exists()


KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")
OTHER_NAMES = {  # who calls the files so: how
    "MNIST's site": lambda name: f"{name}.gz",
    "unpacked": lambda name: name,
    "7-Zip, Kaggle": lambda name: name.replace("-idx", ".idx"),
    "the same, packed": lambda name: name.replace("-idx", ".idx") + ".gz",
    "a second download": lambda name: f"{name} (1).gz",
    "a folder for each, Kaggle": lambda name: f"{name}/{name}",
    "capitals": lambda name: name.upper(),
    "underscores": lambda name: name.replace("-", "_"),
    "test": lambda name: name.replace("t10k", "test"),
}


PLACES = ["", "mnist", "raw", "MNIST/raw", "MNIST", "another folder"]


@pytest.mark.parametrize(
    ("who", "place"),
    [(who, place) for who in OTHER_NAMES for place in PLACES if not (place and who.startswith("a folder"))],
)
def test_mnist_is_found_under_its_usual_other_names_and_in_other_folders(mnist, tmp_path, monkeypatch, who, place):
    own = tmp_path / "own"
    for split in ("train", "t10k"):
        for kind, content in zip(KINDS, (IMAGES, LABELS)):
            path = own / place / OTHER_NAMES[who](f"{split}-{kind}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    monkeypatch.setenv("CFGEDU_DATA", str(own))
    for split in images.SPLITS:
        assert load("mnist", split)[0].shape == (12, 1, 14, 14)
    monkeypatch.delenv("CFGEDU_DATA")
    own.rename(images.DATA)  # and in the same way in the course's own folder
    assert load("mnist")[1].tolist() == list(range(12))


@pytest.mark.parametrize(
    "name", ["train-images", "train-images-idx3-ubyte.npy", "emnist-train-images-idx3-ubyte", "x.gz"]
)
def test_other_files_are_not_taken_for_mnist_s(name):
    assert images.usual_name(name) not in images.SHA256


@pytest.mark.parametrize(
    "text",
    ["{}", " {} ", '"{}"', "'{}'\n", ' "{}" ', "{}/mnist", "data", "./data", "../{name}/data", "~/data", '"~/data"'],
)
def test_the_folder_of_the_environment_may_be_written_in_many_ways(mnist, tmp_path, monkeypatch, text):
    """What is relative starts at the course, wherever the program runs: a notebook's kernel runs in notebooks/."""
    root = mnist.parent.parent
    monkeypatch.setattr(images, "DATA", root / "course-data")
    monkeypatch.setenv("HOME", str(root))
    monkeypatch.setenv("USERPROFILE", str(root))
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setenv("CFGEDU_DATA", text.format(mnist.parent, name=root.name))
    assert load("mnist")[0].shape == (12, 1, 14, 14)


@pytest.mark.parametrize("text", ["", "  ", '""'])
def test_an_empty_folder_name_is_none(monkeypatch, text):
    monkeypatch.setenv("CFGEDU_DATA", text)
    assert images.own_folder() is None


@pytest.mark.parametrize("asked", images.SHA256)
@pytest.mark.parametrize("given", images.SHA256)
def test_a_file_that_is_another_of_the_four_is_told_so(mnist, monkeypatch, asked, given):
    contents = {name: name.encode() + IMAGES for name in images.SHA256}
    for name, content in contents.items():
        monkeypatch.setitem(images.SHA256, name, hashlib.sha256(content).hexdigest())
    if asked == given:
        return
    for content in (contents[given], gzip.compress(contents[given])):
        (mnist / f"{asked}.gz").write_bytes(content)
        said = f"{asked}.gz is damaged: it is {given}, another one of MNIST's four files"
        with pytest.raises(ValueError, match=ways_out(said)):
            images.idx_file(asked, 3 if "images" in asked else 1)


def test_a_good_copy_is_taken_where_a_damaged_one_lies_beside_it(mnist):
    (mnist / "train-images.idx3-ubyte").write_bytes(IMAGES)
    (mnist / "train-images-idx3-ubyte.gz").write_bytes(b"<!DOCTYPE html>")
    assert load("mnist")[0].shape == (12, 1, 14, 14)


def test_a_file_or_folder_that_may_not_be_read_is_told(mnist, monkeypatch):
    def denied(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", denied)
        with pytest.raises(OSError, match=ways_out("train-images-idx3-ubyte.gz cannot be read: Permission denied")):
            load("mnist")
    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(OSError, match=ways_out("data cannot be read: Permission denied")):
        load("mnist")


def test_a_folder_of_somebody_else_beside_the_files_is_no_trouble(mnist, monkeypatch):
    (mnist.parent / "lost+found").mkdir()
    mnist.rename(mnist.parent / "my files")
    iterdir = Path.iterdir

    def denied(path):
        if path.name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", denied)
    assert load("mnist")[0].shape == (12, 1, 14, 14)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(IMAGES)[:-20], r"its gzip compression is broken \(Compressed file ended"),
        (gzip.compress(IMAGES)[:-8] + bytes(8), r"its gzip compression is broken \(CRC check failed"),
        (gzip.compress(IMAGES[:-1] + b"\7"), "its content has SHA-256 .*, not "),
        (IMAGES[:-1], r"it should hold \[12, 14, 14\] bytes after its header, and has 2351"),
        (b"<!DOCTYPE html>", "it is no 3-dimensional IDX file of unsigned bytes, it starts b'<!DOCTYPE html>'"),
        (gzip.compress(LABELS), "it is train-labels-idx1-ubyte, another one of MNIST's four files"),
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


MACHINE = [Path(os.environ.get("CFGEDU_DATA") or images.DATA), Path(__file__).resolve().parents[2] / "shared" / "data"]
REAL = next((place for place in MACHINE if len(list(place.glob("mnist/*-ubyte*"))) >= 4), None)


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
