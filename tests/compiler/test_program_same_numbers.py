"""Compiled is eager: random programs, batches of rows, penalties, new rows, both targets."""

import itertools
import math
from random import Random

import numpy as np
import pytest

from tests import agreement, programs
from tests.agreement import SPECIAL
from tinygrad_edu import Value, as_function, primitive
from tinygrad_edu.compiler import compile_graph, program
from tinygrad_edu.engine import ops
from tinygrad_edu.engine.errors import SettingError

TARGETS = ("numpy", "python")
targets = pytest.mark.parametrize("target", TARGETS)


def same(mine, eager, scale):
    """Within 1e-12 of the larger, or of the gradient's largest part; nan is nan."""
    if not (math.isfinite(mine) and math.isfinite(eager)):
        return mine == eager or (mine != mine and eager != eager)
    return abs(mine - eager) <= 1e-12 * max(abs(mine), abs(eager), scale)


@pytest.mark.promise(name="compiled")
@targets
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
@targets
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


def sample_loss():
    """One sample of a small network, with a penalty on its weights."""
    rng = Random(3)
    w = [[Value(rng.gauss(0.0, 1.0)) for _ in range(3)] for _ in range(4)]
    v = [Value(rng.gauss(0.0, 1.0)) for _ in range(4)]
    x, t = [Value(0.0) for _ in range(3)], Value(0.0)
    h = [sum(a * b for a, b in zip(row, x, strict=True)).tanh() for row in w]
    data = (sum(a * b for a, b in zip(v, h, strict=True)) - t) ** 2
    weights = [p for row in [*w, v] for p in row]
    return data + 0.1 * sum(p * p for p in weights), [*x, t], weights


@targets
@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize("rows", [1, 5])
def test_rows_of_data_and_a_penalty_that_is_added_once(target, reduce, rows):
    """Mean or sum over rows by the closed form; the penalty is no row's."""
    loss, inputs, weights = sample_loss()
    compiled = compile_graph(loss, inputs, reduce=reduce, target=target)
    X = np.random.RandomState(0).randn(rows, 4)

    compiled.backward(X)

    total, penalty = Value(0.0), 0.1 * sum(p * p for p in weights)
    for row in X:
        h = [sum(weights[3 * i + j] * float(row[j]) for j in range(3)).tanh() for i in range(4)]
        total = total + (sum(weights[12 + i] * h[i] for i in range(4)) - float(row[3])) ** 2
    expected = total * (1.0 / rows if reduce == "mean" else 1.0) + penalty
    expected.backward()
    assert compiled.loss == pytest.approx(expected.data, rel=1e-12)
    grads = [p.grad for p in compiled.parameters]
    np.testing.assert_allclose(compiled.gradient, grads, rtol=1e-11, atol=1e-12)


@targets
def test_a_row_of_ones_own_compiles(target, monkeypatch):
    """A user's row needs no change of the compiler."""
    monkeypatch.setattr(ops, "TABLE", dict(ops.TABLE))
    bell = as_function(
        primitive(
            "bell", "e^{-x^2}", forward=lambda xp, x: xp.exp(-x * x),
            partials=lambda xp, out, x: (-2.0 * x * out,),
        )
    )  # fmt: skip
    x = Value(0.5)
    root = bell(x) * x
    root.backward()

    compiled = compile_graph(root, target=target)
    compiled.backward()

    assert compiled.loss == pytest.approx(root.data, rel=1e-15)
    assert float(compiled.gradient[0]) == pytest.approx(x.grad, rel=1e-14)


@targets
def test_rows_that_nest_deeply_are_written_in_several_lines(target, monkeypatch):
    """Ten functions in one another, forty times over, are more than Python's parser takes."""
    monkeypatch.setattr(ops, "TABLE", dict(ops.TABLE))

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

    row = as_function(primitive("nested", "x", forward=nested, partials=slope))
    w = y = Value(0.3)
    for _ in range(40):
        y = row(y)
    y.backward()

    compiled = compile_graph(y, target=target)

    assert compiled.backward() == pytest.approx(y.data, rel=1e-12)
    assert list(compiled.gradient) == pytest.approx([w.grad], rel=1e-12)


@targets
def test_a_row_that_compares_by_equality_is_refused(target, monkeypatch):
    """``==`` asks a Value, or a symbol, whether it is the same one: never, silently."""
    monkeypatch.setattr(ops, "TABLE", dict(ops.TABLE))
    safe = primitive(
        "safe_inverse", "1/x", forward=lambda xp, x: xp.where(x == 0.0, 0.0, xp.divide(1.0, x)),
        partials=lambda xp, out, x: (-out * out,),
    )  # fmt: skip

    with pytest.raises(SettingError, match="compares its input by =="):
        compile_graph(as_function(safe)(Value(0.0)) * 1.0, target=target)
