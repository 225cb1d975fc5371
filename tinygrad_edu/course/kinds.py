"""The kinds of answers a learner may hand in, and how each is read at several points.

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
from typing import Any, TypeAlias

from tinygrad_edu.course.outcomes import Misfit, Outcome, outcome_of, shape_of, written
from tinygrad_edu.engine import Value, ieee, topological_order
from tinygrad_edu.engine.errors import TinygradEduError
from tinygrad_edu.engine.ops import Primitive
from tinygrad_edu.nn import Module

Point: TypeAlias = "tuple[Any, ...]"
Draw: TypeAlias = "Callable[[Random], Point]"


class AnswerKind:
    """A kind of answer, read at several points; a mistake is written as the answer itself."""

    __slots__ = ()

    def points(self, rng: Random, count: int) -> list[Point]:
        """Draw the points at which answers are read."""
        raise NotImplementedError

    def read(self, answer: Any, points: Sequence[Point]) -> list[Outcome]:
        """Read an answer at the points; raise Misfit if it is of another kind."""
        raise NotImplementedError

    def plant(self, wrong: Any) -> Any:
        """Build what a learner who makes a mistake would hand in."""
        return wrong


@dataclass(frozen=True, slots=True)
class Numbers(AnswerKind):
    """A number, or a list of ``count`` numbers; there is one point, as the question names them."""

    count: int = 0

    def points(self, rng: Random, count: int) -> list[Point]:
        """Return the only point there is."""
        return [()]

    def read(self, answer: Any, points: Sequence[Point]) -> list[Outcome]:
        """Read the numbers."""
        wanted = f"a list of {self.count} numbers" if self.count else "one number"
        if callable(answer) and not isinstance(answer, Value):
            raise Misfit(f"Hand in {wanted}, not a function.")
        found = outcome_of(answer)
        if found.shape != ((self.count,) if self.count else ()):
            raise Misfit(f"Hand in {wanted}; this is {shape_of(found)}.")
        return [found]


@dataclass(frozen=True, slots=True)
class Drawn(AnswerKind):
    """An answer that is read at points drawn at random, and at ``corners`` first."""

    names: str  # of what is drawn, for example "x, y"
    draw: Draw
    corners: tuple[Point, ...] = ()

    def points(self, rng: Random, count: int) -> list[Point]:
        """Draw ``count`` points, after the corners."""
        return [*self.corners, *(self.draw(rng) for _ in range(count))]

    def where(self, point: Point) -> str:
        """Write a point in words, for example "x = 2, y = 3"."""
        pairs = zip(self.names.split(", "), point, strict=True)
        return ", ".join(f"{name} = {written(x)}" for name, x in pairs)


class Function(Drawn):
    """A function of the names, which returns a number or lists of numbers."""

    __slots__ = ()

    def read(self, answer: Any, points: Sequence[Point]) -> list[Outcome]:
        """Call the function with copies of the points; read what it returns, or how it ends."""
        if not callable(answer):
            raise Misfit(
                f"Hand in your function itself, a function of ({self.names}): its name, without "
                f"calling it. This is {written(answer)}."
            )
        try:
            inspect.signature(answer).bind(*points[0])
        except TypeError:
            raise Misfit(
                f"The function is called with {len(points[0])} inputs, ({self.names}), and yours "
                f"takes {inspect.signature(answer)}."
            ) from None
        except ValueError:  # some builtin functions do not tell their signature
            pass
        return [call(answer, point) for point in points]


def call(answer: Callable[..., Any], point: Point) -> Outcome:
    """Call a learner's function at one point, with a copy, so that it can't change the point."""
    try:
        given = answer(*deepcopy(point))
        return outcome_of(given)
    except Misfit as misfit:
        raise Misfit(f"What your function returns can't be graded. {misfit}") from None
    except Exception as error:
        what = str(error).splitlines()[0] if str(error) else "no message"
        words = f"it stops with {type(error).__name__}: {what}{_failing_line(answer, error)}"
        if isinstance(error, AttributeError) and "'float' object" in what:
            words += ". It is called with plain numbers: use math, not methods of a Value"
        return Outcome(problem=type(error).__name__, words=words)


def _failing_line(answer: Any, error: Exception) -> str:
    """Quote the line of the learner's function that failed, if its source can be read."""
    file = getattr(getattr(answer, "__code__", None), "co_filename", None)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file and f.line]
    return f", in the line `{frames[-1].line}`" if frames else ""


class Graph(Drawn):
    """A Value built from leaves with these labels, computed again with other numbers in them."""

    __slots__ = ()

    def read(self, answer: Any, points: Sequence[Point]) -> list[Outcome]:
        """Read the value and the gradient of each leaf, on copies: the answer stays unchanged."""
        if not isinstance(answer, Value):
            raise Misfit(
                f"Hand in the Value itself, built from the leaves {self.names}. This is "
                f"{written(answer)}."
            )
        self.leaves(answer)
        return [self.run(answer, point) for point in points]

    def run(self, answer: Value, point: Point) -> Outcome:
        """Compute a copy of the graph with the numbers of the point in its leaves."""
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
        """Find the leaves, in the order of the names."""
        found: dict[str, Value] = {}
        for node in topological_order(root):
            if node.kind == "leaf" and found.setdefault(node.label, node) != node:
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
        """Call the mistake, a function of the leaves, with new leaves."""
        return wrong(*[Value(2.0 + i, name) for i, name in enumerate(self.names.split(", "))])


class Row(Drawn):
    """A row of the table, a ``Primitive`` of one input: its forward and its slope."""

    __slots__ = ()

    def read(self, answer: Any, points: Sequence[Point]) -> list[Outcome]:
        """Read the value that ``forward`` gives, and the slope that ``partials`` gives."""
        if not isinstance(answer, Primitive):
            raise Misfit(f"Hand in the row that Primitive(...) returns. This is {written(answer)}.")

        def value_and_slope(x: float) -> list[Any]:
            out = answer.forward(ieee, x)
            partials = answer.partials(ieee, out, x)
            if not isinstance(partials, tuple) or len(partials) != 1:
                raise Misfit(
                    "partials gives a tuple of one slope for one input: is there a comma missing?"
                )
            return [out, *partials]

        return [call(value_and_slope, point) for point in points]


class Network(Drawn):
    """A Module, with the number c in all its parameters, called with the rest of the point."""

    __slots__ = ()

    def read(self, answer: Any, points: Sequence[Point]) -> list[Outcome]:
        """Count the parameters, and read the output."""
        if isinstance(answer, type) or not isinstance(answer, Module):
            raise Misfit(f"Hand in the model, an object of a Module. This is {written(answer)}.")
        return [self.run(answer, point) for point in points]

    def run(self, answer: Module, point: Point) -> Outcome:
        """Run a copy of the model at one point."""
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
        """Call the mistake, a function that makes the model."""
        return wrong()
