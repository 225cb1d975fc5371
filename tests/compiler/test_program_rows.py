"""Programs of one sample on rows of data: each row as its own graph says, whatever the rows."""

import itertools
import math

import numpy as np
import pytest

from tests import programs
from tests.models import affine, matrix, numbers
from tests.samples import LINEAR, random_sample, shortest
from tinygrad_edu import Value, exp
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.compiler.program import Program
from tinygrad_edu.engine.functions import stop_gradient


@pytest.mark.promise(name="compiled-rows")
def test_random_samples_on_rows_are_the_mean_of_their_graphs(target, cases, measured):
    """Value and gradients at 1 to 4 rows of data, twice over, to 1e-11.

    Every second sample is made of sums and products alone.
    """
    left, seeds = cases, itertools.count()
    while left:
        seed = next(seeds)
        sample = random_sample(seed, (programs.ROWS, LINEAR)[seed % 2])
        fault = sample.fault(target)
        left -= fault is not None
        assert not fault, shortest(sample, target).fault(target)
    measured(f"{cases:,} of {cases:,} agree on target {target}")


@pytest.mark.parametrize(
    "spoil", [lambda gradient, before: gradient * 1.001, lambda gradient, before: gradient + before]
)
def test_a_program_that_is_wrong_on_rows_is_noticed(spoil, monkeypatch):
    """A thousandth of the gradient, and a second run that adds to the first."""
    samples = (random_sample(i, LINEAR) for i in range(100))
    sample = next(sample for sample in samples if sample.fault("numpy") == "")
    backward = Program.backward

    def spoiled(self, X=None):
        before = np.array(self.gradient)
        loss = backward(self, X)
        self.gradient[:] = spoil(self.gradient, before)
        return loss

    monkeypatch.setattr(Program, "backward", spoiled)

    assert sample.fault("numpy").startswith("numpy: [")


def network():
    """Build a network of two inputs, with a penalty on its weights."""
    w, v = matrix(4, 2), numbers(4)
    hidden = [total.tanh() for total in affine(w, v, [X, Y])]
    loss = sum(a * h for a, h in zip(v, hidden, strict=True)) ** 2
    return loss + 0.1 * sum(p * p for row in [*w, v] for p in row)


W, B, X, Y = (Value(number) for number in (0.5, -1.5, 2.0, 3.0))
CASES = {
    "a bare constant": 1.0 - W * X,
    "a constant beside a nonlinearity": exp(W * X) * 3.0 + 7.0,
    "a bare input": X + W * W,
    "a bare input less": X - exp(W),
    "a bare input and a bare parameter": X + W,
    "products of parameters in a row's sum": (B * X + B * B + W * B).sin(),
    "constants in sums of inputs": ((X + 1.0) + (Y + 2.0)) * W,
    "a product beside its mirror image": (B * X + W * Y) - Y * W,
    "a product, its mirror image and a factor": (B * X - W * Y) + (Y * W + Y),
    "a radial basis": exp(-(W * W - 2.0 * W * X + X * X)),
    "a network with a penalty": network(),
}


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_small_samples(target, rows, name):
    """What stands in a sum without being a product of weights and data counts, and once."""
    data = [[2.0 + i, 3.0 - i] for i in range(rows)]
    compiled = compile_graph(CASES[name], [X, Y], target=target)
    for parameter in compiled.parameters:
        parameter.grad = 0.0
    losses = []
    for X.data, Y.data in data:
        losses.append(rebuilt(CASES[name]))
        losses[-1].backward(1.0 / rows)
    X.data, Y.data = 2.0, 3.0
    mean = math.fsum(loss.data for loss in losses) / rows
    gradient = [parameter.grad for parameter in compiled.parameters]

    for _ in range(3):
        assert compiled.backward(data) == pytest.approx(mean, rel=1e-13)
        assert list(compiled.gradient) == pytest.approx(gradient, rel=1e-13)


def rebuilt(node):
    """The same graph, computed from the leaves as they are now."""
    if node.op is None:
        return node
    inputs = [rebuilt(v) for v in node.inputs]
    return getattr(inputs[0], node.op.name)(*inputs[1:])


def test_outputs_that_the_loss_does_not_need(target):
    """The second of two logits, and its weight, whose gradient is 0."""
    w, v, x = Value(2.0), Value(3.0), Value(1.0)
    logits = [w * x, v * x]

    compiled = compile_graph(logits[0] ** 2, [x], target=target, outputs=logits)
    compiled.backward([[1.0], [2.0]])

    assert compiled.outputs().tolist() == [[2.0, 3.0], [4.0, 6.0]]
    found = dict(zip(compiled.parameters, compiled.gradient, strict=True))
    assert found == {w: 10.0, v: 0.0}


def test_sums_shared_in_many_places_are_compiled_at_once(target):
    """Sixty doublings of one value have as many paths as 2 to the 60."""
    w, x = Value(1e-18), Value(1.0)
    total = w * x
    for _ in range(60):
        total = total + total

    compiled = compile_graph(total, [x], target=target)

    assert compiled.backward([[1.0]]) == 1e-18 * 2.0**60
    assert list(compiled.gradient) == [2.0**60]


def test_losses_that_no_float_can_add_up(target):
    """inf and -inf are nan, and 1e308 three times is inf, as everywhere."""
    w, x = Value(math.inf), Value(1.0)
    assert math.isnan(compile_graph(w * x, [x], target=target).backward([[1.0], [-1.0]]))

    w.data = 1e308
    compiled = compile_graph(w * x, [x], target=target, reduce="sum")
    assert compiled.backward([[1.0]] * 3) == math.inf


def test_pull_takes_changed_constants_too(target):
    """As it says."""
    w, c = Value(2.0), Value(3.0).detach()
    compiled = compile_graph(w * c, target=target)

    c.data, w.data = 5.0, 4.0
    compiled.pull()

    assert compiled.backward() == 20.0
    assert list(compiled.gradient) == [5.0]


def test_what_stop_gradient_holds_is_the_same_on_rows(target):
    """The input alone is left to differentiate by nothing."""
    w, x = Value(3.0), Value(2.0)

    compiled = compile_graph(stop_gradient(w) * x + w * x, [x], target=target)

    assert compiled.backward([[1.0], [2.0]]) == 9.0
    assert list(compiled.gradient) == [1.5]
