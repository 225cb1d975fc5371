"""Use the same networks by scikit-learn's conventions: fit, predict, score, get_params.

They stand in its pipelines, grid searches and cross-validations. Settings have the names they have
in scikit-learn's own MLPClassifier and MLPRegressor where they mean the same.
"""

from __future__ import annotations

from math import inf
from random import Random
from typing import Any
from warnings import warn

from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.engine import Value, set_numbers
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.errors import MissingExtraError, SettingError
from tinygrad_edu.nn import MLP, Module, binary_cross_entropy, cross_entropy, mse
from tinygrad_edu.shared.arguments import extra, one_of, whole, within
from tinygrad_edu.train.history import History
from tinygrad_edu.train.loop import fit
from tinygrad_edu.train.optim import OPTIMIZERS, Optimizer

_WHAT = "tinygrad_edu.train.estimators"
extra("sklearn", "scikit-learn", _WHAT)  # here, since the classes below inherit from its classes
np = extra("numpy", "numpy", _WHAT)

from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.utils import check_random_state, validation  # noqa: E402
from sklearn.utils.multiclass import check_classification_targets  # noqa: E402

if not hasattr(validation, "validate_data"):
    raise MissingExtraError(
        f"{_WHAT} needs scikit-learn 1.6 or newer, an older one is installed.",
        fix='pip install --upgrade "scikit-learn>=1.6"',
    )

ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
SOLVERS = ("adam", "sgd", "rmsprop")


class _Perceptron(BaseEstimator):  # type: ignore[misc]
    """The part that classifier and regressor share: the settings and the training."""

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
        compiled: bool | str = "auto",
    ) -> None:
        self.hidden_layer_sizes, self.activation = hidden_layer_sizes, activation
        self.solver, self.alpha, self.batch_size = solver, alpha, batch_size
        self.learning_rate_init, self.max_iter = learning_rate_init, max_iter
        self.random_state, self.tol, self.verbose = random_state, tol, verbose
        self.momentum, self.nesterovs_momentum = momentum, nesterovs_momentum
        self.early_stopping, self.validation_fraction = early_stopping, validation_fraction
        self.n_iter_no_change, self.compiled = n_iter_no_change, compiled

    def _train(self, loss: Any, X: Any, y: Any, outputs: int) -> None:
        """Make the model and train it on checked arrays; y holds classes, numbers or rows."""
        state = check_random_state(self.random_state)
        rng = Random(int(state.randint(2**31 - 1)))
        with collector_paused():
            model = self._model(X.shape[1], outputs, rng)
            X, y, held_out = self._held_out(X, y, state)
            size, optimizer = self._batch_size(len(X)), self._optimizer(model, len(X))
            stopping = _Stopping(self, optimizer.parameters, held_out)
            self.history_ = fit(
                model, loss, X.tolist(), y.tolist(), epochs=whole("max_iter", self.max_iter),
                batch_size=size, optimizer=optimizer, validation=held_out, callbacks=[stopping],
                rng=rng, progress=bool(self.verbose), compiled=self.compiled,
            )  # fmt: skip
        stopping.restore()
        self.model_, self._predictor = model, Predictor(model, self.compiled)
        self.loss_curve_ = list(self.history_.loss)
        self.n_iter_, self.loss_ = len(self.loss_curve_), self.loss_curve_[-1]
        if self.history_.stopped == "epochs":
            told = f"max_iter = {self.max_iter} epochs passed before the loss had settled."
            warn(told, ConvergenceWarning, stacklevel=3)

    def _model(self, features: int, outputs: int, rng: Random) -> MLP:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        widths = [whole(f"hidden_layer_sizes[{i}]", size) for i, size in enumerate(sizes)]
        activation = ACTIVATIONS[one_of("activation", self.activation, ACTIVATIONS)]
        return MLP(features, [*widths, outputs], activation, initializer="glorot_uniform", rng=rng)

    def _optimizer(self, model: MLP, samples: int) -> Optimizer:
        """Build the solver; it adds the gradient of scikit-learn's L2 penalty for each weight."""
        strength = within("alpha", self.alpha, least=0.0) / self._batch_size(samples)
        rate = within("learning_rate_init", self.learning_rate_init, above=0.0)
        nesterov = bool(self.nesterovs_momentum and self.momentum)
        own: Any = {"momentum": self.momentum, "nesterov": nesterov} if self.solver == "sgd" else {}
        solver = OPTIMIZERS[one_of("solver", self.solver, SOLVERS)](model.parameters(), rate, **own)
        weights = {w for layer in model.layers for neuron in layer.neurons for w in neuron.w}
        return _Decaying(solver, [strength if p in weights else 0.0 for p in solver.parameters])

    def _batch_size(self, samples: int) -> int:
        if isinstance(self.batch_size, str):
            one_of("batch_size", self.batch_size, ["auto"])
            return min(200, samples)
        return min(whole("batch_size", self.batch_size), samples)

    def _held_out(self, X: Any, y: Any, state: Any) -> tuple[Any, Any, Any]:
        """Return X and y to train on, and a pair of lists to validate on, or None."""
        if not self.early_stopping:
            return X, y, None
        share = within("validation_fraction", self.validation_fraction, above=0.0, below=1.0)
        classes = y if is_classifier(self) else None
        X, others, y, their_y = train_test_split(
            X, y, random_state=state, test_size=share, stratify=classes
        )
        return X, y, (others.tolist(), their_y.tolist())

    def _outputs(self, X: Any) -> Any:
        """Return the model's outputs, an array of shape (n_samples, n_outputs)."""
        validation.check_is_fitted(self)
        X = validation.validate_data(self, X, dtype=np.float64, reset=False)
        return np.array(self._predictor(X, checked=0))  # an MLP never branches on data


