"""The engine: a Value remembers how it was computed; ``backward`` walks that graph in reverse."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from tinygrad_edu.engine import copying, guards, hooks, ieee, ops

Operand: TypeAlias = "Value | guards.Number"
_new = object.__new__


def binary(op: ops.Primitive) -> Callable[[Value, Operand], Value]:
    """The method of a row with two inputs."""
    forward = op.forward

    def method(self: Value, other: Operand) -> Value:
        if type(other) is not Value:
            other = operand(other)
        out = _new(Value)  # written out twice: a shared helper costs a fifth of a node
        out.data, out.grad, out.label = forward(ieee, self.data, other.data), 0.0, ""
        out.constant, out.origin = False, hooks.origin
        out.op, out._left, out._right = op, self, other
        if (watcher := hooks.watcher) is not None:
            watcher.built(out)
        return out

    return copying.own_code(method, op.name)


def _reflected(op: ops.Primitive) -> Callable[[Value, Operand], Value]:
    apply = binary(op)
    return lambda self, other: apply(operand(other), self)


def unary(op: ops.Primitive) -> Callable[[Value], Value]:
    """The method of a row with one input."""
    forward = op.forward

    def method(self: Value) -> Value:
        out = _new(Value)
        out.data, out.grad, out.label = forward(ieee, self.data), 0.0, ""
        out.constant, out.origin = False, hooks.origin
        out.op, out._left, out._right = op, self, None
        if (watcher := hooks.watcher) is not None:
            watcher.built(out)
        return out

    return copying.own_code(method, op.name)


class Value:
    """A real number that remembers how it was computed.

    Parameters
    ----------
    data : int, float, bool, Fraction, Decimal or NumPy scalar; kept as float
    label : str, the name shown in figures and errors

    Attributes
    ----------
    grad : float, d(root)/d(self), in units of root per unit of data. Leaves accumulate, inner nodes
        hold the last pass alone, constants (numbers wrapped by arithmetic) keep none: 0.0

    Examples
    --------
    >>> w, x = Value(2.0, "w"), Value(-1.0, "x")
    >>> (w * x).sigmoid().backward()
    >>> w
    Value(2, grad=-0.104994, label='w')
    """

    __slots__ = ("_left", "_right", "constant", "data", "grad", "label", "op", "origin")
    __array_ufunc__ = None  # so that np.float64(2) * v asks v

    def __init__(self, data: guards.Number, label: str = "") -> None:
        self.data, self.grad, self.label = guards.real(data), 0.0, label
        self.constant, self.origin = False, hooks.origin
        self.op: ops.Primitive | None = None
        self._left: Any = None  # two slots, not a tuple: one object a node for the collector
        self._right: Any = None

    __add__, __radd__ = binary(ops.ADD), _reflected(ops.ADD)
    __sub__, __rsub__ = binary(ops.SUB), _reflected(ops.SUB)
    __mul__, __rmul__ = binary(ops.MUL), _reflected(ops.MUL)
    __truediv__, __rtruediv__ = binary(ops.DIV), _reflected(ops.DIV)
    __pow__, __rpow__ = binary(ops.POW), _reflected(ops.POW)
    __lt__, __le__, __gt__, __ge__ = guards.lt, guards.le, guards.gt, guards.ge
    add, sub, mul, div, pow = __add__, __sub__, __mul__, __truediv__, __pow__
    neg = __neg__ = unary(ops.NEG)
    abs = __abs__ = unary(ops.ABS)
    exp, log, sqrt = unary(ops.EXP), unary(ops.LOG), unary(ops.SQRT)
    sin, cos, tanh = unary(ops.SIN), unary(ops.COS), unary(ops.TANH)
    sigmoid, relu, softplus = unary(ops.SIGMOID), unary(ops.RELU), unary(ops.SOFTPLUS)
    max = maximum = binary(ops.MAXIMUM)
    min = minimum = binary(ops.MINIMUM)
    __pos__ = guards.itself
    __float__ = __int__ = __bool__ = __complex__ = guards.lost

    @property
    def inputs(self) -> tuple[Value, ...]:
        """What the value was computed from, in operand order; ``x * x`` has x twice."""
        return tuple(v for v in (self._left, self._right) if v is not None)

    def backward(self, cotangent: float = 1.0) -> None:
        """Add ``cotangent`` * d(self)/d(leaf) to the ``grad`` of every leaf below this value.

        Stopped half-way, by Ctrl-C too, it changes no leaf. One backward at a time per graph.
        StaleGraphError if a value was changed after the graph was built.
        """
        order, leaves, before = topological_order(self), list[Value](), list[float]()
        try:
            for node in order:
                if node.op is None:
                    leaves.append(node)
                    before.append(node.grad)
                node.grad = 0.0
            self.grad = guards.real(cotangent)
            _accumulate(order)
            if (watcher := hooks.watcher) is not None:
                watcher.walked(order)
            after = [0.0 if v.constant else g + v.grad for v, g in zip(leaves, before, strict=True)]
            set_numbers(leaves, "grad", after)
        except BaseException:
            set_numbers(leaves, "grad", before)
            raise

    def zero_grad(self) -> None:
        """Set the gradient of every value of this graph to 0."""
        set_numbers(order := topological_order(self), "grad", [0.0] * len(order))

    def detach(self) -> Value:
        """The same number as a constant: no gradient flows through it."""
        out = Value(self.data, self.label)
        out.constant = True
        return out

    def __repr__(self) -> str:
        kind = f", op={self.op.name}" if self.op else ", constant" if self.constant else ""
        label = f", label={self.label!r}" if self.label else ""
        return f"Value({self.data:.6g}, grad={self.grad:.6g}{kind}{label})"

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copying.deepcopy(topological_order(self), memo)

    def __reduce__(self) -> Any:
        return copying.reduce(self, topological_order)


def topological_order(root: Value) -> list[Value]:
    """Every value that root depends on: inputs before results, each once, root last.

    Node for node the order of the textbook's recursive post-order, at any depth. A value that is
    its own ancestor raises StaleGraphError: someone edited the graph.
    """
    order: list[Value] = []
    done: set[Value] = set()
    path: list[Value] = []  # from root down to the node at hand
    node, limit = root, 1000
    while True:
        left, right = node._left, node._right
        if left is not None and left not in done:
            below = left
        elif right is not None and right not in done:
            below = right
        else:
            done.add(node)
            order.append(node)
            if not path:
                return order
            node = path.pop()
            continue
        if below.op is None:
            done.add(below)
            order.append(below)
        else:
            path.append(node)
            node = below
            if len(path) > limit:
                limit = 2 * guards.acyclic(path)


def _accumulate(order: list[Value]) -> None:
    """Carry the gradient of the last node to all others, checking each recorded value."""
    for node in reversed(order):
        op = node.op
        if op is None:
            continue
        forward, partials = op.forward, op.partials
        out, out_bar = node.data, node.grad
        left, right = node._left, node._right
        if right is None:
            x = left.data
            again = forward(ieee, x)
            (x_slope,) = partials(ieee, out, x)
            left.grad += x_slope * out_bar  # the chain rule
        else:
            x, y = left.data, right.data
            again = forward(ieee, x, y)
            x_slope, y_slope = partials(ieee, out, x, y)
            left.grad += x_slope * out_bar
            right.grad += y_slope * out_bar
        if again != out and (again == again or out == out):  # nan equals nan here
            guards.stale(order)


def set_numbers(nodes: Iterable[Value], slot: str, numbers: Iterable[float]) -> None:
    """Set ``data`` or ``grad`` of all or none: one call in C, which Ctrl-C can't cut in two."""
    deque(map(Value.__dict__[slot].__set__, nodes, numbers), maxlen=0)


def operand(x: Operand) -> Value:
    """The Value itself, or a number as a constant."""
    return x if isinstance(x, Value) else Value(x).detach()
