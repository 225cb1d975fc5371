"""The memory of programs: where it begins, and what it holds."""

import pytest

from tinygrad_edu.compiler.memory import ALIGNED, Memory, address, numbers


@pytest.mark.parametrize("count", [0, 1, 7, 8, 1000])
def test_stores_begin_with_a_line_of_the_cache_and_hold_zeros(count):
    """Of any length; each has numbers of its own."""
    one, other = Memory.of(count)
    one[:] = numbers(count)

    assert len(one) == len(other) == count
    assert [*one, *other] == [0.0] * (2 * count)
    assert address(one) % ALIGNED == 0
    assert not count or address(one) != address(other)


def test_a_part_of_a_store_is_the_same_memory():
    """What is written to the part is in the whole, at the address that C is told."""
    whole = numbers(5)
    part = whole[2:4]

    part[0] = 7.0

    assert [*whole] == [0.0, 0.0, 7.0, 0.0, 0.0]
    assert address(part) == address(whole) + 2 * 8