class MLPClassifier(ClassifierMixin, _Perceptron):  # type: ignore[misc]
    """A classifier: ``nn.MLP`` on Values, trained by ``fit``.

    Two classes share one logit, as in scikit-learn: its sigmoid is the probability of the second
    class. Softmax depends on differences of logits only, so two logits would predict the same with
    more weights. Three classes or more have one logit each.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, the widths of the hidden layers
    activation : "relu", "tanh", "logistic" or "identity", of the hidden layers
    solver : "adam", "sgd" or "rmsprop"
    alpha : float, at least 0, strength of the L2 penalty: ``alpha / batch_size`` times each weight
        is added to its gradient, as in scikit-learn
    batch_size : int, or "auto" for the smaller of 200 and the number of samples
    learning_rate_init : float, above 0; it does not change during training
    max_iter : int, the largest number of epochs
    random_state : int, RandomState or None, for the first weights, the order of the samples and
        what is held out; with None each run is another
    tol : float, at least 0, what counts as an improvement
    verbose : bool, whether to show a progress bar
    momentum, nesterovs_momentum : float and bool, for the solver "sgd"
    early_stopping : bool, whether to hold samples out, to stop when the score on them no longer
        improves, and to end with the weights of the best epoch
    validation_fraction : float between 0 and 1, the share held out by ``early_stopping``
    n_iter_no_change : int or inf, epochs without an improvement by tol that are waited for
    compiled : True for matrices, False for the graph of Values, "auto" for matrices where possible

    Attributes
    ----------
    model_ : nn.MLP of Values
    history_ : History of the training
    loss_curve_ : list of float, the mean loss of each epoch, without the penalty; loss_ : the last
    n_iter_ : int, epochs trained
    n_features_in_ : int; feature_names_in_ : array of str, if X was a table with named columns
    validation_scores_, best_validation_score_ : list of float and float with ``early_stopping``,
        else None
    classes_ : array of the labels, in the order of the columns of :meth:`predict_proba`

    Raises
    ------
    SettingError
        By fit, if a setting is not as above, or y holds a single class.
    ValueError
        By fit and predict, if X or y are not as scikit-learn expects them.
    AnomalyError
        By fit, if the loss becomes nan or inf.

    References
    ----------
    Buitinck et al. 2013, API design for machine learning software: experiences from the
    scikit-learn project, sections 2 and 3.

    Examples
    --------
    >>> from tinygrad_edu.train.estimators import MLPClassifier
    >>> X, y = [[0.0], [0.2], [0.8], [1.0]], ["low", "low", "high", "high"]
    >>> net = MLPClassifier((4,), "tanh", learning_rate_init=0.1, tol=0.01, random_state=0)
    >>> net.fit(X, y).predict([[0.1], [0.9]]).tolist()
    ['low', 'high']
    """

    def fit(self, X: Any, y: Any) -> MLPClassifier:
        """Train on X of shape (n_samples, n_features) and y, n_samples labels."""
        X, y = validation.validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise SettingError(
                f"y holds only one class, {self.classes_[0]!r:.60}.",
                expected="at least two, for there to be something to tell apart",
                fix="print(set(y)), and select samples of at least two classes.",
            )
        if len(self.classes_) == 2:
            self._train(binary_cross_entropy, X, codes, 1)
        else:
            self._train(cross_entropy, X, codes, len(self.classes_))
        return self

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class, an array of shape (n_samples, n_classes)."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithms of the probabilities, finite for any finite logits."""
        logits = self._outputs(X)
        if logits.shape[1] == 1:  # softmax of (0, z) has the sigmoid of z as its second part
            logits = np.hstack([np.zeros_like(logits), logits])
        shifted = logits - logits.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> Any:
        """Return the most probable label of each sample, an array of shape (n_samples,)."""
        best = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[best]


