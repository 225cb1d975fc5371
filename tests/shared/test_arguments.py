"""A bad setting is refused by name, with its value, its bounds, and an example that works."""

import re
from fractions import Fraction

import numpy as np
import pytest

from tinygrad_edu.engine.errors import LengthError, MissingExtraError, SettingError
from tinygrad_edu.shared.arguments import extra, one_of, same_length, whole, within

INF = float("inf")


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize("number", [float("nan"), INF, -INF, 0.0, -1.0, "1", None, True, 1j])
def test_a_learning_rate_that_is_none_is_refused(number):
    """nan, infinity, zero, negative, text: each would train nothing, or ruin the weights."""
    with pytest.raises(SettingError, match="learning_rate is"):
        within("learning_rate", number, above=0.0)


@pytest.mark.parametrize("number", [1, np.int64(1), np.float32(1.0), np.uint8(1), Fraction(1)])
def test_a_number_is_taken_from_every_door(number):
    """As a Value takes it, and kept as a float."""
    taken = within("learning_rate", number, above=0.0)

    assert (type(taken), taken) == (float, 1.0)


def test_numpys_true_is_not_a_number():
    """Nor is Python's: a switch that stands in the wrong place is found."""
    with pytest.raises(SettingError, match="learning_rate is"):
        within("learning_rate", np.bool_(True), above=0.0)


def test_bounds_are_inclusive_or_not_as_named():
    """``least`` and ``most`` admit their bound, ``above`` and ``below`` do not."""
    assert within("momentum", 0, least=0.0, below=1.0) == 0.0
    assert within("momentum", 1, above=0.0, most=1.0) == 1.0
    for refused in ({"below": 1.0}, {"above": 1.0}):
        with pytest.raises(SettingError, match=r"momentum is 1\.0"):
            within("momentum", 1.0, **refused)


@pytest.mark.parametrize("number", [0, -1, 1.0, "3", None, True])
def test_a_count_that_is_none_is_refused(number):
    """Counts are whole numbers from 1."""
    with pytest.raises(SettingError, match="epochs is"):
        whole("epochs", number)


@pytest.mark.parametrize("value", ["adams", "", None, 3, ["adam"], np.array([1.0, 2.0])])
def test_a_choice_that_is_not_offered_is_refused_with_all_that_are(value):
    """Text of another spelling, other types and arrays too, whose == is not a bool."""
    with pytest.raises(SettingError, match=r"(?s)solver is .*'adam', 'sgd'.* solver='"):
        one_of("solver", value, ("adam", "sgd"))


def test_the_example_is_the_choice_that_is_spelled_most_alike():
    """Whoever mistypes a name finds the right one in the last line."""
    with pytest.raises(SettingError, match="for example activation='tanh'"):
        one_of("activation", "tahn", {"relu": 1, "tanh": 2, "linear": 3})


@pytest.mark.parametrize(
    ("check", "bounds"),
    [
        (whole, {"least": 10}),
        (whole, {"least": 0}),
        (within, {}),
        (within, {"above": 0.0}),
        (within, {"above": 5.0}),
        (within, {"above": 2.0, "below": 4.0}),
        (within, {"least": 0.0, "below": 1.0}),
        (within, {"above": -1.0, "most": -0.5}),
        (within, {"below": -3.0}),
    ],
)
def test_the_example_in_the_fix_is_accepted(check, bounds):
    """What the Fix line shows works when it is pasted, whatever the bounds."""
    with pytest.raises(SettingError) as refused:
        check("steps", None, **bounds)

    example = re.search(r"for example steps=(\S+)\.$", str(refused.value)).group(1)
    number = int(example) if check is whole else float(example)
    assert check("steps", number, **bounds) == number


@pytest.mark.parametrize(("got", "expected"), [([], []), ([1], []), ([1], [1, 2])])
def test_things_that_belong_together_are_equally_long(got, expected):
    """Data that is empty, or longer on one side, is refused and never cut."""
    with pytest.raises(LengthError, match=f"y has {len(got)} entries, X has {len(expected)}"):
        same_length("y", got, "X", expected)


def test_a_library_of_an_extra_is_imported_or_its_pip_command_is_named():
    """A missing library is an error whose Fix line installs it."""
    assert extra("math", "math", "a root").sqrt(4.0) == 2.0
    with pytest.raises(MissingExtraError, match=r'(?s)a root needs .* "tinygrad_edu\[fast\]"'):
        extra("no_such_library", "no-such-library", "a root", "fast")
    with pytest.raises(MissingExtraError, match=r"Fix +: pip install no-such-library$"):
        extra("no_such_library", "no-such-library", "a root", None)
