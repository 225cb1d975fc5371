"""The kinds of answers a learner may hand in, and how each is read at several points.

A kind draws the points, reads an answer there as :class:`~tinygrad_edu.course.outcomes.Outcome`,
and turns a mistake as it is written in an exercise into the object a learner would hand in.
"""

from __future__ import annotations

import inspect
import linecache
import traceback
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from tinygrad_edu.course.outcomes import (
    Misfit,
    Outcome,
    ending,
    outcome_of,
    shape_of,
    told,
    written,
)
from tinygrad_edu.engine import Value, ieee, symbols, topological_order
from tinygrad_edu.engine.errors import TinygradEduError
from tinygrad_edu.engine.ops import Primitive
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.tables import plural

PACKAGE = str(Path(__file__).parents[1])
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
            raise Misfit(f"Hand in {wanted}; this is {written(answer)}.")
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
        """Write a point in words, for example "At x = 2, y = 3"."""
        pairs = zip(self.names.split(", "), point, strict=True)
        return "At " + ", ".join(f"{name} = {written(x)}" for name, x in pairs)

    def difference(self, point: Point, got: Outcome, expected: Outcome, first: int) -> str:
        """Tell where and how an answer differs; ``first`` is the place of the first wrong number.

        It is -1 if the answer ended otherwise, or in another shape.
        """
        if got.problem:
            return f"{self.where(point)} {got.words}."
        if first < 0:
            return f"{self.where(point)} it gives {shape_of(got)}; needed is {shape_of(expected)}."
        given, right = distinctly(told, got, expected)
        return f"{self.where(point)} it gives {given}, right is {right}."


def distinctly(write: Callable[..., str], a: Any, b: Any) -> list[str]:
    """Write two things that differ, with as many digits as show it."""
    digits = next((d for d in range(6, 18) if write(a, d) != write(b, d)), 17)
    return [write(a, digits), write(b, digits)]


@dataclass(frozen=True, slots=True)
class Parts(Drawn):
    """An answer of which several parts are read, each with a name that the learner knows."""

    def parts(self) -> list[str]:
        """Name the numbers of an outcome, for example "its value"."""
        raise NotImplementedError

    def difference(self, point: Point, got: Outcome, expected: Outcome, first: int) -> str:
        """Name the first part that is wrong."""
        if first < 0:
            return Drawn.difference(self, point, got, expected, first)
        given, right = distinctly(written, got.numbers[first], expected.numbers[first])
        return f"{self.where(point)} {self.parts()[first]} is {given}, right is {right}."


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
        check_inputs(answer, "The function", self.names)
        return [call(answer, point) for point in points]


def check_inputs(function: Callable[..., Any], what: str, names: str) -> None:
    """Raise Misfit if a function can't be called with inputs of these names, by position."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtin functions do not tell their signature
        return
    inputs = names.split(", ")
    try:
        signature.bind(*inputs)
    except TypeError:
        raise Misfit(
            f"{what} is called with {plural(len(inputs), 'input')}, ({names}), and yours takes "
            f"{signature}."
        ) from None


def call(answer: Callable[..., Any], point: Point, what: str = "your function returns") -> Outcome:
    """Call a learner's function at one point, with a copy, so that it can't change the point."""
    try:
        given = answer(*deepcopy(point))
        try:
            return outcome_of(given)
        except Misfit as misfit:
            raise Misfit(f"What {what} can't be graded. {misfit}") from None
    except (KeyboardInterrupt, Misfit):
        raise
    except BaseException as error:
        words = f"{ending(error)}{_failing_line(error)}"
        if isinstance(error, AttributeError) and "'float' object" in words:
            words += ". It is called with plain numbers: use math, not methods of a Value"
        if isinstance(error, TypeError) and ("sequence" in words or "'list'" in words):
            words += ". A list is not calculated with as a whole: go through its numbers"
        return Outcome(problem=type(error).__name__, words=words)


def _failing_line(error: BaseException) -> str:
    """Quote the line of the learner's code that failed, if its source can be read."""
    at = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith(PACKAGE)
    ]
    lines = [line for file, line in at if file == at[0][0]]
    text = linecache.getline(at[0][0], lines[-1]).strip() if lines else ""
    return f", in the line `{text:.80}`" if text else ""


