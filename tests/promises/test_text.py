"""Whatever is typed, the expression parser and the command line answer in words and in time."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from tests.promises import fuzz
from tinygrad_edu import Value

ROOT = Path(__file__).parents[2]


@pytest.mark.promise(name="text")
def test_fuzzed_strings_are_arithmetic_or_refused_in_words(cases, measured):
    """Within a second and 512 MiB each, in a process with so little memory."""
    command = [sys.executable, "tests/promises/fuzz.py", str(cases)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr[-500:]
    figures = json.loads(done.stdout)
    assert figures["faults"] == []
    assert cases < 500 or cases / 10 < figures["accepted"] < cases * 9 / 10
    measured(figures["measured"])


def test_what_must_be_accepted_is():
    """Arithmetic of any length, unless it stands in too many brackets."""
    assert all(fuzz.judged(fuzz.arithmetic(Random(i))) == (True, "") for i in range(100))


@pytest.mark.parametrize(
    "text",
    ["x.data", "print(x)", "exp(x=1)", "z", "exp", "(x, y)", "x < y", "True", "1j", "'x'", "x[0]"],
)
def test_the_whitelist_of_the_fuzzer_refuses_what_is_not_arithmetic(text):
    """It is written anew, so that the parser is not judged by itself."""
    assert not fuzz.is_arithmetic(text)
    assert fuzz.is_arithmetic("(exp)(x) + -y**2 / 3.5")


@pytest.mark.parametrize("text", ["x.data", "(lambda: x)()", "x is y", "x.exp()"])
def test_a_parser_that_accepts_too_much_is_noticed(text, monkeypatch):
    """Whatever it makes of the text."""
    monkeypatch.setattr(fuzz, "evaluate", lambda text, given: (Value(1.0), {}))

    assert fuzz.judged(text) == (True, "it is not arithmetic")
    assert fuzz.judged("x * 2") == (True, "")


def test_what_runs_is_heard(monkeypatch):
    """An import, an open, an exec in the parser are each a fault."""

    def careless(text, given):
        with suppress(ImportError):
            exec(text)
        return Value(1.0), {}

    monkeypatch.setattr(fuzz, "evaluate", careless)

    for text in ("import this_is_not_there", "open('/dev/null').close()", "exec('1')"):
        assert fuzz.judged(text)[1].startswith("it ran ")
