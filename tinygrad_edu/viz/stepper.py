"""A figure that a learner steps through, forwards and backwards, as a fragment of HTML.

The fragment is an image, and a script that turns it into a stepper. Where scripts are stripped,
as in a notebook that is not trusted, the image stays.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from functools import cache
from hashlib import sha256
from html import escape
from importlib import resources
from xml.etree import ElementTree

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.shared.arguments import one_of
from tinygrad_edu.viz.figure import PHASES, Step

# as escapes, these can't end the script or open a comment, wherever the fragment is pasted
_ESCAPES = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&"}

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title>
<style>:root {{ color-scheme: light dark; }} body {{ margin: 1.5rem; }}</style>
</head>
<body>
<main>
{fragment}
</main>
</body>
</html>
"""


def stepper(
    svg: str, steps: Sequence[Step], reveal: Mapping[str, int], *, alt: str, at: int | None = None
) -> str:
    """Write an HTML fragment: the figure as an image, which its script makes into a stepper.

    It is ASCII, loads nothing, and may stand on a page any number of times.

    Parameters
    ----------
    svg : str, with an element that has an id for each node, wire and number named below
    steps : sequence of Step, at least one
    reveal : for the id of an element, the step at which it appears; all others always show
    alt : str, the figure in words, for those who can't see it
    at : int, the step shown first; None for the last one

    Raises
    ------
    SettingError
        For a drawing that is not XML, an id it does not have, or a step that does not exist.

    Examples
    --------
    >>> svg = '<svg xmlns="http://www.w3.org/2000/svg"><g id="v0"><circle r="9"/></g></svg>'
    >>> fragment = stepper(svg, [Step("start", "v0", (), "x = 2", "")], {"v0": 0}, alt="x")
    >>> print(fragment[:60])
    <div data-tinygrad-edu-stepper="..."><img ...
    """
    drawing = svg.encode("utf-8", "replace")
    first = len(steps) - 1 if at is None else at
    _check(drawing, steps, reveal, first)
    key = sha256(repr((drawing, [*map(astuple, steps)], [*reveal.items()], first, alt)).encode())
    data = {
        "key": key.hexdigest()[:16],
        "first": first,
        "steps": [astuple(step) for step in steps],
        "reveal": list(reveal.items()),
    }
    text = json.dumps(data, separators=(",", ":")).translate(_ESCAPES)
    return (
        f'<div data-tinygrad-edu-stepper="{data["key"]}">'
        f'<img src="data:image/svg+xml;base64,{b64encode(drawing).decode()}" '
        f'alt="{_as_html(alt)}" style="max-width:100%;height:auto"></div>\n'
        f"<script>\n{_script()}({text});\n</script>\n"
    )


def page(fragment: str, title: str) -> str:
    """Write a complete HTML document around a fragment, to be opened as a file.

    Examples
    --------
    >>> print(page("<p>a figure</p>", "x < y"))
    <!DOCTYPE html>
    ...
    <title>x &lt; y</title>
    ...
    <p>a figure</p>
    ...
    """
    return _PAGE.format(fragment=fragment, title=_as_html(title))


def _as_html(text: str) -> str:
    """Write text for an attribute or an element, in ASCII, so that no charset can spoil it."""
    return escape(text).encode("ascii", "xmlcharrefreplace").decode()


@cache
def _script() -> str:
    """Read the JavaScript function that takes the data of a figure."""
    file = resources.files("tinygrad_edu.viz") / "stepper.js"
    return file.read_text(encoding="utf-8").rstrip()


def _check(drawing: bytes, steps: Sequence[Step], reveal: Mapping[str, int], first: int) -> None:
    """Refuse what would be a broken picture, or a script that stops half-way."""
    if not steps:
        raise SettingError("there are no steps to show.", fix="pass at least one Step.")
    revealed = {f"reveal[{name!r}]": index for name, index in reveal.items()}
    for name, index in {"at": first, **revealed}.items():
        if not 0 <= index < len(steps):
            raise SettingError(
                f"{name} is {index}, but the steps are 0 to {len(steps) - 1}.",
                fix="give the index of a step.",
            )
    for step in steps:
        one_of("phase", step.phase, PHASES)
    try:
        elements = ElementTree.fromstring(drawing).iter()
    except ElementTree.ParseError as error:
        raise SettingError(
            f"the drawing is not XML: {error}.",
            fix="escape its labels with xml(label) of tinygrad_edu.viz.svg.",
        ) from error
    ids = {element.get("id") for element in elements}
    wanted = dict.fromkeys(name for step in steps for name in (step.ring, *step.wires) if name)
    missing = [name for name in [*wanted, *reveal] if name not in ids]
    if missing:
        raise SettingError(
            f"the drawing has no element with the id {missing[0]!r}.",
            fix="name elements of the drawing in ring, wires and reveal.",
        )
