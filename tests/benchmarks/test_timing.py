"""Timings alternate, and memory counts what lives."""

import doctest
import gc

import pytest

from benchmarks import timing, workloads
from benchmarks.timing import bytes_held, collector, in_turns


@pytest.mark.parametrize("module", [timing, workloads])
def test_examples_in_docstrings_hold(module):
    """The benchmarks are no part of the package, whose doctests run by themselves."""
    result = doctest.testmod(module)

    assert result.attempted > 0
    assert result.failed == 0


def test_blocks_alternate_and_drop_their_first_step():
    """Two contenders take turns, block by block; the first step of each is not counted."""
    order = []
    contenders = {"a": (lambda: order.append("a"), 3), "b": (lambda: order.append("b"), 2)}

    seconds = in_turns(contenders, rounds=2, collecting=True)

    assert "".join(order) == "aaabbaaabb"
    assert [len(block) for blocks in seconds.values() for block in blocks] == [2, 2, 1, 1]


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_is_as_asked_inside_and_as_before_outside(on):
    """Even after an exception."""
    inside = []

    def fail() -> None:
        with collector(on):
            inside.append(gc.isenabled())
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert inside == [on]
    assert gc.isenabled()


def test_bytes_held_counts_what_lives_and_not_what_died():
    """A megabyte that is returned counts; one that is dropped does not."""
    kept, size = bytes_held(lambda: bytes(bytearray(1_000_000)))

    assert 1_000_000 <= size < 1_010_000
    assert len(kept) == 1_000_000
