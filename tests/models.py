"""Losses as learners write them, number by number: networks as loops over Values."""

import math
from random import Random

from tinygrad_edu import Value, maximum
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.nn import MLP, cross_entropy

rng = Random(0)
ROWS = [[0.1, 0.7, -0.2], [1.5, -0.3, 0.4], [2.0, 0.2, 0.9]]


def numbers(count):
    """As many Values in -1 .. 1."""
    return [Value(rng.uniform(-1.0, 1.0)) for _ in range(count)]


def matrix(rows, columns):
    """A list of rows of Values."""
    return [numbers(columns) for _ in range(rows)]


def affine(w, b, x):
    """The rows of W times x plus b, in plain loops."""
    return [
        sum((wi * xi for wi, xi in zip(row, x, strict=True)), bias)
        for row, bias in zip(w, b, strict=True)
    ]


def moons(samples=12, form=affine):
    """The moons loss: MLP(2, [5, 4, 1]), hinge, an L2 term."""
    layers = [(matrix(b, a), numbers(b)) for a, b in ((2, 5), (5, 4), (4, 1))]
    losses = []
    for _ in range(samples):
        z = numbers(2)
        for i, (w, b) in enumerate(layers):
            z = form(w, b, z)
            z = [v.relu() for v in z] if i < 2 else z
        losses.append((1.0 - rng.choice((-1.0, 1.0)) * z[0]).relu())
    weights = [p for w, b in layers for row in [*w, b] for p in row]
    return sum(losses) * (1.0 / samples) + 1e-4 * sum(p * p for p in weights)


def backwards(w, b, x):
    """The same terms in another order, bias last."""
    return [
        sum(row[i] * x[i] for i in reversed(range(len(x)))) + bias
        for row, bias in zip(w, b, strict=True)
    ]


def subtracted(w, b, x):
    """The same with minus signs, and constants among the terms."""
    out = []
    for row, bias in zip(w, b, strict=True):
        total = 0.5 - bias
        for wi, xi in zip(row, x, strict=True):
            total = total - xi * wi
        out.append(-total)
    return out


def residual():
    """Two layers with a connection around the second."""
    w1, b1, w2, b2 = matrix(4, 3), numbers(4), matrix(4, 4), numbers(4)
    losses = []
    for _ in range(6):
        h = [v.tanh() for v in affine(w1, b1, numbers(3))]
        h = [a + b.relu() for a, b in zip(h, affine(w2, b2, h), strict=True)]
        losses.append(sum(v * v for v in h))
    return sum(losses)


def softmax_batch():
    """Cross entropy of a batch."""
    model = MLP(4, [6, 3], activation="tanh", rng=rng)
    return cross_entropy(
        [model([rng.random() for _ in range(4)]) for _ in range(7)], [0, 1, 2] * 2 + [0]
    )


def two_networks():
    """Two networks of one shape on different data."""
    one, other = MLP(3, [5, 1], rng=rng), MLP(3, [5, 1], rng=rng)
    pairs = [([rng.random() for _ in range(3)], [rng.random() for _ in range(3)]) for _ in range(6)]
    return sum((one(x) - other(y)) ** 2 for x, y in pairs)


def recurrent():
    """h = tanh(W h + U x + b), unrolled over time, for a few sequences."""
    w, u, b = matrix(4, 4), matrix(4, 2), numbers(4)
    losses = []
    for _ in range(5):
        h = [Value(0.0).detach()] * 4
        for _ in range(6):
            x = numbers(2)
            h = [
                (s + t).tanh()
                for s, t in zip(affine(w, b, h), affine(u, [0.0] * 4, x), strict=True)
            ]
        losses.append(h[0] * h[0] + h[1])
    return sum(losses)


def attention():
    """One head over five positions: products of two things that are no parameters."""
    wq, wk, wv = matrix(3, 3), matrix(3, 3), matrix(3, 3)
    zero = [0.0] * 3
    xs = [numbers(3) for _ in range(5)]
    q, k, v = ([affine(w, zero, x) for x in xs] for w in (wq, wk, wv))
    out = []
    for qi in q:
        scores = [
            sum(a * b for a, b in zip(qi, kj, strict=True)) * (1.0 / math.sqrt(3.0)) for kj in k
        ]
        top = scores[0]
        for s in scores[1:]:
            top = maximum(top, s)
        e = [(s - top).exp() for s in scores]
        total = sum(e)
        a = [x / total for x in e]
        out.append([sum(aj * vj[c] for aj, vj in zip(a, v, strict=True)) for c in range(3)])
    return sum(o * o for row in out for o in row)


def network(width, **settings):
    """A program on ROWS with constants, powers, a penalty and outputs of every kind."""
    x, c = [Value(number) for number in ROWS[0]], Value(2.0).detach()
    w, b = matrix(width, 3), numbers(width)
    hidden = [total.tanh() for total in affine(w, b, x)]
    loss = sum(h * h for h in hidden) ** 1.5 * (1.0 / c) + 0.1 * b[0] * b[0]
    return compile_graph(loss, x, outputs=[hidden[0], x[1], b[0], c], **settings)


def results(program, rows=None):
    """What a run gives, as plain lists: the loss, the gradient, the outputs."""
    loss = program.backward(rows)
    return loss, program.gradient.tolist(), program.outputs().tolist()


# and the number of matrix products that a person would write
GRAPHS = {
    "moons": (moons, 3),
    "another order": (lambda: moons(form=backwards), 3),
    "subtraction and constants": (lambda: moons(form=subtracted), 3),
    "residual connections": (residual, 2),
    "softmax cross entropy over a batch": (softmax_batch, 2),
    "two networks in one loss": (two_networks, 2),
    "a recurrent network unrolled": (recurrent, 2),
    "attention over positions": (attention, 3),
}
