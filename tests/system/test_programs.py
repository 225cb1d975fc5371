"""The tools of the other tests: the random programs, and the naive engine they run on."""

from collections import Counter
from random import Random

import pytest

from tests import naive
from tests.programs import (
    FLOATS,
    ROWS,
    VALUES,
    Program,
    Step,
    random_program,
    shortest,
    tame,
)
from tinygrad_edu.engine.ops import TABLE

BUILT_IN = tuple(TABLE)


def test_the_naive_engine_knows_every_row():
    """A new row needs a derivative typed by hand, too."""
    assert set(naive.RULES) == set(BUILT_IN)


def test_programs_use_every_row_and_every_kind_of_operand():
    """In 300 programs each row occurs, with registers, with constants, with x twice."""
    steps = [step for seed in range(300) for step in random_program(Random(seed)).steps]

    rows = Counter(row for row, _ in steps)
    kinds = {(type(o[0]), type(o[1]), o[0] == o[1]) for _, o in steps if len(o) == 2}

    assert set(rows) == set(ROWS)
    assert min(rows.values()) > 20
    assert {(int, int, True), (int, int, False), (int, float, False), (float, int, False)} <= kinds


def test_the_same_rng_gives_the_same_program():
    """A seed names a program for good; another seed names another one."""
    first, again, other = (random_program(Random(seed)) for seed in (5, 5, 6))

    assert first == again
    assert first != other


def test_reach_makes_a_chain():
    """With reach 1 and no constants, each step has the one before it as its only operand."""
    program = random_program(Random(0), leaves=1, steps=30, reach=1, constants=0.0)

    assert all(set(o) == {i} for i, (_, o) in enumerate(program.steps))


@pytest.mark.parametrize("seed", range(20))
def test_every_step_is_well_inside_the_domain_of_its_row(seed):
    """Programs keep off kinks and poles, so a difference between engines is an error."""
    program = random_program(Random(seed), margin=0.2)
    numbers = program.run(FLOATS)

    for row, operands in program.steps:
        assert tame(row, [numbers[o] if isinstance(o, int) else o for o in operands], 0.2)


@pytest.mark.parametrize(
    ("row", "xs", "expected"),
    [
        ("log", (0.05,), False),
        ("log", (0.15,), True),
        ("div", (1.0, -0.05), False),
        ("div", (1.0, -0.15), True),
        ("relu", (0.05,), False),
        ("maximum", (1.0, 1.05), False),
        ("maximum", (1.0, 1.15), True),
    ],
)
def test_tame_keeps_a_distance(row, xs, expected):
    """From the ends of domains and from kinks, by the margin."""
    assert tame(row, xs, margin=0.1) is expected


def test_rows_that_never_fit_are_an_error():
    """exp of exp of exp leaves the bound: the generator says so and does not search forever."""
    with pytest.raises(ValueError, match="none of exp fits after"):
        random_program(Random(0), rows=["exp"], reach=1, steps=20)


@pytest.mark.parametrize("seed", range(20))
def test_the_printed_script_computes_what_the_program_does(seed, capsys):
    """A failing program can be pasted into a Python prompt as it is printed."""
    program = random_program(Random(seed))
    registers = program.run(VALUES)
    registers[-1].backward()

    exec(str(program), {})

    leaves = registers[: len(program.leaves)]
    printed = [float(word) for word in capsys.readouterr().out.split()]
    assert printed == [registers[-1].data, *(v.grad for v in leaves)]


@pytest.mark.parametrize("seed", range(20))
def test_what_is_not_needed_changes_nothing(seed):
    """Without dead steps and leaves the result is the same, and each step left has a use."""
    program = random_program(Random(seed), leaves=5)
    needed = program.needed()

    used = {o for step in needed.steps for o in step.operands if isinstance(o, int)}

    assert needed.run(FLOATS)[-1] == program.run(FLOATS)[-1]
    assert used == set(range(len(needed.leaves) + len(needed.steps) - 1))


def test_a_failing_program_is_cut_down_to_its_cause():
    """Where every sin of a product is wrong, what is left is one product and its sin."""
    program = Program(
        (1.0, 2.0, 3.0),
        (
            Step("exp", (0,)),
            Step("mul", (1, 2)),
            Step("add", (0, 3)),
            Step("sin", (4,)),
            Step("neg", (6,)),
        ),
    )

    cut = shortest(program, lambda part: any(step.row == "sin" for step in part.steps))

    assert cut == Program((2.0, 3.0), (Step("mul", (0, 1)), Step("sin", (2,))))


def test_a_program_that_does_not_fail_can_not_be_cut_down():
    """Instead of the last part, an error."""
    with pytest.raises(ValueError, match="does not fail"):
        shortest(random_program(Random(0)), lambda part: False)


@pytest.mark.parametrize("row", ROWS)
def test_the_slopes_typed_by_hand_are_slopes(row):
    """Each of the naive engine's rules agrees with a central difference of its own values."""
    xs = (0.7, 1.9)[: len(TABLE[row].domain)]
    h = 1e-6

    for i, slope in enumerate(naive.RULES[row][1](*xs)):
        up, down = (naive.value(row, *xs[:i], xs[i] + s, *xs[i + 1 :]) for s in (h, -h))
        assert slope == pytest.approx((up - down) / (2 * h), abs=1e-8)
