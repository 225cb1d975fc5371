"""A user's table: how it is read, and what is refused in words, with line and column."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_edu.engine.errors import FileError, SettingError
from tinygrad_edu.experiments.table import read_table

ROWS = [[f"{i}.5", str(i * i), "yes" if i % 2 else "no"] for i in range(12)]
NAMES = ["size", "weight", "ripe"]


def written(rows, separator=",", end="\n"):
    """Rows as text."""
    return end.join(separator.join(row) for row in rows) + end


@pytest.fixture
def file(tmp_path):
    """A function that writes text or bytes into a file, and returns its path."""

    def write(content):
        path = tmp_path / "my.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def points(table):
    """The samples of a table."""
    return table.make(None, 0, 0.0)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("header", [True, False])
def test_every_usual_form_is_read_alike(separator, end, encoding, header, file):
    """Separators, ends of lines, encodings with their marks, with names or without."""
    text = written([NAMES] * header + ROWS, separator, end)

    table = read_table(file(text.encode(encoding)))

    X, y = points(table)
    assert [[i + 0.5, float(i * i)] for i in range(12)] == X
    assert y == [i % 2 for i in range(12)]
    assert table.class_names == ("no", "yes")
    assert table.columns == (("size", "weight") if header else ("column 1", "column 2"))
    assert (table.samples, table.features, table.classes) == (12, 2, 2)
    assert table.notes == ()


def test_fields_may_be_quoted(file):
    """With separators, quotes and ends of lines inside."""
    head = '"size, in cm","the ""weight""","ripe\nor not"'

    table = read_table(file(head + "\n" + written([[f'"{x}"' for x in row] for row in ROWS])))

    assert table.columns == ("size, in cm", 'the "weight"')
    assert table.target == "ripe\nor not"


def test_blank_lines_and_spaces_around_fields_do_not_count(file):
    """Also at the end of the file."""
    spaced = [[f" {x} " for x in row] for row in [NAMES, *ROWS]]

    table = read_table(file("\n\n" + written(spaced, end="\n\n") + ",,\n"))

    assert table.columns == ("size", "weight")
    assert table.samples == 12


def test_a_decimal_comma_is_a_comma_only_where_it_is_clear(file):
    """With semicolons it is read; a comma that may stand between thousands is refused."""
    rows = [[f"{i},5", f"{i},25", "a" if i % 2 else "b"] for i in range(12)]
    assert points(read_table(file(written(rows, ";"))))[0][3] == [3.5, 3.25]

    for text in (
        written([[f'"{x}"' for x in row] for row in rows], ","),
        written([[f"{i + 1},500", "1", "a" if i % 2 else "b"] for i in range(12)], ";"),
        written([[f"{i},5", f"{i}.5", "a" if i % 2 else "b"] for i in range(12)], "\t"),
    ):
        with pytest.raises(FileError, match="may be a decimal comma or a thousand"):
            read_table(file(text))


@pytest.mark.parametrize(
    ("targets", "task", "classes"),
    [
        (["1", "2", "10"] * 4, "classification", ("1", "2", "10")),
        (["1", "1.0", "01", "0"] * 3, "classification", ("0", "1")),
        (["-1", "1"] * 6, "classification", ("-1", "1")),
        (["True", "False"] * 6, "classification", ("False", "True")),
        (["b", "a", "7"] * 4, "classification", ("7", "a", "b")),
        ([str(i) for i in range(12)], "regression", ()),
        (["0.5", "1.5"] * 6, "regression", ()),
        (["1e3", "-2.5E-3"] * 6, "regression", ()),
    ],
)
def test_the_target_decides_what_is_learned(targets, task, classes, file):
    """Text and few different whole numbers are classes, in their order; the rest are amounts."""
    table = read_table(file(written([[str(i), t] for i, t in enumerate(targets)])))

    assert table.regression == (task == "regression")
    assert table.class_names == classes
    assert f": {task}" in str(table)
    if not table.regression:
        assert len({*points(table)[1]}) == len(classes)


