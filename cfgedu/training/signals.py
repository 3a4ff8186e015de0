"""What ends a run early: Ctrl-C, `kill`, a terminal that closes. None of them may cut a step or a save in two."""

import signal
import threading
from contextlib import contextmanager


@contextmanager
def uninterrupted():
    """Ctrl-C waits until the block is done. (Signals reach the main thread only: elsewhere there is nothing to do.)"""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending = []
    previous = signal.signal(signal.SIGINT, lambda *_: pending.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if pending:
        raise KeyboardInterrupt


@contextmanager
def stopped_like_ctrl_c():
    """While the block runs, SIGTERM (`kill`, a cluster's time limit) and SIGHUP (a closed terminal) are what Ctrl-C is.

    A signal that is ignored already stays so: `nohup` means that the run goes on when the terminal closes. One that has
    a handler of its own keeps it. (Outside the main thread there is nothing to do.)
    """
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                previous[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def stop(number: int, _) -> None:
    """As Ctrl-C, which a job in the background of a script ignores. Once is enough: a closing terminal sends two."""
    signal.signal(number, signal.SIG_IGN)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)
