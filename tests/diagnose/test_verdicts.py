"""The verdicts: each fault is named where it is planted, and nothing where there is none."""

import math

import pytest

from tests.networks import Bare, X, Y, mlp, scaled
from tinygrad_edu import nn
from tinygrad_edu.diagnose.flow import gradient_flow
from tinygrad_edu.diagnose.verdicts import percent
from tinygrad_edu.train import SGD, Adam, fit

SIGNS = [1 if t > 0 else -1 for t in Y]
CLASSES = [int(x[0] > 0) + int(x[1] > 0) for x in X]


HEALTHY = [
    (depth, activation, loss, targets, outputs, seed)
    for depth in (2, 3, 4, 5)
    for activation in ("tanh", "relu")
    for seed, (loss, targets, outputs) in enumerate(
        [(nn.mse, Y, 1), (nn.hinge, SIGNS, 1), (nn.cross_entropy, CLASSES, 3)]
    )
]


@pytest.mark.parametrize(("depth", "activation", "loss", "targets", "outputs", "seed"), HEALTHY)
def test_nothing_is_found_in_healthy_networks(depth, activation, loss, targets, outputs, seed):
    """Default initialisers, standardised data, a usual learning rate: no false alarm."""
    model = mlp(depth, activation, outputs, seed=seed)

    flow = gradient_flow(model, loss, X, targets, learning_rate=0.03)

    assert flow.verdict == "no fault found"


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("optimizer", [SGD, Adam])
@pytest.mark.parametrize("batch_size", [4, 20])
def test_nothing_is_found_in_a_trained_network(activation, optimizer, batch_size):
    """The gradients of the last minibatch, which ``fit`` leaves behind, do not matter."""
    model = mlp(3, activation)
    mover = optimizer(model.parameters(), 0.01)
    fit(model, nn.mse, X, Y, epochs=20, batch_size=batch_size, progress=False, optimizer=mover)

    flow = gradient_flow(model, nn.mse, X, Y)

    assert any(p.grad for p in model.parameters())
    assert flow.faults == []


@pytest.mark.parametrize("seed", range(3))
def test_twelve_sigmoid_layers_vanish(seed):
    """The first layer gets about (1/4)^11 of what the last one gets, and the verdict says so."""
    flow = gradient_flow(mlp(12, "sigmoid", seed=seed), nn.mse, X, Y)

    assert flow.faults == ["vanishing"]
    assert flow.ratio < 1e-5
    assert f"layer1 gets {flow.ratio:.2g} of layer12's gradient" in flow.verdict
    assert "Glorot and Bengio 2010" in flow.verdict


def dead(model):
    """Push the relus of the second layer far below 0, and return the model."""
    for neuron in model.layers[1].neurons:
        neuron.b.data = -100.0
    return model


def constant(model, weight):
    """Set all parameters to one number, and return the model."""
    for parameter in model.parameters():
        parameter.data = weight
    return model


LARGE = [1000.0 * target for target in Y]
PLANTED = [
    # He's weights times five: each layer multiplies its inputs by five more than it should
    *[(lambda n=n: scaled(mlp(n, "relu"), 5.0), {}, ["exploding"], "inputs") for n in (3, 4, 6)],
    # a loss in small units has small gradients; the outputs of the layers still tell it
    (
        lambda: scaled(mlp(4, "relu"), 5.0),
        {"loss": lambda out, target: nn.mse(out, target) * 1e-6},
        ["exploding"],
        "times as large as the inputs",
    ),
    (lambda: mlp(3, "relu"), {"y": LARGE}, ["exploding"], "times its weights"),
    # the outputs of a tanh can't explode: its sums do, and there it has hardly any slope
    *[(lambda n=n: scaled(mlp(n, "tanh"), 5.0), {}, ["saturation"], "slope") for n in (3, 4, 6)],
    # a layer of zeros is the cause of the vanishing gradient that follows from it
    (lambda: dead(mlp(3, "relu")), {}, ["dead relus"], "100 % in layer2"),
    # the loss is infinite, its gradient is not
    (
        mlp,
        {"loss": lambda out, target: nn.mse(out, target) + math.inf},
        ["not finite"],
        "20 of 20 samples have a loss that is nan or inf; the numbers of the layers are finite",
    ),
    # each row of a list of lists counts as a neuron
    (lambda: Bare(weight=0.3), {}, ["symmetry"], "all neurons of inner"),
]


