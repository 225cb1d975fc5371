"""Each fault does what it says inside its block, and nothing afterwards."""

from math import isnan
from random import Random

import pytest

from tinygrad_edu import Value
from tinygrad_edu.course import FAULTS, fault
from tinygrad_edu.course.faults import _FAULTS, _held
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import MLP, cross_entropy
from tinygrad_edu.train import SGD, Adam, fit

every_fault = pytest.mark.parametrize("name", FAULTS)


def held():
    """Everything a fault may replace, as it is now."""
    return [_held(target, name) for one in _FAULTS.values() for target, name, _ in one.patches]


def gradients(build, *data):
    """The gradients of a function of Values."""
    leaves = [Value(x) for x in data]
    build(*leaves).backward()
    return [leaf.grad for leaf in leaves]


def shared(x):
    """s + s·s with s = 2x: s has three uses, and hands on the gradient of the first."""
    s = x * 2.0
    return s + s * s


@pytest.mark.parametrize(
    ("name", "build", "data", "right", "wrong"),
    [
        ("assign instead of accumulate", lambda x, y: x * y + 3.0 * x, (2, 5), [8, 2], [5, 2]),
        ("no topological order", shared, (3,), [26], [2]),
        ("wrong sign in subtraction", lambda x, y: x - y, (2, 5), [1, -1], [1, 1]),
        ("swapped factors in multiplication", lambda x, y: x * y, (2, 5), [5, 2], [2, 5]),
    ],
)
def test_a_fault_makes_gradients_wrong_as_it_says(name, build, data, right, wrong):
    """One use only is left, a gradient is handed on too early, a sign or factor is another."""
    with fault(name):
        assert gradients(build, *data) == wrong
    assert gradients(build, *data) == right


def test_without_topological_order_trees_are_still_right():
    """The bug shows where a value is shared, and only there."""
    with fault("no topological order"):
        assert gradients(lambda x, y: (x * y).tanh(), 0.5, 0.25) == gradients(
            lambda x, y: (x * y).tanh(), 0.5, 0.25
        )


def test_a_forgotten_zero_grad_adds_up():
    """On values, modules and optimisers alike."""
    model = MLP(1, [1])
    optimizer = SGD(model.parameters(), learning_rate=0.1)
    x = Value(3.0)

    with fault("forgotten zero_grad"):
        for _ in range(2):
            model.zero_grad()
            optimizer.zero_grad()
            x.zero_grad()
            (x * x + model([1.0])).backward()

    assert x.grad == 12.0
    assert model.layers[0].neurons[0].b.grad == 2.0


@pytest.mark.parametrize("gap", [745.0, 1000.0])
def test_an_unstable_softmax_gives_nan(gap):
    """At a gap of 745 the loss is still finite, and the gradient is not."""
    logits = [Value(0.0), Value(gap)]
    shifted = [Value(-gap), Value(0.0)]

    cross_entropy(logits, 0).backward()
    with fault("unstable softmax"):
        cross_entropy(shifted, 0).backward()

    assert [z.grad for z in logits] == [-1.0, 1.0]
    assert isnan(shifted[0].grad)


def test_an_unstable_softmax_is_right_while_logits_are_small():
    """The bug shows far out, and only there."""
    with fault("unstable softmax"):
        loss = cross_entropy([Value(1.0), Value(2.0), Value(0.5)], [0.0, 1.0, 0.0])

    assert loss.data == pytest.approx(cross_entropy([1.0, 2.0, 0.5], 1).data)


def test_neurons_that_start_alike_stay_alike():
    """Training gives every hidden neuron the same weights; right initialisation does not."""
    X, y = [[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0]
    loss = lambda out, t: (out - t) * (out - t)  # noqa: E731
    with fault("all weights equal"):
        alike = MLP(2, [3, 1], rng=Random(1))
    other = MLP(2, [3, 1], rng=Random(1))
    for model in (alike, other):
        fit(model, loss, X, y, epochs=3, progress=False, compiled=False)

    weights = [[w.data for w in neuron.w] for neuron in alike.layers[0].neurons]
    assert weights[0] == weights[1] == weights[2]
    assert other.layers[0].neurons[0].w[0].data != other.layers[0].neurons[1].w[0].data


@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_an_uphill_step_makes_the_loss_larger(optimizer):
    """As far up as it should go down."""
    w = Value(1.0)
    (w * w).backward()
    down = optimizer([w], learning_rate=0.1)
    down.step()
    below, w.data = w.data, 1.0

    with fault("uphill step"):
        optimizer([w], learning_rate=0.1).step()

    assert w.data - 1.0 == pytest.approx(1.0 - below)
    assert below < 1.0


@every_fault
def test_a_fault_ends_with_its_block_in_an_error_too(name):
    """Everything is what it was, the very same objects, whatever is raised inside."""
    before = held()

    with fault(name) as words:
        assert held() != before
    with pytest.raises(KeyboardInterrupt), fault(name):
        raise KeyboardInterrupt

    assert words == FAULTS[name]
    assert all(a is b for a, b in zip(held(), before, strict=True))


@every_fault
def test_faults_nest(name):
    """Two at a time, the same one twice, too; each ends with its own block."""
    before = held()

    with fault("wrong sign in subtraction"):
        with fault(name), fault(name):
            pass
        assert gradients(lambda x, y: x - y, 2.0, 5.0) == [1.0, 1.0]

    assert all(a is b for a, b in zip(held(), before, strict=True))


@pytest.mark.parametrize("name", ["no such fault", "", None, 3, []])
def test_an_unknown_fault_is_refused_with_the_list(name):
    """Before anything is changed."""
    with pytest.raises(SettingError, match=r"name is ") as refusal, fault(name):
        pass

    assert all(known in str(refusal.value) for known in FAULTS)
