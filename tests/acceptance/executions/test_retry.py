"""A failed analysis is tried again: what succeeded is kept, what failed is asked again, and each
end is announced once.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from blocks.contracts import ids
from blocks.contracts.records import ExecutionRecord
from tests.support.analyses import seen
from tests.support.factories import A_TENANT
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices, answer_to, foreign_event
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger
from tests.support.system.orchestra import Orchestra, client_of, orchestra
from tests.support.waiting import eventually

FORECAST, RISK = "workflow.forecast.requested", "workflow.risk.analysis.requested"


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server) as parts:
        for part in (parts.api, parts.listener, parts.worker):
            part.start()
        yield parts


@pytest.mark.long
async def test_a_started_analysis_that_failed_is_retried_by_fifty_at_once_and_completes(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices
) -> None:
    services.silent |= set(REQUESTED)
    started = await post(
        parts, "/api/v1/executions", {"workflow": "opportunity-analysis", "subject": str(uuid4())}
    )
    id = started.json()["id"]
    requests = await unanswered(services, 4)
    await parts.bus.publish(answer_to(requests[FORECAST]))
    await ledger.published("workflow.step.completed")
    await parts.bus.publish(failure_of(requests[RISK]))
    assert "risk_analysis" == (await ended(parts, id, "failed")).failed_step
    services.unanswered.clear()

    answers = await asyncio.gather(
        *(post(parts, f"/api/v1/workflows/{id}/retry") for _ in range(50))
    )

    retried = await unanswered(services, 3)
    await parts.bus.publish(failure_of(requests[RISK]))  # the broker delivers the old failure again
    await services.speak()
    completed = await ended(parts, id, "completed")

    assert Counter({409: 49, 200: 1}) == Counter(answer.status_code for answer in answers)
    assert FORECAST not in retried, "what succeeded is asked for again"
    assert [1, 2, 2, 2] == [
        len(services.asked[name]) for name in (FORECAST, *(n for n in REQUESTED if n != FORECAST))
    ]
    assert {"risk", "scoring", "forecast", "recommendations"} == (completed.results or {}).keys()
    assert {
        (ids.terminal_event_id(id), "workflow.opportunity.analysis.failed"),
        (ids.terminal_event_id(id, 1), "workflow.opportunity.analysis.completed"),
    } == {(event["id"], event["type"]) for event in await ledger.published(*TERMINAL, count=2)}
    steps = await ledger.published("workflow.step.completed", count=4)
    assert 4 == len({event["data"]["stepId"] for event in steps})


async def post(parts: Orchestra, path: str, body: object = None) -> httpx.Response:
    async with client_of(parts) as client:
        return await client.post(path, json=body)


async def unanswered(services: AnalysisServices, count: int) -> dict[str, dict[str, Any]]:
    """The requests without an answer, by type, once there are so many."""

    async def enough() -> dict[str, dict[str, Any]]:
        waiting = {request["type"]: request for request in services.unanswered}
        return waiting if len(waiting) >= count else {}

    return await eventually(enough, within_seconds=60)


def failure_of(request: dict[str, Any]) -> Any:
    about = {"opportunityId": request["data"]["opportunityId"], "error": "no model"}
    return foreign_event(
        A_TENANT, "risk.evaluation.failed", about, id=f"failure of {request['id']}"
    )


async def ended(parts: Orchestra, id: str, status: str) -> ExecutionRecord:
    async def is_announced() -> ExecutionRecord | None:
        record = (await parts.store.read(A_TENANT, ExecutionRecord, id)).record
        return record if record.status == status and record.announced_at else None

    return await seen(parts, is_announced)
