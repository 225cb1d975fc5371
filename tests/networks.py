"""Small networks, and standardised data for them, for the tests of what is diagnosed."""

from random import Random

from tinygrad_edu import Value, nn


def gaussian(samples=20, features=2, seed=1):
    """Return standardised inputs, and the product of the first two as target."""
    rng = Random(seed)
    X = [[rng.gauss(0.0, 1.0) for _ in range(features)] for _ in range(samples)]
    return X, [x[0] * x[1] for x in X]


X, Y = gaussian()


def mlp(depth=3, activation="tanh", outputs=1, features=2, seed=0, width=8):
    """Return a network of ``depth`` layers of ``width`` neurons, the last one linear."""
    widths = [width] * (depth - 1) + [outputs]
    return nn.MLP(features, widths, activation=activation, rng=Random(seed))


def scaled(model, factor):
    """Multiply all weights of a model, and return it."""
    for parameter in model.parameters():
        parameter.data *= factor
    return model


class Bare(nn.Module):
    """Two layers without Layer: parameters in attributes, all nodes without a scope."""

    def __init__(self, activation=Value.tanh, weight=None):
        rng = Random(0)
        draw = (lambda: rng.gauss(0.0, 0.5)) if weight is None else (lambda: weight)
        self.inner = [[Value(draw()) for _ in range(2)] for _ in range(4)]
        self.outer = [Value(draw()) for _ in range(4)]
        self.activation = activation

    def forward(self, x):
        """Apply one hidden layer and a sum."""
        sums = [row[0] * x[0] + row[1] * x[1] for row in self.inner]
        terms = [w * self.activation(total) for w, total in zip(self.outer, sums, strict=True)]
        return sum(terms[1:], terms[0])
