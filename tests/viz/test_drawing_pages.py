"""Pages of ``draw`` in a browser: they say the steps of the figure, and labels are text."""

import xml.etree.ElementTree as ElementTree
from random import Random

import pytest

from tests import graphs
from tests.viz.test_drawing_labels import HOSTILE, SVG, legal, square
from tinygrad_edu.viz import draw


@pytest.mark.parametrize("engine", ["dot", "builtin"])
@pytest.mark.parametrize(
    "build", [graphs.neuron, graphs.shared, pytest.param(graphs.network, marks=pytest.mark.slow)]
)
def test_every_step_is_read_off_the_page(tab, build, engine, request):
    """First to last, as test_steps.py checks them, with the number of the step."""
    if engine == "dot":
        request.getfixturevalue("with_dot")
    drawing = draw(build(), style="circuit", engine=engine)
    tab.set_content(drawing.html())

    tab.locator(".stepper").focus()
    tab.keyboard.press("Home")

    for number, step in enumerate(drawing.steps, 1):
        assert tab.locator(".count").text_content() == f"step {number} of {len(drawing.steps)}"
        assert tab.locator(".phase").text_content().removesuffix(" pass") == step.phase
        assert tab.locator(".text").text_content() == step.text
        tab.keyboard.press("ArrowRight")


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
    signs = [*"<>&\"'`]{}|\\\n\t\r\0\x7f\u2028\u202e\ud800\uffff", "</title>", "]]>", "&lt;"]
    signs += ["&#0;", *(chr(rng.randrange(0x110000)) for _ in range(100))]
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
