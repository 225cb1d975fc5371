"""Every function that takes data pairs samples and targets by position, or refuses in words."""

from importlib.util import find_spec
from random import Random

import numpy as np
import pandas as pd
import pytest

from tests.targets import HERE
from tinygrad_edu import Value, nn
from tinygrad_edu.compiled.program import ModelProgram, network_equations
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.diagnose import (
    decision_boundary,
    gradient_flow,
    learning_rate_range,
    loss_surface,
)
from tinygrad_edu.engine.errors import TinygradEduError
from tinygrad_edu.train import Predictor, evaluate, fit, one_hot, split, standardize
from tinygrad_edu.train.data import Split
from tinygrad_edu.train.estimators import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.promise(name="data"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:X does not have valid feature names"),
]
RNG = np.random.default_rng(3)
X = RNG.integers(-8, 8, (8, 2)) / 4.0  # exact also as float16
Y = [0, 2, 1, 1, 0, 2, 2, 0]
TABLE = X.copy()
ORDER = [5, 2, 7, 0, 3, 6, 1, 4]


def model(outputs=3):
    """Return the same small network each time."""
    return nn.MLP(2, [4, outputs], "tanh")


def trained(X, y, **settings):
    """Return what two epochs leave behind."""
    net = model()
    history = fit(net, nn.cross_entropy, X, y, epochs=2, batch_size=3, progress=False, **settings)
    return [p.data for p in net.parameters()], history.loss, history.accuracy


def pictured(X, y):
    """Return where the samples of each class are drawn."""
    ax = decision_boundary(model(), X, y, resolution=4)
    return [np.asarray(dots.get_offsets()).tolist() for dots in ax.collections[-3:]]


def program(target):
    """Return a function that runs a compiled line on rows of three columns."""

    def run(X, y):
        w, a, b = Value(0.5, "w"), Value(0.0), Value(0.0)
        compiled = compile_graph((w * a - b) ** 2, [a, b], target=target)
        return compiled.backward(X), list(compiled.gradient)

    return run


def estimated(kind):
    """Return a function that fits an estimator, and asks it for all that it can tell."""

    def run(X, y):
        settings = {"max_iter": 2, "random_state": 0}
        net = kind((3,), **settings).fit(X, y)
        return net.predict(TABLE).tolist(), [c.tolist() for c in net.coefs_], net.loss_curve_

    return run


def model_program(X, y):
    """Return the mean loss of rows by a compiled network."""
    compiled = ModelProgram(model(), nn.cross_entropy, X, y)
    return compiled.forward(compiled.rows(compiled.X, compiled.y))


def surface(X, y):
    """Return the loss along one direction."""
    return loss_surface(model(), nn.cross_entropy, X, y, dimensions=1, points=5).losses


