"""Programs as files in C: they compile alone, without a warning, and train."""

import math
import re
import subprocess

import numpy as np
import pytest

from benchmarks.families import FAMILIES, Ours
from tests.c_compiler import SANITIZED, STRICT, built, needs_cc, printed
from tests.models import GRAPHS, ROWS, network
from tinygrad_edu import Value, maximum
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.compiler.c_file import comment, kernels_of
from tinygrad_edu.compiler.c_writer import HEADER

pytestmark = [pytest.mark.slow, needs_cc]
QUICK = ("MLP", "CNN as loops", "embeddings", "Hopfield", "attention")
SLOW = pytest.mark.slow
STEPS, RATE = 20, 0.01


def descent(program, rows=None, steps=STEPS, rate=RATE):
    """The losses before each step of gradient descent, in Python."""
    losses = []
    for _ in range(steps):
        losses.append(program.backward(rows))
        program.vector = program.vector - rate * program.gradient
    return losses


def with_rows(text, rows):
    """The file with these rows of data, each in braces."""
    lines = "".join(f"    {{{', '.join(map(repr, row))}}},\n" for row in rows)
    start = re.search(r"static const double data\[\]\[\d+\] = \{\n", text).end()
    return text[:start] + lines + text[text.index("};\nenum", start) :]


def losses_of(text, folder, flags=STRICT):
    """What the file prints."""
    return [float(line) for line in printed(built(text, folder, flags))]


@pytest.mark.parametrize(
    "family",
    [pytest.param(one, marks=[] if one.name in QUICK else SLOW) for one in FAMILIES],
    ids=lambda family: family.name,
)
def test_a_family_of_models_trains_as_in_python(family, tmp_path):
    """On rows of data or as a whole graph; nothing is read or written where it must not be."""
    program = Ours(family).program
    text, rows = program.write("c"), None
    if family.X is not None:
        rows = family.X[:5].tolist()
        text = with_rows(text, rows)

    losses = losses_of(text, tmp_path, SANITIZED)

    assert losses == pytest.approx(descent(program, rows), rel=1e-12, abs=1e-300)
    assert len(losses) == STEPS
    assert losses[-1] != losses[0]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "moons" else SLOW) for name in GRAPHS]
)
def test_a_whole_graph_trains_as_in_python(name, tmp_path):
    """Its data stand in it as constants."""
    program = compile_graph(GRAPHS[name][0](), target="numpy")

    losses = losses_of(program.write("c"), tmp_path, SANITIZED)

    assert losses == pytest.approx(descent(program), rel=1e-12)


@pytest.mark.parametrize("rows", [ROWS[:1], ROWS * 7])
@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_a_penalty_is_added_once_and_outputs_of_every_kind_have_room(reduce, rows, tmp_path):
    """The recorded row is in the file, and more can be put beside it."""
    program = network(11, reduce=reduce)
    text = program.write("c")
    text = with_rows(text, rows) if len(rows) > 1 else text

    losses = losses_of(text, tmp_path, SANITIZED)

    assert losses == pytest.approx(descent(program, rows), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "root",
    [
        lambda w, x: w,
        lambda w, x: x + 0.0 * w,
        lambda w, x: maximum(w * x, x),
        lambda w, x: w * w,
        lambda w, x: (w * x).exp() + w * w,
    ],
)
@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_the_loss_may_be_any_kind_of_number(root, reduce, tmp_path):
    """A parameter, an input, one number for each row, or the same for all rows."""
    w, x = Value(2.0), Value(1.0)
    program = compile_graph(root(w, x), [x], reduce, outputs=[x, w])
    rows = [[1.0], [-3.0], [0.5]]

    losses = losses_of(with_rows(program.write("c"), rows), tmp_path, SANITIZED)

    assert losses == pytest.approx(descent(program, rows), rel=1e-12)


def test_steps_and_rate_can_be_passed_and_other_words_are_refused(tmp_path):
    """By default 20 steps with a rate of 0.01; what is no number prints how to call it."""
    w = Value(3.0)
    step = built(compile_graph(w * w).write("c"), tmp_path)

    assert printed(step, 3, 0.25) == ["9", "2.25", "0.5625"]
    assert len(printed(step)) == 20
    assert printed(step, 0) == []
    for words in (["x"], ["3", "much"], ["3x"], ["3", "0.1", "2"]):
        done = subprocess.run([step, *words], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"usage: {step} [steps] [learning rate]\n"


@pytest.mark.parametrize(
    "number", [1.0 / 3.0, 1e-300, -1e300, 5e-324, math.inf, -math.inf, math.nan, -0.0]
)
def test_any_number_can_be_written(number, tmp_path):
    """In full, also infinities and nan."""
    w, x = Value(number), Value(number)
    whole = compile_graph(w * Value(number).detach())
    by_row = compile_graph(w + x, [x])

    losses = [printed(built(p.write("c"), tmp_path), 1)[0] for p in (whole, by_row)]

    np.testing.assert_equal([*map(float, losses)], [number * number, number + number + 0.0])


HOSTILE = [
    "*/ int main(void) { return 1; } /*",
    "**//",
    "/*/",
    "x\\",
    "*\\",
    "*??/",
    "a\n#error hostile",
    "a\r#error hostile",
    "a\u2028#error hostile",
    "\u202e abc \u2066",
    "a\0b",
    "\" '",
    "//\\",
    "*\\/ #",
]


@pytest.mark.parametrize("label", HOSTILE)
def test_labels_stay_in_the_comment(label, tmp_path):
    """Whatever they hold: ends and beginnings of comments, trigraphs, ends of lines."""
    w, x = Value(3.0, label), Value(2.0, label)
    program = compile_graph((w * x).exp() + w, [x])
    text = program.write("c")

    losses = losses_of(text, tmp_path, ("-std=c99", *STRICT[1:]))  # which has trigraphs

    assert comment(label.splitlines()[0].replace("#", ""))[3:-4] in text.partition("\n#include")[0]
    assert losses[0] == pytest.approx(math.exp(6.0) + 3.0)


@pytest.mark.parametrize("text", [*HOSTILE, "***///", "??" * 3 + "/", "*" * 5 + "/" * 5])
def test_a_comment_ends_where_it_ends(text):
    """One beginning, one end, and nothing that a compiler would read first."""
    written = comment(text)

    assert written.startswith("/* ")
    assert written.endswith(" */\n")
    inside = written[2:-3]
    assert not any(sign in inside for sign in ("*/", "/*", "??", "\\", "\0", "\r"))
    assert all(line.startswith("   ") for line in inside.splitlines()[1:] if line)


def test_only_what_is_called_is_in_the_file(tmp_path):
    """Neither sums nor products of matrices where a program needs none."""
    w, x = Value(3.0), Value(2.0)
    small = compile_graph(w * w).write("c")
    rows = compile_graph(w * x, [x]).write("c")

    assert "The sum of numbers" not in small
    assert "The sum of numbers" in rows
    assert "A tile of a product" not in rows
    assert "A tile of a product" in network(11).write("c")
    for calls in ("sum(", "product(", "sum( dot( product("):
        text = "\n".join([HEADER, *kernels_of(calls), "int main(void) { return 0; }\n"])
        built(text, tmp_path)


def test_a_saved_file_is_what_is_written(tmp_path):
    """By the ending of its name, whatever the program's target is."""
    program = network(4, target="python")

    path = program.save(tmp_path / "step.c")

    assert path.read_text(encoding="utf-8") == program.write("c")
