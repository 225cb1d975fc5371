"""The benchmark of the estimators compares like with like, and says what was missed."""

import json
from typing import ClassVar

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("sklearn", minversion="1.6")

from sklearn import neural_network  # noqa: E402
from sklearn.base import BaseEstimator, ClassifierMixin  # noqa: E402

from benchmarks import estimators  # noqa: E402
from benchmarks.__main__ import main  # noqa: E402
from benchmarks.estimators import KINDS, OURS, QUICK, SETTINGS  # noqa: E402
from benchmarks.report import THEIRS, as_text  # noqa: E402


class Constant(ClassifierMixin, BaseEstimator):
    """Says the same class, that of ``label``, to every sample; it keeps what it was shown."""

    label = 0
    shown: ClassVar[list] = []

    def __init__(self, **settings):
        self.n_iter_ = 7

    def fit(self, X, y):
        """Learn nothing."""
        self.classes_ = np.unique(y)
        self.shown.append((X.copy(), y.copy()))
        return self

    def predict(self, X):
        """The label."""
        return np.full(len(X), self.label)


@pytest.mark.slow
def test_a_quick_run_measures_both_and_writes_what_it_is_told(tmp_path, capsys):
    """The text is made of the figures in the file, which are complete."""
    out = tmp_path / "there" / "figures.json"

    code = main(["estimators", "--quick", "--out", str(out)])

    measured = json.loads(out.read_text(encoding="utf-8"))
    assert code == 0
    assert capsys.readouterr().out.strip() == as_text(measured)
    assert list(measured["data"]) == ["iris"]
    rows = measured["data"]["iris"]["contenders"]
    assert set(rows) == {OURS, THEIRS}
    for row in rows.values():
        assert len(row["accuracies"]) == QUICK.folds * len(QUICK.seeds)
        assert row["epochs"] == [QUICK.epochs] * len(row["accuracies"])
        assert row["fit_seconds"] > 0.0
        assert row["one_epoch_seconds"] > 0.0
    assert rows[OURS]["ratio"] == 1.0


def test_both_have_the_settings_that_scikit_learn_has_by_default():
    """Each setting named, to both, with its default in scikit-learn; the same seed."""
    defaults = neural_network.MLPClassifier().get_params()

    for kind in KINDS:
        given = estimators.contender(kind, 3, SETTINGS["max_iter"])[-1].get_params()
        assert {name: given[name] for name in SETTINGS} == dict(SETTINGS)
        assert given["random_state"] == 3
    assert {name: defaults[name] for name in SETTINGS} == dict(SETTINGS)


def test_both_see_the_same_folds_standardised(monkeypatch):
    """Samples and order are the same; each feature has mean 0 and deviation 1 in training."""
    ours = type("Ours", (Constant,), {"shown": []})
    theirs = type("Theirs", (Constant,), {"shown": []})
    monkeypatch.setattr(estimators, "KINDS", {OURS: ours, THEIRS: theirs})

    estimators.measure_data("wine", QUICK._replace(folds=3, seeds=(0, 1)))

    for (X, y), (their_X, their_y) in zip(ours.shown[:6], theirs.shown[:6], strict=True):
        assert (their_X == X).all()
        assert (their_y == y).all()
        np.testing.assert_allclose(X.mean(axis=0), 0.0, atol=1e-12)
        np.testing.assert_allclose(X.std(axis=0), 1.0, rtol=1e-12)
    assert len({X.tobytes() for X, _ in ours.shown[:6]}) == 6


def test_the_accuracy_is_the_share_that_was_right(monkeypatch):
    """Of the 178 wines 59 are of class 0 and 71 of class 1: known without a network."""
    ones = type("Ones", (Constant,), {"label": 1})
    monkeypatch.setattr(estimators, "KINDS", {OURS: ones, THEIRS: Constant})

    work = estimators.measure_data("wine", QUICK)

    assert work["contenders"][OURS]["mean"] == pytest.approx(71 / 178, abs=0.01)
    assert work["contenders"][THEIRS]["mean"] == pytest.approx(59 / 178, abs=0.01)
    assert work["difference"] == pytest.approx(12 / 178, abs=0.01)
    assert work["contenders"][OURS]["epochs"] == [7] * QUICK.folds
