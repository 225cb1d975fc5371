"""Every door that takes a number takes it from every library, and gives what a plain one gives."""

import operator
import warnings
from decimal import Decimal
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import tinygrad_edu as te
from tinygrad_edu import Value, as_function, diagnose, nn, ops
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.course import worksheet
from tinygrad_edu.course.gpt import GPT
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.experiments import Experiment
from tinygrad_edu.expression import evaluate
from tinygrad_edu.train import (
    SGD,
    Adam,
    RMSprop,
    fit,
    load,
    minibatches,
    one_hot,
    schedules,
    split,
)
from tinygrad_edu.train.estimators import MLPClassifier

X = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]] * 3
Y = [0, 1, 1, 0] * 3


def tensor(x, dtype=None):
    """Make a tensor of PyTorch without dimensions."""
    torch = pytest.importorskip("torch")
    return torch.tensor(x, dtype=dtype and getattr(torch, dtype))


WHOLE = {
    "int64": np.int64,
    "uint8": np.uint8,
    "int16": np.int16,
    "a 0-d array": np.array,
    "a 0-d array of bytes": lambda n: np.array(n, np.uint8),
    "a tensor": tensor,
    "a tensor of bytes": lambda n: tensor(n, "uint8"),
    "a Fraction": Fraction,
}
REAL = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "longdouble": np.longdouble,
    "a 0-d array": np.array,
    "a 0-d array of floats": lambda x: np.array(x, np.float16),
    "a tensor": tensor,
    "a Fraction": Fraction,
    "a Decimal": Decimal,
}


def network():
    """A small model, always of the same weights."""
    return nn.MLP(2, [3, 1], rng=Random(1))


def squared(out, target):
    """A loss of one sample, written with the target alone on one side."""
    return (target - out) * (target - out)


def numbers(model):
    """The parameters of a model."""
    return [p.data for p in model.parameters()]


def trained(samples=X, targets=Y, loss=squared, **settings):
    """The weights after a short training."""
    model, settings = network(), {"epochs": 2, "progress": False} | settings
    fit(model, loss, samples, targets, optimizer=SGD(model.parameters(), 0.1), **settings)
    return numbers(model)


def classified(**settings):
    """The probabilities of an estimator."""
    model = MLPClassifier(**{"max_iter": 2, "random_state": 0} | settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, Y).predict_proba(X).tolist()


def assigned(x):
    """A Value whose data and gradient are assigned."""
    v = Value(0.0)
    v.data = v.grad = x
    return v.data, v.grad


def products_slope(x):
    """The gradient that a backward pass with a cotangent gives."""
    v = Value(3.0)
    (v * v).backward(x)
    return v.grad


