"""The matrix equations that were found: objects that print themselves and compute what they say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from tinygrad_edu.compiler.arguments import rows_for
from tinygrad_edu.compiler.arrays import Array
from tinygrad_edu.compiler.loops import ref_to
from tinygrad_edu.compiler.matrices import as_latex, as_text
from tinygrad_edu.engine.symbols import Atom, Expression, names_in, variable
from tinygrad_edu.shared.arguments import extra

WIDEST = 60  # characters of an equation with its shape beside it
LONGEST = 12  # numbers of a table that are printed


@dataclass(frozen=True)
class Table:
    """Positions in arrays laid end to end, from which numbers are collected.

    ``shape`` is that of what is collected, without the rows of data.
    """

    name: str
    numbers: tuple[int, ...]
    shape: tuple[int, ...]
    per_row: bool

    def __str__(self) -> str:
        some = " ".join(map(str, self.numbers[:LONGEST]))
        left = len(self.numbers) - LONGEST
        return f"{self.name} = {some}" + (f" … and {left} more" if left > 0 else "")


@dataclass(frozen=True)
class Equation:
    """``name = formula``, or ``name += formula`` where the name had numbers before.

    Parameters
    ----------
    names : what is computed: one array, or some numbers of several that a table picks
    table : the positions of what is computed; None for all of one array
    formula : how it is computed, from the names of other arrays
    accumulate : whether it is added to what was there
    size : the shape, as it is printed
    """

    names: tuple[str, ...]
    table: Table | None
    formula: Atom
    accumulate: bool
    size: str

    @property
    def target(self) -> Expression:
        """Return the left side."""
        names = tuple(map(variable, self.names))
        if self.table is None:
            return names[0]
        return Expression("collect", (variable(self.table.name), *names))

    @property
    def reads(self) -> set[str]:
        """Return the names in the formula."""
        return names_in(self.formula)

    @property
    def latex(self) -> str:
        """Return it as a line of an ``aligned`` environment, its shape at the end."""
        equal = r"&\mathrel{+}=" if self.accumulate else "&="
        size = self.size.replace("×", r" \times ")
        return f"{as_latex(self.target)} {equal} {as_latex(self.formula)}" + (
            f" && {size}" if size else ""
        )

    def __str__(self) -> str:
        equal = "+=" if self.accumulate else "="
        return f"{as_text(self.target)} {equal} {as_text(self.formula)}"


@dataclass(frozen=True)
class Equations:
    """Forward equations, then gradients: they print themselves, and compute what they say.

    A row of a matrix is a sample, so a layer reads ``A1 = X W1ᵀ + b1``. Das and Varma, whose
    columns are samples, write A = WZ + B for it. ``ΔA1`` is ∂L/∂A1; it begins at 0 where it is only
    added to. ``⊙`` multiplies number by number, n is the number of samples, and ``[A1 > 0]`` is 1
    where the condition holds, else 0. ``A1[p1]`` are the numbers of A1 at the positions p1, counted
    along its rows; what is assigned to one position several times is added up.

    Attributes
    ----------
    steps, gradients : tuple of Equation
    arrays, tables : what the names mean
    constants : dict from a name to its numbers
    parameters : tuple of float, those of the program, in the order of its ``vector``
    columns : int, how many inputs each row of data has
    assumed : tuple of str, the targets of which each row has to sum to 1, as probabilities do
    """

    steps: tuple[Equation, ...] = ()
    gradients: tuple[Equation, ...] = ()
    arrays: tuple[Array, ...] = ()
    tables: tuple[Table, ...] = ()
    constants: Mapping[str, Sequence[float]] = field(default_factory=dict)
    parameters: Sequence[float] = ()
    columns: int = 0
    assumed: tuple[str, ...] = ()

    @property
    def forward(self) -> tuple[str, ...]:
        """Return the equations of the forward pass as text."""
        return tuple(map(str, self.steps))

    @property
    def backward(self) -> tuple[str, ...]:
        """Return the equations of the gradients as text."""
        return tuple(map(str, self.gradients))

    @property
    def text(self) -> str:
        """Return all equations with the shape of each name; n stands for the rows of data."""
        lines = [
            f"{what}: {', '.join(f'{array.name} ({array.size})' for array in some)}"
            for what, some in (("given", self.given), ("learned", self.learned))
            if some
        ]
        lines += [f"each row of {name} sums to 1" for name in self.assumed]
        pairs = [(str(it), it.size) for it in (*self.steps, *self.gradients)]
        width = min(WIDEST, max((len(line) for line, _ in pairs), default=0))
        lines += [f"{line:{width}}   {size}".rstrip() for line, size in pairs]
        return "\n".join([*lines, *map(str, self.used_tables)])

    @property
    def given(self) -> list[Array]:
        """List the inputs and the constants that equations read."""
        read = {name for line in (*self.steps, *self.gradients) for name in line.reads}
        leaves = (a for a in self.arrays if a.store == "i" or a.name in self.constants)
        return [array for array in leaves if array.name in read]

    @property
    def learned(self) -> list[Array]:
        """List the arrays of parameters."""
        count = len(self.parameters)
        found = (a for a in self.arrays if a.store == "u" and a.places[0] < count)
        return sorted(found, key=lambda array: array.places)

    @property
    def used_tables(self) -> list[Table]:
        """List the tables that an equation reads or writes by."""
        lines = (*self.steps, *self.gradients)
        used = {name for line in lines for name in (*line.reads, *names_in(line.target))}
        return [table for table in self.tables if table.name in used]

    @property
    def latex(self) -> str:
        """Return an ``aligned`` environment with one line per equation."""
        lines = [line.latex for line in (*self.steps, *self.gradients)]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def beside_the_book(self) -> list[tuple[str, str]]:
        """Pair each equation with that of Das and Varma for the same step, "" where there is none.

        References
        ----------
        Das and Varma, Deep Learning, The Backprop Algorithm. Samples are columns there, so their
        matrices are the transposes of these.
        """
        return [
            (line, next((book for found, book in _BOOK if re.match(found, line)), ""))
            for line in (*self.forward, *self.backward)
        ]

    def evaluate(self, X: Any = None) -> dict[str, Any]:
        """Compute every name that is printed, by the equations alone.

        Parameters
        ----------
        X : array of shape (rows, inputs), as :meth:`Program.backward` takes it; None for a program
            of a whole graph

        Returns
        -------
        dict
            From each name, such as "A1", "L" and "∂L/∂W1", to its array; the loss is a float.

        Raises
        ------
        LengthError
            If X has no rows, or not one column for each input.
        MissingExtraError
            If NumPy is not installed.

        Examples
        --------
        >>> from tinygrad_edu import Value, compile_graph
        >>> w, x = Value(2.0, "w"), Value(0.0, "x")
        >>> program = compile_graph((w * x - 1.0) ** 2, inputs=[x])
        >>> found = program.equations.evaluate([[1.0], [3.0]])
        >>> found["L"], found["∂L/∂w"].tolist()
        (13.0, 16.0)
        """
        np = extra("numpy", "numpy", "evaluating equations", "fast")
        X = rows_for(X, self.columns) if self.columns or X is not None else None
        rows = len(X) if X is not None else 1
        of: dict[str, Any] = {"n": float(rows), "L": np.zeros((1, 1))}
        parameters = np.array(self.parameters)
        for array in self.arrays:
            places = list(array.places)
            shape = (rows,) * array.per_row + array.shape
            of[array.name] = np.zeros(shape)
            for prefix in ("Δ", "∂L/∂"):
                of[prefix + array.name] = np.zeros(shape)
            if array.store == "i":
                of[array.name] = np.asarray(X, float)[:, places].reshape(shape)
            elif array.name in self.constants:
                of[array.name] = np.reshape(self.constants[array.name], shape)
            elif array.store == "u" and places[0] < len(parameters):
                of[array.name] = parameters[places].reshape(shape)
        of |= {table.name: table for table in self.tables}
        with np.errstate(all="ignore"):
            for line in (*self.steps, *self.gradients):
                _assign(np, line, value_of(np, line.formula, of), of)
        printed = {name for line in (*self.steps, *self.gradients) for name in line.names}
        printed |= {array.name for array in (*self.given, *self.learned)}
        flat = {name for array in self.learned for name in (array.name, "∂L/∂" + array.name)}
        found = {name: of[name] for name in of if name in printed}
        for name in flat & printed:  # a bias is a vector, as in Program.matrices
            found[name] = found[name].reshape(_plain_shape(found[name].shape))
        return found | {"L": float(of["L"].reshape(()))}

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$" if self.steps else ""

    def __str__(self) -> str:
        return self.text


class Views(dict[str, Any]):
    """Arrays by name; what is assigned to a name is copied into its array."""

    def __setitem__(self, name: str, numbers: Any) -> None:
        self[name][...] = numbers


def views_by_name(learned: Sequence[Array], vector: Any) -> Views:
    """Return parts of a vector of parameters under the names of their arrays.

    They are views, unless the numbers of an array lie scattered in the vector without a pattern:
    such an array is a copy, which can't be written to.
    """
    np = extra("numpy", "numpy", "a matrix of parameters", "fast")
    found = {}
    for array in learned:
        shape = _plain_shape(array.shape)
        ref = ref_to("", array.places, {str(axis): n for axis, n in enumerate(shape)})
        if ref.table:
            found[array.name] = vector[[*array.places]].reshape(shape)
            found[array.name].flags.writeable = False
            continue
        steps = dict(zip(ref.axes, ref.steps, strict=True))
        strides = [(steps.get(str(axis)) or 0) * vector.itemsize for axis in range(len(shape))]
        found[array.name] = np.lib.stride_tricks.as_strided(vector[ref.offset :], shape, strides)
    return Views(found)


def _plain_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without the lengths of 1 before it."""
    return tuple(shape[next((at for at, n in enumerate(shape) if n > 1), len(shape)) :])


