"""``decision_boundary``: where does a model of two features go from one class to the next?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from math import isfinite, isnan, nan
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.diagnose.sandbox import untouched
from tinygrad_edu.engine import Value
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError
from tinygrad_edu.engine.guards import real
from tinygrad_edu.engine.ops import SIGMOID
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.arguments import extra, same_length, whole
from tinygrad_edu.shared.plots import LARGEST, axes_or_new, class_looks, legend, plain
from tinygrad_edu.shared.samples import by_position, rows_of_numbers
from tinygrad_edu.shared.tables import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WHAT = "the plot of the decision boundary"
MARGIN = 0.08  # of the data's extent, on each side

Rows: TypeAlias = list[list[float]]


def decision_boundary(
    model: Module | Predictor | Callable[[list[float]], Any],
    X: Sequence[Sequence[float]],
    y: Sequence[Any],
    *,
    resolution: int = 150,
    class_names: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw the regions that a model of two features assigns to each class, and the samples.

    Parameters
    ----------
    model : Module, Predictor, function of one sample, or classifier as scikit-learn's. A single
        output tells two classes apart: by its sign, or by 0.5 where it is a sigmoid. Of several
        outputs, one for each class, the largest decides
    X : samples of two features
    y : their classes: the index of the output; or -1 and 1; or names or other numbers, as many as
        there are outputs and in their order when sorted; or rows with a single 1, at the index
    resolution : int, at least 2, points on each side of the grid
    class_names : how the legend calls the class of each output; by default as y does
    ax : see :mod:`tinygrad_edu.diagnose`

    Raises
    ------
    LengthError
        If a sample does not have two features, or X and y differ in length.
    SettingError
        If the classes in y can't be told from the outputs of the model.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.diagnose import decision_boundary
    >>> ax = decision_boundary(nn.MLP(2, [4, 1]), [[-1, 0], [1, 0]], [0, 1], resolution=20)
    >>> ax.get_xlabel()
    'feature 0'
    """
    X, y = rows_of_numbers(X), by_position(y, "y")
    same_length("y", y, "X", X)
    resolution = whole("resolution", resolution, least=2)
    for i, x in enumerate(X):
        _check_place(x, i)
    extra("matplotlib.figure", "matplotlib", WHAT)
    xs, ys = (_axis([x[k] for x in X], resolution) for k in (0, 1))
    scores, names = _scores(model, [[a, b] for b in ys for a in xs])
    margins = [_margins(row) for row in scores]
    targets = [*map(_unwrapped, y)]
    classes = _classes(targets, len(scores[0]), names)
    if len(class_names):
        same_length("class_names", class_names, "the outputs", scores[0])
    with axes_or_new(ax, WHAT, (5.6, 4.6)) as ax:
        for k, (color, marker) in enumerate(class_looks(len(scores[0]))):
            column = [margin[k] for margin in margins]
            rows = [column[i : i + resolution] for i in range(0, len(column), resolution)]
            _region(ax, (xs, ys, rows), color)
            mine = [i for i, own in enumerate(classes) if own == k]
            if mine:
                places = [X[i][0] for i in mine], [X[i][1] for i in mine]
                dots = ax.scatter(*places, s=26, color=color, marker=marker, edgecolors="white")
                name = class_names[k] if class_names else targets[mine[0]]
                dots.set(linewidths=0.6, zorder=3.0, label=f"target {plain(name)}")
        ax.set(xlabel="feature 0", ylabel="feature 1", title="Decision boundary")
        if lost := sum(isnan(margin[0]) for margin in margins):
            ax.set_title(f"Decision boundary; nan at {lost:,} of {len(margins):,} points")
        ax.set(xlim=(xs[0], xs[-1]), ylim=(ys[0], ys[-1]))
        legend(ax, "upper right")
    return ax


def _check_place(x: list[float], i: int) -> None:
    """Check that a sample has a place in the plane."""
    if len(x) != 2:
        raise LengthError(
            f"X[{i}] has {plural(len(x), 'feature')}.",
            expected="two: they are the axes of the picture",
            fix="train a model on two features, for example X = [[x[0], x[1]] for x in X].",
        )
    if not all(abs(number) <= LARGEST for number in x):
        raise OperandError(
            f"X[{i}] is {x!r:.60}, which has no place in a picture.",
            expected=f"numbers between -{LARGEST:g} and {LARGEST:g}",
            fix="leave out this sample, or divide each feature by its largest number.",
        )


def _axis(column: list[float], resolution: int) -> list[float]:
    """Space numbers evenly from a little below to a little above the data."""
    low, high = min(column), max(column)
    size = max(abs(low), abs(high))
    # where numbers hardly differ, the margin goes by their size: near 1e20 a 1.0 would be lost
    margin = MARGIN * (high - low if high - low > 1e-9 * size else size) or 1.0
    low, high = low - margin, high + margin
    return [low + (high - low) * i / (resolution - 1) for i in range(resolution)]


