"""A fit that fails or is interrupted leaves the old fit whole, or the new one as far as it came."""

import sys
import warnings
from math import exp, fsum
from random import Random

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from tests.interrupts import CALLS, PACKAGE, interrupted_at
from tinygrad_edu.train import estimators
from tinygrad_edu.train.estimators import FITTED, MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.promise(name="refits"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Ctrl-C after:UserWarning"),
    # Ctrl-C in a generator that is being closed: Python goes on, and says so
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
RNG = np.random.RandomState(0)
OLD_X, NEW_X = RNG.normal(size=(12, 2)), RNG.normal(size=(14, 3))
OLD_Y = np.array(["old b", "old a"])[(OLD_X[:, 0] > 0).astype(int)]
NEW_Y = np.array(["a", "b", "c"])[np.arange(14) % 3]
SETTINGS = {"max_iter": 3, "learning_rate_init": 0.05, "random_state": 0, "batch_size": 5}
STORIES = {
    "refit": {},
    "refit on graphs": {"compiled": False},
    "refit with samples held out": {"early_stopping": True, "validation_fraction": 0.3},
    "warm start": {"warm_start": True},
    "partial fit": {},
    "first fit": {},
    "regressor": {},
}


def story(name):
    """Return an estimator, fitted before if the story says so, and what is then to be done."""
    settings = SETTINGS | STORIES[name]
    if name == "regressor":
        net = MLPRegressor((3,), **settings).fit(OLD_X, OLD_X[:, 0])
        return net, lambda: net.fit(NEW_X, NEW_X[:, :2])
    net = MLPClassifier((3,), **settings)
    if name == "first fit":
        return net, lambda: net.fit(NEW_X, NEW_Y)
    net.fit(OLD_X, OLD_Y)
    if name == "warm start":
        return net, lambda: net.fit(-OLD_X, OLD_Y)
    if name == "partial fit":
        return net, lambda: net.partial_fit(-OLD_X, OLD_Y)
    return net, lambda: net.fit(NEW_X, NEW_Y)


def facts(net):
    """Everything that a fit leaves behind, as numbers and names that can be compared."""
    known = {name: vars(net)[name] for name in FITTED if name in vars(net)}
    model = known.pop("model_", None)
    known.pop("_predictor", None)
    optimizer = known.pop("_optimizer", None)
    history = known.pop("history_", None)
    known = {name: np.asarray(fact).tolist() for name, fact in known.items()}
    known["weights"] = model and [p.data for p in model.parameters()]
    known["state"] = optimizer and (optimizer.steps, optimizer.state)
    known["batches"] = history and history.batch_loss
    return known


def mixed(net, before, after, path):
    """Say what is wrong with an estimator whose fit was broken off; nothing if it is whole.

    ``path`` has the weights after each step of a fit that is not interrupted.
    """
    found = facts(net)
    if found == before:
        return ""
    for name in ("classes_", "n_features_in_", "n_outputs_"):
        if found.get(name) != after.get(name):
            return f"the new network with the {name} {found.get(name)}"
    if found["weights"] not in path:
        return "weights that no step has left"
    if found["loss_curve_"] != after["loss_curve_"][: len(found["loss_curve_"])]:
        return "losses of another fit"
    if net._predictor.model is not net.model_ or net._optimizer.parameters != [
        *net.model_.parameters()
    ]:
        return "a predictor or an optimizer of another network"
    return disagreement(net)


def disagreement(net):
    """Compare predictions with what the network itself gives."""
    x = np.full((1, net.n_features_in_), 0.3)
    out = net.model_(x[0].tolist())
    outs = [v.data for v in (out if isinstance(out, list) else [out])]
    if isinstance(net, MLPRegressor):
        return "" if np.allclose(net.predict(x), [outs]) else "predictions of another network"
    logits = outs if len(outs) > 1 else [0.0, *outs]
    if len(logits) != len(net.classes_):
        return "more or fewer classes than outputs"
    shares = [exp(z) / fsum(map(exp, logits)) for z in logits]
    right = np.allclose(net.predict_proba(x), [shares], rtol=1e-9)
    return "" if right else "probabilities of another network"


def steps_of(name, monkeypatch):
    """Return the weights after each step of a whole fit, its facts, and how many calls it makes."""
    net, fit = story(name)
    path, calls = [], 0
    kind = estimators._Decaying
    step, step_arrays = kind.step, kind.step_arrays

    def noted(optimizer, *args, **settings):
        (step_arrays if args else step)(optimizer, *args, **settings)
        numbers = dict(zip(args[1], args[2].tolist(), strict=True)) if args else {}
        path.append([numbers.get(p, p.data) for p in optimizer.parameters])

    with monkeypatch.context() as patch:
        patch.setattr(kind, "step", noted)
        patch.setattr(kind, "step_arrays", noted)
        fit()
    path.append([p.data for p in net.model_.parameters()])
    again, fit = story(name)

    def count(frame, event, arg):
        nonlocal calls
        calls += frame.f_code.co_filename.startswith(PACKAGE) and event in CALLS[2]

    sys.setprofile(count)
    try:
        fit()
    finally:
        sys.setprofile(None)
    assert facts(again) == facts(net)
    return path, facts(net), calls


def broken_off(name, number):
    """Run the story with Ctrl-C at a call; return estimator, facts before, and if it warned."""
    net, fit = story(name)
    before = facts(net)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with interrupted_at(number, CALLS):
                fit()
            return net, before, any("Ctrl-C" in str(w.message) for w in caught)
        except KeyboardInterrupt:
            return net, before, False


def numbers_of_calls(calls, count, rng):
    """Return the numbers of calls, evenly spread with a random shift, the last 40 always."""
    spread = {min(int((i + rng.random()) * calls / count), calls - 1) for i in range(count)}
    return sorted(spread | set(range(max(calls - 40, 0), calls)))


def worse(net, **settings):
    """Return the same estimator with settings changed after its fit."""
    return net.set_params(**settings)


FAILURES = {
    "hidden_layer_sizes": lambda net: worse(net, hidden_layer_sizes=(4, 0)).fit(NEW_X, NEW_Y),
    "activation": lambda net: worse(net, activation="relu6").fit(NEW_X, NEW_Y),
    "solver": lambda net: worse(net, solver="lbfgs").fit(NEW_X, NEW_Y),
    "alpha": lambda net: worse(net, alpha=-1.0).fit(NEW_X, NEW_Y),
    "batch_size": lambda net: worse(net, batch_size=0).fit(NEW_X, NEW_Y),
    "learning_rate_init": lambda net: worse(net, learning_rate_init=0.0).fit(NEW_X, NEW_Y),
    "max_iter": lambda net: worse(net, max_iter=0).fit(NEW_X, NEW_Y),
    "random_state": lambda net: worse(net, random_state="x").fit(NEW_X, NEW_Y),
    "tol": lambda net: worse(net, tol=-1.0).fit(NEW_X, NEW_Y),
    "n_iter_no_change": lambda net: worse(net, n_iter_no_change=0).fit(NEW_X, NEW_Y),
    "momentum": lambda net: worse(net, solver="sgd", momentum=1.0).fit(NEW_X, NEW_Y),
    "validation_fraction": lambda net: worse(net, early_stopping=True, validation_fraction=1.0).fit(
        NEW_X, NEW_Y
    ),
    "compiled": lambda net: worse(net, compiled="yes").fit(NEW_X, NEW_Y),
    "warm_start": lambda net: worse(net, warm_start="yes").fit(NEW_X, NEW_Y),
    "class_weight": lambda net: worse(net, class_weight={"q": 1.0}).fit(NEW_X, NEW_Y),
    "sample_weight": lambda net: net.fit(NEW_X, NEW_Y, [1.0] * 13),
    "negative sample_weight": lambda net: net.fit(NEW_X, NEW_Y, [-1.0] * 14),
    "warm start, another shape": lambda net: worse(
        net, warm_start=True, hidden_layer_sizes=(9,)
    ).fit(OLD_X, OLD_Y),
    "warm start, other classes": lambda net: worse(net, warm_start=True).fit(NEW_X[:, :2], NEW_Y),
    "partial fit, other classes": lambda net: net.partial_fit(NEW_X[:, :2], NEW_Y),
    "partial fit, other features": lambda net: net.partial_fit(NEW_X, OLD_Y[[0] * 14]),
    "partial fit, held out": lambda net: worse(net, early_stopping=True).partial_fit(OLD_X, OLD_Y),
    "one class": lambda net: net.fit(NEW_X, ["a"] * 14),
    "fewer targets": lambda net: net.fit(NEW_X, NEW_Y[:-1]),
    "one dimension": lambda net: net.fit(NEW_X[:, 0], NEW_Y),
    "nan": lambda net: net.fit(NEW_X * np.nan, NEW_Y),
    "text": lambda net: net.fit([["x"]] * 14, NEW_Y),
    "numbers for classes": lambda net: net.fit(NEW_X, NEW_X[:, 0]),
    "diverging": lambda net: worse(net, learning_rate_init=1e200).fit(NEW_X, NEW_Y),
    "diverging in the last step": lambda net: worse(
        net, learning_rate_init=1e308, solver="sgd", momentum=0.0, max_iter=1, batch_size=14
    ).fit(NEW_X * 1e30, NEW_Y),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("fitted", [True, False])
def test_a_fit_that_fails_changes_nothing(name, fitted):
    """It raises a ValueError in words; the old fit is whole, or there is none as before."""
    net = MLPClassifier((3,), **SETTINGS)
    if fitted:
        net.fit(OLD_X, OLD_Y)
    before, answers = facts(net), net.predict_proba(OLD_X).tolist() if fitted else None

    if not fitted and name.startswith(("warm start", "partial fit, other features")):
        return  # without a fit before, these are right
    with pytest.raises((ValueError, ArithmeticError)):
        FAILURES[name](net)

    assert facts(net) == before
    if fitted:
        assert net.predict_proba(OLD_X).tolist() == answers
        assert disagreement(net) == ""
    else:
        with pytest.raises(NotFittedError):
            net.predict(OLD_X)


def test_a_warning_that_is_an_error_leaves_the_new_fit_whole():
    """It is raised after the step in which the new fit takes the place of the old one."""
    net = MLPClassifier((3,), **SETTINGS).fit(OLD_X, OLD_Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning):
            net.fit(NEW_X, NEW_Y)

    assert net.classes_.tolist() == ["a", "b", "c"]
    assert disagreement(net) == ""


def test_ctrl_c_keeps_the_epochs_that_are_done_and_warns(monkeypatch):
    """As scikit-learn does; the weights are those of a shorter run."""
    settings = SETTINGS | {"max_iter": 50, "tol": 0.0}
    net, short = (MLPClassifier((3,), **settings | {"max_iter": n}) for n in (50, 7))
    short.fit(NEW_X, NEW_Y)
    look = estimators._Stopping.__call__

    def interrupted(rule, history, model):
        if len(history.loss) == 7:
            raise KeyboardInterrupt
        return look(rule, history, model)

    monkeypatch.setattr(estimators._Stopping, "__call__", interrupted)
    with pytest.warns(UserWarning, match="after 7 epochs"):
        net.fit(NEW_X, NEW_Y)

    assert net.n_iter_ == 7
    assert net.loss_curve_ == short.loss_curve_
    assert facts(net)["weights"] == facts(short)["weights"]


@pytest.mark.parametrize("compiled", [True, False])
def test_ctrl_c_in_the_first_step_leaves_the_old_fit(compiled, monkeypatch):
    """The weights have changed, but no loss is known yet: there is nothing to keep."""
    net = MLPClassifier((3,), **SETTINGS, compiled=compiled).fit(OLD_X, OLD_Y)
    before, name = facts(net), "step_arrays" if compiled else "step"
    step = getattr(estimators._Decaying, name)

    def interrupted(*args, **settings):
        step(*args, **settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(estimators._Decaying, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        net.fit(NEW_X, NEW_Y)

    assert facts(net) == before


@pytest.mark.slow
def test_a_mixture_is_noticed(monkeypatch):
    """A fit that writes to the estimator itself, as scikit-learn's do, is found out."""
    monkeypatch.setattr(estimators, "copy", lambda net: net)
    path, after, calls = steps_of("refit", monkeypatch)

    found = {
        mixed(*broken_off("refit", number)[:2], after, path)
        for number in range(0, calls, calls // 9)
    }

    assert found - {""}


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
def test_ctrl_c_at_any_call_leaves_no_mixture(name, cases, measured, monkeypatch):
    """While data is checked, the network built and traced, in every epoch, and at the end."""
    path, after, calls = steps_of(name, monkeypatch)
    outcomes = {"old": 0, "new": 0}

    for number in numbers_of_calls(calls, max(cases // len(STORIES), 1), Random(1)):
        net, before, warned = broken_off(name, number)
        fault = mixed(net, before, after, path)
        assert not fault, f"{name}, call {number} of {calls}: {fault}"
        kept = facts(net) != before
        assert not warned or kept
        outcomes["new" if kept else "old"] += 1
        if name == "first fit" and not kept:
            with pytest.raises(NotFittedError):
                net.predict(NEW_X)

    assert min(outcomes.values()) > 0
    measured(f"{name}: {outcomes['old']} old, {outcomes['new']} new")
