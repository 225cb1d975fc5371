"""A symbolic sample stands for all: its inputs, its targets in numbers, its loss."""

from random import Random

import pytest

from tinygrad_edu import Value, nn
from tinygrad_edu.compiled.symbolic import (
    Symbol,
    batch_loss,
    encoded,
    symbolic_loss,
    whole_batch_part,
)
from tinygrad_edu.engine.errors import SettingError

X, CLASSES = [[0.5, -1.0], [1.5, 0.25]], [2, 0]


def test_the_loss_of_a_batch_is_the_mean_and_the_penalty_once():
    """As it is typed out on Values; the outputs come with it."""
    model, penalty = nn.MLP(2, [3], rng=Random(0)), nn.L2(0.1)

    total, outputs = batch_loss(model, nn.cross_entropy, X, CLASSES, penalty)

    losses = [nn.cross_entropy(out, t).data for out, t in zip(outputs, CLASSES, strict=True)]
    assert total.data == pytest.approx(sum(losses) / 2 + penalty(model).data, rel=1e-15)
    assert [len(out) for out in outputs] == [3, 3]


@pytest.mark.parametrize(
    ("target", "width", "numbers"),
    [
        (2, 3, [0.0, 0.0, 1.0]),
        (2, 0, [2.0]),
        (0.5, 3, [0.5]),
        ([0.5, 0.5], 2, [0.5, 0.5]),
        ((), 0, []),
    ],
)
def test_a_target_is_encoded_by_what_it_is(target, width, numbers):
    """Only the index of one of several outputs is one-hot; all else stays as it is."""
    assert encoded(target, width) == numbers


@pytest.mark.parametrize("target", [-1, 3])
def test_a_class_that_no_output_stands_for_is_refused(target):
    """-1 would be the last class, as an index of a list."""
    with pytest.raises(SettingError, match=f"the target is class {target}, .* 3 outputs"):
        encoded(target, 3)


def test_a_symbol_is_itself_alone_and_compared_with_nothing_else():
    """A branch by == would be recorded as False for all samples."""
    symbol = Symbol(1.0)

    assert symbol == symbol
    assert symbol in {symbol}
    for other in (1.0, Value(1.0)):
        with pytest.raises(SettingError, match="was compared by =="):
            assert symbol == other


def test_inputs_are_features_then_targets_then_what_layers_ask_for():
    """The columns of the data, in order: here two features, three classes, three masks."""
    model = nn.Sequential(nn.Layer(2, 3, rng=Random(0)), nn.Dropout(0.5, Random(1)))

    traced = symbolic_loss(model, nn.cross_entropy, X, CLASSES)

    assert [v.data for v in traced.inputs[:5]] == [0.5, -1.0, 0.0, 0.0, 1.0]
    assert traced.inputs[5:] == traced.trace.given[0][0]
    assert (len(traced.inputs), traced.width, len(traced.output_values)) == (8, 3, 3)


def test_a_whole_batch_is_traced_together():
    """BatchNorm looks at all samples; it is found, and tells what it wants to observe."""
    model = nn.Sequential(nn.Layer(2, 3, rng=Random(0)), nn.BatchNorm(3))

    traced = symbolic_loss(model, nn.cross_entropy, X, CLASSES, batch=2)

    assert whole_batch_part(model) is model.parts[1]
    assert whole_batch_part(model.parts[0]) is None
    assert (len(traced.inputs), len(traced.output_values), len(traced.observed)) == (10, 6, 6)