class Graph(Parts):
    """A Value built from leaves with these labels, computed again with other numbers in them."""

    __slots__ = ()

    def parts(self) -> list[str]:
        """Return the value, then the gradient of each leaf."""
        return ["its value", *(f"the gradient of {name}" for name in self.names.split(", "))]

    def difference(self, point: Point, got: Outcome, expected: Outcome, first: int) -> str:
        """Name the first part that is wrong; a right value with a wrong gradient has a cause."""
        words = Parts.difference(self, point, got, expected, first)
        if first > 0:
            words += " Its value is right: is a part of the graph cut off, by .data or .detach()?"
        return words

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
                have = f"are called {node.label!r}" if node.label else "have no name"
                raise Misfit(
                    f"Two leaves {have}: make it once, and use that Value twice. A gradient "
                    "belongs to one Value."
                )
        if sorted(found) != sorted(names := self.names.split(", ")):
            raise Misfit(
                f"The leaves are called {', '.join(map(repr, found)) or 'nothing'}; needed are "
                f"{' and '.join(map(repr, names))}, each made once as Value(number, name)."
            )
        return [found[name] for name in names]

    def plant(self, wrong: Any) -> Any:
        """Call the mistake, a function of the leaves, with new leaves."""
        return wrong(*[Value(2.0 + i, name) for i, name in enumerate(self.names.split(", "))])


class Row(Parts):
    """A row of the table, a ``Primitive`` of one input: its forward and its slope."""

    __slots__ = ()

    def parts(self) -> list[str]:
        """Return the value and the slope."""
        return ["what forward gives", "the slope that partials gives"]

    def read(self, answer: Any, points: Sequence[Point]) -> list[Outcome]:
        """Read the value that ``forward`` gives, and the slope that ``partials`` gives.

        Both have to work on symbols as well, since slopes are differentiated again.
        """
        if not isinstance(answer, Primitive):
            raise Misfit(f"Hand in the row that Primitive(...) returns. This is {written(answer)}.")

        check_inputs(answer.forward, "forward", "xp, x")
        check_inputs(answer.partials, "partials", "xp, out, x")

        def value_and_slope(x: Any, xp: Any = ieee) -> list[Any]:
            out = answer.forward(xp, x)
            partials = answer.partials(xp, out, x)
            if not isinstance(partials, tuple) or len(partials) != 1:
                raise Misfit(
                    "partials gives a tuple of one slope for one input: is there a comma missing?"
                )
            return [out, *partials]

        outcomes = [call(value_and_slope, point) for point in points]
        if not outcomes[0].problem:
            try:
                value_and_slope(symbols.variable("x0"), symbols.SYMBOLS)
            except Exception:
                raise Misfit(
                    "The row works on plain numbers but not on symbols, so that its slope can't be "
                    "differentiated again. Use xp.exp, not math.exp, and no if: xp.where chooses."
                ) from None
        return outcomes


class Network(Parts):
    """A Module, with the number c in all its parameters, called with the rest of the point."""

    __slots__ = ()

    def where(self, point: Point) -> str:
        """Tell the numbers in the parameters and at the inputs."""
        c, *inputs = point
        return f"With {written(c)} as each weight and bias, at the inputs {written(inputs)},"

    def parts(self) -> list[str]:
        """Return the count of parameters and the output."""
        return ["the number of parameters", "the output"]

    def difference(self, point: Point, got: Outcome, expected: Outcome, first: int) -> str:
        """Count parameters and outputs, if one of these numbers is wrong."""
        if first > 0 or got.problem:
            return Parts.difference(self, point, got, expected, first)
        have, asked = map(_counted, (got, expected))
        return f"Your model has {have}; asked for are {asked}."

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

        def run(*inputs: float) -> Any:
            try:
                return model(list(inputs))
            except TinygradEduError as error:
                raise Misfit(
                    f"Your model can't be called with {len(inputs)} numbers: "
                    f"{str(error).splitlines()[0]}"
                ) from None

        out = call(run, point[1:], "your model gives")
        if out.problem:
            return out
        return Outcome((1 + len(out.numbers),), (len(model.parameters()), *out.numbers))

    def plant(self, wrong: Any) -> Any:
        """Call the mistake, a function that makes the model."""
        return wrong()


def _counted(outcome: Outcome) -> str:
    parameters, outputs = int(outcome.numbers[0]), len(outcome.numbers) - 1
    return f"{plural(parameters, 'parameter')} and {plural(outputs, 'output')}"
