"""Neuron, Layer, MLP: the same numbers as loops written by hand, and no wrong call accepted."""

import math
import random
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Value, as_function, topological_order
from tinygrad_edu.engine import ops
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError
from tinygrad_edu.nn import ACTIVATIONS, MLP, Layer, Module, Neuron

TEXTBOOK = {  # the activations again, from the mathematics
    "linear": lambda x: x,
    "relu": lambda x: max(x, 0.0),
    "tanh": lambda x: (math.exp(2 * x) - 1) / (math.exp(2 * x) + 1),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log(1 + math.exp(x)),
    "sin": math.sin,
    "cos": math.cos,
    "exp": math.exp,
    "abs": abs,
}


def by_hand(model, x, activation, output):
    """The outputs of a model on plain numbers, in loops."""
    for layer in model.layers:
        f = TEXTBOOK[output if layer is model.layers[-1] else activation]
        outputs = []
        for neuron in layer.neurons:
            total = neuron.b.data
            for w, number in zip(neuron.w, x, strict=True):
                total += w.data * number
            outputs.append(f(total))
        x = outputs
    return x


@given(x=st.tuples(*[st.floats(-1e3, 1e3)] * 2), seed=st.integers(0, 99))
def test_an_mlp_computes_what_plain_loops_do(x, seed):
    """To the last bit: each sum starts from the bias and goes from left to right."""
    model = MLP(2, [16, 16, 1], rng=random.Random(seed))
    for parameter in model.parameters():
        parameter.data += 0.01

    assert [model(x).data] == by_hand(model, x, "relu", "linear")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_by_name_is_the_function_of_that_name(name):
    """Each of them, against its textbook formula."""
    neuron = Neuron(1, name, initializer=lambda rng, fan_in, fan_out: 0.75)
    neuron.b.data = -0.25

    for x in (-1.7, 0.4, 2.0):
        assert neuron([x]).data == pytest.approx(TEXTBOOK[name](0.75 * x - 0.25), rel=1e-14)


def test_hidden_and_output_activations_are_told_apart():
    """``activation`` goes to all layers but the last, ``output`` to that."""
    model = MLP(2, [3, 3, 2], activation="tanh", output="sigmoid", rng=random.Random(3))

    got = [value.data for value in model([0.3, -0.8])]

    assert got == pytest.approx(by_hand(model, [0.3, -0.8], "tanh", "sigmoid"), rel=1e-14)


def test_an_activation_may_be_a_function():
    """Any function from Value to Value, a row of one's own among them."""
    square, sine = Neuron(1, lambda y: y * y), Neuron(1, as_function(ops.SIN))
    for neuron in (square, sine):
        neuron.w[0].data = 3.0

    assert square([2.0]).data == 36.0
    assert sine([2.0]).data == math.sin(6.0)


def test_an_activation_may_be_a_module_with_parameters():
    """Its parameters are trained, and its nodes stand in the frame of the neuron it serves."""

    class Leak(Module):
        def __init__(self):
            self.slope = Value(0.1)

        def forward(self, y):
            return y.max(self.slope * y)

    layer = Layer(1, 2, Leak())
    outputs = layer([-1.0])

    assert [name for name, _ in layer.named_parameters()].count("neuron0.activation.slope") == 1
    assert len(layer.parameters()) == 2 * 2 + 1
    assert [y.origin for y in outputs] == ["neuron0/activation", "neuron1/activation"]


def test_an_activation_that_leaves_the_graph_is_refused():
    """A plain number would train nothing, and nobody would notice."""
    layer = Layer(1, 1, lambda y: y.data)

    with pytest.raises(OperandError, match="the activation <lambda> returned float"):
        layer([1.0])


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize("activation", ["relux", "", "Linear", None, 3, b"relu"])
def test_an_unknown_activation_is_refused_with_the_list_of_known_ones(activation):
    """The message names every one that may be chosen."""
    with pytest.raises(SettingError, match=re.escape(f"the activation is {activation!r}.")) as info:
        MLP(2, [2, 1], activation=activation)

    assert all(name in str(info.value) for name in ACTIVATIONS)
    with pytest.raises(SettingError, match="the activation is"):
        MLP(2, [1], activation=activation)  # it has no hidden layer, but may get one later


# --- wrong calls --------------------------------------------------------------------------------

BUILT = [Neuron(3), Layer(3, 2, "relu"), MLP(3, [4, 1])]
each = pytest.mark.parametrize("module", BUILT, ids=lambda module: type(module).__name__)


@pytest.mark.promise(name="shapes")
@each
@pytest.mark.parametrize("got", [0, 1, 2, 4, 100])
def test_a_wrong_number_of_inputs_says_expected_and_got(module, got):
    """Never cut to the shorter one."""
    with pytest.raises(LengthError, match=f"expected a list of 3 inputs, got {got}"):
        module([1.0] * got)


@pytest.mark.promise(name="shapes")
@each
@pytest.mark.parametrize("x", [1.0, None, Value(2.0)])
def test_a_single_input_must_stand_in_a_list(module, x):
    """``model(0.5)`` is a likely slip with one input."""
    with pytest.raises(LengthError, match=re.escape(f"got {x!r}"[:40])):
        module(x)


@each
@pytest.mark.parametrize("bad", ["1.0", None, 1j, [1.0]])
def test_inputs_must_be_numbers_or_values(module, bad):
    """The same refusal as in arithmetic."""
    with pytest.raises(OperandError, match="expected a real number"):
        module([1.0, bad, 2.0])


