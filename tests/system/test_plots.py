"""Plots on slow machines: Matplotlib warns when it looks for the best corner for over a second."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tinygrad_edu").rglob("*.py"))


def searching(source):
    """Return the lines of a file on which a legend is drawn that searches for its place."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "legend"
        and not any(keyword.arg == "loc" and is_place(keyword.value) for keyword in node.keywords)
    ]


def is_place(loc):
    """Return whether the argument names a place, or is computed."""
    return not isinstance(loc, ast.Constant) or loc.value not in ("best", 0)


def test_every_legend_has_its_place():
    """No plot of the package looks for the best place: its legend says where it stands."""
    sources = {file.name: file.read_text(encoding="utf-8") for file in FILES}

    found = {name: lines for name, source in sources.items() if (lines := searching(source))}

    assert any(".legend(" in source for source in sources.values())
    assert found == {}


@pytest.mark.parametrize("call", ["legend()", "legend(loc='best')", "legend(frameon=False, loc=0)"])
def test_a_legend_that_searches_is_noticed(call):
    """Planted: without a place, and with the place that Matplotlib takes by default."""
    assert searching(f"ax.{call}") == [1]
    assert searching("ax.legend(loc='upper right')\nax.legend(loc=corner)") == []
