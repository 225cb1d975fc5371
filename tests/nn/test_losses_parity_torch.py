"""The same losses and the same network in PyTorch, in float64: values and gradients agree."""

import random

import pytest

from tinygrad_edu import Value
from tinygrad_edu.nn import MLP, binary_cross_entropy, cross_entropy, hinge, mse

torch = pytest.importorskip("torch")

BOUND = 1e-12  # relative; each side rounds a few hundred times


def close(ours, theirs):
    """Whether numbers agree with a tensor, relative to its largest."""
    theirs = torch.as_tensor(theirs).flatten().tolist()
    scale = max(map(abs, theirs)) or 1.0
    return all(abs(a - b) <= BOUND * scale for a, b in zip(ours, theirs, strict=True))


def tensor(numbers):
    """A leaf of float64."""
    return torch.tensor(numbers, dtype=torch.float64, requires_grad=True)


def torch_hinge(scores, targets):
    """The mean of max(0, 1 - t s)."""
    return torch.clamp(1.0 - targets * scores, min=0.0).mean()


ELEMENTWISE = [
    (mse, torch.nn.functional.mse_loss, lambda rng: rng.gauss(0, 3)),
    (
        binary_cross_entropy,
        torch.nn.functional.binary_cross_entropy_with_logits,
        lambda rng: rng.choice([0.0, 1.0, rng.random()]),
    ),
    (hinge, torch_hinge, lambda rng: rng.choice([-1.0, 1.0])),
]


@pytest.mark.parametrize(("ours", "theirs", "target"), ELEMENTWISE, ids=["mse", "bce", "hinge"])
@pytest.mark.parametrize("seed", range(20))
def test_losses_of_single_numbers_agree(ours, theirs, target, seed):
    """Value and every gradient."""
    rng = random.Random(seed)
    outputs = [rng.gauss(0, 5) for _ in range(7)]
    targets = [target(rng) for _ in range(7)]
    leaves, theirs_in = [Value(y) for y in outputs], tensor(outputs)

    loss = ours(leaves, targets)
    loss.backward()
    expected = theirs(theirs_in, torch.tensor(targets, dtype=torch.float64))
    expected.backward()

    assert close([loss.data], expected)
    assert close([leaf.grad for leaf in leaves], theirs_in.grad)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "softplus"])
def test_a_network_agrees(activation):
    """An MLP of three layers, ten samples, cross entropy: the loss and every gradient."""
    rng = random.Random(7)
    model = MLP(3, [8, 6, 4], activation, rng=rng)
    samples = [[rng.gauss(0, 1) for _ in range(3)] for _ in range(10)]
    targets = [rng.randrange(4) for _ in samples]
    weights = [
        (
            tensor([[w.data for w in n.w] for n in layer.neurons]),
            tensor([n.b.data for n in layer.neurons]),
        )
        for layer in model.layers
    ]

    loss = cross_entropy([model(x) for x in samples], targets)
    loss.backward()
    out = torch.tensor(samples, dtype=torch.float64)
    for i, (w, b) in enumerate(weights):
        out = out @ w.T + b
        if i < 2:
            out = getattr(torch.nn.functional, activation)(out)
    expected = torch.nn.functional.cross_entropy(out, torch.tensor(targets))
    expected.backward()

    assert close([loss.data], expected)
    for layer, (w, b) in zip(model.layers, weights, strict=True):
        assert close([v.grad for n in layer.neurons for v in n.w], w.grad)
        assert close([n.b.grad for n in layer.neurons], b.grad)


def test_a_wrong_gradient_would_be_noticed():
    """The bound is far below a mistake: one gradient off by 1e-10 does not agree."""
    assert close([1.0, 2.0], tensor([1.0, 2.0]))
    assert not close([1.0, 2.0 * (1.0 + 1e-10)], tensor([1.0, 2.0]))