def value_of(np: Any, atom: Atom, of: Mapping[str, Any]) -> Any:
    """Compute a formula."""
    if not isinstance(atom, Expression):
        return np.float64(atom)
    if not atom.arguments:
        return of[atom.function]
    values = [value_of(np, x, of) for x in atom.arguments]
    if atom.function in _MATRIX:
        return _MATRIX[atom.function](np, *values)
    return getattr(np, atom.function)(*values)


def _over(name: str) -> Any:
    """Return a function that takes numbers together along axes, all of them if none is given."""

    def over(np: Any, x: Any, *axes: float) -> Any:
        return getattr(np, name)(x, axis=tuple(map(int, axes)) or None, keepdims=True)

    return over


def _logsumexp(np: Any, x: Any, *axes: float) -> Any:
    return np.log(_over("sum")(np, np.exp(x), *axes))


def _log_softmax(np: Any, x: Any, _: Any, axis: float) -> Any:
    """Compute what ``log Y`` means, so that no logarithm of 0 is taken."""
    shifted = x - np.max(x, int(axis), keepdims=True)
    return shifted - _logsumexp(np, shifted, axis)


def _weighted_log(np: Any, T: Any, x: Any, _: Any, axis: float) -> Any:
    """Compute T ⊙ log Y as a program does it: of T that does not sum to 1, too, to the same sum."""
    shifted = x - np.max(x, int(axis), keepdims=True)
    total = _logsumexp(np, shifted, axis)
    missing = 1.0 - np.sum(T, int(axis), keepdims=True)
    return T * (shifted - total) - missing * total / x.shape[int(axis)]


