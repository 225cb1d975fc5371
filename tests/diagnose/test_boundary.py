"""The picture of a decision boundary: regions, line and samples where the model puts them."""

from math import inf, nan

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from tinygrad_edu import Value, nn
from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.diagnose.boundary import decision_boundary
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError
from tinygrad_edu.train.estimators import MLPRegressor

X = [[-1.0, 0.5], [1.0, -0.5], [0.5, 1.0], [-0.5, -1.0]]
Y = [0, 1, 1, 0]


def line(output="linear", bias=-0.5):
    """Return a model whose output changes sign at feature 0 = 0.25."""
    model = nn.MLP(2, [1], output=output)
    neuron = model.layers[0].neurons[0]
    neuron.w[0].data, neuron.w[1].data, neuron.b.data = 2.0, 0.0, bias
    return model


class Step(nn.Module):
    """A model that looks at numbers, so that no single program serves all samples."""

    def __init__(self):
        self.inner = line()

    def forward(self, x):
        """Return the sign of the line's output."""
        return Value(1.0 if self.inner(x).data > 0.0 else -1.0)


def noisy():
    """Return a model that drops and normalises, but not in evaluation mode."""
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm(2), line())
    for variance in model.parts[1].running_variance:
        variance.data = 1.0 - model.parts[1].epsilon
    return model


def boundary_points(ax):
    """Return the corners of all lines that contour drew (those of regions are filled)."""
    lines = [c for c in ax.collections if hasattr(c, "levels") and not c.filled]
    return [point for c in lines for path in c.get_paths() for point in path.vertices.tolist()]


@pytest.mark.parametrize(
    ("model", "off"),
    [
        (line(), 1e-2),
        (line("tanh"), 1e-2),
        (line("sigmoid"), 1e-2),
        (noisy(), 1e-2),
        (Step(), 0.05),
    ],
    ids=["linear", "tanh", "sigmoid at 0.5", "in evaluation mode", "branching, on graphs"],
)
def test_the_line_is_where_the_output_changes_class(model, off):
    """Whatever the model is made of, it is at feature 0 = 0.25."""
    points = boundary_points(decision_boundary(model, X, Y, resolution=60))

    assert points
    assert [x for x, _ in points] == pytest.approx([0.25] * len(points), abs=off)


def test_of_several_outputs_the_largest_decides():
    """Three logits x, -x, y: the boundaries are where two lead together."""
    model = nn.MLP(2, [3])
    for neuron, w in zip(model.layers[0].neurons, ([1, 0], [-1, 0], [0, 1]), strict=True):
        neuron.w[0].data, neuron.w[1].data, neuron.b.data = *map(float, w), 0.0

    points = boundary_points(decision_boundary(model, X, [0, 1, 2, 1], resolution=101))

    assert points
    for a, b in points:
        first, second, _ = sorted((a, -a, b), reverse=True)
        assert first - second < 0.06


def test_samples_have_the_colour_and_marker_of_their_class():
    """A scatter for each class, at the samples; the legend names the targets as they are."""
    ax = decision_boundary(line(), X, [-1, 1, 1, -1], resolution=10)

    dots = [c for c in ax.collections if c.get_label().startswith("target")]

    assert [c.get_label() for c in dots] == ["target -1", "target 1"]
    assert [c.get_offsets().tolist() for c in dots] == [[X[0], X[3]], [X[1], X[2]]]
    assert len({tuple(c.get_facecolor()[0]) for c in dots}) == 2
    assert len({c.get_paths()[0].vertices.tobytes() for c in dots}) == 2


def test_classes_have_the_names_that_are_given():
    """One for each output, by its index, in the legend; as many as there are outputs."""
    ax = decision_boundary(line(), X, [1] * len(X), resolution=10, class_names=["no", "over $5"])

    (text,) = ax.get_legend().get_texts()

    assert text.get_text() == r"target over \$5"
    with pytest.raises(LengthError, match="class_names has 1 entries"):
        decision_boundary(line(), X, [1] * len(X), resolution=10, class_names=["no"])


def test_a_model_that_always_predicts_one_class_has_no_line():
    """One region fills the picture."""
    ax = decision_boundary(line(bias=100.0), X, Y, resolution=10)

    assert boundary_points(ax) == []


