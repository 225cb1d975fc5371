"""What is in force where code runs: who watches, which module is at work, what is switched on.

``with recording():`` and its like open a :class:`Block`. It belongs to the thread or asyncio task
that opened it: ``here()`` is a ContextVar's. A context is never changed, only replaced, since
another task may have been started with it. Tasks that start inside a block are inside it, too.

A generator has no context of its own in Python (PEP 568 was not accepted): a ContextVar that it
sets stays set for its caller when it yields. So what is opened while a generator runs is not kept
in the ContextVar but held for the generator, and is in force where its frame is on the stack:
nowhere while it is suspended or when it has ended, and again as soon as it goes on, in whichever
thread, task or context. Only tasks that start inside such a block are outside it. A generator that
an ``__enter__`` runs, as that of ``contextlib.contextmanager`` does, or a fixture of pytest, opens
blocks for the code that asked for it. A coroutine that no task runs, but ``send`` by hand, counts
as its caller.

Blocks may end in any order and in any thread. One that has ended is in force nowhere.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR
from threading import RLock
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


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


@dataclass(frozen=True)
class Fault:
    """A bug that is switched on, for teaching: what compiles has to know, since it has none."""

    name: str


# The open blocks of everybody, weakly: a generator that is dropped takes its blocks along
HELD: list[weakref.ref[Block]] = []  # those of generators
WATCHING: list[weakref.ref[Block]] = []  # those with a watcher
BUILDING: list[weakref.ref[Block]] = []  # those whose watcher is told of each node
watched = building = False  # whether there are any; a bool is read faster than a list


class Block:
    """A ``with`` statement inside which something is in force.

    Parameters
    ----------
    thing : Watcher, or an object of another class, by which :meth:`Context.in_force` finds it
    """

    __slots__ = ("__weakref__", "generator", "thing")

    def __init__(self, thing: Any) -> None:
        self.thing = thing
        self.generator: FrameType | None = None

    def __enter__(self) -> None:
        self.generator = _generator_at_work()
        if self.generator is None:
            HERE.set(here().with_blocks(self))
        for shared in self._shared():
            shared.append(weakref.ref(self, partial(_remove, shared)))
        _look_who_watches()

    def __exit__(self, *_: object) -> None:
        for shared in self._shared():
            _remove(shared, weakref.ref(self))
        self.thing = self.generator = None  # a frame that is kept would keep the graphs in it
        HERE.set(here().with_blocks())

    def _shared(self) -> list[list[weakref.ref[Block]]]:
        """List where the block stands for all threads to see."""
        watching, held = isinstance(self.thing, Watcher), self.generator is not None
        told = watching and type(self.thing).built is not Watcher.built
        return [WATCHING] * watching + [BUILDING] * told + [HELD] * held


def _remove(shared: list[weakref.ref[Block]], block: weakref.ref[Block]) -> None:
    with suppress(ValueError):  # both the end of a block and the end of its life take it out
        shared.remove(block)
    _look_who_watches()


def _look_who_watches() -> None:
    global watched, building
    now = bool(WATCHING), bool(BUILDING)
    while (watched, building) != now:  # again, if another thread was here at the same time
        watched, building = now
        now = bool(WATCHING), bool(BUILDING)


class Context:
    """What is in force; a node that is built reads ``origin``.

    Attributes
    ----------
    origin : str, the scope path of the nn module at work, which its nodes remember
    module : Module or None, that module
    blocks : tuple of Block, outermost first
    differentiated : tuple of Value, the inputs of the ``grad`` calls that are running
    tentative : bool, whether nodes are built that may turn out not to be needed
    """

    __slots__ = ("blocks", "differentiated", "module", "origin", "tentative")

    def __init__(
        self,
        origin: str = "",
        module: Any = None,
        blocks: tuple[Block, ...] = (),
        differentiated: tuple[Any, ...] = (),
        tentative: bool = False,
    ) -> None:
        self.origin = origin
        self.module = module
        self.blocks = blocks
        self.differentiated = differentiated
        self.tentative = tentative

    def inside(self, module: Any, scope: str) -> Context:
        """Return the context in which a module is at work: as this one, but for its name."""
        return Context(scope, module, self.blocks, self.differentiated, self.tentative)

    def replaced(self, **fields: Any) -> Context:
        """Return a context that differs from this one in some fields."""
        return Context(**{name: getattr(self, name) for name in self.__slots__} | fields)

    def with_blocks(self, *more: Block) -> Context:
        """Return a context with more blocks, without those that have ended."""
        return self.replaced(blocks=(*(b for b in self.blocks if b.thing is not None), *more))

    def in_force(self, kind: type[T]) -> tuple[T, ...]:
        """List what is in force of a class, outermost first; of running generators last."""
        blocks = (*self.blocks, *_of_running_generators()) if HELD else self.blocks
        return tuple(thing for block in blocks if isinstance(thing := block.thing, kind))

    def tell_built(self, node: Any) -> None:
        """Tell every watcher that an operation has made a node."""
        for watcher in self.watchers:
            watcher.built(node)

    @property
    def watchers(self) -> tuple[Watcher, ...]:
        """List the watchers in force, outermost first."""
        return self.in_force(Watcher) if watched else ()

    @property
    def trace(self) -> Trace | None:
        """Return what the innermost recording asks for; None where nothing is recorded."""
        traces = (watcher.trace for watcher in reversed(self.watchers))
        return next((trace for trace in traces if trace is not None), None)

    @property
    def fault(self) -> Fault | None:
        """Return the innermost bug that is switched on."""
        return next(reversed(self.in_force(Fault)), None)


HERE: ContextVar[Context] = ContextVar("tinygrad_edu", default=Context())  # noqa: B039 - it is only replaced
here = HERE.get  # a read takes 10 ns; of a threading.local it would take 40


@contextmanager
def replacing(**fields: Any) -> Iterator[None]:
    """Replace fields of the context inside a block that no generator can suspend."""
    before = here()
    inside = before.replaced(**fields)
    HERE.set(inside)
    try:
        yield
    finally:  # leave what was opened or ended by hand meanwhile
        HERE.set(
            before
            if here() is inside
            else here().replaced(**{name: getattr(before, name) for name in fields})
        )


# Threads take turns in backward passes, which may add to the same leaves.
ONE_AT_A_TIME = RLock()

_ON_BEHALF = frozenset({"__enter__", "__aenter__", "call_fixture_func"})  # the last is pytest's


def _generator_at_work() -> FrameType | None:
    """Find the innermost running generator that may be suspended inside a block opened now."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        code, caller = frame.f_code, frame.f_back
        suspends = code.co_flags & (CO_GENERATOR | CO_ASYNC_GENERATOR)
        on_behalf = caller is not None and caller.f_code.co_name in _ON_BEHALF
        if suspends and not on_behalf and code.co_name != "<genexpr>":  # it has no statements
            return frame
        frame = caller
    return None


def _of_running_generators() -> list[Block]:
    """Find the blocks of generators that are on the stack of this thread, outermost first."""
    blocks = [block for ref in [*HELD] if (block := ref()) is not None]
    # a suspended generator has no caller; where all are suspended, the stack need not be searched
    running = [b for b in blocks if (generator := b.generator) and generator.f_back]
    frame: FrameType | None = sys._getframe(1) if running else None
    found: list[Block] = []
    while frame is not None:
        found += [block for block in reversed(running) if block.generator is frame]
        frame = frame.f_back
    return found[::-1]
