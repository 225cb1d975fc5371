"""Predictions in matrices are those of the graph, whatever was done to the model in between."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from random import Random

import pytest

from tests.targets import TARGETS
from tinygrad_edu import nn
from tinygrad_edu.compiled.predict import Predictor, numbers
from tinygrad_edu.engine import operand
from tinygrad_edu.engine.errors import LengthError, MissingExtraError, SettingError

X = [[Random(i).uniform(-2.0, 2.0), Random(-i).gauss(0.0, 1.0)] for i in range(1, 21)]


def on_values(model, rows=X):
    """The oracle: each sample through the graph."""
    return [numbers(model(x)) for x in rows]


def alike(found, expected):
    """Equal but for the order of the sums."""
    return len(found) == len(expected) and all(
        mine == pytest.approx(right, rel=1e-12, abs=1e-12)
        for mine, right in zip(found, expected, strict=True)
    )


class Branching(nn.MLP):
    """Looks at a number, which no program can see."""

    def forward(self, x):
        """One net for large first features, its negative for small ones."""
        out = super().forward(x)
        return out if operand(x[0]).data > 0.0 else -out


class Moody(nn.MLP):
    """Another output in training than in evaluation, as dropout gives."""

    def forward(self, x):
        """The net, made 100 times as large in training."""
        return super().forward(x) * (100.0 if self.training else 1.0)


@pytest.mark.parametrize("widths", [[1], [3], [5, 1], [6, 4, 3]])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_matrices_say_what_the_graph_says(widths, activation):
    """For one output and for several, each row; by a program."""
    model = nn.MLP(2, widths, activation, rng=Random(1))
    predictor = Predictor(model, compiled=True)

    assert alike(predictor(X), on_values(model))
    assert predictor.program is not None


def test_the_program_is_compiled_once_for_all_weights():
    """Later calls, with other rows, run the same one on the numbers the Values have then."""
    model = nn.MLP(2, [3, 2])
    predictor = Predictor(model)
    predictor(X)
    first = predictor.program
    for parameter in model.parameters():
        parameter.data += 1.0

    assert alike(predictor(X[:4]), on_values(model, X[:4]))
    assert predictor.program is first


@pytest.mark.parametrize("checked", [0, 8])
def test_a_model_that_was_rebuilt_is_compiled_anew(checked):
    """Another layer with another activation: the trace tells, and the answers are right."""
    model = nn.MLP(2, [3, 2])
    predictor = Predictor(model)
    predictor(X)
    first = predictor.program
    model.layers[1] = nn.Layer(3, 2, "tanh", rng=Random(5))

    assert alike(predictor(X, checked), on_values(model))
    assert predictor.program is not first


def test_a_model_that_branches_runs_on_values():
    """With "auto" the answers are the graph's to the last bit; True is refused with both."""
    model = Branching(2, [3, 1], rng=Random(2))
    predictor = Predictor(model)

    assert predictor(X) == on_values(model)
    assert predictor(X[5:]) == on_values(model, X[5:])
    with pytest.raises(SettingError, match=r"compiled, output \d of sample \d+ is .*as a graph"):
        Predictor(model, compiled=True)(X)


def test_graphs_alone_on_demand():
    """No program, the graph's numbers to the last bit."""
    model = nn.MLP(2, [3, 2])
    on_demand = Predictor(model, compiled=False)

    assert on_demand(X) == on_values(model)
    assert on_demand.program is None


@pytest.mark.parametrize("target", ["auto", True, *TARGETS[1:]])
def test_without_numpy_a_program_does_it(target, monkeypatch):
    """On lists; asked for NumPy, the message names the package."""
    model = nn.MLP(2, [3, 2])
    monkeypatch.setitem(sys.modules, "numpy", None)
    predictor = Predictor(model, compiled=target)

    found = predictor(X)

    assert type(found) is list
    for row, right in zip(found, on_values(model), strict=True):
        assert row == pytest.approx(right, rel=1e-12)
    assert predictor.program.stats["target"] == ("python" if target in ("auto", True) else target)
    with pytest.raises(MissingExtraError, match='the target "numpy" needs numpy'):
        Predictor(model, compiled="numpy")(X)


@pytest.mark.parametrize("compiled", [True, False])
def test_the_model_predicts_in_evaluation_mode(compiled):
    """Not as in training; afterwards it is in the mode it was in."""
    model = Moody(2, [3, 1], rng=Random(3))
    model.eval()
    expected = on_values(model)
    model.train()

    assert alike(Predictor(model, compiled)(X), expected)
    assert model.training


@pytest.mark.parametrize("copied", [deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_a_copy_goes_its_own_way(copied):
    """Copies predict by their own model: changing it changes nothing of the original."""
    predictor = Predictor(nn.MLP(2, [3, 2]), compiled=True)
    before = predictor(X)

    twin = copied(predictor)
    twin.model.parameters()[0].data += 1.0

    assert twin.compiled is True
    assert alike(twin(X), on_values(twin.model))
    assert predictor(X) == before
    assert twin(X) != before


def test_threads_may_share_a_predictor():
    """Each gets the answers to its own rows."""
    model = nn.MLP(2, [8, 3], rng=Random(4))
    predictor = Predictor(model)
    parts = [X[i : i + 2 + i % 5] for i in range(15)] * 4

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(predictor, parts))

    for part, mine in zip(parts, found, strict=True):
        assert alike(mine, on_values(model, part))


@pytest.mark.promise(name="shapes")
@pytest.mark.parametrize(
    ("rows", "message"),
    [([], "X has no rows"), ([[1.0]], "expected a list of 2 inputs"),
     ([[1.0, 2.0], [1.0, 2.0, 3.0]], "inputs, got 3")],
)  # fmt: skip
@pytest.mark.parametrize("compiled", ["auto", False])
def test_rows_that_do_not_fit_are_refused(rows, message, compiled):
    """None at all, too short, one too long among others."""
    with pytest.raises(LengthError, match=message):
        Predictor(nn.MLP(2, [2]), compiled)(rows)


@pytest.mark.promise(name="settings")
def test_other_settings_of_compiled_are_refused():
    """Before anything is computed."""
    with pytest.raises(SettingError, match="compiled is 'yes'"):
        Predictor(nn.MLP(2, [2]), "yes")