BOTH = {  # functions of samples and targets
    "fit": lambda X, y: trained(X, y),
    "fit on graphs": lambda X, y: trained(X, y, compiled=False),
    "fit, validation": lambda X, y: trained([*np.ones((8, 2))], Y, validation=(X, y)),
    "evaluate": lambda X, y: evaluate(model(), nn.cross_entropy, X, y),
    "split": lambda X, y: split(X, y, rng=Random(0)),
    "split, stratified": lambda X, y: split(X, y, 0.5, rng=Random(0), stratify=Y),
    "standardize": lambda X, y: standardize(Split(X, y, [[1.0, 2.0]], [0])),
    "ModelProgram": model_program,
    "gradient_flow": lambda X, y: str(gradient_flow(model(), nn.cross_entropy, X, y)),
    "learning_rate_range": lambda X, y: (
        learning_rate_range(model(), nn.cross_entropy, X, y, steps=10).losses
    ),
    "loss_surface": surface,
    "decision_boundary": pictured,
    "MLPClassifier": estimated(MLPClassifier),
    "MLPRegressor": estimated(MLPRegressor),
}
SAMPLES = {  # functions of samples alone
    "Predictor": lambda X: Predictor(model())(X),
    "Predictor on graphs": lambda X: Predictor(model(), compiled=False)(X),
    "batch": lambda X: [[v.data for v in out] for out in model().batch(X)],
    "batch of BatchNorm": lambda X: [[v.data for v in out] for out in nn.BatchNorm(2).batch(X)],
    "batch of Residual": lambda X: [
        [v.data for v in out] for out in nn.Residual(nn.Layer(2, 2)).batch(X)
    ],
    **{f"Program {name}": lambda X, name=name: program(name)(X, None) for name in HERE},
    "cross_entropy of a batch": lambda X: nn.cross_entropy(X, [0] * 8).data,
}
TARGETS = {  # functions of targets alone
    "one_hot": one_hot,
    "mse": lambda y: nn.mse([Value(1.0)] * 8, y).data,
    "cross_entropy": lambda y: nn.cross_entropy([[Value(1.0), Value(2.0), Value(0.5)]] * 8, y).data,
    "sample_weight": lambda y: trained(X.tolist(), Y, sample_weight=y),
    "stratify": lambda y: split(X.tolist(), Y, 0.5, rng=Random(0), stratify=y),
}
ROWS = {  # functions of one sample
    "Layer": lambda x: [v.data for v in nn.Layer(2, 2)(x)],
    "LayerNorm": lambda x: [v.data for v in nn.LayerNorm(2)(x)],
    "Residual": lambda x: [v.data for v in nn.Residual(nn.Layer(2, 2))(x)],
    "Dropout": lambda x: [v.data for v in nn.Dropout(0.5)(x)],
    "Sequential": lambda x: [v.data for v in nn.Sequential("tanh", nn.Layer(2, 2))(x)],
    "softmax": lambda x: [v.data for v in nn.softmax(x)],
    "network_equations": lambda x: network_equations(model(), nn.cross_entropy, x, 0).forward,
}
TABLES = {
    "array": lambda rows: rows,
    "Fortran order": np.asfortranarray,
    "float16": lambda rows: rows.astype(np.float16),
    "longdouble": lambda rows: rows.astype(np.longdouble),
    "object": lambda rows: rows.astype(object),
    "masked": np.ma.array,
    "tuple of tuples": lambda rows: tuple(map(tuple, rows.tolist())),
    "generator": lambda rows: (row for row in rows.tolist()),
    "list of arrays": list,
    "list of columns": lambda rows: [pd.Series(row, index=[1, 0]) for row in rows],
    "shuffled labels": lambda rows: pd.DataFrame(rows, index=ORDER),
    "broken labels": lambda rows: pd.DataFrame(rows, index=range(10, 26, 2)),
    "equal labels": lambda rows: pd.DataFrame(rows, index=[1] * 8),
    "labels of text": lambda rows: pd.DataFrame(rows, index=list("hgfedcba")),
    "labels of days": lambda rows: pd.DataFrame(rows, index=pd.date_range("2020", periods=8)),
    "numbers for names": lambda rows: pd.DataFrame(rows, columns=["12", "34"]),
    "whole numbers for names": lambda rows: pd.DataFrame(rows, columns=[1, 0]),
    "Float64": lambda rows: pd.DataFrame(rows, index=ORDER).astype("Float64"),
    "tensor": lambda rows: torch().tensor(rows),
    "tensor with gradient": lambda rows: torch().tensor(rows, requires_grad=True),
}
COLUMNS = {
    "array": np.array,
    "uint8": lambda y: np.array(y, np.uint8),
    "object": lambda y: np.array(y, object),
    "tuple": tuple,
    "generator": iter,
    "list of scalars": lambda y: [*map(np.int64, y)],
    "shuffled labels": lambda y: pd.Series(y, index=ORDER),
    "broken labels": lambda y: pd.Series(y, index=range(10, 26, 2)),
    "equal labels": lambda y: pd.Series(y, index=[1] * 8),
    "labels of text": lambda y: pd.Series(y, index=list("hgfedcba")),
    "Int64": lambda y: pd.Series(y, index=ORDER, dtype="Int64"),
    "category": lambda y: pd.Series(y, index=ORDER, dtype="category"),
    "index": pd.Index,
    "tensor": lambda y: torch().tensor(y),
}
REFUSED_TABLES = {
    "None": lambda rows: None,
    "text": lambda rows: "abcdefgh",
    "set": lambda rows: set(map(tuple, rows.tolist())),
    "dict of columns": lambda rows: {0: rows[:, 0].tolist(), 1: rows[:, 1].tolist()},
    "list of dicts": lambda rows: [{0: a, 1: b} for a, b in rows.tolist()],
    "list of sets": lambda rows: [set(row) for row in rows.tolist()],
    "numbers as text": lambda rows: rows.astype(str),
    "rows as text": lambda rows: ["12"] * 8,
    "missing": lambda rows: pd.DataFrame(rows).where(pd.DataFrame(rows) != rows[3, 1]),
    "missing, Float64": lambda rows: (
        pd.DataFrame(rows).astype("Float64").replace(rows[3, 1], pd.NA)
    ),
    "masked": lambda rows: np.ma.masked_values(rows, rows[3, 1]),
    "dates": lambda rows: pd.DataFrame({"a": pd.date_range("2020", periods=8), "b": rows[:, 1]}),
    "a number": lambda rows: np.array(3.0),
    "one dimension": lambda rows: rows[:, 0],
}
REFUSED_COLUMNS = {
    "None": lambda y: None,
    "text": lambda y: "abcdefgh",
    "dict": lambda y: dict(enumerate(y)),
    "set": set,
    "missing": lambda y: [*y[:3], None, *y[4:]],
    "missing, Int64": lambda y: pd.Series([*y[:3], None, *y[4:]], dtype="Int64"),
    "masked": lambda y: np.ma.array(y, mask=[False] * 7 + [True]),
    "dates": lambda y: pd.date_range("2020", periods=8),
    "a number": lambda y: np.array(3),
    "too few": lambda y: y[:-1],
}


