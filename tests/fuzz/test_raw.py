"""A short version of the raw part of `make fuzz`."""

from pathlib import Path

import pytest

from blocks.contracts.roles import ROLES
from tests.fuzz.raw import fuzz_bytes
from tests.support.api.credentials import a_service_token, as_user
from tests.support.api.served_api import served_api


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 60), pytest.param(2, 5_000, marks=pytest.mark.slow)]
)
async def test_whatever_bytes_come_the_answer_is_a_documented_one(
    tmp_path: Path, seed: int, count: int
) -> None:
    async with served_api(tmp_path, REQUEST_HEAD_SECONDS="2", REQUEST_BODY_SECONDS="2") as api:
        assert [] == await fuzz_bytes(
            api.url, as_user(a_service_token(*ROLES, "act-for-users")), seed, count
        )
