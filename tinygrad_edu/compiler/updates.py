"""An optimizer's formula as loops, like those of the passes: so every language takes whole steps.

The formula is run on symbols, once. Three numbers change from step to step and are told to it: the
learning rate, how many steps were made before, and the norm of the gradient. What is computed of
these alone is computed once for each step, the rest for each parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tinygrad_edu.compiler.loops import Loop, Ref, ref_at, ref_to
from tinygrad_edu.engine import symbols
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.engine.formulas import as_math
from tinygrad_edu.engine.symbols import SYMBOLS, Atom, Expression, variable

# (xp, steps, rate, norm, w, g, *state) -> (new w, *new state)
Formula: TypeAlias = Callable[..., tuple[Any, ...]]
# the first places of the store "h" of such numbers; the last of them is nan if a parameter is now
TOLD = ("rate", "steps", "norm", "change")


@dataclass(frozen=True, eq=False)
class Update:
    """Loops that change the parameters, and what is remembered of each, by their gradients.

    Parameters
    ----------
    loops : over the stores "u", "du", "s" what is remembered, and "h" numbers for all parameters
    count, states : how many parameters change, and how many numbers are remembered of each
    scalars : how many numbers "h" has
    """

    loops: tuple[Loop, ...]
    count: int
    states: int
    scalars: int

    def __str__(self) -> str:
        """Print one loop per line."""
        return "\n".join(map(str, self.loops))


def update_of(formula: Formula, states: int, places: Sequence[int]) -> Update:
    """Write a formula as loops over the parameters at these places of the store "u".

    What is remembered changes first, and the parameters last, from what is remembered then.

    Before::

        velocity = 0.9 * velocity + g
        w = w - rate * velocity

    After::

        s[j] = 0.9 s[j] + du[j]  # j < 5
        u[j] = u[j] − h[0] · s[j]  # j < 5
        h[3] = Σ_j u[j] − u[j]  # j < 5

    Raises
    ------
    SettingError
        If the formula can't be run on symbols, or needs what it has changed already.
    """
    old = [variable(f"old{k}") for k in range(states)]
    results = formula(SYMBOLS, *map(variable, ("steps", "rate", "norm", "w", "g")), *old)
    return _Writer(states, places).update(results)


class _Writer:
    """Writes the results of a formula, one after the other."""

    def __init__(self, states: int, places: Sequence[int]) -> None:
        count = len(places)
        self.axes = {"j": count} if count > 1 else {}
        self.count, self.states = count, states
        self.loops: list[Loop] = []
        self.scalars: dict[str, str] = {}  # names in "h", by what is computed
        w = ref_to("u", places, self.axes)
        self.refs = {"w": w, "g": w.gradient}
        self.refs |= {name: ref_at("h", place) for place, name in enumerate(TOLD)}
        for k in range(states):
            self.refs[f"s{k}"] = Ref("s", (*self.axes,), k * count, (1,) * len(self.axes))

    def update(self, results: Sequence[Any]) -> Update:
        """Write what is remembered, and then the parameters."""
        weights, *kept = map(symbols.number, results)
        new: dict[int, Expression] = {}  # what has been written, by its identity
        for k, result in enumerate(kept):
            self.write(f"s{k}", result, new, changed=k)
            if isinstance(result, Expression) and result.arguments:
                new[id(result)] = variable(f"s{k}")
        self.write("w", weights, new, changed=self.states)
        w = variable("w")
        self.assign(self.refs["change"], Expression("subtract", (w, w)), self.axes)
        normed = any(self.refs["norm"] in loop.reads.values() for loop in self.loops)
        loops = [*(self.norm() if normed else ()), *self.loops]
        places = len(TOLD) + len(self.scalars) + normed
        return Update(tuple(loops), self.count, self.states, places)

    def write(self, name: str, result: Any, new: dict[int, Expression], changed: int) -> None:
        """Write what is assigned to a name, after so many of those remembered have changed."""
        body = symbols.simplify(_with(result, new))
        late = {f"old{k}" for k in range(changed)} & symbols.names_in(body)
        if late:
            raise SettingError(
                f"the formula reads {', '.join(sorted(late))} after it was changed.",
                fix="return what is remembered in the order in which it is computed, or train with "
                "compiled=False.",
            )
        body = self.hoisted(_named(body))
        if symbols.name_of(body) != name:
            self.assign(self.refs[name], body, self.axes)

    def assign(self, out: Ref, body: Atom, axes: dict[str, int], over: str = "sum") -> None:
        """Add a loop."""
        reads = {name: self.refs[name] for name in sorted(symbols.names_in(body))}
        self.loops.append(Loop(axes, out, reads, body, over=over))

    def hoisted(self, atom: Atom) -> Atom:
        """Compute what is the same for all parameters on its own, before."""
        if not isinstance(atom, Expression) or not atom.arguments:
            return atom
        if not self.is_told(atom):
            if atom.function in ("divide", "true_divide") and self.is_told(atom.arguments[1]):
                x, y = atom.arguments  # a product takes a tenth of the time of a quotient
                atom = Expression("multiply", (x, Expression(atom.function, (1.0, y))))
            return Expression(atom.function, tuple(map(self.hoisted, atom.arguments)))
        names = symbols.names_in(atom)
        text = as_math(atom, {name: name for name in names})
        if text not in self.scalars:
            name = self.scalars[text] = f"h{len(self.scalars)}"
            self.refs[name] = ref_at("h", len(TOLD) + len(self.scalars) - 1)
            self.assign(self.refs[name], atom, {})
        return variable(self.scalars[text])

    def is_told(self, atom: Atom) -> bool:
        """Check whether an expression is the same for all parameters, and not just a number."""
        names = symbols.names_in(atom)
        return bool(names) and all(self.refs[name].store == "h" for name in names)

    def norm(self) -> list[Loop]:
        """Write the norm of the gradient, by the largest of it, whose square may be infinite."""
        g, most = map(_symbol, ("g", "most"))
        there = SYMBOLS.where(most > 0.0, most, 1.0)
        largest = ref_at("h", len(TOLD) + len(self.scalars))
        self.refs["most"], norm = largest, self.refs["norm"]
        before, self.loops = self.loops, []
        self.assign(largest, SYMBOLS.abs(g), self.axes, over="max")
        self.assign(norm, (g / there) * (g / there), self.axes)
        self.assign(norm, there * SYMBOLS.sqrt(_symbol("norm")), {})
        found, self.loops = self.loops, before
        return found


def _symbol(name: str) -> Any:
    """Return a name that can be computed with."""
    return variable(name)


def _with(atom: Atom, new: dict[int, Expression]) -> Atom:
    """Read what has been written where it is a part of an expression."""
    if id(atom) in new or not isinstance(atom, Expression):
        return new.get(id(atom), atom)
    return Expression(atom.function, tuple(_with(x, new) for x in atom.arguments))


def _named(atom: Atom) -> Atom:
    """Read what was remembered by the name that it has after its change, too: s0 for old0."""
    if not isinstance(atom, Expression):
        return atom
    if name := symbols.name_of(atom):
        return variable(name.replace("old", "s"))
    return Expression(atom.function, tuple(map(_named, atom.arguments)))
