"""Names are found where they are now, when they are first asked for."""

import pytest

from tinygrad_edu.shared.moved import moved


def test_a_name_is_looked_up_in_the_module_that_has_it():
    """An attribute of another module, or that module itself."""
    look_up = moved("here", sqrt="math", path="os.path")

    assert look_up("sqrt")(9.0) == 3.0
    assert look_up("path").join("a", "b").endswith("b")


def test_an_unknown_name_is_an_attribute_error_of_the_module_that_was_asked():
    """As for any module, so that ``hasattr`` and ``from ... import`` work."""
    with pytest.raises(AttributeError, match="module 'here' has no attribute 'cube'"):
        moved("here", sqrt="math")("cube")
