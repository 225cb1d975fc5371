"""``grad(f)``: from a Python function of numbers to the function that computes its gradient."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from numbers import Integral
from typing import Any

from tinygrad_edu.engine import Value, higher, operand, topological_order
from tinygrad_edu.engine.context import here, replacing
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError
from tinygrad_edu.engine.guards import is_bool, local_partials


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return the function that computes the gradient of ``f`` in the arguments ``argnums``.

    The name and the arguments are those of JAX. The ``grad`` of no Value is touched, and the result
    can be differentiated again: ``grad(grad(f))`` is the second derivative.

    Parameters
    ----------
    f : function of real numbers (or Values) that returns a single one, written with operators and
        the functions of this package
    argnums : int or tuple of int, the positions of the arguments to differentiate by

    Returns
    -------
    function of the same arguments; it returns a number for an int, a tuple of numbers for a tuple.
        They are Values, which can be differentiated again, if a Value took part: as an argument, or
        as a leaf that ``f`` uses, such as a weight

    Raises
    ------
    OperandError
        If ``f`` returns anything but one number, or an argument to differentiate by is not a
        number.
    LengthError
        If ``f`` is called without an argument at one of the positions.

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
    """Return the function that computes ``(value, gradient)`` of ``f``; see :func:`grad`.

    Examples
    --------
    >>> from tinygrad_edu import value_and_grad
    >>> value_and_grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 3.0)
    (6.0, (3.0, 2.0))
    """
    positions = argnums if isinstance(argnums, tuple) else (argnums,)
    if not all(isinstance(i, Integral) and not is_bool(i) for i in positions):
        raise SettingError(
            f"argnums is {argnums!r:.60}.",
            expected="the position of an argument, or a tuple of positions",
            fix="count from 0: grad(f, 0) or grad(f, (0, 2)).",
        )

    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        if not all(-len(args) <= i < len(args) for i in positions):
            raise LengthError(
                f"argnums is {argnums}, but there are {len(args)} positional arguments.",
                fix="count from 0, and pass what is differentiated by position: grad(f, 1)(x, y).",
            )
        inputs = list(args)
        for i in positions:  # a new node, even for a Value, so that nested grads don't mix
            inputs[i] = args[i] * 1.0 if isinstance(args[i], Value) else Value(args[i])
        chosen = [inputs[i] for i in positions]
        order = _graph(f, inputs, kwargs, chosen)
        # where other Values took part, such as a weight or the input of a grad around this one, the
        # gradient depends on them: it has to be a graph, too
        on_values = any(isinstance(x, Value) for x in (*args, *kwargs.values())) or any(
            v in here().differentiated or _is_learnable(v) for v in set(order).difference(chosen)
        )
        gradient = tuple(_pull_back(order, chosen, on_values=on_values))
        for i in positions:  # from here on, a number is what arithmetic makes of it: a constant
            inputs[i].constant = not isinstance(args[i], Value)
        value = order[-1] if on_values else order[-1].data
        return value, gradient if isinstance(argnums, tuple) else gradient[0]

    return differentiated


def _is_learnable(v: Value) -> bool:
    return v.op is None and not v.constant


def _graph(
    f: Callable[..., Any], inputs: list[Any], kwargs: dict[str, Any], chosen: list[Value]
) -> list[Value]:
    """Call the function; return the graph of its result, inputs before results."""
    running = here().differentiated
    with replacing(differentiated=(*running, *chosen)):
        out = f(*inputs, **kwargs)
    try:
        return topological_order(operand(out))
    except OperandError:
        raise OperandError(
            f"{getattr(f, '__name__', f)} returned {type(out).__name__}: {out!r:.60}.",
            expected="one Value or number, to differentiate",
            fix="return a single result; call grad once for each of several.",
        ) from None


def _pull_back(order: list[Value], wrt: list[Value], *, on_values: bool) -> list[Any]:
    """Compute the gradients of the last node with respect to some, as numbers or as Values."""
    below = set(wrt)  # and what is computed from them: inputs come first, so the set grows in time
    below.update(node for node in order if not below.isdisjoint(node.inputs))
    cotangents: dict[Value, Any] = {order[-1]: operand(1.0) if on_values else 1.0}
    for node in reversed(order):
        if node.op is None or node not in cotangents or node in wrt:
            continue
        cotangent = cotangents[node]
        partials = () if on_values and not here().watchers else local_partials(node)
        for i, child in enumerate(node.inputs):
            if child not in below:
                continue
            term = _contribution(node, i, cotangent) if on_values else partials[i] * cotangent
            if term is None:
                continue
            cotangents[child] = cotangents[child] + term if child in cotangents else term
            for watcher in here().watchers:
                numbers = map(_float, (partials[i], cotangent, cotangents[child]))
                watcher.flowed(node, child, *numbers)
    return [cotangents.get(v, operand(0.0) if on_values else 0.0) for v in wrt]


def _contribution(node: Value, i: int, cotangent: Value) -> Value | None:
    """Compute what flows to an input, as a graph; a watcher is not to complain of a gate's nan."""
    with replacing(tentative=True) if here().watchers else nullcontext():
        return higher.contribution(node, i, cotangent)


def _float(x: Any) -> float:
    """Return a number, or the number of a Value."""
    number: float = x.data if isinstance(x, Value) else x
    return number
