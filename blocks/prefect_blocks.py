"""Prefect Blocks that show operators, in Prefect's UI, which broker and which database the flows use.

They mirror the settings: `orchestrator bootstrap` writes them from the settings under the name `default`, each time it
runs. Processes read the settings, which come from their environment, so an edit in the UI changes nothing here; it is
for flows of others who want the same connection: `await MessageBroker.load("default")`. What holds a password is a
`SecretStr`: hidden in the UI, encrypted in Prefect's database.
"""

from typing import Self

from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient
from pydantic import Field, SecretStr

from blocks.settings import Settings

NAME = "default"


class MessageBroker(Block):
    """The broker that carries this system's events."""

    _block_type_name = "Message Broker"
    _block_type_slug = "message-broker"
    _description = "The broker of the workflow orchestrator: RabbitMQ, or one SQLite file on a laptop."

    url: SecretStr = Field(description="amqp://, amqps:// or sqlite:; holds the password")
    exchange: str = Field(description="Topic exchange of all events")
    queue: str = Field(description="Queue the listener reads")

    @classmethod
    def of(cls, settings: Settings) -> Self:
        rabbitmq = settings.rabbitmq
        return cls(url=SecretStr(rabbitmq.url), exchange=rabbitmq.exchange, queue=rabbitmq.queue)


class RecordDatabase(Block):
    """The database that holds this system's records."""

    _block_type_name = "Record Database"
    _block_type_slug = "record-database"
    _description = "The record store of the workflow orchestrator: Cosmos DB, or one SQLite file on a laptop."

    endpoint: str = Field(description="https:// or sqlite:")
    key: SecretStr = Field(description="Account key; empty for SQLite")
    database_id: str = Field(description="Cosmos DB database")

    @classmethod
    def of(cls, settings: Settings) -> Self:
        cosmos = settings.cosmos_db
        return cls(endpoint=cosmos.endpoint, key=SecretStr(cosmos.key), database_id=cosmos.database_id)


async def save_blocks(settings: Settings, client: PrefectClient) -> None:
    """Both block types are registered, and `default` of each says what the settings say. Idempotent."""
    await MessageBroker.of(settings).asave(NAME, overwrite=True, client=client)
    await RecordDatabase.of(settings).asave(NAME, overwrite=True, client=client)
