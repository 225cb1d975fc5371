"""Random programs, node for node against PyTorch in float64 and against micrograd.

Both are optional: without them these tests are skipped. The programs keep off kinks and poles; what
happens there is compared at the end, on the inputs that engines get wrong.
"""

import itertools
import math
from dataclasses import replace

import pytest

from tests import agreement
from tests.agreement import NASTY, assert_agree, differs, grad_of, nasty_program, tame_programs
from tests.programs import OPERATORS, ROWS, VALUES, Engine, Program, Step
from tinygrad_edu import Value, as_function
from tinygrad_edu.engine import ops


@pytest.fixture
def on_torch():
    """PyTorch, on tensors of one float64."""
    return agreement.torch_engine(pytest.importorskip("torch"))


@pytest.fixture
def micrograd():
    """The engine of micrograd."""
    return pytest.importorskip("micrograd.engine")


@pytest.mark.slow
@pytest.mark.promise(name="torch")
def test_10_000_programs_against_pytorch(on_torch, cases, measured):
    """Every row, every kind of operand, every shape: values and gradients agree to 1e-12."""
    assert_agree(tame_programs(cases), lambda program: differs(program, on_torch))
    measured(f"{cases:,} of {cases:,} agree")


def test_a_wrong_rule_would_be_found(on_torch):
    """Programs on an engine whose sin is off by 1e-11 differ, so the test above can fail."""

    def apply(row, *operands):
        out = on_torch.apply(row, *operands)
        return out * (1.0 + 1e-11) if row == "sin" else out

    wrong = Engine(on_torch.leaf, apply)

    assert any(differs(program, wrong) for program in tame_programs(100))


def test_2_000_programs_against_micrograd(micrograd):
    """The rows that micrograd has; its power takes no Value as exponent, so none is drawn."""
    rows = [row for row in (*OPERATORS, "relu") if row not in ("pow", "abs")]
    theirs = Engine(
        micrograd.Value,
        lambda row, *xs: xs[0].relu() if row == "relu" else OPERATORS[row][0](*xs),
    )

    assert_agree(tame_programs(2_000, rows), lambda program: differs(program, theirs))


@pytest.mark.parametrize("x", [-1.5, 0.7, 2.0])
@pytest.mark.parametrize("exponent", [2, 3, -1, -2.0])
def test_powers_against_micrograd(micrograd, x, exponent):
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
        theirs = [float(yours.data), *map(grad_of, tensors[:count])]
        if ours != pytest.approx(theirs, rel=1e-12, abs=1e-300, nan_ok=True):
            wrong.append(f"{row.name}{xs}: {ours}, PyTorch {theirs}")

    assert not wrong, "\n".join(wrong)


@pytest.mark.promise(name="nasty")
def test_nasty_programs_are_right_or_not_finite(on_torch, cases, measured):
    """No exception, nothing complex, nothing finite that neither PyTorch nor mpmath confirms."""
    for seed in range(cases):
        program = nasty_program(seed)
        assert agreement.verdict(program, on_torch) == "", program
    measured(f"0 exceptions, 0 complex, 0 finite but wrong in {cases:,}")


def divides_as_python(xp, x, y):
    """An exception where IEEE 754 has infinity."""
    raise ZeroDivisionError


WRONG = {
    "exception": replace(ops.DIV, forward=divides_as_python),
    "complex": ops.NEG,
    "finite but wrong": replace(ops.EXP, forward=lambda xp, x: min(xp.exp(x), 1.7e308)),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_nasty_program_that_goes_wrong_is_named(kind, on_torch, monkeypatch):
    """An exception, a complex number, a finite number where inf is right."""
    wrong = WRONG[kind]
    program = Program((710.0,), (Step(wrong.name, (0, 0)[: len(wrong.domain)]),))
    assert agreement.verdict(program, on_torch) == ""

    def apply(row, *xs):
        out = as_function(wrong)(*xs)
        out._data += 0j if kind == "complex" else 0.0  # no row can bring one in
        return out

    broken = VALUES._replace(apply=apply)
    monkeypatch.setattr(agreement.programs, "VALUES", broken)

    assert agreement.verdict(program, on_torch) == kind


def test_where_pytorch_is_wrong_mpmath_decides(on_torch):
    """tanh'(30) is 3.5e-26, which 1 - tanh(30)**2 has as 0."""
    program = Program((30.0,), (Step("tanh", (0,)),))

    assert agreement.verdict(program, on_torch) == ""
