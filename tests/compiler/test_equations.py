"""Equations print themselves, and compute what they say."""

from random import Random

import numpy as np
import pytest

from benchmarks.families import FAMILIES, Ours
from tests.compiler.test_program_layers import network
from tests.latex import errors_of, needs_katex
from tests.models import GRAPHS
from tinygrad_edu import Value, compile_graph, nn
from tinygrad_edu.compiler import Equations, recording
from tinygrad_edu.engine.errors import LengthError


def mlp(widths=(2, 3, 2), loss=nn.cross_entropy, rng=None, **settings):
    """The program of one sample, and rows of data for it."""
    rng = rng or Random(0)
    model = nn.MLP(widths[0], list(widths[1:]), rng=rng)
    x = [Value(rng.random()) for _ in range(widths[0])]
    with recording():
        t = [Value(float(i == 0)) for i in range(widths[-1])]
        root = loss(model(x), t)
    rows = [
        [*(rng.uniform(-1.0, 1.0) for _ in x), *(float(i == n % len(t)) for i in range(len(t)))]
        for n in range(4)
    ]
    return compile_graph(root, [*x, *t], **settings), rows


def differences(program, rows=None):
    """How far loss and gradients that the equations compute are from those of the program."""
    loss = program.backward(rows)
    found = program.equations.evaluate(rows)
    largest = max(1e-300, *abs(program.gradient))
    apart = [
        np.abs(found.get("∂L/∂" + name, 0.0) - gradient).max() / largest
        for name, gradient in program.gradients.items()
    ]
    return [abs(found["L"] - loss) / max(abs(loss), 1e-300), *apart]


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_printed_is_what_runs_in_every_model(name):
    """Computed from the equations alone, loss and gradients are those of the program."""
    assert max(differences(compile_graph(GRAPHS[name][0]()))) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_what_is_printed_is_what_runs_in_every_family(family):
    """Seventeen kinds of models, recurrent, convolutional, with gathers and with softmaxes."""
    ours = Ours(family)

    assert max(differences(ours.program, ours.rows)) < 1e-12


@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_what_is_printed_is_what_runs_over_rows(reduce):
    """n is the number of rows."""
    assert max(differences(*mlp(reduce=reduce))) < 1e-12
    assert max(differences(*mlp(loss=nn.mse, reduce=reduce))) < 1e-12


def test_every_name_is_defined_before_it_is_used_and_means_one_array():
    """In the order of the lines."""
    for graph, _ in GRAPHS.values():
        equations = compile_graph(graph()).equations
        known = {array.name for array in (*equations.given, *equations.learned)} | {"n"}
        known |= {table.name for table in equations.tables}
        parts = set()
        for line in (*equations.steps, *equations.gradients):
            names = set(line.names)
            assert line.reads <= known | parts, str(line)
            assert line.accumulate == (not names.isdisjoint(known | parts)), str(line)
            (known if line.table is None else parts).update(names)


def test_matrices_are_views_of_the_vector_and_of_the_gradient():
    """Under the names of the equations; a bias is a vector."""
    program, rows = mlp()
    program.backward(rows)

    assert {name: one.shape for name, one in program.matrices.items()} == {
        "W1": (3, 2),
        "b1": (3,),
        "W2": (2, 3),
        "b2": (2,),
    }
    program.matrices["b2"][:] = [7.0, 8.0]
    program.gradients["W1"] = 0.0

    assert [program.vector.tolist().count(number) for number in (7.0, 8.0)] == [1, 1]
    assert (program.gradient == 0.0).sum() >= 6


def test_shapes_are_shown():
    """Of what is given, of what is learned, and of each line."""
    text = mlp()[0].equations.text.splitlines()

    assert text[:2] == ["given: X (n×2), T (n×2)", "learned: W1 (3×2), b1 (3), W2 (2×3), b2 (2)"]
    assert text[2] == "each row of T sums to 1"
    assert text[3].split("  ")[0] == "A1 = X W1ᵀ + b1"
    assert text[3].endswith(" n×3")


