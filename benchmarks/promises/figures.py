"""The promise of labels: they are text in every output of a figure."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from xml.etree import ElementTree

from benchmarks.promises.promise import Finding, tool
from benchmarks.timing import progress
from tinygrad_edu import Value
from tinygrad_edu.engine.errors import MissingExtraError
from tinygrad_edu.explain import explain, graph_stats, trace_nonfinite
from tinygrad_edu.viz import draw
from tinygrad_edu.viz.drawing import STYLES
from tinygrad_edu.viz.layout.graphviz import COMMANDS, run_graphviz

PIECES = [
    *"<>&'\"\\{}|;:,`%$#\n\r\t\x00\x07\x1b\x7f\x85\u200f\u202e\u2028\ufffe\ud800é日🎉 ab", "]]>",
    "</svg>", "</script>", "<script>", "<!--", "-->", "<![CDATA[", "&lt;", "&#0;", "&amp;", "<br/>",
    "javascript:", "onload=", "<img src=x onerror=alert(1)>", "\\N", "\\G", "\\l", "->", "[label=",
    "subgraph", "digraph", "${x}", "{{", "%s", "\x1b[2J", "</title>", "</style>", "\u0000", "'/*",
]  # fmt: skip


class Elements(HTMLParser):
    """The elements and attributes that a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, int] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count scripts; note the others and their attributes."""
        self.found[tag] = self.found.get(tag, 0) + 1
        for name, _ in attrs:
            self.found.setdefault(f"{tag} {name}", 1)


def labels(fuzzed: int) -> Finding:
    """The 24 listed labels in every output, and so many mixtures of what breaks writers."""
    listed = tool("test_labels").HOSTILE
    mixed = ["".join(Random(i).choices(PIECES, k=Random(i).randint(1, 12))) for i in range(fuzzed)]
    faults, outputs = [], 0
    usual = {style: elements(figures("plain", style)) for style in STYLES}
    for i, label in enumerate(progress([*listed, *mixed], "  labels")):
        styles = list(STYLES) if i < len(listed) else [list(STYLES)[i % len(STYLES)]]
        for style in styles:
            try:
                made = figures(label, style)
                outputs += len(made)
                faults += [f"{label!r:.60}, {style}: {f}" for f in broken(made, usual[style])]
                if i < len(listed) and style == styles[i % len(styles)]:
                    outputs += saved(label, style)
            except Exception as error:
                faults.append(f"{label!r:.60}, {style}: {type(error).__name__}: {error}"[:200])
    words = f"{len(faults)} broken of {outputs:,} outputs, {len(listed)} + {fuzzed:,} labels"
    return Finding(words, faults)


def graph(label: str) -> tuple[Value, Value]:
    """The label on a leaf, an operation and a constant."""
    x, two = Value(3.0, label), Value(2.0, label).detach()
    root = (x * x + two).tanh()
    root.label = label
    root.backward()
    return x, root


def figures(label: str, style: str) -> dict[str, str]:
    """Every output in text."""
    x, root = graph(label)
    figure = draw(root, style, engine="builtin")
    whole = explain(x, root)
    return {
        "svg": figure.svg(), "a step's svg": figure.svg(1), "html": figure.html(),
        "text": str(figure), "dot": figure.source, "explain": str(whole),
        "explain, html": whole._repr_html_(), "stats": str(graph_stats(root)),
        "trace": str(trace_nonfinite(root)), "repr": repr(x),
        **{f"notebook {k}": v for k, v in figure._repr_mimebundle_().items()},
    }  # fmt: skip


MARKUP = ("svg", "a step's svg", "html", "explain, html", "notebook text/html")
TERMINAL = ("text", "explain", "stats", "trace", "repr", "notebook text/plain")


def elements(made: dict[str, str]) -> dict[str, dict[str, int]]:
    """The elements of each output in markup."""
    return {name: Elements(made[name]).found for name in MARKUP}


def broken(made: dict[str, str], usual: dict[str, dict[str, int]]) -> Iterator[str]:
    """What a label broke: markup that no harmless label has, controls in a terminal, bad XML."""
    for name, found in elements(made).items():
        new = [tag for tag in found if tag not in usual[name]]
        if new or found.get("script", 0) != usual[name].get("script", 0):
            yield f"{name} has {new or 'another script'}"
    for name in ("svg", "a step's svg"):
        ElementTree.fromstring(made[name])
    for name in TERMINAL:
        if bad := [c for c in made[name] if not c.isprintable() and c != "\n"]:
            yield f"{name} prints {bad[0]!r}"
    for name, text in made.items():
        try:
            text.encode()
        except UnicodeEncodeError:
            yield f"{name} can't be written as UTF-8"


def saved(label: str, style: str) -> int:
    """Write what takes a file, and have dot read its source; how many outputs that are."""
    _, root = graph(label)
    figure, count = draw(root, style, engine="builtin"), 0
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("svg", "html", "dot", "txt", "png", "pdf"):
            try:
                file = figure.save(Path(folder) / f"figure.{kind}")
                count += 1
            except MissingExtraError:
                continue
            if not file.stat().st_size:
                raise ValueError(f"an empty .{kind}")
    if shutil.which("dot") and run_graphviz(COMMANDS["dot"], figure.source) is None:
        raise ValueError("dot can't read the source")
    return count
