"""Programs as files: they run alone, and give the bits of the program they were written from."""

import math
import subprocess
import sys
from random import Random

import numpy as np
import pytest

from tests import programs
from tests.models import GRAPHS, ROWS, network, results
from tests.samples import random_sample
from tests.targets import NODE
from tests.written import all_ran, node, ran
from tinygrad_edu import Value
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.compiler.languages import LANGUAGES
from tinygrad_edu.course import fault
from tinygrad_edu.engine.errors import FileError, SettingError

NAMES = [language.name for language in LANGUAGES if language.suffix != ".c"]
languages = pytest.mark.parametrize(
    "language", [pytest.param(name, marks=NODE) if name == "javascript" else name for name in NAMES]
)


@languages
@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_rows_give_the_same_bits(language, reduce):
    """The numbers are those the program has now; a penalty is added once."""
    program = network(40, target=language, reduce=reduce)
    program.vector = program.vector * 1.25

    text = program.write(language)

    assert ran(language, text, ROWS) == results(program, ROWS)
    assert ran(language, text) == results(program, ROWS[:1])


@languages
def test_a_program_is_written_in_other_languages_than_its_own(language, target):
    """Whatever it runs on, to rounding."""
    program = network(40, target=target)

    found = ran(language, program.write(language), ROWS)

    for mine, right in zip(found, results(program, ROWS), strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-12, atol=1e-15)


@languages
def test_random_graphs_and_samples(language):
    """All rows of the table, with constants; whole graphs and samples on rows."""
    cases, right = [], []
    for seed in range(60):
        random = programs.random_program(Random(seed), steps=30, constants=0.3, bound=4.0)
        registers = random.run(programs.VALUES)
        try:
            program = compile_graph(registers[-1], target=language)
        except SettingError:  # no leaf below it
            continue
        cases.append((program.write(language), None))
        right.append(results(program))
    for seed in range(60):
        sample = random_sample(seed, programs.ROWS)
        if made := sample.compiled(language):
            cases.append((made[0].write(language), sample.rows))
            right.append(results(made[0], sample.rows))

    assert all_ran(language, cases) == right


def test_single_precision_is_written_as_such():
    """And gives the bits of single precision."""
    program = network(40, target="numpy", dtype="float32")

    assert ran("numpy", program.write("numpy"), ROWS) == results(program, ROWS)


@pytest.mark.parametrize("number", [1e-300, -1e300, float("inf"), float("nan"), -0.0])
@languages
def test_any_number_can_be_written(language, number):
    """In full, also infinities and nan, which Python has no literals for."""
    parameters = [Value(number) for _ in range(50)]
    program = compile_graph(sum(p * Value(number).detach() for p in parameters), target=language)

    np.testing.assert_equal(ran(language, program.write(language)), results(program))


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


@pytest.mark.parametrize("language", ["python", "numpy"])
def test_a_file_refuses_rows_of_another_width(language):
    """As the program does."""
    text = network(40, target=language).write(language)

    with pytest.raises(ValueError, match="each row must have 3 numbers"):
        ran(language, text, [[1.0]])


USES = """
    for (const [X, rows] of [[[1.0]], [[]], [[1.0, 2.0, 3.0], 2], [[1.0, 2.0, 3.0], 1.5]]) {
        try { program.forward(X, rows); console.log("taken"); }
        catch (error) { console.log(`${error.name}: ${error.message}`); }
    }
"""


@NODE
def test_a_module_refuses_numbers_that_are_no_rows(tmp_path):
    """Too few, none, and another number of rows than there are."""
    (tmp_path / "step.mjs").write_text(network(40, target="python").write("javascript"))
    uses = f'import {{ create }} from "./step.mjs"; const program = create(); {USES}'
    (tmp_path / "uses.mjs").write_text(uses)

    lines = node(tmp_path / "uses.mjs").splitlines()

    assert [line.partition(": ")[0] for line in lines] == ["RangeError"] * 4
    assert lines[2] == "RangeError: 2 rows of 3 numbers are not 3 numbers"


@NODE
def test_a_saved_module_runs_alone_and_prints_the_loss(tmp_path):
    """As a file, by a link to it, and from standard input; and prints nothing when imported."""
    program = network(40, target="javascript")
    path = program.save(tmp_path / "step.js")
    text = path.read_text(encoding="utf-8")
    (tmp_path / "step.mjs").write_text(text, encoding="utf-8")
    (tmp_path / "link.mjs").symlink_to("step.mjs")
    loss = program.forward(ROWS[:1])

    printed = [node(tmp_path / name) for name in ("step.mjs", "link.mjs")]
    printed.append(node("--input-type=module", text=text))

    assert text == program.write("javascript")
    assert [float(line) for line in printed] == [loss] * 3
    imported = "import { create } from '%s'; console.log(typeof create);"
    assert node("--input-type=module", "-e", imported % (tmp_path / "step.mjs")) == "function\n"


USE = """
    import { create } from "./step.mjs";
    const [one, other] = [create(), create()];
    const plain = [0.1, 0.7, -0.2, 1.5, -0.3, 0.4], typed = Float64Array.from(plain);
    one.parameters.fill(0.5);
    const said = [one.backward(plain), one.backward(typed), one.backward(typed, 2)];
    const outputs = one.outputs();
    one.parameters[0] = 9.0;
    other.forward(plain.slice(3));
    console.log(said.every((loss) => loss === said[0]), one.gradient instanceof Float64Array);
    console.log(one.gradient.length === one.parameters.length, outputs.length === 2 * 4);
    console.log(outputs.every((x, at) => x === one.outputs()[at]), other.outputs().length === 4);
    console.log(other.backward(plain) === create().backward(plain), other.parameters[0] !== 0.5);
    const small = one.forward(typed.subarray(3));
    one.forward(Array(30).fill(0.1));
    console.log(small === one.forward(plain.slice(3)), one.outputs().length === 4);
"""


@NODE
def test_programs_of_a_module_are_on_their_own(tmp_path):
    """They begin with the same numbers; rows come as either array, in any number."""
    (tmp_path / "step.mjs").write_text(network(40, target="python").write("javascript"))
    (tmp_path / "use.mjs").write_text(USE)

    assert node(tmp_path / "use.mjs").split() == ["true"] * 10


HOSTILE = ["*/", "*/ throw 1; /*", "a\nthrow 1;", "a\rthrow 1", "a\u2028throw 1;\u2029throw 2;"]
HOSTILE += ["`${throw 1}`", "</script><script>alert(1)</script>", "<!-- <script>", '"; throw 1; //']


@NODE
@pytest.mark.parametrize("label", HOSTILE)
def test_labels_stay_in_comments(label):
    """Whatever they hold: the end of a comment, of a line, of a text, or of a script in a page."""
    w, x = Value(3.0, label), Value(2.0, label)
    program = compile_graph((w * x).tanh(), [x], target="javascript")

    text = program.write("javascript")

    assert "</script" not in text.lower()
    assert "<!--" not in text
    assert label.splitlines()[0].strip("<!")[:4] in text
    assert ran("javascript", text)[0] == program.forward([[2.0]])
    assert program.loss == pytest.approx(math.tanh(6.0))


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

    assert ran(language, program.write(language)) == results(program)
