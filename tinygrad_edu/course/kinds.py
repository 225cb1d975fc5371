"""What a learner may hand in, and how each kind of it is read at several points.

A kind draws the points, reads an answer there as :class:`~tinygrad_edu.course.outcomes.Outcome`,
and turns a mistake as it is written in an exercise into the object a learner would hand in.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol, TypeAlias

from tinygrad_edu.course.outcomes import Misfit, Outcome, outcome_of, shape_of
from tinygrad_edu.engine import Value, ieee, topological_order
from tinygrad_edu.engine.errors import TinygradEduError
from tinygrad_edu.engine.ops import Primitive
from tinygrad_edu.nn import Module

Point: TypeAlias = "tuple[Any, ...]"
Draw: TypeAlias = "Callable[[Random], Point]"


class Kind(Protocol):
    """One kind of answer."""

    def points(self, rng: Random, count: int) -> list[Point]:
        """Where it is read."""

    def read(self, answer: Any, points: Sequence[Point]) -> list[Outcome]:
        """What it gives there; Misfit if it is of another kind."""

    def plant(self, wrong: Any) -> Any:
        """A mistake of an exercise as a learner would hand it in."""

    def where(self, point: Point) -> str:
        """The point in words; "" where there is only one."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A number, or a list of ``count`` numbers."""

    count: int = 0

    def points(self, rng: Random, count: int) -> list[Point]:
        """One: the question names its numbers."""
        return [()]

    def read(self, answer: Any, points: Sequence[Point]) -> list[Outcome]:
        """The numbers."""
        if callable(answer) and not isinstance(answer, Value):
            raise Misfit(f"Hand in {self.words}, not a function.")
        found = outcome_of(answer)
        if found.shape != ((self.count,) if self.count else ()):
            raise Misfit(f"Hand in {self.words}; this is {shape_of(found)}.")
        return [found]

    @property
    def words(self) -> str:
        """What is asked for."""
        return f"a list of {self.count} numbers" if self.count else "one number"

    def plant(self, wrong: Any) -> Any:
        """As it is."""
        return wrong

    def where(self, point: Point) -> str:
        """There is one point only."""
        return ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Kinds that are read at points drawn at random, and at ``corners`` first."""

    names: str  # of what is drawn, as "x, y"
    draw: Draw
    corners: tuple[Point, ...] = ()

    def points(self, rng: Random, count: int) -> list[Point]:
        """The corners and ``count`` drawn points."""
        return [*self.corners, *(self.draw(rng) for _ in range(count))]

    def plant(self, wrong: Any) -> Any:
        """As it is."""
        return wrong

    def where(self, point: Point) -> str:
        """For example "x = 2, y = 3"."""
        words = [
            f"{name} = {_short(x)}" for name, x in zip(self.names.split(", "), point, strict=True)
        ]
        return ", ".join(words)


class Function(Drawn):
    """A function of the names, that returns a number or lists of numbers."""

    __slots__ = ()

    def read(self, answer: Any, points: Sequence[Point]) -> list[Outcome]:
        """What it returns, or ends with, when called with copies of the points."""
        if not callable(answer):
            raise Misfit(
                f"Hand in your function itself, a function of ({self.names}): its name, without "
                f"calling it. This is {_short(answer)}."
            )
        try:
            inspect.signature(answer).bind(*points[0])
        except TypeError:
            raise Misfit(
                f"The function is called with {len(points[0])} inputs, ({self.names}), and yours "
                f"takes {inspect.signature(answer)}."
            ) from None
        except ValueError:  # a builtin that does not tell
            pass
        return [self.call(answer, point) for point in points]

    def call(self, answer: Any, point: Point) -> Outcome:
        """One call."""
        try:
            given = answer(*deepcopy(point))
            return outcome_of(given)
        except Misfit as misfit:
            raise Misfit(f"What your function returns can't be graded. {misfit}") from None
        except Exception as error:
            what = str(error).splitlines()[0] if str(error) else "no message"
            words = f"it stops with {type(error).__name__}: {what}{_line(answer, error)}"
            if isinstance(error, AttributeError) and "'float' object" in what:
                words += ". It is called with plain numbers: use math, not methods of a Value"
            return Outcome(problem=type(error).__name__, words=words)


class Graph(Drawn):
    """A Value built from leaves with these labels, computed again with other numbers in them."""

    __slots__ = ()

    def read(self, answer: Any, points: Sequence[Point]) -> list[Outcome]:
        """The value and the gradient of each leaf, on copies, so that the answer is unchanged."""
        if not isinstance(answer, Value):
            raise Misfit(
                f"Hand in the Value itself, built from the leaves {self.names}. This is "
                f"{_short(answer)}."
            )
        self.leaves(answer)
        return [self.run(answer, point) for point in points]

    def run(self, answer: Value, point: Point) -> Outcome:
        """The graph with the numbers of the point in its leaves."""
        root: Value = deepcopy(answer)
        leaves = self.leaves(root)
        for leaf, x in zip(leaves, point, strict=True):
            leaf.data, leaf.grad = x, 0.0
        for node in topological_order(root):
            if node.op is not None:
                node.data = node.op.forward(ieee, *[v.data for v in node.inputs])
        root.backward()
        return outcome_of([root.data, *(leaf.grad for leaf in leaves)])

    def leaves(self, root: Value) -> list[Value]:
        """The leaves, in the order of the names."""
        found: dict[str, Value] = {}
        for node in topological_order(root):
            if node.op is None and not node.constant and found.setdefault(node.label, node) != node:
                raise Misfit(
                    f"Two leaves are called {node.label!r}: make it once, and use that Value "
                    "twice. A gradient belongs to one Value."
                )
        if sorted(found) != sorted(names := self.names.split(", ")):
            raise Misfit(
                f"The leaves are called {', '.join(map(repr, found)) or 'nothing'}; needed are "
                f"{' and '.join(map(repr, names))}, each made as Value(number, name)."
            )
        return [found[name] for name in names]

    def plant(self, wrong: Any) -> Any:
        """A mistake is written as a function of the leaves."""
        return wrong(*[Value(2.0 + i, name) for i, name in enumerate(self.names.split(", "))])


class Row(Drawn):
    """A row of the table, a ``Primitive`` of one input: its forward and its slope."""

    __slots__ = ()

    def read(self, answer: Any, points: Sequence[Point]) -> list[Outcome]:
        """The forward value and the slope that ``partials`` gives."""
        if not isinstance(answer, Primitive):
            raise Misfit(f"Hand in the row, what Primitive(...) returns. This is {_short(answer)}.")
        both = Function(self.names, self.draw)
        return [both.call(lambda x: _forward_and_slope(answer, x), point) for point in points]


class Network(Drawn):
    """A Module, with the number c in all its parameters, called with the rest of the point."""

    __slots__ = ()

    def read(self, answer: Any, points: Sequence[Point]) -> list[Outcome]:
        """How many parameters it has, and its output."""
        if isinstance(answer, type) or not isinstance(answer, Module):
            raise Misfit(f"Hand in the model, an object of a Module. This is {_short(answer)}.")
        return [self.run(answer, point) for point in points]

    def run(self, answer: Module, point: Point) -> Outcome:
        """A copy of the model at one point."""
        model = deepcopy(answer)
        for parameter in model.parameters():
            parameter.data = point[0]
        try:
            given = model(list(point[1:]))
        except TinygradEduError as error:
            raise Misfit(
                f"Called with {len(point) - 1} numbers, the model says: "
                f"{str(error).splitlines()[0]}"
            ) from None
        out = outcome_of(given)
        return Outcome((1 + len(out.numbers),), (len(model.parameters()), *out.numbers))

    def plant(self, wrong: Any) -> Any:
        """A mistake is written as a function that makes the model."""
        return wrong()


def _forward_and_slope(row: Primitive, x: float) -> list[Any]:
    out = row.forward(ieee, x)
    partials = row.partials(ieee, out, x)
    if not isinstance(partials, tuple) or len(partials) != 1:
        raise Misfit("partials gives a tuple of one slope for one input: is there a comma missing?")
    return [out, *partials]


def _line(answer: Any, error: Exception) -> str:
    """The line of the learner's function that failed, where it can be read."""
    file = getattr(getattr(answer, "__code__", None), "co_filename", None)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file and f.line]
    return f", in the line `{frames[-1].line}`" if frames else ""


def _short(x: Any) -> str:
    if isinstance(x, float):
        return f"{x:.6g}"
    if isinstance(x, list) and all(isinstance(item, (int, float, list)) for item in x):
        return "[" + ", ".join(map(_short, x)) + "]"
    text = repr(x) if not callable(x) or type(x).__module__.startswith("tinygrad") else "a function"
    return text if len(text) <= 80 else text[:77] + "..."
