"""The graphs that the tests of figures draw, and those of explanations explain."""

from random import Random

from tests.programs import VALUES, random_program
from tinygrad_edu import Value, nn, topological_order

LOOSE = ("add", "sub", "mul", "maximum", "neg", "relu")  # these have partials of 0, and ties


def neuron():
    """Das and Varma's worked neuron, after a backward pass."""
    numbers = {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0}
    w0, x0, w1, x1, w2 = (Value(number, name) for name, number in numbers.items())
    return backward((w0 * x0 + w1 * x1 + w2).sigmoid())


def shared():
    """x feeds three operations, one of them twice; a constant, a labelled result."""
    x, w = Value(1.5, "x"), Value(-2.0, "w")
    root = (x * x + w * x).tanh() + x * 3.0
    root.label = "L"
    return backward(root)


def network(sizes=(3, 1), inputs=2, samples=1):
    """The mean squared error of a small network, after a backward pass."""
    model = nn.MLP(inputs, list(sizes), activation="tanh", rng=Random(0))
    rng = Random(1)
    X = [[Value(rng.gauss(0.0, 1.0), f"x{i}") for i in range(inputs)] for _ in range(samples)]
    return backward(sum((model(x) - 1.0) ** 2 for x in X))


def backward(root):
    """The root, after its backward pass."""
    root.backward()
    return root


def meeting(seed, rows=LOOSE, steps=9):
    """A value and the root above it in a small random graph, in which many paths meet."""
    rng = Random(seed)
    registers = random_program(rng, leaves=2, steps=steps, rows=rows, reach=4).run(VALUES)
    root = registers[-1]
    return rng.choice(topological_order(root)), root


def doubled(x, times, step):
    """x after so many steps that use it twice."""
    for _ in range(times):
        x = step(x)
    return x


def square(label="x"):
    """label * label, after a backward pass; the result is called so, too."""
    x = Value(3.0, label)
    root = x * x
    root.label = label
    return backward(root)
