"""A short version of `make fuzz`."""

import pytest

from api.documentation.parts import PARTS, Part
from tests.fuzz.__main__ import STATES, fuzz


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("part", PARTS)
async def test_nothing_that_the_document_invites_is_answered_otherwise_than_it_says(
    part: Part, state: str
) -> None:
    assert 0 == await fuzz(part, state, 3, 1, "--phases=fuzzing")
