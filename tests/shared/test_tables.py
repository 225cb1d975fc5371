"""Numbers, counts and tables are written in one way everywhere."""

import pytest

from tinygrad_edu.shared import tables


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1 path"), (2, "2 paths"), (1_234_567, "1,234,567 paths"), (10**20, "about 1.00e20")],
)
def test_counts_are_read_with_commas_or_as_a_power_of_ten(count, text):
    """A count that has more digits than Python prints is told by its first digits."""
    assert tables.plural(count, "path").startswith(text)


@pytest.mark.parametrize("length", [0, 7, 8, 1000])
def test_long_lists_show_their_ends_and_how_many_items_are_between(length):
    """Short lists are shown whole; of long ones the first and last items and a count."""
    shown = tables.ends(str, length)

    if length <= tables.LONG:
        assert shown == [str(i) for i in range(length)]
    else:
        hidden = f"… {length - 2 * tables.ENDS:,} more …"
        assert shown == ["0", "1", hidden, str(length - 2), str(length - 1)]


def test_columns_of_text_are_aligned():
    """Each column is as wide as its widest cell; nothing is left at the end of a line."""
    assert tables.text_table([["a", "10"], ["long", "2"]], "<>") == ["a     10", "long   2"]


def test_what_stands_in_a_cell_is_text_and_never_markup():
    """A label such as <b> is shown as it is."""
    page = tables.html_table("c", ["h"], [["<b>"]], "<")

    assert "&lt;b&gt;" in page
    assert "<b>" not in page
