"""Rows of one name are different rows, for every stage of the compiler."""

from dataclasses import replace
from itertools import pairwise

import pytest

from tinygrad_edu import Value, as_function, exp
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine import ops
from tinygrad_edu.engine.errors import StaleGraphError

TWICE = {  # rows named like one of the table's, that compute and differentiate something else
    "exp": replace(ops.EXP, forward=lambda xp, x: 3.0 * x, partials=lambda xp, out, x: (3.0,)),
    "add": replace(ops.ADD, forward=lambda xp, x, y: x * y, partials=lambda xp, out, x, y: (y, x)),
    "mul": replace(
        ops.MUL, forward=lambda xp, x, y: x - y, partials=lambda xp, out, x, y: (1.0, -1.0)
    ),
    "neg": replace(ops.NEG, forward=lambda xp, x: x * x, partials=lambda xp, out, x: (2.0 * x,)),
    "pow": replace(
        ops.POW, forward=lambda xp, x, y: x + y, partials=lambda xp, out, x, y: (1.0, 1.0)
    ),
    "maximum": replace(
        ops.MAXIMUM, forward=lambda xp, x, y: x * y, partials=lambda xp, out, x, y: (y, x)
    ),
}


@pytest.mark.parametrize("name", TWICE)
@pytest.mark.parametrize("rows", [0, 3])
def test_a_row_is_what_it_computes_and_not_its_name(anywhere, name, rows):
    """Beside the row of the table: neither shared nor gathered, nor computed in one go."""
    mine, real = as_function(TWICE[name]), as_function(ops.TABLE[name])

    def loss(weights, x):
        pair, products = [mine, real], [w * x for w in weights]
        if TWICE[name].arity == 1:
            parts = [f(product) for product in products for f in (*pair, *pair)]
        else:
            parts = [f(a, b) for a, b in pairwise(products) for f in (*pair, *pair)]
        constant = f(Value(2.0).detach()) if (f := mine) and TWICE[name].arity == 1 else 1.0
        total = parts[0] * constant
        for part in parts[1:]:
            total = total + part
        return mine(total) if TWICE[name].arity == 1 else mine(total, weights[0])

    weights, x = [Value(w) for w in (0.3, 1.2, 0.7, 2.0)], Value(0.5)
    data = [[0.5], [1.5], [0.25]][:rows]
    root = loss(weights, x if rows else 0.5)
    eager = [loss(weights, number) for ((number),) in data] if rows else [root]
    for one in eager:
        one.backward(1.0 / len(eager))

    program = compile_graph(root, [x] if rows else None, target=anywhere)

    assert program.backward(data or None) == pytest.approx(
        sum(one.data for one in eager) / len(eager), rel=1e-12
    )
    gradient = [p.grad for p in program.parameters]
    assert [*program.gradient] == pytest.approx(gradient, rel=1e-12)


def test_a_graph_with_another_row_of_the_name_has_another_structure(anywhere):
    """So a program is not bound to it."""
    w = Value(2.0)
    program = compile_graph(exp(w), target=anywhere)

    with pytest.raises(StaleGraphError, match="different structure"):
        program.rebind(as_function(TWICE["exp"])(w))
