"""The check-list of docs/cut-over.md: from the older orchestrator to this one, and back again.

Each step is a function of the `CutOver`, in the order of the page.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from blocks.contracts.records import ApprovalRecord
from blocks.ports import Message
from tests.support.api.credentials import AnyTenant
from tests.support.factories import now
from tests.support.older_service import Document, older_approval, older_step, older_workflow
from tests.support.servers.cosmos import CosmosEmulator
from tests.support.servers.ports import free_port
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.neighbour import Neighbour, neighbour
from tests.support.system.older_orchestrator import (
    APPROVAL_FIELDS,
    WORKFLOW_FIELDS,
    Consumer,
    OlderOrchestrator,
    consumer_of,
)
from tests.support.system.orchestra import (
    Orchestra,
    client_of,
    on_cosmos,
    on_rabbitmq,
    orchestra,
)
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.long,
    # The Azure SDK never verifies the certificate of a local address.
    pytest.mark.filterwarnings("ignore:Unverified HTTPS request"),
]

OPPORTUNITY = "0063X00000A1b2C"
AUDIENCE = "orchestrator"
"""Of its tokens, by its configuration file."""
CONFIGURATION = Path(__file__).parents[2] / "unit" / "settings" / "source_configuration.yaml"
APPROVALS = "/api/v1/hitl/approvals"


class CutOver(msgspec.Struct, frozen=True):
    """Both systems on one store and one broker, and what the older one has left there."""

    older: OlderOrchestrator
    parts: Orchestra
    client: httpx.AsyncClient
    audit: Consumer
    batch_worker: Neighbour
    approvals: list[Document]
    completed: Document
    failed: Document
    running: Document
    odd: Document

    @property
    def workflows(self) -> list[Document]:
        """Newest first."""
        return [self.odd, self.running, self.failed, self.completed]


@pytest.fixture
async def cut_over(
    tmp_path: Path,
    prefect_server: PrefectServer,
    rabbitmq: RabbitMQNode,
    cosmos_emulator: CosmosEmulator,
) -> AsyncIterator[CutOver]:
    older = OlderOrchestrator(cosmos_emulator, tmp_path.name)
    approvals = [
        older_approval(requestedAt=f"2026-03-02T0{hour}:15:00.000Z", opportunityId=OPPORTUNITY)
        for hour in range(3)
    ]
    completed, failed, running, odd = workflows()
    older.writes("hitl_approvals", *approvals)
    older.writes("workflow_workflows", completed, failed, running, odd)
    for step in completed["steps"]:
        older.writes("workflow_steps", {**step, "id": step["stepId"], "tenantId": tenant(odd)})
    real = {**on_rabbitmq(rabbitmq, tmp_path.name), **on_cosmos(cosmos_emulator, tmp_path.name)}
    real |= {"ORCHESTRATOR_CONFIG": str(CONFIGURATION), "METRICS_BEARER_TOKEN": "of-prometheus"}
    real["JWT_ISSUER"] = "coder"
    jobs, exchange = real["RABBITMQ_BATCH_JOBS_QUEUE"], real["RABBITMQ_EXCHANGE"]
    async with (
        neighbour(rabbitmq.url, exchange, jobs, "workflow.job.trigger") as batch_worker,
        orchestra(tmp_path, prefect_server, **real) as parts,
        consumer_of(rabbitmq, parts.name, "hitl.approval.completed") as audit,
        client_of(parts) as client,
    ):
        client.auth = AnyTenant(aud=AUDIENCE)
        workflow_documents = (completed, failed, running, odd)
        yield CutOver(older, parts, client, audit, batch_worker, approvals, *workflow_documents)


def workflows() -> tuple[Document, Document, Document, Document]:
    completed = older_workflow(createdAt="2026-03-02T01:00:00.000Z")
    failed = older_workflow(status="failed", createdAt="2026-03-02T02:00:00.000Z", results=None)
    failed["steps"][2] = older_step(
        failed["id"], "forecast", status="failed", result=None, error="no data"
    )
    running = older_workflow(
        status="running", createdAt="2026-03-02T03:00:00.000Z", results=None, completedAt=None
    )
    odd = older_workflow(
        status="in doubt", createdAt="2026-03-02T04:00:00.000Z", steps="none", results=[7]
    )
    return completed, failed, running, odd


def tenant(document: Document) -> str:
    return str(document["tenantId"])


async def test_the_check_list_leads_there_and_back(cut_over: CutOver) -> None:
    for process in (cut_over.parts.api, cut_over.parts.listener):
        process.start()

    await callers_find_their_workflows_unchanged(cut_over)
    await a_pending_approval_is_decided_and_announced(cut_over)
    await a_client_that_shows_only_headers_decides(cut_over)
    await an_unchanged_batch_worker_gets_its_trigger(cut_over)
    await a_request_that_is_delivered_again_is_known(cut_over)
    await the_migration_counts_converts_and_repeats(cut_over)
    await callers_find_their_workflows_unchanged(cut_over)
    await a_failed_workflow_is_retried_under_its_id(cut_over)
    await the_older_service_understands_what_was_written(cut_over)
    await what_it_decided_meanwhile_stands(cut_over)


async def callers_find_their_workflows_unchanged(cut_over: CutOver) -> None:
    for document in cut_over.workflows:
        answer = await cut_over.client.get(f"/api/v1/workflows/{document['id']}")
        assert (200, document) == (answer.status_code, answer.json())
    listed = await cut_over.client.get("/api/v1/workflows", params={"opportunityId": OPPORTUNITY})
    assert {"workflows": cut_over.workflows, "total": 4} == listed.json()


async def a_pending_approval_is_decided_and_announced(cut_over: CutOver) -> None:
    approval, client = cut_over.approvals[0], cut_over.client
    listed = (await client.get(APPROVALS, params={"status": "pending"})).json()
    assert [one["id"] for one in reversed(cut_over.approvals)] == [
        one["id"] for one in listed["items"]
    ]

    url = f"{APPROVALS}/{approval['id']}/approve"
    answer = await client.post(url, json={"decidedBy": "ann", "comment": "fine"})
    again = await client.post(url, json={"decidedBy": "bob"})

    assert (200, "approved") == (answer.status_code, answer.json()["status"])
    assert (409, "HITL_APPROVAL_NOT_PENDING") == (again.status_code, again.json()["error"]["code"])
    await eventually(cut_over.audit.has_one)
    [event] = cut_over.audit.events
    assert {
        "tenantId": approval["tenantId"],
        "opportunityId": OPPORTUNITY,
        "approvalId": approval["id"],
        "approved": True,
        "decidedBy": "ann",
        "decidedAt": answer.json()["decidedAt"],
    } == event["data"]


async def a_client_that_shows_only_headers_decides(cut_over: CutOver) -> None:
    """Behind the gateway, as the older service's clients do; through an API process of its own."""
    port, api = str(free_port()), cut_over.parts.one_more("api")
    api.start(AUTH_MODE="gateway", AUTH_DEFAULT_ROLES="viewer,approver", PORT=port)
    url = f"http://127.0.0.1:{port}{APPROVALS}/{cut_over.approvals[2]['id']}/approve"
    headers = {"X-Tenant-ID": tenant(cut_over.approvals[2])}
    transport = httpx.AsyncHTTPTransport(retries=20)
    async with httpx.AsyncClient(headers=headers, timeout=30, transport=transport) as client:
        nothing = await client.post(url, json={})
        answer = await client.post(url, json={"decidedBy": "dana"})
    api.stop()

    assert (400, "VALIDATION_ERROR") == (nothing.status_code, nothing.json()["error"]["code"])
    assert (200, "dana") == (answer.status_code, answer.json()["decidedBy"])


