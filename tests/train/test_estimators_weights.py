"""Weights of samples and classes in the estimators, beside scikit-learn's."""

import numpy as np
import pandas as pd
import pytest
from sklearn import neural_network as peer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight

from tests.train.test_estimators import blobs, start_from, unsettled, weights
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.train import estimators
from tinygrad_edu.train.estimators import MLPClassifier, MLPRegressor

RNG = np.random.RandomState(5)
WEIGHTS = RNG.uniform(0.1, 3.0, 60)
FULL = {"hidden_layer_sizes": (5,), "activation": "tanh", "batch_size": 60, "random_state": 0}
FULL |= {"max_iter": 8, "solver": "sgd", "learning_rate_init": 0.05}
LONG = {
    "max_iter": 400,
    "n_iter_no_change": np.inf,
    "batch_size": 80,
    "solver": "sgd",
    "learning_rate_init": 0.5,
    "tol": 0.0,
    "alpha": 0.0,
}


@unsettled
@pytest.mark.parametrize(
    ("name", "classes"), [("MLPClassifier", 2), ("MLPClassifier", 3), ("MLPRegressor", 3)]
)
@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_weighted_training_is_scikit_learns(name, classes, alpha):
    """From the same start, in full batches: the same weights, with the penalty's share, too."""
    X, y = blobs(classes)
    y = y if name == "MLPClassifier" else y - 0.5 * X[:, 0] ** 2
    settings = FULL | {"alpha": alpha}
    still = getattr(estimators, name)(**settings | {"learning_rate_init": 1e-300}).fit(X, y)

    ours = getattr(estimators, name)(**settings).fit(X, y, WEIGHTS)
    theirs = start_from(getattr(peer, name)(**settings), still, X, y, WEIGHTS)

    for mine, coefs in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, coefs, rtol=1e-10, atol=1e-12)


@unsettled
def test_a_weighted_line_is_scikit_learns():
    """Least squares with weights, solved by scikit-learn's linear regression."""
    X, y = blobs(3)

    net = MLPRegressor((), **LONG | {"momentum": 0.5, "learning_rate_init": 0.1})
    net.fit(X, y, WEIGHTS)

    line = LinearRegression().fit(X, y, WEIGHTS)
    np.testing.assert_allclose(net.coefs_[0][:, 0], line.coef_, rtol=1e-6)
    np.testing.assert_allclose(net.intercepts_[0], line.intercept_, rtol=1e-6)


@unsettled
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 5.0}, {1: 0.25, 0: 2.0}])
def test_weighted_classes_are_scikit_learns(class_weight):
    """Without a hidden layer it is logistic regression, whose penalty is half its 1 / C."""
    rng = np.random.RandomState(1)
    X, y = rng.normal(size=(80, 2)), (rng.rand(80) < 0.2).astype(int)
    own = np.ones(80) if class_weight is None else compute_sample_weight(class_weight, y)

    net = MLPClassifier((), **LONG | {"alpha": 1.0}, class_weight=class_weight).fit(X, y)

    theirs = LogisticRegression(C=1.0, class_weight=class_weight, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(net.coefs_[0].T, theirs.coef_, rtol=1e-5)
    same = MLPClassifier((), **LONG | {"alpha": 1.0, "max_iter": 9}, random_state=0)
    assert weights(same.fit(X, y, own)) == weights(
        same.set_params(class_weight=class_weight).fit(X, y)
    )


@unsettled
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("compiled", [True, False])
def test_weights_that_change_nothing(kind, compiled):
    """Weights of 1 are none, and a weight of 0 leaves the sample out, to the last bit."""
    X, y = blobs(3)
    settings = {"max_iter": 3, "random_state": 0, "batch_size": 16, "compiled": compiled}
    some = np.where(np.arange(60) < 12, 0.0, WEIGHTS)

    def found(X, y, *given):
        return weights(kind((4,), **settings).fit(X, y, *given))

    assert found(X, y, np.ones(60)) == found(X, y)
    assert found(X, y, some) == found(X[12:], y[12:], some[12:])
    assert found(X, y, some) != found(X, y)


@unsettled
def test_samples_of_weight_0_are_not_held_out_either():
    """Early stopping does not judge by samples that do not count."""
    X, y = blobs(3)
    y = y.copy()
    y[:12] = 0
    some = np.where(np.arange(60) < 12, 0.0, 1.0)
    settings = {"max_iter": 6, "random_state": 0, "early_stopping": True, "batch_size": 16}

    net = MLPClassifier((4,), **settings).fit(X, y, some)
    without = MLPClassifier((4,), **settings).fit(X[12:], y[12:])

    assert net.validation_scores_ == without.validation_scores_
    assert weights(net) == weights(without)


@unsettled
def test_class_weights_multiply_those_of_samples_and_name_classes_as_y_does():
    """With names for classes; columns of a table by position."""
    X, y = blobs(3)
    names = np.array(["a", "b", "c"])[y]
    column = pd.Series(WEIGHTS, index=np.arange(60)[::-1])
    settings = {"max_iter": 3, "random_state": 0}

    net = MLPClassifier((4,), class_weight={"b": 3.0}, **settings).fit(X, names, column)
    product = MLPClassifier((4,), **settings).fit(X, names, WEIGHTS * np.where(y == 1, 3.0, 1.0))

    assert weights(net) == weights(product)


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_weight": "equal"}, "class_weight is 'equal'"),
        ({"class_weight": [1.0, 2.0]}, r"class_weight is \[1.0, 2.0\]"),
        ({"class_weight": {7: 1.0}}, "class_weight names 7"),
        ({"class_weight": {0: -1.0}}, r"class_weight\[0\] is -1.0"),
        ({"class_weight": {0: 0.0, 1: 0.0, 2: 0.0}}, "all 60 entries of sample_weight are zero"),
    ],
)
def test_class_weights_that_cannot_be_used_are_refused(settings, message):
    """By fit, with the name of the class."""
    with pytest.raises(SettingError, match=message):
        MLPClassifier(**settings).fit(*blobs(3))


def test_class_weights_have_no_meaning_where_classes_are_not_known():
    """Shares of classes in data that come later, and classes of a regressor."""
    X, y = blobs(3)
    with pytest.raises(SettingError, match="which partial_fit does not see"):
        MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(SettingError, match="a regressor has no classes"):
        MLPRegressor(class_weight="balanced").fit(X, y)
