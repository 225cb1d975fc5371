"""The loss around the weights: a slice of the function that the loss is."""

import math
from random import Random

import pytest

from tests import networks
from tests.networks import gaussian
from tinygrad_edu import nn
from tinygrad_edu.diagnose.landscape import LossSurface, loss_surface
from tinygrad_edu.engine.errors import LengthError, TinygradEduError

X, Y = gaussian(3)


def mlp():
    """Build a small network for the samples above."""
    return networks.mlp(2, width=4)


def loss_at(model, move):
    """Return the mean loss with a number added to each parameter of a fresh model."""
    for parameter, number in zip(model.parameters(), move, strict=True):
        parameter.data += number
    return math.fsum(nn.mse(model(x), t).data for x, t in zip(X, Y, strict=True)) / len(X)


@pytest.mark.parametrize("compiled", [True, False])
def test_each_number_is_the_loss_at_the_weights_moved_there(compiled):
    """At weights + alpha d + beta e, computed for some points on a model of its own."""
    surface = loss_surface(mlp(), nn.mse, X, Y, points=5, span=0.8, compiled=compiled)

    d, e = surface.directions
    for row, column in ((0, 0), (1, 4), (2, 2), (4, 3)):
        alpha, beta = surface.alphas[column], surface.betas[row]
        move = [alpha * a + beta * b for a, b in zip(d, e, strict=True)]
        assert surface.losses[row][column] == pytest.approx(loss_at(mlp(), move), rel=1e-9)
    assert surface.alphas[2] == 0.0  # an odd number of points has the weights among them
    assert surface.losses[2][2] == pytest.approx(surface.center, rel=1e-12)


def test_a_line_model_gives_its_parabola():
    """(w + alpha - 2)^2 along the slope of a line: the closed form."""
    line = nn.MLP(1, [1])
    line.parameters()[0].data, line.parameters()[1].data = 1.5, 0.0

    surface = loss_surface(
        line, nn.mse, [[1.0]], [2.0], directions=[[1.0, 0.0]], span=2.0, points=9
    )

    assert surface.betas is None
    assert surface.losses[0] == pytest.approx([(a - 0.5) ** 2 for a in surface.alphas])
    assert surface.center == pytest.approx(0.25)
    assert "lowest 0 at (+0.5)" in str(surface)


def test_random_directions_are_as_long_as_each_neuron():
    """Filter-normalised: the norm of a neuron's part is the norm of its weights."""
    model = mlp()
    model.layers[1].neurons[0].b.data = 3.0

    surface = loss_surface(model, nn.mse, X, Y, points=3)

    for direction in surface.directions:
        parts = {}
        for (name, parameter), number in zip(model.named_parameters(), direction, strict=True):
            parts.setdefault(name.rpartition(".")[0], []).append((parameter.data, number))
        assert len(parts) == 5
        for pairs in parts.values():
            weights, numbers = zip(*pairs, strict=True)
            assert math.hypot(*numbers) == pytest.approx(math.hypot(*weights))


def test_the_seed_decides_the_directions():
    """Same rng, same bits; two directions differ."""
    first, again, other = (
        loss_surface(mlp(), nn.mse, X, Y, points=3, rng=Random(seed)) for seed in (1, 1, 2)
    )

    assert first == again
    assert first.directions != other.directions
    assert first.directions[0] != first.directions[1]


def test_the_loss_is_that_of_at_most_so_many_samples():
    """Evenly spread: the first of three and the third."""
    found = loss_surface(mlp(), nn.mse, X, Y, points=3, samples=2)

    expected = loss_surface(mlp(), nn.mse, X[::2], Y[::2], points=3)
    assert found.losses == expected.losses


def test_dropout_makes_no_ripples():
    """The model is in evaluation mode: the loss is the same as without the layer."""
    plain = nn.Layer(2, 1, rng=Random(0))
    noisy = nn.Sequential(nn.Dropout(0.5), plain)

    first = loss_surface(noisy, nn.mse, X, Y, points=3, compiled=False)
    second = loss_surface(nn.Sequential(plain), nn.mse, X, Y, points=3, compiled=False)

    assert first.losses == second.losses


@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_plot_is_labelled(dimensions):
    """Axes with units, a star at the weights; a bar with the losses beside the contours."""
    ax = loss_surface(mlp(), nn.mse, X, Y, dimensions=dimensions, points=9).plot()

    assert ax.get_xlabel().startswith("step along direction 1")
    assert ax.get_legend().get_texts()[0].get_text() == "the weights"
    assert len(ax.figure.axes) == dimensions


def test_losses_that_are_not_finite_can_be_drawn():
    """Far away the loss may overflow: there the picture is blank."""
    model = nn.MLP(1, [1, 1], activation="exp", rng=Random(0))

    surface = loss_surface(model, nn.mse, [[1.0], [2.0]], [1.0, 2.0], span=1e3, points=9)

    assert not all(math.isfinite(loss) for row in surface.losses for loss in row)
    surface.plot().figure.canvas.draw()
    assert "lowest" in str(surface)


@pytest.mark.promise(name="shapes")
def test_directions_of_another_length_are_refused():
    """Each has a number for each parameter."""
    with pytest.raises(LengthError, match=r"directions\[0\] has 1"):
        loss_surface(mlp(), nn.mse, X, Y, directions=[[1.0]])


FLAT = [(1e20,) * 3, (5e-324, 0.0, 0.0), (1.7e308, -1.7e308, 1e308), (1e20, 1e20 + 16384, 1e20)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("row", FLAT)
def test_losses_of_every_size_are_drawn(row):
    """As a curve and as contours, without a warning; also where they are all alike."""
    steps = (-1.0, 0.0, 1.0)
    for betas, losses in ((None, (row,)), (steps, (row,) * 3)):
        surface = LossSurface(steps, betas, losses, row[1], ())

        surface.plot().figure.canvas.draw()

        assert str(surface)


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ({"directions": 5}, "directions is 5"),
        ({"directions": [1.0, 2.0]}, r"directions\[0\] is 1.0"),
        ({"span": 1e308}, "span is 1e"),
        ({"dimensions": 3}, "dimensions is 3"),
    ],
)
def test_what_is_not_a_direction_or_a_span_is_refused(setting, match):
    """By its name."""
    with pytest.raises(TinygradEduError, match=match):
        loss_surface(mlp(), nn.mse, X, Y, points=3, **setting)
