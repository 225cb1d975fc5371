"""Each fault does what it says inside its block, and nothing afterwards."""

from contextlib import nullcontext
from math import isnan
from random import Random
from threading import Barrier, Thread

import pytest

from tinygrad_edu import Value, grad, nn
from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.course import FAULTS, fault
from tinygrad_edu.course.faults import _BUGS, _held
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import MLP, cross_entropy
from tinygrad_edu.train import SGD, Adam, AdamW, RMSprop, fit

every_fault = pytest.mark.parametrize("name", FAULTS)


def held():
    """Everything a fault may replace, as it is now."""
    return [_held(target, name) for one in _BUGS.values() for target, name, _ in one.patches]


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


@pytest.mark.parametrize("optimizer", [SGD, RMSprop, Adam, AdamW])
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


def trained(name, compiled, optimizer=SGD):
    """The losses of a short training with a fault, or with none."""
    with fault(name) if name else nullcontext():
        model = MLP(2, [3, 2], rng=Random(3))
        rate = optimizer(model.parameters(), 0.2)
        settings = {"optimizer": rate, "epochs": 3, "progress": False, "compiled": compiled}
        return fit(model, cross_entropy, ROWS, CLASSES, **settings).loss


ROWS = [[i / 7, (5 * i % 7) / 7] for i in range(14)]
CLASSES = [i % 2 for i in range(14)]
SEEN_IN_FIT = [name for name in FAULTS if name != "unstable softmax"]  # which shows at large logits


@pytest.mark.parametrize("name", SEEN_IN_FIT)
def test_fit_shows_the_fault_though_it_would_compile(name):
    """The losses are those of the faulty graph, and others than those without the fault."""
    assert trained(name, "auto") == trained(name, False) != trained(None, "auto")


def test_fit_says_that_nothing_is_compiled_where_that_was_asked_for():
    """In words, and then it trains on the graph."""
    with pytest.warns(UserWarning, match="the fault 'uphill step' is on, so the graph"):
        losses = trained("uphill step", True)

    assert losses == trained("uphill step", False)


def test_predictions_show_the_fault():
    """Also those of a predictor that compiled its program before."""

    class Probabilities(nn.Module):
        def forward(self, x):
            return nn.softmax([x * 2000.0, x])

    model = nn.Sequential(nn.MLP(1, [1]), Probabilities())
    model.parameters()[0].data = 1.0
    predict = Predictor(model)
    right = predict([[1.0]])

    with fault("unstable softmax"):
        wrong = predict([[1.0]])

    assert isnan(wrong[0][0])
    assert predict([[1.0]]) == right != wrong


@every_fault
def test_other_threads_do_not_have_the_fault(name):
    """While one thread has it, another computes and trains as ever."""
    right, begun, found = trained(None, False), Barrier(2, timeout=60), []

    def other():
        begun.wait()
        found.append((gradients(shared, 3), trained(None, False), trained(None, "auto")))
        begun.wait()

    thread = Thread(target=other)
    thread.start()
    with fault(name):
        begun.wait()
        begun.wait()
    thread.join()

    assert found == [([26], right, pytest.approx(right))]


def test_a_generator_keeps_its_fault_to_itself():
    """Suspended, it leaves the engine right; resumed, it has its bug again; two have one each."""

    def wrong(name):
        with fault(name):
            while True:
                yield gradients(lambda x, y: (x - y) * x, 2.0, 5.0)

    sign, factors = wrong("wrong sign in subtraction"), wrong("swapped factors in multiplication")
    for _ in range(2):
        assert next(sign) == [-1.0, 2.0]
        assert next(factors) == [-1.0, 3.0]
        assert gradients(lambda x, y: (x - y) * x, 2.0, 5.0) == [-1.0, -2.0]
    before = held()
    del sign, factors

    assert held() != before
    assert not any(hasattr(function, "__wrapped__") for function in held())


def test_a_fault_shows_in_a_derivative_of_a_derivative():
    """And leaves with its block: nothing of the wrong row is kept for later."""
    second = grad(grad(lambda x: x * x * x))

    with fault("swapped factors in multiplication"):
        assert second(2.0) != 12.0
    assert second(2.0) == 12.0
