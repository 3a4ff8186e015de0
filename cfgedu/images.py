"""Real images as tensors: the 8x8 digits that come with scikit-learn, and MNIST from files on disk.

x, y = load("digits", split="train")     # x (N,1,H,W) float32 in [-1, 1], y (N,) long
"""

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

from cfgedu.checkpoints import DATA

SETS = ("digits", "mnist")
SPLITS = ("train", "test")
PREFIX = {"train": "train", "test": "t10k"}  # how MNIST's own files name the two
WAYS_OUT = (
    "Put MNIST's four IDX files, gzip-compressed or not, into data/mnist/ of the course or into a folder mnist/ inside "
    'the folder that the environment variable CFGEDU_DATA names; or use load("digits"), which needs no files.'
)
SHA256 = {  # of the decompressed content
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def load(name: str, split: str = "train") -> tuple[Tensor, Tensor]:
    """(x (N,1,H,W) float32 in [-1, 1], y (N,) long with labels 0..9).

    "digits": 8x8, 1297 to train on and 500 to test with, a fixed split in which every class has its share.
    "mnist": 28x28, 60,000 and 10,000, read from $CFGEDU_DATA/mnist or data/mnist and checked against known sums.
    Raises ValueError for another name or split or a damaged file, FileNotFoundError where MNIST's files are missing.
    """
    if name not in SETS:
        raise ValueError(f"name must be one of {SETS}, got {name!r}")
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
    return digits(split) if name == "digits" else mnist(split)


def digits(split: str) -> tuple[Tensor, Tensor]:
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
    """The array in the IDX file `name`, from the first folder that has it, after its content was checked."""
    folders = [DATA / "mnist"]
    if os.environ.get("CFGEDU_DATA"):
        folders.insert(0, Path(os.environ["CFGEDU_DATA"]) / "mnist")
    candidates = [folder / f"{name}{suffix}" for folder in folders for suffix in ("", ".gz")]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"MNIST's file {name} is not in {' or '.join(map(str, folders))}. {WAYS_OUT}")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is truncated or not a gzip file ({error}). {WAYS_OUT}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise ValueError(f"{path} is damaged: its content has SHA-256 {found}, not {SHA256[name]}. {WAYS_OUT}")
    return parse_idx(content, ndim, path)


def parse_idx(content: bytes, ndim: int, path: Path) -> np.ndarray:
    """IDX: two zero bytes, 8 for unsigned bytes, the number of dimensions, their sizes as 4 big-endian bytes, data."""
    if content[:4] != bytes([0, 0, 8, ndim]):
        raise ValueError(f"{path} is not an IDX file of unsigned bytes in {ndim} dimensions: it starts {content[:4]!r}")
    start = 4 + 4 * ndim
    sizes = np.frombuffer(content[4:start].ljust(4 * ndim, b"\0"), dtype=">u4").tolist()
    if len(content) != start + math.prod(sizes):
        raise ValueError(f"{path} should hold {sizes} bytes after its header, got {max(len(content) - start, 0)} bytes")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(sizes).copy()
