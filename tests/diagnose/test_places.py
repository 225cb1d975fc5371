"""Which layer a parameter or a node belongs to."""

from random import Random

import pytest

from tests.networks import Bare, X, Y, mlp
from tinygrad_edu import nn
from tinygrad_edu.diagnose.flow import gradient_flow


def test_a_module_without_layers_is_told_by_its_attributes():
    """Any module works: parameters count for the attribute that holds them."""
    flow = gradient_flow(Bare(), nn.mse, X, Y)

    assert [layer.name for layer in flow.layers] == ["inner", "outer"]
    assert [layer.weight.count for layer in flow.layers] == [8, 4]
    assert flow.layers[0].activation.count == 4 * len(X)
    assert flow.faults == []


class Wrapped(nn.Module):
    """A model inside a model, with an activation of its own at the end."""

    def __init__(self):
        self.body = mlp(3)

    def forward(self, x):
        """Squash the output of the body."""
        return self.body(x).tanh()


def test_layers_are_found_inside_a_model_of_models():
    """The layers in it are listed, not the one part at the top."""
    flow = gradient_flow(Wrapped(), nn.mse, X, Y)

    assert [layer.name for layer in flow.layers] == ["body/layer0", "body/layer1", "body/layer2"]
    assert flow.faults == []


def remedies():
    """Return models with what Das and Varma name against vanishing gradients."""
    rng = Random(0)
    first, last = nn.Layer(2, 8, rng=rng), nn.Layer(8, 1, rng=rng)
    blocks = [
        nn.Residual(nn.Sequential(nn.Layer(8, 8, "sigmoid", rng=rng), nn.Layer(8, 8, rng=rng)))
        for _ in range(5)
    ]
    return {
        "batch normalisation": nn.Sequential(first, nn.BatchNorm(8), "relu", last),
        "layer normalisation": nn.Sequential(first, nn.LayerNorm(8), "tanh", last),
        "dropout": nn.Sequential(first, "relu", nn.Dropout(0.2, rng), last),
        "residual connections": nn.Sequential(first, *blocks, last),
    }


@pytest.mark.parametrize("remedy", remedies())
def test_models_with_remedies_are_understood(remedy):
    """Nothing is wrong with them, and running means and generators are left as they are."""
    model = remedies()[remedy]
    buffers = [buffer.data for _, buffer in model.named_buffers()]

    flow, again = (gradient_flow(model, nn.mse, X, Y, learning_rate=1e-2) for _ in range(2))

    assert flow.faults == []
    assert flow.numbers() == again.numbers()
    assert [buffer.data for _, buffer in model.named_buffers()] == buffers


def test_an_activation_belongs_to_the_layer_it_follows():
    """The container applies it; and each layer inside a container is listed."""
    normalised = gradient_flow(remedies()["batch normalisation"], nn.mse, X, Y)
    residual = gradient_flow(remedies()["residual connections"], nn.mse, X, Y)

    assert [layer.name for layer in normalised.layers] == ["part0", "part1", "part3"]
    assert [layer.dead is None for layer in normalised.layers] == [True, False, True]
    blocks = [f"part{i}/inner/part{j}" for i in range(1, 6) for j in (0, 1)]
    assert [layer.name for layer in residual.layers] == ["part0", *blocks, "part6"]
