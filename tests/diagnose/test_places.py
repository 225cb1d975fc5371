"""Which layer a parameter or a node belongs to."""

from random import Random

import pytest

from tests.networks import Bare, X, Y, mlp
from tinygrad_edu import nn
from tinygrad_edu.diagnose.flow import gradient_flow


class Wrapped(nn.Module):
    """A model inside a model, with an activation of its own at the end."""

    def __init__(self):
        self.body = mlp(3)

    def forward(self, x):
        """Squash the output of the body."""
        return self.body(x).tanh()


def models():
    """Return models and the layers in them; most have a remedy that Das and Varma name."""
    rng = Random(0)
    first, last = nn.Layer(2, 8, rng=rng), nn.Layer(8, 1, rng=rng)
    blocks = [
        nn.Residual(nn.Sequential(nn.Layer(8, 8, "sigmoid", rng=rng), nn.Layer(8, 8, rng=rng)))
        for _ in range(5)
    ]
    inner = [f"layer{i}/inner/layer{j}" for i in range(2, 7) for j in (1, 2)]
    batch_norm, layer_norm = nn.BatchNorm(8), nn.LayerNorm(8)
    three = ["layer1", "layer2", "layer3"]
    return {
        "attributes": (Bare(), ["inner", "outer"]),
        "a model of models": (Wrapped(), ["body/layer1", "body/layer2", "body/layer3"]),
        "batch normalisation": (nn.Sequential(first, batch_norm, "relu", last), three),
        "layer normalisation": (nn.Sequential(first, layer_norm, "tanh", last), three),
        "dropout": (nn.Sequential(first, "relu", nn.Dropout(0.2, rng), last), three),
        "residual connections": (nn.Sequential(first, *blocks, last), ["layer1", *inner, "layer7"]),
    }


@pytest.mark.parametrize("kind", models())
def test_the_layers_of_a_model_are_listed(kind):
    """Nothing is wrong with them, and running means and generators are left as they are."""
    model, names = models()[kind]
    buffers = [buffer.data for _, buffer in model.named_buffers()]

    flow, again = (gradient_flow(model, nn.mse, X, Y, learning_rate=1e-2) for _ in range(2))

    assert [layer.name for layer in flow.layers] == names
    assert flow.faults == []
    assert flow == again
    assert [buffer.data for _, buffer in model.named_buffers()] == buffers


def test_parameters_count_for_the_attribute_that_holds_them():
    """So any module works, without layers in it."""
    inner, outer = gradient_flow(Bare(), nn.mse, X, Y).layers

    assert (inner.weight.count, outer.weight.count) == (8, 4)
    assert inner.activation.count == 4 * len(X)


def test_an_activation_belongs_to_the_layer_it_follows():
    """The container applies it."""
    flow = gradient_flow(models()["batch normalisation"][0], nn.mse, X, Y)

    assert [layer.dead is None for layer in flow.layers] == [True, False, True]
