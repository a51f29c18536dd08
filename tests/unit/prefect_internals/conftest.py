"""These tests need no Prefect server, and must not start one by logging."""

from collections.abc import Iterator

import pytest
from prefect.settings import (
    PREFECT_LOGGING_TO_API_ENABLED,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    temporary_settings,
)


@pytest.fixture(autouse=True)
def no_server() -> Iterator[None]:
    with temporary_settings(
        {PREFECT_LOGGING_TO_API_ENABLED: False, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False}
    ):
        yield
