"""Random programs, node for node against PyTorch in float64 and against micrograd.

Both are optional: without them this file is skipped. Its programs keep off kinks and poles; what
happens there is compared at the end, on the inputs that engines get wrong.
"""

import itertools
import math
from random import Random

import naive
import pytest
from programs import NAIVE, OPERATORS, ROWS, VALUES, Engine, engine, random_program, shortest

from tinygrad_edu import Value, as_function, ops

torch = pytest.importorskip("torch")
micrograd = pytest.importorskip("micrograd.engine")

BLOCKS = 20
SHAPES = (None, 1, 2, 5, 12)
NASTY = (0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 1e-310, 5e-324, 1e300, -1e-300, 710.0, -745.0)
NASTY = (*NASTY, math.inf, -math.inf, math.nan)


def programs_of_block(block, count, rows=ROWS):
    """Programs of all shapes; the number of the block and of the program is the seed."""
    for i in range(count):
        rng = Random(f"{block}/{i}")
        yield random_program(
            rng,
            leaves=rng.randint(1, 5),
            steps=rng.randint(1, 30),
            rows=rows,
            reach=rng.choice(SHAPES),
            constants=rng.choice((0.0, 0.2, 0.5)),
            repeats=rng.choice((0.0, 0.3)),
            bound=4.0,  # beyond, PyTorch's 1 - tanh² has fewer than 12 digits
        )


def differs(program, theirs, grad_of):
    """Whether any register's value or any leaf's gradient is off by more than 1e-12.

    Gradients in units of the sum of the sizes of their terms, since that is what the rounding
    errors of either engine are proportional to.
    """
    ours, other = program.run(VALUES), program.run(theirs)
    ours[-1].backward()
    other[-1].backward()
    sizes = naive.sensitivities((numbers := program.run(NAIVE))[-1])
    leaves = list(zip(ours, other, numbers, strict=True))[: len(program.leaves)]
    return any(abs(v.data - float(o.data)) > 1e-12 for v, o in zip(ours, other, strict=True)) or (
        any(abs(v.grad - grad_of(o)) > 1e-12 * sizes.get(n, 0.0) for v, o, n in leaves)
    )


def assert_same(programs, theirs, grad_of):
    """Fail with the shortest program that differs."""
    for program in programs:
        if differs(program, theirs, grad_of):
            cut = shortest(program, lambda part: differs(part, theirs, grad_of))
            pytest.fail(f"this program differs:\n{cut}")


@pytest.fixture
def on_torch():
    """PyTorch, on tensors of one float64."""

    def leaf(x):
        return torch.tensor(x, dtype=torch.float64, requires_grad=True)

    def function(name):
        theirs = {"softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x))}
        f = theirs.get(name) or getattr(torch, name)
        return lambda *xs: f(*(torch.as_tensor(x, dtype=torch.float64) for x in xs))

    class Functions:
        """Its functions, which don't take plain numbers."""

        def __getattr__(self, name):
            return function(name)

    return engine(leaf, Functions())


def torch_grad(tensor):
    """PyTorch has None for a leaf that the result does not depend on."""
    return 0.0 if tensor.grad is None else float(tensor.grad)


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