async def an_unchanged_batch_worker_gets_its_trigger(cut_over: CutOver) -> None:
    url = "/api/v1/jobs/risk-clustering/trigger"
    answer = await cut_over.client.post(url, json={}, headers={"Idempotency-Key": "by-hand"})
    assert 202 == answer.status_code, answer.text
    [envelope] = await cut_over.batch_worker.got()
    assert ("risk-clustering", "api") == (
        envelope["data"]["job"],
        envelope["data"]["triggeredBy"],
    )


async def a_request_that_is_delivered_again_is_known(cut_over: CutOver) -> None:
    """The older service had recorded it, and ended before it acknowledged the event."""
    parts, approval = cut_over.parts, cut_over.approvals[1]
    fields = ("opportunityId", "riskScore", "amount", "requestedAt", "correlationId")
    other = str(uuid4())
    for changes in ({}, {"correlationId": other}):
        data = {**{key: approval[key] for key in fields}, **changes}
        await parts.bus.publish(request_for_approval(tenant(approval), data))

    async def both_were_handled() -> bool:
        of_other = {"correlation_id": other}
        return await parts.store.count(tenant(approval), ApprovalRecord, of_other) == 1

    await eventually(both_were_handled, within_seconds=60)
    of_the_first = {"correlation_id": approval["correlationId"]}
    assert 1 == await parts.store.count(tenant(approval), ApprovalRecord, of_the_first)


