"""Random programs, node for node against PyTorch in float64 and against micrograd.

Both are optional: without them this file is skipped. Its programs keep off kinks and poles; what
happens there is compared at the end, on the inputs that engines get wrong.
"""

import itertools
import math

import pytest

from benchmarks.promises import agreement
from benchmarks.promises.agreement import NASTY, differs, programs_of_block, torch_grad
from tests.programs import OPERATORS, ROWS, Engine, shortest
from tinygrad_edu import Value, as_function
from tinygrad_edu.engine import ops

torch = pytest.importorskip("torch")
micrograd = pytest.importorskip("micrograd.engine")

BLOCKS = 20


def assert_same(programs, theirs, grad_of):
    """Fail with the shortest program that differs."""
    for program in programs:
        if differs(program, theirs, grad_of):
            cut = shortest(program, lambda part: differs(part, theirs, grad_of))
            pytest.fail(f"this program differs:\n{cut}")


@pytest.fixture
def on_torch():
    """PyTorch, on tensors of one float64."""
    return agreement.on_torch()


@pytest.mark.parametrize("block", range(BLOCKS))
def test_10_000_programs_against_pytorch(block, on_torch):
    """Every row, every kind of operand, every shape: values and gradients agree to 1e-12."""
    assert_same(programs_of_block(block, 10_000 // BLOCKS), on_torch, torch_grad)


def test_a_wrong_rule_would_be_found(on_torch):
    """Programs on an engine whose sin is off by 1e-11 differ, so the test above can fail."""

    def apply(row, *operands):
        out = on_torch.apply(row, *operands)
        return out * (1.0 + 1e-11) if row == "sin" else out

    wrong = Engine(on_torch.leaf, apply)

    assert any(differs(program, wrong, torch_grad) for program in programs_of_block(0, 100))


@pytest.mark.parametrize("block", range(4))
def test_2_000_programs_against_micrograd(block):
    """The rows that micrograd has; its power takes no Value as exponent, so none is drawn."""
    rows = [row for row in (*OPERATORS, "relu") if row not in ("pow", "abs")]
    theirs = Engine(
        micrograd.Value,
        lambda row, *xs: xs[0].relu() if row == "relu" else OPERATORS[row][0](*xs),
    )

    assert_same(programs_of_block(block, 500, rows), theirs, lambda v: v.grad)


@pytest.mark.parametrize("x", [-1.5, 0.7, 2.0])
@pytest.mark.parametrize("exponent", [2, 3, -1, -2.0])
def test_powers_against_micrograd(x, exponent):
    """A number as exponent, of bases on both sides of 0."""
    ours, theirs = Value(x), micrograd.Value(x)

    (ours**exponent).backward()
    (theirs**exponent).backward()

    assert ours.grad == pytest.approx(theirs.grad, rel=1e-15)


@pytest.mark.parametrize("row", [ops.TABLE[name] for name in ROWS], ids=lambda row: row.name)
def test_nasty_inputs_against_pytorch(row, on_torch):
    """Zeros of both signs, subnormals, huge numbers, infinities, nan, in every position.

    Which slope a kink has at nan is anybody's choice: there the values alone are compared.
    """
    points = [(x,) for x in NASTY] if len(row.domain) == 1 else itertools.product(NASTY, NASTY)
    wrong = []

    for xs in points:
        values, tensors = [Value(x) for x in xs], [on_torch.leaf(x) for x in xs]
        mine, yours = as_function(row)(*values), on_torch.apply(row.name, *tensors)
        mine.backward()
        yours.backward()
        count = 0 if row.kinks and any(map(math.isnan, xs)) else len(xs)
        ours = [mine.data, *(v.grad for v in values[:count])]
        theirs = [float(yours.data), *map(torch_grad, tensors[:count])]
        if ours != pytest.approx(theirs, rel=1e-12, abs=1e-300, nan_ok=True):
            wrong.append(f"{row.name}{xs}: {ours}, PyTorch {theirs}")

    assert not wrong, "\n".join(wrong)
