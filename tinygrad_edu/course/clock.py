"""A time limit for the learner's function, where the system can set one."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS = 5.0


class TimeUp(BaseException):
    """The time is over; not an Exception, so that no ``except Exception`` of a learner stops it."""


def can_limit() -> bool:
    """Check that a time limit can be set: it needs signals and the main thread, not a browser."""
    return (
        hasattr(signal, "setitimer")
        and sys.platform != "emscripten"
        and threading.current_thread() is threading.main_thread()
    )


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeUp inside the block once the time is over, if a limit can be set at all.

    An alarm that was set before goes on afterwards, with the time that was left to it.
    """
    if not can_limit():
        yield
        return

    before = signal.signal(signal.SIGALRM, _ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        rest, _ = signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (seconds - rest), 1e-6), interval)


def _ring(number: int, frame: FrameType | None) -> None:
    raise TimeUp
