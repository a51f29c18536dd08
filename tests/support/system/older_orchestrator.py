"""The older orchestrator as its neighbours and its database know it: documents by a plain Cosmos DB
client, and the consumer of its decisions.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import msgspec
from azure.cosmos import CosmosClient, PartitionKey

from tests.support.factories import A_TENANT
from tests.support.older_service import Document
from tests.support.servers.cosmos import CosmosEmulator
from tests.support.servers.rabbitmq import RabbitMQNode

CONTAINERS = ("workflow_workflows", "workflow_executions", "workflow_steps", "hitl_approvals")

WORKFLOW_FIELDS = ("workflowId", "opportunityId", "status", "steps", "createdAt", "updatedAt")
APPROVAL_FIELDS = ("opportunityId", "riskScore", "amount", "requestedAt", "status")


class OlderOrchestrator:
    """Its side of the store. It knows its own fields, and no others."""

    def __init__(self, cosmos: CosmosEmulator, database: str) -> None:
        client = CosmosClient(cosmos.endpoint, cosmos.key, connection_verify=str(cosmos.ca_file))
        self._database = client.create_database_if_not_exists(database)
        for container in CONTAINERS:
            self._database.create_container_if_not_exists(container, PartitionKey("/tenantId"))

    def writes(self, container: str, *documents: Document) -> None:
        for document in documents:
            self._database.get_container_client(container).create_item(dict(document))

    def reads(self, container: str, id: str) -> Document:
        found: Document = self._database.get_container_client(container).read_item(id, A_TENANT)
        return {key: value for key, value in found.items() if not key.startswith("_")}

    def workflows_of(self, opportunity_id: str) -> list[Document]:
        """As its list route asks."""
        found = self._database.get_container_client("workflow_workflows").query_items(
            "SELECT * FROM c WHERE c.tenantId = @t AND c.opportunityId = @o",
            parameters=[{"name": "@t", "value": A_TENANT}, {"name": "@o", "value": opportunity_id}],
            partition_key=A_TENANT,
        )
        return sorted(found, key=lambda one: str(one["createdAt"]), reverse=True)

    def approves(self, id: str, decided_by: str) -> None:
        """It replaces the whole document and shows no ETag."""
        container = self._database.get_container_client("hitl_approvals")
        document = dict(container.read_item(id, A_TENANT))
        assert "pending" == document["status"]
        decision = {"decidedBy": decided_by, "decidedAt": "2026-03-03T08:00:00.000Z"}
        container.upsert_item({**document, "status": "approved", **decision})


class Consumer:
    """An unchanged service that keeps what it receives."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def take(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        self.events.append(msgspec.json.decode(message.body))
        await message.ack()

    async def has_one(self) -> bool:
        return len(self.events) > 0


@asynccontextmanager
async def consumer_of(node: RabbitMQNode, exchange: str, *types: str) -> AsyncIterator[Consumer]:
    """It declares a plain durable queue, as the platform's services do."""
    consumer = Consumer()
    async with await aio_pika.connect(node.url) as connection, connection.channel() as channel:
        topic = await channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(f"logging_ml_audit-{exchange}", durable=True)
        for event_type in types:
            await queue.bind(topic, event_type)
        await queue.consume(consumer.take)
        yield consumer
