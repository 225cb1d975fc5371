"""Neuron, layer, multi-layer perceptron."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any, TypeAlias

from tinygrad_edu.engine import Operand, Value, operand
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError
from tinygrad_edu.nn.init import Initializer, choose_initializer, choose_rng
from tinygrad_edu.nn.module import Module
from tinygrad_edu.shared.arguments import whole
from tinygrad_edu.shared.samples import as_list

Activation: TypeAlias = "str | Callable[[Value], Value]"

ACTIVATIONS: dict[str, Callable[[Value], Value]] = {"linear": lambda y: y} | {
    name: getattr(Value, name)
    for name in ("relu", "tanh", "sigmoid", "softplus", "sin", "cos", "exp", "abs")
}


class Neuron(Module):
    """activation(b + w0 x0 + w1 x1 + ...), summed from the left.

    Parameters
    ----------
    fan_in : int, the number of inputs
    activation : str, one of ``ACTIVATIONS``, or a function of a Value
    initializer : str or function ``(rng, fan_in, fan_out) -> float``; by default he_uniform for
        relu, else glorot_uniform. The bias starts at 0
    rng : random.Random, by default random.Random(0)
    fan_out : int, the width of the layer the neuron stands in, for the initializer

    Attributes
    ----------
    w : list of Value, the weights
    b : Value, the bias

    Raises
    ------
    SettingError
        If one of them is not as above.
    LengthError
        When called with more or fewer than ``fan_in`` numbers or Values.

    Examples
    --------
    The worked neuron of Das and Varma, The Backprop Algorithm.

    >>> from tinygrad_edu.nn import Neuron
    >>> neuron = Neuron(2, "sigmoid")
    >>> neuron.w[0].data, neuron.w[1].data, neuron.b.data = 2.0, -3.0, -3.0
    >>> out = neuron([-1.0, -2.0])
    >>> out.backward()
    >>> f"{out:.2f}", [f"{p.grad:.2f}" for p in neuron.parameters()]
    ('0.73', ['-0.20', '-0.39', '0.20'])
    """

    def __init__(
        self,
        fan_in: int,
        activation: Activation = "linear",
        initializer: str | Initializer | None = None,
        rng: random.Random | None = None,
        *,
        fan_out: int = 1,
    ) -> None:
        fan_in, rng = whole("fan_in", fan_in), choose_rng(rng)
        draw = choose_initializer(initializer, activation)
        self.activation = known_activation("the activation", activation)
        self.w = [Value(draw(rng, fan_in, fan_out), f"w{i}") for i in range(fan_in)]
        self.b = Value(0.0, "b")

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self.w), 1

    def forward(self, x: Iterable[Operand]) -> Value:
        """Compute activation(b + w0 x0 + w1 x1 + ...), summed from the left."""
        if type(x) is not list or len(x) != len(self.w):
            x = inputs_of(self, x, len(self.w))
        products = map(Value.mul, self.w, x)
        total = reduce(Value.add, products, self.b)  # as sum(products, self.b), a twentieth faster
        if isinstance(self.activation, str):
            return ACTIVATIONS[self.activation](total)
        return activated(self.activation, total)

    def __repr__(self) -> str:
        return f"Neuron({len(self.w)}, activation={name_of(self.activation)})"


class Layer(Module):
    """Neurons that read the same inputs; called, it returns the list of their answers.

    Parameters
    ----------
    fan_in : int, the number of inputs
    fan_out : int, the number of neurons
    activation, initializer, rng : as in :class:`Neuron`; the one rng draws all weights

    Examples
    --------
    >>> from tinygrad_edu.nn import Layer
    >>> layer = Layer(3, 2, activation="tanh")
    >>> len(layer([1.0, 2.0, 3.0]))
    2
    """

    _whole = True

    def __init__(
        self,
        fan_in: int,
        fan_out: int,
        activation: Activation = "linear",
        initializer: str | Initializer | None = None,
        rng: random.Random | None = None,
    ) -> None:
        fan_out, rng = whole("fan_out", fan_out), choose_rng(rng)
        self.neurons = [
            Neuron(fan_in, activation, initializer, rng, fan_out=fan_out) for _ in range(fan_out)
        ]

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self.neurons[0].w), len(self.neurons)

    def forward(self, x: Iterable[Operand]) -> list[Value]:
        """Compute the output of every neuron."""
        inputs = [operand(v) for v in inputs_of(self, x, len(self.neurons[0].w))]
        return [neuron(inputs) for neuron in self.neurons]

    def __repr__(self) -> str:
        neuron = self.neurons[0]
        name = name_of(neuron.activation)
        return f"Layer({len(neuron.w)}, {len(self.neurons)}, activation={name})"


class MLP(Module):
    """Multi-layer perceptron: layers in a chain.

    Parameters
    ----------
    fan_in : int, the number of inputs
    widths : sequence of int, the number of neurons of each layer
    activation : of all layers but the last, as in :class:`Neuron`
    output : activation of the last layer
    initializer, rng : as in :class:`Neuron`; the one rng draws all weights, layer by layer

    Raises
    ------
    SettingError
        If a width is not a positive int (says which), or another setting is not allowed.
    LengthError
        When called with more or fewer than ``fan_in`` numbers or Values.

    Examples
    --------
    Called, it returns a list, or one Value where the last layer has one neuron.

    >>> from tinygrad_edu.nn import MLP
    >>> model = MLP(2, [16, 16, 1], activation="tanh")
    >>> len(model.parameters())
    337
    >>> score = model([0.5, -1.0])
    >>> score.origin
    'layer3/neuron0'
    """

    def __init__(
        self,
        fan_in: int,
        widths: Sequence[int],
        activation: Activation = "relu",
        output: Activation = "linear",
        initializer: str | Initializer | None = None,
        rng: random.Random | None = None,
    ) -> None:
        widths, rng = _widths(widths), choose_rng(rng)
        fans = [fan_in, *widths[:-1]]
        known_activation("the activation", activation)  # also where a single layer has none of it
        activations = [activation] * (len(widths) - 1) + [output]
        self.layers = [
            Layer(inputs, outputs, kind, initializer, rng)
            for inputs, outputs, kind in zip(fans, widths, activations, strict=True)
        ]

    def forward(self, x: Iterable[Operand]) -> Value | list[Value]:
        """Compute the last layer's outputs; one Value where it has one neuron."""
        first, *others = self.layers
        outputs: list[Value] = first(x)
        for layer in others:
            outputs = layer(outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def __repr__(self) -> str:
        first, last = self.layers[0].neurons[0], self.layers[-1].neurons[0]
        widths = [len(layer.neurons) for layer in self.layers]
        kinds = f"activation={name_of(first.activation)}, output={name_of(last.activation)}"
        return f"MLP({len(first.w)}, {widths}, {kinds})"


def inputs_of(module: Module, x: Any, expected: int | None = None) -> list[Operand]:
    """Return the inputs as a list, if they are as many as the module expects."""
    try:
        inputs = as_list(x, "x")
    except OperandError:
        inputs = None
    if inputs is None or (expected is not None and len(inputs) != expected):
        count = "" if expected is None else f"{expected} "
        got = repr(x) if inputs is None else len(inputs)
        raise LengthError(
            f"{module!r} expected a list of {count}inputs, got {got!s:.60}.",
            where=module.scope,
            fix="pass one number or Value for each; for many samples [model(x) for x in samples].",
        )
    return inputs


def activated(activation: Callable[[Value], Value], total: Value) -> Value:
    """Apply an activation function of the reader's own, which must return a Value."""
    y = activation(total)
    if isinstance(y, Value):
        return y
    raise OperandError(
        f"the activation {name_of(activation)} returned {type(y).__name__}: {y!r:.60}.",
        expected="a Value, so that gradients flow back through it",
        fix="compute with the Value it is given and return the result.",
    )


def known_activation(what: str, activation: Any) -> Activation:
    """Check that an activation is a name of ``ACTIVATIONS`` or a function."""
    if callable(activation) or (isinstance(activation, str) and activation in ACTIVATIONS):
        known: Activation = activation
        return known
    raise SettingError(
        f"{what} is {activation!r:.60}.",
        expected=f"one of {', '.join(ACTIVATIONS)}, or a function of a Value",
        fix='write its name, for example "relu", or pass a function such as Value.tanh.',
    )


def _widths(widths: Any) -> list[int]:
    if not isinstance(widths, Iterable) or not (listed := list(widths)):
        raise SettingError(
            f"widths is {widths!r:.60}.",
            expected="a list with the width of each layer, such as [16, 16, 1]",
            fix="write [n] for a single layer of n neurons.",
        )
    return [whole(f"widths[{i}]", width) for i, width in enumerate(listed)]


def name_of(activation: object) -> str:
    """Return the name of an activation, as it would be written in a call."""
    if isinstance(activation, str):
        return repr(activation)
    return str(getattr(activation, "__name__", type(activation).__name__))
