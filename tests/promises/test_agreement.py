"""Random programs have the values and gradients of engines that share no line with this one.

PyTorch, which is optional, is asked in tests/system/test_parity.py.
"""

import pytest

from tests import agreement, naive, programs
from tests.agreement import assert_agree, differs, differs_from_mpmath, tame_programs


@pytest.mark.promise(name="naive")
def test_random_programs_against_a_recursive_engine(cases, measured):
    """Values and gradients agree with those of tests/naive.py to 1e-12."""
    assert_agree(tame_programs(cases), lambda program: differs(program, programs.NAIVE))
    measured(f"{cases:,} of {cases:,} agree")


@pytest.mark.promise(name="mpmath")
def test_random_programs_against_the_slopes_of_mpmath(cases, measured):
    """Slopes taken from values alone, at 100 digits, are the gradients to 1e-12."""
    assert_agree(tame_programs(cases), differs_from_mpmath)
    measured(f"{cases:,} of {cases:,} agree")


def test_a_wrong_engine_is_noticed_and_the_fault_is_printed_as_a_script(capsys):
    """A sin that is off by 1e-11 is cut down to a sin and what it needs, and runs when pasted."""

    def apply(row, *operands):
        out = naive.apply(row, *operands)
        out.data *= 1.0 + 1e-11 * (row == "sin")
        return out

    wrong = programs.Engine(naive.Number, apply)

    with pytest.raises(AssertionError, match=r"this program differs:\n") as caught:
        assert_agree(tame_programs(60), lambda program: differs(program, wrong))

    script = str(caught.value).partition("\n")[2]
    assert "sin(" in script
    exec(script, {})
    assert len(capsys.readouterr().out.split()) >= 2


@pytest.mark.parametrize("name", ["tanh", "mul", "maximum"])
def test_mpmath_notices_a_wrong_value_and_a_wrong_slope(name, monkeypatch):
    """A row that mpmath has 1e-11 larger differs in most programs that use it."""
    some = list(tame_programs(150, ["add", "neg", name]))
    assert not any(map(differs_from_mpmath, some[:40]))
    mp, rules = agreement.precise(100)
    value, slopes = rules[name]
    wrong = rules | {name: (lambda *xs: value(*xs) * (1 + mp.mpf("1e-11")), slopes)}
    monkeypatch.setattr(agreement, "precise", lambda digits: (mp, wrong))

    assert sum(map(differs_from_mpmath, some)) > 20
