"""Use the same networks by scikit-learn's conventions: fit, predict, score, get_params.

They stand in its pipelines, grid searches and cross-validations. Settings have the names they have
in scikit-learn's own MLPClassifier and MLPRegressor where they mean the same.
"""

from __future__ import annotations

from copy import copy
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
from tinygrad_edu.shared.samples import as_list, by_position, in_rows
from tinygrad_edu.train.data import weighted
from tinygrad_edu.train.history import History
from tinygrad_edu.train.loop import fit
from tinygrad_edu.train.optim import OPTIMIZERS, Optimizer

_WHAT = "tinygrad_edu.train.estimators"
# here, since the classes below inherit from its classes
extra("sklearn", "scikit-learn", _WHAT, "sklearn")
np = extra("numpy", "numpy", _WHAT)

from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.utils import check_random_state, validation  # noqa: E402
from sklearn.utils.multiclass import check_classification_targets, unique_labels  # noqa: E402

if not hasattr(validation, "validate_data"):
    raise MissingExtraError(
        f"{_WHAT} needs scikit-learn 1.6 or newer, an older one is installed.",
        fix='pip install --upgrade "scikit-learn>=1.6"',
    )

ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
SOLVERS = ("adam", "sgd", "rmsprop")
FITTED = (  # what a fit leaves behind; a refit replaces all of it at once
    *("n_features_in_", "feature_names_in_", "classes_", "n_outputs_", "model_", "history_"),
    *("loss_curve_", "n_iter_", "loss_", "validation_scores_", "best_validation_score_"),
    *("_predictor", "_optimizer"),
)


