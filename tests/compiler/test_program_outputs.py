"""Outputs: one number per row and output, and a loss that is the same with and without them."""

import numpy as np
import pytest

from tinygrad_edu import Value, exp
from tinygrad_edu.compiler import compile_graph

ROWS = [[1.0, 2.0], [-0.5, 3.0], [2.0, 0.25]]


class Sample:
    """A sample with a penalty and sums inside sums; each name is an output to ask for."""

    def __init__(self, w=0.7, v=-1.2, x=1.0, t=2.0):
        self.w, self.v, self.x, self.t = Value(w, "w"), Value(v, "v"), Value(x, "x"), Value(t, "t")
        self.unused = Value(3.0, "unused")
        self.constant = Value(4.0).detach()
        self.folded = self.constant * self.constant
        self.product = self.w * self.x
        self.penalty = 0.5 * self.w * self.w + self.v * self.v
        self.inner = self.product + self.penalty
        self.inside = self.inner - exp(self.v)
        self.loss = self.inside + (self.v * self.x - self.t) ** 2
        self.beside = self.unused * self.x
        self.again = (
            self.inner + self.penalty
        )  # the inner sum is read once more, by an output alone
        self.shared = exp(self.v) * self.x


NAMES = [
    name for name, node in vars(Sample()).items() if isinstance(node, Value) and name != "inputs"
]
CASES = [[name] for name in NAMES] + [
    [],
    ["inner", "inner"],
    ["loss", "x", "w", "constant", "loss"],
    NAMES,
]


def by_hand(reduce):
    """Loss and gradient of the rows; what depends on no input is added once."""
    some = [Sample(x=x, t=t) for x, t in ROWS]
    scale = 1.0 / len(some) if reduce == "mean" else 1.0
    of_rows = [s.product + (s.v * s.x - s.t) ** 2 for s in some]
    once = some[0].penalty - exp(some[0].v)
    for loss in of_rows:
        loss.backward(scale)
    once.backward()
    gradient = {name: sum(getattr(s, name).grad for s in some) for name in ("w", "v")}
    return sum(loss.data for loss in of_rows) * scale + once.data, gradient


@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize("names", CASES, ids=",".join)
def test_outputs_change_neither_loss_nor_gradient(anywhere, reduce, names):
    """Inputs, parameters, constants, the loss, parts of its sums, and what it never reads."""
    sample = Sample()
    asked = [getattr(sample, name) for name in names]

    program = compile_graph(
        sample.loss, [sample.x, sample.t], reduce=reduce, target=anywhere, outputs=asked
    )
    program.backward(ROWS)

    loss, gradient = by_hand(reduce)
    assert program.loss == pytest.approx(loss, rel=1e-13)
    found = {p.label: g for p, g in zip(program.parameters, program.gradient, strict=True)}
    assert found.pop("unused", 0.0) == 0.0
    assert found == pytest.approx(gradient, rel=1e-13)
    expected = [[getattr(Sample(x=x, t=t), name).data for name in names] for x, t in ROWS]
    assert isinstance(program.outputs(), np.ndarray)
    assert program.outputs().shape == (3, len(names))
    np.testing.assert_allclose(program.outputs(), expected, rtol=1e-13)
    program.forward(ROWS[:1])
    assert program.loss != loss
    assert program.outputs().shape == (1, len(names))


@pytest.mark.parametrize("names", CASES, ids=",".join)
def test_a_whole_graph_has_outputs_of_one_row(anywhere, names):
    """Also single precision's, where there is one."""
    sample = Sample()
    asked = [getattr(sample, name) for name in names]
    wanted = [node.data for node in asked]

    program = compile_graph(sample.loss, target=anywhere, outputs=asked)
    program.backward()
    found = program.outputs()

    assert found.shape == (1, len(names))
    np.testing.assert_allclose(found, [wanted], rtol=1e-13)
    program.vector = program.vector * 2.0
    program.backward()
    np.testing.assert_allclose(found, [wanted], rtol=1e-13)  # a copy, which the next run leaves


def test_single_precision_has_outputs_of_its_own():
    """float32, in the same shape, of whatever kinds."""
    sample = Sample()
    asked = [getattr(sample, name) for name in NAMES]

    program = compile_graph(sample.loss, [sample.x, sample.t], dtype="float32", outputs=asked)
    program.backward(ROWS)

    assert program.outputs().dtype == np.float32
    expected = [[getattr(Sample(x=x, t=t), name).data for name in NAMES] for x, t in ROWS]
    np.testing.assert_allclose(program.outputs(), expected, rtol=1e-5)


def test_the_loss_of_each_row_is_an_output_like_others(anywhere):
    """With its penalty, though the program adds that once; and where no row matters to the loss."""
    w, x = Value(2.0), Value(1.0)
    loss = w * x + w * w

    program = compile_graph(loss, [x], target=anywhere, reduce="sum", outputs=[loss])

    assert program.forward([[1.0], [3.0]]) == 12.0
    assert program.outputs().tolist() == [[6.0], [10.0]]
    alone = compile_graph(w * w, [x], target=anywhere, reduce="sum", outputs=[w * x])
    assert alone.backward([[1.0], [3.0]]) == 4.0
    assert [*alone.gradient] == [4.0]
    assert alone.outputs().tolist() == [[2.0], [6.0]]
