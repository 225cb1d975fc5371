"""scikit-learn's conventions, by scikit-learn's own checks; its training, from the same start."""

import importlib.util
import pickle
import sys
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import neural_network as peer
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tinygrad_edu import Value, nn
from tinygrad_edu.engine.errors import MissingExtraError, SettingError
from tinygrad_edu.train import History, estimators
from tinygrad_edu.train.estimators import MLPClassifier, MLPRegressor

unsettled = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
QUICK = {"max_iter": 40, "learning_rate_init": 0.02, "batch_size": 32}


def blobs(classes, samples=60):
    """Points around as many corners as there are classes."""
    rng = np.random.RandomState(3)
    y = np.arange(samples) % classes
    corners = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    return corners[y] + rng.normal(0.0, 0.5, (samples, 2)), y


def weights(estimator):
    """All weights in order."""
    return [p.data for p in estimator.model_.parameters()]


@unsettled
@parametrize_with_checks([MLPClassifier((8,), **QUICK), MLPRegressor((8,), **QUICK)])
def test_scikit_learn_finds_its_conventions_kept(estimator, check):
    """All its checks of an estimator, without exception."""
    check(estimator)


def start_from(theirs, ours, X, y, weights=None):
    """Give scikit-learn's network, set to start warm, the weights of ours; then train it.

    Not the biases, which are 0: those of ours moved by 1e-300, which wakes a relu at its kink.
    """
    epochs = theirs.max_iter
    theirs.set_params(max_iter=1, warm_start=True).fit(X, y)
    theirs.coefs_ = ours.coefs_
    theirs.intercepts_ = [np.zeros_like(biases) for biases in ours.intercepts_]
    theirs.loss_curve_ = []
    return theirs.set_params(max_iter=epochs).fit(X, y, sample_weight=weights)


@pytest.mark.slow
@unsettled
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize(
    ("name", "classes"), [("MLPClassifier", 2), ("MLPClassifier", 3), ("MLPRegressor", 3)]
)
@pytest.mark.parametrize(
    ("solver", "extra", "tolerance"),
    [
        ("sgd", {}, 1e-10),
        ("sgd", {"nesterovs_momentum": False}, 1e-10),
        ("sgd", {"momentum": 0.0}, 1e-10),
        ("adam", {}, 1e-4),
    ],
)
@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_training_is_scikit_learns(name, classes, activation, solver, extra, tolerance, alpha):
    """From the same start, in full batches: the same weights at the end, and the same losses."""
    X, y = blobs(classes)
    y = y if name == "MLPClassifier" else y - 0.5 * X[:, 0] ** 2
    settings = {
        "hidden_layer_sizes": (5, 4), "activation": activation, "solver": solver, "alpha": alpha,
        "batch_size": len(X), "max_iter": 8, "random_state": 0, "n_iter_no_change": 100, **extra,
    }  # fmt: skip
    still = getattr(estimators, name)(**settings, learning_rate_init=1e-300).fit(X, y)
    ours = getattr(estimators, name)(**settings, learning_rate_init=0.05).fit(X, y)
    epsilon = 1e-8 * (1.0 - 0.999) ** 0.5  # theirs stands beside a moment not yet corrected
    theirs = getattr(peer, name)(**settings, learning_rate_init=0.05, epsilon=epsilon)

    start_from(theirs, still, X, y)

    assert weights(ours) != weights(still)
    assert len(ours.loss_curve_) == len(theirs.loss_curve_) == settings["max_iter"]
    if not alpha:  # theirs would have the penalty in it
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=tolerance)
    for mine, coefs in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, coefs, rtol=tolerance, atol=tolerance)
    for mine, biases in zip(ours.intercepts_, theirs.intercepts_, strict=True):
        np.testing.assert_allclose(mine, biases, rtol=tolerance, atol=tolerance)
    predict = "predict_proba" if name == "MLPClassifier" else "predict"
    answers, expected = getattr(ours, predict)(X), getattr(theirs, predict)(X)
    np.testing.assert_allclose(answers, expected, rtol=10 * tolerance, atol=10 * tolerance)


@unsettled
@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_those_of_the_values(classes):
    """Softmax, or for two classes the sigmoid, of what ``model_`` says to the sample."""
    X, y = blobs(classes)
    net = MLPClassifier((6,), random_state=1, **QUICK).fit(X, y)

    found = net.predict_proba(X[:5])

    for x, row in zip(X[:5], found, strict=True):
        out = net.model_(x.tolist())
        logits = [Value(0.0), out] if classes == 2 else out
        assert row == pytest.approx([p.data for p in nn.softmax(logits)], rel=1e-12)
    assert len(net.model_.layers[-1].neurons) == (1 if classes == 2 else 3)