P = network().parameters()
FIGURE = te.draw(Value(2.0).exp().sin(), engine="builtin")
COUNTS = {
    "step decay": (2, lambda n: schedules.step_decay(n)(3)),
    "linear": (4, lambda n: schedules.linear(n)(3)),
    "cosine": (4, lambda n: schedules.cosine(n)(3)),
    "warm_up": (4, lambda n: schedules.warm_up(n)(3)),
    "epochs": (3, lambda n: trained(epochs=n)),
    "batch size": (5, lambda n: trained(batch_size=n)),
    "batch size of graphs": (5, lambda n: trained(batch_size=n, compiled=False)),
    "patience": (3, lambda n: trained(patience=n)),
    "neuron": (3, lambda n: numbers(nn.Neuron(n))),
    "layer": (3, lambda n: numbers(nn.Layer(n, n))),
    "mlp": (3, lambda n: numbers(nn.MLP(n, [n, 1]))),
    "batch norm": (3, lambda n: numbers(nn.BatchNorm(n))),
    "layer norm": (3, lambda n: numbers(nn.LayerNorm(n))),
    "restarts": (3, lambda n: schedules.cosine_restarts(n, n)(5)),
    "an initial weight": (
        *(200,),
        lambda n: [f(Random(0), n, n) for f in nn.INITIALIZERS.values()],
    ),
    "a step": (1, lambda n: FIGURE.svg(step=n)),
    "samples of a flow": (
        *(3,),
        lambda n: str(diagnose.gradient_flow(network(), squared, X, Y, samples=n)),
    ),
    "paths": (2, lambda n: str(te.explain(P[0], Value(2.0) * P[0], k=n))),
    "depth": (2, lambda n: te.draw(Value(2.0).exp().sin(), depth=n, engine="builtin").svg()),
    "most nodes": (2, lambda n: te.draw(P[0] * P[1], max_nodes=n, engine="builtin").svg()),
    "steps": (12, lambda n: str(diagnose.learning_rate_range(network(), squared, X, Y, steps=n))),
    "points": (5, lambda n: str(diagnose.loss_surface(network(), squared, X, Y, points=n))),
    "dimensions": (
        *(1,),
        lambda n: str(diagnose.loss_surface(network(), squared, X, Y, points=5, dimensions=n)),
    ),
    "resolution": (5, lambda n: str(diagnose.decision_boundary(network(), X, Y, resolution=n))),
    "samples": (20, lambda n: load("moons", samples=n, rng=Random(0)).X),
    "a batch of an order": (3, lambda n: list(minibatches(10, n, Random(0)))),
    "samples of an order": (9, lambda n: list(minibatches(n, 4, Random(0)))),
    "classes": (3, lambda n: one_hot([0, 1], classes=n)),
    "a class": (2, lambda n: one_hot([0, n])),
    "the target class": (1, lambda n: nn.cross_entropy([1.0, 2.0, 3.0], n).data),
    "an experiment": (
        *(3,),
        lambda n: repr(Experiment(epochs=n, batch_size=n, hidden=[n], patience=n, warm_up=n)),
    ),
    "the seed of an experiment": (3, lambda n: numbers(Experiment(seed=n).network())),
    "a GPT": (4, lambda n: numbers(GPT(context=n, width=n, heads=n, blocks=1))),
    "the seed of a worksheet": (3, lambda n: repr(worksheet(n))),
    "level": (2, lambda n: repr(worksheet(7, level=n))),
    "an estimator": (
        *(5,),
        lambda n: classified(max_iter=n, hidden_layer_sizes=(n,), batch_size=n, n_iter_no_change=n),
    ),
}
AMOUNTS = {
    "data": (0.5, lambda x: Value(x).data),
    "assigned": (0.5, assigned),
    "on the right": (0.5, lambda x: (Value(2.0) ** x / x - x).data),
    "on the left": (0.5, lambda x: (x ** Value(2.0) / (x - Value(3.0))).data),
    "compared": (0.5, lambda x: (Value(0.5) <= x, x > Value(0.25))),
    "a method": (0.5, lambda x: Value(0.25).max(x).data),
    "a function": (0.5, lambda x: as_function(ops.POW)(2.0, x)),
    "a function of a Value": (0.5, lambda x: te.maximum(x, Value(0.25)).data),
    "a cotangent": (0.5, products_slope),
    "grad": (0.5, te.grad(lambda x: x * x)),
    "an expression": (0.5, lambda x: evaluate("2 * x", {"x": x})),
    "check_rule": (0.5, lambda x: te.check_rule(ops.TANH, x)),
    "check_gradient": (0.5, lambda x: te.check_gradient(lambda v: v * v, x)),
    "SGD": (0.5, lambda x: SGD(P, x, momentum=x, weight_decay=x).__dict__),
    "Adam": (0.5, lambda x: Adam(P, x, betas=(x, x), epsilon=x, weight_decay=x).__dict__),
    "RMSprop": (0.5, lambda x: RMSprop(P, x, smoothing=x, epsilon=x, weight_decay=x).__dict__),
    "a schedule": (0.5, lambda x: SGD(P, 1.0, schedule=lambda step: x).rate),
    "step decay": (0.5, lambda x: schedules.step_decay(2, x)(3)),
    "cosine": (0.5, lambda x: schedules.cosine(4, x)(3)),
    "clips": (0.5, lambda x: (schedules.ClipByNorm(x).limit, schedules.ClipByValue(x).limit)),
    "penalties": (0.5, lambda x: (nn.L1(x)(network()).data, nn.L2(x)(network()).data)),
    "dropout": (0.5, lambda x: nn.Dropout(x).rate),
    "batch norm": (0.5, lambda x: repr(vars(nn.BatchNorm(2, epsilon=x, momentum=x)))),
    "an input": (0.5, lambda x: network()([x, x]).data),
    "a sample": (0.5, lambda x: trained(samples=[[x, 1.0]] * 4, targets=[x] * 4)),
    "a sample's weight": (0.5, lambda x: trained(sample_weight=[x, 1.0] * 6)),
    "stop_below": (0.5, lambda x: trained(stop_below=x)),
    "min_delta": (0.5, lambda x: trained(min_delta=x, patience=2)),
    "a validation share": (0.5, lambda x: trained(validation=x)),
    "mse": (0.5, lambda x: nn.mse(1.0, x).data),
    "hinge": (1.0, lambda x: nn.hinge(0.5, x).data),
    "binary cross entropy": (0.5, lambda x: nn.binary_cross_entropy(x, x).data),
    "probabilities": (0.5, lambda x: nn.cross_entropy([1.0, x], [x, x]).data),
    "a class": (2.0, lambda x: one_hot([0, x])),
    "the target class": (1.0, lambda x: nn.cross_entropy([1.0, 2.0, 3.0], x).data),
    "rates": (
        *(0.5,),
        lambda x: str(
            diagnose.learning_rate_range(network(), squared, X, Y, smallest=x, largest=4.0)
        ),
    ),
    "span": (0.5, lambda x: str(diagnose.loss_surface(network(), squared, X, Y, points=3, span=x))),
    "noise": (0.5, lambda x: load("moons", samples=20, noise=x, test_share=x, rng=Random(0)).X),
    "a share": (0.5, lambda x: split(X, Y, x, rng=Random(0)).X),
    "an experiment": (
        *(0.5,),
        lambda x: repr(
            Experiment(learning_rate=x, l2=x, dropout=x, test_share=x, noise=x, clip_norm=x)
        ),
    ),
    "temperature": (0.5, lambda x: GPT(width=4, heads=2, blocks=1).sample(Random(0), x)),
    "an estimator": (0.5, lambda x: classified(alpha=x, learning_rate_init=x, tol=x)),
}
CASES = [
    pytest.param(*doors[door], kinds[kind], id=f"{door}: {kind}")
    for doors, kinds in ((COUNTS, WHOLE), (AMOUNTS, REAL))
    for door in doors
    for kind in kinds
]