@pytest.mark.promise(name="shapes")
def test_a_batch_is_refused_with_the_way_to_write_it():
    """One sample at a time: the message shows the line."""
    with pytest.raises(LengthError, match=re.escape("[model(x) for x in samples]")):
        MLP(2, [1])([[0.0, 1.0]] * 100)


@pytest.mark.promise(name="shapes")
def test_a_part_in_the_wrong_place_is_noticed():
    """Where a layer or neuron was exchanged for one that does not fit, nothing is cut."""
    model = MLP(2, [3, 1])
    model.layers[1] = Layer(4, 1)
    with pytest.raises(LengthError, match=r"(?s)Layer\(4, 1.*expected a list of 4.*Where : layer2"):
        model([1.0, 2.0])

    model.layers[0].neurons[2] = Neuron(1)
    with pytest.raises(LengthError, match=r"(?s)Neuron\(1.*got 2.*Where : layer1/neuron2"):
        model([1.0, 2.0])


@each
def test_any_iterable_of_real_numbers_will_do(module):
    """Tuples, generators, arrays and fractions give the same bits as a list of floats."""
    expected = repr(module([0.5, -2.0, 0.25]))

    for x in (
        (0.5, -2, Fraction(1, 4)),
        (number for number in (0.5, -2.0, 0.25)),
        np.array([0.5, -2.0, 0.25]),
        [Value(0.5), -2.0, Value(0.25)],
    ):
        assert repr(module(x)) == expected


def test_a_number_is_one_constant_for_all_neurons():
    """Figures show an input once, and no node is spent on copies."""
    root = MLP(3, [5, 1])([1.0, 2.0, 3.0])

    constants = [node.data for node in topological_order(root) if node.constant]

    assert constants == [1.0, 2.0, 3.0]


def test_gradients_reach_inputs_that_are_values():
    """A model is a function of its inputs, too: here 2 x + 3 y."""
    neuron = Neuron(2)
    neuron.w[0].data, neuron.w[1].data = 2.0, 3.0
    x, y = Value(5.0), Value(7.0)

    neuron([x, y]).backward()

    assert (x.grad, y.grad) == (2.0, 3.0)


# --- settings -----------------------------------------------------------------------------------


SIZES = [
    *((Neuron, "fan_in", n) for n in (0, -2, 2.0, "2", None, False)),
    *((lambda n: Layer(n, 2), "fan_in", n) for n in (0, -2, 2.0, "2", None, False)),
    *((lambda n: MLP(n, [2, 1]), "fan_in", n) for n in (0, -2, 2.0, "2", None, False)),
    *((lambda n: MLP(2, [4, n, 1]), "widths[1]", n) for n in (0, -1, 1.0, "3", None, True)),
    *((lambda widths: MLP(2, widths), "widths", widths) for widths in ([], (), 16, None)),
]


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(("build", "name", "size"), SIZES)
def test_a_size_that_is_not_a_positive_int_is_named(build, name, size):
    """Inputs, one of the widths, or no widths at all."""
    with pytest.raises(SettingError, match=re.escape(f"{name} is {size!r}.")):
        build(size)


def test_numpy_integers_are_widths():
    """As they come out of a shape."""
    assert repr(MLP(np.int64(2), np.array([3, 1]))) == repr(MLP(2, [3, 1]))


def test_a_last_width_of_one_gives_a_value():
    """Every other model, and every layer, gives a list."""
    assert isinstance(MLP(2, [3, 1])([1.0, 2.0]), Value)
    assert len(MLP(2, [3, 2])([1.0, 2.0])) == 2
    assert len(Layer(2, 1)([1.0, 2.0])) == 1


def test_one_rng_draws_all_weights_layer_by_layer():
    """In the order of the parameters; biases start at zero and draw nothing."""
    model = MLP(3, [4, 2], initializer=lambda rng, *fans: rng.random(), rng=random.Random(11))

    again = random.Random(11)
    for name, parameter in model.named_parameters():
        assert parameter.data == (0.0 if name.endswith(".b") else again.random())


def test_without_an_rng_the_same_script_gives_the_same_bits():
    """The default is random.Random(0), a fresh one for each model."""
    first, second = (
        [p.data for p in MLP(2, [3, 1], rng=rng).parameters()] for rng in (None, random.Random(0))
    )

    assert first == second


@pytest.mark.parametrize("rng", [42, "0", random, np.random.default_rng(0)])
def test_an_rng_must_be_a_generator_of_python(rng):
    """A seed in its place is the likely slip: the message shows what to write."""
    with pytest.raises(SettingError, match=r"(?s)rng is .*pass random\.Random\(seed\)"):
        MLP(2, [1], rng=rng)


@pytest.mark.parametrize(
    ("fan_in", "widths", "expected"),
    [
        (3, [5, 2], {(3, 5), (5, 2)}),
        (7, [1], {(7, 1)}),
    ],
)
def test_initializers_are_told_the_size_of_the_layer(fan_in, widths, expected):
    """fan_out is the width of the layer, not 1."""
    seen = set()

    def note(rng, fan_in, fan_out):
        seen.add((fan_in, fan_out))
        return 0.0

    MLP(fan_in, widths, initializer=note)

    assert seen == expected


def test_a_repr_is_the_call_that_builds_it():
    """Short enough for an error, complete enough to build the same model again."""
    for module in (MLP(2, [16, 1], "tanh", "sigmoid"), Layer(2, 3, "relu"), Neuron(4, "sin")):
        assert repr(eval(repr(module), {"MLP": MLP, "Layer": Layer, "Neuron": Neuron})) == repr(
            module
        )
    assert repr(Layer(2, 3, math.sin)) == "Layer(2, 3, activation=sin)"
