"""What the doctor learns from RabbitMQ's management plugin, on a node that has it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.ports import Accept, Delivery, Message, Verdict
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.topology import intake_queue, topology
from deployments.doctor.checks.broker import broker
from deployments.doctor.connections import Connections
from tests.support.factories import new_id, now
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow  # a broker of its own


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RabbitMQNode]:
    node = RabbitMQNode(tmp_path, plugins=["rabbitmq_management"])
    try:
        node.start()
        yield node
    finally:
        node.close()


async def test_messages_in_hand_are_counted_where_the_management_plugin_has_an_address(
    node: RabbitMQNode,
) -> None:
    address = f"http://127.0.0.1:{node.management_port}"
    settings = load_settings({"RABBITMQ_URL": node.url, "RABBITMQ_MANAGEMENT_URL": address})
    queue, has_been_seen = intake_queue(settings), asyncio.Event()
    async with open_bus(settings, "test") as bus:
        await bus.declare(*topology(settings))
        connections = Connections(settings, bus=bus)

        async def is_found(words: str) -> bool:
            return any(words in finding.found for finding in await broker(connections))

        async def hold(_: Delivery) -> Verdict:
            await has_been_seen.wait()
            return Accept()

        async with bus.consume(queue, hold):
            key = "integration.opportunity.updated"
            await bus.publish(Message(id=new_id(), routing_key=key, body=b"{}", timestamp=now()))
            await eventually(lambda: is_found(f"in hand: 1 of {queue.name}"), within_seconds=30)
            has_been_seen.set()

        stranger = address.replace("127", "unknown:wrong@127")
        wrong = load_settings({"RABBITMQ_URL": node.url, "RABBITMQ_MANAGEMENT_URL": stranger})
        findings = await broker(Connections(wrong, bus=bus))
        assert "management (RABBITMQ_MANAGEMENT_URL): it answers 401" == findings[-1].found
