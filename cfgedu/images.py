"""Real images as tensors: the 8x8 digits that come with scikit-learn, and MNIST from the disk or a public mirror.

x, y = load("digits", split="train")     # x (N,1,H,W) float32 in [-1, 1], y (N,) long
"""

import gzip
import hashlib
import math
import os
import re
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cfgedu.files import DATA, fetch

SETS = ("digits", "mnist")
SPLITS = ("train", "test")
PREFIX = {"train": "train", "test": "t10k"}  # how MNIST's own files name the two
MIRRORS = ("https://storage.googleapis.com/cvdf-datasets/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist")
GZIP = b"\x1f\x8b"  # how every gzip file starts
WAYS_OUT = (
    "Put MNIST's four IDX files, gzip-compressed or not, into data/mnist/ of the course or into the folder that the "
    'environment variable CFGEDU_DATA names, or a folder in that; or use load("digits"), which needs no files.'
)
FOLDERS = ("mnist", ".", "MNIST/raw", "raw", "MNIST", "mnist/raw")  # where in a folder of data MNIST usually lies
SHA256 = {  # of the decompressed content
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def load(name: str, split: str = "train") -> tuple[Tensor, Tensor]:
    """(x (N,1,H,W) float32 in [-1, 1], y (N,) long with labels 0..9).

    "digits": 8x8, 1297 to train on and 500 to test with, a fixed split in which every class has its share.
    "mnist": 28x28, 60,000 and 10,000, from the folder $CFGEDU_DATA (from the course's, where it is relative) or one in
    it, else from data/mnist, else downloaded to there, each file checked against a known sum and known under its usual
    other names. A damaged file in data/mnist is downloaded again; in your folder it is an error.
    Raises ValueError for another name or split or a damaged file of yours, FileNotFoundError where a file of MNIST is
    neither there nor to be had, OSError where it cannot be read or kept.
    """
    if name not in SETS:
        raise ValueError(f"name must be one of {SETS}, got {name!r}")
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
    return digits(split) if name == "digits" else mnist(split)


def digits(split: str) -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits  # here: it takes a second that MNIST does not need
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)  # (1797, 64) with values 0..16
    rows = train_test_split(np.arange(len(labels)), test_size=500, stratify=labels, random_state=0)
    i = rows[SPLITS.index(split)]
    x = torch.from_numpy(images[i]).float().reshape(-1, 1, 8, 8)  # (N, 64) -> (N,1,8,8)
    return x / 8 - 1, torch.from_numpy(labels[i]).long()


def mnist(split: str) -> tuple[Tensor, Tensor]:
    images = idx_file(f"{PREFIX[split]}-images-idx3-ubyte", ndim=3)
    labels = idx_file(f"{PREFIX[split]}-labels-idx1-ubyte", ndim=1)
    x = torch.from_numpy(images).float().unsqueeze(1)  # (N,28,28) -> (N,1,28,28)
    return x / 127.5 - 1, torch.from_numpy(labels).long()


def idx_file(name: str, ndim: int) -> np.ndarray:
    """The array in MNIST's file `name`: from the reader's own folder, else from the course's, else from a mirror."""
    own, cache = own_folder(), DATA / "mnist"
    check = partial(checked, name=name, ndim=ndim)
    troubles = []
    for folder in [own, DATA] if own else [DATA]:
        paths, bad = list(copies(folder, name)), []
        for path in paths:
            try:
                return check(path.read_bytes())
            except ValueError as error:
                bad.append(f"{path} is damaged: {error}")
            except OSError as error:
                bad.append(f"{path} cannot be read: {error.strerror or error}")
        if bad and folder == own:
            raise (ValueError if "is damaged" in bad[0] else OSError)(f"{'. '.join(bad)}. {WAYS_OUT}")
        troubles += bad or [absent(own) if folder == own else f"{cache} does not have it"]
    if own:
        print(f"Downloading MNIST's file {name} to {cache}. As for CFGEDU_DATA: {troubles[0]}.", flush=True)
    try:
        return fetch(cache / f"{name}.gz", [f"{mirror}/{name}.gz" for mirror in MIRRORS], check)
    except ConnectionError as error:
        troubles.append(str(error))
        raise FileNotFoundError("\n".join([f"No good copy of MNIST's file {name}:", *troubles, WAYS_OUT])) from error
    except OSError as error:
        raise OSError(f"MNIST's file {name} came, but could not be kept: {error}. {WAYS_OUT}") from error


