"""What a layer is called with: any container in order, one number where that has a meaning."""

import pytest

from tinygrad_edu import Value, nn
from tinygrad_edu.engine.errors import LengthError, OperandError, TinygradEduError

LAYERS = {
    "Neuron": lambda: nn.Neuron(2),
    "Layer": lambda: nn.Layer(2, 2),
    "MLP": lambda: nn.MLP(2, [3, 2]),
    "Sequential": lambda: nn.Sequential(nn.Layer(2, 2), "relu"),
    "Residual": lambda: nn.Residual(nn.Layer(2, 2)),
    "Residual of a function": lambda: nn.Residual("relu"),
    "LayerNorm": lambda: nn.LayerNorm(2),
    "BatchNorm": lambda: nn.BatchNorm(2).eval(),
    "Dropout": lambda: nn.Dropout(0.0),
    "function": lambda: nn.Sequential("tanh"),
}
ROWS = {
    "tuple": lambda: (1.0, 2.0),
    "generator": lambda: (x for x in (1.0, 2.0)),
    "array": lambda: pytest.importorskip("numpy").array([1.0, 2.0]),
    "tensor": lambda: pytest.importorskip("torch").tensor([1.0, 2.0]),
    "column": lambda: pytest.importorskip("pandas").Series([1.0, 2.0], index=[7, 5]),
}
TAKES_ONE = ("Dropout", "function")


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_sample_may_stand_in_any_container(layer, row):
    """By position: labels and names do not count."""
    model = LAYERS[layer]()

    found, expected = model(ROWS[row]()), model([1.0, 2.0])

    listed = [x if isinstance(x, list) else [x] for x in (found, expected)]
    assert [v.data for v in listed[0]] == [v.data for v in listed[1]]


@pytest.mark.parametrize(
    "wrong", [None, "ab", {1.0, 2.0}, {0: 1.0, 1: 2.0}, [[1.0, 2.0]], [1.0, None]]
)
@pytest.mark.parametrize("layer", LAYERS)
def test_what_is_not_a_sample_is_refused(layer, wrong):
    """In words, by every layer: containers without an order, lists in lists, gaps."""
    with pytest.raises(TinygradEduError):
        LAYERS[layer]()(wrong)


@pytest.mark.parametrize("one", [3.0, Value(3.0), True])
@pytest.mark.parametrize("layer", LAYERS)
def test_one_number_is_a_sample_for_functions_alone(layer, one):
    """A layer of two inputs says that it expects a list."""
    if layer in TAKES_ONE:
        assert isinstance(LAYERS[layer]()(one), Value)
        return

    with pytest.raises(LengthError, match=r"expected (a list of )?(2 )?(inputs|numbers), got"):
        LAYERS[layer]()(one)


@pytest.mark.parametrize("layer", sorted({*LAYERS} - {*TAKES_ONE}))
def test_an_array_of_no_axis_is_one_number(layer):
    """It is iterable by its class, and not by its axes."""
    with pytest.raises(TinygradEduError):
        LAYERS[layer]()(pytest.importorskip("numpy").array(3.0))


@pytest.mark.parametrize("layer", LAYERS)
def test_a_table_is_a_batch_row_by_row(layer):
    """Its columns' names are not numbers; as one sample it is refused."""
    table = pytest.importorskip("pandas").DataFrame({3: [1.0, 0.5], 4: [2.0, -1.0]}, index=[9, 8])

    assert repr(LAYERS[layer]().batch(table)) == repr(
        LAYERS[layer]().batch([[1.0, 2.0], [0.5, -1.0]])
    )
    with pytest.raises(TinygradEduError):
        LAYERS[layer]()(table)


@pytest.mark.parametrize("samples", [None, 3.0, "ab", {1.0, 2.0}])
def test_what_is_not_a_batch_is_refused(samples):
    """In words, before a layer sees it."""
    with pytest.raises(OperandError, match="samples is"):
        nn.MLP(2, [1]).batch(samples)


def test_a_function_in_sequential_must_return_a_value():
    """As an activation of a neuron must."""
    with pytest.raises(OperandError, match="returned float"):
        nn.Sequential(lambda v: v.data)([1.0])