def torch():
    """Return PyTorch, where it is installed."""
    return pytest.importorskip("torch")


def others(function, containers, data):
    """Name the containers for which a function gives something else than for lists."""
    expected = function(np.asarray(data).tolist())
    return [name for name, made in containers.items() if function(made(data)) != expected]


def accepted(name, function, containers, data):
    """Name the containers that a function takes, though it should refuse them in words."""
    found = []
    words = (TinygradEduError, ValueError) if name.startswith("MLP") else TinygradEduError
    for kind, made in containers.items():
        try:
            function(made(data))
        except words:  # of an estimator often scikit-learn's
            continue
        found.append(kind)
    return found


@pytest.fixture
def containers():
    """A function that leaves out the tensors where PyTorch is not installed."""
    installed = find_spec("torch") is not None
    return lambda made: {name: f for name, f in made.items() if installed or "tensor" not in name}


@pytest.mark.parametrize("name", BOTH)
def test_samples_of_any_kind_meet_their_targets(name, containers):
    """The same as for lists, to the last bit."""
    assert others(lambda X: BOTH[name](X, Y), containers(TABLES), X) == []


@pytest.mark.parametrize("name", BOTH)
def test_targets_of_any_kind_meet_their_samples(name, containers):
    """The same as for lists, to the last bit."""
    taken = containers(COLUMNS)
    if name == "MLPClassifier":
        del taken["object"]  # scikit-learn asks for labels of one type, in words

    assert others(lambda y: BOTH[name](X.tolist(), y), taken, Y) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_of_any_kind_are_rows(name, containers):
    """Never columns, and never the names of columns."""
    assert others(SAMPLES[name], containers(TABLES), X) == []


@pytest.mark.parametrize("name", TARGETS)
def test_targets_of_any_kind_are_entries(name, containers):
    """Whatever labels stand beside them."""
    assert others(TARGETS[name], containers(COLUMNS), Y) == []


@pytest.mark.parametrize("name", ROWS)
def test_a_sample_of_any_kind_is_a_row(name, containers):
    """With an array's, a column's or a tensor's own entries."""
    kinds = {"array", "list of columns", "tensor", "tensor with gradient"}
    rows = {kind: made for kind, made in containers(TABLES).items() if kind in kinds}
    firsts = {kind: lambda rows, made=made: next(iter(made(rows))) for kind, made in rows.items()}
    expected = ROWS[name](X[0].tolist())

    assert [kind for kind, first in firsts.items() if ROWS[name](first(X)) != expected] == []


