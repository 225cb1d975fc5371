"""Training that goes on: partial_fit and warm_start, beside scikit-learn's."""

import pickle

import numpy as np
import pytest
from sklearn import neural_network as peer

from tests.train.test_estimators import QUICK, blobs, unsettled, weights
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.train import estimators
from tinygrad_edu.train.estimators import MLPClassifier, MLPRegressor

FULL = {"hidden_layer_sizes": (5,), "activation": "tanh", "random_state": 0}


def peer_from(name, ours, X, y, settings):
    """Return scikit-learn's network after one call of partial_fit that changes next to nothing."""
    epsilon = 1e-8 * (1.0 - 0.999) ** 0.5  # theirs stands beside a moment not yet corrected
    still = settings | {"learning_rate_init": 1e-300, "epsilon": epsilon}
    theirs = getattr(peer, name)(**still)
    theirs.partial_fit(X, y, **({"classes": np.unique(y)} if name == "MLPClassifier" else {}))
    theirs.coefs_, theirs.intercepts_ = ours.coefs_, ours.intercepts_
    del theirs._optimizer
    return theirs.set_params(learning_rate_init=settings["learning_rate_init"])


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize(
    ("name", "classes"), [("MLPClassifier", 2), ("MLPClassifier", 3), ("MLPRegressor", 3)]
)
def test_partial_fit_is_scikit_learns(name, classes, solver):
    """One epoch each call, with the moments of the calls before: the same weights."""
    X, y = blobs(classes)
    y = y if name == "MLPClassifier" else y - 0.5 * X[:, 0] ** 2
    settings = FULL | {"solver": solver, "learning_rate_init": 0.05, "alpha": 0.1}
    first = {"classes": np.unique(y)} if name == "MLPClassifier" else {}
    ours = getattr(estimators, name)(**settings | {"learning_rate_init": 1e-300})
    ours.partial_fit(X, y, **first)
    theirs = peer_from(name, ours, X, y, settings)
    ours.set_params(learning_rate_init=0.05)
    del ours._optimizer

    for part in (slice(None), slice(0, 40), slice(None), slice(20, 60)):
        ours.partial_fit(X[part], y[part])
        theirs.partial_fit(X[part], y[part])

    assert ours.n_iter_ == 1
    assert len(ours.loss_curve_) == 5
    for mine, other in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4 if solver == "adam" else 1e-9)


@unsettled
def test_partial_fit_goes_on_from_a_fit():
    """With its moments, also after a pickle; the fit that it began from stays as it was."""
    X, y = blobs(3)
    net = MLPClassifier((4,), random_state=0, **QUICK).fit(X, y)
    model, before = net.model_, weights(net)
    twin = pickle.loads(pickle.dumps(net))

    net.partial_fit(X, y)
    twin.partial_fit(X, y)

    assert weights(net) == weights(twin) != before
    assert [p.data for p in model.parameters()] == before
    assert net._optimizer.steps == 2 * (QUICK["max_iter"] + 1)
    assert len(net.loss_curve_) == QUICK["max_iter"] + 1


def test_classes_are_those_of_the_first_call():
    """The first data need not have all of them, and the order of the columns is theirs."""
    X, y = blobs(3)
    names = np.array(["c", "a", "b"])[y]
    net = MLPClassifier((6,), learning_rate_init=0.1, random_state=0)

    net.partial_fit(X[y == 0], names[y == 0], classes=["b", "a", "c", "a"])
    for _ in range(60):
        net.partial_fit(X, names)

    assert net.classes_.tolist() == ["a", "b", "c"]
    assert net.score(X, names) > 0.9


@unsettled
def test_a_warm_start_goes_on_with_the_weights():
    """And with the curve; what counts the epochs is of the last fit, as in scikit-learn."""
    X, y = blobs(3)
    settings = FULL | {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1, "tol": 0.0}
    whole = MLPClassifier(max_iter=12, **settings).fit(X, y)
    parts = MLPClassifier(max_iter=4, warm_start=True, **settings)
    for _ in range(3):
        parts.fit(X, y)

    np.testing.assert_allclose(weights(parts), weights(whole), rtol=1e-10)
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-10)
    assert parts.n_iter_ == len(parts.history_.loss) == 4


@unsettled
def test_without_a_warm_start_a_fit_begins_anew():
    """And with one, the first does."""
    X, y = blobs(3)
    settings = {"random_state": 0, **QUICK, "max_iter": 3}
    first = weights(MLPClassifier((4,), **settings).fit(X, y))

    again = MLPClassifier((4,), **settings).fit(-X, y).fit(X, y)
    warm = MLPClassifier((4,), warm_start=True, **settings).fit(X, y)

    assert weights(again) == weights(warm) == first
    assert weights(warm.fit(X, y)) != first


@unsettled
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_coefficients_have_scikit_learns_shapes(kind):
    """One array for each layer, (inputs, outputs), and its biases."""
    X, y = blobs(3)
    theirs = getattr(peer, kind.__name__)(hidden_layer_sizes=(4, 3), max_iter=1).fit(X, y)

    ours = kind((4, 3), max_iter=1).fit(X, y)

    for name in ("coefs_", "intercepts_"):
        shapes = [[array.shape for array in getattr(net, name)] for net in (ours, theirs)]
        assert shapes[0] == shapes[1]
    assert ours.coefs_[0][1, 2] == ours.model_.layers[0].neurons[2].w[1].data
    assert ours.intercepts_[1][2] == ours.model_.layers[1].neurons[2].b.data
    with pytest.raises(AttributeError):
        _ = kind().coefs_


def going_on(**settings):
    """Return a network that has been fitted to three classes of two features."""
    return MLPClassifier((4,), learning_rate_init=0.1, **settings).partial_fit(
        *blobs(3), classes=[0, 1, 2]
    )


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(
    ("do", "message"),
    [
        (lambda X, y: MLPClassifier().partial_fit(X, y), "does not say which classes there are"),
        (lambda X, y: MLPClassifier().partial_fit(X, y, classes=[1]), "only one class, .*1"),
        (lambda X, y: MLPClassifier().partial_fit(X, y, classes=[0, 1]), r"y holds \[0, 1, 2\]"),
        (lambda X, y: going_on().partial_fit(X, y, classes=[0, 1]), r"the classes are \[0, 1\]"),
        (lambda X, y: going_on().partial_fit(X, y, classes=[0, 1, 2, 3]), r"are \[0, 1, 2, 3\]"),
        (lambda X, y: going_on().partial_fit(X, y + 5), r"y holds \[5, 6, 7\]"),
        (lambda X, y: going_on(warm_start=True).fit(X, y % 2), r"the classes are \[0, 1\]"),
        (lambda X, y: going_on().set_params(hidden_layer_sizes=(9,)).partial_fit(X, y), "so far"),
        (lambda X, y: going_on().set_params(activation="tanh").partial_fit(X, y), "so far is MLP"),
        (lambda X, y: going_on().set_params(early_stopping=True).partial_fit(X, y), "hold samples"),
        (lambda X, y: MLPClassifier(warm_start="yes").fit(X, y), "warm_start is 'yes'"),
        (lambda X, y: MLPRegressor().partial_fit(X, y).partial_fit(X, X), "so far is MLP"),
    ],
)
def test_what_cannot_go_on_is_refused(do, message):
    """Other classes, another shape, samples held out that the next call may train on."""
    with pytest.raises(SettingError, match=message):
        do(*blobs(3))
