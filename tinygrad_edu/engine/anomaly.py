"""``detect_anomaly``: stop at the first value or gradient that is nan or inf, and say where."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import NoReturn

from tinygrad_edu.engine.context import Block, Watcher, here
from tinygrad_edu.engine.errors import AnomalyError
from tinygrad_edu.engine.guards import describe, local_partials
from tinygrad_edu.engine.value import Value

_PACKAGE = str(Path(__file__).parents[1]) + os.sep


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Raise at the first node whose value or gradient becomes nan or inf.

    Inside the ``with`` block each node remembers the source line that built it, so that an error
    of the backward pass can name it too; building is several times slower meanwhile.

    Raises
    ------
    AnomalyError
        Names the node, its inputs and the source line.

    Examples
    --------
    >>> from tinygrad_edu import Value, detect_anomaly
    >>> with detect_anomaly():
    ...     Value(0.0, "x").log()
    Traceback (most recent call last):
        ...
    tinygrad_edu.engine.errors.AnomalyError: log became -inf.
      Inputs : x = 0
      Where  : <doctest tinygrad_edu.engine.anomaly.detect_anomaly[1]>:2: Value(0.0, "x").log()
      Fix    : keep the inputs where log and its slope are finite, or clip them before it.
    """
    with Block(_Anomalies()):
        yield


def source_line(node: Value) -> str:
    """Return the line of code that built a node inside ``detect_anomaly()``; "" outside it."""
    return node.origin.partition("@")[2]


class _Anomalies(Watcher):
    """The watcher of :func:`detect_anomaly`."""

    def built(self, node: Value) -> None:
        node.origin = f"{node.origin.partition('@')[0]}@{_calling_line()}"
        if not isfinite(node.data) and not here().tentative:
            _refuse(f"{describe(node)} became {node.data}.", node)

    def walked(self, order: Sequence[Value]) -> None:
        if all(isfinite(v.grad) for v in order):
            return
        totals = {order[-1]: order[-1].grad}
        if not isfinite(order[-1].grad):
            _refuse(f"the gradient of {describe(order[-1])} became {order[-1].grad}.", order[-1])
        for node in reversed(order):  # the same sums again, to see which is the first to fail
            if node.op is not None:
                for child, partial in zip(node.inputs, local_partials(node), strict=True):
                    totals[child] = totals.get(child, 0.0) + partial * totals[node]
                    if not child.constant:
                        self._check(node, child, partial, totals[node], totals[child])

    def flowed(
        self, node: Value, child: Value, partial: float, cotangent: float, total: float
    ) -> None:
        self._check(node, child, partial, cotangent, total)

    def _check(
        self, node: Value, child: Value, partial: float, cotangent: float, total: float
    ) -> None:
        if not isfinite(total):
            _refuse(
                f"the gradient of {describe(child)} became {total} in {describe(node)}: "
                f"upstream {cotangent:.6g} times slope {partial:.6g}.",
                node,
            )


def _calling_line() -> str:
    """Return file, line number and text of the innermost line outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    name, number = frame.f_code.co_filename, frame.f_lineno
    return f"{Path(name).name}:{number}: {linecache.getline(name, number).strip()}"


def _refuse(what: str, node: Value) -> NoReturn:
    name = node.op.name if node.op else "it"
    raise AnomalyError(
        what,
        inputs=", ".join(f"{describe(v)} = {v.data:.6g}" for v in node.inputs),
        where=source_line(node) or "built outside detect_anomaly(), so its line is not known",
        fix=f"keep the inputs where {name} and its slope are finite, or clip them before it.",
    )
