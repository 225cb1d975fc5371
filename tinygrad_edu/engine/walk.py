"""The two walks over a graph: inputs before results, and the chain rule, back.

The way back is, for every node from the last to the first::

    partials = node.op.partials(ieee, node.data, *[v.data for v in node.inputs])
    for v, partial in zip(node.inputs, partials):
        v.grad += partial * node.grad
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from tinygrad_edu.engine import ieee
from tinygrad_edu.engine.errors import StaleGraphError, TinygradEduError

Value = TypeVar("Value", bound=Any)  # the class of value.py, which imports this file


def send_back(order: Sequence[Value]) -> Value | None:
    """Hand the gradient of the last node on to all others: the chain rule above.

    It is written out for one and for two inputs, which is four times as fast as the loop. And each
    recorded number is computed once more: if it differs, ``data`` was changed after the graph was
    built, and the gradients would be wrong.

    Returns
    -------
    Value or None
        A node whose inputs no longer give its number; None if there is none.
    """
    outdated = None
    try:
        for node in reversed(order):
            row = node.op
            if row is None:  # a leaf: where gradients arrive
                continue
            out, cotangent = node._data, node._grad
            left, right = node._left, node._right
            if right is None:
                x = left._data
                again = row.forward(ieee, x)
                (partial,) = row.partials(ieee, out, x)
                left._grad += partial * cotangent
            else:
                x, y = left._data, right._data
                again = row.forward(ieee, x, y)
                to_left, to_right = row.partials(ieee, out, x, y)
                left._grad += to_left * cotangent
                right._grad += to_right * cotangent
            if again != out and (again == again or out == out):  # nan equals nan here
                outdated = node
    except TinygradEduError:
        raise
    except (ArithmeticError, ValueError) as error:
        raise row.no_number("slope", [v._data for v in node.inputs], error) from error
    return outdated


def topological_order(root: Value) -> list[Value]:
    """List every value that root depends on: inputs before results, each once, root last.

    The order is that of a recursive post-order walk, node for node, but without recursion, so that
    a graph may be a million operations deep.

    Raises
    ------
    StaleGraphError
        If a value is its own ancestor, which only editing a graph by hand can bring about.
    """
    order: list[Value] = []
    done: set[Value] = set()
    path: list[Value] = []  # from root down to the node at hand
    node, limit = root, 1000
    while True:
        if len(path) > limit:
            limit = 2 * _without_repeats(path)
        left = node._left
        if left is not None and left not in done:
            if left.op is not None:
                path.append(node)
                node = left
                continue
            done.add(left)  # a leaf: it has no inputs to visit first
            order.append(left)
        while True:  # the left input is done; look at the right one, then go up
            right = node._right
            if right is not None and right not in done:
                if right.op is not None:
                    path.append(node)
                    node = right
                    break
                done.add(right)
                order.append(right)
            done.add(node)
            order.append(node)
            if not path:
                return order
            node = path.pop()


def _without_repeats(path: list[Any]) -> int:
    """Return the length of a path that leads down from a root, if no value is on it twice."""
    if len(set(path)) < len(path):
        raise StaleGraphError(
            f"{path[-1]!r} is an input of one of its own inputs.",
            where="a graph edited by hand: arithmetic on Values can't make a cycle",
            fix="build the graph again from its leaves, without assigning to its nodes.",
        )
    return len(path)
