"""A flow run that carries many executions: each ends on its own, and several workers serve one
pool.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from blocks.contracts import ids
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Message, Query
from tests.support.api.credentials import AnyTenant
from tests.support.factories import A_TENANT
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import foreign_event, opportunity_event, services_on
from tests.support.system.ledger import REQUESTED, ledger_of
from tests.support.system.orchestra import Orchestra, orchestra
from tests.support.waiting import eventually


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server) as parts:
        yield parts


def opportunities(count: int) -> list[Message]:
    return [opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4())) for _ in range(count)]


def subject_of(event: Message) -> str:
    return str(json.loads(event.body)["data"]["opportunityId"])


async def records_of(parts: Orchestra, events: Sequence[Message]) -> list[ExecutionRecord]:
    wanted = tuple(ids.execution_id(A_TENANT, WORKFLOW, event.id) for event in events)
    found = await parts.store.query(A_TENANT, Query(ExecutionRecord, {"id": wanted}, limit=1000))
    by_id = {stored.record.id: stored.record for stored in found.items}
    return [by_id[id] for id in wanted if id in by_id]


async def all_in(
    parts: Orchestra, events: Sequence[Message], *statuses: str
) -> list[ExecutionRecord]:
    """The records, once each is in one of these statuses, and announced if it has ended."""

    async def look() -> list[ExecutionRecord]:
        records = await records_of(parts, events)
        there = len(records) == len(events) and all(record.status in statuses for record in records)
        return records if there and all(r.announced_at for r in records if r.is_terminal) else []

    try:
        return await eventually(look, within_seconds=60)
    except AssertionError:
        raise AssertionError(parts.logs()) from None


async def one_batch(parts: Orchestra, events: Sequence[Message]) -> None:
    """The executions share a flow run: they have waited for a worker together."""
    parts.listener.start()
    await parts.bus.publish(*events)
    await all_in(parts, events, "pending")
    parts.worker.start()
    records = await all_in(parts, events, "running")
    assert len({record.flow_run_id for record in records}) <= 2


async def test_one_that_fails_and_one_that_is_cancelled_leave_the_rest_of_their_batch_alone(
    parts: Orchestra,
) -> None:
    events = opportunities(12)
    unlucky, unwanted, rest = events[-1], events[-2], events[:-2]
    async with (
        ledger_of(parts.bus, parts.name) as ledger,
        services_on(parts.bus, parts.name, silent=REQUESTED) as them,
    ):
        parts.api.start()
        await one_batch(parts, events)
        await eventually(lambda: asked(them.unanswered, 48), within_seconds=30)

        await parts.bus.publish(
            foreign_event(
                A_TENANT,
                "risk.evaluation.failed",
                {"opportunityId": subject_of(unlucky), "error": "no"},
                id=str(uuid4()),
            )
        )
        [failed] = await all_in(parts, [unlucky], "failed")
        [to_cancel] = await records_of(parts, [unwanted])
        answer = await cancelled_over_http(parts, to_cancel.id)
        assert (200, "cancelled") == (answer.status_code, answer.json()["status"])
        assert ["running"] * 10 == [record.status for record in await records_of(parts, rest)]

        await them.speak()
        await all_in(parts, rest, "completed")
        await ledger.holds(
            {
                "workflow.opportunity.analysis.completed": 10,
                "workflow.opportunity.analysis.failed": 2,
            }
        )

    assert failed.failed_step == "risk_analysis"
    assert {} == ledger.second_ids()


async def test_two_workers_share_a_pool_and_no_execution_is_done_twice(parts: Orchestra) -> None:
    events = opportunities(60)
    async with (
        ledger_of(parts.bus, parts.name) as ledger,
        services_on(parts.bus, parts.name) as them,
    ):
        parts.listener.start()
        parts.worker.start()
        parts.another_worker.start()
        await eventually(lambda: parts.has_workers(2), within_seconds=60)
        for event in events:
            await parts.bus.publish(event)
            await asyncio.sleep(0)
        records = await all_in(parts, events, "completed")

    assert {1} == {record.attempt for record in records}
    assert 60 * 4 == sum(len(asked_ids) for asked_ids in them.asked.values())
    assert {} == ledger.second_ids()


@pytest.mark.long
async def test_a_stopped_worker_leaves_what_it_cannot_finish_to_the_next(
    parts: Orchestra, prefect_server: PrefectServer
) -> None:
    events = opportunities(5)
    async with (
        ledger_of(parts.bus, parts.name) as ledger,
        services_on(parts.bus, parts.name, silent=REQUESTED) as them,
    ):
        parts.api.start(RECONCILER_INTERVAL_SECONDS="1")
        parts.listener.start()
        parts.worker.start(WORKER_DRAIN_SECONDS="1")
        await parts.bus.publish(*events)
        await all_in(parts, events, "running")

        assert 0 == parts.worker.stop()
        parts.another_worker.start()
        await them.speak()
        await all_in(parts, events, "completed")
    assert {} == ledger.second_ids()


async def asked(unanswered: Sequence[object], count: int) -> bool:
    return len(unanswered) >= count


async def cancelled_over_http(parts: Orchestra, execution_id: str) -> httpx.Response:
    url = f"http://127.0.0.1:{parts.settings.server.port}/api/v1/executions/{execution_id}/cancel"
    async with httpx.AsyncClient(timeout=10, auth=AnyTenant()) as client:
        return await client.post(url, json={"reason": "sold"}, headers={"X-Tenant-ID": A_TENANT})
