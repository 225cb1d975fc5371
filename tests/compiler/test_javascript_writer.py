"""JavaScript: as pictured, in functions that V8 takes, and each helper as the engine computes."""

import inspect
import itertools
import json
import math
from random import Random

import pytest

from tests.engine.test_ieee import SPECIAL, same
from tests.interpreter import interpreted
from tests.models import matrix, numbers
from tests.tapes import picture, read
from tests.targets import NODE
from tests.written import node
from tinygrad_edu import Value
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.compiler.adjoint import gradient
from tinygrad_edu.compiler.javascript_writer import (
    HELPERS,
    LONGEST,
    JavaScript,
    javascript_functions,
    javascript_text,
)
from tinygrad_edu.compiler.loops import Loop, Ref, apply
from tinygrad_edu.compiler.plan import plan_of_numbers
from tinygrad_edu.engine import ieee
from tinygrad_edu.engine.ops import MUL


def test_the_functions_are_as_pictured():
    """One statement for each loop without axes."""
    before, after = picture(javascript_functions)
    plan = plan_of_numbers(read("%0 = parameter\n%1 = parameter\n%2 = mul %0 %1\nreturn %2"))
    backward = [*gradient(plan)]

    functions, lists = javascript_functions(plan.forward, backward, JavaScript(0))

    assert f"{plan}\n\n" + "\n".join(map(str, backward)) == before
    assert "\n\n".join(functions) == after
    assert lists == ["const forwardPass = [forward_0];", "const backwardPass = [backward_0];"]


def test_a_product_is_as_pictured():
    """A product of matrices is a call; one of few numbers is a loop."""
    before, after = picture(JavaScript.multiplied)
    weights, data = Ref("u", ("r", "k"), 0, (64, 1)), Ref("i", ("k",), 0, (1,))
    loop = apply({"r": 32, "k": 64}, Ref("b", ("r",), 0, (1,)), [weights, data], MUL)
    small = apply({"r": 1, "k": 2}, Ref("u", (), 7), [weights, Ref("u", ("k",), 3, (1,))], MUL)

    assert str(loop) == before
    assert inspect.cleandoc("\n".join(JavaScript(64).lines(loop))) == after
    assert JavaScript(64).lines(small)[1] == "    let total = 0.0;"


def test_long_programs_are_cut_into_functions():
    """V8 does not make machine code of long ones."""
    steps = [f"%{i} = mul %{i - 1} %{i - 1}" for i in range(1, 5 * LONGEST)]
    tape = read("\n".join(["%0 = parameter", *steps, f"return %{len(steps)}"]))

    text = javascript_text(tape, plan_of_numbers(tape), "mean")

    pieces = text.split("\n\n")
    assert sum(piece.startswith("function forward_") for piece in pieces) == 5
    assert max(len(piece.splitlines()) for piece in pieces if "ward_" in piece) < LONGEST + 10


def test_what_is_not_called_is_not_written():
    """A helper that no loop calls."""
    w, x = Value(2.0), Value(1.0)

    text = compile_graph((w**2.5).relu() * x, [x], target="python").write("javascript")

    assert [name for name in HELPERS if f"function {name}(" in text] == ["maximum", "power"]


PRODUCTS = """
const worst = [];
const range = (n) => Array.from({ length: n }, (_, i) => i);
const size = 40;
for (const R of [1, 2, 3, 4, 5, 8, 9]) for (const C of [1, 2, 3, 6]) for (const K of [1, 2, 7]) {
    for (const turned of range(8)) for (const add of [false, true]) {
        const steps = (way, high, wide) => (turned & way ? [1, high] : [wide, 1]);
        const [zR, zC] = steps(1, R, C), [pR, pK] = steps(2, R, K), [qK, qC] = steps(4, K, C);
        const x = Float64Array.from(range(R * K + 1), (i) => Math.sin(i + 1));
        const y = Float64Array.from(range(K * C + 2), (i) => Math.cos(3 * i));
        const out = Float64Array.from(range(R * C + 5), (i) => i / 7), right = out.slice();
        for (const r of range(R)) for (const c of range(C)) {
            let total = add ? out[3 + zR * r + zC * c] : 0;
            for (const k of range(K)) total += x[1 + pR * r + pK * k] * y[2 + qK * k + qC * c];
            right[3 + zR * r + zC * c] = total;
        }
        product(R, C, K, add, out, 3, zR, zC, x, 1, pR, pK, y, 2, qK, qC);
        worst.push(Math.max(...range(out.length).map((i) => Math.abs(out[i] - right[i]))));
    }
}
console.log(JSON.stringify(worst));
"""


