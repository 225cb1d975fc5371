"""The table of a model: what each layer is, what goes in and out, and what it holds."""

from html.parser import HTMLParser

import pytest

from tinygrad_edu import Value, nn
from tinygrad_edu.engine.errors import SettingError


def network():
    """Return a model with layers in layers, one frozen."""
    model = nn.Sequential(
        nn.Layer(2, 4, "tanh"), nn.BatchNorm(4), nn.Dropout(0.2), "relu",
        nn.Residual(nn.MLP(4, [4, 4])), nn.Layer(4, 2),
    )  # fmt: skip
    model.layer1.freeze()
    return model


class Own(nn.Module):
    """A layer as a reader writes it, with values and modules of its own."""

    def __init__(self):
        self.scale, self.heads = Value(2.0), {"left": nn.Neuron(2), "right": nn.Neuron(2)}

    def forward(self, x):
        """Return two numbers."""
        return [self.heads["left"](x) * self.scale, self.heads["right"](x)]


def rows(summary):
    """Return name, shape and counts of the rows."""
    return [(r.name, r.shape, r.parameters, r.frozen, r.buffers) for r in summary.rows]


def test_each_layer_is_a_row():
    """Containers and neurons are not; a layer deep inside goes by its path."""
    assert rows(network().summary()) == [
        ("layer1", (2, 4), 12, 12, 0),
        ("layer2", (4, 4), 8, 0, 8),
        ("layer3", None, 0, 0, 0),
        ("layer4.inner.layer1", (4, 4), 20, 0, 0),
        ("layer4.inner.layer2", (4, 4), 20, 0, 0),
        ("layer5", (4, 2), 10, 0, 0),
    ]


def test_a_sample_shows_what_goes_through_each_layer():
    """It is run in evaluation mode, and leaves the model as it was."""
    model = network()
    before = [value.data for _, value in model.named_values()]

    shapes = [row.shape for row in model.summary([1.0, 2.0]).rows]

    assert shapes == [(2, 4), (4, 4), (4, 4), (4, 4), (4, 4), (4, 2)]
    assert [value.data for _, value in model.named_values()] == before
    assert all("forward" not in vars(module) for _, module in model.named_modules())
    assert model.training


def test_a_sample_that_does_not_fit_leaves_the_model_as_it_was():
    """The error is that of the layer."""
    model = network()

    with pytest.raises(ValueError, match="expected a list of 2 inputs, got 3"):
        model.summary([1.0, 2.0, 3.0])

    assert all("forward" not in vars(module) for _, module in model.named_modules())


def test_values_count_for_the_innermost_layer_that_holds_them():
    """Also where it holds modules, too; what is shared counts once."""
    own = Own()
    own.tied = own.heads["left"].b
    model = nn.Sequential(*[nn.Layer(1, 1) for _ in range(10)], own)

    summary = model.summary()

    assert rows(summary)[-3:] == [
        ("layer11", None, 1, 0, 0),
        ("layer11.heads.left", (2, 1), 3, 0, 0),
        ("layer11.heads.right", (2, 1), 3, 0, 0),
    ]
    assert summary.parameters == len(model.parameters()) == 27
    assert rows(own.summary([1.0, 2.0]))[0] == ("Own", (2, 2), 1, 0, 0)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (nn.Neuron(3), [("Neuron", (3, 1), 4, 0, 0)]),
        (nn.Layer(3, 2), [("Layer", (3, 2), 8, 0, 0)]),
        (nn.Dropout(0.1), [("Dropout", None, 0, 0, 0)]),
        (nn.Sequential("relu"), [("Sequential", None, 0, 0, 0)]),
    ],
)
def test_a_model_of_one_layer_is_one_row(model, expected):
    """By the name of its class, for it has no path."""
    assert rows(model.summary()) == expected


def test_it_prints_as_text():
    """One line per layer, columns aligned, the counts below."""
    lines = str(network().summary()).splitlines()

    assert [line.split()[0] for line in lines[2:-1]] == [r.name for r in network().summary().rows]
    assert (
        lines[1]
        == "layer                kind                              in → out  parameters  frozen"
    )
    assert (
        lines[2]
        == "layer1               Layer(2, 4, activation='tanh')       2 → 4          12      12"
    )
    assert lines[-1] == "70 parameters, 12 of them frozen, and 8 buffers"


def test_it_is_a_table_in_a_notebook():
    """Every cell of the text, and markup in a name is text."""
    texts = []
    parser = HTMLParser()
    parser.handle_data = texts.append
    own = Own()
    own.heads["<b>"] = own.heads.pop("left")

    parser.feed(own.summary()._repr_html_())

    for row in own.summary().rows:
        assert set(filter(None, row.cells())) <= set(texts)
    assert "7 parameters" in texts


def test_two_values_of_one_name_are_refused():
    """As in files."""
    own = Own()
    own.w, own.w0 = [Value(1.0)], Value(2.0)

    with pytest.raises(SettingError, match="both named 'w0'"):
        own.summary()
