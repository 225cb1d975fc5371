"""Which numbers of a program are which matrix: names, shapes, and the axes of a loop along them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tinygrad_edu.compiler.loops import PER_ROW, ROWS, ref_to

Pattern = list[str | None]  # which axis of a loop each dimension runs along; None where none does


@dataclass(eq=False)
class Array:
    """A matrix of numbers that are kept in one store.

    Parameters
    ----------
    name : as in the equations
    store : as in :class:`tinygrad_edu.compiler.loops.Ref`
    places : where its numbers lie, in the order of its shape, the last axis the fastest
    shape : without the rows of data; two lengths or more, or one or more where each row has its own
    letter : what its name begins with, if the rest is a number that the compiler chose
    """

    name: str
    store: str
    places: tuple[int, ...]
    shape: tuple[int, ...]
    letter: str = ""

    @property
    def per_row(self) -> bool:
        """Return True if each row of data has its own numbers: rows are the first dimension."""
        return self.store in PER_ROW

    @property
    def size(self) -> str:
        """Write the shape as people do: 16×2, n×3 with a row for each sample, 16, or nothing."""
        shape = [*self.shape]
        if not self.per_row:
            while shape and shape[0] == 1:
                del shape[0]
        return "×".join(["n"] * self.per_row + [str(length) for length in shape])

    def pattern(self, axes: Sequence[str], lengths: Mapping[str, int], order: list[int]) -> Pattern:
        """Tell which axis each dimension runs along, if ``order`` is all of it, rearranged.

        ``order`` lists positions in the array for all combinations of the axes. Where it is only a
        part of the array, or no rearrangement of its dimensions, the pattern is empty.
        """
        if len(order) != len(self.places):
            return []
        ref = ref_to("", order, {axis: lengths[axis] for axis in axes})
        if ref.table or ref.offset:
            return []
        along = {
            (step, lengths[axis]): axis for axis, step in zip(ref.axes, ref.steps, strict=True)
        }
        pattern: Pattern = []
        step = 1
        for length in reversed(self.shape):
            if length > 1 and (step, length) not in along:
                return []
            pattern.insert(0, along.pop((step, length)) if length > 1 else None)
            step *= length
        return [ROWS] * self.per_row + pattern


class Arrays:
    """All arrays of a program, found by their places, each with a name of its own."""

    def __init__(self) -> None:
        self.all: list[Array] = []
        self.at: dict[tuple[str, int], tuple[Array, int]] = {}
        self.counts: dict[str, int] = {}
        self.taken = {"L", "n"}

    def define(self, name: str, store: str, places: Sequence[int], shape: Sequence[int]) -> Array:
        """Make an array of these places; what was there before is found no more."""
        letter = name[0] if name.endswith("#") else ""
        array = Array(self.free(name), store, tuple(places), tuple(shape), letter)
        self.all.append(array)
        self.at.update({(store, place): (array, at) for at, place in enumerate(places)})
        return array

    def free(self, name: str) -> str:
        """Return a name that is not taken yet: numbered if it ends with #, as all of one letter."""
        name, numbered = name.removesuffix("#"), name.endswith("#")
        new, count = name, self.counts.get(name, 0)
        while numbered or new in self.taken:
            count += 1
            new = f"{name}{'_' * name[-1:].isdigit()}{count}"
            numbered = False
        self.counts[name] = count
        self.taken.add(new)
        return new

    def known(self, store: str, places: Iterable[int]) -> bool:
        """Check that all places belong to arrays."""
        return all((store, place) in self.at for place in places)

    def of(self, store: str, places: Iterable[int]) -> list[tuple[Array, int]]:
        """List the array of each place, and the position in it."""
        at = self.at
        return [at[store, place] for place in places]


_INDEX = re.compile(r"(\[\w+\]|\(\w+\)|_\d+|,\d+)+$|(?<=[^\W\d_])\d+$")


def common_name(labels: Sequence[str]) -> str:
    """Return what labels of the numbers of one array have in common, without their indices.

    Examples
    --------
    >>> from tinygrad_edu.compiler.arrays import common_name
    >>> common_name(["W1[0][0]", "W1[0][1]"]), common_name(["b2", "b2"]), common_name(["w0", "w1"])
    ('W1', 'b2', 'w')
    """
    if len(set(labels)) == 1:
        return labels[0]
    stems = set(stems_of(labels, len(labels)))
    return stems.pop() if len(stems) == 1 else ""


def stems_of(labels: Sequence[str], width: int) -> list[str]:
    """Return labels without indices, "" for all if one is missing; a label of whole rows stays.

    Examples
    --------
    >>> from tinygrad_edu.compiler.arrays import stems_of
    >>> stems_of(["w0", "w1", "w0", "w1"], 2), stems_of(["W1", "W1", "W2", "W2"], 2)
    (['w', 'w', 'w', 'w'], ['W1', 'W1', 'W2', 'W2'])
    """
    if not all(labels):
        return [""] * len(labels)
    rows = [labels[start : start + width] for start in range(0, len(labels), width)]
    if width > 1 and all(len(set(row)) == 1 for row in rows):
        return [*labels]
    return [_INDEX.sub("", label) for label in labels]
