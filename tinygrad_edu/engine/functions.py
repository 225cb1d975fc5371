"""The primitives as functions of Values or of plain numbers: ``exp(v)``, ``exp(2.0)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_edu.engine import ieee, ops
from tinygrad_edu.engine.errors import LengthError
from tinygrad_edu.engine.guards import real
from tinygrad_edu.engine.symbols import refuse_mistakes
from tinygrad_edu.engine.value import Operand, Value, binary, on_floats, operand, unary


def as_function(op: ops.Primitive) -> Callable[..., Any]:
    """Make the function of a row: of numbers it returns a number, of at least one Value a Value.

    This is how a primitive of your own is used; the checker, higher derivatives and the compiler
    take it from the same row.

    Parameters
    ----------
    op : Primitive, as made by :func:`tinygrad_edu.primitive`

    Returns
    -------
    callable, of as many operands (Value or real number) as the row has inputs

    Raises
    ------
    LengthError
        If the function is called with too few or too many operands.
    SettingError
        If the row calls a function that ``xp`` lacks, says ``~``, which Python's floats misread, or
        does not have one partial for each input: it is run once on symbols to find out.
    OperandError
        If the row of a user gives no real number where it is called.

    Examples
    --------
    >>> from tinygrad_edu import Value, as_function, ops
    >>> as_function(ops.MAXIMUM)(2.0, 3)
    3.0
    >>> as_function(ops.EXP)(Value(0.0))
    Value(1, grad=0, op=exp)
    """

    if op not in ops.BUILT_IN:
        refuse_mistakes(op)
    on_values = unary(op) if op.arity == 1 else binary(op)
    forward = on_floats(op)

    def function(*operands: Operand) -> Any:
        if len(operands) != op.arity:
            raise LengthError(
                f"{op.name} takes {op.arity} operands, got {len(operands)}.",
                fix=f"call {op.name}({', '.join('xy'[: op.arity])}).",
            )
        if any(isinstance(x, Value) for x in operands):
            return on_values(operand(operands[0]), *operands[1:])
        return forward(ieee, *[real(x) for x in operands])

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = f"{op.formula} (LaTeX), of Values or of real numbers."
    return function


exp, log, sqrt = as_function(ops.EXP), as_function(ops.LOG), as_function(ops.SQRT)
sin, cos, tanh = as_function(ops.SIN), as_function(ops.COS), as_function(ops.TANH)
sigmoid, softplus = as_function(ops.SIGMOID), as_function(ops.SOFTPLUS)
relu, abs = as_function(ops.RELU), as_function(ops.ABS)
maximum, minimum = as_function(ops.MAXIMUM), as_function(ops.MINIMUM)
add, sub, mul = as_function(ops.ADD), as_function(ops.SUB), as_function(ops.MUL)
divide, power, neg = as_function(ops.DIV), as_function(ops.POW), as_function(ops.NEG)

stop_gradient = as_function(ops.STOP_GRADIENT)
