"""What the stages ask of a tape: kinds, uses, and the terms of a chain of additions."""

import pytest

from tests.tapes import read
from tinygrad_edu.compiler.tape import Kind, terms_of, uses_of

CHAIN = """\
%0 = parameter
%1 = input
%2 = constant 3
%3 = neg %0
%4 = sub %1 %3
%5 = mul %0 %0
%6 = sub %5 %4
%7 = add %6 %2
return %7"""


def test_kinds_tell_what_has_a_number_for_each_row():
    """What depends on an input has one, whatever else it depends on."""
    kinds = read(CHAIN).kinds

    assert [kind.name for kind in kinds[:3]] == ["PARAMETER", "INPUT", "CONSTANT"]
    assert [kind.per_row for kind in kinds[3:]] == [False, True, False, True, True]
    assert [kind.store for kind in kinds] == ["u", "i", "u", "u", "b", "u", "b", "b"]


@pytest.mark.parametrize("other", [Kind.UNBATCHED, Kind.CONSTANT, Kind.BATCHED, Kind.INPUT])
def test_a_weight_comes_before_what_it_weighs(other):
    """The order of kinds puts a parameter on the left of any product."""
    assert other > Kind.PARAMETER


def test_uses_count_readers_and_twice_more_a_result():
    """So a result is never taken for part of something else."""
    uses, reader = uses_of(read(CHAIN))

    assert uses == [3, 1, 1, 1, 1, 1, 1, 2]
    assert reader == [5, 4, 7, 4, 6, 6, 7, -1]


def test_the_terms_of_a_chain_have_their_signs_in_order():
    """(a·a − (x − (−a))) + 3 is a·a − x − a + 3: two minus signs and a negation."""
    tape = read(CHAIN)

    terms, chain = terms_of(tape, 7, [op is not None and op.name != "mul" for op in tape.ops])

    assert terms == [(1, 5), (-1, 1), (-1, 0), (1, 2)]
    assert sorted(chain) == [3, 4, 6, 7]
