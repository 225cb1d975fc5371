"""Equations in fewer words: one line for a sum, one name for what is the same."""

from tests.compiler.test_algebra import make
from tinygrad_edu.compiler.arrays import Array
from tinygrad_edu.compiler.equations import Equation, Equations
from tinygrad_edu.compiler.simplify import simplified
from tinygrad_edu.engine.symbols import variable


def shortened(*lines):
    """The equations of 2×2 arrays w, A1, Z1, Z2 and of the loss, simplified."""
    names = [("w", ""), ("A1", "A"), ("Z1", "Z"), ("Z2", "Z")]
    arrays = [
        Array(name, "u", tuple(range(4 * at, 4 * at + 4)), (2, 2), letter)
        for at, (name, letter) in enumerate(names)
    ]
    found = simplified(
        Equations(
            tuple(
                Equation((name,), None, formula, accumulate, "")
                for name, formula, accumulate in lines
            ),
            (),
            tuple(arrays),
            parameters=(0.0,) * 4,
        )
    )
    return found.forward


LOSS = ("L", make("sum", "Z2"), False)


def test_a_sum_is_one_line():
    """Where its last terms come."""
    lines = shortened(("Z2", make("exp", "w"), False), ("Z2", make("negative", "w"), True), LOSS)

    assert lines == ("Z1 = exp(w) − w", "L = Σ Z1")


def test_a_copy_has_no_name_of_its_own():
    """And those that are left are counted from 1."""
    lines = shortened(
        ("A1", make("exp", "w"), False),
        ("Z1", variable("A1"), False),
        ("Z2", make("multiply", "Z1", "A1"), False),
        LOSS,
    )

    assert lines == ("A1 = exp(w)", "Z1 = A1 ⊙ A1", "L = Σ Z1")


def test_a_number_that_is_added_up_stays_a_matrix():
    """Σ of the four numbers of a matrix of ones is 4, and Σ 1 would be 1."""
    lines = shortened(("Z2", 1.0, False), LOSS)

    assert lines == ("Z1 = 1", "L = Σ Z1")


def test_a_column_times_a_row_is_a_product_of_matrices():
    """Other products are taken number by number."""
    outer = make("multiply", make("sum", "w", -1.0), make("sum", "w", -2.0))

    assert shortened(("Z2", outer, False), LOSS)[0] == "Z1 = (Σ_cols w) (Σ_rows w)"


def test_a_long_sum_is_written_in_several_lines():
    """Fifty terms each or so, whatever their number; a formula is never deeper than that."""
    terms = [("Z2", make("exp", "w"), at > 0) for at in range(2000)]

    *lines, loss = shortened(*terms, LOSS)

    assert 40 <= len(lines) <= 42
    assert lines[0].startswith("Z1 = ")
    assert all(line.startswith("Z1 += ") for line in lines[1:])
    assert loss == "L = Σ Z1"
