"""``check_rule``, ``check_gradient``, ``check_graph``: each names the derivative that is wrong."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tinygrad_edu.engine import Value, ieee, operand, topological_order
from tinygrad_edu.engine.errors import GradientMismatch, LengthError, SettingError
from tinygrad_edu.engine.guards import local_partials, real
from tinygrad_edu.engine.ops import Primitive
from tinygrad_edu.gradcheck import slopes
from tinygrad_edu.gradcheck.verdict import Claim, Report, judge
from tinygrad_edu.transforms import value_and_grad

ROUNDING = 1e-13  # relative, of one partial and its product with one gradient


def check_rule(op: Primitive, *point: float) -> Report:
    r"""Check the partials of one row of the table at one point: a number for each of its inputs.

    Raises
    ------
    GradientMismatch
        If a partial differs from the measured slope of ``op.forward`` by more than 1e-12 of it
        (a little more without mpmath, and where forward does not compute with the functions of
        ``xp`` but with ``math`` or a table of floats, as the report says), or is not between the
        slopes on both sides of a kink, or if the slope jumps where the row lists no kink.
    LengthError
        If the partials are not as many numbers as the row has inputs.
    SettingError
        If no slope could be measured: the row has none there, forward or partials fail, or forward
        gives another number each time. Then the partials are neither right nor wrong.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from tinygrad_edu import ops
    >>> from tinygrad_edu.gradcheck import check_rule
    >>> check_rule(ops.TANH, 0.5)
    Report(1 right within ..., tolerance 1.0e-12, by mpmath at 800 digits)
    >>> check_rule(replace(ops.TANH, partials=lambda xp, out, x: (1.0 - out,)), 0.5)
    Traceback (most recent call last):
        ...
    tinygrad_edu.engine.errors.GradientMismatch: tanh: partial 0 at x = 0.5 is 0.53788284273999,
        but should be 0.786447732965927: wrong by the factor 0.6839397205857.
      Where    : input 0 of the row tanh
      Expected : 0.786447732965927 within 7.9e-13, by mpmath at 800 digits
      Fix      : differentiate \tanh x again, and correct the partials of the row.
    """
    x = [operand(number).data for number in point]
    _as_many(op, "numbers", x)
    at = ", ".join(f"{name} = {number!r}" for name, number in zip("xy", x, strict=False))
    partials = _partials(op, x, at)
    kink = x[0] - sum(x[1:]) in op.kinks
    findings = []
    for i, got in enumerate(partials):
        claim = Claim(
            f"{op.name}: partial {i} at {at}",
            got,
            where=f"input {i} of the row {op.name}",
            fix=f"differentiate {op.formula} again, and correct the partials of the row.",
        )
        measured = slopes.of_row(op, x, i, kink=kink)
        if measured.jumps and not kink:
            raise GradientMismatch(
                f"{claim.what}: the slope jumps from {measured.left:.6g} to {measured.right:.6g}, "
                f"but the kinks of the row are {op.kinks}.",
                where=claim.where,
                fix="add this value of x (of x - y, with two inputs) to the kinks of the row.",
            )
        findings.append((claim, measured))
    return judge(findings)


def check_gradient(f: Callable[..., Any], *args: float) -> Report:
    """Check the gradient of a Python function of real numbers, as ``value_and_grad`` computes it.

    Parameters
    ----------
    f : function of real numbers that returns a real number or a Value; it is measured on plain
        floats, or on constants where it calls methods that only Values have
    args : real numbers, where to check

    Raises
    ------
    GradientMismatch
        If a derivative differs from the measured derivative by more than its error bound, or the
        function has another value on floats than on Values.
    SettingError
        If the function has no finite slope there, or its slope can't be measured.

    Examples
    --------
    >>> from tinygrad_edu import sigmoid
    >>> from tinygrad_edu.gradcheck import check_gradient
    >>> check_gradient(lambda w, x: sigmoid(w * x), 2.0, -1.0)
    Report(2 right within ..., tolerance ..., by extrapolated differences)
    """
    x = [operand(number).data for number in args]
    value, gradient = value_and_grad(f, tuple(range(len(x))))(*x)
    value, *gradient = (operand(number).data for number in (value, *gradient))
    name, plain = getattr(f, "__name__", repr(f)), _on_floats(f)
    at, fix = f"at ({', '.join(map(repr, x))})", "check the rows it is made of with check_rule."
    again = plain(*x)
    same = slopes.slope(again, again, 0.0, "the function on plain floats")
    if math.isfinite(again) and plain(*x) != again:
        same = slopes.UNSETTLED
    judge([(Claim(f"{name}: the value {at}", value, f"{name} on Values", fix), same)])
    findings = []
    for i, got in enumerate(gradient):
        claim = Claim(f"{name}: derivative {i} {at}", got, f"argument {i}, counted from 0", fix)

        def along(moved: float, i: int = i) -> float:
            return plain(*x[:i], moved, *x[i + 1 :])

        findings.append((claim, slopes.extrapolated(along, x[i])))
    return judge(findings)


def check_graph(root: Value) -> Report:
    """Check the gradients that ``root.backward()`` gives: move each leaf, and compute again.

    Gradients stay as they were; constants are not moved. The time it takes grows with the number
    of leaves times the number of values.

    Raises
    ------
    GradientMismatch
        If the gradient of a leaf differs from the measured slope by more than rounding explains.
        That also happens where kinks meet, as in relu(x) - relu(-x) at 0: there no choice of
        partials is right.
    SettingError
        If a value of the graph is nan or inf, or the graph has no finite slope there.
    StaleGraphError
        If a value was changed after the graph was built.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.gradcheck import check_graph
    >>> w, x = Value(2.0, "w"), Value(-1.0, "x")
    >>> check_graph((w * x).sigmoid())
    Report(2 right within ..., tolerance ..., by mpmath at 800 digits)
    """
    order = topological_order(operand(root))
    for node in order:
        if not math.isfinite(node.data):
            raise SettingError(
                f"{node!r} is not finite, so slopes there can't be measured.",
                fix="check the graph at other numbers; tinygrad_edu.explain.trace_nonfinite(root) "
                "tells how this one came about.",
            )
    leaves = [v for v in order if v.kind == "leaf"]
    if not leaves:
        return judge([])
    grads, recomputed = _gradients(order), functools.cache(functools.partial(_recomputed, order))
    doubts = _rounding(order, grads)
    findings = []
    for k, leaf in enumerate(leaves):
        claim = Claim(
            f"the gradient of {leaf.label or f'leaf {k}'} at {leaf.data!r}",
            grads[leaf],
            where=f"leaf {k} of a graph of {len(order)} values",
            fix="check the rows from there to the root with check_rule.",
            doubt=doubts[leaf],
        )

        def of(xp: Any, number: Any, leaf: Value = leaf) -> Callable[[Any], Any]:
            return functools.partial(recomputed(xp, number), leaf)

        findings.append((claim, slopes.measured(of, leaf.data)))
    return judge(findings)


def _as_many(op: Primitive, what: str, found: Sequence[Any]) -> None:
    """Refuse too few or too many numbers for a row."""
    if len(found) != op.arity:
        raise LengthError(
            f"{op.name}: expected {op.arity} {what}, got {len(found)}.",
            fix=f"pass {op.arity} {what}, one for each input of the row, in order.",
        )


def _partials(op: Primitive, x: Sequence[float], at: str) -> list[float]:
    """Compute the partials of a row at a point as the engine does, or say what hinders it."""
    part = "forward"
    try:
        out = real(op.forward(ieee, *x))
        part = "partials"
        partials = op.partials(ieee, out, *x)
        if isinstance(partials, Iterable):
            found = [operand(partial).data for partial in partials]
            _as_many(op, "partials", found)
            return found
    except LengthError:
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else "it says nothing more"
        raise SettingError(
            f"{op.name} can't be checked at {at}, since its {part} failed: "
            f"{type(error).__name__}: {reason}",
            fix=f"return numbers from {part} there, or choose a point inside the domain.",
        ) from error
    raise LengthError(
        f"{op.name}: expected {op.arity} partials in a tuple, got {type(partials).__name__}: "
        f"{partials!r:.60}.",
        fix="return a tuple, also of a single partial: (1.0,) with a comma.",
    )


def _on_floats(f: Callable[..., Any]) -> Callable[..., float]:
    """Return the function as it runs without an engine; nan where Python refuses to compute."""

    def plain(*args: float) -> float:
        try:
            out = f(*args)
        except AttributeError:  # a method of Value, as in x.relu()
            out = f(*map(operand, args))
        except ArithmeticError:  # 1 / 0, or too large for a float
            return math.nan
        if isinstance(out, complex):  # (-8.0) ** (1 / 3)
            return math.nan
        return operand(out).data

    return plain


def _gradients(order: list[Value]) -> dict[Value, float]:
    """Run a backward pass from the last value, and leave the gradients that were there."""
    before = [node.grad for node in order]
    try:
        order[-1].zero_grad()
        order[-1].backward()
        return {node: node.grad for node in order}
    finally:
        for node, grad in zip(order, before, strict=True):
            node.grad = grad


def _recomputed(order: list[Value], xp: Any, number: Any) -> Callable[[Value, Any], Any]:
    """Return the last value as a function of a leaf and its number, by the recorded operations.

    Each value keeps the rounding error that it was recorded with, so that slopes are taken at the
    recorded numbers, as backward takes them.
    """
    data = {node: number(node.data) for node in order}
    inner = [(v, v.op.forward, v.inputs) for v in order if v.op is not None]
    rounded = {v: data[v] - forward(xp, *[data[u] for u in inputs]) for v, forward, inputs in inner}

    def root(leaf: Value, x: Any) -> Any:
        new = {leaf: x}
        for v, forward, inputs in inner:
            if not new.keys().isdisjoint(inputs):
                new[v] = forward(xp, *[new.get(u, data[u]) for u in inputs]) + rounded[v]
        return new[order[-1]]

    return root


def _rounding(order: list[Value], grads: dict[Value, float]) -> dict[Value, float]:
    """Bound how far rounding can have moved each gradient.

    A running error analysis (Higham 2002, Accuracy and Stability of Numerical Algorithms, section
    3.3): each product adds its own rounding to what its factors bring with them.
    """
    doubts = dict.fromkeys(order, 0.0)
    for node in reversed(order):
        if node.op is not None:
            doubt = doubts[node] + ROUNDING * abs(grads[node])
            for v, partial in zip(node.inputs, local_partials(node), strict=True):
                doubts[v] += abs(partial) * doubt + slopes.TINY
    return doubts
