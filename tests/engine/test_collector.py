"""The pause of the garbage collector."""

import gc
from contextlib import suppress

import pytest

from tinygrad_edu.engine.collector import collector_paused


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_the_collector_is_as_it_was_afterwards(on, error):
    """Off inside the block; on any exit as it was before, on or off."""
    (gc.enable if on else gc.disable)()
    try:
        with suppress(KeyboardInterrupt, ValueError), collector_paused():
            assert not gc.isenabled()
            if error:
                raise error
        assert gc.isenabled() == on
    finally:
        gc.enable()
