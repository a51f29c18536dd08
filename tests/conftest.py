"""One RabbitMQ node, one Cosmos DB emulator and one Prefect server serve the whole test session, if a test asks."""

import pytest

from blocks import audit_room

pytest_plugins = ("tests.support.rabbitmq", "tests.support.cosmos", "tests.support.prefect_server")


@pytest.fixture(autouse=True)
def _audit_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """No refusal of another test is counted against this one: the count is the process's."""
    monkeypatch.setattr(audit_room, "_ROOM", audit_room.Room())
