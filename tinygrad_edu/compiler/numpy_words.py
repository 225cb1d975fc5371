"""Choose NumPy's words for what a plan says: which call, and where a view will do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tinygrad_edu.compiler.layout import Product, Slots, Total
from tinygrad_edu.engine.symbols import Atom, Expression, is_number

SLICES, LENGTH = 8, 16  # at most so many slices, about so long; otherwise a table is faster
BOOLEAN = frozenset(
    ("less", "less_equal", "greater", "greater_equal", "equal", "logical_and", "logical_or")
)


def affine(places: Slots) -> tuple[int, tuple[int, ...]] | None:
    """Return offset and steps of places that are evenly spaced along each axis; None otherwise."""
    offset = int(places.flat[0])
    steps: list[int] = []
    expected = np.array(offset)
    for axis, length in enumerate(places.shape):
        index = [0] * places.ndim
        index[axis] = min(1, length - 1)
        steps.append(int(places[tuple(index)]) - offset)
        expected = expected[..., None] + steps[-1] * np.arange(length)
    return (offset, tuple(steps)) if np.array_equal(expected, places) else None


def runs(places: Slots) -> list[tuple[int, int, int]]:
    """Describe scattered places as slices (first, last, place of the first); [] if it takes many.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.compiler.numpy_words import runs
    >>> runs(np.array([*range(100), *range(200, 300)]))
    [(0, 100, 0), (100, 200, 200)]
    """
    flat = places.reshape(-1)
    breaks = np.flatnonzero(np.diff(flat) != 1) + 1
    if not len(breaks) < min(SLICES, flat.size / LENGTH):
        return []
    edges = [0, *breaks.tolist(), flat.size]
    return [(a, b, int(flat[a])) for a, b in pairwise(edges)]


def squeezed(places: Slots, axes: int) -> Slots:
    """Leave out those of the first axes that have length 1."""
    keep = [i for i, n in enumerate(places.shape) if i >= axes or n > 1]
    return places.reshape([places.shape[i] for i in keep])


def numpy_call(atom: Expression) -> tuple[str, Sequence[Atom]]:
    """Return NumPy's name of a function and its arguments, in the fastest form of the same bits."""
    arguments = atom.arguments
    if atom.function == "power" and is_number(arguments[1], 2.0):
        return "square", arguments[:1]
    if atom.function == "multiply":  # times 1 or 0 by a condition: times the condition
        return "multiply", [_condition(x) for x in arguments]
    return atom.function, arguments


def _condition(atom: Atom) -> Atom:
    """Return the condition of a choice between 1 and 0; other expressions as they are."""
    if isinstance(atom, Expression) and atom.function == "where":
        return atom.arguments[0] if all(map(is_number, atom.arguments[1:], (1.0, 0.0))) else atom
    return atom


class ProductWords:
    """NumPy's words for a stack of matrix products. The axes that there are decide which.

    matmul is fastest, but it multiplies the last two axes, and the rows of data are the last axis.
    What it can't say goes to einsum, or to a multiplication and a sum.
    """

    def __init__(self, it: Product) -> None:
        m, c, _ = it.out.places.shape
        self.out, self.left = squeezed(it.out.places, 2), squeezed(it.left.places, 1)
        self.right = squeezed(it.right.places, 2)
        self.m, self.c = m > 1, c > 1
        self.left_batched, self.right_batched = it.left.batched, it.right.batched
        both = self.left_batched and self.right_batched
        self.rowwise = both and not self.m and not self.c  # a dot product for each row of data

    def letters(self) -> tuple[str, str, str]:
        """Name the axes of left, right and out for einsum."""
        m, c = "m" * self.m, "c" * self.c
        b1, b2 = "b" * self.left_batched, "b" * self.right_batched
        return f"{m}rk{b1}", f"{m}{c}k{b2}", f"{m}{c}r{b2 or b1}"

    def forward(self, left: str, right: str, out: str) -> str:
        """Write out = left times right."""
        left_axes, right_axes, out_axes = self.letters()
        if self.rowwise:
            return f"sum(multiply({left}, {right}), axis=1, out={out})"
        if self.left_batched or (self.m and not self.c and not self.right_batched):
            return f"einsum('{left_axes},{right_axes}->{out_axes}', {left}, {right}, out={out})"
        if self.right_batched:
            lift = "[:, None]" if self.m and self.c else ""
            return f"matmul({left}{lift}, {right}, out={out})"
        if self.c:
            return f"matmul({right}, {left}.swapaxes(-1, -2), out={out})"
        return f"matmul({left}, {right}, out={out})"

    def left_adjoint(self, up: str, right: str) -> str:
        """Write the gradient of left, OUT standing for where it goes."""
        left_axes, right_axes, out_axes = self.letters()
        if self.right_batched and not self.left_batched and not self.c:
            return f"matmul({up}, {right}.swapaxes(-1, -2)OUT)"
        if self.right_batched and not self.left_batched:
            return f"sum(matmul({up}, {right}.swapaxes(-1, -2)), axis={1 if self.m else 0}OUT)"
        if self.rowwise:
            return f"multiply({up}[:, None], {right}OUT)"
        if self.left_batched:
            return f"einsum('{out_axes},{right_axes}->{left_axes}', {up}, {right}OUT)"
        if self.c:
            return f"matmul({up}.swapaxes(-1, -2), {right}OUT)"
        return f"multiply({up}[..., None], {right}[..., None, :]OUT)"

    def right_adjoint(self, up: str, left: str) -> str:
        """Write the gradient of right, OUT standing for where it goes."""
        left_axes, right_axes, out_axes = self.letters()
        if self.left_batched or (self.m and not self.c and not self.right_batched):
            return f"einsum('{out_axes},{left_axes}->{right_axes}', {up}, {left}OUT)"
        if self.right_batched:
            lift = "[:, None]" if self.m and self.c else ""
            return f"matmul({left}{lift}.swapaxes(-1, -2), {up}OUT)"
        return f"matmul({up}, {left}OUT)"


def total_places(it: Total) -> tuple[Slots, Slots]:
    """Return the places of a total's output and terms, axes of length 1 left out."""
    terms = squeezed(it.terms.places, 2)
    return squeezed(it.out.places, 2), terms[..., 0] if terms.shape[-1] == 1 else terms
