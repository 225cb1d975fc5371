"""Let Ctrl-C wait while the numbers of a training run are being changed."""

from __future__ import annotations

import signal
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

    def held_back(self) -> _Held:
        """Let Ctrl-C wait until the block is done."""
        return _Held(self)


class _Held:
    """A block in which Ctrl-C waits; written out, it costs a third of a generator."""

    __slots__ = ("ctrl_c",)

    def __init__(self, ctrl_c: Interrupts) -> None:
        self.ctrl_c = ctrl_c

    def __enter__(self) -> None:
        self.ctrl_c.held = True

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:  # an error in the block ends the run: then it stays held
            self.ctrl_c.held = False
            if self.ctrl_c.waiting:
                self.ctrl_c(signal.SIGINT, None)
