"""Stage 5: the gradient, as loops like those of the forward pass, last to first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tinygrad_edu.compiler.loops import Loop, Ref, adjoint, ref_to
from tinygrad_edu.compiler.plan import Plan
from tinygrad_edu.engine import symbols


@dataclass(frozen=True)
class Passes:
    """The instructions of a plan and of its gradient; they are made when they are asked for."""

    plan: Plan

    @property
    def forward(self) -> Sequence[Loop]:
        """Return what computes the result."""
        return self.plan.forward

    @property
    def backward(self) -> list[Loop]:
        """Return what computes the gradient."""
        return [*gradient(self.plan)]

    def __str__(self) -> str:
        return "\n".join([*map(str, self.forward), "", *map(str, self.backward)])


Marks = dict[str, bytearray]  # of each store, by place


def gradient(plan: Plan) -> Iterator[Loop]:
    """Write the loops that compute the gradient of the result.

    The gradients of the results themselves are given. All others are assigned where they are
    written first, then added to; those of parameters that no gradient reaches are 0.

    Before::

        b[r] = Σ_k u[2r + k] · i[k]  # r < 2, k < 2
        b[2 + j] = max(b[j], 0)  # j < 2
        b[4] = b[2] · b[3]

    After::

        db[2] = db[4] · b[3]
        db[3] = db[4] · b[2]
        db[j] = db[2 + j] · [b[j] > 0]  # j < 2
        du[2r + k] = Σ_rows db[r] · i[k]  # r < 2, k < 2
    """
    results = [("d" + plan.kinds[slot].store, plan.place[slot]) for slot in plan.results]
    loops = (it for loop, names in differentiated(plan) for it in adjoint(loop, names))
    return _assigned_first(loops, plan.sizes, results, len(plan.parameters))


def differentiated(plan: Plan) -> Iterator[tuple[Loop, list[str]]]:
    """Yield the loops to differentiate, last to first, each with the names to do it by.

    Left out is what has no parameter below it, such as features made of inputs, and what no
    gradient reaches, such as the inside of stop_gradient.
    """
    wanted = {store: bytearray(size) for store, size in plan.sizes.items()}
    reached = {store: bytearray(size) for store, size in plan.sizes.items()}
    wanted["u"][: len(plan.parameters)] = b"\1" * len(plan.parameters)
    ways = []
    for loop in plan.forward:
        stops = symbols.stops(loop.row) if loop.row is not None else (loop.over == "max",)
        names = [
            name
            for i, (name, ref) in enumerate(loop.reads.items())
            if not stops[i] and _any(wanted, ref, loop)
        ]
        ways.append(names)
        if names:
            _mark(wanted, loop.out, loop)
    for slot in plan.results:
        reached[plan.kinds[slot].store][plan.place[slot]] = 1
    for loop, names in zip(reversed(plan.forward), reversed(ways), strict=True):
        if names and _any(reached, loop.out, loop):
            for name in names:
                _mark(reached, loop.reads[name], loop)
            yield loop, names


def _any(marks: Marks, ref: Ref, loop: Loop) -> bool:
    """Check whether one of the places of a reference is marked."""
    if ref.store not in marks:  # an input
        return False
    marked = marks[ref.store]
    if not ref.axes:
        return bool(marked[ref.offset])
    if (span := ref.span(loop.axes)) is not None:
        return 1 in marked[span]
    return any(marked[place] for place in ref.places(loop.axes))


def _mark(marks: Marks, ref: Ref, loop: Loop) -> None:
    """Mark all places of a reference."""
    marked = marks[ref.store]
    if not ref.axes:
        marked[ref.offset] = 1
    elif (span := ref.span(loop.axes)) is not None:
        marked[span] = b"\1" * (span.stop - span.start)
    else:
        for place in ref.places(loop.axes):
            marked[place] = 1


def _assigned_first(
    loops: Iterable[Loop],
    sizes: dict[str, int],
    given: Sequence[tuple[str, int]],
    parameters: int,
) -> Iterator[Loop]:
    """Let the first loop that writes to a place assign.

    Where a loop finds some places written and some not, those that are not are set to 0 first;
    at the end, so are the gradients of parameters that no loop has written.
    """
    written = {"d" + store: bytearray(size) for store, size in sizes.items()}
    for store, place in given:
        written[store][place] = 1
    for loop in loops:
        marked = written[loop.out.store]
        old = _any(written, loop.out, loop)
        if (
            old
            and loop.out.axes
            and (new := {p for p in loop.out.places(loop.axes) if not marked[p]})
        ):
            yield _zeros(loop.out.store, sorted(new))
        _mark(written, loop.out, loop)
        loop.accumulate = old
        yield loop
    if left := [place for place in range(parameters) if not written["du"][place]]:
        yield _zeros("du", left)


def _zeros(store: str, places: Sequence[int]) -> Loop:
    """Make the loop that sets places to 0."""
    axes = {"j": len(places)} if len(places) > 1 else {}
    return Loop(axes, ref_to(store, places, axes), {}, 0.0)