@pytest.mark.parametrize(("model", "settings", "faults", "words"), PLANTED)
def test_a_fault_is_named_where_it_is_planted(model, settings, faults, words):
    """That fault alone, in words that tell how it was seen."""
    flow = gradient_flow(model(), **{"loss": nn.mse, "X": X, "y": Y} | settings)

    assert flow.faults == faults
    assert words in flow.verdict


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_equal_weights_are_symmetry(activation, weight):
    """Neurons with equal weights get equal gradients, and stay alike for ever."""
    flow = gradient_flow(constant(mlp(3, activation), weight), nn.mse, X, Y)

    assert flow.faults[0] == "symmetry"
    assert [layer.alike for layer in flow.layers] == [True, True, False]


def test_one_neuron_that_differs_breaks_symmetry():
    """The fault is that all neurons are alike, not that some are."""
    model = constant(mlp(2), 0.1)
    model.layers[0].neurons[3].w[0].data = 0.2

    assert "symmetry" not in gradient_flow(model, nn.mse, X, Y).faults


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize(("optimizer", "rate"), [(SGD, 0.1), (Adam, 0.01)])
@pytest.mark.parametrize("seed", range(2))
def test_a_learning_rate_is_too_large_too_small_or_neither(activation, optimizer, rate, seed):
    """A usual rate, a hundred times and a ten-thousandth of it, in the optimizer's formula."""
    model = mlp(3, activation, seed=seed)

    found = [
        gradient_flow(model, nn.mse, X, Y, optimizer=optimizer(model.parameters(), r)).faults
        for r in (rate, 100.0 * rate, rate / 10000.0)
    ]

    assert found == [[], ["learning rate too large"], ["learning rate too small"]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: [x[0], 5000.0 * x[1]], "feature 1 reaches"),
        (lambda x: [x[0], 0.001 * x[1]], "feature 1 only"),
        (lambda x: [x[0] + 60.0, x[1]], "feature 0 has a mean of"),
        (lambda x: [300.0 * x[0], 200.0 * x[1]], "feature 0 has a root mean square of"),
        (lambda x: [1e-4 * x[0], 1e-4 * x[1]], "no feature has a root mean square above"),
    ],
)
def test_unscaled_inputs_are_named(change, words):
    """Features apart in size, far from 0, all large or all small."""
    flow = gradient_flow(mlp(), nn.mse, [change(x) for x in X], Y)

    assert flow.faults[0] == "unscaled inputs"
    assert words in flow.verdict


def test_inputs_that_are_mostly_zero_need_no_scaling():
    """Pixels that are constant, rare or common have one size."""
    pixels = [[0.0, float(i == 7), float(i % 2), 1.0] for i in range(20)]

    flow = gradient_flow(mlp(2, features=4), nn.mse, pixels, Y)

    assert flow.faults == []


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_numbers_that_are_not_finite_are_named(bad):
    """The first layer that holds one is told, and no other rule guesses on."""
    model = mlp()
    model.layers[1].neurons[0].w[0].data = bad

    flow = gradient_flow(model, nn.mse, X, Y, learning_rate=0.1)

    assert flow.faults == ["not finite"]
    assert "layer2 is the first" in flow.verdict or "layer1 is the first" in flow.verdict


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (0.004, "0.4 %"), (0.97, "97 %"), (0.999, "99.9 %"), (1.0, "100 %")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share, text):
    """Small shares and nearly whole ones get a digit more."""
    assert percent(share) == text
