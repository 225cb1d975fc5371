"""Losses: from outputs and targets to one Value, which training makes small.

Each is built from Values and rows of the table alone. The same functions take one sample (one
output and one target) or many (a list of each); then the loss is the mean. Targets are numbers,
or Values for a graph that is to be run with other targets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeAlias

from tinygrad_edu.engine import Operand, Value, operand
from tinygrad_edu.engine.context import here
from tinygrad_edu.engine.errors import LengthError, SettingError
from tinygrad_edu.engine.functions import stop_gradient
from tinygrad_edu.engine.guards import real
from tinygrad_edu.shared.arguments import class_index
from tinygrad_edu.shared.samples import as_list, is_single

Target: TypeAlias = "int | Sequence[float]"  # the index of a class, or a probability of each


def mse(outputs: Operand | Iterable[Operand], targets: Operand | Iterable[Operand]) -> Value:
    """Compute the mean squared error, the mean of (output - target)^2.

    Parameters
    ----------
    outputs, targets : Value or number, or equally long lists of them

    Raises
    ------
    LengthError
        If there are more outputs than targets, or fewer, or none at all.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.nn import mse
    >>> mse([Value(1.0), Value(2.0)], [1.0, 5.0]).data
    4.5
    """
    errors = [operand(y) - t for y, t in _pairs("mse", outputs, targets)]
    return _mean([error * error for error in errors])


def hinge(scores: Operand | Iterable[Operand], targets: Operand | Iterable[Operand]) -> Value:
    """Compute the mean of max(0, 1 - target * score), for the targets -1 and +1.

    Raises
    ------
    SettingError
        If a target is neither -1 nor +1.
    LengthError
        If there are more scores than targets, or fewer, or none at all.

    References
    ----------
    Rosasco et al., Are loss functions all the same?, Neural Computation 16 (2004).

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.nn import hinge
    >>> hinge([Value(0.5), Value(-3.0)], [1, -1]).data
    0.25
    """
    margins = [
        operand(score) * _checked(target, lambda t: t in (-1.0, 1.0), "-1 or +1")
        for score, target in _pairs("hinge", scores, targets)
    ]
    return _mean([(1.0 - margin).relu() for margin in margins])


def binary_cross_entropy(
    logits: Operand | Iterable[Operand], targets: Operand | Iterable[Operand]
) -> Value:
    """Compute the mean of -t log p - (1 - t) log(1 - p), where p is the sigmoid of the logit.

    It is computed from softplus, so that it is finite and accurate for any finite logit.

    Parameters
    ----------
    logits : Value or number, or several
    targets : number from 0 to 1, or as many as there are logits

    Raises
    ------
    SettingError
        If a target is not between 0 and 1.
    LengthError
        If there are more logits than targets, or fewer, or none at all.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.nn import binary_cross_entropy
    >>> z = Value(-1e300)
    >>> loss = binary_cross_entropy(z, 1)
    >>> loss.backward()
    >>> loss.data, z.grad
    (1e+300, -1.0)
    """
    pairs = [
        (operand(logit), _checked(target, lambda t: 0.0 <= t <= 1.0, "a number from 0 to 1"))
        for logit, target in _pairs("binary_cross_entropy", logits, targets)
    ]
    return _mean([_bit_entropy(logit, target) for logit, target in pairs])


def _bit_entropy(logit: Value, target: Any) -> Value:
    """Compute one term: -log p is softplus(-logit). A weight of 0 must not meet an inf."""
    if _is(target, 0.0):
        return logit.softplus()
    if _is(target, 1.0):
        return (-logit).softplus()
    out: Value = target * (-logit).softplus() + (1.0 - target) * logit.softplus()
    return out


def softmax(logits: Sequence[Operand]) -> list[Value]:
    """Compute probabilities: e^z of each logit z, divided by the sum of these powers.

    Raises
    ------
    LengthError
        If there are no logits.

    Examples
    --------
    >>> from tinygrad_edu.nn import softmax
    >>> [f"{p:.3f}" for p in softmax([1000.0, 1001.0])]
    ['0.269', '0.731']
    """
    exponentials = [z.exp() for z in _shifted(logits)[0]]
    inverse = 1.0 / _total(exponentials)  # as log' does it: then cross_entropy' is y - t exactly
    return [e * inverse for e in exponentials]


def log_softmax(logits: Sequence[Operand]) -> list[Value]:
    """Compute the logarithm of each probability of :func:`softmax`.

    Examples
    --------
    >>> from tinygrad_edu.nn import log_softmax
    >>> [p.data for p in log_softmax([0.0, -1e300])]
    [0.0, -1e+300]
    """
    shifted, _ = _shifted(logits)
    log_total = _total([z.exp() for z in shifted]).log()
    return [z - log_total for z in shifted]


def logsumexp(logits: Sequence[Operand]) -> Value:
    """Compute log(e^z0 + e^z1 + ...), a smooth maximum whose gradient is the :func:`softmax`.

    Examples
    --------
    >>> from tinygrad_edu.nn import logsumexp
    >>> logsumexp([1000.0, 1000.0])
    Value(1000.69, grad=0, op=add)
    """
    shifted, shift = _shifted(logits)
    return _total([z.exp() for z in shifted]).log() + shift


def cross_entropy(
    logits: Sequence[Operand] | Sequence[Sequence[Operand]], target: Target | Sequence[Target]
) -> Value:
    """Compute -log of the probability that :func:`softmax` gives the target class.

    Value and gradient are finite however far the logits are apart. For one sample the gradient of
    the logits is ``y - t`` to the last bit: ``y`` the softmax, ``t`` the target, one-hot.

    Parameters
    ----------
    logits : sequence of Value or number; for the mean over a batch, a sequence of such sequences
    target : int, the index of the class; or a sequence, the probability of each class (usually
        one-hot); for a batch, a sequence with the target of each sample

    Raises
    ------
    SettingError
        If the index is not a whole number or out of range, or the numbers are not probabilities.
    LengthError
        If there are more probabilities than logits, or targets than samples, or fewer, or none.

    References
    ----------
    Goodfellow, Bengio and Courville, Deep Learning (2016), section 6.2.2.3.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.nn import cross_entropy
    >>> logits = [Value(2.0), Value(1.0), Value(0.0)]
    >>> cross_entropy(logits, 0).backward()
    >>> [f"{z.grad:.3f}" for z in logits]
    ['-0.335', '0.245', '0.090']
    """
    rows = _listed("logits", logits)
    if is_single(rows[0]):
        return _class_entropy(rows, target)
    return _mean([_class_entropy(row, t) for row, t in _pairs("cross_entropy", rows, target)])


def _class_entropy(logits: Any, target: Any) -> Value:
    """Compute log(sum of e^z) - z of the target, with every z shifted by the largest logit."""
    shifted, _ = _shifted(logits)
    weighted = [
        z if _is(weight, 1.0) else weight * z
        for z, weight in zip(shifted, _weights(target, len(shifted)), strict=True)
        if not _is(weight, 0.0)  # 0 times a logit of -inf would be nan
    ]
    return _total([z.exp() for z in shifted]).log() - _total(weighted)


def _is(target: Any, number: float) -> bool:
    """Check that a target is that number; a Value stands for any number."""
    return not isinstance(target, Value) and target == number


def _shifted(logits: Iterable[Operand]) -> tuple[list[Value], Value]:
    """Subtract the largest logit, so that no exponential overflows; return it as well.

    It is a constant: softmax is the same whatever is subtracted, so no gradient is lost.
    """
    values = [operand(z) for z in _listed("logits", logits)]
    if here().trace is not None:  # this sample stands for others, whose largest is another
        shift = stop_gradient(_largest(values))
        return [z - shift for z in values], shift
    largest = max(z.data for z in values)
    shift = operand(largest if math.isfinite(largest) else 0.0)
    return [z - shift for z in values], shift


def _largest(values: list[Value]) -> Value:
    """Build the maximum as a node, in rounds of pairs: few rounds are few vector instructions."""
    while len(values) > 1:
        odd = values[len(values) // 2 * 2 :]
        values = [a.max(b) for a, b in zip(values[::2], values[1::2], strict=False)] + odd
    return values[0]


def _weights(target: Any, count: int) -> list[Any]:
    """Return the probability of each class, from probabilities or from the index of a class."""
    if not is_single(target):
        return _probabilities(as_list(target, "the target"), count)
    index = class_index(target)
    if index is None:
        _refuse(f"the target is {target!r:.60}.", f"the index of a class, an int below {count}")
    if not 0 <= index < count:
        _refuse(f"the target is class {index} of {count}.", f"an index from 0 to {count - 1}")
    return [float(i == index) for i in range(count)]


def _probabilities(target: list[Operand], count: int) -> list[Any]:
    if len(target) != count:
        raise LengthError(
            f"the target has {len(target)} probabilities, but there are {count} logits.",
            fix="give one probability for each logit, or the index of the class.",
        )
    weights = [
        _checked(t, lambda w: w >= 0.0, "probabilities that are not negative") for t in target
    ]
    total = math.fsum(w.data if isinstance(w, Value) else w for w in weights)
    if not abs(total - 1.0) <= 1e-6:
        _refuse(
            f"the probabilities of the target sum to {total:.7g}.", "probabilities that sum to 1"
        )
    return weights


def _pairs(loss: str, outputs: Any, targets: Any) -> list[tuple[Any, Any]]:
    """Pair outputs with their targets, one or many of each."""
    ys, ts = [
        [x] if is_single(x) else as_list(x, name)
        for x, name in ((outputs, "outputs"), (targets, "targets"))
    ]
    if not ys or len(ys) != len(ts):
        raise LengthError(
            f"{loss} got {len(ys)} outputs and {len(ts)} targets.",
            expected="one target for each output, and at least one of them",
            fix="pass one target for each output: outputs and targets are matched one by one.",
        )
    return list(zip(ys, ts, strict=True))


def _listed(name: str, values: Any) -> list[Any]:
    listed = [] if is_single(values) else as_list(values, name)
    if not listed:
        raise LengthError(
            f"expected a list of {name}, got {values!r:.60}.",
            fix="pass one Value for each class.",
        )
    return listed


def _checked(target: Operand, allowed: Callable[[float], bool], expected: str) -> Any:
    """Return the target, a number as float, if it is allowed."""
    number = target.data if isinstance(target, Value) else real(target)
    if not allowed(number):
        _refuse(f"the target is {number:.6g}.", expected)
    return target if isinstance(target, Value) else number


def _refuse(what: str, expected: str) -> NoReturn:
    raise SettingError(what, expected=expected, fix=f"pass {expected}, as the target of a sample.")


def _mean(terms: list[Value]) -> Value:
    return _total(terms) / len(terms) if len(terms) > 1 else terms[0]


def _total(terms: list[Value]) -> Value:
    return sum(terms[1:], terms[0])