def request_for_approval(tenant_id: str, data: dict[str, Any]) -> Message:
    event: dict[str, Any] = {
        "id": str(uuid4()),
        "type": "hitl.approval.requested",
        "version": "1.0",
        "timestamp": "2026-03-02T09:15:00.000Z",
        "tenantId": tenant_id,
        "source": {"service": "risk-analytics", "instance": "risk-analytics-7-1"},
        "data": data,
    }
    return Message(
        id=event["id"],
        routing_key=event["type"],
        body=msgspec.json.encode(event),
        timestamp=now(),
    )


async def the_migration_counts_converts_and_repeats(cut_over: CutOver) -> None:
    looked = await migrate(cut_over, "--dry-run")
    applied = await migrate(cut_over, "--apply")
    repeated = await migrate(cut_over, "--apply")

    # Two approvals became records when they were decided.
    assert [(1, 1, 2, 0), (4, 2, 0, 2), (4, 0, 0, 4), (0, 0, 0, 0)] == looked == applied
    assert [(0, 0, 3, 0), (4, 0, 2, 2), (4, 0, 0, 4), (0, 0, 0, 0)] == repeated


async def migrate(cut_over: CutOver, *arguments: str) -> list[tuple[int, int, int, int]]:
    """Per container: found, converted, already, left."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "deployments.cli", "migrate", "--json", *arguments],
        env=cut_over.parts.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    return [
        (one["found"], one["converted"], one["already"], sum(one["left"].values()))
        for one in map(json.loads, done.stdout.splitlines()[:4])
    ]


async def a_failed_workflow_is_retried_under_its_id(cut_over: CutOver) -> None:
    url = f"/api/v1/workflows/{cut_over.failed['id']}"

    answer = await cut_over.client.post(f"{url}/retry")

    assert (200, cut_over.failed["id"]) == (answer.status_code, answer.json()["workflowId"])
    shown = (await cut_over.client.get(url)).json()
    assert shown["status"] in ("pending", "running")
    assert ["completed", "completed", "completed"] == [
        step["status"] for step in shown["steps"] if step["stepType"] != "forecast"
    ]


async def the_older_service_understands_what_was_written(cut_over: CutOver) -> None:
    for process in (cut_over.parts.listener, cut_over.parts.api):
        process.stop()
    older = cut_over.older

    decided = older.reads("hitl_approvals", cut_over.approvals[0]["id"])
    assert ("approved", "ann", "fine") == tuple(
        decided[key] for key in ("status", "decidedBy", "comment")
    )
    for approval in cut_over.approvals[1:2]:
        found = older.reads("hitl_approvals", approval["id"])
        stated = [key for key in APPROVAL_FIELDS if key != "requestedAt"]
        assert [approval[key] for key in stated] == [found[key] for key in stated]
    listed = older.workflows_of(OPPORTUNITY)
    assert [one["id"] for one in cut_over.workflows] == [one["id"] for one in listed]
    for before, after in zip(cut_over.workflows, listed, strict=True):
        assert [before[key] for key in WORKFLOW_FIELDS] == [after[key] for key in WORKFLOW_FIELDS]


async def what_it_decided_meanwhile_stands(cut_over: CutOver) -> None:
    """And forward again."""
    approval = cut_over.approvals[1]
    cut_over.older.approves(approval["id"], "carl")
    cut_over.parts.api.start()
    async with client_of(cut_over.parts) as client:  # the connections of before are gone
        client.auth = AnyTenant(aud=AUDIENCE)
        url = f"{APPROVALS}/{approval['id']}"

        async def is_shown() -> bool:
            answer = (await client.get(url)).json()
            return (answer.get("status"), answer.get("decidedBy")) == ("approved", "carl")

        await eventually(is_shown, within_seconds=60)
        refused = await client.post(f"{url}/reject", json={"decidedBy": "ann"})
    assert 409 == refused.status_code
    assert 2 == len(cut_over.audit.events)
