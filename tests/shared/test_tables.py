"""Numbers, counts and tables, as text and as HTML."""

import pytest

from tinygrad_edu.shared.tables import (
    Markup,
    ends,
    html_table,
    number,
    plural,
    text_table,
    typeset,
    whole,
)


@pytest.mark.parametrize("digits", [1, 3, 6])
def test_a_number_has_as_many_digits_as_asked_for(digits):
    """Python reads it back as the number rounded to them."""
    assert float(number(-2.0 / 3.0, digits)) == pytest.approx(-2.0 / 3.0, rel=10.0**-digits)
    assert number(-2.0 / 3.0, digits).count("6") == digits - 1


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (-0.5, "−0.5"), (0.73105, "0.731"), (1234.5, "1234"),
        (12345.0, "1.23e4"), (0.0001234, "1.23e−4"), (float("nan"), "nan"),
        (float("-inf"), "−inf"), (-1e300, "−1e300"), (999.4, "999"), (999.7, "1000"),
        (-999.96, "−1000"), (9999.4, "9999"), (9999.7, "1e4"), (0.00099996, "0.001"),
        (0.0009994, "9.99e−4"), (1.7976931348623157e308, "1.8e308"), (5e-324, "4.94e−324"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(x, text):
    """Three significant digits, scientific outside 1e-3 .. 1e4, a real minus sign."""
    assert typeset(x) == text


@pytest.mark.parametrize(
    ("x", "digits", "text"),
    [
        (0.123456, 2, "0.12"), (123.4, 2, "123"), (1234.0, 2, "1.2e3"), (12345.4, 4, "12345"),
        (99999.6, 4, "1e5"), (1.6e-9, 1, "2e−9"),
    ],
)  # fmt: skip
def test_other_counts_of_digits_move_the_bounds(x, digits, text):
    """A number is written whole up to one digit more than asked for."""
    assert typeset(x, digits) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0"), (1234567, "1,234,567"), (10**12, "about 1.00e12"), (2**900, "about 8.45e270")],
)
def test_counts_have_commas_until_they_are_too_long(n, text):
    """2**900 would fill four lines; beyond 4,300 digits Python refuses to print."""
    assert whole(n) == text


def test_a_noun_follows_its_count():
    """One path, two paths, no paths."""
    assert [plural(n, "path") for n in (1, 2, 0)] == ["1 path", "2 paths", "0 paths"]


@pytest.mark.parametrize("length", [0, 1, 7])
def test_what_is_short_is_listed_whole(length):
    """Up to seven items."""
    assert ends(str, length) == [str(i) for i in range(length)]


@pytest.mark.parametrize(("length", "hidden"), [(8, "4"), (1008, "1,004")])
def test_what_is_long_is_cut_in_the_middle(length, hidden):
    """Two items at each end, and how many are between."""
    last = [str(length - 2), str(length - 1)]

    assert ends(str, length) == ["0", "1", f"… {hidden} more …", *last]


def test_cells_of_text_stand_in_columns():
    """Left or right, as asked, and no space at the end of a line."""
    assert text_table([("a", "1", "x"), ("long", "100", "")], "<><") == [
        "a       1  x",
        "long  100",
    ]


def test_markup_in_a_cell_is_text_unless_it_is_declared():
    """Caption, head, foot and cells are escaped; a cell of Markup is not."""
    table = html_table("<b>", ("<i>",), [["<u>"], [Markup("<sub>2</sub>")]], "<", "<s>")

    assert [text in table for text in ("&lt;b&gt;", "&lt;i&gt;", "&lt;u&gt;", "&lt;s&gt;")] == [
        True
    ] * 4
    assert "<sub>2</sub></td>" in table
    assert not any(tag in table for tag in ("<b>", "<i>", "<u>", "<s>"))


def test_what_a_table_does_not_have_leaves_no_element():
    """No caption, no head, no foot."""
    table = html_table("", (), [("a", "1")], "<>")

    assert table == (
        "<table>\n<tbody>\n"
        '<tr><td style="text-align: left">a</td><td style="text-align: right">1</td></tr>\n'
        "</tbody>\n</table>"
    )
