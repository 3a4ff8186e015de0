"""The data folder, files that are written whole or not at all, and files from the network.

array = fetch(path, [url, another_url], check)     # check(content) returns what the caller wants of it, or raises
"""

import io
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

DATA = Path(__file__).resolve().parent.parent / "data"
T = TypeVar("T")
TIMEOUT = (10, 30)  # seconds to connect, and between two pieces of an answer
CHUNK = 2**14  # bytes that move the progress bar once


def write(path: Path, content: bytes) -> None:
    """All or nothing: the file at `path` is the old one or the new one, whenever program or power stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")  # a name of its own, where two write at once
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the new name with nothing behind it
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_rows(path: Path, rows: Iterable[dict]) -> None:
    """A table as JSON, one row a line, so that a new measurement is a readable difference; all or nothing."""
    write(path, ("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n").encode())


def read_rows(path: Path) -> list[dict]:
    """The rows that `write_rows` wrote; none where there is no file yet."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def fetch(path: Path, urls: Iterable[str], check: Callable[[bytes], T]) -> T:
    """check(content) for the first of `urls` whose content passes; that content then lies at `path`.

    An answer that stalls, breaks off, or makes `check` raise ValueError sends us on to the next mirror. Until one
    passes nothing is written. Raises ConnectionError with a line "url: reason" for each mirror if none does, and
    another OSError if `path` cannot be written.
    """
    failures, outer = [], sys.exception()
    for url in urls:
        try:
            content = get(url, path.name)
            checked = check(content)
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            failures.append(f"{url}: {reason(error, outer)}")
        else:
            write(path, content)
            return checked
    raise ConnectionError("\n".join(failures))


def get(url: str, name: str) -> bytes:
    """The body of the answer, behind a progress bar called `name`."""
    from pooch import HTTPDownloader  # here: it takes a third of a second that few need

    body = io.BytesIO()
    # pooch sets the bar's total once it knows it. Until then it must not be None: such a bar has no truth value.
    with tqdm(total=1, desc=name, unit="B", unit_scale=True, leave=False) as bar:
        HTTPDownloader(progressbar=bar, chunk_size=CHUNK, timeout=TIMEOUT)(url, body, None)
    return body.getvalue()


def reason(error: Exception, outer: BaseException | None) -> str:
    """A few words: the server's status, or the first of the errors that led to this one ("Connection refused").

    `outer` is what the caller was handling already: Python appends it to the chain, but it is none of the causes.
    """
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    if isinstance(error, OSError):
        while (cause := error.__cause__ or error.__context__) not in (None, outer):
            error = cause
    return str(error) or type(error).__name__
