"""Import paths of the first edition: the CHANGELOG says which still work, and where to look."""

import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

CHANGELOG = (Path(__file__).parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
MOVED = re.findall(
    r"^\| `(tinygrad_edu[\w.]+)` \| `(tinygrad_edu[\w.]+)` \|$", CHANGELOG, re.MULTILINE
)
(KEPT,) = re.findall(r"old import paths still work:(.*?)\.\n", CHANGELOG, re.DOTALL)


def is_there(module):
    """Return whether a module can be imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("module", re.findall(r"tinygrad_edu\.(\w+)`", KEPT))
def test_a_path_that_is_kept_works(module):
    """As a module, and as a name of the package."""
    found = importlib.import_module(f"tinygrad_edu.{module}")

    assert found is getattr(importlib.import_module("tinygrad_edu"), module)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("engine", ("Value", "topological_order")),
        (
            "train",
            ("decision_boundary", "gradient_flow", "learning_rate_range", "loss_surface"),
        ),
    ],
)
def test_a_name_that_is_kept_is_found(module, names):
    """Where it stood before, though it is defined elsewhere."""
    found = importlib.import_module(f"tinygrad_edu.{module}")

    assert all(callable(getattr(found, name)) for name in names)
    assert all(f"`{name}`" in KEPT for name in names[2:])


def test_every_path_of_the_table_has_moved():
    """The old one is gone, the new one is there."""
    assert [old for old, _ in MOVED if is_there(old)] == []
    assert [new for _, new in MOVED if not is_there(new)] == []
    assert len(MOVED) > 20
