"""Worksheets: pencil-friendly numbers, blanks that tell nothing, the same bytes for a seed."""

import re
import subprocess
import sys
from random import Random

import pytest

from tinygrad_edu import topological_order
from tinygrad_edu.course import worksheet
from tinygrad_edu.course.worksheets.problems import OPERATIONS, problem
from tinygrad_edu.course.worksheets.sheets import sheets_of
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.explain import explain
from tinygrad_edu.expression import evaluate
from tinygrad_edu.shared.tables import typeset

every_level = pytest.mark.parametrize("level", OPERATIONS)
SEEDS = range(40)


@every_level
def test_every_number_is_short(level):
    """Values, gradients and what flows on each wire: quarters, as exact as they are printed."""
    for seed in SEEDS:
        sheet = worksheet(seed, level=level)
        order = topological_order(sheet.term.value)
        passed = [
            flow
            for leaf in sheet.leaves
            for path in explain(leaf, sheet.term.value).paths
            for flow in [path.product]
        ]
        for x in [v.data for v in order] + [v.grad for v in order] + passed:
            assert 4.0 * x == int(4.0 * x)
        for x in [v.data for v in order] + [v.grad for v in order]:
            assert float(typeset(x).replace("−", "-")) == x
            assert abs(x) <= 24.0


@every_level
def test_the_formula_is_the_graph(level):
    """Read as text it has the value and the gradients of the drawn graph."""
    for seed in SEEDS:
        sheet = worksheet(seed, level=level)
        text = sheet.term.text.replace("·", "*").replace("−", "-")

        root, leaves = evaluate(text, {v.label: v.data for v in sheet.leaves})
        root.backward()

        assert root.data == sheet.term.value.data
        assert {name: v.grad for name, v in leaves.items()} == {
            v.label: v.grad for v in sheet.leaves
        }


@every_level
def test_there_is_something_to_think_about(level):
    """So many operations, a product, a value used twice, no gradient of 0 at a leaf."""
    for seed in SEEDS:
        sheet = worksheet(seed, level=level)
        nodes = [v for v in topological_order(sheet.term.value) if v.op is not None]
        used = [v for node in nodes for v in node.inputs]

        assert len(nodes) == OPERATIONS[level]
        assert "mul" in {node.op.name for node in nodes}
        assert 2 in [used.count(leaf) for leaf in sheet.leaves]
        assert all(leaf.grad for leaf in sheet.leaves)


def test_no_max_is_a_tie():
    """Which of two equal numbers gets the gradient is nothing to argue about."""
    rng = Random(0)
    for _ in range(400):
        for node in topological_order(problem(rng, 3).value):
            assert (
                node.op is None
                or node.op.name != "maximum"
                or (node.inputs[0].data != node.inputs[1].data)
            )


def texts(svg):
    """What is written in a picture."""
    return re.findall(r"<text[^>]*>(.*?)</text>", svg)


@every_level
def test_blanks_tell_no_number_but_those_given(level):
    """Nothing in the picture, its tooltips or its wires' widths gives an answer away."""
    for seed in range(10):
        sheet = worksheet(seed, level=level)
        svg = sheet.svg()

        numbers = [text for text in texts(svg) if re.fullmatch(r"−?[\d.]+", text)]

        given = {typeset(v.data) for v in sheet.leaves}
        assert set(numbers) <= given
        assert re.findall(r"<title>(.*?)</title>", svg) == ["a computation graph to fill in"]
        assert len(set(re.findall(r'stroke-width="([\d.]+)"/><path', svg))) == 1
        assert all(text.count("____") == 1 for text in texts(svg) if "∇" in text)


@every_level
def test_each_wire_has_blanks(level):
    """One for each value that is computed, one for each gradient, one for each sum of two."""
    sheet = worksheet(3, level=level)
    order = topological_order(sheet.term.value)
    inputs = [v for node in order for v in node.inputs]
    computed = sum(v.op is not None for v in inputs) + 1  # and the result
    shared = sum(inputs.count(v) > 1 for v in order)

    blanks = [text for text in texts(sheet.svg()) if "____" in text]

    assert len(blanks) == computed + (len(inputs) + 1) + shared


def test_the_answer_page_has_every_gradient():
    """The value of L, and that of each leaf."""
    sheet = worksheet(7)

    page = sheet.answer_html()

    assert f"L = {typeset(sheet.term.value.data)}" in page
    for leaf in sheet.leaves:
        assert f"∂L/∂{leaf.label} = {typeset(leaf.grad)}" in page


def test_another_seed_is_another_sheet():
    """Another name, too; and the same ones give the same."""
    pages = [worksheet(1).html(), worksheet(2).html(), worksheet(1, "Ada").html()]

    assert len(set(pages)) == 3
    assert worksheet(1, "Ada").html() == pages[2]


def test_the_same_bytes_in_every_process():
    """Whatever hashes are there."""
    code = "from tinygrad_edu.course.worksheets.sheets import sheets_of; print(sheets_of(7, 'AB'))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8", "PATH": ""},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert runs[0] == runs[1]
    assert runs[0].decode().rstrip("\n") == sheets_of(7, ["A", "B"]).rstrip("\n")


def test_a_class_gets_a_page_a_name_then_the_answers():
    """Two of one name get two graphs; names are escaped."""
    page = sheets_of(7, ["Ada", "<b>Bo", "Ada"])

    formulas = re.findall(r'class="formula">L = (.*?)[<&]', page)

    assert page.count("<section>") == 6
    assert page.count("<footer>Answers") == 3
    assert page.index("Answers</b>") > page.rindex("Name:")
    assert formulas[0] != formulas[2]
    assert "<b>Bo" not in page
    assert "&lt;b&gt;Bo" in page


def test_pages_load_nothing():
    """They say so to the browser, and name no address but that of SVG itself."""
    page = sheets_of(7, [])

    assert "default-src 'none'" in page
    assert set(re.findall(r"https?://[^\"' ]+", page)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize(
    "settings", [{"seed": -1}, {"seed": 1.5}, {"seed": 1, "level": 4}, {"seed": 1, "level": "2"},
                 {"seed": 1, "level": True}, {"seed": 1, "level": []}, {"seed": 1, "name": 3}],
)  # fmt: skip
def test_settings_outside_are_refused(settings):
    """Before work starts."""
    with pytest.raises(SettingError, match=r"seed|level|name"):
        worksheet(**settings)


def test_a_sheet_shows_itself():
    """As a picture in a notebook, as a line in a terminal."""
    sheet = worksheet(7)

    assert sheet._repr_html_().startswith("<svg")
    assert str(sheet).startswith("L = ")
