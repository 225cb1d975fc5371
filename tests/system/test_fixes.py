"""What a Fix line says works: its code is run where the error was, and raises nothing."""

import ast
import re

import pytest

from tinygrad_edu.engine.errors import TinygradEduError

COMMON = """
import math, random, tinygrad_edu
from random import Random
from tinygrad_edu import *
from tinygrad_edu import compiler, course, diagnose, nn, train
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.course.gpt import GPT
from tinygrad_edu.expression import evaluate
from tinygrad_edu.train import Adam, SGD, fit, load

w, x = Value(0.5, "w"), Value(2.0, "x")
loss, root = w * x, w * x
model = nn.MLP(2, [3, 1], rng=Random(0))
X, y = [[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0]
squared = lambda out, t: (out - t) * (out - t)
"""

OWN = """
from tinygrad_edu.engine import ieee as xp
from tinygrad_edu.engine.ops import Primitive

condition, yes, no, x, y = True, 1.0, 2.0, 0.5, 1.5

def own(f, v=w):
    return as_function(Primitive("own", "f", forward=f, partials=lambda xp, out, x: (1.0,)))(v)
"""

# for each error: what comes before it, and the expression that raises it
ERRORS = {
    "a Value in math.exp": ("v = w", "math.exp(v)"),
    "a label that is a number": ("", "Value(1.0, label=5)"),
    "backward from constants": ("", "(Value(3.0).detach() * 2.0).backward()"),
    "a list as a number": ("xs = [1.0, 2.0]", "Value(xs)"),
    "too few inputs": ("y = w", "maximum(1.0)"),
    "an argument by its name": ("f = lambda a, b, c: a * b * c", "grad(f, 'a')"),
    "a swapped explain": ("", "explain(root, x)"),
    "a number instead of a graph": ("", "compile_graph(3.0)"),
    "an input that was computed": ("", "compile_graph(loss, inputs=[loss])"),
    "an unknown target": ("", "compile_graph(loss, target='pyhton')"),
    "a program from outside a fault": (
        "program = compile_graph(loss)",
        "course.fault('uphill step')(program.backward)()",
    ),
    "an unknown style": ("", "draw(loss, style='crcuit')"),
    "an unknown theme": ("", "draw(loss, theme='drak')"),
    "a figure of a number": ("x = [1.0, 2.0]", "draw(3.0)"),
    "a batch for a single sample": ("samples = [*X, *X]", "model(samples)"),
    "a seed for a generator": ("seed = 1", "nn.MLP(2, [3, 1], rng=seed)"),
    "no parameters": ("", "SGD([])"),
    "a learning rate below 0": ("", "Adam(model.parameters(), learning_rate=-1.0)"),
    "an optimizer of a model before": (
        "other = nn.MLP(2, [3, 1]); optimizer = SGD(other.parameters(), 0.1)",
        "fit(model, squared, X, y, optimizer=optimizer, progress=False)",
    ),
    "a model in place of its parameters": ("", "SGD(model)"),
    "names of classes": ("y = ['cat', 'dog']", "fit(model, nn.hinge, X, y, progress=False)"),
    "a share of no sample": ("", "fit(model, squared, X, y, validation=0.01, progress=False)"),
    "a callback outside a list": ("", "fit(model, squared, X, y, callbacks=len, progress=False)"),
    "min_delta without patience": (
        "",
        "fit(model, squared, X, y, min_delta=0.5, progress=False)",
    ),
    "a checkpoint of another run": (
        "import os, tempfile; path = os.path.join(tempfile.mkdtemp(), 'run.json')\n"
        "fit(model, squared, X, y, batch_size=1, checkpoint=path, progress=False)",
        "fit(model, squared, X, y, batch_size=2, checkpoint=path, progress=False)",
    ),
    "no epoch": ("", "fit(model, squared, X, y, epochs=0, progress=False)"),
    "half a sample": ("", "fit(model, squared, X, y, batch_size=0.5, progress=False)"),
    "an input that is not in the graph": ("", "compile_graph(loss, inputs=[Value(0.0)])"),
    "an input that is a number": ("", "compile_graph(loss, inputs=[2.0])"),
    "a language that is not known": (
        "program = compile_graph(loss)",
        "program.write(language='fortran')",
    ),
    "a program in a file of another kind": (
        "program = compile_graph(loss)",
        "program.save('step.exe')",
    ),
    "a fault in a file": (
        "program = course.fault('uphill step')(compile_graph)(loss)",
        "program.write('python')",
    ),
    "single precision in Python": (
        "",
        "compile_graph(loss, dtype='float32', target='python')",
    ),
    "a constant in the code": (
        "two = Value(2.0).detach(); loss = w**two; program = compile_graph(loss); two.data = 3.0",
        "program.pull()",
    ),
    "a program of rows without rows": (
        "program = compile_graph(loss, [x]); X = None",
        "program.backward(X)",
    ),
    "outputs before a run": (
        "program = compile_graph(loss, outputs=[loss])",
        "program.outputs()",
    ),
    "a vector of another length": (
        "program = compile_graph(loss, [x])",
        "program.vector = [1.0, 2.0]",
    ),
    "statistics of a number": ("", "graph_stats(3.0)"),
    "a graph without a leaf": ("", "check_graph(Value(3.0).detach() * 2.0)"),
    "an argument that is not given": ("f, y = (lambda a, b: a * b), w", "grad(f, 1)(2.0)"),
    "an unknown ending": ("figure = draw(loss)", "figure.save('figure.xyz')"),
    "a step of a kind without steps": ("figure = draw(loss)", "figure.save('a.dot', step=0)"),
    "a step that is not there": ("figure = draw(loss)", "figure.save('a.svg', step=99)"),
    "a highlight of a number": ("", "draw(loss, highlight=3)"),
    "an unknown engine": ("", "draw(loss, engine='bultin')"),
    "an unknown function in an expression": ("", "evaluate('foo(x)', {'x': 1.0})"),
    "a method in an expression": ("", "evaluate('x.real', {'x': 1.0})"),
    "nesterov without momentum": ("", "SGD(model.parameters(), nesterov=True)"),
    "an unknown data set": ("", "load(name='digts', rng=Random(0))"),
    "noise on a data set without": ("rng = Random(0)", "load('digits', noise=0.1, rng=rng)"),
    "more samples than there are": ("", "load('digits', samples=10**6, rng=Random(0))"),
    "a single class": (
        "from tinygrad_edu.train.estimators import MLPClassifier; y = [0, 0]",
        "MLPClassifier().fit(X, y)",
    ),
    "the first call of partial_fit without classes": (
        "from tinygrad_edu.train.estimators import MLPClassifier; all_y = [0, 1]",
        "MLPClassifier().partial_fit(X, y)",
    ),
    "a warm start of another shape": (
        "from tinygrad_edu.train.estimators import MLPClassifier\n"
        "net = MLPClassifier((3,), tol=9.0, n_iter_no_change=1).fit(X, y)",
        "net.set_params(hidden_layer_sizes=(9,), warm_start=True).fit(X, y)",
    ),
    "an unknown class weight": (
        "from tinygrad_edu.train.estimators import MLPClassifier",
        "MLPClassifier(tol=9.0, n_iter_no_change=1, class_weight='equal').fit(X, y)",
    ),
    "no sample that counts": (
        "",
        "fit(model, squared, X, y, sample_weight=[0.0, 0.0], progress=False)",
    ),
    "a missing number": (
        "from pandas import DataFrame\ntable = DataFrame({'a': [1.0, None], 'b': [2.0, 3.0]})",
        "train.Predictor(model)(table)",
    ),
    "a container without an order": ("", "train.Predictor(model)({0.5, 1.5})"),
    "classes that each have one sample": (
        "",
        "train.split(X, y, test_share=0.5, rng=Random(0), stratify=y)",
    ),
    "a model without parameters": (
        "",
        "diagnose.learning_rate_range(nn.Sequential('relu'), squared, X, y)",
    ),
    "three directions": (
        "directions = [[1.0] * 13] * 3",
        "diagnose.loss_surface(model, squared, X, y, directions=directions)",
    ),
    "a boundary of three features": (
        "X = [[1.0, 2.0, 3.0], [0.0, 1.0, 2.0]]; model = nn.MLP(3, [3, 1])",
        "diagnose.decision_boundary(model, X, y)",
    ),
    "a boundary of classes that are not numbered": (
        "y = ['a', 'a']; model = nn.MLP(2, [2])",
        "diagnose.decision_boundary(model, X, y, resolution=3)",
    ),
    "a boundary of more classes than outputs": (
        "X = [*X, [2.0, 2.0]]; y = [0, 1, 2]",
        "diagnose.decision_boundary(model=model, X=X, y=y, resolution=3)",
    ),
    "a boundary of soft targets": (
        "y = [[0.2, 0.8], [0.9, 0.1]]; model = nn.MLP(2, [2])",
        "diagnose.decision_boundary(model, X, y, resolution=3)",
    ),
    "a boundary of no model": (
        "",
        "diagnose.decision_boundary(model=None, X=X, y=y, resolution=3)",
    ),
    "a diagnosis of a function": ("", "diagnose.gradient_flow(model=sum, loss=squared, X=X, y=y)"),
    "a diagnosis with the number of a rate": (
        "",
        "diagnose.gradient_flow(model, squared, X, y, optimizer=0.1)",
    ),
    "a loss that is a number": (
        "",
        "diagnose.gradient_flow(model, X=X, y=y, loss=lambda out, t: (out.data - t) ** 2)",
    ),
    "an optimizer of another model": (
        "other = train.SGD(nn.MLP(2, [1]).parameters(), 0.1)",
        "diagnose.gradient_flow(model, squared, X, y, optimizer=other)",
    ),
    "few steps": ("", "diagnose.learning_rate_range(model, squared, X, y, steps=5)"),
    "rates that fall": (
        "",
        "diagnose.learning_rate_range(model, squared, X, y, steps=10, smallest=2, largest=1)",
    ),
    "an unknown activation function": ("", "nn.MLP(2, [3, 1], activation='rleu')"),
    "an unknown part": ("", "nn.Sequential('rleu')"),
    "no part": ("", "nn.Sequential()"),
    "a number for a parameter": ("model = nn.Neuron(2)", "setattr(model, 'b', 0.5)"),
    "a layer under the name of another": (
        "other = nn.Layer(2, 3)",
        "setattr(model, 'layer1', other)",
    ),
    "a width without a list": ("n = 3", "nn.MLP(2, n)"),
    "an unknown initializer": ("", "nn.MLP(2, [3, 1], initializer='glorot')"),
    "a single sample in training": ("model, samples = nn.BatchNorm(2), X", "model([1.0, 2.0])"),
    "a layer of other features": ("", "nn.LayerNorm(features=3)([1.0, 2.0])"),
    "a width of 0": ("", "nn.Layer(2, fan_out=0)"),
    "an unknown fault": ("", "course.fault(name='no order').__enter__()"),
    "a seed below 0": ("", "course.worksheet(seed=-1)"),
    "a level that is not one": ("", "course.worksheet(7, level=4)"),
    "a name that is not text": ("", "course.worksheet(7, name=3)"),
    "heads that don't divide the width": ("", "GPT(width=4, heads=3)"),
    "a row that branches": (OWN, "compile_graph(own(lambda xp, x: x if x > 0.0 else 0.0))"),
    "a row that compares by ==": (OWN, "compile_graph(own(lambda xp, x: 1.0 * (x == 0.0)))"),
    "a row without brackets": (
        OWN + "x = 0.5",
        "compile_graph(own(lambda xp, x: 1.0 if type(x) is float else x > 0.0 & x < 1.0))",
    ),
    "a row with ~": (OWN, "own(lambda xp, x: xp.where(~(x > 0.0), 1.0, 2.0))"),
    "a row of Python's functions": (
        OWN,
        "fit(model, lambda out, t: own(lambda xp, x: x % 1.0), X, y, compiled=True)",
    ),
    "a row that divides by 0": (OWN, "own(lambda xp, x: x / (x - 0.5))"),
    "a name longer than the context": ("", "GPT(context=3, width=4)([0, 1, 2, 3])"),
}