def _scores(model: Any, grid: Rows) -> tuple[Rows, Sequence[Any] | None]:
    """Compute a score for each class at each point; name the classes if the model knows them."""
    if hasattr(model, "predict") and not isinstance(model, type):
        return _scores_of_classifier(model, grid)
    if isinstance(model, Predictor):
        model = model.model
    if isinstance(model, Module):
        with untouched(model), model.evaluating():
            first = model(grid[0])
            if all(isinstance(v, Value) for v in _listed(first)):
                outputs = Predictor(model)(grid)
            else:
                outputs = [_floats(model(point)) for point in grid]
    elif callable(model) and not isinstance(model, type):
        first = model(grid[0])
        outputs = [_floats(model(point)) for point in grid]
    else:
        raise SettingError(
            f"model is {model!r:.60}.",
            expected="a Module, a Predictor, a classifier, or a function of one sample",
            fix="pass a model, for example model=nn.MLP(2, [8, 2]).",
        )
    if len(outputs[0]) > 1:
        return outputs, None
    (single,) = _listed(first)
    threshold = 0.5 if getattr(single, "op", None) is SIGMOID else 0.0  # where the class changes
    return [[threshold - out, out - threshold] for (out,) in outputs], None


def _scores_of_classifier(model: Any, grid: Rows) -> tuple[Rows, Sequence[Any]]:
    """Ask a classifier for probabilities, or where it has none for its predictions."""
    points: Any = grid
    if (columns := getattr(model, "feature_names_in_", None)) is not None:  # those of a table
        points = extra("pandas", "pandas", WHAT, None).DataFrame(grid, columns=columns)
    predicted = by_position(model.predict(points))
    if not hasattr(model, "classes_"):
        raise SettingError(
            f"{type(model).__name__} predicts numbers, not classes.",
            fix="pass a classifier, for example model=MLPClassifier().fit(X, y).",
        )
    names = by_position(model.classes_)
    if hasattr(model, "predict_proba"):
        return rows_of_numbers(model.predict_proba(points)), names
    return [[float(name == own) for name in names] for own in predicted], names


def _floats(output: Any) -> list[float]:
    """Return an output, one or several numbers or Values, as floats."""
    return [v.data if isinstance(v, Value) else real(v) for v in _listed(output)]


def _listed(output: Any) -> list[Any]:
    """Return an output, one or several numbers or Values, as a list."""
    several = isinstance(output, Iterable) and not isinstance(output, Value)
    return list(output) if several else [output]


def _margins(scores: list[float]) -> list[float]:
    """Compute how far each class is ahead of the best of the others; 0 on the boundary."""
    if any(map(isnan, scores)):
        return [nan] * len(scores)
    near = [min(max(score, -LARGEST), LARGEST) for score in scores]  # inf - inf is nan
    return [own - max(near[:k] + near[k + 1 :]) for k, own in enumerate(near)]


def _unwrapped(target: Any) -> Any:
    """Return the class that a target tells: the entry of a row of one, the index of a single 1."""
    if not isinstance(target, list | tuple):
        return target
    one_hot = all(entry in (0, 1) for entry in target) and target.count(1) == 1
    return target[0] if len(target) == 1 else target.index(1) if one_hot else target


def _classes(targets: list[Any], count: int, names: Sequence[Any] | None) -> list[int]:
    """Find which score belongs to each target; see ``y`` of :func:`decision_boundary`."""
    for i, target in enumerate(targets):
        if isinstance(target, list | tuple):
            raise SettingError(
                f"y[{i}] is {target!r:.60}.",
                expected="a class, or a row with a single 1 and zeros",
                fix="pass the index of the class: y = [row.index(max(row)) for row in y].",
            )
    found = sorted(dict.fromkeys(targets), key=_place_in_order)
    if names is None:
        ways = [ordered for ordered in (range(count), (-1, 1), found) if len(ordered) == count]
        names = next((way for way in ways if all(name in way for name in found)), ())
    number = {name: k for k, name in enumerate(names)}
    strangers = [name for name in found if name not in number]
    if not strangers:
        return [number[target] for target in targets]
    if names:
        raise SettingError(
            f"y has the class {strangers[0]!r:.40}, which the model was not fitted to.",
            expected=", ".join(map(repr, names)),
            fix="pass the targets of the samples in X, named as they were in training.",
        )
    what = f"the class {found[0]!r:.40} alone" if len(found) == 1 else f"{len(found)} classes"
    number_them = f"number the classes, for example y = [{found!r}.index(target) for target in y]."
    widen = f"train a model with an output for each, for example model=nn.MLP(2, [{len(found)}])."
    raise SettingError(
        f"y has {what}, and the model tells {count} apart.",
        expected=f"the index of the output, 0 to {count - 1}, or {count} classes in sorted order",
        fix=number_them if len(found) < count else widen,
    )


def _place_in_order(name: Any) -> tuple[int, Any]:
    """Sort numbers first, then names, then anything else by how it is written."""
    if isinstance(name, Real | Decimal):
        return 0, name
    return (1, name) if isinstance(name, str) else (2, str(name))


def _region(ax: Axes, grid: tuple[list[float], list[float], list[list[float]]], color: Any) -> None:
    """Fill the region where a class is ahead, and draw its border, where there are any."""
    numbers = [number for row in grid[2] for number in row if isfinite(number)]
    if numbers and max(numbers) > 0.0:
        ax.contourf(*grid, levels=[0.0, max(numbers)], colors=[color], alpha=0.25, extend="neither")
        if min(numbers) < 0.0:
            ax.contour(*grid, levels=[0.0], colors="black", linewidths=1.2)
