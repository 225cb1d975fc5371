"""Programs as files: they run alone, and give the bits of the program they were written from."""

import itertools
import subprocess
import sys
from random import Random

import numpy as np
import pytest

from tests import programs
from tests.models import GRAPHS, ROWS, network, results
from tests.samples import random_sample
from tinygrad_edu import Value
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.compiler.languages import LANGUAGES
from tinygrad_edu.course import fault
from tinygrad_edu.engine.errors import FileError, SettingError

NAMES = [language.name for language in LANGUAGES if language.suffix == ".py"]
languages = pytest.mark.parametrize("language", NAMES)


def ran(text, rows=None):
    """What the function in a file gives, as plain lists."""
    names = {"__name__": "written"}
    exec(compile(text, "written.py", "exec"), names)
    loss, gradient, outputs = names["run"](names["rows"] if rows is None else rows)
    return loss, np.asarray(gradient).tolist(), np.asarray(outputs).tolist()


@languages
@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_rows_give_the_same_bits(language, reduce):
    """The numbers are those the program has now; a penalty is added once."""
    program = network(40, target=language, reduce=reduce)
    program.vector = program.vector * 1.25

    text = program.write(language)

    assert ran(text, ROWS) == results(program, ROWS)
    assert ran(text) == results(program, ROWS[:1])


@languages
def test_a_program_is_written_in_other_languages_than_its_own(language, target):
    """Whatever it runs on, to rounding."""
    program = network(40, target=target)

    found = ran(program.write(language), ROWS)

    for mine, right in zip(found, results(program, ROWS), strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-12)


@languages
def test_random_graphs_and_samples(language):
    """All rows of the table, with constants; whole graphs and samples on rows."""
    for seed in range(60):
        random = programs.random_program(Random(seed), steps=30, constants=0.3, bound=4.0)
        registers = random.run(programs.VALUES)
        try:
            program = compile_graph(registers[-1], target=language)
        except SettingError:  # no leaf below it
            continue
        assert ran(program.write(language)) == results(program)
    for seed in itertools.takewhile(lambda seed: seed < 60, itertools.count()):
        sample = random_sample(seed, programs.ROWS)
        if made := sample.compiled(language):
            program, _ = made
            found = ran(program.write(language), sample.rows)
            assert found[:2] == results(program, sample.rows)[:2]


def test_single_precision_is_written_as_such():
    """And gives the bits of single precision."""
    program = network(40, target="numpy", dtype="float32")

    assert ran(program.write("numpy"), ROWS) == results(program, ROWS)


@pytest.mark.parametrize("number", [1e-300, -1e300, float("inf"), float("nan"), -0.0])
@languages
def test_any_number_can_be_written(language, number):
    """In full, also infinities and nan, which Python has no literals for."""
    parameters = [Value(number) for _ in range(50)]
    program = compile_graph(sum(p * Value(number).detach() for p in parameters), target=language)

    np.testing.assert_equal(ran(program.write(language)), results(program))


@pytest.mark.parametrize(("target", "alone"), [("python", ["-I", "-S"]), ("numpy", ["-I"])])
def test_a_saved_file_runs_alone_and_prints_the_loss(target, alone, tmp_path):
    """In the language of the program's target, without this package (and without any other)."""
    program = network(40, target=target)
    path = program.save(tmp_path / "step.py")

    found = subprocess.run(
        [sys.executable, *alone, "-W", "error", path],
        capture_output=True,
        check=True,
        cwd=tmp_path,
        text=True,
    )

    assert found.stdout == f"{program.forward(ROWS[:1])}\n"
    assert path.read_text() == program.write(target)
    assert ("numpy" in path.read_text().lower()) == (target == "numpy")


@languages
def test_a_file_refuses_rows_of_another_width(language):
    """As the program does."""
    text = network(40, target=language).write(language)

    with pytest.raises(ValueError, match="each row must have 3 numbers"):
        ran(text, [[1.0]])


def test_what_can_not_be_written_is_refused(tmp_path):
    """Another language, another ending, a folder; and what runs a graph has no code."""
    program = network(40)

    with pytest.raises(SettingError, match="language is 'pyhton'") as caught:
        program.write("pyhton")
    assert all(repr(name) in str(caught.value) for name in NAMES)
    with pytest.raises(SettingError, match=r"'step\.exe' does not end as a program"):
        program.save("step.exe")
    with pytest.raises(FileError):
        program.save(tmp_path / "missing" / "step.py")
    with fault("uphill step"):
        program = network(40)
        with pytest.raises(SettingError, match="this program has no code"):
            program.write("python")


@languages
@pytest.mark.parametrize("name", GRAPHS)
def test_every_model_is_written(language, name):
    """Whatever its code calls is in the file."""
    program = compile_graph(GRAPHS[name][0](), target=language)

    assert ran(program.write(language)) == results(program)
