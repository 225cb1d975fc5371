"""Frozen parameters: constants that are saved, loaded and copied with the others."""

import copy
import pickle

import pytest

from tinygrad_edu import Value
from tinygrad_edu.nn import MLP, BatchNorm, Layer, Module, Sequential, load, save


@pytest.fixture
def model():
    """Return a model with the first of its two layers frozen."""
    model = Sequential(Layer(2, 3, "tanh"), BatchNorm(3), Layer(3, 1))
    model.layer1.freeze()
    return model


def names(values):
    """List the first parts of paths, each once."""
    return [*dict.fromkeys(name.partition(".")[0] for name, _ in values)]


def test_frozen_values_are_not_parameters_but_are_values(model):
    """Training changes the parameters; files keep the values; buffers are another thing."""
    assert names(model.named_parameters()) == ["layer2", "layer3"]
    assert names(model.named_values()) == ["layer1", "layer2", "layer3"]
    assert {name[:15] for name, _ in model.named_buffers()} == {"layer2.running_"}
    assert not any(value.constant for value in model.parameters())


def test_a_frozen_value_keeps_no_gradient(model):
    """Nor the one that it had; the others have theirs."""
    model.unfreeze().eval()
    model([1.0, 2.0]).backward()
    model.layer1.freeze()
    assert not any(value.grad for _, value in model.layer1.named_values())

    model([1.0, 2.0]).backward()

    assert not any(value.grad for _, value in model.layer1.named_values())
    assert all(value.grad for value in model.layer3.parameters()[:3])
    assert repr(model.layer1.neurons[0].b) == "Value(0, grad=0, frozen, label='b')"


def test_a_graph_that_is_there_heeds_what_is_frozen_since():
    """The constant counts when the gradient arrives."""
    model = MLP(2, [2, 1])
    out = model([1.0, 2.0])
    model.layer1.freeze()

    out.backward()

    assert not any(value.grad for _, value in model.layer1.named_values())
    assert any(value.grad for value in model.parameters())


def test_unfreezing_a_part_leaves_the_rest_frozen(model):
    """And buffers stay buffers."""
    buffers = len(model.named_buffers())
    assert model.freeze() is model
    assert model.parameters() == []

    assert model.layer3.unfreeze() is model.layer3

    assert names(model.named_parameters()) == ["layer3"]
    assert len(model.unfreeze().parameters()) == 9 + 6 + 4
    assert len(model.named_buffers()) == buffers


def test_a_shared_parameter_is_frozen_everywhere():
    """It is one Value."""

    class Tied(Module):
        def __init__(self):
            self.first = Layer(1, 1)
            self.second = Layer(1, 1)
            self.second.neurons[0].w = self.first.neurons[0].w

    tied = Tied()
    tied.second.freeze()

    assert [name for name, _ in tied.named_parameters()] == ["first.neuron0.b"]


def test_constants_and_results_are_left_as_they_are():
    """A number that was never learned does not become a parameter by being unfrozen."""

    class Holder(Module):
        def __init__(self):
            self.constant, self.leaf = Value(1.0).detach(), Value(2.0)
            self.result = self.leaf * 2.0

    holder = Holder().freeze().unfreeze()

    assert holder.parameters() == [holder.leaf]
    assert (holder.constant.constant, holder.result.constant) == (True, False)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_frozen_where_the_model_is(model, copied):
    """And thaw alone."""
    twin = copied(model)

    assert names(twin.named_parameters()) == names(model.named_parameters())
    twin.unfreeze()
    assert names(model.named_parameters()) == ["layer2", "layer3"]


@pytest.mark.parametrize("freeze", [Module.freeze, Module.unfreeze])
def test_files_keep_frozen_values_as_others(model, freeze, tmp_path):
    """Byte for byte: what is frozen when a file is read or written makes no difference."""
    save(model, tmp_path / "a.json")
    save(freeze(copy.deepcopy(model)), tmp_path / "b.json")
    twin = freeze(Sequential(Layer(2, 3, "tanh", "zeros"), BatchNorm(3), Layer(3, 1)))

    load(twin, tmp_path / "a.json")

    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    mine, theirs = dict(model.named_values()), dict(twin.named_values())
    assert {n: v.data for n, v in mine.items()} == {n: v.data for n, v in theirs.items()}
