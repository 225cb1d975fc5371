"""Errors: one family, each also a builtin error, with labelled lines below each other."""

import pytest

from tinygrad_edu import Value
from tinygrad_edu.engine import errors
from tinygrad_edu.engine.errors import SettingError, TinygradEduError

FAMILY = [e for e in vars(errors).values() if isinstance(e, type) and e is not TinygradEduError]


def test_every_error_is_one_family_with_labelled_lines():
    """All can be caught as TinygradEduError; the colons of the labels stand below each other."""
    with pytest.raises(TinygradEduError) as caught:
        Value("1")

    what, *labelled = str(caught.value).splitlines()
    assert what == "expected a real number, got str: '1'."
    assert [line.split(":")[0] for line in labelled] == ["  Expected ", "  Fix      "]


@pytest.mark.parametrize("kind", FAMILY)
def test_an_error_is_also_the_builtin_one_that_a_caller_expects(kind):
    """``except ValueError`` or ``except TypeError`` finds it, and so does the family's name."""
    builtin = [base for base in kind.__mro__ if base.__module__ == "builtins"]

    assert issubclass(kind, TinygradEduError)
    assert builtin[0] is not Exception
    assert len(FAMILY) >= 9


def test_lines_come_in_order_with_the_fix_last():
    """A fact without a text gets no line."""
    error = SettingError("x is 3.", fix="pass x=2.", where="here", expected="", inputs="x = 3")

    assert str(error).splitlines() == [
        "x is 3.",
        "  Where  : here",
        "  Inputs : x = 3",
        "  Fix    : pass x=2.",
    ]
    assert str(SettingError("x is 3.")) == "x is 3."