class MLPRegressor(RegressorMixin, _Perceptron):  # type: ignore[misc]
    """A regressor: ``nn.MLP`` on Values, trained by ``fit``.

    The loss is half the mean squared error, as in scikit-learn, so that learning rate and alpha
    mean the same for one output. (For several, scikit-learn's gradient is that of their sum.)

    Parameters, attributes and errors are those of :class:`MLPClassifier`, but ``n_outputs_``, an
    int, stands for ``classes_``, and ``validation_scores_`` are R squared, pooled over outputs.

    Examples
    --------
    >>> from tinygrad_edu.train.estimators import MLPRegressor
    >>> net = MLPRegressor((), solver="sgd", momentum=0.0, learning_rate_init=0.5, tol=1e-9)
    >>> line = net.fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> round(float(line.predict([[3.0]])[0]), 2)
    7.0
    """

    def fit(self, X: Any, y: Any) -> MLPRegressor:
        """Train on X of shape (n_samples, n_features) and y of (n_samples,) or (.., n_outputs)."""
        X, y = validation.validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = validation.column_or_1d(y, warn=True)
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        self._train(half_mse, X, y.astype(np.float64), self.n_outputs_)
        return self

    def predict(self, X: Any) -> Any:
        """Return the predictions, an array of shape (n_samples,) or (n_samples, n_outputs)."""
        found = self._outputs(X)
        return found[:, 0] if self.n_outputs_ == 1 else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def half_mse(outputs: Any, targets: Any) -> Value:
    """Return half the mean squared error, whose gradient is output minus target."""
    return mse(outputs, targets) * 0.5


class _Decaying(Optimizer):
    """A solver that has a weight decay of its own for each parameter.

    Biases have none. ``penalty=nn.L2(...)`` would do, but its graph costs as much as the network's.
    The decays are part of the state, since that is brought into the order of the arrays.
    """

    def __init__(self, solver: Any, decays: list[float]) -> None:
        super().__init__(solver.parameters, solver.learning_rate)
        self.solver, self.state_size = solver, solver.state_size + 1
        self.state = [(*old, decay) for old, decay in zip(solver.state, decays, strict=True)]

    def update(self, xp: Any, steps: int, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        """Update as the solver does; the decay is a number for one parameter, an array for all."""
        *own, self.solver.weight_decay = state
        return (*self.solver.update(xp, steps, w, g, *own), state[-1])


class _Stopping:
    """Scikit-learn's rule as a callback of fit; with samples held out it keeps the best weights.

    An epoch does not count as an improvement if its loss is above the best loss minus tol or, with
    samples held out, if its score on them (accuracy, or R squared pooled over outputs) is below the
    best score plus tol.
    """

    def __init__(self, estimator: _Perceptron, parameters: list[Value], held_out: Any) -> None:
        self.estimator, self.parameters, self.held_out = estimator, parameters, held_out
        self.tol = within("tol", estimator.tol, least=0.0)
        waited = estimator.n_iter_no_change
        self.reads_weights = held_out is not None
        self.waited = waited if waited == inf else whole("n_iter_no_change", waited)
        self.best, self.unchanged = -inf, 0
        self.scores, self.weights = list[float](), list[float]()
        if held_out is not None and not is_classifier(estimator):
            self.spread = float(np.var(held_out[1], axis=0).mean()) or 1.0

    def __call__(self, history: History, model: Module) -> bool:
        """Decide whether to stop after this epoch."""
        score = self._score(history)
        self.scores.append(score)
        self.unchanged = self.unchanged + 1 if score < self.best + self.tol else 0
        if score > self.best:
            self.best = score
            self.weights = [p.data for p in self.parameters] if self.held_out else []
        return self.unchanged > self.waited

    def restore(self) -> None:
        """Give back the weights of the best epoch and the scores, where samples were held out."""
        if self.held_out:
            set_numbers(self.parameters, "data", self.weights)
        self.estimator.validation_scores_ = self.scores if self.held_out else None
        self.estimator.best_validation_score_ = self.best if self.held_out else None

    def _score(self, history: History) -> float:
        if not self.held_out:
            return -history.loss[-1]
        if is_classifier(self.estimator):
            return history.validation_accuracy[-1]
        return 1.0 - 2.0 * history.validation_loss[-1] / self.spread
