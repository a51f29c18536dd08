"""The composition root's helper: opens the adapters that the settings' URLs name, measured."""

import base64
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

from blocks.adapters.formed_bus import FormedEventBus
from blocks.adapters.measured_bus import MeteredEventBus
from blocks.adapters.measured_store import MeteredRecordStore
from blocks.adapters.requiring_bus import RequiringEventBus
from blocks.contracts.events.forms import AS_DOCUMENTED, Form
from blocks.ports import EventBus, RecordStore
from blocks.processes.private_files import private_folder
from blocks.settings import BadSetting, Settings
from blocks.settings.containers import named_containers
from blocks.topology import queue_needed


@asynccontextmanager
async def open_bus(settings: Settings, name: str) -> AsyncIterator[EventBus]:
    """The bus that `rabbitmq.url` names; `name` is how this process appears on the broker."""
    async with _bus(settings, name) as bus:
        formed = _formed(bus, settings)
        yield MeteredEventBus(RequiringEventBus(formed, partial(queue_needed, settings)))


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[RecordStore]:
    """The store that `cosmos_db.endpoint` names. Lives as long as its context."""
    async with _store(settings) as store:
        yield MeteredRecordStore(store)


def _formed(bus: EventBus, settings: Settings) -> EventBus:
    form = form_of(settings)
    return bus if form == AS_DOCUMENTED else FormedEventBus(bus, form)


def form_of(settings: Settings) -> Form:
    """How this installation publishes its events."""
    return Form(settings.events.source_form, settings.events.type_form)


def _bus(settings: Settings, name: str) -> AbstractAsyncContextManager[EventBus]:
    file = _private(settings, settings.rabbitmq.url)
    if file:
        from blocks.adapters.sqlite.event_bus import SqliteEventBus

        return SqliteEventBus(file)
    from blocks.adapters.rabbitmq.event_bus import RabbitMQEventBus

    return RabbitMQEventBus(settings.rabbitmq.url, exchange=settings.rabbitmq.exchange, name=name)


def _store(settings: Settings) -> AbstractAsyncContextManager[RecordStore]:
    file = _private(settings, settings.cosmos_db.endpoint)
    if file:
        from blocks.adapters.sqlite.record_store import SqliteRecordStore

        return SqliteRecordStore(file)
    from blocks.adapters.cosmos.client import identity_of_this_machine
    from blocks.adapters.cosmos.record_store import CosmosRecordStore

    cosmos = settings.cosmos_db
    by_key = cosmos.credential == "key"
    if by_key and not _is_base64(cosmos.key):
        raise BadSetting(
            "setting cosmos_db.key (COSMOS_DB_KEY) is no account key: those are base64"
        )
    return CosmosRecordStore(
        cosmos.endpoint,
        cosmos.key if by_key else identity_of_this_machine(),
        database=cosmos.database_id,
        ca_file=cosmos.ca_file or None,
        containers=named_containers(cosmos.containers),
    )


def _is_base64(key: str) -> bool:
    try:
        return bool(base64.b64decode(key))  # as the SDK reads it, which raises on first use
    except ValueError:
        return False


def _private(settings: Settings, url: str) -> Path | None:
    """The embedded file of this URL, in a data folder that is for its owner alone."""
    file, folder = settings.embedded_file(url), Path(settings.data_dir).absolute()
    if file and file.parent == folder and folder.exists():
        private_folder(folder)
    return file
