"""The tests of the table and the engine notice small changes of either."""

import ast
import json

import pytest

from benchmarks import mutation


@pytest.mark.promise(name="mutation")
def test_97_percent_of_the_mutants_are_killed(measured):
    """In the last run of ``python -m benchmarks mutation``, if it saw the sources as they are."""
    if not mutation.RESULTS.exists():
        pytest.skip("run `python -m benchmarks mutation` first")
    figures = json.loads(mutation.RESULTS.read_text(encoding="utf-8"))
    if figures["sources"] != mutation.digest():
        pytest.skip("the sources have changed since `python -m benchmarks mutation` last ran")

    assert figures["score"] >= 0.97, figures["survivors"]
    measured(f"{figures['score']:.1%}, {figures['killed']} of {figures['mutants']} mutants killed")


@pytest.mark.slow
def test_mutants_are_changes_of_one_place():
    """Each is Python, differs from the source and from the others, and says what it changes."""
    every = mutation.mutants()

    assert len(every) > 250
    assert len({(m.file, m.source) for m in every}) == len(every)
    assert {m.file for m in every} == set(mutation.SOURCES)
    for m in every[::10]:
        ast.parse(m.source)
        before, after = m.what.split(" -> ", 1)
        assert before.partition(": ")[2] != after
