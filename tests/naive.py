"""A second engine, written the plain way: recursion, dictionaries, derivatives typed by hand.

It shares no line with the package, so that the two can check each other. It is slow, fails on deep
graphs, and knows no number outside the reals: what it is for is to be obviously right.
"""

import math
from functools import partial


def rules(m):
    """Return {name: (value, slopes)}, on the functions of ``math`` or of another module like it."""
    return {
        "add": (lambda x, y: x + y, lambda x, y: (1.0, 1.0)),
        "sub": (lambda x, y: x - y, lambda x, y: (1.0, -1.0)),
        "mul": (lambda x, y: x * y, lambda x, y: (y, x)),
        "div": (lambda x, y: x / y, lambda x, y: (1 / y, -x / (y * y))),
        "pow": (
            lambda x, y: x**y,
            # a base below 0 has no slope in the exponent; tests then use a constant exponent
            lambda x, y: (y * x ** (y - 1), x**y * m.log(x) if x > 0 else 0.0),
        ),
        "neg": (lambda x: -x, lambda x: (-1.0,)),
        "exp": (m.exp, lambda x: (m.exp(x),)),
        "log": (m.log, lambda x: (1 / x,)),
        "sqrt": (m.sqrt, lambda x: (1 / (2 * m.sqrt(x)),)),
        "sin": (m.sin, lambda x: (m.cos(x),)),
        "cos": (m.cos, lambda x: (-m.sin(x),)),
        "tanh": (m.tanh, lambda x: (4 / (m.exp(x) + m.exp(-x)) ** 2,)),
        "sigmoid": (
            lambda x: 1 / (1 + m.exp(-x)),
            lambda x: (m.exp(-x) / (1 + m.exp(-x)) ** 2,),
        ),
        "softplus": (lambda x: m.log1p(m.exp(x)), lambda x: (1 / (1 + m.exp(-x)),)),
        "relu": (lambda x: max(x, 0.0), lambda x: (1.0 if x > 0 else 0.0,)),
        "abs": (abs, lambda x: (float((x > 0) - (x < 0)),)),
        "maximum": (max, lambda x, y: (0.5, 0.5) if x == y else (float(x > y), float(y > x))),
        "minimum": (min, lambda x, y: (0.5, 0.5) if x == y else (float(x < y), float(y < x))),
    }


RULES = rules(math)


def both_sides(rule):
    """The operator of a rule, and its reflection for a float on the left."""
    return (
        lambda self, other: apply(rule, self, other),
        lambda self, other: apply(rule, other, self),
    )


class Number:
    """A number, the rule and the inputs that made it, and its gradient."""

    def __init__(self, data, rule=None, inputs=(), constant=False):
        self.data, self.rule, self.inputs, self.constant = float(data), rule, inputs, constant
        self.grad = 0.0

    def recomputed(self):
        """What the inputs give now."""
        return value(self.rule, *(v.data for v in self.inputs)) if self.rule else self.data

    __add__, __radd__ = both_sides("add")
    __sub__, __rsub__ = both_sides("sub")
    __mul__, __rmul__ = both_sides("mul")
    __truediv__, __rtruediv__ = both_sides("div")
    __pow__, __rpow__ = both_sides("pow")

    def backward(self):
        """Walk back from this number, as a Value does."""
        backward(self)

    def __neg__(self):
        return apply("neg", self)

    def __abs__(self):
        return apply("abs", self)


def value(rule, *numbers):
    """What a rule gives for plain floats."""
    return RULES[rule][0](*numbers)


def apply(rule, *operands):
    """A rule applied to Numbers and plain floats."""
    inputs = tuple(x if isinstance(x, Number) else Number(x, constant=True) for x in operands)
    return Number(value(rule, *(v.data for v in inputs)), rule, inputs)


exp, log, sqrt, sin, cos = (partial(apply, name) for name in ("exp", "log", "sqrt", "sin", "cos"))
tanh, sigmoid, softplus = (partial(apply, name) for name in ("tanh", "sigmoid", "softplus"))
relu, maximum, minimum = (partial(apply, name) for name in ("relu", "maximum", "minimum"))


def recursive_order(root):
    """The textbook's topological sort: inputs first, each node once, root last."""
    order, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for v in node.inputs:
                visit(v)
            order.append(node)

    visit(root)
    return order


def gradients(root, cotangent=1.0):
    """The gradient of root in every node below it, as a dictionary."""
    order = recursive_order(root)
    bars = dict.fromkeys(order, 0.0)
    bars[root] = cotangent
    for node in reversed(order):
        if node.rule:
            slopes = RULES[node.rule][1](*(v.data for v in node.inputs))
            for v, slope in zip(node.inputs, slopes, strict=True):
                bars[v] += slope * bars[node]
    return bars


def backward(root, cotangent=1.0):
    """Add the gradients to the leaves, set them on inner nodes, keep none on constants."""
    for node, bar in gradients(root, cotangent).items():
        node.grad = 0.0 if node.constant else bar if node.rule else node.grad + bar


def clone(root, copies):
    """A copy of the graph below root; ``copies`` says which nodes have one already."""
    if root not in copies:
        inputs = tuple(clone(v, copies) for v in root.inputs)
        copies[root] = Number(root.data, root.rule, inputs, root.constant)
        copies[root].grad = root.grad
    return copies[root]
