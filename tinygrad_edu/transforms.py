"""``grad(f)``: from a Python function of numbers to the function that computes its gradient."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from tinygrad_edu.engine import Value, functions, hooks, ieee, operand, topological_order
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError
from tinygrad_edu.engine.ops import Primitive


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The gradient of ``f`` with respect to the arguments numbered ``argnums``.

    The name and the arguments are JAX's. No ``grad`` of any Value is touched, and the result can
    be differentiated again: rows run on Values, so ``grad(grad(f))`` is the second derivative.

    Parameters
    ----------
    f : function of real numbers (or Values) that returns one, written with operators and the
        functions of this package
    argnums : int or tuple of int, which arguments to differentiate by

    Returns
    -------
    function of the same arguments; a number for an int, a tuple of numbers for a tuple

    Raises
    ------
    OperandError
        If ``f`` returns anything else than one number, or an argument is none.
    LengthError
        If there is no argument of such a number.

    Examples
    --------
    >>> from tinygrad_edu import grad
    >>> def cube(x):
    ...     return x * x * x
    >>> grad(cube)(2.0), grad(grad(cube))(2.0), grad(grad(grad(cube)))(2.0)
    (12.0, 12.0, 6.0)
    """
    both = value_and_grad(f, argnums)
    return lambda *args, **kwargs: both(*args, **kwargs)[1]


def value_and_grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Like :func:`grad`, but returns ``(value, gradient)``.

    Examples
    --------
    >>> from tinygrad_edu import value_and_grad
    >>> value_and_grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 3.0)
    (6.0, (3.0, 2.0))
    """
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    if not all(type(i) is int for i in numbers):
        raise SettingError(
            f"argnums is {argnums!r:.60}.",
            expected="the position of an argument, or a tuple of positions",
            fix="count from 0: grad(f, 0) or grad(f, (0, 2)).",
        )

    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        if not all(-len(args) <= i < len(args) for i in numbers):
            raise LengthError(
                f"argnums is {argnums}, but there are {len(args)} positional arguments.",
                fix="count from 0, and pass what is differentiated by position.",
            )
        inputs = list(args)
        for i in numbers:  # a new node, even for a Value, so that nested grads don't mix
            inputs[i] = args[i] * 1.0 if isinstance(args[i], Value) else Value(args[i])
        chosen = [inputs[i] for i in numbers]
        out, order = _trace(f, inputs, kwargs, chosen)
        outer = _running()
        nested = any(isinstance(x, Value) for x in args) or any(v in outer for v in order)
        gradient = tuple(_pull(order, chosen, on_values=nested))
        return (out if nested else out.data), (gradient if argnums is numbers else gradient[0])

    return differentiated


_state = threading.local()  # .running: inputs of the grad calls that are tracing, outermost first


def _running() -> list[Value]:
    running: list[Value] = _state.__dict__.setdefault("running", [])
    return running


def _trace(
    f: Callable[..., Any], inputs: list[Any], kwargs: dict[str, Any], chosen: list[Value]
) -> tuple[Value, list[Value]]:
    """Call the function; its result and the graph below it."""
    running = _running()
    depth = len(running)
    running.extend(chosen)
    try:
        out = f(*inputs, **kwargs)
    finally:
        del running[depth:]
    try:
        root = operand(out)
    except OperandError:
        raise OperandError(
            f"{getattr(f, '__name__', f)} returned {type(out).__name__}: {out!r:.60}.",
            expected="one Value or number, to differentiate",
            fix="return a single result; call grad once for each of several.",
        ) from None
    return root, topological_order(root)


def _pull(order: list[Value], wrt: list[Value], *, on_values: bool) -> list[Any]:
    """Gradients of the last node with respect to some, as numbers or as graphs of Values."""
    below = set(wrt)
    below.update(node for node in order if not below.isdisjoint(node.inputs))
    bars: dict[Value, Any] = {order[-1]: operand(1.0) if on_values else 1.0}
    for node in reversed(order):
        if node.op is None or node not in bars or node in wrt:
            continue
        for child, slope in zip(
            node.inputs, _slopes(node.op, node, on_values=on_values), strict=True
        ):
            if child in below:
                term = slope * bars[node]
                bars[child] = bars[child] + term if child in bars else term
                if (watcher := hooks.watcher) is not None:
                    numbers = map(_float, (slope, bars[node], bars[child]))
                    watcher.flowed(node, child, *numbers)
    return [bars.get(v, operand(0.0) if on_values else 0.0) for v in wrt]


def _slopes(op: Primitive, node: Value, *, on_values: bool) -> tuple[Any, ...]:
    """The local derivatives of a node, some of which may not be needed."""
    hooks.quiet.on = True
    try:
        if on_values:
            return op.partials(functions, node, *node.inputs)
        return op.partials(ieee, node.data, *[v.data for v in node.inputs])
    finally:
        hooks.quiet.on = False


def _float(x: Any) -> float:
    number: float = x.data if isinstance(x, Value) else x
    return number
