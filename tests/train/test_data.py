"""Data: every sample once, in an order that the rng alone decides."""

from random import Random

import pytest

from tinygrad_edu.errors import SettingError
from tinygrad_edu.train import digits, minibatches


def test_an_epoch_has_each_sample_once():
    """M samples in batches of B: ceil(M / B) batches that together are all samples."""
    batches = list(minibatches(103, 10, Random(1)))

    assert [len(batch) for batch in batches] == [10] * 10 + [3]
    assert sorted(i for batch in batches for i in batch) == list(range(103))


def test_the_order_depends_on_the_rng_alone():
    """Same seed, same batches; another seed, other ones."""
    first, again, other = (list(minibatches(50, 7, Random(seed))) for seed in (3, 3, 4))

    assert first == again
    assert first != other


@pytest.mark.parametrize("size", [0, -1, 1.5, None])
def test_a_batch_size_that_is_none_is_refused(size):
    """By name, not by an empty epoch."""
    with pytest.raises(SettingError, match="batch_size is"):
        minibatches(10, size, Random(0))


def test_the_digits_are_the_real_ones_split_without_overlap():
    """1,797 images, 64 pixels of 0 .. 1, a fifth held out, none on both sides."""
    split = digits(rng=Random(0))

    training, test = list(map(tuple, split.X)), list(map(tuple, split.X_test))
    assert len(training) + len(test) == 1797
    assert len(test) == 359
    assert all(len(image) == 64 and 0.0 <= min(image) <= max(image) <= 1.0 for image in training)
    assert set(split.y) == set(split.y_test) == set(range(10))
    assert not set(training) & set(test)
