"""The composition root's helper: opens the adapters that the settings' URLs name."""

from contextlib import AbstractAsyncContextManager

from blocks.ports import EventBus, RecordStore
from blocks.settings import Settings


def open_bus(settings: Settings, name: str) -> AbstractAsyncContextManager[EventBus]:
    """The bus that `rabbitmq.url` names; `name` is how this process appears on the broker."""
    file = settings.embedded_file(settings.rabbitmq.url)
    if file:
        from blocks.sqlite.event_bus import SqliteEventBus

        return SqliteEventBus(file)
    from blocks.rabbitmq.event_bus import RabbitMQEventBus

    return RabbitMQEventBus(settings.rabbitmq.url, exchange=settings.rabbitmq.exchange, name=name)


def open_store(settings: Settings) -> AbstractAsyncContextManager[RecordStore]:
    """The store that `cosmos_db.endpoint` names. Lives as long as its context."""
    file = settings.embedded_file(settings.cosmos_db.endpoint)
    if file:
        from blocks.sqlite.record_store import SqliteRecordStore

        return SqliteRecordStore(file)
    from blocks.cosmos.record_store import CosmosRecordStore

    cosmos = settings.cosmos_db
    return CosmosRecordStore(cosmos.endpoint, cosmos.key, database=cosmos.database_id, ca_file=cosmos.ca_file or None)
