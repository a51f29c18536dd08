"""What must not be accepted ends as a dead letter of a real listener on RabbitMQ, and can be acted
on from there.

Store and Prefect server are the embedded ones; no worker is needed.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import httpx
import pytest

from blocks.adapters.consuming import BEGINNING_BYTES
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.dead_letters import DeadLetterRecord, Who
from blocks.dead_letters import letters as dead_letters
from blocks.ports import Message, Query
from blocks.topology import intake_queue
from tests.support.analyses import an_opportunity, recorded
from tests.support.api.credentials import AnyTenant
from tests.support.dead_letters import body_of, letters, letters_become
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_dead_letter
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.orchestra import Orchestra, on_rabbitmq, orchestra
from tests.support.waiting import eventually

MEBIBYTE = 1024 * 1024
GROWTH_MAX_BYTES = 50 * MEBIBYTE


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server, **on_rabbitmq(rabbitmq, tmp_path.name)) as parts:
        yield parts


class Publisher:
    """Any other service: it publishes bytes as it likes, with plain aio-pika."""

    def __init__(self, exchange: aio_pika.abc.AbstractExchange) -> None:
        self._exchange = exchange

    async def publish(
        self, body: bytes, routing_key: str = "integration.opportunity.updated", **properties: Any
    ) -> None:
        await self._exchange.publish(aio_pika.Message(body, **properties), routing_key, timeout=60)


@pytest.fixture
async def publisher(parts: Orchestra, rabbitmq: RabbitMQNode) -> AsyncIterator[Publisher]:
    async with await aio_pika.connect(rabbitmq.url) as connection, connection.channel() as channel:
        yield Publisher(await channel.get_exchange(parts.settings.rabbitmq.exchange))


def an_event(**changes: object) -> dict[str, Any]:
    data = {"opportunityId": str(uuid4())}
    return {
        "id": str(uuid4()),
        "type": "integration.opportunity.updated",
        "tenantId": A_TENANT,
        "data": data,
        **changes,
    }


def encoded(**changes: object) -> bytes:
    return json.dumps(an_event(**changes)).encode()


REFUSED: Mapping[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "malformed-json", SYSTEM_TENANT),
    "half an event": (encoded()[:-10], "malformed-json", SYSTEM_TENANT),
    "no text": (b"\xff\xfe\x00\x80", "malformed-json", SYSTEM_TENANT),
    "another encoding": (encoded().decode().encode("utf-16"), "malformed-json", SYSTEM_TENANT),
    "NaN": (encoded()[:-1] + b', "x": NaN}', "malformed-json", SYSTEM_TENANT),
    "a list": (b"[]", "schema-invalid", SYSTEM_TENANT),
    "ten thousand levels": (b'{"data": ' + b"[" * 10_000, "malformed-json", SYSTEM_TENANT),
    "ten thousand levels, closed": (
        encoded()[:-1] + b', "data": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
        "malformed-json",
        SYSTEM_TENANT,
    ),
    "no opportunity": (encoded(data={}), "schema-invalid", A_TENANT),
    "a type of one word": (encoded(type="opportunity"), "schema-invalid", A_TENANT),
    "a version to come": (encoded(version="9.0"), "unsupported-version", A_TENANT),
    "no tenant": (encoded(tenantId=None), "unknown-tenant", SYSTEM_TENANT),
    "no UUID": (encoded(tenantId="acme"), "unknown-tenant", SYSTEM_TENANT),
    "one byte too many": (encoded() + b" " * (256 * 1024), "too-large", SYSTEM_TENANT),
}


async def test_whatever_is_no_event_is_a_letter_with_its_code_and_the_next_event_is_taken(
    parts: Orchestra, publisher: Publisher
) -> None:
    parts.listener.start()
    for name, (body, _, _) in REFUSED.items():
        await publisher.publish(body, message_id=name, content_type="text/plain")
    good = an_opportunity()
    await parts.bus.publish(good)

    await recorded(parts, good)
    found = await letters_become(parts.store, len(REFUSED), A_TENANT)

    assert {name: (code, tenant_id) for name, (_, code, tenant_id) in REFUSED.items()} == {
        letter.message_id: (letter.code, letter.tenant_id) for letter in found
    }
    kept = {letter.message_id: await body_of(parts.store, letter) for letter in found}
    for name, (body, code, _) in REFUSED.items():
        assert (body[:BEGINNING_BYTES] if code == "too-large" else body) == kept[name]
    assert [] == [
        one
        for one in await executions(parts)
        if one.subject != json.loads(good.body)["data"]["opportunityId"]
    ]
    assert 0 == await parts.bus.depth(intake_queue(parts.settings).dead_letters)


async def test_what_a_publisher_writes_oddly_is_taken_as_it_is_meant_unless_it_means_two_things(
    parts: Orchestra, publisher: Publisher
) -> None:
    parts.listener.start()
    one, other = str(uuid4()), str(uuid4())
    doubled = (
        encoded(data={"opportunityId": one})[:-1]
        + b', "data": {"opportunityId": "%s"}}' % other.encode()
    )
    hydrating = {"opportunityId": "o-h", "changes": {"__prefect_kind": "json", "value": "{{ x }}"}}
    await publisher.publish(doubled)
    await publisher.publish(
        encoded(data=hydrating, unknown={"deep": [1]}), content_type="application/octet-stream"
    )

    async def taken() -> list[ExecutionRecord]:
        return await executions(parts)

    # What is unknown is passed over, and Prefect sees none of it; two fields of one name are
    # refused.
    [execution] = await eventually(taken, within_seconds=60)
    assert ("o-h", hydrating["changes"]) == (execution.subject, execution.input["changes"])
    [letter] = await letters_become(parts.store, 1, A_TENANT, within_seconds=60)
    assert "malformed-json" == letter.code


async def test_a_second_event_under_a_known_id_is_a_letter_and_the_first_one_counts(
    parts: Orchestra,
) -> None:
    parts.listener.start()
    first = an_opportunity()
    second = Message(
        id=first.id,
        routing_key=first.routing_key,
        body=encoded(id=first.id),
        timestamp=first.timestamp,
    )
    await parts.bus.publish(first)
    execution = await recorded(parts, first)

    await parts.bus.publish(second, first, first)
    [letter] = await letters_become(parts.store, 1, A_TENANT)

    assert ("id-reuse", first.id, second.body) == (
        letter.code,
        letter.message_id,
        await body_of(parts.store, letter),
    )
    assert [execution.subject] == [one.subject for one in await executions(parts)]


async def test_messages_of_one_sixteen_and_a_hundred_megabytes_are_letters_and_hardly_cost_memory(
    parts: Orchestra, publisher: Publisher
) -> None:
    parts.listener.start()
    await publisher.publish(b"warm up", message_id="small")
    await letters_become(parts.store, 1, within_seconds=60)
    before = memory(parts.listener.pid, "VmRSS")

    for megabytes in (1, 16, 100):
        await publisher.publish(b'{"x": "' + b"x" * megabytes * MEBIBYTE, message_id=str(megabytes))
    found = await letters_become(parts.store, 4, within_seconds=60)

    growth = memory(parts.listener.pid, "VmHWM") - before
    assert {
        ("1", "too-large"),
        ("16", "too-large"),
        ("100", "too-large"),
        ("small", "malformed-json"),
    } == {(letter.message_id, letter.code) for letter in found}
    assert 100 * MEBIBYTE + 7 == max(letter.size for letter in found)
    assert growth < GROWTH_MAX_BYTES, f"{growth / MEBIBYTE:.0f} MB"
    assert 0 == await parts.bus.depth(intake_queue(parts.settings).dead_letters)


async def test_a_listener_that_dies_before_it_acknowledges_leaves_one_letter(
    parts: Orchestra, publisher: Publisher
) -> None:
    parts.listener.start(FAULT_POINT="after-dead-letter")
    await publisher.publish(encoded(data={}), message_id="m-1")
    await parts.listener.died()
    assert 1 == len(await letters(parts.store, A_TENANT))

    parts.listener.start()
    await eventually(lambda: has_no_dead_letters(parts), within_seconds=60)

    [letter] = await letters(parts.store, A_TENANT)
    assert (1, "waiting") == (letter.times, letter.status)


async def test_a_mended_letter_is_carried_out_and_one_that_was_handled_meanwhile_does_nothing_twice(
    parts: Orchestra, publisher: Publisher
) -> None:
    parts.listener.start()
    parts.api.start()
    await publisher.publish(encoded(data={}), message_id="m-1")
    done = an_opportunity()
    await parts.bus.publish(done)
    await recorded(parts, done)
    await parts.bus.deliver(intake_queue(parts.settings).dead_letters, dead_letter_of(done))
    found = {letter.message_id: letter for letter in await letters_become(parts.store, 2, A_TENANT)}

    async with api_of(parts) as api:
        fixed = {"event": an_event()}
        await api.patch(f"/{found['m-1'].id}", json=fixed, headers={"If-Match": '"1"'})
        answers = [
            (await api.post(f"/{letter.id}/replay")).json()["status"] for letter in found.values()
        ]

    assert ["replayed", "replayed"] == answers
    await eventually(lambda: has_executions(parts, 2), within_seconds=60)
    await eventually(lambda: queue_is_empty(parts), within_seconds=30)
    assert {
        json.loads(done.body)["data"]["opportunityId"],
        fixed["event"]["data"]["opportunityId"],
    } == {execution.subject for execution in await executions(parts)}
    assert {"replayed"} == {letter.status for letter in await letters(parts.store, A_TENANT)}


async def test_a_letter_that_is_still_no_good_comes_back_as_the_same_letter(
    parts: Orchestra, publisher: Publisher
) -> None:
    parts.listener.start()
    await publisher.publish(encoded(data={}), message_id="m-1")
    [letter] = await letters_become(parts.store, 1, A_TENANT)

    stored = await dead_letters.read(parts.store, A_TENANT, letter.id)
    await dead_letters.replay(parts.store, parts.bus, stored, Who("ann", "cli"))

    async def came_back() -> list[DeadLetterRecord]:
        found = await letters(parts.store, A_TENANT)
        return found if found[0].times == 2 and found[0].status == "waiting" else []

    [again] = await eventually(came_back, within_seconds=30)
    assert (letter.id, letter.created_at) == (again.id, again.created_at)


async def test_many_letters_are_replayed_at_their_rate_by_the_api_process(
    parts: Orchestra, publisher: Publisher
) -> None:
    """No listener runs when they are replayed, so they stay where they were put."""
    parts.api.start()
    for number in range(10):
        await dead_letters.keep(
            parts.store, intake_queue(parts.settings).name, a_dead_letter(id=f"m-{number}")
        )

    async with api_of(parts) as api:
        began = time.monotonic()
        planned = (await api.post("/replay", json={"rate": 5})).json()
        assert (10, False) == (planned["scheduled"], planned["more"])
        await eventually(lambda: all_are(parts, "replayed"), within_seconds=60)
        took = time.monotonic() - began

    assert took >= 9 / 5
    assert 10 == await parts.bus.depth(intake_queue(parts.settings).name)


@pytest.mark.slow
async def test_a_replay_that_a_crash_interrupted_is_repeated_under_the_same_id(
    parts: Orchestra, publisher: Publisher
) -> None:
    event = an_opportunity()
    letter = (
        await dead_letters.keep(
            parts.store, intake_queue(parts.settings).name, a_dead_letter_of(event)
        )
    ).record
    parts.api.start(FAULT_POINT="after-replay")
    async with api_of(parts) as api:
        with pytest.raises(httpx.TransportError):
            await api.post(f"/{letter.id}/replay")
    await parts.api.died()
    assert {"replaying"} == {one.status for one in await letters(parts.store, A_TENANT)}

    parts.listener.start()
    parts.api.start()
    await eventually(lambda: all_are(parts, "replayed"), within_seconds=90)

    await eventually(lambda: queue_is_empty(parts), within_seconds=30)
    assert [event.id] == [
        id for execution in await executions(parts) for id in execution.trigger_ids
    ]


@pytest.mark.slow
async def test_a_good_event_that_lost_many_listeners_is_no_letter(parts: Orchestra) -> None:
    event = an_opportunity()
    await parts.bus.publish(event)
    for _ in range(7):
        parts.listener.start(FAULT_POINT="before-record")
        await parts.listener.died()

    parts.listener.start()
    await recorded(parts, event)

    assert [] == await letters(parts.store, A_TENANT)


async def test_letters_are_counted_by_code(parts: Orchestra) -> None:
    await dead_letters.keep(parts.store, "any", a_dead_letter(code="poison"))
    parts.api.start()

    async def counted() -> bool:
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{parts.settings.server.port}"
            ) as client:
                return (
                    'dead_letters_waiting{code="poison"} 1.0' in (await client.get("/metrics")).text
                )
        except httpx.TransportError:
            return False

    await eventually(counted, within_seconds=60)


# --- helpers --------------------------------------------------------------------------------------


def dead_letter_of(message: Message) -> Message:
    """As a person who moves messages by hand would put it into the dead letters."""
    return Message(
        id=message.id,
        routing_key=message.routing_key,
        body=message.body,
        timestamp=message.timestamp,
        headers={},
    )


def a_dead_letter_of(message: Message) -> Message:
    return a_dead_letter(
        id=message.id,
        routing_key=message.routing_key,
        body=message.body,
        timestamp=message.timestamp,
    )


def memory(pid: int, what: str) -> int:
    """Bytes; `VmRSS` is now, `VmHWM` the most there ever was."""
    found = re.search(
        rf"^{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE
    )
    assert found
    return int(found[1]) * 1024


def api_of(parts: Orchestra) -> httpx.AsyncClient:
    """Speaks for a user of `A_TENANT`; waits for the API to come up."""
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{parts.settings.server.port}/api/v1/dead-letters",
        headers={"X-Tenant-ID": A_TENANT, "X-User-ID": "ann"},
        auth=AnyTenant(),
        transport=_RetryingTransport(),
        timeout=60,
    )


class _RetryingTransport(httpx.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(600):
            try:
                return await super().handle_async_request(request)
            except httpx.ConnectError:
                await asyncio.sleep(0.1)
        return await super().handle_async_request(request)


async def executions(parts: Orchestra) -> list[ExecutionRecord]:
    return [
        stored.record
        for tenant_id in (A_TENANT, ANOTHER_TENANT, SYSTEM_TENANT)
        for stored in (await parts.store.query(tenant_id, Query(ExecutionRecord))).items
    ]


async def has_executions(parts: Orchestra, count: int) -> bool:
    return len(await executions(parts)) == count


async def has_no_dead_letters(parts: Orchestra) -> bool:
    return await parts.bus.depth(intake_queue(parts.settings).dead_letters) == 0


async def queue_is_empty(parts: Orchestra) -> bool:
    return await parts.bus.depth(intake_queue(parts.settings).name) == 0


async def all_are(parts: Orchestra, status: str) -> bool:
    return {status} == {letter.status for letter in await letters(parts.store, A_TENANT)}