@pytest.mark.parametrize(
    ("error", "match", "X", "setting"),
    [
        (LengthError, r"X\[1\] has 3 features", [[0, 1], [0, 1, 2]], {}),
        (LengthError, "y has 4 entries", [[0, 1]], {}),
        (SettingError, "resolution is 1", X, {"resolution": 1}),
    ],
)
def test_what_can_t_be_drawn_is_refused(error, match, X, setting):
    """Each sample has two features and a target, and the grid has two points at least."""
    with pytest.raises(error, match=match):
        decision_boundary(line(), X, Y if len(X) != 2 else Y[:2], **setting)


def drawn(ax):
    """Return the class that stands in the legend for each sample that is drawn."""
    groups = [c for c in ax.collections if c.get_label().startswith("target")]
    return {
        tuple(place): group.get_label().removeprefix("target ")
        for group in groups
        for place in group.get_offsets().tolist()
    }


TARGETS = {
    "indices": [0, 1, 1, 0],
    "signs": [-1, 1, 1, -1],
    "from 1 on": [1, 2, 2, 1],
    "other numbers": [0.5, 7, 7, 0.5],
    "names": ["cat", "dog", "dog", "cat"],
    "booleans": [False, True, True, False],
    "floats": [0.0, 1.0, 1.0, 0.0],
    "one-hot rows": [[1, 0], [0, 1], [0, 1], [1, 0]],
    "a column": [[0], [1], [1], [0]],
    "an array of one-hot rows": np.eye(2)[[0, 1, 1, 0]],
    "a Series with a shuffled index": pd.Series([0, 1, 1, 0], index=[3, 1, 0, 2]),
    "categories": pd.Series(["n", "y", "y", "n"], dtype="category"),
}


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("kind", TARGETS)
def test_every_kind_of_target_is_drawn_in_its_class(kind, outputs):
    """All samples, those of a class with one label, and with the color of its region."""
    ax = decision_boundary(nn.MLP(2, [outputs]), X, TARGETS[kind], resolution=5)

    labels = drawn(ax)
    assert set(labels) == {tuple(x) for x in X}
    assert labels[tuple(X[0])] == labels[tuple(X[3])] != labels[tuple(X[1])] == labels[tuple(X[2])]
    dots = {c.get_label(): c.get_facecolor()[0] for c in ax.collections if c.get_label()[0] == "t"}
    first, second = (dots[f"target {labels[tuple(x)]}"][:3].tolist() for x in X[:2])
    assert (first, second) == ([0.0, 114 / 255, 178 / 255], [213 / 255, 94 / 255, 0.0])


def test_a_single_class_that_is_an_index_has_its_own_color():
    """The others have no samples."""
    assert set(drawn(decision_boundary(nn.MLP(2, [3]), X, [2] * 4, resolution=5)).values()) == {"2"}


@pytest.mark.parametrize(
    ("outputs", "y", "match"),
    [
        (1, [0, 1, 2, 0], "y has 3 classes, and the model tells 2 apart"),
        (2, [0.1, 0.2, 0.3, 0.4], "y has 4 classes, and the model tells 2 apart"),
        (2, ["a"] * 4, "y has the class 'a' alone, and the model tells 2 apart"),
        (3, ["a", "b", "a", "b"], "y has 2 classes, and the model tells 3 apart"),
        (2, [[0.3, 0.7]] * 4, r"y\[0\] is \[0.3, 0.7\]"),
    ],
)
def test_classes_that_can_t_be_told_from_the_outputs_are_refused(outputs, y, match):
    """Samples that are left out would be a wrong picture."""
    with pytest.raises(SettingError, match=match):
        decision_boundary(nn.MLP(2, [outputs]), X, y, resolution=5)


def test_a_table_is_read_by_position():
    """Neither the names of its columns nor its index count."""
    table = pd.DataFrame(X, columns=[1, 0], index=[2, 3, 1, 0])

    assert set(drawn(decision_boundary(line(), table, Y, resolution=5))) == {tuple(x) for x in X}