@NODE
@pytest.mark.parametrize(
    ("fault", "by"), [("", ""), ("R - 1), r2", "R), r2"), ("t1 += x1 * y1", "t1 += x1 * y0")]
)
def test_products_of_any_shape_and_order_are_those_of_plain_loops(fault, by):
    """Also of numbers of rows that are not divisible by four; and a fault is noticed."""
    assert fault in HELPERS["product"]
    worst = json.loads(node("-e", HELPERS["product"].replace(fault, by, 1) + PRODUCTS))

    assert len(worst) == 7 * 4 * 3 * 8 * 2
    assert (max(x or 0.0 for x in worst) == 0.0 and None not in worst) == (not fault)


def calls(some):
    """What JavaScript gives for calls of the engine's functions at points, in full."""
    functions = {**JavaScript.functions, "power": "power", "maximum": "maximum"}
    functions |= {"minimum": "minimum", "divide": "((x, y) => x / y)"}
    texts = [
        f"{functions[name]}({', '.join(JavaScript(0).literal(x) for x in xs)})" for name, xs in some
    ]
    script = "\n".join(HELPERS.values()) + "for (const x of [%s]) console.log(%s)"
    show = "Object.is(x, -0) ? '-0.0' : String(x)"
    return [float(x) for x in node("-e", script % (", ".join(texts), show)).split()]


@NODE
@pytest.mark.parametrize(
    "name", [*JavaScript.functions, "power", "divide", "maximum", "minimum"], ids=str
)
def test_every_function_gives_what_the_engine_gives(name):
    """To two ulps: zeros of either sign, subnormals, limits of the range, inf, nan, pairs."""
    arity = 2 if name in ("power", "divide", "maximum", "minimum") else 1
    points = [*itertools.product(SPECIAL, repeat=arity)]
    points += [tuple(Random(i).gauss(0.0, 3.0) for _ in range(arity)) for i in range(200)]

    found = calls([(name, xs) for xs in points])

    right = [getattr(ieee, name)(*xs) for xs in points]
    assert [xs for xs, f, r in zip(points, found, right, strict=True) if not same(f, r)] == []


@NODE
def test_powers_of_javascript_itself_would_differ(monkeypatch):
    """1 to the nan, and -1 to the infinity, so that the helper is needed."""
    some = [("power", (1.0, math.nan)), ("power", (-1.0, math.inf))]
    assert calls(some) == [1.0, 1.0]
    monkeypatch.setitem(HELPERS, "power", "const power = Math.pow;")

    assert all(map(math.isnan, calls(some)))


@NODE
def test_a_sum_over_rows_and_places_is_a_sum_of_products():
    """As in a convolution, whose weights meet every place of every row."""
    w, x = matrix(4, 9), numbers(40)
    windows = [x[at : at + 9] for at in range(0, 31)]
    sums = [
        sum((a * b for a, b in zip(one, some, strict=True)), Value(0.5).detach())
        for one in w
        for some in windows
    ]
    root = sum(total.tanh() for total in sums)
    rows = [[math.sin(i * (r + 1)) for i in range(40)] for r in range(6)]

    program = compile_graph(root, x, target="javascript")

    right, slopes = interpreted(root, x, rows)
    for _ in range(2):
        assert program.backward(rows) == pytest.approx(right, rel=1e-12)
    found = dict(zip(program.parameters, program.gradient, strict=True))
    assert found == pytest.approx(slopes, rel=1e-11)
    assert any(isinstance(loop, Loop) and len(loop.axes) > 2 for loop in program.plan.backward)
