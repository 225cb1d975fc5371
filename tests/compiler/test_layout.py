"""The layout: as pictured, and matrix products are found in what learners write."""

import numpy as np
import pytest

from tests.models import GRAPHS, affine, matrix, numbers
from tests.tapes import NETWORK, picture, read
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.compiler.layout import grids, plan
from tinygrad_edu.compiler.sums import gather_sums


@pytest.mark.parametrize(("graph", "products"), GRAPHS.values(), ids=GRAPHS)
def test_matrix_products_are_found_and_gradients_kept(graph, products):
    """At least the products that a person would write, and eager's numbers to 1e-12."""
    loss = graph()
    loss.backward()

    program = compile_graph(loss)
    program.backward()

    assert program.stats["matrix_products"] >= products
    assert program.stats["instructions"] < program.stats["nodes"] / 4
    assert program.loss == pytest.approx(loss.data, rel=1e-12)
    eager = np.array([p.grad for p in program.parameters])
    np.testing.assert_allclose(program.gradient, eager, rtol=1e-12, atol=1e-12 * abs(eager).max())


def test_what_is_not_recognised_still_runs():
    """Products whose pairs do not form a grid: no matrix, the same numbers."""
    a, b = numbers(6), numbers(6)
    sums = [a[i] * b[j] + a[j] * b[(i + 2) % 6] for i, j in ((0, 1), (1, 3), (2, 0), (4, 5))]
    loss = sum(s.tanh() for s in sums)
    loss.backward()

    program = compile_graph(loss)
    program.backward()

    assert program.stats["matrix_products"] == 0
    np.testing.assert_allclose(program.gradient, [p.grad for p in program.parameters], rtol=1e-12)


def test_the_layout_is_as_pictured():
    """Two neurons that read the same inputs are one matrix product, and one relu."""
    before, after = picture(plan)
    nodes, kinds = gather_sums(read(NETWORK))

    text = str(plan(read(NETWORK), nodes, kinds))

    assert len(before.splitlines()) == 4
    assert [str(node) for node in nodes[:2]] == ["%8 = %0·%4 + %1·%5", "%11 = %2·%4 + %3·%5"]
    assert text.splitlines() == [*after.splitlines(), "b[4] = mul b[2] b[3]"]


def test_a_penalty_waits_until_the_weights_have_met_the_data():
    """Otherwise its order of the weights would decide their places, and no row were a slice."""
    w, x = matrix(3, 2), numbers(2)
    penalty = sum(w[i][j] * w[i][j] for j in (1, 0) for i in (2, 0, 1))
    features = [v.exp() for v in x]  # so that the data meet the weights one level later
    loss = penalty + sum(v.tanh() for v in affine(w, [0.0] * 3, features))

    program = compile_graph(loss, x)

    assert "product u[0:6] b[0:2]  # 3x2 by 2x1" in str(program.backend.plan)
    found = {program.parameters[i : i + 2] for i in (0, 2, 4)}
    assert found == {tuple(row) for row in w}


def test_grids_are_found_among_sums():
    """Four sums of two left and two right operands are one product; a pair alone is its own."""
    left, right = np.array([[1], [2], [1], [2], [3]]), np.array([[7], [7], [8], [8], [9]])

    found = grids(left, right)

    assert [grid.tolist() for grid in found] == [[[[0, 1], [2, 3]]], [[[4]]]]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([1, 2, 1], [7, 7, 8]),
        ([1, 2, 1, 2, 1], [7, 7, 8, 8, 8]),
        ([1, 2, 1, 1], [7, 7, 8, 8]),
    ],
    ids=["one pair is missing", "one pair comes twice", "one in place of another"],
)
def test_sums_that_fill_no_grid_stay_alone(left, right):
    """Each is a product of one by one, and they are stacked."""
    (alone,) = grids(np.array(left)[:, None], np.array(right)[:, None])

    assert alone.shape == (len(left), 1, 1)
    assert sorted(alone.ravel()) == list(range(len(left)))
