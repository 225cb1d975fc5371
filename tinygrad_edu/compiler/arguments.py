"""What callers pass to the compiler and to programs: Values, rows of data, and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_edu.compiler.tape import Tape
from tinygrad_edu.engine import Value
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError
from tinygrad_edu.engine.guards import real
from tinygrad_edu.shared.samples import as_list, in_rows, is_array, is_single
from tinygrad_edu.shared.tables import plural


def checked(
    root: Value, inputs: Sequence[Value] | None, outputs: Sequence[Value] | None
) -> tuple[Value, list[Value], list[Value]]:
    """Return root, inputs and outputs, the latter in lists, if they can be compiled."""
    given = as_list(() if inputs is None else inputs, "inputs")
    asked = as_list(() if outputs is None else outputs, "outputs")
    for x in (root, *asked):
        if not isinstance(x, Value):
            raise SettingError(
                f"compile_graph expects a Value, got {type(x).__name__}: {x!r:.60}.",
                fix="pass the result of a computation, for example compile_graph(loss).",
            )
    for x in given:
        if not isinstance(x, Value) or x.op is not None or x.constant:
            raise SettingError(
                f"the input {x!r:.60} is not a leaf of the graph.",
                fix="build the sample's graph from new Values and pass these: "
                "x = Value(0.0); compile_graph(w * x, inputs=[x]).",
            )
    if len(set(given)) < len(given):
        raise SettingError(
            "one Value is given as two inputs.", fix="give each column of X a Value of its own."
        )
    return root, given, asked


def check_leaves(tape: Tape, inputs: Sequence[Value]) -> None:
    """Refuse a graph without parameters, or one that depends on none of its inputs."""
    if not tape.parameters:
        raise SettingError(
            "the graph has no parameters, so there is nothing to differentiate by.",
            where="every leaf is a constant or one of the inputs",
            fix="make each number to be learned a Value that is not among the inputs: "
            "w = Value(0.5).",
        )
    if inputs and not any(slot >= 0 for slot in tape.inputs):
        raise SettingError(
            f"the result depends on none of its {len(inputs)} inputs."
            if len(inputs) > 1
            else "the result does not depend on its input.",
            fix="pass as inputs the same Values that the sample's graph was built from: "
            "x = Value(0.0); compile_graph(w * x, inputs=[x]).",
        )


def rows_for(X: Any, columns: int) -> Any:
    """Return rows of data as an array or as lists, if they have a number for each column."""
    if not columns:
        raise LengthError(
            "this program was compiled for a whole graph, so it takes no X.",
            fix="call backward(), or compile one sample with inputs=[...].",
        )
    if X is not None and not is_array(X):
        X = as_list(X)
        X = X if any(map(is_single, X)) else in_rows(X)
    shape = _shape(X)
    if len(shape) != 2 or shape[1] != columns or not shape[0]:
        what = "no X was passed" if X is None else f"X has the shape {shape}"
        raise LengthError(
            f"{what}, but the program was compiled for {plural(columns, 'input')}.",
            expected=f"the shape (rows, {columns}): at least one row, and in each one "
            "number for each input, in their order",
            fix=f"pass a list of rows, also for a single one: X = [[0.0] * {columns}].",
        )
    return X


def _shape(X: Any) -> tuple[Any, ...]:
    """Return the shape of rows, with the width "ragged" where they differ in length."""
    if X is None or is_array(X):
        return getattr(X, "shape", ())
    if any(map(is_single, X)):
        return (len(X),)
    lengths = {len(row) for row in X}
    return len(X), *(lengths if len(lengths) < 2 else ["ragged"])


def numbers_for(name: str, numbers: Any, count: int) -> Any:
    """Return so many real numbers as an array or as a list."""
    expected = f"shape ({count},), one number for each of program.parameters"
    fix = f"assign a list of that length, for example {name} = [0.0] * {count}."
    try:
        if not is_array(numbers):
            numbers = [real(x) for x in as_list(numbers, name)]
    except OperandError as error:
        what = str(error).splitlines()[0]
        raise OperandError(
            f"{name} can't be assigned: {what}", expected=expected, fix=fix
        ) from None
    shape = numbers.shape if is_array(numbers) else (len(numbers),)
    if shape != (count,):
        what = f"{name} was assigned numbers of shape {shape}."
        raise LengthError(what, expected=expected, fix=fix)
    return numbers
