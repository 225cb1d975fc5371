"""Loops with their places written out: parts and other axes of them read and write the same."""

from tests.compiler.test_loops import PRODUCT
from tinygrad_edu.compiler.views import Operand, View, operand_of, rearranged


def view():
    """A product of a matrix by what each row of data holds."""
    reads = {name: operand_of(ref, PRODUCT) for name, ref in PRODUCT.reads.items()}
    return View(PRODUCT, dict(PRODUCT.axes), operand_of(PRODUCT.out, PRODUCT), reads, False)


def test_what_is_summed_is_what_the_result_lacks():
    """The rows of data are an axis of what has a number for each."""
    assert view().summed == ["k"]
    assert view().out.all_axes == ["rows", "r"]


def test_a_part_has_some_of_the_turns():
    """An axis of one turn is gone, and with it the places of the other turns."""
    part = view().part("r", [1], accumulate=False)

    assert part.axes == {"k": 3}
    assert (part.out.places, part.reads["x0"].places) == ((1,), (3, 4, 5))


def test_an_axis_can_be_taken_apart():
    """Into two, along which other operands may repeat themselves."""
    long = View(
        PRODUCT,
        {"j": 6},
        Operand("u", ("j",), tuple(range(6))),
        {"x0": Operand("u", ("j",), (7, 7, 8, 8, 9, 9))},
        False,
    ).reshaped("j", {"j0": 3, "j1": 2})

    assert long.axes == {"j0": 3, "j1": 2}
    assert long.out.axes == ("j0", "j1")
    assert long.reads["x0"] == Operand("u", ("j0",), (7, 8, 9))


def test_numbers_can_be_put_in_the_order_of_other_axes():
    """Rows first, or columns."""
    assert rearranged([0, 1, 2, 3, 4, 5], ["r", "k"], ["k", "r"], {"r": 3, "k": 2}) == [
        0, 2, 4, 1, 3, 5
    ]  # fmt: skip
