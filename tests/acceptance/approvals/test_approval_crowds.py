"""Fifty people decide at once, and everything is stopped while people think: the analysis follows
the one decision.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

import httpx
import pytest

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.contracts import ids
from blocks.contracts.records import ApprovalRecord
from blocks.ports import Message
from tests.support.analyses import a_large_deal, ended, execution_id_of, gated, seen
from tests.support.api.credentials import AnyTenant
from tests.support.factories import A_TENANT
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.analysis_services import AnalysisServices, services_on
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger, ledger_of
from tests.support.system.orchestra import Orchestra, on_rabbitmq, orchestra

pytestmark = pytest.mark.long

PEOPLE = 50
WAITING = 3
RESTARTED = 24
PROMISED_SECONDS = 5.0


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server, HITL_APPROVALS_ENABLED="true") as parts:
        start(parts)
        await ready(parts)
        yield parts


def start(parts: Orchestra) -> None:
    for part in (parts.listener, parts.worker, parts.api):
        part.start()


async def say(
    client: httpx.AsyncClient, parts: Orchestra, event: Message, outcome: str, user: str = "ann"
) -> httpx.Response:
    """What the API answers to this decision of this user."""
    return await client.post(
        f"{api_url(parts)}/api/v1/hitl/approvals/{approval_id_of(event)}/decisions",
        json={"outcome": outcome, "reason": "seen"},
        headers={"X-Tenant-ID": A_TENANT, "X-User-ID": user},
        timeout=60,
    )


def approval_id_of(event: Message) -> str:
    return ids.approval_id(execution_id_of(event), "analysis")


def api_url(parts: Orchestra) -> str:
    return f"http://127.0.0.1:{parts.settings.server.port}"


# --- fifty at once --------------------------------------------------------------------------------


async def test_each_analysis_follows_the_winner_of_fifty_decisions_at_once(
    parts: Orchestra, flow_runs: PrefectFlowRuns, services: AnalysisServices
) -> None:
    events = [a_large_deal() for _ in range(WAITING)]
    await parts.bus.publish(*events)
    for event in events:
        await gated(parts, flow_runs, event)

    async with httpx.AsyncClient(auth=AnyTenant()) as client:
        answers = await asyncio.gather(*(crowd(client, parts, event) for event in events))

    for event, responses in zip(events, answers, strict=True):
        [won] = [one.json() for one in responses if one.status_code == 200]
        conflicts = [one.json()["error"]["decision"] for one in responses if one.status_code == 409]
        assert PEOPLE - 1 == len(conflicts)
        assert {(won["status"], won["decidedBy"])} == {
            (one["status"], one["decidedBy"]) for one in conflicts
        }
        execution = await ended(parts, event)
        assert {"approved": "completed", "rejected": "failed"}[won["status"]] == execution.status
        assert won["decidedBy"] == (execution.results or {})["approval"]["decidedBy"]


async def crowd(
    client: httpx.AsyncClient, parts: Orchestra, event: Message
) -> list[httpx.Response]:
    """What fifty people are answered who decide at once, every second one against the others."""
    outcomes = ("approved", "rejected")
    return await asyncio.gather(
        *(
            say(client, parts, event, outcomes[number % 2], f"user-{number}")
            for number in range(PEOPLE)
        )
    )


# --- everything is stopped ------------------------------------------------------------------------


@pytest.fixture
async def real_parts(
    tmp_path: Path, prefect_server: PrefectServer, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    settings = {"HITL_APPROVALS_ENABLED": "true", **on_rabbitmq(rabbitmq, tmp_path.name)}
    async with orchestra(tmp_path, prefect_server, **settings) as parts:
        start(parts)
        yield parts


@pytest.mark.slow
async def test_after_everything_was_restarted_a_decision_moves_its_analysis_within_seconds(
    real_parts: Orchestra,
    prefect_server: PrefectServer,
    rabbitmq: RabbitMQNode,
    flow_runs: PrefectFlowRuns,
    record_property: Callable[[str, object], None],
) -> None:
    parts, events = real_parts, [a_large_deal() for _ in range(RESTARTED)]
    async with (
        ledger_of(parts.bus, parts.name) as ledger,
        services_on(parts.bus, parts.name) as services,
    ):
        await parts.bus.publish(*events)
        for event in events:
            await gated(parts, flow_runs, event)

        await asyncio.to_thread(everything_again, parts, prefect_server, rabbitmq)
        await ready(parts)
        async with httpx.AsyncClient(auth=AnyTenant()) as client:
            seconds = sorted([await seconds_to_the_end(client, parts, event) for event in events])

        p95 = quantiles(seconds, n=20)[-1]
        record_property(
            "decision to end", f"p50 {seconds[len(seconds) // 2]:.2f} s, p95 {p95:.2f} s"
        )
        assert p95 <= PROMISED_SECONDS
        await ledger.published(*TERMINAL, count=RESTARTED)
        await assert_nothing_was_sent_twice(ledger, services)


def everything_again(parts: Orchestra, prefect: PrefectServer, rabbitmq: RabbitMQNode) -> None:
    """Processes, Prefect and the broker have stopped, all of them, and run again."""
    for part in (parts.listener, parts.worker, parts.api):
        part.stop()
    prefect.kill()
    rabbitmq.kill()
    rabbitmq.start()
    prefect.start()
    start(parts)


async def ready(parts: Orchestra) -> None:
    async def answers() -> bool:
        try:
            async with httpx.AsyncClient(auth=AnyTenant()) as client:
                return (await client.get(f"{api_url(parts)}/ready", timeout=5)).is_success
        except httpx.TransportError:
            return False

    await seen(parts, answers)


async def seconds_to_the_end(client: httpx.AsyncClient, parts: Orchestra, event: Message) -> float:
    """From the moment of a decision to the recorded end of its analysis."""
    assert 200 == (await say(client, parts, event, "approved")).status_code
    execution = await ended(parts, event)
    approval = (await parts.store.read(A_TENANT, ApprovalRecord, approval_id_of(event))).record
    assert "completed" == execution.status
    never = datetime.max.replace(tzinfo=UTC)
    return ((execution.completed_at or never) - (approval.decided_at or never)).total_seconds()


async def assert_nothing_was_sent_twice(ledger: Ledger, services: AnalysisServices) -> None:
    assert {} == ledger.second_ids()
    assert [RESTARTED] * 4 == [len(services.asked[request]) for request in REQUESTED]
    await ledger.holds({"hitl.approval.requested": RESTARTED, "hitl.approval.completed": RESTARTED})