def test_names_are_the_labels_of_the_learner():
    """Of weights, hidden values and single numbers; b2 stays b2."""
    rng = Random(1)
    w1 = [[Value(rng.random(), f"W1[{i}][{j}]") for j in range(3)] for i in range(2)]
    b2 = [Value(rng.random(), "b2") for _ in range(2)]
    gain = Value(1.5, "gain")
    x = [Value(rng.random(), f"x{j}") for j in range(3)]
    h = [
        sum((w * v for w, v in zip(row, x, strict=True)), b) for row, b in zip(w1, b2, strict=True)
    ]
    h = [v.tanh() for v in h]
    for i, v in enumerate(h):
        v.label = f"h{i}"
    program = compile_graph((h[0] * gain - h[1]) ** 2, x)

    assert program.equations.forward[:2] == ("A1 = X W1ᵀ + b2", "h = tanh(A1)")
    assert set(program.matrices) == {"W1", "b2", "gain"}


@pytest.mark.parametrize(
    "label", ["A1", "Z1", "s1", "L", "n", "p1", "T", "Y", "ΔA1", "∂L/∂W1", "Δ"]
)
def test_a_label_that_is_a_name_of_ours_leaves_each_name_one_array(label):
    """Of a bias, of weights, and of what is computed."""
    w = [[Value(0.1 * i + j, label) for j in range(3)] for i in range(3)]
    b, x = Value(0.5, label), [Value(1.0) for _ in range(3)]
    h = [(sum(a * c for a, c in zip(row, x, strict=True)) + b).tanh() for row in w]
    h[0].label = h[1].label = h[2].label = label
    program = compile_graph(sum(v * v for v in h), x)
    names = [name for line in program.equations.steps for name in line.names]

    assert len({*names, *program.matrices}) == len(names) + len(program.matrices)
    assert max(differences(program, [[1.0, 2.0, 3.0], [0.1, 0.2, 0.3]])) < 1e-12


def test_targets_that_do_not_sum_to_1_are_told_or_counted():
    """Of data it is said, and the numbers are those of the program; constants are looked at."""
    program, rows = mlp()
    rows[0][-1] = 0.7
    assert program.equations.assumed == ("T",)
    assert max(differences(program, rows)) < 1e-12

    model = nn.MLP(2, [3, 2], rng=Random(0))
    z = model([0.5, 1.0])
    graph = compile_graph((z[0].exp() + z[1].exp()).log() - (z[0] * 0.5 + z[1] * 0.9))

    assert "log Y" not in graph.equations.text
    assert max(differences(graph)) < 1e-12


def values(*numbers, label=""):
    """Values of these numbers, labelled one after another if there is a label."""
    return [Value(x, f"{label}{i}" if label else "") for i, x in enumerate(numbers)]


PLACES = {
    "equal constants in a sum": lambda: (
        sum(1.0 - v.cos() for v in values(0.1, 0.2, label="w")) / 2.0
    ),
    "and in one that is multiplied": lambda: (
        sum(1.0 - v * v for v in values(0.1, 0.2)) * Value(3.0, "g")
    ),
    "two for each": lambda: sum(v.exp() + 2.0 for v in values(0.1, 0.2, 0.5)),
    "a grid of logits": lambda: nn.cross_entropy(
        [p * q for p in values(0.1, 0.2) for q in values(0.3, 0.4)], 1
    ),
    "an outer product of logits": lambda: nn.cross_entropy(
        [p * q for q in values(0.3, 0.4, label="b") for p in values(0.1, 0.2, label="a")], 2
    ),
    "a parameter": lambda: Value(2.0, "a"),
    "a parameter twice": lambda: sum([Value(2.0, "a")] * 2),
}


@pytest.mark.parametrize("name", PLACES)
def test_what_is_printed_is_what_runs_at_the_edges(name):
    """Where numbers stand for many, or a result is a leaf."""
    program = compile_graph(PLACES[name]())

    assert max(differences(program)) < 1e-12
    assert "∂L/∂" in program.equations.text


