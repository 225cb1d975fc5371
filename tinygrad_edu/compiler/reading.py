"""Source code of NumPy with the names of the equations: W1 for v1, dW1 for its gradient."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from keyword import iskeyword

from tinygrad_edu.compiler.arrays import Array

_VIEW = re.compile(r"^    ([vd]\d+) = (u|b|i|du|db)\[(\d+):(\d+)\](.*)$", re.MULTILINE)


def with_names(source: str, arrays: Iterable[Array], taken: Collection[str]) -> str:
    """Return a source in which each view of a whole array has that array's name.

    Parameters
    ----------
    source : str, one function ``bind``, as ``numpy_writer`` writes it
    arrays : those of the equations
    taken : names that mean something else in the source

    Examples
    --------
    >>> from tinygrad_edu.compiler.arrays import Array
    >>> from tinygrad_edu.compiler.reading import with_names
    >>> source = "    v3 = u[0:6].reshape((3, 2)).T\\n    matmul(v3, v3)"
    >>> print(with_names(source, [Array("W1", "u", tuple(range(6)), (3, 2))], ["matmul"]))
        W1_T = u[0:6].reshape((3, 2)).T
        matmul(W1_T, W1_T)
    """
    known = {}
    for array in arrays:
        first, last = min(array.places, default=0), max(array.places, default=-1)
        if len({*array.places}) == last + 1 - first:
            known[array.store, first, last + 1] = array.name
    used = {*taken, *re.findall(r"(?<!\.)\b[a-zA-Z_]\w*\b", source)}
    new: dict[str, str] = {}
    for name, store, first, last, rest in _VIEW.findall(source):
        label = known.get((store.removeprefix("d"), int(first), int(last)), "")
        stem = re.sub(r"\W", "_", label)
        if not stem or not stem.isascii():
            continue
        stem = f"{'d' if store[0] == 'd' else ''}{stem}{'_T' if rest.endswith('.T') else ''}"
        choice, count = stem, 1
        while choice in used or iskeyword(choice) or not choice.isidentifier():
            count += 1
            choice = f"{stem}_{count}" if stem.isidentifier() else f"v_{stem}"
        used.add(choice)
        new[name] = choice
    return re.sub(r"\b[vd]\d+\b", lambda found: new.get(found[0], found[0]), source)