LABELS = {  # and the type of pandas in which one may be missing
    "string": ["a", "c", "b", "b", "a", "c", "c", "a"],
    "boolean": [True, False, True, True, False, False, True, False],
    "Int64": Y,
}


@pytest.mark.parametrize("dtype", LABELS)
def test_estimators_take_labels_of_any_type(dtype):
    """And predict labels of that type, not floats for booleans and integers."""
    y = LABELS[dtype]
    given = [COLUMNS[kind](y) for kind in ("array", "shuffled labels", "category", "tuple")]
    given += [pd.Series(y, index=ORDER, dtype=dtype), pd.DataFrame(y, index=ORDER)[0].astype(dtype)]
    expected = estimated(MLPClassifier)(X, y)

    assert all(type(label) is type(y[0]) for label in expected[0])
    assert [repr(estimated(MLPClassifier)(X, labels)) for labels in given] == [repr(expected)] * 6


@pytest.mark.parametrize("make", [np.array, lambda y: pd.DataFrame(y, index=ORDER)])
def test_estimators_take_a_column_of_targets(make):
    """Of shape (n, 1), with scikit-learn's warning."""
    with pytest.warns(UserWarning, match="column-vector"):
        found = estimated(MLPRegressor)(X, make([[y] for y in Y]))

    assert found == estimated(MLPRegressor)(X, Y)


@pytest.mark.parametrize("form", ["lists", "array", "table", "booleans"])
@pytest.mark.parametrize(
    "name", ["fit", "fit on graphs", "evaluate", "loss_surface", "ModelProgram"]
)
def test_one_hot_targets_are_rows(name, form):
    """As lists, as an array, as pandas.get_dummies gives them, with any labels."""
    rows = one_hot(Y)
    table = pd.get_dummies(pd.Series(Y, index=ORDER))
    given = {"lists": rows, "array": np.array(rows), "table": table.astype(float)}

    assert BOTH[name](X, given.get(form, table)) == BOTH[name](X, rows)


@pytest.mark.parametrize("form", ["array", "table", "tensor"])
@pytest.mark.parametrize("compiled", [True, False])
def test_a_column_of_targets_is_read_row_by_row(form, compiled):
    """Of shape (n, 1), beside a network with one output."""
    column = np.array(Y, float).reshape(-1, 1)
    given = {"array": column, "table": pd.DataFrame(column, index=ORDER)}
    y = given[form] if form in given else torch().tensor(column)

    def losses(targets):
        net = model(1)
        return fit(net, nn.mse, X, targets, epochs=2, progress=False, compiled=compiled).loss

    assert losses(y) == losses([float(t) for t in Y])


COMPUTES = ("batch", "mse", "cross_entropy")  # with nan, as IEEE 754 does


@pytest.mark.parametrize("name", [*BOTH, *SAMPLES])
def test_what_is_not_samples_is_refused_in_words(name):
    """No order, no rows, no numbers, or one is missing."""
    function = (lambda X: BOTH[name](X, Y)) if name in BOTH else SAMPLES[name]
    allowed = {"missing"} if name.startswith(COMPUTES) else set()
    allowed |= {"numbers as text"} if name.startswith("MLP") else set()  # scikit-learn reads them

    assert set(accepted(name, function, REFUSED_TABLES, X)) == allowed


ALLOWED = {
    "mse": {"missing, Int64"},
    "one_hot": {"too few"},  # there is nothing to compare their number with
    "sample_weight": {"None"},
    "stratify": {"None"},
    "MLPClassifier": {"dates"},  # days may be the names of classes
}


@pytest.mark.parametrize("name", [*BOTH, *TARGETS])
def test_what_is_not_targets_is_refused_in_words(name):
    """No order, too few, or one is missing."""
    function = (lambda y: BOTH[name](X.tolist(), y)) if name in BOTH else TARGETS[name]

    assert set(accepted(name, function, REFUSED_COLUMNS, Y)) == ALLOWED.get(name, set())