def own_folder() -> Path | None:
    """$CFGEDU_DATA without the blanks and quotes around it; ~ is home, and what is relative starts at the course."""
    text = os.environ.get("CFGEDU_DATA", "").strip().strip("\"'").strip()
    return DATA.parent / os.path.expanduser(text) if text else None


def copies(folder: Path, name: str) -> Iterator[Path]:
    """The files called `name`, or as others call it, in the folder and one level down: the likeliest places first."""
    usual = [folder / place for place in FOLDERS]
    for place in [*usual, *(other for other in listed(folder) if other.is_dir() and other not in usual)]:
        try:
            found = listed(place)
        except OSError:
            if place in usual:
                raise
            continue  # somebody else's folder, beside the one with the files
        yield from (path for path in found if usual_name(path.name) == name and path.is_file())


def usual_name(name: str) -> str:
    """As MNIST's own site calls a file: train-images.idx3-ubyte, of Kaggle, is train-images-idx3-ubyte, .gz or not."""
    plain = re.sub(r"( ?\(\d+\))?(\.gz|\.bin)?$", "", name.lower()).replace(".", "-").replace("_", "-")
    return re.sub("^test-", "t10k-", plain)


def listed(folder: Path) -> list[Path]:
    """What is in a folder, .gz first; nothing where there is none. OSError with both ways out if it may not be read."""
    try:
        return sorted(folder.iterdir(), key=lambda path: (path.suffix != ".gz", path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise OSError(f"{folder} cannot be read: {error.strerror or error}. {WAYS_OUT}") from error


def absent(folder: Path) -> str:
    """That a folder of the reader's does not hold a file, and what it holds instead."""
    if not folder.is_dir():
        return f"there is no folder {folder}"
    names = [path.name for path in listed(folder)]
    return f"{folder} does not have it, nor do the folders in it (there is: {', '.join(names[:6]) or 'nothing'})"


def checked(content: bytes, name: str, ndim: int) -> np.ndarray:
    """The array in MNIST's file `name`, gzip-compressed or not; ValueError with the trouble for any other content."""
    content = unpacked(content)
    found = hashlib.sha256(content).hexdigest()
    for other in SHA256:
        if found == SHA256[other] != SHA256[name]:
            raise ValueError(f"it is {other}, another one of MNIST's four files")
    array = parse_idx(content, ndim)
    if found != SHA256[name]:
        raise ValueError(f"its content has SHA-256 {found}, not {SHA256[name]}")
    return array


def unpacked(content: bytes) -> bytes:
    """By its first bytes, not by a name: browsers and servers unpack what they pass on, and keep the .gz."""
    if not content.startswith(GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"its gzip compression is broken ({error})") from error


def parse_idx(content: bytes, ndim: int) -> np.ndarray:
    """IDX: two zero bytes, 8 for unsigned bytes, the number of dimensions, their sizes as 4 big-endian bytes, data."""
    if content[:4] != bytes([0, 0, 8, ndim]):
        raise ValueError(f"it is no {ndim}-dimensional IDX file of unsigned bytes, it starts {content[:16]!r}")
    start = 4 + 4 * ndim
    sizes = np.frombuffer(content[4:start].ljust(4 * ndim, b"\0"), dtype=">u4").tolist()
    if len(content) != start + math.prod(sizes):
        raise ValueError(f"it should hold {sizes} bytes after its header, and has {max(len(content) - start, 0)}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(sizes).copy()
