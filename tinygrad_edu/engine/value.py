"""Value: a number that remembers how it was computed.

Arithmetic on Values builds a graph: each result remembers the row of the table that made it, and
its inputs. ``backward`` walks that graph from the result back to the numbers it began with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from tinygrad_edu.engine import context, ieee, ops, walk
from tinygrad_edu.engine.context import ONE_AT_A_TIME, here
from tinygrad_edu.engine.copying import own_code
from tinygrad_edu.engine.errors import TinygradEduError
from tinygrad_edu.engine.guards import Guarded, Number, answers, no_leaves, real, stale, text

Operand: TypeAlias = "Value | Number"
new = object.__new__


def on_floats(op: ops.Primitive) -> Callable[..., float]:
    """Return the forward of a row of ours; of a user's row, one that always gives a float."""

    def forward(xp: Any, *inputs: float) -> float:
        try:
            out = op.forward(xp, *inputs)
            if isinstance(out, complex):
                raise ValueError(f"it is complex, {out}")
            return real(out)
        except TinygradEduError:
            raise
        except (ArithmeticError, ValueError) as error:
            raise op.no_number("value", inputs, error) from error

    return op.forward if op in ops.BUILT_IN else forward


def binary(op: ops.Primitive, reflection: str = "") -> Callable[[Value, Operand], Value]:
    """Make the method of a row with two inputs: compute, and remember the row and the inputs.

    An operator names its ``reflection``, such as ``__radd__``: Python asks it of foreign objects.
    """
    forward = on_floats(op)

    def method(self: Value, other: Operand) -> Value:
        if type(other) is not Value:
            if reflection and answers(other, reflection):
                return NotImplemented  # type: ignore[no-any-return]
            other = operand(other)
        out = new(Value)  # written out here and below: a shared helper costs a fifth of a node
        out._data = forward(ieee, self._data, other._data)
        out._grad = 0.0
        out.op = op
        out._left = self
        out._right = other
        out._label = ""
        out.constant = False
        out.origin = here().origin
        if context.building:
            here().tell_built(out)
        return out

    return own_code(method, op.name)


def unary(op: ops.Primitive) -> Callable[[Value], Value]:
    """Make the method of a row with one input."""
    forward = on_floats(op)

    def method(self: Value) -> Value:
        out = new(Value)
        out._data = forward(ieee, self._data)
        out._grad = 0.0
        out.op = op
        out._left = self
        out._right = None
        out._label = ""
        out.constant = False
        out.origin = here().origin
        if context.building:
            here().tell_built(out)
        return out

    return own_code(method, op.name)


def reflected(op: ops.Primitive) -> Callable[[Value, Operand], Value]:
    """Make the method for a number on the left, as in ``2.0 - v``."""
    method = binary(op)
    return lambda self, other: method(operand(other), self)


