"""detect_anomaly: the first nan or infinity is an error that says where it was born."""

import inspect
import math
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

import tinygrad_edu
from tests.programs import VALUES, random_program
from tinygrad_edu import Value, detect_anomaly, grad
from tinygrad_edu.engine.anomaly import source_line
from tinygrad_edu.engine.context import HERE, Block, Context, Watcher, here
from tinygrad_edu.engine.errors import AnomalyError

INF = math.inf


@pytest.mark.parametrize(
    ("build", "what"),
    [
        (lambda: Value(0.0, "x").log(), "log became -inf."),
        (lambda: Value(-1.0, "x").sqrt(), "sqrt became nan."),
        (lambda: Value(1000.0, "x").exp(), "exp became inf."),
        (lambda: 1.0 / Value(0.0, "x"), "div became inf."),
        (lambda: Value(INF) - INF, "sub became nan."),
        (lambda: Value(-8.0) ** (1.0 / 3.0), "pow became nan."),
        (lambda: Value(math.nan) + 1.0, "add became nan."),
    ],
)
def test_the_first_value_that_is_not_finite_is_an_error(build, what):
    """At the operation that made it, by name."""
    with pytest.raises(AnomalyError) as caught, detect_anomaly():
        build()

    assert str(caught.value).splitlines()[0] == what


def test_an_anomaly_of_a_value_is_described():
    """The inputs with their numbers, the file, line and text that built the node, the advice."""
    x, y = Value(1.0, "x"), Value(0.0)

    with pytest.raises(AnomalyError) as caught, detect_anomaly():
        _ = x / y  # the culprit

    line = inspect.currentframe().f_lineno - 2
    assert str(caught.value) == (
        "div became inf.\n"
        "  Inputs : x = 1, leaf = 0\n"
        f"  Where  : test_anomaly.py:{line}: _ = x / y  # the culprit\n"
        "  Fix    : keep the inputs where div and its slope are finite, or clip them before it."
    )


def test_an_anomaly_of_a_gradient_is_described():
    """The node in whose rule it arose, both factors, and the line of the forward pass."""
    x = Value(0.0, "x")

    with detect_anomaly():
        root = x.sqrt()
        line = inspect.currentframe().f_lineno - 1
        with pytest.raises(AnomalyError) as caught:
            (root * 3.0).backward()

    assert str(caught.value) == (
        "the gradient of x became inf in sqrt: upstream 3 times slope inf.\n"
        "  Inputs : x = 0\n"
        f"  Where  : test_anomaly.py:{line}: root = x.sqrt()\n"
        "  Fix    : keep the inputs where sqrt and its slope are finite, or clip them before it."
    )


@pytest.mark.parametrize(
    ("x", "build", "cotangent", "what"),
    [
        (0.0, lambda x: (x * 5.0).sqrt(), 1.0, "mul became inf in sqrt"),  # x gets an inf after it
        (0.1, lambda x: x * 1e308 + x * 1e308, 1.0, "x became inf"),  # of two finite products
        *((1.0, lambda x: x * 2.0, c, f"mul became {c}") for c in (INF, -INF, math.nan)),
    ],
)
def test_the_gradient_nearest_to_the_root_is_named(x, build, cotangent, what):
    """The first in the walk is the cause: of a slope, of a sum, or the cotangent itself."""
    leaf = Value(x, "x")

    with detect_anomaly():
        root = build(leaf)
        with pytest.raises(AnomalyError, match=f"the gradient of {what}"):
            root.backward(cotangent)

    assert leaf.grad == 0.0


def test_grad_of_a_function_is_watched_too():
    """The slope of sqrt at 0 is infinite, whoever asks."""
    with detect_anomaly(), pytest.raises(AnomalyError, match="became inf"):
        grad(Value.sqrt)(0.0)


def test_grad_of_grad_is_not_an_anomaly_where_it_returns_a_finite_number():
    """x³ at -2 has the second derivative -12; the exponent has no slope there, but x has."""
    with detect_anomaly():
        second = grad(grad(lambda x: x**3))(-2.0)

    assert second == -12.0


def test_another_thread_is_not_watched():
    """The block belongs to the thread that opened it; a thread that watches opens its own."""
    with detect_anomaly(), ThreadPoolExecutor(1) as pool:
        unwatched = pool.submit(Value(-1.0).log).result()

    assert math.isnan(unwatched.data)


def test_the_gradient_of_a_constant_is_not_an_anomaly():
    """(-2)**3 has no slope in its exponent, which is a number and needs none."""
    x = Value(-2.0)

    with detect_anomaly():
        (x**3).backward()

    assert x.grad == 12.0


def test_a_line_built_outside_is_not_known():
    """The error says so, and names the rule none the less."""
    x = Value(0.0, "x")
    root = x.sqrt()

    with pytest.raises(AnomalyError, match="became inf in sqrt") as caught, detect_anomaly():
        root.backward()

    assert "Where  : built outside detect_anomaly(), so its line is not known" in str(caught.value)


@pytest.mark.parametrize("seed", range(10))
def test_what_is_finite_passes_unchanged(seed):
    """Values and gradients are those of a run without detect_anomaly."""
    plain, watched = (random_program(Random(seed)) for _ in range(2))
    registers = plain.run(VALUES)
    registers[-1].backward()

    with detect_anomaly():
        same = watched.run(VALUES)
        same[-1].backward()

    assert [(v.data, v.grad) for v in same] == [(v.data, v.grad) for v in registers]


def test_outside_the_block_nothing_is_watched():
    """Before it, after it, and after an error in it."""
    with pytest.raises(AnomalyError), detect_anomaly():
        Value(0.0).log()

    assert Value(0.0).log().data == -INF
    assert here().watchers == ()


def test_blocks_can_be_nested():
    """After the inner block the outer one still watches."""
    with detect_anomaly():
        with detect_anomaly():
            Value(1.0).log()

        with pytest.raises(AnomalyError, match="log became -inf"):
            Value(0.0).log()


def test_another_watcher_goes_on_watching():
    """What was installed before hears of every node, comparison and walk inside the block."""
    heard = []

    class Listener(Watcher):
        built = compared = walked = lambda self, what, *more: heard.append(what)

    with Block(Listener()), detect_anomaly():
        x = Value(2.0)
        y = x * x
        assert y > x
        y.backward()

    assert heard == [y, y, [x, y]]


def test_each_node_remembers_its_line():
    """The line is added to the name of the module at work; a node built outside has none."""
    x = Value(2.0)
    outside, token = x * x, HERE.set(Context("mlp.layer0"))

    with detect_anomaly():
        inside = x * x

    line = inspect.currentframe().f_lineno - 2
    HERE.reset(token)
    assert inside.origin.partition("@")[0] == "mlp.layer0"
    assert source_line(inside) == f"test_anomaly.py:{line}: inside = x * x"
    assert source_line(outside) == ""


def test_the_line_is_the_callers_also_through_the_functions_of_the_package():
    """Free functions, operators, sum, and the rooms of the package are not where it was born."""
    with detect_anomaly():
        nodes = [tinygrad_edu.exp(Value(1.0)), 2.0 - Value(1.0), sum([Value(1.0)])]
        nodes.append(tinygrad_edu.nn.Neuron(1)([1.0]))

    assert {source_line(node).split(":")[0] for node in nodes} == {"test_anomaly.py"}
