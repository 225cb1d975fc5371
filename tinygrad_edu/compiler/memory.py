"""What a backend is given: the instructions of a program, and memory that any target can use."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import NamedTuple

from tinygrad_edu.compiler.plan import Plan
from tinygrad_edu.compiler.tape import Tape

ALIGNED = 64  # bytes: a line of the processor's cache, and the widest register


def numbers(count: int) -> memoryview[float]:
    """Make room for so many numbers, which are 0; it begins where a line of the cache does."""
    room = (ctypes.c_char * (8 * count + ALIGNED))()
    start = -ctypes.addressof(room) % ALIGNED
    return memoryview(room).cast("B")[start : start + 8 * count].cast("d")


def address(store: memoryview[float]) -> int:
    """Return where a store of ``numbers`` begins."""
    return ctypes.addressof(ctypes.c_char.from_buffer(store)) if len(store) else 0


class Memory(NamedTuple):
    """Numbers that belong to no row of data, the parameters first, and their gradients."""

    u: memoryview[float]
    du: memoryview[float]

    @classmethod
    def of(cls, count: int) -> Memory:
        """Make room for so many of each."""
        return cls(numbers(count), numbers(count))


def parts(store: memoryview[float], count: int) -> list[memoryview[float]]:
    """Cut a store into parts of so many numbers each."""
    return [store[at : at + count] for at in range(0, len(store), count)]


@dataclass(frozen=True)
class Work:
    """A program to be made ready to run on a target."""

    tape: Tape
    plan: Plan
    columns: int  # of the rows of data
    reduce: str
    dtype: str
    memory: Memory

    @property
    def vectors(self) -> tuple[memoryview[float], memoryview[float]]:
        """Return the parts of the memory that hold the parameters, and their gradients."""
        count = len(self.plan.parameters)
        return self.memory.u[:count], self.memory.du[:count]