@unsettled
def test_logarithms_of_probabilities_are_finite_where_these_vanish():
    """Logits of thousands: a probability of 0, its logarithm minus thousands."""
    X, y = blobs(3)
    net = MLPClassifier((), random_state=1, **QUICK).fit(X, y)

    logs = net.predict_log_proba(1e4 * X)

    assert np.isfinite(logs).all()
    assert logs.min() < -1000.0


@unsettled
def test_several_outputs_at_once():
    """Two numbers to a sample: predictions of shape (n_samples, 2), near them."""
    X, _ = blobs(3)
    y = np.column_stack([X[:, 0] + X[:, 1], X[:, 0] - X[:, 1]])

    net = MLPRegressor((), random_state=0, max_iter=200, learning_rate_init=0.05).fit(X, y)

    assert net.n_outputs_ == 2
    np.testing.assert_allclose(net.predict(X), y, atol=0.2)


@unsettled
def test_matrices_and_values_train_alike():
    """The same weights either way, to 1e-9."""
    X, y = blobs(3)
    settings = {**QUICK, "max_iter": 5, "random_state": 2}

    nets = [MLPClassifier((4,), compiled=c, **settings).fit(X, y) for c in (True, False)]

    np.testing.assert_allclose(weights(nets[0]), weights(nets[1]), rtol=1e-9)


@unsettled
def test_the_random_state_is_scikit_learns():
    """An int repeats the run to the last bit; a RandomState goes on from where it is."""
    X, y = blobs(3)

    def run(state):
        return weights(MLPClassifier((4,), max_iter=3, random_state=state).fit(X, y))

    state = np.random.RandomState(0)
    first, second = run(state), run(state)

    assert run(0) == run(0) == first
    assert run(1) != first
    assert second != first
    assert run(None) != run(None)


def naive_stop(scores, tol, waited):
    """The epoch after which scikit-learn stops, counted from its documentation's words; or None."""
    for end in range(waited + 1, len(scores) + 1):
        window = range(end - waited - 1, end)
        if all(scores[e] < max([-inf, *scores[:e]]) + tol for e in window):
            return end
    return None


@given(
    losses=st.lists(st.integers(0, 6).map(float), min_size=1, max_size=25),
    tol=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    waited=st.integers(1, 4),
)
def test_the_rule_of_stopping(losses, tol, waited):
    """More than n_iter_no_change epochs in a row, none of them better than the best by tol."""
    rule = estimators._Stopping(MLPClassifier(tol=tol, n_iter_no_change=waited), [], None)
    history, model, found = History(), nn.MLP(1, [1]), None

    for epoch, loss in enumerate(losses, 1):
        history.loss.append(loss)
        if rule(history, model):
            found = epoch
            break

    assert found == naive_stop([-loss for loss in losses], tol, waited)


def test_training_stops_where_the_rule_says():
    """Long before max_iter, and the curve, the history and the count of epochs are of one run."""
    X, y = blobs(3)

    net = MLPClassifier((8,), learning_rate_init=0.1, tol=0.01, random_state=0).fit(X, y)

    assert net.n_iter_ == len(net.loss_curve_) == len(net.history_.loss) < net.max_iter
    assert naive_stop([-loss for loss in net.loss_curve_], 0.01, 10) == net.n_iter_
    assert net.loss_ == net.loss_curve_[-1]


@unsettled
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_early_stopping_ends_with_the_best_epoch(kind):
    """The weights are those of a run that ends there; the best score is the greatest."""
    X, y = blobs(3)
    settings = {"early_stopping": True, "validation_fraction": 0.3, "random_state": 4}
    settings |= {"learning_rate_init": 0.05, "tol": 0.0, "n_iter_no_change": 3}

    net = kind((4,), max_iter=60, **settings).fit(X, y)
    best = int(np.argmax(net.validation_scores_)) + 1
    short = kind((4,), **settings | {"n_iter_no_change": inf}, max_iter=best).fit(X, y)

    assert best < net.n_iter_
    assert net.best_validation_score_ == max(net.validation_scores_)
    assert weights(net) == weights(short)


