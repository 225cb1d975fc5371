"""Code with the names of the equations is the same code."""

import numpy as np

from tests.compiler.test_equations import mlp
from tests.models import GRAPHS
from tinygrad_edu import Value, compile_graph
from tinygrad_edu.compiler import numpy_backend


def run(program, source):
    """Loss and gradients by a source, from the numbers of a program."""
    names = {
        name: getattr(np, name) for name in numpy_backend.FUNCTIONS.split() if hasattr(np, name)
    }
    names |= {helper.__name__: helper for helper in numpy_backend.HELPERS}
    names |= {"sum": np.add.reduce, "reduceat": np.add.reduceat, "inf": np.inf, "nan": np.nan}
    backend = program.backend
    names |= {name: bind for bind in backend.binds for name, bind in bind.__globals__.items()}
    exec(source, names)
    du = np.zeros_like(backend.u)
    space = backend.space
    db = np.zeros_like(space.db)
    forward, backward = names["bind"](backend.u.copy(), du, space.b.copy(), db, space.x.T.copy())
    if backend.kind.per_row:
        db[backend.root] = 1.0 / len(space.x)
    else:
        du[backend.root] = 1.0
    forward()
    backward()
    return du[: len(program.vector)]


def test_a_layer_reads_as_its_equation():
    """Weights, biases and inputs have their names, gradients a d before it."""
    source = mlp(target="numpy")[0].source

    assert "W1 = u[0:6].reshape((3, 2))" in source
    assert "matmul(W1, X, out=A1)" in source
    assert "matmul(dA1, X_T, out=dW1)" in source


def test_what_is_shown_computes_what_runs():
    """The named code, run by itself, has the same gradient to the last bit."""
    for program, rows in [
        mlp(target="numpy"),
        *[(compile_graph(graph(), target="numpy"), None) for graph, _ in GRAPHS.values()],
    ]:
        program.backward(rows)

        assert run(program, program.source).tolist() == program.gradient.tolist()


def test_labels_that_are_no_names_in_python_are_made_some():
    """And one that is a function of NumPy's gets a number."""
    w = [Value(0.5, "exp") for _ in range(3)]
    v = [Value(0.5, "my weights") for _ in range(3)]
    lambdas = [Value(0.5, "lambda") for _ in range(3)]
    loss = sum((a * b).tanh() + c.exp() for a, b, c in zip(w, v, lambdas, strict=True))

    source = compile_graph(loss, target="numpy").source

    assert "exp_2 = u[" in source
    assert "my_weights = u[" in source
    assert "lambda_2 = u[" in source
    compile(source, "source", "exec")
