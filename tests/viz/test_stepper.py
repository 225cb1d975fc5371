"""The stepper as text: what its fragment holds, and what it refuses."""

import json
import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.viz.figure import Step
from tinygrad_edu.viz.stepper import page, stepper

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">'
    '<g id="v0" class="node"><circle r="3"/></g><g id="w0" class="wire"><path d="M0 0h9"/></g>'
    '<text id="w0-f">2</text></svg>'
)
STEPS = [
    Step("start", "", (), "nothing yet", ""),
    Step("forward", "v0", ("w0",), "×: 2 × 3 = 6", "out = x · y"),
]
REVEAL = {"w0-f": 1}
HOSTILE = [
    "</script><script>alert(1)</script>", "<!--<script>", "]]>", "\"'`${1}\\", "&lt;",
    "\u2028\u2029", "\u202eabc\u200f", "a\nb\r\0", "\ud800", "x" * 10_000,
    "<img src=x onerror=alert(1)>",
]  # fmt: skip
hostile = pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))


class Elements(HTMLParser):
    """Elements as the HTML standard reads them, their attributes, and the text of scripts."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.images, self.scripts = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        self.tags.append(tag)
        self.attributes += [f"{tag} {name}" for name, _ in attrs]
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        """Note what a script says."""
        if self.tags and self.tags[-1] == "script":
            self.scripts[-1] += data


def data_of(fragment):
    """What the script is called with."""
    (script,) = Elements(fragment).scripts
    return json.loads(script[script.rindex("\n})(") + 4 : script.rindex(");")])


def test_the_image_is_the_drawing():
    """The drawing stands in the fragment once, in the image that shows without the script."""
    fragment = stepper(SVG, STEPS, REVEAL, alt="two")

    (image,) = Elements(fragment).images
    scheme, encoded = image["src"].split(",")
    assert scheme == "data:image/svg+xml;base64"
    assert b64decode(encoded).decode() == SVG
    assert image["alt"] == "two"
    assert fragment.count(encoded) == 1
    assert "viewBox" not in data_of(fragment)


def test_the_script_gets_the_steps():
    """All fields of all steps, what appears when, and the last step as the first one shown."""
    data = data_of(stepper(SVG, STEPS, REVEAL, alt=""))

    assert data["steps"] == [
        ["start", "", [], "nothing yet", ""],
        ["forward", "v0", ["w0"], "×: 2 × 3 = 6", "out = x · y"],
    ]
    assert data["reveal"] == [["w0-f", 1]]
    assert data["first"] == 1
    assert data_of(stepper(SVG, STEPS, REVEAL, alt="", at=0))["first"] == 0


@hostile
def test_hostile_text_stays_data(text):
    """No text ends the script, opens an element or leaves ASCII; the script gets it unchanged."""
    steps = [replace(STEPS[1], text=text, rule=text)]

    fragment = stepper(SVG, steps, {}, alt=text)

    assert Elements(fragment).tags == ["div", "img", "script"]
    assert data_of(fragment)["steps"][0][3:] == [text, text]
    assert "<!--" not in fragment
    assert "]]>" not in fragment
    assert fragment.isascii()


@given(st.text())
def test_any_text_stays_data(text):
    """As above, for whatever hypothesis finds."""
    fragment = stepper(SVG, [replace(STEPS[1], text=text)], {}, alt=text)

    assert Elements(fragment).tags == ["div", "img", "script"]
    assert data_of(fragment)["steps"][0][3] == text


def test_the_parser_of_these_tests_notices_an_escape():
    """A fragment with its escapes undone has more elements, so the tests above can fail."""
    fragment = stepper(SVG, [replace(STEPS[1], text=HOSTILE[0])], {}, alt="")

    broken = fragment.replace("\\u003c", "<").replace("\\u003e", ">")

    assert Elements(broken).tags == ["div", "img", "script", "script"]


def test_the_same_figure_gives_the_same_text():
    """The key depends on what is shown, and on nothing else."""
    first = stepper(SVG, STEPS, REVEAL, alt="")

    assert stepper(SVG, STEPS, dict(REVEAL), alt="") == first
    others = [
        stepper(SVG.replace(">2<", ">3<"), STEPS, REVEAL, alt=""),
        stepper(SVG, STEPS, {}, alt=""),
        stepper(SVG, STEPS, REVEAL, alt="", at=0),
        stepper(SVG, STEPS[1:], {}, alt=""),
    ]
    assert len({data_of(fragment)["key"] for fragment in [first, *others]}) == 5


def test_the_script_loads_nothing_and_makes_no_markup_of_data():
    """No address but the SVG namespace, no innerHTML, no eval; nothing ends the script."""
    script = (resources.files("tinygrad_edu.viz") / "stepper.js").read_text(encoding="utf-8")

    assert re.findall(r"\w+://[^\"]*", script) == ["http://www.w3.org/2000/svg"]
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "eval(", "fetch", "import(", "</"):
        assert word not in script
    assert script.isascii()


@pytest.mark.parametrize(
    ("what", "arguments"),
    [
        ("no steps to show", {"steps": []}),
        ("phase is 'sideways'", {"steps": [replace(STEPS[0], phase="sideways")] * 2}),
        ("no element with the id 'v9'", {"steps": [STEPS[0], replace(STEPS[1], ring="v9")]}),
        ("no element with the id 'w9'", {"steps": [STEPS[0], replace(STEPS[1], wires=("w9",))]}),
        ("no element with the id 'z'", {"reveal": {"z": 1}}),
        (r"reveal\['w0-f'\] is 2, but the steps are 0 to 1", {"reveal": {"w0-f": 2}}),
        ("at is -1, but the steps are 0 to 1", {"at": -1}),
        ("not XML", {"svg": "<svg>\0</svg>"}),
    ],
)
def test_what_can_not_be_shown_is_refused(what, arguments):
    """A broken picture would be shown in silence, so it is an error here."""
    given = {"svg": SVG, "steps": STEPS, "reveal": REVEAL, "alt": ""} | arguments

    with pytest.raises(SettingError, match=what):
        stepper(**given)


@hostile
def test_a_page_is_one_document(text):
    """One title, as text, whatever it says; the fragment as it is."""
    fragment = stepper(SVG, STEPS, REVEAL, alt="")

    document = page(fragment, text)

    assert fragment in document
    tags = Elements(document).tags
    assert tags == ["html", "head", *["meta"] * 3, "title", "style", "body", "main", "div", "img",
                    "script"]  # fmt: skip
