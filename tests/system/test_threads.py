"""What several threads do at once with one model, one graph or one text: each as if alone."""

import ast
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from random import Random
from threading import Barrier, Event, Thread

import pytest

from tinygrad_edu import Value, compile_graph, diagnose, draw, nn
from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.expression import evaluate
from tinygrad_edu.train import fit

pytestmark = pytest.mark.usefixtures("switching_often")
THREADS = 4
X = [[Random(i).random(), Random(i + 99).random()] for i in range(30)]
y = [int(a > b) for a, b in X]


def at_once(work, times=8):
    """The results of work that threads do at the same time."""
    with ThreadPoolExecutor(THREADS) as pool:
        return [done.result() for done in [pool.submit(work) for _ in range(times)]]


def noisy():
    """A model that behaves otherwise in training than in evaluation mode."""
    rng = Random(1)
    first, last = nn.MLP(2, [3, 4], rng=rng), nn.Layer(4, 2, rng=rng)
    return nn.Sequential(first, nn.BatchNorm(4), nn.Dropout(0.5, rng=rng), last)


@pytest.mark.parametrize("compiled", ["auto", False])
@pytest.mark.parametrize("shared", [True, False])
def test_predictions_with_one_model(compiled, shared):
    """By one predictor or by one for each: in evaluation mode, and the model stays in training."""
    model = noisy()
    predict = Predictor(model, compiled)
    right = predict(X)

    found = at_once(lambda: (predict if shared else Predictor(model, compiled))(X))

    assert all(outputs == right for outputs in found)
    assert all(module.training for _, module in model.named_modules())


class Waiting(nn.Dropout):
    """Dropout whose first call waits, so that others come between."""

    def __init__(self):
        super().__init__(0.5)
        self.begun, self.go_on = Event(), Event()

    def forward(self, x):
        """Wait, then drop."""
        if not self.begun.is_set():
            self.begun.set()
            self.go_on.wait(60)
        return super().forward(x)


@contextmanager
def between(predict):
    """Yield in the middle of a prediction; its results follow in a list."""
    waiting, found = predict.model.layers[1], []
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(predict, X)
        waiting.begun.wait(60)
        yield found
        waiting.go_on.set()
        found.append(slow.result())


@pytest.mark.parametrize("compiled", ["auto", False])
def test_a_prediction_that_begins_and_ends_inside_another_one(compiled):
    """The one that is slow goes on in evaluation mode, whatever the other one leaves behind."""
    model = nn.Sequential(nn.Layer(2, 2), Waiting())

    with between(Predictor(model, compiled)) as slow:
        right = Predictor(model, compiled)(X)
        assert model.training

    assert slow == [right]
    assert model.training


@pytest.mark.parametrize("compiled", ["auto", False])
def test_a_batch_inside_a_prediction(compiled):
    """The prediction doesn't undo the masks and means that training has gone on to."""
    model = nn.Sequential(nn.BatchNorm(2), Waiting(), nn.Layer(2, 1))

    with between(Predictor(model, compiled)):
        model.batch(X)
        means, state = model.layers[0].running_mean[0].data, model.layers[1].rng.getstate()

    assert means != 0.0
    assert (model.layers[0].running_mean[0].data, model.layers[1].rng.getstate()) == (means, state)


@contextmanager
def predicting(model, compiled):
    """Predict by a model all the time, in threads of its own; raise what they raise."""
    stop, errors = Event(), []

    def work():
        try:
            while not stop.is_set():
                Predictor(model, compiled)(X)
        except Exception as error:
            errors.append(error)

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []


@pytest.mark.parametrize("compiled", ["auto", False])
def test_a_training_while_others_predict_with_the_model(compiled):
    """It draws the same masks and keeps the same means: the same losses and weights as alone."""

    def trained(model):
        history = fit(
            model, nn.cross_entropy, X, y, epochs=3, batch_size=10, progress=False, compiled=False
        )
        buffers = [buffer.data for _, buffer in model.named_buffers()]
        return history.loss, [p.data for p in model.parameters()], buffers

    alone, model = trained(noisy()), noisy()
    with predicting(model, compiled):
        found = trained(model)

    assert found == alone


def test_the_first_call_of_a_model_in_several_threads():
    """A module gets attributes then, while another thread looks for its parts."""

    class Growing(nn.Module):
        def __init__(self):
            vars(self).update((f"dull{i}", i) for i in range(2000))
            self.part = nn.Neuron(1)

        def forward(self, x):
            for i in range(20):
                setattr(self, f"cache{len(vars(self))}", i)
                out = self.part(x)
            return out

    model = Growing()
    found = at_once(lambda: (model([1.0]).origin, len(model.parameters())), times=40)

    assert set(found) == {("part", 2)}


def shared_graph():
    """A graph, two leaves below it, and a constant."""
    w, x = Value(2.0, "w"), Value(3.0, "x")
    root = w * x
    for _ in range(100):
        root = (root * 0.5 + w).tanh() + x * 0.25
    return root, w, x


def test_one_graph_is_compiled_and_drawn_in_several_threads():
    """The program, its numbers and the picture are the same each time."""
    root = shared_graph()[0]

    def compiled():
        program = compile_graph(root)
        program.backward()
        return program.source, program.loss, program.gradient.tolist()

    def drawn():
        return draw(root, max_nodes=20, engine="builtin").svg()

    for work in (compiled, drawn):
        right = work()
        assert all(found == right for found in at_once(work))


def test_backward_of_graphs_that_share_leaves():
    """The gradients of all passes add up, as if they had come one after another."""
    root, w, x = shared_graph()
    root.backward()
    alone, passes = (w.grad, x.grad), 40
    w.grad = x.grad = 0.0
    others = [w * x for _ in range(passes)]
    roots = [*others, *([root] * passes)]

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(graph.backward) for graph in roots]:
            done.result()

    right = [passes * (grad + 3.0) for grad in alone[:1]] + [passes * (alone[1] + 2.0)]
    assert [w.grad, x.grad] == pytest.approx(right, rel=1e-12)


def test_diagnoses_of_one_model_take_turns():
    """Each tries other weights, and would measure those of another one."""
    model = nn.MLP(2, [3, 1], rng=Random(0))
    work = partial(diagnose.gradient_flow, model, nn.mse, X, y)
    right = str(work())

    assert {str(flow) for flow in at_once(work)} == {right}


def test_expressions_leave_the_filters_of_warnings_alone(monkeypatch):
    """They belong to the process, and Python's way to put them back is not safe in threads."""
    before, parse = list(warnings.filters), ast.parse
    meeting = Barrier(2)

    def slowly(*args, **kwargs):
        tree = parse(*args, **kwargs)
        try:
            meeting.wait(0.2)  # in vain, if one thread at a time is here
        except Exception:
            meeting.reset()
        return tree

    monkeypatch.setattr(ast, "parse", slowly)
    at_once(lambda: evaluate("2*x", {"x": 1.0}), times=4)

    assert list(warnings.filters) == before
