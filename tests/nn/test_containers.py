"""Sequential and Residual: the same numbers as calls written out, and what is refused."""

from random import Random

import pytest

from tinygrad_edu import Value, nn
from tinygrad_edu.engine.errors import LengthError, SettingError


def test_parts_run_one_after_another():
    """As nested calls do, activations by name or as functions."""
    first, last = nn.Layer(2, 3, rng=Random(0)), nn.Layer(3, 2, rng=Random(1))
    model = nn.Sequential(first, "tanh", last, lambda v: v * 2.0)

    mine = [v.data for v in model([0.5, -1.0])]

    assert mine == [v.data * 2.0 for v in last([v.tanh() for v in first([0.5, -1.0])])]


def test_a_batch_is_the_samples_one_by_one():
    """Where no layer looks at others."""
    model = nn.Sequential(nn.Layer(2, 3), "relu", nn.Residual(nn.Layer(3, 3)), nn.Layer(3, 1))
    samples = [[0.5, -1.0], [2.0, 0.25], [0.0, 0.0]]

    assert [v.data for v in model.batch(samples)] == [model(x).data for x in samples]


def test_a_residual_block_passes_the_gradient_on():
    """x + f(x): with f of zero weights the gradient of x is that of the sum."""
    x = [Value(1.0), Value(-2.0)]
    block = nn.Residual(nn.Layer(2, 2, initializer="zeros"))

    out = block(x)
    (out[0] * 3.0 + out[1]).backward()

    assert [v.grad for v in x] == [3.0, 1.0]


def test_a_gradient_survives_forty_residual_layers():
    """Where forty plain sigmoid layers leave less than 1e-20 of it (He et al. 2016)."""

    def gradient(wrap):
        layers = [wrap(nn.Layer(2, 2, "sigmoid", rng=Random(i))) for i in range(40)]
        x = [Value(0.5), Value(-0.5)]
        out = nn.Sequential(*layers, nn.Layer(2, 1, rng=Random(99)))(x)
        out.backward()
        return max(abs(v.grad) for v in x)

    plain, residual = gradient(lambda layer: layer), gradient(nn.Residual)

    assert plain < 1e-20
    assert residual > 1e-3


def test_names_and_scopes_are_paths():
    """As files and figures need them."""
    model = nn.Sequential(nn.Layer(1, 1), "relu", nn.Residual(nn.Layer(1, 1)))

    neurons = {name.rpartition(".")[0] for name, _ in model.named_parameters()}
    out = model([1.0])

    assert neurons == {"layer1.neuron0", "layer2.inner.neuron0"}
    assert out.origin == "layer2"
    assert repr(model) == (
        "Sequential(Layer(1, 1, activation='linear'), 'relu', "
        "Residual(Layer(1, 1, activation='linear')))"
    )


@pytest.mark.promise(name="shapes")
def test_a_residual_of_another_width_is_refused():
    """Expected and got, when called."""
    with pytest.raises(LengthError, match="was given 2 numbers, and its inner part returned 3"):
        nn.Residual(nn.Layer(2, 3))([1.0, 2.0])


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize("parts", [(), ("swish",), (nn.Layer(1, 1), 3)])
def test_what_is_not_a_part_is_refused(parts):
    """When it is built, by its number."""
    with pytest.raises(SettingError):
        nn.Sequential(*parts)


def test_a_sequential_that_the_first_edition_pickled_still_loads():
    """Its parts were called parts; both names give the list."""
    parts = [nn.Layer(1, 1), "relu"]
    model = nn.Sequential.__new__(nn.Sequential)

    model.__setstate__({"parts": parts, "training": False})

    assert model.layers is model.parts is parts
    assert not model.training
    assert model.layer1 is parts[0]
    model.parts = [nn.Layer(1, 1)]
    assert model.layers is model.parts
