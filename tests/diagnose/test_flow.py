"""``gradient_flow``: what it takes into account, how it shows itself, what it refuses."""

import pytest

from tests.networks import X, Y, mlp, scaled
from tinygrad_edu import Value, nn
from tinygrad_edu.diagnose.flow import gradient_flow
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.train import SGD


def test_gradients_that_the_model_holds_do_not_matter():
    """What an earlier pass left in the parameters is not part of the diagnosis."""
    clean, used = mlp(), mlp()
    nn.mse(used(X[0]), Y[0]).backward()

    first, second = (gradient_flow(model, nn.mse, X, Y) for model in (clean, used))

    assert first == second


def test_a_penalty_on_the_model_s_own_parameters_is_felt():
    """A loss may mean this very model: its gradients count, and nothing is left behind."""
    model = mlp(2)
    parameters = model.parameters()

    def penalised(out, target):
        return nn.mse(out, target) + 10.0 * sum(p * p for p in parameters)

    plain = gradient_flow(model, nn.mse, X, Y)
    flow = gradient_flow(model, penalised, X, Y, learning_rate=1e-3)

    assert flow.layers[0].gradient.norm > 10.0 * plain.layers[0].gradient.norm
    assert all(p.grad == 0.0 for p in parameters)


def test_at_most_so_many_samples_are_run():
    """``samples`` bounds the work; they are spread over the data."""
    seen = []

    def loss(out, target):
        seen.append(target)
        return nn.mse(out, target)

    gradient_flow(mlp(2), loss, X, list(range(20)), samples=5)

    assert seen == [0, 4, 8, 12, 16]


def test_it_prints_as_text_and_as_a_table():
    """One row per layer and the verdict, in the terminal and in a notebook."""
    flow = gradient_flow(mlp(12, "sigmoid"), nn.mse, X, Y)

    lines, page = str(flow).splitlines(), flow._repr_html_()

    assert [line.split()[0] for line in lines[2:14]] == [f"layer{i}" for i in range(1, 13)]
    assert lines[14].startswith("vanishing: layer1 gets")
    assert lines[15].startswith("  try: ")
    assert page.count("<tr>") == 14
    assert "vanishing: layer1 gets" in page


@pytest.mark.parametrize("rate", [None, 0.1])
def test_the_plot_shows_every_layer(rate):
    """A line for the gradients, one for the outputs and, with a rate, the steps and their rule."""
    flow = gradient_flow(mlp(4), nn.mse, X, Y, learning_rate=rate)

    ax = flow.plot()

    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    steps = ["first step / weights", "rule of thumb for the step: 0.001"]
    assert [label.partition(",")[0] for label in labels] == ["gradient", "output", *steps][
        : 2 if rate is None else 4
    ]
    assert list(ax.lines[0].get_ydata()) == [layer.gradient.rms for layer in flow.layers]
    assert ax.get_yscale() == "log"
    assert ax.get_title() == "no fault found"


def test_a_layer_without_gradient_is_left_out_of_the_line():
    """A logarithmic scale has no 0; the share of dead relus is written under the layer."""
    model = mlp(3, "relu")
    for neuron in model.layers[1].neurons:
        neuron.b.data = -100.0

    ax = gradient_flow(model, nn.mse, X, Y).plot()

    assert list(ax.lines[0].get_xdata()) == [2]
    assert [t.get_text() for t in ax.get_xticklabels()][1] == "layer2\n100 %\ndead"


@pytest.mark.promise(name="settings")
def test_two_learning_rates_are_refused():
    """The optimizer has one already."""
    model = mlp(2)
    optimizer = SGD(model.parameters(), 0.1)

    with pytest.raises(SettingError, match="an optimizer was passed, too"):
        gradient_flow(model, nn.mse, X, Y, learning_rate=0.1, optimizer=optimizer)


@pytest.mark.promise(name="settings")
def test_a_model_without_parameters_is_refused():
    """There is nothing that gradients could reach."""
    with pytest.raises(SettingError, match="no parameters"):
        gradient_flow(nn.Module(), nn.mse, X, Y)


class Cut(nn.Module):
    """A network whose output does not depend on its parameters as far as a graph can tell."""

    def __init__(self, cut):
        self.inner, self.cut = mlp(), cut

    def forward(self, x):
        """Return the output without its history."""
        return self.cut(self.inner(x))


CUTS = {"detach": Value.detach, "float": lambda v: Value(v.data), "stop": lambda v: 0.0 * v}


@pytest.mark.parametrize("cut", CUTS)
def test_a_model_that_no_gradient_reaches_is_not_healthy(cut):
    """No step would change anything, whatever the learning rate."""
    flow, tried = (
        gradient_flow(Cut(CUTS[cut]), nn.mse, X, Y, learning_rate=rate) for rate in (None, 0.1)
    )

    assert "no gradient" in flow.faults
    assert flow.faults == tried.faults


def test_a_model_without_any_loss_needs_no_gradient():
    """All its gradients are 0, as they should be."""
    model = mlp()
    Y = [model(x).data for x in X]

    assert "no gradient" not in gradient_flow(model, nn.mse, X, Y).faults


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("factor", [1e-320, 1e-200, 1e-100, 1e100, 1e200, 1e308])
def test_weights_of_every_size_are_measured_and_drawn(factor):
    """Norms neither overflow nor vanish, and the picture is drawn without a warning."""
    flow = gradient_flow(scaled(mlp(), factor), nn.mse, X, Y, learning_rate=0.1)
    flow.plot().figure.canvas.draw()

    norm = flow.layers[0].weight.norm
    assert norm == pytest.approx(factor * gradient_flow(mlp(), nn.mse, X, Y).layers[0].weight.norm)
    assert str(flow)
