"""Settings of the process: who looks on while graphs are built, and which module builds them.

Code that runs in several threads shares them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Watcher(Protocol):
    """An object that watches while graphs are built and walked, as ``detect_anomaly`` does."""

    def built(self, node: Any) -> None:
        """Take notice that an operation has made a node."""

    def compared(self, node: Any) -> None:
        """Take notice that a node is compared: Python code may branch on its data."""

    def walked(self, order: Sequence[Any]) -> None:
        """Take notice that a backward pass is done, before it is added to the leaves."""

    def flowed(self, node: Any, child: Any, partial: float, cotangent: float, total: float) -> None:
        """Take notice that ``grad`` has added ``partial`` times ``cotangent`` to an input."""


class PassOn:
    """A watcher that passes on to an earlier one; a subclass adds what it looks for."""

    def __init__(self, before: Watcher | None) -> None:
        self.before = before

    def built(self, node: Any) -> None:
        """Pass it on to the earlier watcher."""
        if self.before is not None:
            self.before.built(node)

    def compared(self, node: Any) -> None:
        """Pass it on to the earlier watcher."""
        if self.before is not None:
            self.before.compared(node)

    def walked(self, order: Sequence[Any]) -> None:
        """Pass it on to the earlier watcher."""
        if self.before is not None:
            self.before.walked(order)

    def flowed(self, node: Any, child: Any, partial: float, cotangent: float, total: float) -> None:
        """Pass it on to the earlier watcher."""
        if self.before is not None:
            self.before.flowed(node, child, partial, cotangent, total)


@dataclass
class Trace:
    """What a recorded sample (or batch) needs beside its inputs, or tells beside its outputs.

    ``given`` are leaves whose numbers the function beside them tells for each row of each run: a
    mask, or what was learned since. ``observed`` are numbers that a module keeps from each run,
    by the function beside them.
    """

    given: list[tuple[list[Any], Callable[[], list[float]]]] = field(default_factory=list)
    observed: list[tuple[list[Any], Callable[[Sequence[float]], None]]] = field(
        default_factory=list
    )


watcher: Watcher | None = None
quiet = threading.local()  # .on: this thread builds nodes that may turn out not to be needed
tracing: Trace | None = None  # a sample is being recorded, to stand for all: compiler.recording
origin = ""  # scope path of the nn module now running; in anomaly mode "@" and the source line


def watch(new: Watcher | None) -> Watcher | None:
    """Install the one watcher; return the one before."""
    global watcher
    before, watcher = watcher, new
    return before


def enter_scope(path: str) -> str:
    """Name the module that builds the nodes to come; return the name before."""
    global origin
    before, origin = origin, path
    return before
