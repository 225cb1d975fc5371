"""What is in force where code runs: who watches, which module is at work, what is being recorded.

It belongs to the thread or asyncio task that switched it on: ``here()`` is a ContextVar's. A
context is never changed, only replaced, since another task may have been started with it. And a
block takes out its own entry when it ends, whatever was switched on or off meanwhile, so that
blocks which overlap, as in generators, may end in any order and leave nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


class Watcher:
    """An object that is told what happens to graphs; a subclass writes what it looks for."""

    trace: Trace | None = None  # given by a watcher that records a sample

    def built(self, node: Any) -> None:
        """Take notice that an operation has made a node."""

    def compared(self, node: Any) -> None:
        """Take notice that a node is compared: Python code may branch on its data."""

    def walked(self, order: Sequence[Any]) -> None:
        """Take notice that a backward pass is done, before it is added to the leaves."""

    def flowed(self, node: Any, child: Any, partial: float, cotangent: float, total: float) -> None:
        """Take notice that ``grad`` has added ``partial`` times ``cotangent`` to an input."""


@dataclass
class Trace:
    """What a recorded sample (or batch) needs beside its inputs, or tells beside its outputs.

    Attributes
    ----------
    given : leaves, such as a mask, with the function that draws their numbers for each row of data
    observed : results that a module keeps from each run, with the function that receives them
    """

    given: list[tuple[list[Any], Callable[[], list[float]]]] = field(default_factory=list)
    observed: list[tuple[list[Any], Callable[[Sequence[float]], None]]] = field(
        default_factory=list
    )


class Context:
    """What is in force; a node that is built reads ``origin`` and ``watchers``.

    Attributes
    ----------
    origin : str, the scope path of the nn module at work, which its nodes remember
    module : Module or None, that module
    watchers : tuple of Watcher, outermost first
    differentiated : tuple of Value, the inputs of the ``grad`` calls that are running
    tentative : bool, whether nodes are built that may turn out not to be needed
    """

    __slots__ = ("differentiated", "module", "origin", "tentative", "watchers")

    def __init__(
        self,
        origin: str = "",
        module: Any = None,
        watchers: tuple[Watcher, ...] = (),
        differentiated: tuple[Any, ...] = (),
        tentative: bool = False,
    ) -> None:
        self.origin = origin
        self.module = module
        self.watchers = watchers
        self.differentiated = differentiated
        self.tentative = tentative

    def inside(self, module: Any, scope: str) -> Context:
        """Return the context in which a module is at work: as this one, but for its name."""
        return Context(scope, module, self.watchers, self.differentiated, self.tentative)

    def tell_built(self, node: Any) -> None:
        """Tell every watcher that an operation has made a node."""
        for watcher in self.watchers:
            watcher.built(node)

    def replaced(self, **fields: Any) -> Context:
        """Return a context that differs from this one in some fields."""
        return Context(**{name: getattr(self, name) for name in self.__slots__} | fields)

    @property
    def trace(self) -> Trace | None:
        """Return what the innermost recording asks for; None where nothing is recorded."""
        traces = (watcher.trace for watcher in reversed(self.watchers))
        return next((trace for trace in traces if trace is not None), None)


HERE: ContextVar[Context] = ContextVar("tinygrad_edu", default=Context())  # noqa: B039 - it is only replaced
here = HERE.get  # a read takes 10 ns; of a threading.local it would take 40


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Tell a watcher, beside those there are, what happens inside the block."""
    HERE.set(here().replaced(watchers=(*here().watchers, watcher)))
    try:
        yield
    finally:
        others = tuple(w for w in here().watchers if w is not watcher)
        HERE.set(here().replaced(watchers=others))


@contextmanager
def differentiating(inputs: Sequence[Any]) -> Iterator[None]:
    """Mark the inputs of a ``grad`` call while its function runs."""
    token = HERE.set(here().replaced(differentiated=(*here().differentiated, *inputs)))
    try:
        yield
    finally:
        HERE.reset(token)


@contextmanager
def tentatively() -> Iterator[None]:
    """Let no watcher complain of a node: it may turn out not to be needed."""
    token = HERE.set(here().replaced(tentative=True))
    try:
        yield
    finally:
        HERE.reset(token)
