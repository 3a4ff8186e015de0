"""The place of a run's files, looked at before the first step: can it be written, and does another run write there?"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from tempfile import TemporaryDirectory

from cfgedu import files

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

MINE: ContextVar[frozenset[Path]] = ContextVar("MINE", default=frozenset())  # places that this thread has reserved
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)  # some network file systems


class PlaceError(OSError):
    """A run cannot be written where it should be."""


def require_place(name: str, path: Path) -> None:
    """A file can be written at `path`, folders that are missing included. Nothing of the trial is left there."""
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        there = next(folder for folder in path.absolute().parents if folder.exists())
        with TemporaryDirectory(dir=there, prefix=".trial-") as trial:
            files.write(Path(trial) / path.absolute().relative_to(there), b"")
    except OSError as error:
        raise PlaceError(f"{name} cannot be written: {path} ({error.strerror or error})") from error


@contextmanager
def reserved(path: Path) -> Iterator[None]:
    """While the block runs, no other run may write at `path`. Raises PlaceError where one does already.

    The system's lock on a file beside it, which it lets go of when the process ends, in whichever way. A block within
    the block, as `train` has within the command, is the same run.
    """
    path = path.absolute()
    if path in MINE.get():
        yield
        return
    lock = path.with_name(f"{path.name}.lock")
    file = locked(lock)
    if file is None:
        raise PlaceError(f"{path} belongs to a run that is going on: end it first, or give this one another name")
    token = MINE.set(MINE.get() | {path})
    try:
        yield
    finally:
        MINE.reset(token)
        if fcntl:  # while it is held, or another run could take the file that goes away
            lock.unlink(missing_ok=True)
        os.close(file)
        if not fcntl:
            with suppress(OSError):  # Windows keeps a file that somebody has open, as a second run may for a moment
                lock.unlink()


def locked(path: Path) -> int | None:
    """The open file at `path`, locked; None where another process has locked it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                os.close(file)
                if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                    return None
                raise
        if not fcntl or is_at(file, path):
            return file
        os.close(file)  # whoever held it has just removed it: this lock is on a file that nobody sees


def is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False