class Value(Guarded):
    """A real number that remembers how it was computed.

    Parameters
    ----------
    data : int, float, bool, Fraction, Decimal, NumPy scalar, or an array or tensor of no
        dimension; kept as float, also when it is assigned later
    label : str, the name shown in figures and errors

    Attributes
    ----------
    grad : float, d(root)/d(self), in units of root per unit of data. Leaves accumulate it, inner
        nodes hold that of the last pass alone, and constants (the numbers that arithmetic wraps)
        keep none: 0.0
    constant : bool, or "frozen" for a parameter that its module has taken out of training
    op : Primitive or None, the row that computed the value; None for a leaf
    inputs : tuple of Value, what it was computed from

    Examples
    --------
    >>> w, x = Value(2.0, "w"), Value(-1.0, "x")
    >>> (w * x).sigmoid().backward()
    >>> w
    Value(2, grad=-0.104994, label='w')
    """

    __slots__ = ("_left", "_right", "constant", "op", "origin")  # and Guarded's

    def __init__(self, data: Number, label: str = "") -> None:
        self._data = real(data)
        self._grad = 0.0
        self.op: ops.Primitive | None = None
        self._left: Any = None  # the inputs, in two slots: a tuple would be one more object per
        self._right: Any = None  # node, and more work for the garbage collector
        self._label = label if type(label) is str else text(label)
        self.constant = False
        self.origin = here().origin  # the path of the nn module that was at work, for figures

    __add__, __radd__ = binary(ops.ADD, "__radd__"), reflected(ops.ADD)
    __sub__, __rsub__ = binary(ops.SUB, "__rsub__"), reflected(ops.SUB)
    __mul__, __rmul__ = binary(ops.MUL, "__rmul__"), reflected(ops.MUL)
    __truediv__, __rtruediv__ = binary(ops.DIV, "__rtruediv__"), reflected(ops.DIV)
    __pow__, __rpow__ = binary(ops.POW, "__rpow__"), reflected(ops.POW)
    __neg__ = unary(ops.NEG)
    __abs__ = unary(ops.ABS)
    exp = unary(ops.EXP)
    log = unary(ops.LOG)
    sqrt = unary(ops.SQRT)
    sin = unary(ops.SIN)
    cos = unary(ops.COS)
    tanh = unary(ops.TANH)
    sigmoid = unary(ops.SIGMOID)
    softplus = unary(ops.SOFTPLUS)
    relu = unary(ops.RELU)
    maximum = binary(ops.MAXIMUM)
    minimum = binary(ops.MINIMUM)

    # the same by other names
    add, sub, mul = binary(ops.ADD), binary(ops.SUB), binary(ops.MUL)
    div, pow = binary(ops.DIV), binary(ops.POW)
    neg, abs, max, min = __neg__, __abs__, maximum, minimum

    @property
    def inputs(self) -> tuple[Value, ...]:
        """List what the value was computed from, in operand order; ``x * x`` has x twice."""
        return tuple(v for v in (self._left, self._right) if v is not None)

    def backward(self, cotangent: float = 1.0) -> None:
        """Add ``cotangent`` * d(self)/d(leaf) to the ``grad`` of every leaf below this value.

        A pass that is stopped half-way, also by Ctrl-C, changes no leaf. Threads take turns, so
        that they may add to the same leaves.

        Raises
        ------
        LengthError
            If there is no such leaf: all that the value was computed from are constants.
        StaleGraphError
            If the data of a value was changed after the graph was built.
        """
        with ONE_AT_A_TIME:
            order = walk.topological_order(self)
            leaves = [v for v in order if v.op is None]
            if not [v for v in leaves if not v.constant]:
                no_leaves(self)
            before = [v._grad for v in leaves]
            try:
                for node in order:
                    node._grad = 0.0
                self.grad = cotangent
                if walk.send_back(order) is not None:
                    stale(order)
                for watcher in here().watchers:
                    watcher.walked(order)
                grads = zip(leaves, before, strict=True)
                after = [0.0 if v.constant else g + v._grad for v, g in grads]
                if {*map(type, after)} != {float}:  # a user's row has other numbers as partials
                    after = [*map(real, after)]
                set_numbers(leaves, "grad", after)
            except BaseException:
                set_numbers(leaves, "grad", before)
                raise

    def zero_grad(self) -> None:
        """Set the gradient of every value of this graph to 0."""
        order = walk.topological_order(self)
        set_numbers(order, "grad", [0.0] * len(order))

    def detach(self) -> Value:
        """Return the same number as a constant: no gradient flows through it."""
        out = Value(self._data, self._label)
        out.constant = True
        return out


def operand(x: Operand) -> Value:
    """Return the Value itself, or a number as a constant."""
    if isinstance(x, Value):
        return x
    out = Value(x)
    out.constant = True
    return out


def set_numbers(nodes: Iterable[Value], slot: str, numbers: Iterable[float]) -> None:
    """Set ``data`` or ``grad`` of all or none: one call in C, which Ctrl-C can't cut in two.

    The numbers have to be floats: nothing checks them.
    """
    deque(map(getattr(Value, f"_{slot}").__set__, nodes, numbers), maxlen=0)
