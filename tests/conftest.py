"""One RabbitMQ node, one Cosmos DB emulator, one Prefect server, one PostgreSQL cluster and one
Redis server serve the whole test session, if a test asks.
"""

import gc

import hypothesis
import pytest

from blocks.audit import refusals

pytest_plugins = (
    "tests.support.servers.rabbitmq",
    "tests.support.servers.cosmos",
    "tests.support.servers.prefect_server",
    "tests.support.operations.docker_engine",
    "tests.support.servers.postgres",
    "tests.support.operations.redis_server",
)

# How long an example takes says nothing on a busy machine; speed is measured in tests/benchmarks.
hypothesis.settings.register_profile("of this project", deadline=None)
hypothesis.settings.load_profile("of this project")


@pytest.fixture(autouse=True)
def _audit_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """No refusal of another test is counted against this one: the count is the process's."""
    monkeypatch.setattr(refusals, "_ROOM", refusals.Room())


def pytest_collection_finish() -> None:
    """What has been imported stays: the collector need not walk it again and again while tests
    build applications.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
