"""Second derivatives of the losses: finite and right wherever the logits are, as PyTorch says."""

import itertools
import math
import random

import pytest

from tinygrad_edu import Value, grad, nn, sigmoid

torch = pytest.importorskip("torch")
F = torch.nn.functional

POINTS = (-1e300, -800.0, -710.0, -37.0, -1.5, 0.0, 1e-300, 1e-8, 0.7, 20.0, 709.0, 800.0, 1e300)


def tensor(*numbers):
    """Return a tensor of doubles."""
    return torch.tensor(numbers, dtype=torch.float64)


# for each: how many logits, ours, PyTorch's
LOSSES = {
    "bce of 1": (
        1,
        lambda z: nn.binary_cross_entropy(z[0], 1),
        lambda z: F.binary_cross_entropy_with_logits(z, tensor(1.0)),
    ),
    "bce of a share": (
        1,
        lambda z: nn.binary_cross_entropy(z[0], 0.3),
        lambda z: F.binary_cross_entropy_with_logits(z, tensor(0.3)),
    ),
    "bce of a batch": (
        2,
        lambda z: nn.binary_cross_entropy(z, [1, 0]),
        lambda z: F.binary_cross_entropy_with_logits(z, tensor(1.0, 0.0)),
    ),
    "mse": (
        2,
        lambda z: nn.mse([sigmoid(v) for v in z], [1.0, 0.0]),
        lambda z: F.mse_loss(torch.sigmoid(z), tensor(1.0, 0.0)),
    ),
    "hinge": (2, lambda z: nn.hinge(z, [1, -1]), lambda z: (1 - z * tensor(1, -1)).relu().mean()),
    "cross entropy": (
        3,
        lambda z: nn.cross_entropy(z, 1),
        lambda z: F.cross_entropy(z, torch.tensor(1)),
    ),
    "cross entropy of shares": (
        3,
        lambda z: nn.cross_entropy(z, [0.2, 0.3, 0.5]),
        lambda z: F.cross_entropy(z, tensor(0.2, 0.3, 0.5)),
    ),
    "logsumexp": (3, nn.logsumexp, lambda z: torch.logsumexp(z, 0)),
    "softmax": (3, lambda z: nn.softmax(z)[0], lambda z: torch.softmax(z, 0)[0]),
    "log softmax": (3, lambda z: nn.log_softmax(z)[2], lambda z: torch.log_softmax(z, 0)[2]),
}


def hessian(f, x):
    """Compute the second derivatives by differentiating twice."""
    wrt = range(len(x))
    return [float(grad(grad(lambda *z: f(list(z)), i), j)(*x)) for i in wrt for j in wrt]


@pytest.mark.parametrize("name", LOSSES)
def test_hessians_are_finite_and_right(name):
    """Logits of ±800 and ±1e300 included, equal ones and such as are far apart."""
    count, ours, theirs = LOSSES[name]
    every = [*itertools.product(POINTS, repeat=count)]
    far = [(800.0, -800.0, 800.0), (-800.0,) * 3, (800.0,) * 3, (0.0,) * 3, (1e300, -1e300, 0.0)]
    some = every if count == 1 else random.Random(0).sample(every, 60)

    for x in [*some, *(x[:count] for x in far)]:
        mine = hessian(ours, x)
        right = torch.autograd.functional.hessian(theirs, tensor(*x)).flatten().tolist()

        assert all(map(math.isfinite, mine)), x
        assert mine == pytest.approx(right, rel=1e-12, abs=3e-15), x


@pytest.mark.parametrize("z", [-800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0])
def test_the_curvature_of_a_bit_is_exact_far_out(z):
    """sigmoid' of the logit, in 40 digits: PyTorch loses it to a difference of numbers near 1."""
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(40):
        right = float(mpmath.exp(-mpmath.mpf(z)) / (1 + mpmath.exp(-mpmath.mpf(z))) ** 2)

    for target in (0, 1, 0.3):
        (mine,) = hessian(lambda v, t=target: nn.binary_cross_entropy(v[0], t), [z])
        assert mine == pytest.approx(right, rel=1e-13, abs=0.0)


def test_a_step_of_newton_finds_the_minimum():
    """The graph of a gradient is a loss like any other: backward runs through it."""
    z = Value(0.0)
    slope = grad(lambda v: nn.binary_cross_entropy(v, 0.3) + 0.5 * (v * v))
    for _ in range(8):
        z.grad = 0.0
        first = slope(z)
        first.backward()
        z.data -= first.data / z.grad

    assert abs(slope(z).data) < 1e-15
