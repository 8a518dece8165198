"""What all tests of this room need."""

import pytest

from live.own_state import own_resources


@pytest.fixture(autouse=True)
def _program_of_its_own() -> None:
    """Each test is a run of its own: what the engine said in another one does not count."""
    own_resources.cache_clear()
