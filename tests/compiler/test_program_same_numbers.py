"""Compiled is eager: random programs, special values and a user's rows, on every target."""

import itertools
import math
from random import Random

import pytest

from tests import agreement, programs
from tests.agreement import SPECIAL
from tinygrad_edu import Value, as_function
from tinygrad_edu.compiler import compile_graph, program
from tinygrad_edu.engine import ops
from tinygrad_edu.engine.errors import SettingError


def same(mine, eager, scale):
    """Within 1e-12 of the larger, or of the gradient's largest part; nan is nan."""
    if not (math.isfinite(mine) and math.isfinite(eager)):
        return mine == eager or (mine != mine and eager != eager)
    return abs(mine - eager) <= 1e-12 * max(abs(mine), abs(eager), scale)


@pytest.mark.promise(name="compiled")
@pytest.mark.parametrize(
    "off", [None, *program.PASSES], ids=lambda off: getattr(off, "__name__", "")
)
def test_random_programs_keep_value_and_gradients(target, off, monkeypatch, cases, measured):
    """Random programs over all rows, to 1e-12, with every pass, and with each one switched off.

    Gradients in units of the sum of the sizes of their terms, since that is what rounding errors
    are proportional to: NumPy's exp and the math module's may differ in the last bit.
    """
    monkeypatch.setattr(program, "PASSES", [p for p in program.PASSES if p is not off])
    left, seeds = cases if off is None else min(cases, 500), itertools.count()
    while left:
        seed = next(seeds)
        random = programs.random_program(
            Random(seed), steps=(12, 60)[seed % 2], constants=0.3, bound=4.0
        )
        registers = random.run(programs.VALUES)
        size_of = dict(zip(registers, agreement.sizes(registers), strict=True))
        if not any(map(size_of.get, registers[: len(random.leaves)])):
            continue  # the result depends on no leaf
        left -= 1
        root = registers[-1]
        root.backward()

        compiled = compile_graph(root, target=target)
        compiled.backward()

        pairs = zip(compiled.gradient, compiled.parameters, strict=True)
        assert same(compiled.loss, root.data, 0.0), random
        assert all(same(float(g), p.grad, size_of[p]) for g, p in pairs), random
    if off is None:
        measured(f"{cases:,} of {cases:,} agree on target {target}")


@pytest.mark.promise(name="compiled-special")
def test_ties_and_special_values_match(target, cases, measured):
    """Ties, nan and infinities come out as in eager, and warn of nothing."""
    count = 0
    for row in ops.TABLE.values():
        for point in itertools.product(SPECIAL[:cases], repeat=len(row.domain)):
            root = as_function(row)(*map(Value, point))
            root.backward()
            compiled = compile_graph(root, target=target)
            compiled.backward()

            mine = [compiled.loss, *compiled.gradient]
            eager = [root.data, *(p.grad for p in compiled.parameters)]
            assert all(map(same, mine, eager, [0.0] * 3)), (row, point, mine, eager)
            count += 1
    measured(f"{count:,} of {count:,} match on target {target}")


@pytest.mark.parametrize("row", ops.TABLE.values(), ids=lambda row: row.name)
def test_special_values_match_side_by_side(row, target):
    """All in one loop, where a target computes several at once, by other functions than one."""
    points = [*itertools.product(SPECIAL, repeat=len(row.domain))]
    leaves = [[*map(Value, point)] for point in points]
    results = [as_function(row)(*some) for some in leaves]
    root = sum(results)
    root.backward()

    compiled = compile_graph(root, target=target, outputs=results)
    compiled.backward()

    found = dict(zip(compiled.parameters, compiled.gradient, strict=True))
    for point, some, result, mine in zip(
        points, leaves, results, compiled.outputs()[0], strict=True
    ):
        eager = [result.data, *(leaf.grad for leaf in some)]
        assert all(map(same, [mine, *map(found.get, some)], eager, [0.0] * 3)), (row, point, eager)


def test_a_row_of_ones_own_compiles(target, own_row):
    """A user's row needs no change of the compiler."""
    bell = own_row(lambda xp, x: xp.exp(-x * x), lambda xp, out, x: (-2.0 * x * out,))
    x = Value(0.5)
    root = bell(x) * x
    root.backward()

    compiled = compile_graph(root, target=target)

    assert compiled.backward() == pytest.approx(root.data, rel=1e-15)
    assert list(compiled.gradient) == pytest.approx([x.grad], rel=1e-14)


def test_rows_that_nest_deeply_are_written_in_several_lines(target, own_row):
    """Ten functions in one another, forty times over, are more than Python's parser takes."""

    def nested(xp, x):
        for _ in range(10):
            x = xp.exp(-x)
        return x

    def slope(xp, out, x):
        product = 1.0
        for _ in range(10):
            x = xp.exp(-x)
            product = product * -x
        return (product,)

    row = own_row(nested, slope)
    w = y = Value(0.3)
    for _ in range(40):
        y = row(y)
    y.backward()

    compiled = compile_graph(y, target=target)

    assert compiled.backward() == pytest.approx(y.data, rel=1e-12)
    assert list(compiled.gradient) == pytest.approx([w.grad], rel=1e-12)


@pytest.mark.parametrize(
    ("forward", "said"),
    [
        (lambda xp, x: xp.where(x == 0.0, 0.0, xp.divide(1.0, x)), "compares its input by =="),
        (lambda xp, x: 1.0 if x > 0 else 0.0, "a row of the table branches on its input"),
    ],
)
def test_a_row_that_no_formula_describes_is_refused(target, own_row, forward, said):
    """It runs on floats, but a symbol is never equal to a number and has no branch to take."""
    row = own_row(forward, lambda xp, out, x: (-out * out,))

    with pytest.raises(SettingError, match=said):
        compile_graph(row(Value(0.0)) * 1.0, target=target)
