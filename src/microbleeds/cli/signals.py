"""A process that is told to end leaves nothing half-written: what cleans up runs, as after Ctrl-C."""

from __future__ import annotations

import signal
import threading
from types import FrameType

#: ``kill``, the time limit of a queue and ``docker stop`` send the first, a closed terminal the second.
_NAMES = ("SIGTERM", "SIGHUP")


def end_cleanly() -> None:
    """Let signals that end a process raise ``SystemExit`` in the main thread; those that are ignored stay so."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in _NAMES:
        number = getattr(signal, name, None)  # Windows knows no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _leave)


def _leave(number: int, _frame: FrameType | None) -> None:
    # A second one, as a closed session sends, must not interrupt the cleaning up.
    for name in _NAMES:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    raise SystemExit(128 + number)
