"""Penalties on large weights, added to a loss: they trade some fit for simpler functions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from tinygrad_edu.engine import Value
from tinygrad_edu.nn.module import Module
from tinygrad_edu.shared.arguments import within

_INDICES = re.compile(r"(\.\d+)+$")  # of a list of lists: w1.0 is in w
Penalty: TypeAlias = Callable[[Module], Value]


class _Penalty:
    def __init__(self, strength: float) -> None:
        self.strength = within("strength", strength, least=0.0)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.strength:g})"


class L2(_Penalty):
    """A penalty: strength / 2 times the sum of the squared weights.

    Its gradient is strength times the weight. Only parameters whose own name starts with ``w`` are
    penalized: weights, but not biases, nor the scale of a normalization (Goodfellow, Bengio and
    Courville, Deep Learning, 2016, section 7.1).

    Parameters
    ----------
    strength : float, at least 0

    Examples
    --------
    >>> from tinygrad_edu.nn import L2, Neuron
    >>> neuron = Neuron(2)
    >>> neuron.w[0].data, neuron.w[1].data, neuron.b.data = 3.0, -1.0, 5.0
    >>> L2(0.1)(neuron).data
    0.5
    """

    def __call__(self, model: Module) -> Value:
        """Compute the penalty of a model's weights, a Value."""
        return _sum([w * w for w in weights(model)]) * (0.5 * self.strength)


class L1(_Penalty):
    """strength times the sum of the absolute weights, which draws many of them to 0.

    It takes the same parameters as :class:`L2`.

    Parameters
    ----------
    strength : float, at least 0

    References
    ----------
    Tibshirani, Regression shrinkage and selection via the lasso, J. R. Stat. Soc. B 58 (1996).

    Examples
    --------
    >>> from tinygrad_edu.nn import L1, Neuron
    >>> neuron = Neuron(2)
    >>> neuron.w[0].data, neuron.w[1].data = 3.0, -1.0
    >>> L1(0.5)(neuron).data
    2.0
    """

    def __call__(self, model: Module) -> Value:
        """Compute the penalty of a model's weights, a Value."""
        return _sum([abs(w) for w in weights(model)]) * self.strength


def weights(model: Module) -> list[Value]:
    """Collect the parameters whose own name starts with w: the last of the path, or its list's."""
    named = model.named_parameters()
    own = ((_INDICES.sub("", name).rpartition(".")[2], value) for name, value in named)
    return [value for name, value in own if name.startswith("w")]


def _sum(terms: list[Value]) -> Value:
    return sum(terms[1:], terms[0]) if terms else Value(0.0).detach()
