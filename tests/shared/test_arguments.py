"""A bad setting is refused by name, with its value and its bounds."""

import pytest

from tinygrad_edu.engine.errors import LengthError, SettingError
from tinygrad_edu.shared.arguments import same_length, whole, within

INF = float("inf")


@pytest.mark.parametrize("number", [float("nan"), INF, -INF, 0.0, -1.0, "1", None, True, 1j])
def test_a_learning_rate_that_is_none_is_refused(number):
    """nan, infinity, zero, negative, text: each would train nothing, or ruin the weights."""
    with pytest.raises(SettingError, match="learning_rate is"):
        within("learning_rate", number, above=0.0)


def test_bounds_are_inclusive_or_not_as_named():
    """``least`` admits its bound, ``below`` does not."""
    assert within("momentum", 0, least=0.0, below=1.0) == 0.0
    with pytest.raises(SettingError, match=r"momentum is 1\.0"):
        within("momentum", 1.0, least=0.0, below=1.0)


@pytest.mark.parametrize("number", [0, -1, 1.0, "3", None, True])
def test_a_count_that_is_none_is_refused(number):
    """Counts are whole numbers from 1."""
    with pytest.raises(SettingError, match="epochs is"):
        whole("epochs", number)


@pytest.mark.parametrize(("got", "expected"), [([], []), ([1], []), ([1], [1, 2])])
def test_things_that_belong_together_are_equally_long(got, expected):
    """Data that is empty, or longer on one side, is refused and never cut."""
    with pytest.raises(LengthError, match=f"y has {len(got)} entries, X has {len(expected)}"):
        same_length("y", got, "X", expected)
