"""The picture of a decision boundary: regions, line and samples where the model puts them."""

import pytest

from tinygrad_edu import Value, nn
from tinygrad_edu.diagnose.boundary import decision_boundary
from tinygrad_edu.engine.errors import LengthError, SettingError

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