def test_target_and_task_may_be_chosen(file):
    """By the name of the column; whole numbers as amounts."""
    path = file(written([["y", "x"], *[[str(i % 2), str(i)] for i in range(12)]]))

    table = read_table(path, target="y", task="regression")

    assert table.regression
    assert table.columns == ("x",)
    assert points(table)[1] == [float(i % 2) for i in range(12)]
    with pytest.raises(SettingError, match="target is 'z'"):
        read_table(path, target="z")
    with pytest.raises(SettingError, match="task is 'clustering'"):
        read_table(path, task="clustering")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("", "my.csv is empty"),
        ("\n\n\n", "my.csv is empty"),
        ("size\n1\n2\n", "has a single column, 'size'"),
        (written([NAMES]), "has 0 samples"),
        (written([NAMES, *ROWS[:5]]), "has 5 samples"),
        (written([NAMES, *ROWS, ["1", "2"]]), "line 14: 2 fields, but the first line has 3"),
        (written([NAMES, *ROWS, ["1", "2", "yes", "4"]]), "line 14: 4 fields"),
        (written([NAMES, *ROWS, ["", "2", "yes"]]), "line 14, column 'size': the value is missing"),
        (written([NAMES, *ROWS, ["1", "NaN", "no"]]), "line 14, column 'weight': the value is mis"),
        (written([NAMES, *ROWS, ["1", "2", "?"]]), "line 14, column 'ripe': the value is missing"),
        (written([NAMES, ["1", "", ""], *ROWS]), "is missing, and 1 other"),
        (written([NAMES, *ROWS, ["1", "big", "no"]]), "line 14, column 'weight': 'big' is not a n"),
        (written([NAMES, *ROWS, ["1_0", "1", "no"]]), "line 14, column 'size': '1_0' is not a nu"),
        (written([NAMES, *ROWS, ["0x1", "1", "no"]]), "'0x1' is not a number"),
        (written([NAMES, *ROWS, ["inf", "1", "no"]]), "'inf' is beyond 1e\\+100"),
        (written([NAMES, *ROWS, ["1e999", "1", "no"]]), "'1e999' is beyond 1e\\+100"),
        (written([["a", "a", "b"], *ROWS]), "line 1: two columns are called 'a'"),
        (written([[*row[:2], "yes"] for row in ROWS]), "is 'yes' in all 12 lines"),
        (written([[*row[:2], "2.5"] for row in ROWS]), "is '2.5' in all 12 lines"),
        (written([["1", "2", row[2]] for row in ROWS]), "every feature is the same"),
        (written([[*row[:2], f"name{i}"] for i, row in enumerate(ROWS)]), "has 12 classes in 12"),
        ('size,weight\n"1,2\n3,4\n', "line 2: unexpected end of data"),
        (b"PK\x03\x04rest of a workbook", "is an archive, such as a workbook"),
        (b"a,b\0,c\n", "is not a text"),
    ],
)
def test_what_can_t_be_learned_from_is_refused_where_it_stands(change, said, file):
    """With the line and the column, and what to do."""
    with pytest.raises(FileError, match=said) as caught:
        read_table(file(change))

    assert "Fix" in str(caught.value)


def test_files_that_can_t_be_read_are_refused(tmp_path):
    """Not there, or a folder."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(FileError, match=r"can't be read|a folder or device"):
            read_table(path)


def test_what_a_user_should_know_is_noted(file):
    """Columns that tell nothing, an index that pandas wrote, an encoding that was guessed."""
    constant = read_table(file(written([["a", "b", "y"], *[[r[0], "7", r[2]] for r in ROWS]])))
    index = read_table(
        file(written([["", *NAMES], *[[str(i), *row] for i, row in enumerate(ROWS)]]))
    )
    old = read_table(file(written([["größe", "b", "y"], *ROWS]).encode("cp1252")))

    assert "the same in all lines: 'b'" in constant.notes[0]
    assert constant.columns == ("a", "b")
    assert "counts the lines" in index.notes[0]
    assert index.columns == ("size", "weight")
    assert "Windows-1252" in old.notes[0]
    assert old.columns == ("größe", "b")


def test_names_of_numbers_are_names_where_the_target_shows_it(file):
    """Years as names of columns; a first line with a slip is not taken for names."""
    years = read_table(file(written([["2019", "2020", "price"], *[[*r[:2], r[1]] for r in ROWS]])))
    assert years.columns == ("2019", "2020")

    with pytest.raises(FileError, match="line 1, column 'column 2': 'abc' is not a number"):
        read_table(file(written([["1", "abc", "yes"], *ROWS])))


@settings(max_examples=150)
@given(st.binary(max_size=300) | st.text(alphabet="1.,;\t\n\"'ae-?$<", max_size=300))
def test_any_file_is_read_or_refused_in_words(tmp_path_factory, content):
    """Never another exception."""
    path = tmp_path_factory.mktemp("any") / "my.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = "Fix"
    try:
        read_table(path)
    except FileError as error:
        said = str(error)

    assert "Fix" in said


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.floats(-1e99, 1e99), st.integers(-(10**9), 10**9), st.sampled_from("ab")),
        min_size=10,
        max_size=20,
    )
)
def test_numbers_come_back_bit_for_bit(tmp_path_factory, rows):
    """As Python's csv and repr write them."""
    out = io.StringIO()
    csv.writer(out).writerows([["x", "n", "kind"], *rows])
    path = tmp_path_factory.mktemp("bits") / "my.csv"
    path.write_text(out.getvalue(), newline="")
    try:
        X, _ = points(read_table(path))
    except FileError:  # one class, or features that are all the same
        return

    assert [[x, float(n)] for x, n, _ in rows] == X
