"""Tensors are read by position, with and without gradients."""

import pytest

from tinygrad_edu.engine.errors import OperandError
from tinygrad_edu.shared.samples import by_position, rows_of_numbers

torch = pytest.importorskip("torch")
ROWS = [[0.0, 1.0], [2.0, 3.0]]


@pytest.mark.parametrize(
    "table",
    [
        torch.tensor(ROWS),
        torch.tensor(ROWS, dtype=torch.bfloat16),
        torch.tensor(ROWS, requires_grad=True),
        torch.tensor(ROWS).T.contiguous().T,
        [torch.tensor(row, requires_grad=True) for row in ROWS],
        [[torch.tensor(x, requires_grad=True) for x in row] for row in ROWS],
    ],
)
def test_tensors_are_rows_of_floats(table):
    """Also single numbers that are tensors without dimensions."""
    rows = rows_of_numbers(table)

    assert rows == ROWS
    assert {type(number) for row in rows for number in row} == {float}


def test_a_tensor_of_classes_is_a_list_of_integers():
    """And one without dimensions is refused."""
    assert by_position(torch.tensor([1, 0])) == [1, 0]
    with pytest.raises(OperandError, match=r"X is tensor\(3.\), of type Tensor"):
        by_position(torch.tensor(3.0))
