"""The same network in micrograd: the same weights from the same seed, outputs and gradients."""

import random

import pytest

from tinygrad_edu.nn import MLP

peer = pytest.importorskip("micrograd.nn")


def test_moons_network_agrees():
    """MLP(2, [16, 16, 1]), 20 samples: weights and outputs to the last bit, gradients to 1e-12."""
    random.seed(1337)
    theirs = peer.MLP(2, [16, 16, 1])
    ours = MLP(
        2, [16, 16, 1], initializer=lambda rng, *fans: rng.uniform(-1, 1), rng=random.Random(1337)
    )
    rng = random.Random(5)
    samples = [[rng.uniform(-1.5, 2.5), rng.uniform(-1, 1.5)] for _ in range(20)]

    our_scores, their_scores = ([model(x) for x in samples] for model in (ours, theirs))
    sum(our_scores[1:], our_scores[0]).backward()
    sum(their_scores[1:], their_scores[0]).backward()

    assert [p.data for p in ours.parameters()] == [p.data for p in theirs.parameters()]
    assert [y.data for y in our_scores] == [y.data for y in their_scores]
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert a.grad == pytest.approx(b.grad, rel=1e-12, abs=1e-12)
