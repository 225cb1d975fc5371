"""Loops with all their places written out, which can be taken apart and given other axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tinygrad_edu.compiler.loops import PER_ROW, ROWS, Loop, Ref
from tinygrad_edu.compiler.matrices import as_text


@dataclass(frozen=True)
class Operand:
    """Numbers of a store that a loop reads or writes: a place for each turn of its own axes."""

    store: str
    axes: tuple[str, ...]
    places: tuple[int, ...]

    @property
    def all_axes(self) -> list[str]:
        """List its axes, with the rows of data first if there is a number for each."""
        return [ROWS] * (self.store in PER_ROW) + [*self.axes]

    def at(self, axis: str, kept: Sequence[int], lengths: dict[str, int]) -> Operand:
        """Return what is read in some of the turns of one axis."""
        if axis not in self.axes:
            return self
        inner = 1
        for after in self.axes[self.axes.index(axis) + 1 :]:
            inner *= lengths[after]
        block = inner * lengths[axis]
        places = tuple(
            place
            for start in range(0, len(self.places), block)
            for turn in kept
            for place in self.places[start + turn * inner : start + (turn + 1) * inner]
        )
        axes = tuple(a for a in self.axes if a != axis or len(kept) > 1)
        return Operand(self.store, axes, places)


@dataclass(frozen=True)
class View:
    """A loop, or a part of one, with all its places written out."""

    loop: Loop
    axes: dict[str, int]
    out: Operand
    reads: dict[str, Operand]
    accumulate: bool

    @property
    def over(self) -> str:
        """Return how it takes all turns together."""
        return self.loop.over

    @property
    def summed(self) -> list[str]:
        """List the axes that it adds up over."""
        own = self.out.all_axes
        there = {axis for read in self.reads.values() for axis in read.all_axes}
        return [axis for axis in [ROWS, *self.axes] if axis in there and axis not in own]

    def part(self, axis: str, kept: Sequence[int], *, accumulate: bool) -> View:
        """Return what it does in some of the turns of one axis."""
        axes = {a: n for a, n in self.axes.items() if a != axis or len(kept) > 1}
        if axis in axes:
            axes[axis] = len(kept)
        reads = {name: read.at(axis, kept, self.axes) for name, read in self.reads.items()}
        out = self.out.at(axis, kept, self.axes)
        return View(self.loop, axes, out, reads, accumulate).without_repeats()

    def without_repeats(self) -> View:
        """Return the same, each operand without the axes along which its places are the same."""
        reads = {name: _without_repeats(read, self.axes) for name, read in self.reads.items()}
        out = _without_repeats(self.out, self.axes)
        return View(self.loop, self.axes, out, reads, self.accumulate)

    def sorted_by(self, lead: Operand, positions: Sequence[int], axis: str) -> View | None:
        """Return the same with the turns of an axis in the order of the lead's positions.

        Each turn of the other axes may have an order of its own, if nothing lacks one of them.
        """
        mine = [one for one in (self.out, *self.reads.values()) if axis in one.axes]
        if axis not in lead.axes or any(one.axes != lead.axes for one in mine):
            return None
        others = [a for a in lead.axes if a != axis] + [axis]
        length = self.axes[axis]
        turns = rearranged([*range(len(lead.places))], lead.axes, others, self.axes)
        runs = [turns[start : start + length] for start in range(0, len(turns), length)]
        order = [turn for run in runs for turn in sorted(run, key=positions.__getitem__)]
        new = dict(zip(turns, order, strict=True))

        def reordered(one: Operand) -> Operand:
            if axis not in one.axes:
                return one
            places = tuple(one.places[new[turn]] for turn in range(len(one.places)))
            return Operand(one.store, one.axes, places)

        reads = {name: reordered(read) for name, read in self.reads.items()}
        return View(self.loop, self.axes, reordered(self.out), reads, self.accumulate)

    def reshaped(self, axis: str, lengths: dict[str, int]) -> View:
        """Return the same with one axis taken apart to several."""

        axes = {
            b: n
            for a, m in self.axes.items()
            for b, n in (lengths if a == axis else {a: m}).items()
        }

        def longer(operand: Operand) -> Operand:
            new = [b for a in operand.axes for b in (lengths if a == axis else (a,))]
            return Operand(operand.store, tuple(new), operand.places)

        reads = {name: longer(read) for name, read in self.reads.items()}
        view = View(self.loop, axes, longer(self.out), reads, self.accumulate)
        return view.without_repeats()


def together(views: Iterable[View], kind: Callable[[str, int], object]) -> Iterator[View]:
    """Write as one what was only done one after the other: terms of a sum, or equal gradients.

    Terms are of one kind: parameters, constants, or what was computed.
    """
    waiting: View | None = None
    for view in views:
        joined = _joined(waiting, view, kind) if waiting is not None else None
        if waiting is not None and joined is None:
            yield waiting
        waiting = joined or view
    if waiting is not None:
        yield waiting


def _joined(one: View, other: View, kind: Callable[[str, int], object]) -> View | None:
    """Return both as one view with an axis more; None if they are not alike."""
    first, second = one.loop, other.loop
    axes = {axis: n for axis, n in one.axes.items() if axis not in ("more", "terms")}
    alike = first.over == second.over and as_text(first.body) == as_text(second.body)
    if not alike or axes != other.axes:
        return None
    if one.reads == other.reads and one.accumulate == other.accumulate:
        out = _longer(one.out, other.out, "more")
        length = {"more": one.axes.get("more", 1) + 1}
        return View(first, axes | length, out, one.reads, one.accumulate) if out else None
    copied = first.row is None and second.row is None and len(one.reads) == len(other.reads) == 1
    if copied and first.over == "sum" and one.out == other.out and other.accumulate:
        (name,) = one.reads
        mine, theirs = one.reads[name], other.reads[name]
        if kind(mine.store, mine.places[0]) != kind(theirs.store, theirs.places[0]):
            return None
        read = _longer(mine, theirs, "terms")
        length = {"terms": one.axes.get("terms", 1) + 1}
        reads = {name: read} if read else {}
        return View(first, axes | length, one.out, reads, one.accumulate) if reads else None
    return None


def _longer(one: Operand, other: Operand, axis: str) -> Operand | None:
    """Return the numbers of two operands along one more axis, which the first may have already."""
    own = tuple(a for a in one.axes if a != axis)
    if own != other.axes or one.store != other.store:
        return None
    count = len(one.places) // len(other.places)
    places = tuple(
        place
        for at, last in enumerate(other.places)
        for place in (*one.places[at * count : (at + 1) * count], last)
    )
    return Operand(one.store, (*own, axis), places)


def operand_of(ref: Ref, loop: Loop) -> Operand:
    """Write out the places of a reference."""
    return Operand(ref.store, ref.axes, tuple(ref.places(loop.axes)))


def _without_repeats(operand: Operand, lengths: dict[str, int]) -> Operand:
    """Leave out axes along which an operand reads the same place again."""
    for axis in operand.axes:
        first, *others = [operand.at(axis, [turn], lengths) for turn in range(lengths[axis])]
        if all(other.places == first.places for other in others):
            operand = first
    return operand


def rearranged(
    numbers: Sequence[int], axes: Sequence[str], new: Sequence[str], lengths: dict[str, int]
) -> list[int]:
    """Put numbers for all combinations of axes into the order of other axes."""
    kept = [axis for axis in new if axis in axes]
    steps, step = {}, 1
    for axis in reversed(axes):
        steps[axis], step = step, step * lengths[axis]
    places = [0]
    for axis in kept:
        places = [place + turn * steps[axis] for place in places for turn in range(lengths[axis])]
    return [numbers[place] for place in places]
