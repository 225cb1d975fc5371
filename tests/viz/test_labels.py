"""Labels are data: whatever they hold comes out as text, in every output."""

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import graphs
from tinygrad_edu import Value
from tinygrad_edu.viz import draw
from tinygrad_edu.viz.dot import digraph
from tinygrad_edu.viz.layout.graphviz import COMMANDS, run_graphviz
from tinygrad_edu.viz.themes import THEMES

HOSTILE = [
    '"', "'", "\\", "\\n", "a\nb", "<b>bold</b>", "</script><script>alert(1)</script>", "]]>",
    "<!--", "-->", "&amp;", "&", "|", "{a|b}", "<port>", "\u202eright to left", "\u200f",
    "\x00", "\x07\x1b[31m", "\ufffe", "<<table>>", "%s %d {0}", "x" * 10_000, "日本語 🎉",
]  # fmt: skip
SVG = "{http://www.w3.org/2000/svg}"


def square(label):
    """A figure with the label on a leaf and on an operation."""
    x = Value(3.0, label)
    root = x * x
    root.label = label
    return draw(graphs.backward(root), style="circuit", engine="builtin")


def legal(label):
    """The label as XML can hold it."""
    return "".join(
        c if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c >= "\U00010000"
        else "\ufffd"
        for c in label
    )  # fmt: skip


def assert_is_text(label):
    """The SVG is well-formed, and the whole label is the first line of its node's tooltip."""
    tree = ElementTree.fromstring(square(label).svg())

    tooltips = [title.text for title in tree.iter(f"{SVG}title")]
    expected = legal(label) or "leaf"
    assert any((text or "").startswith(f"{expected}\n") for text in tooltips)
    assert not list(tree.iter(f"{SVG}script"))


@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_label_is_text_in_svg(label):
    """24 labels that break careless writers."""
    assert_is_text(label)


@settings(max_examples=1000)
@given(st.text(max_size=40))
def test_any_label_is_text_in_svg(label):
    """And 1,000 of hypothesis's."""
    assert_is_text(label)


@pytest.mark.parametrize("style", ["circuit", "detail", "card", "folded", "micrograd"])
@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_label_in_every_style_and_output(style, label):
    """Well-formed SVG and a page whose script ends where it should; DOT that dot can read."""
    x = Value(3.0, label)
    root = x * x
    root.label = label
    figure = draw(graphs.backward(root), style=style, engine="builtin")

    ElementTree.fromstring(figure.svg())
    page = figure.html()
    assert page.count("</script>") == 1
    assert "alert(1)" not in page.replace("alert(1)", "", page.count("u003cscript"))
    assert str(figure)
    source = digraph(figure.figure, THEMES["light"]).source
    answer = run_graphviz(COMMANDS["dot"], source)
    assert answer is None or b'"objects"' in answer


def test_dot_reads_every_hostile_label(with_dot):
    """The source with labels, not the one for the layout, is accepted by dot."""
    for label in HOSTILE:
        assert run_graphviz(COMMANDS["dot"], square(label).source) is not None, label