def _softmax(np: Any, x: Any, axis: float) -> Any:
    return np.exp(_log_softmax(np, x, x, axis))


def _collect(np: Any, table: Table, *arrays: Any) -> Any:
    laid = _laid_out(np, table, arrays)
    return laid[:, list(table.numbers)].reshape((len(laid),) * table.per_row + table.shape)


_MATRIX = {
    "matmul": lambda np, x, y: np.matmul(x, y),
    "transpose": lambda np, x: x.swapaxes(-1, -2),
    "sum": _over("sum"),
    "total": lambda np, x, *axes: np.sum(x, axis=tuple(map(int, axes))),
    "max": _over("max"),
    "logsumexp": _logsumexp,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "weighted_log": _weighted_log,
    "collect": _collect,
}


def _laid_out(np: Any, table: Table, arrays: Iterable[Any]) -> Any:
    """Lay arrays end to end, row by row where each row has its own numbers."""
    flat = [array.reshape(len(array) if table.per_row else 1, -1) for array in arrays]
    return np.concatenate(flat, axis=1)


def _assign(np: Any, line: Equation, value: Any, of: dict[str, Any]) -> None:
    """Give what was computed the shape of its name, and keep it or add it."""
    arrays = [of[name] for name in line.names]
    rows = (len(arrays[0]),) * (line.table is not None and line.table.per_row)
    shape = arrays[0].shape if line.table is None else (*rows, *line.table.shape)
    value = np.asarray(value)
    value = value.reshape(value.shape[max(0, value.ndim - len(shape)) :])
    value = np.broadcast_to(value, shape)
    if line.table is None:
        of[line.names[0]] = arrays[0] + value if line.accumulate else value
        return
    laid = _laid_out(np, line.table, arrays)
    if not line.accumulate:
        laid[:, list(line.table.numbers)] = 0.0
    np.add.at(laid, (slice(None), list(line.table.numbers)), value.reshape(len(laid), -1))
    ends = [*accumulate(array.size // len(laid) for array in arrays)]
    for name, array, end in zip(line.names, arrays, ends, strict=True):
        of[name] = laid[:, end - array.size // len(laid) : end].reshape(array.shape)


_BOOK = (
    (r"A\d+ = \S+ W\d+ᵀ", "A = WZ + B"),
    (r"Y\d* = softmax", "Y = softmax(A)"),
    (r"L = .*log Y", "L = −Σ T log Y"),
    (r"Z\d+ = (?!max_)[a-z]+\(A\d+(, 0)?\)$", "Z = f(A)"),
    (r"ΔA\d+ = .*Y\d* − T", "Δ = Y − T"),
    (r"ΔA\d+ = ΔZ\d+ ⊙", "Δ = f′(A) ⊙ WᵀΔ"),
    (r"ΔZ\d+ = ΔA\d+ W\d+", "WᵀΔ"),
    (r"∂L/∂W\d+ \+?= .*ΔA\d+ᵀ", "∂L/∂W = ΔZᵀ"),
    (r"∂L/∂b\d+ \+?= ", "∂L/∂B = Δ"),
)