@unsettled
def test_the_score_held_out_is_r_squared():
    """That of predicting the mean is 0, so that of a net that learns nothing is far below 1."""
    X, y = blobs(2)
    y = y + 5.0
    still = {"learning_rate_init": 1e-300, "solver": "sgd", "max_iter": 1, "random_state": 0}

    net = MLPRegressor((), early_stopping=True, validation_fraction=0.5, **still).fit(X, y)

    state = np.random.RandomState(0)
    state.randint(2**31 - 1)  # the draw for the weights
    _, held_out, _, targets = train_test_split(X, y, test_size=0.5, random_state=state)
    assert net.validation_scores_ == [pytest.approx(net.score(held_out, targets), rel=1e-9)]


def test_too_few_epochs_are_said():
    """As scikit-learn's own warn."""
    with pytest.warns(ConvergenceWarning, match="max_iter = 2 epochs"):
        MLPClassifier((2,), max_iter=2).fit(*blobs(2))


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_layer_sizes": (4, 0)}, r"hidden_layer_sizes\[1\] is 0"),
        ({"activation": "relu6"}, "activation is 'relu6'"),
        ({"solver": "lbfgs"}, "solver is 'lbfgs'"),
        ({"alpha": -1.0}, "alpha is -1.0"),
        ({"batch_size": "all"}, "batch_size is 'all'"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"learning_rate_init": 0.0}, "learning_rate_init is 0.0"),
        ({"max_iter": 0}, "max_iter is 0"),
        ({"tol": -1e-9}, "tol is -1e-09"),
        ({"n_iter_no_change": 0}, "n_iter_no_change is 0"),
        ({"validation_fraction": 1.0, "early_stopping": True}, "validation_fraction is 1.0"),
        ({"early_stopping": "False"}, "early_stopping is 'False'"),
        ({"momentum": 1.0, "solver": "sgd"}, "momentum is 1.0"),
        ({"compiled": "yes"}, "compiled is 'yes'"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings, message):
    """By fit, as scikit-learn's conventions have it, and with the setting's name and value."""
    net = MLPClassifier(**settings)

    with pytest.raises(SettingError, match=message):
        net.fit(*blobs(2))


def test_a_single_class_is_refused():
    """There is nothing to tell apart."""
    with pytest.raises(SettingError, match=r"y holds only one class, 7\."):
        MLPClassifier().fit([[0.0], [1.0]], [7, 7])


@unsettled
def test_it_stands_in_a_pipeline_and_a_grid_search():
    """The grid's best has settings of the grid, and tells irises apart."""
    X, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((8,), random_state=0, **QUICK))

    search = GridSearchCV(pipeline, {"mlpclassifier__activation": ["tanh", "relu"]}, cv=3)
    search.fit(X, y)

    assert search.best_score_ > 0.9
    assert search.best_params_["mlpclassifier__activation"] in ("tanh", "relu")


@unsettled
def test_a_fitted_one_survives_pickling():
    """Predictions to the last bit, and its predictor is of its own model."""
    X, y = blobs(3)
    net = MLPClassifier((4,), random_state=0, **QUICK).fit(X, y)

    twin = pickle.loads(pickle.dumps(net))

    assert (twin.predict_proba(X) == net.predict_proba(X)).all()
    assert twin._predictor.model is twin.model_


@unsettled
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_fit_in_another_thread_does_not_change_a_prediction(kind):
    """Outputs and classes are of one fit, even if another one ends in between."""
    X, y = blobs(2)
    net = kind((3,), max_iter=3, random_state=0).fit(X, y + 7)
    right, predict = net.predict(X).tolist(), net._predictor

    def meanwhile(rows, checked):
        net.fit(X, y if kind is MLPClassifier else X)
        return predict(rows, checked)

    net._predictor = meanwhile

    assert net.predict(X).tolist() == right


@pytest.mark.parametrize(
    ("hide", "message"),
    [
        (lambda patch: patch.setitem(sys.modules, "sklearn", None), "scikit-learn, which is not"),
        (
            lambda patch: patch.delattr("sklearn.utils.validation.validate_data"),
            r"scikit-learn 1\.6 or newer",
        ),
    ],
)
def test_without_a_scikit_learn_of_1_6_the_package_is_named(monkeypatch, hide, message):
    """At import, since the classes are built on its own; validate_data came with 1.6."""
    spec = importlib.util.find_spec("tinygrad_edu.train.estimators")
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    hide(monkeypatch)

    with pytest.raises(MissingExtraError, match=f"estimators needs {message}"):
        spec.loader.exec_module(again)
