"""What Prefect's server makes of our middleware and of our way to begin transactions."""

import sqlite3
from pathlib import Path
from typing import Any, cast

import prefect.server.api.server
import pytest
from prefect.server.api.clients import OrchestrationClient
from prefect.server.api.server import create_app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import (
    provide_database_interface,
    temporary_database_config,
)

from blocks.prefect_internals.server import IN_MEMORY, use_middleware_in_place_of_cors
from deployments.prefect.embedded import GuardedCors, QueueingSqlite


def test_the_application_that_prefect_makes_has_our_middleware_with_the_settings_of_cors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # put back after the test
    monkeypatch.setitem(vars(prefect.server.api.server), "CORSMiddleware", None)
    use_middleware_in_place_of_cors(GuardedCors)

    app = create_app(ephemeral=True, ignore_cache=True)

    [ours] = [one for one in app.user_middleware if cast(Any, one.cls) is GuardedCors]
    assert {"allow_origins", "allow_methods", "allow_headers"} == set(ours.kwargs)


def test_actions_of_automations_address_the_server_in_memory() -> None:
    client: Any = OrchestrationClient()

    assert IN_MEMORY == client._http_client.base_url.host


@pytest.mark.parametrize(
    ("configuration", "is_writer"), [(QueueingSqlite, True), (AioSqliteConfiguration, False)]
)
async def test_a_transaction_holds_the_write_lock_from_its_begin(
    configuration: type[AioSqliteConfiguration], is_writer: bool, tmp_path: Path
) -> None:
    """If Prefect's own does too, ours is not needed any more."""
    file = tmp_path / "prefect.db"
    database = configuration(f"sqlite+aiosqlite:///{file}")
    engine = await database.engine()
    async with await database.session(engine) as session, database.begin_transaction(session):
        await session.connection()

        assert is_writer is _is_locked(file)
    await engine.dispose()


def test_the_configuration_that_is_set_is_the_one_that_prefect_uses(tmp_path: Path) -> None:
    ours = QueueingSqlite(f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}")

    with temporary_database_config(ours):
        assert ours is provide_database_interface().database_config


def _is_locked(file: Path) -> bool:
    other = sqlite3.connect(file, timeout=0, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    else:
        return False
    finally:
        other.close()
