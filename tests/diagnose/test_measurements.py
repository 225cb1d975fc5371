"""What is measured in each layer: the gradients, outputs and shares that a count by hand gives."""

import math
from random import Random
from statistics import fmean, pstdev

import pytest

from tests.networks import X, Y, mlp, scaled
from tinygrad_edu import nn
from tinygrad_edu.diagnose.flow import gradient_flow


def test_the_gradients_are_those_of_the_mean_loss():
    """Norm, mean and spread agree with one graph of all samples."""
    model, twin = mlp(), mlp()
    losses = [nn.mse(twin(x), target) for x, target in zip(X, Y, strict=True)]
    (sum(losses[1:], losses[0]) * (1.0 / len(losses))).backward()

    flow = gradient_flow(model, nn.mse, X, Y)

    for layer, part in zip(flow.layers, twin.layers, strict=True):
        grads = [p.grad for p in part.parameters()]
        found = layer.gradient
        assert found.count == len(grads)
        assert found.norm == pytest.approx(math.sqrt(math.fsum(g * g for g in grads)))
        assert (found.mean, found.spread) == pytest.approx((fmean(grads), pstdev(grads)))


def test_activations_and_saturation_are_those_of_the_layers():
    """The outputs of a layer, and the share of tanhs with |out| > sqrt(0.95), counted by hand."""
    model = scaled(mlp(), 3.0)
    outputs = [v.data for x in X for v in model.layers[0](x)]

    layer = gradient_flow(model, nn.mse, X, Y).layers[0]

    assert layer.activation.count == len(outputs)
    assert layer.activation.mean == pytest.approx(fmean(outputs))
    assert layer.saturated == sum(abs(t) > math.sqrt(0.95) for t in outputs) / len(outputs)


def test_the_share_of_dead_relus_is_counted_over_samples():
    """A relu is dead if it is zero for every sample, not if it is for some."""
    model = mlp(2, "relu")
    for neuron in model.layers[0].neurons[:2]:
        neuron.b.data = -100.0

    layer = gradient_flow(model, nn.mse, X, Y).layers[0]

    assert layer.dead == 2 / 8


def test_dead_relus_are_counted_in_batches_too():
    """A batch that runs at once has its relus sample by sample."""
    model = nn.Sequential(nn.Layer(2, 8, rng=Random(0)), nn.BatchNorm(8), "relu", nn.Layer(8, 1))
    for shift in model.parts[1].beta[:3]:
        shift.data = -100.0

    flow = gradient_flow(model, nn.mse, X, Y)

    assert [layer.dead for layer in flow.layers] == [None, 3 / 8, None]
