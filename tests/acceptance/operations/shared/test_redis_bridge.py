"""The bridge to a real Redis: a foreign publisher and subscriber, on its side the bus of the
platform's operations service.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.operations import EventRecord
from blocks.operations.events.posting import new_event, post
from blocks.queries import every
from tests.support.operations.redis_server import RedisServer
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.orchestra import Orchestra, whole_orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

TYPE = "disk.nearly-full"
RECENT = "workflow:events:recent"


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, redis_server: RedisServer
) -> AsyncIterator[Orchestra]:
    async with whole_orchestra(
        tmp_path, prefect_server, LOG_ROTATION_EVENTS=TYPE, REDIS_URL=redis_server.url
    ) as parts:
        yield parts


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator["redis.Redis"]:
    async with redis.from_url(redis_server.url, decode_responses=True) as client:
        yield client


def an_event(id: str, event_type: str = TYPE, **changes: Any) -> dict[str, Any]:
    at = utc_now().isoformat()
    event = {"id": id, "type": event_type, "payload": {"n": id}, "timestamp": at, "source": "cms"}
    return {**event, **changes}


async def publish(client: "redis.Redis", event: dict[str, Any]) -> None:
    """As the platform's operations service does."""
    body = json.dumps(event)
    await client.publish(f"workflow:{event['type']}", body)
    await client.lpush(RECENT, body)


async def recent(client: "redis.Redis") -> list[dict[str, Any]]:
    listed: Any = await client.lrange(RECENT, 0, -1)
    return [json.loads(body) for body in listed]


async def causes(parts: Orchestra) -> Counter[str]:
    """How many executions each event has started."""
    of_it = {"workflow": "log-rotation"}
    found = every(parts.store, SYSTEM_TENANT, ExecutionRecord, of_it)
    return Counter([stored.record.input["triggerEvent"]["id"] async for stored in found])


async def logged(parts: Orchestra) -> Counter[str]:
    found = every(parts.store, SYSTEM_TENANT, EventRecord)
    return Counter([stored.record.event_id async for stored in found])


async def started(parts: Orchestra, count: int) -> Counter[str]:
    async def enough() -> bool:
        return (await causes(parts)).total() >= count

    try:
        await eventually(enough, within_seconds=60)
    except AssertionError:
        raise AssertionError(parts.logs()) from None
    return await causes(parts)


async def listening(client: "redis.Redis") -> None:
    async def subscribed() -> bool:
        return bool(await client.pubsub_numpat())

    await eventually(subscribed, within_seconds=60)


async def test_what_was_published_while_no_listener_was_there_is_taken_from_the_list(
    parts: Orchestra, client: "redis.Redis"
) -> None:
    await publish(client, an_event("evt_missed"))
    old = (utc_now() - timedelta(hours=1)).isoformat()
    await publish(client, an_event("evt_old", timestamp=old))
    await publish(client, an_event("evt_run", "workflow.completed"))
    await client.lpush(RECENT, "no json")

    parts.listener.start()

    assert {"evt_missed": 1} == await started(parts, 1)
    assert {"evt_missed": 1} == await logged(parts)


async def test_ours_are_published_there_and_do_not_come_back(
    parts: Orchestra, client: "redis.Redis"
) -> None:
    parts.listener.start()
    parts.worker.start()
    await listening(client)
    async with client.pubsub(ignore_subscribe_messages=True) as subscription:
        await subscription.psubscribe("workflow:*")
        await post(parts.bus, new_event(TYPE, {"n": 1}, id="evt_ours"))

        seen: dict[str, dict[str, Any]] = {}
        of_steps = {"workflow.started", "workflow.step.started", "workflow.step.completed"}
        async with asyncio.timeout(60):
            while {TYPE, "workflow.completed", *of_steps} - seen.keys():
                message = await subscription.get_message(timeout=1)
                if message:
                    seen[message["channel"].removeprefix("workflow:")] = json.loads(message["data"])

    assert ("evt_ours", {"n": 1}) == (seen[TYPE]["id"], seen[TYPE]["payload"])
    ended = seen["workflow.completed"]["payload"]
    assert {"runId", "workflowId", "duration"} == ended.keys()
    assert "log-rotation" == ended["workflowId"]
    done = seen["workflow.step.completed"]["payload"]
    assert {"runId", "workflowId", "stepId", "result"} == done.keys()
    assert not of_steps & {one["type"] for one in await recent(client)}
    await asyncio.sleep(2)  # what comes back would come by now
    assert {"evt_ours": 1} == await causes(parts)
    assert ["evt_ours"] == [one["id"] for one in await recent(client) if one["type"] == TYPE]


async def test_what_is_published_while_redis_is_away_waits_and_the_list_keeps_a_thousand(
    parts: Orchestra, client: "redis.Redis", redis_server: RedisServer
) -> None:
    parts.listener.start()
    await listening(client)
    redis_server.kill()
    await post(parts.bus, new_event("order.placed", {}, id="evt_waits"))

    async def entered() -> bool:
        return "evt_waits" in await logged(parts)

    await eventually(entered, within_seconds=30)
    redis_server.start()
    await client.connection_pool.disconnect()
    body = json.dumps(an_event("evt_many", "order.placed"))
    await client.lpush(RECENT, *[body] * 1200)

    async def arrived() -> bool:
        return "evt_waits" in [one["id"] for one in await recent(client)]

    await eventually(arrived, within_seconds=60)
    assert 1000 == len(await recent(client))
