"""Deep copies and pickles of whole graphs: sharing kept, gradients kept, at any depth.

Both walk the graph in topological order instead of recursing into it. And a copy of a function.
"""

from __future__ import annotations

import copy
import copyreg
import threading
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, cast

from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.walk import topological_order

SLOTS = ("_data", "_grad", "_label", "_left", "_right", "constant", "op", "origin")  # of a Value
F = TypeVar("F", bound=Callable[..., Any])
_state = threading.local()  # .ancestors: weak reference to the list that is being pickled


def deepcopy(root: Any, memo: dict[int, Any]) -> Any:
    """Copy a graph, inputs first, except the nodes that ``copy.deepcopy`` has copied before.

    The garbage collector pauses: all that is made here is in use, and looking at it again and again
    would take a million nodes from 2 s to 3 s.
    """
    order = topological_order(root)
    twins: dict[Any, Any] = {v: memo[id(v)] for v in order if id(v) in memo} if memo else {}
    twins[None], new = None, object.__new__
    with collector_paused():
        for node in order:
            if node not in twins:  # written out: _link and _facts would take a third longer
                twins[node] = twin = new(type(node))
                twin._data, twin._grad, twin._label = node._data, node._grad, node._label
                twin.constant, twin.origin, twin.op = node.constant, node.origin, node.op
                twin._left, twin._right = twins[node._left], twins[node._right]
    del twins[None]
    before = set(memo)
    memo.update(zip(map(id, twins), twins.values(), strict=True))
    if any(map(_added_slots, dict.fromkeys(map(type, order)))):
        for node in order:
            if id(node) not in before:
                for name, attribute in copy.deepcopy(_added(node), memo).items():
                    object.__setattr__(twins[node], name, attribute)
    return twins[root]


def reduce(node: Any) -> tuple[Any, ...]:
    """Pickle a node as a link to its inputs, with all its ancestors in order before it.

    While the list of ancestors is written, each of them has its inputs in the stream already, so
    it is a mere link, and the pickler never goes deeper than one node. Objects pickled together
    (a model and its loss) share what they shared before.
    """
    link = (type(node), _facts(node), node.op, node._left, node._right)
    state = (None, _added(node)) if _added_slots(type(node)) else None  # copied by setattr
    if node.op is None or id(node) in _written():
        return _link, ((), *link), state
    ancestors = _Ancestors(topological_order(node)[:-1])
    ancestors.ids = frozenset(map(id, ancestors))
    _state.ancestors = weakref.ref(ancestors)
    return _link, (ancestors, *link), state


class _Ancestors(list[Any]):
    """The list that is written before a node; the pickler drops it when it ends or breaks off."""

    ids: frozenset[int]

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (), None, iter(self)


def _written() -> frozenset[int]:
    """Return the ids of the nodes whose inputs are in the stream before they are written."""
    ancestors = getattr(_state, "ancestors", lambda: None)()
    return frozenset() if ancestors is None else ancestors.ids


def _facts(node: Any) -> tuple[Any, ...]:
    return node._data, node._grad, node._label, node.constant, node.origin


def _link(before: Any, kind: Any, facts: Any, op: Any, left: Any, right: Any) -> Any:
    """Make a node; ``before`` is there to be read first."""
    node = kind.__new__(kind)
    node._data, node._grad, node._label, node.constant, node.origin = facts
    node.op, node._left, node._right = op, left, right
    return node


def _added_slots(kind: type) -> list[str]:
    """List the slots of a subclass that Value has not; ``__dict__`` if it takes any attribute."""
    slots = [name for name in copyreg._slotnames(kind) if name not in SLOTS]  # type: ignore[attr-defined]
    return slots + ["__dict__"] * bool(kind.__dictoffset__)


def _added(node: Any) -> dict[str, Any]:
    """Return the attributes that a subclass of Value has given a node besides."""
    slots = {name: getattr(node, name) for name in _added_slots(type(node)) if hasattr(node, name)}
    return slots.pop("__dict__", {}) | slots  # type: ignore[no-any-return]


def own_code(function: F, name: str) -> F:
    """Give a function that a factory made code of its own, under that name.

    Tracebacks then say ``mul`` instead of ``method``. And CPython specialises code where it stands
    (PEP 659): with code of its own, each operator's call of its row is inlined, which saves 3 % of
    a training step.
    """
    original: Any = function
    code = original.__code__.replace(co_name=name)
    return cast(F, FunctionType(code, original.__globals__, name, None, original.__closure__))
