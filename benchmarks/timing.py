"""Fair timing of two contenders in one process: in turns, in blocks, collector on or off.

A graph with reference cycles costs little while it is built and much when the collector meets it
later. So contenders run in blocks of several steps, in which the garbage of one step is there
during the next, as in a training loop; what a block leaves behind is collected before the other's
begins, outside the clock; and the first step of a block, which starts clean, is dropped.

Other work on the machine comes and goes. So the clock is the CPU time of this process; and since
blocks that follow each other meet the same weather, a ratio is taken within each round, and the
median of these is reported.
"""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, TypeVar

T = TypeVar("T")
Step = Callable[[], Any]


class Disagreement(Exception):
    """A contender gave another answer: there is nothing to compare."""


@contextmanager
def collector(on: bool) -> Iterator[None]:
    """Switch the garbage collector on or off; what is alive now no longer counts for it."""
    before = gc.isenabled()
    gc.collect()
    gc.freeze()
    (gc.enable if on else gc.disable)()
    try:
        yield
    finally:
        (gc.enable if before else gc.disable)()
        gc.unfreeze()


def in_turns(
    contenders: Mapping[str, tuple[Step, int]], rounds: int, *, collecting: bool
) -> dict[str, list[list[float]]]:
    """CPU seconds of every step but the first, block by block.

    Parameters
    ----------
    contenders : for each name a step, and how many of them make a block (at least 2)
    rounds : int, blocks of each contender
    collecting : bool, whether the garbage collector runs within a block

    Returns
    -------
    dict of lists, one for each round, of float

    Examples
    --------
    >>> from benchmarks.timing import in_turns
    >>> seconds = in_turns({"a": (dict, 3), "b": (list, 2)}, rounds=2, collecting=True)
    >>> {name: [len(block) for block in blocks] for name, blocks in seconds.items()}
    {'a': [2, 2], 'b': [1, 1]}
    """
    seconds: dict[str, list[list[float]]] = {name: [] for name in contenders}
    title = f"  collector {'on' if collecting else 'off'}"
    with collector(collecting):
        for _ in progress(range(rounds), title):
            for name, (step, size) in contenders.items():
                gc.collect()
                seconds[name].append(_block(step, size)[1:])
    return seconds


def _block(step: Step, size: int) -> list[float]:
    """CPU seconds of each step. What it leaves behind is collected after the block, if at all:
    where the collector is off, the memory that garbage takes is its maker's own cost."""
    times = []
    for _ in range(size):
        start = process_time()
        step()
        times.append(process_time() - start)
    return times


def ratio(slow: Sequence[Sequence[float]], fast: Sequence[Sequence[float]]) -> float:
    """How many times as long ``slow`` takes: the median of the rounds' ratios of medians.

    Examples
    --------
    >>> from benchmarks.timing import ratio
    >>> ratio([[4.0], [40.0], [400.0]], [[2.0], [20.0], [1.0]])
    2.0
    """
    return median(median(a) / median(b) for a, b in zip(slow, fast, strict=True))


@contextmanager
def empty_cache() -> Iterator[None]:
    """Let the compiler of C find nothing in its cache, as on a machine that never ran it."""
    before = os.environ.get("XDG_CACHE_HOME")
    with TemporaryDirectory() as room:
        os.environ["XDG_CACHE_HOME"] = room
        try:
            yield
        finally:
            del os.environ["XDG_CACHE_HOME"]
            if before is not None:
                os.environ["XDG_CACHE_HOME"] = before


def bytes_held(build: Callable[[], T]) -> tuple[T, int]:
    """What ``build`` returns, and the bytes it holds as ``tracemalloc`` counts them."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        built = build()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return built, after - before


def progress(steps: Iterable[T], title: str) -> Iterable[T]:
    """The same steps, with a tqdm bar where tqdm is installed."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return steps
    bar: Iterable[T] = tqdm(steps, desc=title, leave=False)
    return bar
