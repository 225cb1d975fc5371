"""Labels are data: whatever they hold comes out as text, in every output."""

import xml.etree.ElementTree as ElementTree
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import graphs
from tests.viz.test_stepper import Elements
from tinygrad_edu import Value
from tinygrad_edu.explain import explain, graph_stats, trace_nonfinite
from tinygrad_edu.viz import draw
from tinygrad_edu.viz.drawing import STYLES
from tinygrad_edu.viz.layout.graphviz import COMMANDS, run_graphviz

HOSTILE = [
    '"', "'", "\\", "\\n", "a\nb", "<b>bold</b>", "</script><script>alert(1)</script>", "]]>",
    "<!--", "-->", "&amp;", "&", "|", "{a|b}", "<port>", "\u202eright to left", "\u200f",
    "\x00", "\x07\x1b[31m", "\ufffe", "<<table>>", "%s %d {0}", "x" * 10_000, "日本語 🎉",
]  # fmt: skip
WORDS = (
    "]]> </svg> </script> <script> <!-- --> <![CDATA[ &lt; &#0; &amp; <br/> javascript: onload= "
    "\\N \\G \\l -> [label= subgraph digraph ${x} {{ %s \x1b[2J </title> </style> '/*"
)
PIECES = [
    *"<>&'\"\\{}|;:,`%$#\n\r\t\x00\x07\x1b\x7f\x85\u200f\u202e\u2028\ufffe\ud800é日🎉 ab",
    *("<img src=x onerror=alert(1)>", *WORDS.split()),
]
SVG = "{http://www.w3.org/2000/svg}"


def square(label):
    """A figure with the label on a leaf and on an operation."""
    return draw(graphs.square(label), style="circuit", engine="builtin")


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


@pytest.mark.slow
@settings(max_examples=1000)
@given(st.text(max_size=40))
def test_any_label_is_text_in_svg(label):
    """And 1,000 of hypothesis's."""
    assert_is_text(label)


MARKUP = ("svg", "a step's svg", "html", "explain, html", "notebook text/html")
TERMINAL = ("text", "explain", "stats", "trace", "repr", "notebook text/plain")


def labelled(label, style):
    """A figure with the label on a leaf, a constant and an operation; the leaf and the root."""
    x = Value(3.0, label)
    root = (x * x + Value(2.0, label).detach()).tanh()
    root.label = label
    return draw(graphs.backward(root), style, engine="builtin"), x, root


def outputs(label, style):
    """Every output in text, by name."""
    figure, x, root = labelled(label, style)
    route = explain(x, root)
    return {
        "svg": figure.svg(),
        "a step's svg": figure.svg(1),
        "html": figure.html(),
        "text": str(figure),
        "dot": figure.source,
        "explain": str(route),
        "explain, html": route._repr_html_(),
        "stats": str(graph_stats(root)),
        "trace": str(trace_nonfinite(root)),
        "repr": repr(x),
        **{f"notebook {kind}": text for kind, text in figure._repr_mimebundle_().items()},
    }


@cache
def usual(style):
    """What each output in markup has for a harmless label."""
    made = outputs("plain", style)
    return {name: Elements(made[name]) for name in MARKUP}


def broken(made, style):
    """What a label broke: new markup, bad XML, controls in a terminal, text that is not Unicode."""
    faults = []
    for name in MARKUP:
        found, known = Elements(made[name]), usual(style)[name]
        new = {*found.tags, *found.attributes} - {*known.tags, *known.attributes}
        if new or len(found.scripts) != len(known.scripts):
            faults.append(f"{name} has {sorted(new) or 'another script'}")
    for name in ("svg", "a step's svg"):
        ElementTree.fromstring(made[name])
    for name in TERMINAL:
        faults += [f"{name} prints {c!r}" for c in made[name] if not (c.isprintable() or c == "\n")]
    for name, text in made.items():
        if text.encode(errors="ignore").decode() != text:
            faults.append(f"{name} can't be written as UTF-8")
    return faults


@pytest.mark.promise(name="labels")
@pytest.mark.parametrize("style", STYLES)
def test_a_listed_label_is_text_in_every_output(style, measured):
    """24 labels that break careless writers, in every style."""
    for label in HOSTILE:
        made = outputs(label, style)
        assert broken(made, style) == [], label
    measured(f"{len(HOSTILE)} listed labels in {len(made)} outputs of {len(STYLES)} styles")


@pytest.mark.promise(name="labels")
def test_a_mixture_of_what_breaks_writers_is_text_in_every_output(cases, measured):
    """So many random mixtures, in one style after the other."""
    for seed in range(cases):
        rng, style = Random(seed), list(STYLES)[seed % len(STYLES)]
        label = "".join(rng.choices(PIECES, k=rng.randint(1, 12)))
        assert broken(outputs(label, style), style) == [], label
    measured(f"{cases:,} fuzzed labels")


@pytest.mark.promise(name="labels")
@pytest.mark.slow
@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
def test_a_listed_label_is_written_to_every_file(label, tmp_path, with_dot):
    """None is empty, and dot can read the source."""
    figure, _, _ = labelled(label, "circuit")
    for ending in ("svg", "html", "dot", "txt", "png", "pdf"):
        assert figure.save(tmp_path / f"figure.{ending}").stat().st_size > 0
    assert run_graphviz(COMMANDS["dot"], figure.source) is not None


@pytest.mark.parametrize(
    ("output", "text", "said"),
    [
        ("svg", "<svg><script>alert(1)</script></svg>", "svg has ['script']"),
        ("html", "<div onclick='x'></div>", "html has ['div onclick']"),
        ("text", "\x1b[31m", "text prints '\\x1b'"),
        ("dot", "\ud800", "dot can't be written as UTF-8"),
    ],
)
def test_a_label_that_breaks_out_is_noticed(output, text, said):
    """A script, an attribute, a control sequence, half a character."""
    made = outputs("plain", "circuit")
    assert broken(made, "circuit") == []

    assert said in broken(made | {output: text}, "circuit")


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
