"""A run with layers that draw random numbers goes on as if it had never stopped."""

from random import Random

import pytest

from tinygrad_edu import nn, train

np = pytest.importorskip("numpy")

X, Y = [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [1.0, 1.0]], [0.0, 1.0, 0.5, 1.0]


class Noisy(nn.Module):
    """Adds noise of its own generator, which a dropout of the model may share."""

    def __init__(self, source, draw):
        self.sources, self.draw = {"noise": [source]}, draw
        self.inner = nn.Sequential(nn.Layer(2, 3, "tanh"), nn.Dropout(0.2), nn.Layer(3, 1))

    def forward(self, x):
        """Add noise in training."""
        (source,) = self.sources["noise"]
        noise = [self.draw(source) if self.training else 0.0 for _ in x]
        return self.inner([a + b for a, b in zip(x, noise, strict=True)])


SOURCES = {
    "Random": lambda: Noisy(Random(7), Random.random),
    "Generator": lambda: Noisy(np.random.default_rng(7), np.random.Generator.normal),
    "RandomState": lambda: Noisy(np.random.RandomState(7), np.random.RandomState.normal),
}


@pytest.mark.parametrize("compiled", [False, "auto"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(source, compiled, tmp_path):
    """A generator of any kind, anywhere in a layer; tracing draws no number from it."""

    def trained(epochs, **checkpoint):
        model, rng = SOURCES[source](), Random(0)
        settings = {"progress": False, "compiled": compiled, **checkpoint}
        train.fit(model, nn.mse, X, Y, epochs=epochs, rng=rng, **settings)
        return [p.data for p in model.parameters()]

    whole = trained(4)
    trained(2, checkpoint=tmp_path / "run.json")

    assert trained(4, checkpoint=tmp_path / "run.json") == whole


def test_where_nothing_is_compiled_auto_draws_what_graphs_draw():
    """The attempt to trace the model leaves its generators as they are."""
    models = [SOURCES["Random"]() for _ in range(2)]

    for model, compiled in zip(models, (False, "auto"), strict=True):
        train.fit(model, nn.mse, X, Y, epochs=2, progress=False, compiled=compiled)

    assert [p.data for p in models[0].parameters()] == [p.data for p in models[1].parameters()]
