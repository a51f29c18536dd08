"""A thousand events of all types that start operations, each over HTTP, RabbitMQ and Redis under
the same id, while processes are killed.
"""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis.asyncio as redis

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import OPERATIONS
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.operations import EventRecord
from blocks.operations.events.taking import triggers_of
from blocks.ports import Message
from blocks.queries import every
from tests.support.operations.redis_server import RedisServer
from tests.support.servers.ports import free_port
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.ledger import Ledger
from tests.support.system.orchestra import Orchestra, on_rabbitmq, whole_orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

EVENTS = 1_000
AT_ONCE = 20
KILLED_EVERY_SECONDS = 2.0


@pytest.fixture
async def parts(
    tmp_path: Path,
    prefect_server: PrefectServer,
    rabbitmq: RabbitMQNode,
    redis_server: RedisServer,
) -> AsyncIterator[Orchestra]:
    async with whole_orchestra(
        tmp_path,
        prefect_server,
        REDIS_URL=redis_server.url,
        OPERATIONS_ADDRESS=f"127.0.0.1:{free_port()}",
        OPERATIONS_ENABLED="false",
        PREFECT_WORKER_QUERY_SECONDS="0.5",
        RECONCILER_INTERVAL_SECONDS="1",
        **on_rabbitmq(rabbitmq, tmp_path.name),
    ) as parts:
        yield parts


class Ways:
    """By which one event comes to the system."""

    def __init__(self, parts: Orchestra, http: httpx.AsyncClient, redis: "redis.Redis") -> None:
        self._parts, self._http, self._redis = parts, http, redis

    async def send_by_each(self, event: dict[str, Any]) -> None:
        await asyncio.gather(self._post(event), self._publish(event), self._publish_on_redis(event))

    async def _post(self, event: dict[str, Any]) -> None:
        """As a caller that repeats what was not answered."""
        body = {"id": event["id"], "eventType": event["type"], "payload": event["payload"]}

        async def is_taken() -> bool:
            try:
                return (await self._http.post("/api/events", json=body)).is_success
            except httpx.TransportError:
                return False

        await eventually(is_taken, within_seconds=120, every_seconds=0.3)

    async def _publish(self, event: dict[str, Any]) -> None:
        body = json.dumps(event).encode()
        await self._parts.bus.publish(
            Message(id=event["id"], routing_key=event["type"], body=body, timestamp=utc_now())
        )

    async def _publish_on_redis(self, event: dict[str, Any]) -> None:
        """As the platform's operations service does."""
        body = json.dumps(event)
        await self._redis.publish(f"workflow:{event['type']}", body)
        await self._redis.lpush("workflow:events:recent", body)


def an_event(number: int, event_type: str) -> dict[str, Any]:
    return {
        "id": f"evt_{number}",
        "type": event_type,
        "payload": {"userId": f"u-{number}", "email": f"u-{number}@shop.example"},
        "timestamp": utc_now().isoformat(),
        "source": "cms",
    }


async def executions(parts: Orchestra) -> list[ExecutionRecord]:
    workflows = tuple(operation.id for operation in OPERATIONS)
    found = every(parts.store, SYSTEM_TENANT, ExecutionRecord, {"workflow": workflows})
    return [stored.record async for stored in found]


async def kill_one_after_another(parts: Orchestra) -> None:
    """Each is started again at once."""
    for process in itertools.cycle((parts.listener, parts.api, parts.worker)):
        await asyncio.sleep(KILLED_EVERY_SECONDS)
        await asyncio.to_thread(process.kill)
        process.start()


async def test_each_starts_its_operations_once_by_whichever_ways_it_comes(
    parts: Orchestra, redis_server: RedisServer, ledger: Ledger
) -> None:
    triggers = triggers_of(parts.settings)
    types = list(itertools.islice(itertools.cycle(sorted(triggers)), EVENTS))
    expected = {
        (f"evt_{number}", operation.id): 1
        for number, event_type in enumerate(types)
        for operation in triggers[event_type]
    }
    for process in (parts.listener, parts.api, parts.worker):
        process.start()
    async with (
        httpx.AsyncClient(
            base_url=f"http://{parts.settings.operations.internal_address}", trust_env=False
        ) as http,
        redis.from_url(redis_server.url) as client,
    ):
        ways, at_once = Ways(parts, http, client), asyncio.Semaphore(AT_ONCE)

        async def send(number: int, event_type: str) -> None:
            async with at_once:
                await ways.send_by_each(an_event(number, event_type))

        killing = asyncio.create_task(kill_one_after_another(parts))
        try:
            await asyncio.gather(*(send(*numbered) for numbered in enumerate(types)))
        finally:
            killing.cancel()
        await asyncio.wait([killing])
        for process in (parts.listener, parts.worker, parts.api):
            process.kill()
            process.start()

    async def all_handled() -> bool:
        waiting = await parts.bus.depth(parts.settings.rabbitmq.queue)
        return not waiting and len(await executions(parts)) >= len(expected)

    await eventually(all_handled, within_seconds=240, every_seconds=1)

    async def all_ended() -> bool:
        return all(one.announced_at for one in await executions(parts))

    await eventually(all_ended, within_seconds=420, every_seconds=2)
    found = await executions(parts)
    causes = Counter((one.input["triggerEvent"]["id"], one.workflow) for one in found)
    assert expected == causes
    logged = [stored async for stored in every(parts.store, SYSTEM_TENANT, EventRecord)]
    assert EVENTS == len(logged)
    ends = await ledger.published(
        "workflow.operation.completed", "workflow.operation.failed", count=len(found)
    )
    assert {one.id: 1 for one in found} == Counter(one["data"]["executionId"] for one in ends)
    assert ["completed"] == sorted({one.status for one in found})
