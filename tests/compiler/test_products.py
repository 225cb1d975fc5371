"""Which loops are products of matrices: a factor of each side of a term, and no third."""

import pytest

from tinygrad_edu.compiler.loops import ROWS, Ref, apply
from tinygrad_edu.compiler.products import products
from tinygrad_edu.engine.ops import ADD, MUL

AXES = {"r": 8, "k": 16, "c": 4}
LEFT, RIGHT = Ref("u", ("r", "k"), 0, (16, 1)), Ref("u", ("k", "c"), 128, (4, 1))
OUT = Ref("u", ("r", "c"), 192, (4, 1))


def test_a_product_can_be_taken_from_both_sides():
    """Either factor may be the right one; the term is what is summed."""
    ways = products(apply(AXES, OUT, [LEFT, RIGHT], MUL, sign=-1))

    assert [(way.row, way.column, way.term) for way in ways] == [("c", "r", "k"), ("r", "c", "k")]
    assert [(way.left, way.right) for way in ways] == [(RIGHT, LEFT), (LEFT, RIGHT)]
    assert {(way.sign, way.around, way.again) for way in ways} == {(-1, (), False)}


def test_rows_of_data_are_an_axis_like_others():
    """Of a layer they are columns, and the terms of the gradient of its weights."""
    x, z = Ref("i", ("k",), 0, (1,)), Ref("b", ("r",), 0, (1,))
    layer = products(apply({"r": 8, "k": 16}, z, [LEFT, x], MUL))
    slope = products(apply({"r": 8, "k": 16}, LEFT.gradient, [z.gradient, x], MUL))

    assert ("r", ROWS, "k") in [(way.row, way.column, way.term) for way in layer]
    assert ("r", "k", ROWS) in [(way.row, way.column, way.term) for way in slope]


def test_other_axes_are_counted_around_a_product():
    """A stack of products; and sums over two axes, each of which takes several products."""
    stack = {"m": 3, **AXES}
    left, right = (
        ref._replace(axes=("m", *ref.axes), steps=(0, *ref.steps)) for ref in (LEFT, RIGHT)
    )
    out = OUT._replace(axes=("m", *OUT.axes), steps=(32, *OUT.steps))

    kept = products(apply(stack, out, [left, right], MUL))
    summed = products(apply(stack, OUT, [left, right], MUL))

    assert {(way.around, way.again) for way in kept} == {(("m",), False)}
    assert {(way.around, way.again) for way in summed} == {(("m",), True)}


@pytest.mark.parametrize(
    "loop",
    [
        apply(AXES, OUT, [LEFT, RIGHT], ADD),
        apply(AXES, OUT, [LEFT, RIGHT], MUL, over="max"),
        apply({"r": 2, "k": 4, "c": 2}, OUT, [LEFT, RIGHT], MUL),
        apply(AXES, OUT._replace(steps=(1, 1)), [LEFT, RIGHT], MUL),
        apply(
            AXES, OUT._replace(steps=(None, 1), table=(0, 4, 4, 8, 9, 1, 2, 3)), [LEFT, RIGHT], MUL
        ),
        apply(AXES, OUT, [LEFT._replace(steps=(None, 1), table=tuple(range(8))), RIGHT], MUL),
        apply({"r": 8, "k": 16}, Ref("u", ("r",), 0, (1,)), [LEFT, Ref("u", ("r",), 0, (1,))], MUL),
        apply({"r": 99, "c": 99}, Ref("u", ("r", "c"), 0, (99, 1)), [LEFT, RIGHT], MUL),
    ],
    ids=["sum", "max", "small", "places again", "scattered", "a table", "one summed", "no term"],
)
def test_other_loops_are_not_products(loop):
    """Nor are small ones worth a call."""
    assert products(loop) == []
