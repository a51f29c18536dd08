"""A short version of `make fuzz`."""

import pytest

from tests.fuzz.__main__ import STATES, fuzz


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
async def test_nothing_that_the_document_invites_is_answered_otherwise_than_it_says(
    state: str,
) -> None:
    assert 0 == await fuzz(state, 3, 1, "--phases=fuzzing")
