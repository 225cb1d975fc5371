"""Pages of ``draw`` in a browser: each step's line says what the engine computed."""

import re
import xml.etree.ElementTree as ElementTree
from random import Random

import pytest

from tests import graphs
from tests.viz.test_drawing_labels import HOSTILE, SVG, legal, square
from tinygrad_edu import topological_order
from tinygrad_edu.shared.tables import typeset
from tinygrad_edu.viz import draw
from tinygrad_edu.viz.reading import Reading

PRODUCT = re.compile(r"∂L/∂(\S+) \+= (\S+) × (\S+) = (\S+?)(?:;|$)")
FIGURES = {"neuron": graphs.neuron, "shared": graphs.shared, "network": graphs.network}
ENGINES = ("dot", "builtin")
figures = pytest.mark.parametrize(
    "name", ["neuron", "shared", pytest.param("network", marks=pytest.mark.slow)]
)


def numbers(text):
    """What the sentence multiplies and gets, as floats."""
    found = PRODUCT.findall(text.replace("−", "-"))
    return [(source, *map(float, rest)) for source, *rest in found]


def walk(tab):
    """The text of every step of the page, first to last, read off the status line."""
    tab.locator(".stepper").focus()
    tab.keyboard.press("Home")
    count = int(tab.locator(".count").text_content().split()[-1])
    texts = []
    for step in range(count):
        assert tab.locator(".count").text_content() == f"step {step + 1} of {count}"
        texts.append((tab.locator(".phase").text_content(), tab.locator(".text").text_content()))
        tab.keyboard.press("ArrowRight")
    return texts


def drawn(name, engine, request):
    """A root after its backward pass, and its figure as a circuit."""
    if engine == "dot":
        request.getfixturevalue("with_dot")
    root = FIGURES[name]()
    return root, draw(root, style="circuit", engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
@figures
def test_the_contributions_read_add_up_to_grad(tab, name, engine, request):
    """Every value's share from every consumer is said once, and they sum to its ``grad``."""
    root, drawing = drawn(name, engine, request)
    tab.set_content(drawing.html())
    reading, backward = Reading(root), []
    for phase, text in walk(tab):
        if phase == "backward pass" and "upstream" in text:
            backward.append(text)

    received = dict.fromkeys(reading.order, 0.0)
    operations = [v for v in reversed(reading.order) if v.op is not None]
    for node, text in zip(operations, backward, strict=True):
        assert f"upstream {typeset(node.grad)} " in text
        sources = [v for v in node.inputs if not v.constant]
        for source, (_, upstream, slope, product) in zip(sources, numbers(text), strict=True):
            assert product == pytest.approx(upstream * slope, rel=2e-2)
            received[source] += product
    for node, total in received.items():
        if node is not root and not node.constant:
            assert total == pytest.approx(node.grad, rel=1e-2, abs=2e-2)


@pytest.mark.parametrize("engine", ENGINES)
@figures
def test_the_forward_lines_say_every_value(tab, name, engine, request):
    """In topological order, each operation's line ends with its value."""
    root, drawing = drawn(name, engine, request)
    tab.set_content(drawing.html())

    forward = [text for phase, text in walk(tab) if phase == "forward pass"]

    operations = [v for v in topological_order(root) if v.op is not None]
    assert [text.rsplit("= ")[-1] for text in forward] == [typeset(v.data) for v in operations]


@pytest.mark.parametrize("engine", ENGINES)
def test_numbers_of_the_picture_come_and_go(tab, engine, request):
    """No value of an operation before the pass has begun; no gradient before the backward pass."""
    _, drawing = drawn("shared", engine, request)
    tab.set_content(drawing.html())
    gradients = tab.locator("svg.figure [id$='-g']").all()

    assert gradients
    assert all(line.is_visible() for line in gradients)
    assert tab.locator("#wout-f").is_visible()
    tab.locator(".stepper").focus()
    tab.keyboard.press("Home")
    assert not any(line.is_visible() for line in gradients)
    assert not tab.locator("#wout-f").is_visible()


def test_the_browser_reads_the_labels_the_parser_reads(tab):
    """24 hostile labels: the tooltips in the page's tree start with the label itself."""
    for label in HOSTILE:
        tab.set_content(square(label).html())
        titles = tab.locator("svg.figure title").evaluate_all("all => all.map(e => e.textContent)")
        assert any(title.startswith(legal(label).replace("\r", "\n")) for title in titles), label
        assert tab.evaluate("document.querySelectorAll('script').length") == 1


@pytest.mark.slow
def test_the_browser_and_the_xml_parser_agree_on_any_label(tab):
    """1,000 labels drawn from markup, controls and the whole of Unicode read alike in both."""
    rng = Random(0)
    signs = [
        *"<>&\"'`]{}|\\\n\t\r\0\x7f\u2028\u202e\ud800\uffff",
        "</title>",
        "]]>",
        "&lt;",
        "&#0;",
    ]
    signs += [chr(rng.randrange(0x110000)) for _ in range(100)]
    labels = ["".join(rng.choices(signs, k=rng.randint(1, 20))) for _ in range(1000)]
    figures = [square(label).svg() for label in labels]

    seen = tab.evaluate(
        """figures => figures.map(figure => {
          const tree = new DOMParser().parseFromString(figure, "image/svg+xml");
          if (tree.querySelector("parsererror")) return "not well-formed";
          return [...tree.querySelectorAll("title")].map(e => e.textContent);
        })""",
        figures,
    )

    for figure, titles in zip(figures, seen, strict=True):
        tree = ElementTree.fromstring(figure)
        assert titles == [title.text for title in tree.iter(f"{SVG}title")]
