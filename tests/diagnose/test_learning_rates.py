"""Loss against learning rate: what it marks is usable, and the model is untouched."""

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.networks import gaussian, mlp
from tinygrad_edu import Value, nn
from tinygrad_edu.diagnose.learning_rates import LearningRateRange, learning_rate_range, smooth
from tinygrad_edu.train import SGD, Adam, evaluate, fit

X, products = gaussian(60, seed=2)
Y = [1 if product > 0.0 else -1 for product in products]


class Slope(nn.Module):
    """One weight: on inputs of 1 or -1 a step at the rate r shrinks its error by 1 - 2 c r."""

    def __init__(self, curvature):
        self.w, self.root = Value(5.0), math.sqrt(curvature)

    def forward(self, x):
        """Multiply the input by the weight."""
        return self.w * (self.root * x[0])


@given(st.floats(0.05, 20.0))
@settings(max_examples=25)
def test_the_curvature_of_a_parabola_sets_the_range(curvature):
    """Rates above 1 / c diverge (closed form): the suggestion lies below, the upper end near it."""
    found = learning_rate_range(
        Slope(curvature), nn.mse, [[1.0], [-1.0]], [0.0, 0.0], largest=1000.0, steps=150
    )

    assert found.diverged
    assert 0.005 / curvature < found.suggestion < 1.0 / curvature
    assert 0.3 / curvature < found.usable[1] < 1.6 / curvature
    assert found.usable[0] <= found.suggestion <= found.usable[1]


def test_the_first_losses_are_those_of_gradient_descent_typed_out():
    """w -= r_i dL/dw, the rates in geometric progression."""
    rates = {"smallest": 1e-3, "largest": 1e-1, "steps": 11}

    found = learning_rate_range(Slope(1.0), nn.mse, [[1.0]], [0.0], **rates)

    w, expected = 5.0, []
    for i in range(11):
        expected.append(w * w)
        w -= 10.0 ** (-3 + 0.2 * i) * 2.0 * w
    assert found.losses == pytest.approx(expected, rel=1e-12)
    assert found.learning_rates[5] == pytest.approx(1e-2)


@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_the_suggestion_trains(optimizer):
    """With the rate it suggests, a few epochs lower the loss by a lot more than a tenth of it."""
    model = mlp()
    found = learning_rate_range(model, nn.hinge, X, Y, optimizer=optimizer(model.parameters()))
    before = evaluate(model, nn.hinge, X, Y)[0]

    mover = optimizer(model.parameters(), found.suggestion)
    fit(model, nn.hinge, X, Y, epochs=15, progress=False, optimizer=mover)

    assert evaluate(model, nn.hinge, X, Y)[0] < 0.7 * before


def test_dropout_does_not_blur_the_curve():
    """The loss is measured in evaluation mode: flat where the rates are too small to matter."""
    model = nn.Sequential(nn.Layer(2, 8, "tanh"), nn.Dropout(0.5), nn.Layer(8, 1))

    found = learning_rate_range(model, nn.hinge, X, Y, steps=40)

    assert found.losses[1] == pytest.approx(found.losses[0], rel=1e-4)
    assert 1e-4 < found.suggestion < 5.0


def test_compiled_and_eager_agree():
    """The same losses from matrices and from graphs; the same rng, the same batches."""
    found = [
        learning_rate_range(
            mlp(), nn.hinge, X, Y, steps=20, largest=0.1, batch_size=8, rng=Random(4), compiled=how
        )
        for how in (True, False)
    ]

    assert found[0].losses == pytest.approx(found[1].losses, rel=1e-9)


def test_a_loss_that_never_falls_has_no_range():
    """At a minimum no rate is usable, and the text says so."""
    still = Slope(1.0)
    still.w.data = 0.0

    found = learning_rate_range(still, nn.mse, [[1.0]], [0.0], steps=10)

    assert math.isnan(found.suggestion)
    assert math.isnan(found.usable[0])
    assert "never falls" in str(found)


def test_it_ends_where_the_loss_diverges():
    """What follows would tell nothing, and overflow in the end."""
    found = learning_rate_range(mlp(), nn.mse, X, Y, largest=1e12, steps=100)

    assert found.diverged
    assert len(found.losses) == len(found.learning_rates) < 100
    assert "where the loss diverged" in str(found)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_the_moving_mean_is_centred(losses):
    """Each is the mean of as many neighbours on both sides: a straight line stays straight."""
    line = [3.0 * i + 1.0 for i in range(len(losses))]

    assert smooth(line) == pytest.approx(line)
    assert len(smooth(losses)) == len(losses)
    assert min(losses) - 1e-9 <= min(smooth(losses))
    assert max(smooth(losses)) <= max(losses) + 1e-9


def test_the_plot_marks_the_usable_range():
    """Logarithmic rates, the range and the suggestion in the legend."""
    found = learning_rate_range(mlp(), nn.hinge, X, Y)

    ax = found.plot()

    assert ax.get_xscale() == "log"
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert f"try {found.suggestion:.2g}" in texts
    assert any(text.startswith("usable: ") for text in texts)


@pytest.mark.parametrize(("smallest", "largest"), [(1e-308, 1e308), (5e-324, 1e-323), (1.0, 2.0)])
def test_rates_from_any_number_to_any_other_are_finite(smallest, largest):
    """Also where their ratio overflows."""
    found = learning_rate_range(mlp(), nn.mse, X, Y, steps=10, smallest=smallest, largest=largest)

    assert all(smallest * 0.999 <= rate <= largest * 1.001 for rate in found.learning_rates)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "losses",
    [
        [1e20] * 12,
        [1.7e308, 1e308, 0.0] * 4,
        [-1e308, 0.0] * 6,
        [math.inf, math.nan, -math.inf] * 4,
    ],
)
def test_losses_of_every_size_are_drawn(losses):
    """Without a warning; what is too large for a picture leaves a gap."""
    rates = tuple(1e-3 * 2.0**i for i in range(12))
    found = LearningRateRange(rates, tuple(losses), tuple(losses), rates[2:4], rates[2], True)

    found.plot().figure.canvas.draw()
