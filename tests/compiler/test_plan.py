"""The plan: as pictured, and matrix products are found in what learners write."""

import numpy as np
import pytest

from tests.models import GRAPHS, affine, matrix, numbers
from tests.tapes import NETWORK, picture, read
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.compiler.plan import grids, in_turn, plan
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


def test_a_single_output_over_rows_of_data_is_counted():
    """Logistic regression multiplies a matrix of one row."""
    w, x = numbers(3), numbers(3)

    program = compile_graph(sum(a * b for a, b in zip(w, x, strict=True)).sigmoid(), x)

    assert program.stats["matrix_products"] == 1


def test_the_plan_is_as_pictured():
    """Two neurons that read the same inputs are one matrix product, and one relu."""
    before, after = picture(plan)
    nodes, kinds = gather_sums(read(NETWORK))

    text = str(plan(read(NETWORK), nodes, kinds))

    assert len(before.splitlines()) == 4
    assert [str(node) for node in nodes[:2]] == ["%8 = %0·%4 + %1·%5", "%11 = %2·%4 + %3·%5"]
    assert text.splitlines() == [*after.splitlines(), "b[4] = b[2] · b[3]"]


def test_a_penalty_waits_until_the_weights_have_met_the_data():
    """Otherwise its order of the weights would decide their places, and no row were a slice."""
    w, x = matrix(3, 2), numbers(2)
    penalty = sum(w[i][j] * w[i][j] for j in (1, 0) for i in (2, 0, 1))
    features = [v.exp() for v in x]  # so that the data meet the weights one level later
    loss = penalty + sum(v.tanh() for v in affine(w, [0.0] * 3, features))

    program = compile_graph(loss, x)

    assert "Σ_k u[2r + k] · b[k]  # r < 3, k < 2" in str(program.plan)
    found = {program.parameters[i : i + 2] for i in (0, 2, 4)}
    assert found == {tuple(row) for row in w}


def test_a_few_terms_are_added_one_after_the_other():
    """At one depth, whichever signs they have; the first two by one loop, and v + v + v as well."""
    v = numbers(6)
    loss = (-v[0] + v[1] - v[2]).exp() + (v[3] - v[4] - v[5]).exp() + v[0] + v[0] + v[0]
    loss.backward()

    program = compile_graph(loss)

    assert str(program.plan).splitlines()[:2] == [
        "u[6 + r] = u[r] − u[2 + r]  # r < 2",
        "u[6 + r] += −u[4 + r]  # r < 2",
    ]
    assert program.backward() == pytest.approx(loss.data, rel=1e-14)
    assert list(program.gradient) == pytest.approx([p.grad for p in program.parameters], rel=1e-13)


def test_sums_of_more_and_of_fewer_scattered_terms_are_one_loop():
    """As the neighbours in a graph are: one turn for each term."""
    states = [v.tanh() for v in numbers(5)]
    some = [(0, 2), (1, 3, 4), (4, 0), (2, 3, 0), (1, 3), (2, 4, 1)]
    loss = sum(sum(states[j] for j in one).exp() for one in some)
    loss.backward()

    program = compile_graph(loss, target="numpy")

    assert str(program.backend.plan).splitlines()[1] == "u[table(n)] = u[table(n)]  # n < 15"
    assert program.backward() == pytest.approx(loss.data, rel=1e-14)
    assert list(program.gradient) == pytest.approx([p.grad for p in program.parameters], rel=1e-13)


@pytest.mark.parametrize(
    "there", [lambda i, j: i != j, lambda i, j: j <= i], ids=["diagonal", "triangle"]
)
@pytest.mark.parametrize("infinite", [False, True])
def test_a_matrix_with_holes_is_one_product(there, infinite):
    """And a hole is not a zero: times infinity it adds nothing."""
    w, x = matrix(6, 6), numbers(6)
    x[4].data = np.inf if infinite else 0.5
    sums = [sum(w[i][j] * x[j] for j in range(6) if there(i, j)) for i in range(1, 6)]
    loss = sum((v.tanh() if infinite else v.exp()) for v in sums)
    loss.backward()

    program = compile_graph(loss, x, target="numpy")

    assert program.stats["matrix_products"] == 1
    assert program.backward([[v.data for v in x]]) == pytest.approx(loss.data, rel=1e-14)
    slopes = [p.grad for p in program.parameters]
    assert list(program.gradient) == pytest.approx(slopes, rel=1e-13, nan_ok=True)


def test_a_sum_reads_a_slice_in_whatever_order_it_was_written():
    """Numbers that lie side by side are added without being collected."""
    v = [x.exp() for x in numbers(8)]

    program = compile_graph(sum(v[i] for i in (3, 1, 0, 2, 7, 6, 5, 4)), target="numpy")

    assert "u[16] = Σ_k u[8 + k]  # k < 8" in str(program.backend.plan)


def pairs(left, right):
    """Sums of one product each."""
    return [[pair] for pair in zip(left, right, strict=True)]


def test_grids_are_found_among_sums():
    """Four sums of two left and two right operands are one product; a pair alone is its own."""
    assert grids(pairs([1, 2, 1, 2, 3], [7, 7, 8, 8, 9])) == [[[[0, 1], [2, 3]]], [[[4]]]]


@pytest.mark.parametrize(
    ("left", "right", "sizes"),
    [
        ([1, 2, 1], [7, 7, 8], [(1, 1), (1, 2)]),
        ([1, 2, 3, 1, 2, 3, 1, 2], [7, 7, 7, 8, 8, 8, 9, 9], [(2, 3), (1, 2)]),
        ([1, 2, 1, 2, 1], [7, 7, 8, 8, 8], [(2, 2), (1, 1)]),
        ([1, 2, 3, 2, 3, 3], [7, 7, 7, 8, 8, 9], [(1, 3), (1, 2), (1, 1)]),
    ],
    ids=["a pair is missing", "a pair of many is missing", "a pair comes twice", "a triangle"],
)
def test_what_is_complete_in_a_grid_with_holes_stays_a_product(left, right, sizes):
    """The rest are smaller products; each sum is in one of them, at its column and row."""
    found = grids(pairs(left, right))

    assert len([grid for stack in found for grid in stack]) == len(sizes)
    members = [n for stack in found for grid in stack for column in grid for n in column]
    assert sorted(members) == list(range(len(left)))
    for grid in (grid for stack in found for grid in stack):
        for column in grid:
            assert len({right[n] for n in column}) == 1
            assert [left[n] for n in column] == [left[n] for n in grid[0]]


@pytest.mark.parametrize(
    ("columns", "n"),
    [
        ([[0, 1, 2, 3, 4, 5], [7, 7, 7, 8, 8, 8]], 3),
        ([[0, 1, 2, 3, 4, 5], [7, 8, 7, 8, 7, 8]], 2),
        ([[0, 1, 2, 3, 4, 5], [7, 7, 7, 7, 8, 8]], 6),
        ([[0, 1, 2, 3, 4, 5], [7, 7, 7, 7, 7, 7]], 6),
        ([[0, 1, 2, 3], [4, 5, 6, 7]], 4),
        ([[0]], 1),
    ],
)
def test_what_is_read_in_turn_has_an_axis_of_its_own(columns, n):
    """Runs of one slot, or the same slots again; otherwise all nodes are one run."""
    assert in_turn(columns) == n
