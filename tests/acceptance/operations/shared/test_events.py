"""An event that starts an operation, by every way and with processes killed in between, on the real
parts: RabbitMQ and Cosmos DB.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.operations import EventRecord
from blocks.operations.events.posting import new_event, on_the_exchange, post
from blocks.ports import Message
from blocks.queries import every
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.orchestra import Orchestra, on_real_parts, whole_orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

TYPE = "disk.nearly-full"
EVENTS = 300


@pytest.fixture(params=["embedded", "real"])
async def parts(
    request: pytest.FixtureRequest, tmp_path: Path, prefect_server: PrefectServer
) -> AsyncIterator[Orchestra]:
    environment = on_real_parts(request, tmp_path.name) if request.param == "real" else {}
    async with whole_orchestra(
        tmp_path, prefect_server, LOG_ROTATION_EVENTS=TYPE, **environment
    ) as parts:
        yield parts


def foreign(id: str) -> Message:
    """As the platform's operations service writes it, on RabbitMQ."""
    event = {"id": id, "type": TYPE, "payload": {"n": id}, "timestamp": utc_now().isoformat()}
    return Message(id=id, routing_key=TYPE, body=json.dumps(event).encode(), timestamp=utc_now())


async def send_by_every_way(parts: Orchestra, number: int) -> None:
    event = new_event(TYPE, {"n": f"evt_{number}"}, id=f"evt_{number}")
    await post(parts.bus, event)
    await parts.bus.publish(on_the_exchange(event))
    await parts.bus.publish(foreign(event.id))


async def started(parts: Orchestra) -> list[ExecutionRecord]:
    of_it = {"workflow": "log-rotation"}
    found = every(parts.store, SYSTEM_TENANT, ExecutionRecord, of_it)
    return [stored.record async for stored in found]


async def test_each_starts_its_operation_once_whatever_is_killed(parts: Orchestra) -> None:
    parts.listener.start(FAULT_POINT="event-entered")
    sending = asyncio.gather(*(send_by_every_way(parts, number) for number in range(EVENTS)))
    await parts.listener.died()
    for _ in range(3):
        parts.listener.start()
        await asyncio.sleep(2)
        parts.listener.kill()
    await sending
    parts.listener.start()

    async def all_there() -> bool:
        return len(await started(parts)) >= EVENTS

    await eventually(all_there, within_seconds=120)

    async def all_handled() -> bool:
        return not await parts.bus.depth(parts.settings.rabbitmq.queue)

    await eventually(all_handled, within_seconds=120)
    causes = Counter(one.input["triggerEvent"]["id"] for one in await started(parts))
    assert {f"evt_{number}": 1 for number in range(EVENTS)} == causes
    logged = every(parts.store, SYSTEM_TENANT, EventRecord)
    assert EVENTS == len([stored async for stored in logged])