def pieces(fix):
    """Return the code in a Fix line: the longest runs of words that are Python, left to right.

    A run begins with a word that looks like code, or that "=" follows.
    """
    words, found, first = fix.split(), [], 0
    while first < len(words):
        looks = re.search(r"[(\[=]|^\w+\.\w", words[first]) or words[first + 1 : first + 2] == ["="]
        for last in range(len(words), first, -1) if looks else ():
            code = " ".join(words[first:last]).rstrip(".,;:")
            if is_python(code):
                found += alternatives(code)
                first = last - 1
                break
        first += 1
    return found


def is_python(code):
    """Check that a text can be run as it is; what has dots to fill in can't."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return False
    return not any(isinstance(n, ast.Constant) and n.value is ... for n in ast.walk(tree))


def alternatives(code):
    """Split "f(x) or g(x)", and "f(x) and g(x)": the words join two pieces of code."""
    (tree, *more) = ast.parse(code).body
    joined = not more and isinstance(tree, ast.Expr) and isinstance(tree.value, ast.BoolOp)
    return [ast.unparse(value) for value in tree.value.values] if joined else [code]


def applied(piece, failing):
    """Return what to run: the failing call with the new setting, or the piece as it is."""
    if not re.match(r"\w+=\S", piece):
        return piece
    tree = ast.parse(failing, mode="eval")
    (new,) = ast.parse(f"_({piece})", mode="eval").body.keywords
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    (call,) = [c for c in calls if any(k.arg == new.arg for k in c.keywords)] or calls[:1]
    call.keywords = [k for k in call.keywords if k.arg != new.arg] + [new]
    return ast.unparse(tree)


def fix_of(setup, failing):
    """Raise the error, and return its Fix line."""
    names = {}
    exec(COMMON + setup, names)
    with pytest.raises(TinygradEduError) as caught:
        exec(failing, names)
    return str(caught.value).splitlines()[-1].partition(": ")[2]


@pytest.mark.parametrize(("setup", "failing"), ERRORS.values(), ids=ERRORS)
def test_the_code_in_a_fix_runs(setup, failing, tmp_path, monkeypatch):
    """Each piece of code, in the place of what failed."""
    monkeypatch.chdir(tmp_path)

    found = pieces(fix_of(setup, failing))

    assert found
    for piece in found:
        names = {}
        exec(COMMON + setup, names)
        exec(applied(piece, failing), names)


@pytest.mark.parametrize(
    ("fix", "found"),
    [
        ("pass a whole number of at least 1, for example steps=10.", ["steps=10"]),
        ("count from 0: grad(f, 0) or grad(f, (0, 2)).", ["grad(f, 0)", "grad(f, (0, 2))"]),
        ("write v.data for the number; v.exp() stays.", ["v.data", "v.exp()"]),
        ("use new Values: x = Value(0.0); f(w * x, [x]).", ["x = Value(0.0); f(w * x, [x])"]),
        ("define forward(self, ...) in the class.", []),
        ("compute the loss again after changing a value.", []),
    ],
)  # fmt: skip
def test_code_is_told_from_prose(fix, found):
    """Whatever Python can read, and nothing else."""
    assert pieces(fix) == found


def test_a_fix_that_does_not_work_is_noticed():
    """A setting that is refused again, and a name that is not there."""
    for setup, fix in (("", "level=5"), ("", "wrksheet(7)")):
        names = {}
        exec(COMMON + setup, names)
        with pytest.raises((TinygradEduError, NameError)):
            exec(applied(fix, "course.worksheet(7, level=4)"), names)
