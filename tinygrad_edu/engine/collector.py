"""The garbage collector, paused while it has nothing to find."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector: graphs have no cycles, they die with their root.

    The collector is back as it was on any exit. ``gc.freeze`` would not do: undoing it would also
    thaw what the caller had frozen.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