def test_matrices_are_views_where_biases_lie_between_their_rows():
    """What is written to them is in the vector."""
    w = [[Value(0.1 * i + j, "W") for j in range(3)] for i in range(2)]
    b, x = values(1.0, 2.0, label="b"), [Value(0.5) for _ in range(3)]
    penalty = sum(v * v for row, c in zip(w, b, strict=True) for v in (*row, c))
    out = [
        sum((v * y for v, y in zip(row, x, strict=True)), c) for row, c in zip(w, b, strict=True)
    ]
    program = compile_graph(sum(v.tanh() for v in out) + penalty * 0.01, x)

    program.matrices["W"] = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]

    assert {1.0, 2.0, 3.0, 4.0, 5.0, 6.0} <= {*program.vector.tolist()}
    program.push()
    assert [[v.data for v in row] for row in w] == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def test_a_loss_that_is_a_sum_of_products_has_its_gradient():
    """The result's own gradient is a number, and no factor of a product of matrices."""
    w, x = [Value(2.0), Value(3.0)], [Value(0.0), Value(0.0)]
    program = compile_graph(w[0] * x[0] + w[1] * x[1], x)

    assert program.equations.backward == ("∂L/∂W1 = Σ_rows X / n",)
    assert max(differences(program, [[1.0, 2.0], [3.0, 5.0]])) < 1e-12


@pytest.mark.parametrize("rows", [None, [1.0], [[1.0, 2.0, 3.0]], []])
def test_rows_that_do_not_fit_are_refused(rows):
    """In the words of backward."""
    with pytest.raises(LengthError):
        mlp()[0].equations.evaluate(rows)


class Scores(nn.Module):
    """How much each row of data asks for each other one."""

    def __init__(self):
        self.query, self.key = nn.Layer(3, 2, rng=Random(1)), nn.Layer(3, 2, rng=Random(2))

    def forward(self, rows):
        """The product of each query and each key."""
        q, k = [self.query(x) for x in rows], [self.key(x) for x in rows]
        return [sum(a * b for a, b in zip(u, v, strict=True)) for u in q for v in k]


def test_layers_that_lie_side_by_side_have_names_of_their_own():
    """Query and key of an attention head read the same rows, but are two matrices."""
    scores = Scores()([[Random(i).random() for _ in range(3)] for i in range(4)])

    forward = compile_graph(sum(s * s for s in scores)).equations.forward

    assert forward[:3] == ("A1 = X W1ᵀ + b1", "A2 = X W2ᵀ + b2", "A3 = A2 A1ᵀ")


def test_das_and_varma_stand_beside_them():
    """Whose samples are columns."""
    pairs = dict(mlp()[0].equations.beside_the_book())

    assert pairs["A1 = X W1ᵀ + b1"] == "A = WZ + B"
    assert pairs["Z1 = max(A1, 0)"] == "Z = f(A)"
    assert pairs["ΔA1 = ΔZ1 ⊙ [A1 > 0]"] == "Δ = f′(A) ⊙ WᵀΔ"
    assert pairs["∂L/∂W1 = ΔA1ᵀ X"] == "∂L/∂W = ΔZᵀ"
    assert pairs["∂L/∂b1 = Σ_rows ΔA1"] == "∂L/∂B = Δ"


def test_a_notebook_shows_latex_if_there_are_equations():
    """With indices below, transposes above, and the shape at the end of a line."""
    equations = mlp()[0].equations

    assert equations._repr_latex_().startswith("$\\displaystyle \\begin{aligned}")
    assert r"A_{1} &= X \, W_{1}^{\top} + b_{1} && n \times 3 \\" in equations.latex.splitlines()
    assert Equations()._repr_latex_() == ""


@needs_katex
def test_latex_of_every_model_is_rendered():
    """By KaTeX at its strictest: powers, choices, tables, names with spaces and underscores."""
    strange = Value(2.0, "learning rate_x^2 & co"), Value(3.0, "é_1{}\\")
    program = compile_graph((strange[0] ** strange[1] * 1e-7 + abs(strange[1]) ** 0.5).sqrt())
    pages = [program.equations.latex, mlp()[0].equations.latex]
    pages += [compile_graph(graph()).equations.latex for graph, _ in GRAPHS.values()]
    pages += [Ours(family).program.equations.latex for family in FAMILIES]
    pages += [compile_graph(network(Random(seed))[0]).equations.latex for seed in range(40)]

    assert errors_of(pages) == []
