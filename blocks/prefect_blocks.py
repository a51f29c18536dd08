"""Prefect Blocks that hold how broker, record store, people and the platform's services are
reached.

`orchestrator bootstrap` registers them and writes the settings into them. A process that is started
with `ORCHESTRATOR_BLOCKS=default` reads its settings from them
(`blocks/settings/block_variables.py`): a change in Prefect's UI takes effect at its next start, and
a variable of its environment overrides it. Without that they only show operators the values in
force, and serve other teams' flows: `await MessageBroker.load("default")`.

What may hold a credential is a `SecretStr`, hidden in the UI and encrypted in Prefect's database,
and that is every URL: Prefect's UI stores what is typed into a field without asking us. All other
text is a `ClearText` or an `Address`.
"""

import re
from typing import Annotated, Self

from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient
from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from blocks.contracts.reading.limits import EMAIL_PATTERN
from blocks.settings import Settings
from blocks.settings.urls import clear_text_problem

NAME = "default"


def _without_credentials(text: str) -> str:
    if problem := clear_text_problem(text):
        raise ValueError(problem)
    return text


ClearText = Annotated[str, AfterValidator(_without_credentials)]
"""Names; Prefect shows them to everyone who reads the block."""


def _an_address(text: str) -> str:
    if text and not re.fullmatch(EMAIL_PATTERN, text):
        raise ValueError("is no e-mail address, and is shown in clear")
    return text


Address = Annotated[str, AfterValidator(_an_address)]
"""One e-mail address, or none."""

# A refusal must not repeat what was refused.
_UNSEEN = ConfigDict(hide_input_in_errors=True)


class MessageBroker(Block):
    """The broker that carries this system's events."""

    model_config = _UNSEEN
    _block_type_name = "Message Broker"
    _block_type_slug = "message-broker"
    _description = (
        "The broker of the workflow orchestrator: RabbitMQ, or one SQLite file on a laptop."
    )

    url: SecretStr = Field(description="amqp://, amqps:// or sqlite:; holds the password")
    exchange: ClearText = Field(description="Topic exchange of all events")
    queue: ClearText = Field(description="Queue the listener reads")

    @classmethod
    def of(cls, settings: Settings) -> Self:
        rabbitmq = settings.rabbitmq
        return cls(url=SecretStr(rabbitmq.url), exchange=rabbitmq.exchange, queue=rabbitmq.queue)


class RecordDatabase(Block):
    """The database that holds this system's records."""

    model_config = _UNSEEN
    _block_type_name = "Record Database"
    _block_type_slug = "record-database"
    _description = (
        "The record store of the workflow orchestrator: Cosmos DB, or one SQLite file on a laptop."
    )

    endpoint: SecretStr = Field(description="https:// or sqlite:")
    key: SecretStr = Field(description="Account key; empty for SQLite")
    database_id: ClearText = Field(description="Cosmos DB database")

    @classmethod
    def of(cls, settings: Settings) -> Self:
        cosmos = settings.cosmos_db
        return cls(
            endpoint=SecretStr(cosmos.endpoint),
            key=SecretStr(cosmos.key),
            database_id=cosmos.database_id,
        )


class PlatformServices(Block):
    """The services around this system, and the secret that its users' tokens are checked with."""

    model_config = _UNSEEN
    _block_type_name = "Platform Services"
    _block_type_slug = "platform-services"
    _description = "What the workflow orchestrator must know of the services around it."

    jwt_secret: SecretStr = Field(
        default=SecretStr(""), description="Signs the platform's tokens; or:"
    )
    jwt_jwks: SecretStr = Field(
        default=SecretStr(""), description="https://… with the platform's public keys"
    )
    webhook_allowed_hosts: ClearText = Field(
        default="", description="Hosts inside that webhooks may reach"
    )
    otlp_endpoint: SecretStr = Field(
        default=SecretStr(""), description="OpenTelemetry collector; empty: nothing is traced"
    )
    broker_management_url: SecretStr = Field(
        default=SecretStr(""), description="RabbitMQ's management plugin"
    )

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            jwt_secret=SecretStr(settings.auth.jwt_secret),
            jwt_jwks=SecretStr(settings.auth.jwt_jwks),
            webhook_allowed_hosts=settings.webhooks.allowed_hosts,
            otlp_endpoint=SecretStr(settings.tracing.otlp_endpoint),
            broker_management_url=SecretStr(settings.rabbitmq.management_url),
        )


class Notifications(Block):
    """How people are notified of what this system's own workflows found."""

    model_config = _UNSEEN
    _block_type_name = "Notifications"
    _block_type_slug = "notifications"
    _description = "The communications hub or mail server of the workflow orchestrator."

    comms_hub_url: SecretStr = Field(
        default=SecretStr(""), description="http:// or https://, the communications hub; or:"
    )
    smtp_url: SecretStr = Field(
        default=SecretStr(""), description="smtp:// or smtps://, a mail server"
    )
    sender: Address = Field(default="", description="Address that mail comes from")
    recipient: Address = Field(default="", description="Address of the operators")

    @classmethod
    def of(cls, settings: Settings) -> Self:
        notifications = settings.notifications
        return cls(
            comms_hub_url=SecretStr(notifications.comms_hub_url),
            smtp_url=SecretStr(notifications.smtp_url),
            sender=notifications.sender,
            recipient=notifications.recipient,
        )


BLOCKS = (MessageBroker, RecordDatabase, Notifications, PlatformServices)


async def save_blocks(settings: Settings, client: PrefectClient, name: str = NAME) -> list[str]:
    """The block types are registered, and the block of this name of each holds the settings.
    Idempotent.
    """
    for block in BLOCKS:
        await block.of(settings).asave(name, overwrite=True, client=client)
    return [f"{block._block_type_slug}/{name}" for block in BLOCKS]
