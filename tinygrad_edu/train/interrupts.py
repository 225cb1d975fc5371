"""Let Ctrl-C wait while the numbers of a training run are being changed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import Any


class Interrupts:
    """What Ctrl-C does inside a ``with`` block: it raises KeyboardInterrupt, but not everywhere.

    In a block of :meth:`held_back` it waits for the end of that block. And once the error is on its
    way, a second Ctrl-C does nothing, so that what cleans up is not cut in two.

    Python delivers signals to the main thread only; in others nothing is changed. A handler that
    the user has set is called as before, at the moments at which the error would be raised.
    """

    def __enter__(self) -> Interrupts:
        self.held, self.waiting = False, False
        self.before = signal.getsignal(signal.SIGINT)
        self.installed = current_thread() is main_thread() and callable(self.before)
        if self.installed:
            signal.signal(signal.SIGINT, self)
        return self

    def __exit__(self, *error: object) -> None:
        if self.installed:
            signal.signal(signal.SIGINT, self.before)

    def __call__(self, number: int, frame: Any) -> None:
        """Receive the signal."""
        if self.held:
            self.waiting = True
            return
        self.held, self.waiting = True, False  # for good, if the handler raises its error now
        self.before(number, frame)  # type: ignore[operator, misc]
        self.held = False

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Let Ctrl-C wait until the block is done."""
        self.held = True
        yield  # an error in the block ends the run: then it stays held
        self.held = False
        if self.waiting:
            self(signal.SIGINT, None)