@pytest.mark.promise(name="numbers")
@pytest.mark.parametrize(("number", "through", "kind"), CASES)
def test_a_number_of_any_type_does_what_a_plain_one_does(number, through, kind):
    """The same bits, and no warning: small types of integers would go round, small floats round."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = through(kind(number))

    assert repr(found) == repr(through(number))


@pytest.mark.promise(name="numbers")
@pytest.mark.parametrize("true", [True, np.True_, np.array(True), lambda: tensor(True)])
@pytest.mark.parametrize("door", ["epochs", "mlp", "clips", "penalties", "an experiment"])
def test_a_flag_is_not_a_setting(door, true):
    """A switch that stands in the wrong place is found, in whatever type it comes."""
    _, through = (COUNTS | AMOUNTS)[door]

    with pytest.raises(SettingError, match=r"is .*rue"):
        through(true() if callable(true) else true)


@pytest.mark.parametrize("loss", [nn.mse, nn.binary_cross_entropy, nn.cross_entropy, nn.hinge])
@pytest.mark.parametrize("kind", [bool, np.bool_, np.array])
def test_a_boolean_target_is_the_number_1_or_the_class_1(loss, kind):
    """A column of booleans is the usual form of two classes."""
    outputs = [1.0, 2.0] if loss is nn.cross_entropy else 1.0

    assert loss(outputs, kind(True)).data == loss(outputs, 1).data


@pytest.mark.parametrize("x", [2.5, np.float32(0.5), Decimal("1.5"), Fraction(1, 2), -1, "1", None])
def test_what_lies_between_two_classes_is_refused(x):
    """A whole float is a class, 2.5 is not one."""
    with pytest.raises(SettingError, match=r"^y\[0\] is .*"):
        one_hot([x], classes=4)
    with pytest.raises(SettingError, match=r"^the target is .*"):
        nn.cross_entropy([1.0, 2.0, 3.0, 4.0], x)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.bool_, np.float16, Fraction, Decimal])
def test_targets_of_small_types_do_not_go_round(kind, compiled):
    """0 - 1 in eight bits without a sign would be 255, in the loss that a user writes."""

    def loss(out, target):
        return squared(out, target - 1)

    plain = trained(targets=Y, loss=loss, compiled=compiled)

    assert trained(targets=[kind(t) for t in Y], loss=loss, compiled=compiled) == plain


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize("kind", [np.uint8, np.float16, np.array])
def test_rows_of_small_types_are_read_as_floats(method, kind):
    """By a compiled program."""
    w, x = Value(2.0), Value(1.0)
    run = operator.methodcaller(method, [[kind(200)], [kind(100)]])

    assert run(compile_graph(w * x - 300.0, [x])) == 0.0


def test_weights_stay_floats_whatever_an_optimizer_computes_with():
    """A clip that a user writes with NumPy hands its small floats to the step, not to the model."""
    model = network()
    (model([1.0, 2.0]) ** 2).backward()

    SGD(model.parameters(), 0.1, clip=lambda xp, gradient, norm: np.float16(gradient)).step()

    assert {type(p.data) for p in model.parameters()} == {float}
