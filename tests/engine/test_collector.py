"""The pause of the garbage collector."""

import gc

import pytest

from tinygrad_edu.engine.collector import collector_paused


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_is_as_it_was_afterwards(on):
    """Off inside the block; on any exit as it was before, on or off."""
    (gc.enable if on else gc.disable)()
    try:
        with pytest.raises(KeyboardInterrupt), collector_paused():
            assert not gc.isenabled()
            raise KeyboardInterrupt
        assert gc.isenabled() == on
    finally:
        gc.enable()