FEW = [[0.0, 0.0], [0.5, 0.0]]
MODELS = {
    "a predictor": lambda: Predictor(line()),
    "a function of numbers": lambda: lambda x: 2.0 * x[0] - 0.5,
    "a function of two numbers": lambda: lambda x: [0.25, x[0]],
    "a function of an array": lambda: lambda x: np.array([0.25, x[0]]),
    "a bound method": lambda: line().forward,
    "a classifier with probabilities": lambda: LogisticRegression(C=1e6).fit(FEW, ["no", "yes"]),
    "a classifier without": lambda: LinearSVC(C=1e6).fit(FEW, ["no", "yes"]),
    "a classifier of a table": lambda: LogisticRegression(C=1e6).fit(
        pd.DataFrame(FEW, columns=["a", "b"]), ["no", "yes"]
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", MODELS)
def test_every_kind_of_model_has_its_line_where_it_changes_class(kind):
    """At feature 0 = 0.25, as the tests above; a classifier knows the names of its classes."""
    model = MODELS[kind]()
    y = ["no", "yes", "yes", "no"] if "classifier" in kind else Y

    points = boundary_points(decision_boundary(model, X, y, resolution=60))

    assert points
    assert [x for x, _ in points] == pytest.approx([0.25] * len(points), abs=0.05)


class Plain(nn.Module):
    """A model without parameters, whose output is a float."""

    def forward(self, x):
        """Return a number."""
        return x[0] - 0.25


def test_a_module_without_parameters_that_returns_floats_is_drawn():
    """Nothing of it is trained here."""
    points = boundary_points(decision_boundary(Plain(), X, Y, resolution=60))

    assert [x for x, _ in points] == pytest.approx([0.25] * len(points), abs=1e-2)


@pytest.mark.parametrize(
    ("model", "y", "match"),
    [
        (None, Y, "model is None"),
        (nn.MLP, Y, "model is <class"),
        (MLPRegressor(max_iter=1), Y, "MLPRegressor predicts numbers, not classes"),
        (LogisticRegression(), [0, 1, 1, 2], "y has the class 2, which the model was not fitted"),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_other_models_are_refused(model, y, match):
    """And targets that a fitted classifier does not know."""
    if hasattr(model, "fit"):
        model.fit(X, Y)

    with pytest.raises(SettingError, match=match):
        decision_boundary(model, X, y, resolution=5)


SIZES = {
    "constant": [[1.0, 2.0]] * 4,
    "constant and large": [[1e30, 0.0]] * 4,
    "large": [[1e90, 0.0], [-1e90, 1.0], [0.0, 0.0], [1.0, 1.0]],
    "tiny": [[1e-300, 0.0], [5e-324, 1.0], [0.0, 0.0], [1.0, 1.0]],
    "hardly different": [[1e20, 0.0], [1e20 + 16384, 1.0], [1e20, 0.0], [1e20, 1.0]],
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", SIZES)
def test_samples_of_every_size_have_a_place(size):
    """The picture is drawn without a warning, and all samples are inside."""
    ax = decision_boundary(line(), SIZES[size], Y, resolution=5)
    ax.figure.canvas.draw()

    assert set(drawn(ax)) == {tuple(x) for x in SIZES[size]}
    assert all(ax.get_xlim()[0] < x < ax.get_xlim()[1] for x, _ in SIZES[size])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("model", "title"),
    [
        (lambda x: nan if x[0] > -0.3 else 1.0, "Decision boundary; nan at 15 of 25 points"),
        (lambda x: [inf * (x[0] - 0.1), 0.0], "Decision boundary"),
        (lambda x: [inf, -inf], "Decision boundary"),
        (lambda x: [0.0, nan], "Decision boundary; nan at 25 of 25 points"),
    ],
)
def test_a_model_of_nan_or_inf_is_drawn_as_far_as_it_goes(model, title):
    """The title counts the points without a class."""
    ax = decision_boundary(model, X, Y, resolution=5)
    ax.figure.canvas.draw()

    assert ax.get_title() == title
    assert len(drawn(ax)) == 4


@pytest.mark.parametrize("number", [inf, -inf, nan, 1e300])
def test_a_sample_without_a_place_is_named(number):
    """Neither infinity nor what overflows in a picture has one."""
    with pytest.raises(OperandError, match=r"X\[2\]"):
        decision_boundary(line(), [X[0], X[1], [0.0, number], X[3]], Y, resolution=5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "name", ["$\\frac$", "$100 to $200", "a\nb\x00", "\ud800", "x" * 1000, "_", ""]
)
def test_every_name_of_a_class_can_be_drawn(name):
    """Dollars are not mathematics there, and the legend stays small."""
    ax = decision_boundary(line(), X, [name, "other", "other", name], resolution=3)
    ax.figure.canvas.draw()

    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(texts) == 2
    assert max(map(len, texts)) < 60
