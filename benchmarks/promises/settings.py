"""The promises that the suites of tests/ keep: asked there, so that nothing is written twice."""

from __future__ import annotations

from benchmarks.promises.promise import Finding, suite

TRAPS = ("tests/system/test_traps.py",)
SHAPES = ("tests/nn/test_layers.py", "tests/nn/test_losses.py", "tests/train")
SETTINGS = ("tests/nn", "tests/train", "tests/diagnose")
OPERANDS = ("tests/engine/test_value_semantics.py",)


def traps(_: int) -> Finding:
    """The eight situations, each with the wrong answer that it could give."""
    return _ask(*TRAPS)


def shapes(_: int) -> Finding:
    """Too few or too many inputs, to whatever takes several."""
    words = ("wrong_number", "batch", "wrong_place", "single_input", "as_many", "length", "lengths")
    return _ask(*SHAPES, "-k", f"({' or '.join(words)}) and not scikit_learn")


def settings(_: int) -> Finding:
    """Learning rates, widths, data."""
    words = ("refused", "width", "at_least_one", "no_parameters", "empty", "is_an_error")
    return _ask(*SETTINGS, "-k", " or ".join(words))


def operands(_: int) -> Finding:
    """What is no number, at construction and in arithmetic."""
    return _ask(*OPERANDS, "-k", "refused")


def _ask(*words: str) -> Finding:
    count, faults = suite(words)
    return Finding(f"{count - len(faults)} of {count} tests pass", faults)
