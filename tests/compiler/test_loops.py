"""Loops and their adjoints, run by an interpreter that shares nothing with the targets."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import programs
from tests.agreement import tame_programs
from tests.interpreter import Stores, interpreted
from tests.models import GRAPHS
from tinygrad_edu import Value, ops
from tinygrad_edu.compiler.loops import Ref, adjoint, apply, ref_to

W, X, OUT = Ref("u", ("r", "k"), 0, (3, 1)), Ref("i", ("k",), 0, (1,)), Ref("b", ("r",), 0, (1,))
PRODUCT = apply({"r": 2, "k": 3}, OUT, [W, X], ops.MUL)


@pytest.mark.parametrize("single", [False, True], ids=["arrays", "numbers"])
def test_both_passes_of_random_programs_are_those_of_the_graph(single):
    """Value and gradients to 1e-12, as matrices and number by number."""
    for program in tame_programs(150):
        registers = program.run(programs.VALUES)
        registers[-1].backward()
        leaves = registers[: len(program.leaves)]

        loss, slopes = interpreted(registers[-1], single=single)

        assert loss == pytest.approx(registers[-1].data, rel=1e-12, abs=1e-12), program
        for leaf in set(leaves) & set(slopes):
            assert slopes[leaf] == pytest.approx(leaf.grad, rel=1e-9, abs=1e-11), program


@pytest.mark.parametrize("graph", [graph for graph, _ in GRAPHS.values()], ids=GRAPHS)
def test_both_passes_of_networks_are_those_of_the_graph(graph):
    """Products of matrices, gathered and scattered numbers, sums over axes."""
    root = graph()
    root.backward()

    loss, slopes = interpreted(root)

    assert loss == pytest.approx(root.data, rel=1e-12)
    for leaf, slope in slopes.items():
        assert slope == pytest.approx(leaf.grad, rel=1e-9, abs=1e-12)


# --- the chain rule on loops ---


def test_the_adjoint_of_a_product_is_two_products():
    """Over the same axes; which of them are summed follows from what is written to."""
    assert str(PRODUCT) == "b[r] = Σ_k u[3r + k] · i[k]  # r < 2, k < 3"
    assert [str(it) for it in adjoint(PRODUCT, ["x0"])] == [
        "du[3r + k] += Σ_rows db[r] · i[k]  # r < 2, k < 3"
    ]


def test_a_number_that_is_read_along_an_axis_gets_the_sum_over_it():
    """A bias, and a number for all rows of data."""
    bias = apply({"r": 2}, OUT, [Ref("u", (), 7)], sign=-1)

    assert [str(it) for it in adjoint(bias, ["x0"])] == ["du[7] += Σ_r rows −db[r]  # r < 2"]


@pytest.mark.parametrize("row", [row for row in ops.TABLE.values() if row.arity == 1])
def test_the_adjoint_of_a_row_is_the_cotangent_times_its_partial(row):
    """At a number of its domain."""
    loop = apply({}, Ref("u", (), 1), [Ref("u", (), 0)], row)
    x = Value(0.7)
    row_of = getattr(x, row.name)()
    row_of.backward(3.0)
    stores = Stores(None, [0.7], [])
    stores.run([loop])
    stores["du", 1, 0] = 3.0

    stores.run(adjoint(loop, ["x0"]))

    assert stores["u", 1, 0] == row_of.data
    assert stores["du", 0, 0] == pytest.approx(x.grad, rel=1e-15)


def test_the_adjoint_of_a_logsumexp_is_the_softmax():
    """For each class, e to the power of its logit minus the logsumexp."""
    logits = Ref("b", ("k",), 0, (1,))
    loop = apply({"k": 3}, Ref("b", (), 3), [logits], over="logsumexp")

    assert str(loop) == "b[3] = logsumexp_k b[k]  # k < 3"
    assert [str(it) for it in adjoint(loop, ["x0"])] == [
        "db[k] += db[3] · exp(b[k] − b[3])  # k < 3"
    ]


# --- references ---


@given(
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    steps=st.lists(st.integers(-9, 9), min_size=3, max_size=3),
    offset=st.integers(0, 50),
    table=st.randoms(use_true_random=False) | st.none(),
)
def test_a_reference_says_the_places_it_was_made_of(lengths, steps, offset, table):
    """Evenly spaced or not, along some axes or along all."""
    axes = dict(zip("abc", lengths, strict=False))
    places = [offset]
    for length, step in zip(lengths, steps, strict=False):
        places = [place + i * step for place in places for i in range(length)]
    if table is not None:
        table.shuffle(places)

    ref = ref_to("u", places, axes)

    turns = math.prod(axes[axis] for axis in ref.axes)
    assert len(ref.places(axes)) == turns
    widened = [*ref.places(axes)]
    have = 1
    for axis, length in reversed(axes.items()):
        if axis not in ref.axes:
            widened = [
                x for i in range(0, len(widened), have) for x in widened[i : i + have] * length
            ]
        have *= length
    assert widened == places
    if (span := ref.span(axes)) is not None:
        assert sorted(ref.places(axes)) == [*range(span.start, span.stop)]


def test_scattered_rows_of_a_table_are_a_table_of_rows():
    """An embedding: the place is scattered along one axis and evenly spaced along the other."""
    rng = Random(0)
    rows = [rng.randrange(10) for _ in range(6)]

    ref = ref_to("u", [4 * row + k for row in rows for k in range(4)], {"n": 6, "k": 4})

    assert (ref.axes, ref.steps) == (("n", "k"), (None, 1))
    assert ref.table == tuple(4 * row for row in rows)
