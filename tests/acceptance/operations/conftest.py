"""A database for every test, on the PostgreSQL of the session."""

import secrets
from pathlib import Path

import pytest

from tests.support.operations.shop import Shop, a_shop
from tests.support.servers.postgres import Postgres


@pytest.fixture
async def shop(postgres: Postgres, tmp_path: Path) -> Shop:
    return await a_shop(postgres, f"shop_{secrets.token_hex(4)}", str(tmp_path / "data"))