class _Perceptron(BaseEstimator):  # type: ignore[misc]
    """The part that classifier and regressor share: the settings and the training."""

    warm_start, class_weight = False, None  # estimators pickled by the first edition have neither

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
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
        class_weight: Any = None,
        compiled: bool | str = "auto",
    ) -> None:
        self.hidden_layer_sizes, self.activation = hidden_layer_sizes, activation
        self.solver, self.alpha, self.batch_size = solver, alpha, batch_size
        self.learning_rate_init, self.max_iter = learning_rate_init, max_iter
        self.random_state, self.tol, self.verbose = random_state, tol, verbose
        self.momentum, self.nesterovs_momentum = momentum, nesterovs_momentum
        self.warm_start = warm_start
        self.early_stopping, self.validation_fraction = early_stopping, validation_fraction
        self.n_iter_no_change, self.class_weight = n_iter_no_change, class_weight
        self.compiled = compiled

    @property
    def coefs_(self) -> list[Any]:
        """Return the weights of each layer, an array of shape (n_inputs, n_outputs)."""
        rows = [[n.w for n in layer.neurons] for layer in self.model_.layers]
        return [np.array([[w.data for w in row] for row in layer]).T for layer in rows]

    @property
    def intercepts_(self) -> list[Any]:
        """Return the biases of each layer, an array of shape (n_outputs,)."""
        return [np.array([n.b.data for n in layer.neurons]) for layer in self.model_.layers]

    def _fit(
        self, X: Any, y: Any, weights: Any, *, partial: bool = False, classes: Any = None
    ) -> Any:
        """Fit a twin of this estimator, and take over all that it became in one step.

        Whatever breaks off before that step, an error or Ctrl-C, leaves the fit from before whole.
        """
        twin = copy(self)
        goes_on = one_of("warm_start", self.warm_start, (True, False)) or partial
        twin._before = vars(self) if goes_on and hasattr(self, "model_") else {}
        if not twin._before:
            for name in FITTED:
                twin.__dict__.pop(name, None)
        data = twin._read(X, y, weights, classes, partial)
        warning = twin._train(*data, partial=partial)
        learned = {name: vars(twin)[name] for name in FITTED if name in vars(twin)}
        kept = {name: fact for name, fact in vars(self).items() if name not in FITTED}
        self.__dict__ = kept | learned
        if warning is not None:
            warn(*warning, stacklevel=3)
        return self

    def _train(
        self, loss: Any, X: Any, y: Any, weights: Any, outputs: int, *, partial: bool
    ) -> tuple[str, type[Warning]] | None:
        """Make the model and train it on checked arrays; y holds classes, numbers or rows.

        Return what there is to be warned of.
        """
        state = check_random_state(self.random_state)
        rng = Random(int(state.randint(2**31 - 1)))
        epochs, history = whole("max_iter", self.max_iter), History()
        with collector_paused():
            model = self._model(X.shape[1], outputs, rng)
            X, y, weights, held_out = self._held_out(X, y, weights, state, partial)
            size = self._batch_size(len(X))
            optimizer = self._solver(model, size, weights)
            if partial and "_optimizer" in self._before:
                optimizer.go_on_from(self._before["_optimizer"])
            stopping = _Stopping(self, optimizer.parameters, held_out)
            start = [p.data for p in optimizer.parameters]
            interrupted = False
            try:
                fit(
                    model, loss, X.tolist(), y.tolist(), epochs=1 if partial else epochs,
                    batch_size=size, optimizer=optimizer, validation=held_out,
                    callbacks=[stopping], rng=rng, progress=bool(self.verbose), history=history,
                    sample_weight=weights, compiled=self.compiled,
                )  # fmt: skip
            except KeyboardInterrupt:
                same = [p.data for p in optimizer.parameters] == start
                if same or not history.batch_loss:
                    raise  # not one batch is done, so nothing is learned that could be kept
                interrupted = True
        stopping.restore()
        self.model_, self._predictor = model, Predictor(model, self.compiled)
        self._optimizer, self.history_ = optimizer, history
        self.loss_curve_ = [*self._before.get("loss_curve_", ()), *history.loss]
        self.n_iter_, self.loss_ = len(history.loss), (history.loss or history.batch_loss)[-1]
        if interrupted:
            told = f"Ctrl-C after {self.n_iter_} epochs: what was learned until then is kept."
            return told, UserWarning
        if history.stopped == "epochs" and not partial:
            told = f"max_iter = {self.max_iter} epochs passed before the loss had settled."
            return told, ConvergenceWarning
        return None

    def _model(self, features: int, outputs: int, rng: Random) -> MLP:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        widths = [whole(f"hidden_layer_sizes[{i}]", size) for i, size in enumerate(sizes)]
        activation = ACTIVATIONS[one_of("activation", self.activation, ACTIVATIONS)]
        shape = features, [*widths, outputs], activation
        model = MLP(*shape, initializer="glorot_uniform", rng=rng)
        if self._before:
            before = self._before["model_"]
            if repr(before) != repr(model):
                raise SettingError(
                    f"the network so far is {before!r}, but settings and data ask for {model!r}.",
                    fix="go on with the same settings, or pass warm_start=False and call fit.",
                )
            set_numbers(model.parameters(), "data", [p.data for p in before.parameters()])
        return model

    def _solver(self, model: MLP, size: int, weights: Any) -> _Decaying:
        """Build the solver; it adds the gradient of scikit-learn's L2 penalty for each weight.

        That is alpha times the weight, over the sum of a batch's sample weights.
        """
        mean_weight = 1.0 if weights is None else float(weights.mean())
        strength = within("alpha", self.alpha, least=0.0) / (size * mean_weight)
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

    def _held_out(self, X: Any, y: Any, weights: Any, state: Any, partial: bool) -> Any:
        """Return X, y and weights to train on, and a pair of lists to validate on, or None."""
        if not one_of("early_stopping", self.early_stopping, (True, False)):
            return X, y, weights, None
        if partial:
            raise SettingError(
                "partial_fit can't hold samples out: the next call may train on them.",
                fix="pass early_stopping=False, or call fit.",
            )
        share = within("validation_fraction", self.validation_fraction, above=0.0, below=1.0)
        classes = y if is_classifier(self) else None
        numbers = range(len(X))
        mine, others = train_test_split(
            numbers, random_state=state, test_size=share, stratify=classes
        )
        held_out = X[others].tolist(), y[others].tolist()
        return X[mine], y[mine], None if weights is None else weights[mine], held_out

    def _outputs(self, X: Any) -> Any:
        """Return the model's outputs, an array of shape (n_samples, n_outputs)."""
        validation.check_is_fitted(self)
        X = validation.validate_data(self, readable(X), dtype=np.float64, reset=False)
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
        is added to its gradient, as in scikit-learn; ``batch_size`` is the sum of the samples'
        weights, where they have some
    batch_size : int, or "auto" for the smaller of 200 and the number of samples
    learning_rate_init : float, above 0; it does not change during training
    max_iter : int, the largest number of epochs
    random_state : int, RandomState or None, for the first weights, the order of the samples and
        what is held out; with None each run is another
    tol : float, at least 0, what counts as an improvement
    verbose : bool, whether to show a progress bar
    momentum, nesterovs_momentum : float and bool, for the solver "sgd"
    warm_start : bool, whether ``fit`` goes on with the weights of the fit before
    early_stopping : bool, whether to hold samples out, to stop when the score on them no longer
        improves, and to end with the weights of the best epoch
    validation_fraction : float between 0 and 1, the share held out by ``early_stopping``
    n_iter_no_change : int or inf, epochs without an improvement by tol that are waited for
    class_weight : dict of the weight of each class (1 for those left out), "balanced" for weights
        that make all classes count the same, or None. They multiply the weights of the samples
    compiled : True for matrices, False for the graph of Values, "auto" for matrices where possible

    Attributes
    ----------
    model_ : nn.MLP of Values
    history_ : History of the training
    coefs_, intercepts_ : lists of arrays, the weights (n_inputs, n_outputs) and the biases
        (n_outputs,) of each layer
    loss_curve_ : list of float, the mean loss of each epoch, without the penalty, also of the fits
        that this one goes on from; loss_ : the last
    n_iter_ : int, epochs trained by the latest call
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
        By fit, if the loss or a weight becomes nan or inf.

    Notes
    -----
    A fit that fails changes nothing: a fit from before stays whole. Ctrl-C keeps what was learned
    until then, with a warning, as in scikit-learn; before the first step it changes nothing.

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

    Weights of samples, and more data later, which training goes on with:

    >>> net.fit(X, y, sample_weight=[1.0, 1.0, 1.0, 3.0]).coefs_[0].shape
    (1, 4)
    >>> net.partial_fit([[0.9], [0.1]], ["high", "low"]).score(X, y)
    1.0
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPClassifier:
        """Train on X of shape (n_samples, n_features) and y, n_samples labels.

        ``sample_weight`` has a number of at least 0 for each sample, by which its loss counts. With
        ``warm_start`` training goes on from the weights of the fit before.
        """
        return self._fit(X, y, sample_weight)  # type: ignore[no-any-return]

    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> MLPClassifier:
        """Train for one epoch on more data, going on from what was learned before.

        The first call needs all ``classes``, also those that y has none of.
        """
        return self._fit(  # type: ignore[no-any-return]
            X, y, sample_weight, partial=True, classes=classes
        )

    def _read(self, X: Any, y: Any, weights: Any, classes: Any, partial: bool) -> Any:
        """Check the data; return the loss, X, the indices of the classes, weights and outputs."""
        X, y = validation.validate_data(
            self,
            readable(X),
            readable(y, "y", labels=True),
            dtype=np.float64,
            reset=not self._before,
        )
        check_classification_targets(y)
        found = unique_labels(y)
        if not self._before:
            self.classes_ = self._first_classes(found, classes, partial)
        known = self.classes_
        named = found if classes is None else unique_labels(classes)
        missing = len(named) < len(known) and (not partial or classes is not None)
        if missing or len(np.setdiff1d([*found, *named], known)):
            raise SettingError(
                f"the classes are {named.tolist()!r:.60}, the network tells "
                f"{known.tolist()!r:.60} apart, and y holds {found.tolist()!r:.60}.",
                fix="pass all classes at the first call; warm_start=False begins anew.",
            )
        X, y, weights = counted(X, np.searchsorted(known, y), weights)
        X, y, weights = counted(X, y, self._class_weighted(y, weights, partial))
        loss, outputs = (
            (binary_cross_entropy, 1) if len(known) == 2 else (cross_entropy, len(known))
        )
        return loss, X, y, weights, outputs

    def _first_classes(self, found: Any, classes: Any, partial: bool) -> Any:
        """Return the classes to be told apart, which the first data or the caller name."""
        if partial and classes is None:
            raise SettingError(
                "the first call of partial_fit does not say which classes there are.",
                fix="pass them all, for example classes=sorted(set(all_y)).",
            )
        known = unique_labels(classes) if partial else found
        if len(known) < 2:
            raise SettingError(
                f"y holds only one class, {known.tolist()[0]!r:.60}.",
                expected="at least two, for there to be something to tell apart",
                fix="print(set(y)), and select samples of at least two classes.",
            )
        return known

    def _class_weighted(self, y: Any, weights: Any, partial: bool) -> Any:
        """Multiply weights of samples by those of their classes; y holds indices of classes."""
        chosen = self.class_weight
        if chosen is None:
            return weights
        if isinstance(chosen, dict):
            names = self.classes_.tolist()
            unknown = [name for name in chosen if name not in names]
            if unknown:
                raise SettingError(
                    f"class_weight names {unknown[0]!r:.60}, the classes are {names!r:.60}.",
                    fix="name classes as y does; those left out have the weight 1.",
                )
            given = [(name, chosen.get(name, 1.0)) for name in names]
            factors = [within(f"class_weight[{name!r}]", w, least=0.0) for name, w in given]
        else:
            one_of("class_weight", chosen, ("balanced", None))
            if partial:
                raise SettingError(
                    'class_weight="balanced" needs the classes of all data, which partial_fit '
                    "does not see.",
                    fix="pass class_weight={...} with a weight for each class.",
                )
            counts = np.bincount(y, minlength=len(self.classes_))
            factors = len(y) / (len(self.classes_) * np.maximum(counts, 1))
        own = np.array(factors)[y]
        return own if weights is None else own * weights

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
        fitted = copy(self)  # so that a fit in another thread does not change the classes meanwhile
        best = fitted.predict_log_proba(X).argmax(axis=1)
        return fitted.classes_[best]


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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train on X of shape (n_samples, n_features) and y of (n_samples,) or (.., n_outputs).

        ``sample_weight`` has a number of at least 0 for each sample, by which its loss counts. With
        ``warm_start`` training goes on from the weights of the fit before.
        """
        return self._fit(X, y, sample_weight)  # type: ignore[no-any-return]

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train for one epoch on more data, going on from what was learned before."""
        return self._fit(X, y, sample_weight, partial=True)  # type: ignore[no-any-return]

    def _read(self, X: Any, y: Any, weights: Any, classes: Any, partial: bool) -> Any:
        """Check the data; return the loss, X, the targets, weights and how many outputs."""
        if self.class_weight is not None:
            raise SettingError(
                f"class_weight is {self.class_weight!r:.60}, but a regressor has no classes.",
                fix="pass sample_weight to fit.",
            )
        checks = {"dtype": np.float64, "multi_output": True, "y_numeric": True}
        X, y = validation.validate_data(
            self, readable(X), readable(y, "y"), reset=not self._before, **checks
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = validation.column_or_1d(y, warn=True)
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        X, y, weights = counted(X, y.astype(np.float64), weights)
        return half_mse, X, y, weights, self.n_outputs_

    def predict(self, X: Any) -> Any:
        """Return the predictions, an array of shape (n_samples,) or (n_samples, n_outputs)."""
        fitted = copy(self)
        found = fitted._outputs(X)
        return found[:, 0] if fitted.n_outputs_ == 1 else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def readable(data: Any, name: str = "X", *, labels: bool = False) -> Any:
    """Return data as scikit-learn takes it, or read by position what it would not read well.

    It overlooks masks, makes numbers of dates, and floats of labels in pandas' nullable types, and
    it names no row where a number is missing.
    """
    if data is None or hasattr(data, "toarray"):
        return data  # scikit-learn says what it thinks of these
    dtypes = np.ravel(getattr(data, "dtypes", getattr(data, "dtype", None)))
    dates = any(getattr(dtype, "kind", "") in ("m", "M") for dtype in dtypes)
    nullable = hasattr(data, "iloc") and not all(isinstance(dtype, np.dtype) for dtype in dtypes)
    strange = (
        not hasattr(data, "__array__")
        or getattr(data, "shape", None) == ()
        or np.ma.isMaskedArray(data)
        or hasattr(data, "requires_grad")
        or (hasattr(data, "isna") and np.any(data.isna()))
        or (dates and not labels)
        or (nullable and name == "y")
    )
    if not strange:
        return data
    return in_rows(data) if name == "X" else by_position(data, name)


def counted(X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Return arrays of samples, targets and weights without the samples of weight 0."""
    if sample_weight is None:
        return X, y, None
    weights = as_list(sample_weight, "sample_weight")
    chosen, _, _ = weighted(range(len(X)), y, weights)
    return X[chosen], y[chosen], np.array(weights, np.float64)[chosen]


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

    def go_on_from(self, before: _Decaying) -> None:
        """Take over the moments of a solver of the same kind; the decays stay as they are now."""
        if type(before.solver) is type(self.solver):
            pairs = zip(before.state, self.state, strict=True)
            self.steps, self.state = before.steps, [(*old[:-1], new[-1]) for old, new in pairs]

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
        if self.weights:
            set_numbers(self.parameters, "data", self.weights)
        self.estimator.validation_scores_ = self.scores if self.held_out else None
        self.estimator.best_validation_score_ = self.best if self.held_out else None

    def _score(self, history: History) -> float:
        if not self.held_out:
            return -history.loss[-1]
        if is_classifier(self.estimator):
            return history.validation_accuracy[-1]
        return 1.0 - 2.0 * history.validation_loss[-1] / self.spread
