"""Each pass does what its picture shows, and changes no number."""

from random import Random

import pytest

from tests import programs
from tests.tapes import picture, read
from tinygrad_edu import Value
from tinygrad_edu.compiler import program, record
from tinygrad_edu.compiler.passes import drop_dead, fold_constants, share_rows, split_penalty
from tinygrad_edu.engine import ieee

every_pass = pytest.mark.parametrize("change", program.PASSES)


@every_pass
def test_a_pass_is_as_pictured(change):
    """What it makes of Before is After; and of After, nothing else."""
    before, after = picture(change)

    assert str(read(before)) == before
    assert str(change(read(before))) == after
    assert str(change(read(after))) == after


def test_passes_one_after_the_other():
    """Constants are folded, the second exp is the first, and what that leaves over is gone."""
    w, x = Value(2.0), Value(3.0)
    loss = w.exp() * x + w.exp() * (Value(2.0).detach() * 3.0)

    tape = drop_dead(share_rows(fold_constants(record(loss, [x])[0])))

    assert str(tape).splitlines() == [
        "%0 = parameter",
        "%1 = exp %0",
        "%2 = input",
        "%3 = mul %1 %2",
        "%4 = constant 6",
        "%5 = mul %1 %4",
        "%6 = add %3 %5",
        "return %6",
    ]


def test_a_penalty_is_taken_out_of_the_sum():
    """What depends on no input is added once; subtracted, it is negated."""
    w, x = Value(2.0), Value(3.0)

    tape = split_penalty(record(w * x - w * w, [x])[0])

    assert str(tape).splitlines()[-2:] == ["%5 = neg %3", "return %2 + %5"]


def test_a_sum_that_is_read_twice_stays_whole():
    """A penalty inside it would otherwise be lost to its other reader."""
    w, x = Value(2.0), Value(3.0)
    total = w * x + w * w
    twice = str(record(total.exp() + total, [x])[0])

    assert str(split_penalty(read(twice))) == twice


@every_pass
def test_a_pass_changes_no_number(change):
    """Each pass on its own: the recomputed root is the recorded one, bit for bit."""
    for seed in range(100):
        root = programs.random_program(Random(seed), constants=0.5).run(programs.VALUES)[-1]
        tape = change(record(root)[0])
        numbers = list(tape.data)
        for slot, op in enumerate(tape.ops):
            if op is not None:
                numbers[slot] = op.forward(ieee, *[numbers[s] for s in tape.operands(slot)])
        assert numbers[tape.root] == root.data
