"""The garbage collector, paused while it has nothing to find."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_lock = RLock()
_pauses = (
    0  # the collector belongs to the process: the first pause stops it, the last one ends that
)
_was_on = False


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector: graphs have no cycles, they die with their root.

    The collector is back as it was once all blocks have ended, whichever threads they run in and
    however they overlap. ``gc.freeze`` would not do: undoing it would also thaw what the caller had
    frozen.
    """
    global _pauses, _was_on
    with _lock:
        if not _pauses:
            _was_on = gc.isenabled()
            gc.disable()
        _pauses += 1
    try:
        yield
    finally:
        with _lock:
            _pauses -= 1
            if _was_on and not _pauses:
                gc.enable()
