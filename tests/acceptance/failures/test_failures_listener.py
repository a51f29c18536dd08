"""Listeners die, events come a hundred times, answers come in any order: one execution, one end.

On RabbitMQ, whose redeliveries these are about; store and Prefect server are the embedded ones.
"""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import msgspec
import pytest

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ProcessRecord
from blocks.ports import Message, Query
from blocks.processes import fault_points
from blocks.topology import intake_queue
from tests.support.analyses import an_opportunity, ended, execution_id_of, find, recorded
from tests.support.dead_letters import letters
from tests.support.factories import A_TENANT
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.analysis_services import AnalysisServices, answer_to, services_on
from tests.support.system.invariants import done_once
from tests.support.system.ledger import REQUESTED, Ledger
from tests.support.system.orchestra import Orchestra, on_rabbitmq, orchestra
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
async def parts(
    tmp_path_factory: pytest.TempPathFactory, prefect_server: PrefectServer, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    folder = tmp_path_factory.mktemp("killed-listeners")
    async with orchestra(folder, prefect_server, **on_rabbitmq(rabbitmq, folder.name)) as parts:
        parts.worker.start()
        yield parts


@pytest.fixture(autouse=True)
async def no_listener_is_left(parts: Orchestra) -> AsyncIterator[None]:
    yield
    parts.listener.kill()


@pytest.mark.parametrize("point", fault_points.OF_THE_LISTENER)
async def test_an_event_whose_listener_was_killed_is_done_once_by_the_next(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices, point: str
) -> None:
    event = an_opportunity()
    parts.listener.start(FAULT_POINT=point)
    await parts.bus.publish(event)
    await parts.listener.died()
    assert (await find(parts, event) is None) == (point == "before-record")

    parts.listener.start()
    restarted = time.monotonic()
    await recorded(parts, event, "running", "completed")

    assert time.monotonic() - restarted < 30
    assert "completed" == (await ended(parts, event)).status
    await done_once(parts, ledger, [event])


async def test_an_event_that_comes_a_hundred_times_to_three_listeners_is_one_execution(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices
) -> None:
    event, listeners = (
        an_opportunity(),
        [parts.listener, parts.one_more("listener"), parts.one_more("listener")],
    )
    for listener in listeners:
        listener.start()
    try:
        await eventually(lambda: listening(parts, len(listeners)), within_seconds=60)
        await asyncio.gather(*(parts.bus.publish(event) for _ in range(100)))

        await ended(parts, event)
        [execution] = await done_once(parts, ledger, [event])
    finally:
        for listener in listeners:
            listener.kill()
    assert ("completed", [event.id]) == (execution.status, execution.trigger_ids)


async def test_answers_in_every_order_doubled_and_among_strangers_end_each_execution_once(
    parts: Orchestra, ledger: Ledger
) -> None:
    orders = list(itertools.permutations(REQUESTED))
    events = [an_opportunity() for _ in orders]
    async with services_on(parts.bus, parts.name, silent=REQUESTED) as services:
        parts.listener.start()
        await parts.bus.publish(*events)
        await eventually(lambda: has(services.unanswered, len(orders) * 4), within_seconds=60)
        asked = {
            (request["data"]["workflowId"], request["type"]): request
            for request in services.unanswered
        }

        for place in range(4):  # the first answers of all executions, then the second ones, …
            answers = [
                answer_to(asked[execution_id_of(event), order[place]])
                for event, order in zip(events, orders, strict=True)
            ]
            await parts.bus.publish(*answers, *map(of_an_unknown_step, answers), *answers)

        for event in events:
            assert "completed" == (await ended(parts, event)).status
    for execution in await done_once(parts, ledger, events):
        assert {"risk", "scoring", "forecast", "recommendations"} == set(execution.results or {})
    steps = await ledger.published("workflow.step.completed", count=4 * len(events))
    assert 4 * len(events) == len(steps)


async def test_answers_that_come_before_their_event_are_kept_for_it(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices
) -> None:
    event = an_opportunity()
    early = [answer_before_the_request(event, request) for request in REQUESTED]
    await parts.bus.publish(*early)
    parts.listener.start()
    await eventually(lambda: queue_is_empty(parts), within_seconds=30)

    services.silent |= set(REQUESTED)  # nothing else answers
    await parts.bus.publish(event)

    assert "completed" == (await ended(parts, event)).status


@pytest.mark.slow
async def test_answers_whose_execution_never_comes_are_dead_letters_within_a_minute(
    parts: Orchestra,
) -> None:
    orphan = answer_before_the_request(an_opportunity(), REQUESTED[0])
    parts.listener.start()
    await parts.bus.publish(orphan)

    async def dead_letter() -> list[str]:
        return [
            letter.code
            for letter in await letters(parts.store, A_TENANT)
            if letter.message_id == orphan.id
        ]

    assert ["unknown-execution"] == await eventually(dead_letter, within_seconds=60)


def answer_before_the_request(event: Message, request: str) -> Message:
    about = {
        "workflowId": execution_id_of(event),
        "opportunityId": json.loads(event.body)["data"]["opportunityId"],
    }
    return answer_to(
        {"type": request, "id": f"{request} of {event.id}", "tenantId": A_TENANT, "data": about}
    )


def of_an_unknown_step(answer: Message) -> Message:
    """The same answer as the answer to a step that is unknown here."""
    envelope = {**json.loads(answer.body), "type": "weather.evaluation.completed"}
    return msgspec.structs.replace(
        answer, id=f"weather, not {answer.id}", body=json.dumps(envelope).encode()
    )


async def listening(parts: Orchestra, listeners: int) -> bool:
    """So many listeners have shown just now that they consume."""
    known = await parts.store.query(
        SYSTEM_TENANT, Query(ProcessRecord, {"role": "listener", "ready": True})
    )
    fresh = utc_now() - timedelta(seconds=2 * parts.settings.worker.heartbeat_seconds)
    return len([stored for stored in known.items if stored.record.beat_at > fresh]) >= listeners


async def queue_is_empty(parts: Orchestra) -> bool:
    return await parts.bus.depth(intake_queue(parts.settings).name) == 0


async def has(things: Sequence[object], wanted: int) -> bool:
    return len(things) >= wanted
