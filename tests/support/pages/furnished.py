"""A tenant with something of everything that pages show, and where each page of it lies."""

from datetime import timedelta
from typing import Any

import msgspec

from blocks.contracts.approvals import ApprovalPolicy, Approvers, HistoryEntry, Question, Stage
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ApprovalRecord, ExecutionRecord, Record, RefusedAnswer
from blocks.contracts.records.operations import EventRecord
from blocks.dead_letters import letters
from blocks.ports import RecordStore
from blocks.security import login_links
from blocks.settings import load_settings
from blocks.topology import intake_queue
from tests.support.api.approval_links import a_token as a_link
from tests.support.claims.phase_entries import an_entry
from tests.support.claims.records import A_USER, a_claim, a_journey, a_prompt_about
from tests.support.factories import (
    a_dead_letter,
    a_stand_in,
    a_step,
    a_tenant_record,
    a_webhook,
    an_api_key,
    an_approval,
    an_audit_entry,
    an_execution,
    new_id,
    now,
)
from tests.support.payouts.packets import a_fee, a_packet

RESULTS: dict[str, Any] = {
    "risk": {
        "riskScore": 0.82,
        "detectedRisks": [
            {"riskName": "No champion", "severity": "high", "contribution": 0.4},
            {"riskName": "Budget not confirmed", "severity": "medium", "contribution": 0.2},
        ],
        "model": "m-7",
    },
    "scoring": {"mlRiskScore": 0.74, "confidence": 0.9},
    "forecast": {"revenueForecast": {"q1": 310_000, "q2": 420_000}, "confidence": 0.77},
    "recommendations": {"recommendations": [{"title": "Call the buyer", "score": 0.9}]},
}
FORM = {
    "required": ["limit"],
    "properties": {
        "limit": {"type": "integer", "maximum": 9, "description": "Percent off"},
        "region": {"enum": ["north", "south"]},
        "binding": {"type": "boolean"},
        "note": {"type": "string", "maxLength": 200},
    },
}


class Furnished(msgspec.Struct, frozen=True):
    """Paths by the name of the page, which begins with `error-` if there is nothing to see; who
    opens them has all roles, or has not signed in.
    """

    of_tenant: dict[str, str]
    of_platform: dict[str, str]
    of_anyone: dict[str, str]


OF_NEW_TENANT = {
    "first-run": "/",
    "inbox-empty": "/inbox",
    "executions-empty": "/executions",
    "claims-empty": "/claims",
    "workflow-empty": "/workflows/opportunity-analysis",
    "dead-letters-empty": "/dead-letters",
    "settings-empty": "/settings",
    "audit-empty": "/audit",
}
"""Paths by the name of the page, of a tenant for which nothing was done yet."""


async def furnish(store: RecordStore, tenant: str) -> Furnished:
    """The tenant has records for every page, and the platform a few."""
    executions = await _executions(store, tenant)
    approvals = await _approvals(store, tenant, executions["running"])
    journey = await _a_journey(store, tenant)
    letter = await _a_letter(store, tenant)
    await _settings(store, tenant)
    link, _ = await login_links.create_link(store, tenant, ["approver"])
    open_link, late_link = (
        f"/api/v1/hitl/links/{a_link(approvals['approval'], seconds=seconds)}/page"
        for seconds in (3600, -60)
    )
    return Furnished(
        of_tenant={
            "overview": "/",
            "inbox": "/inbox",
            "stand-ins": "/stand-ins",
            **{name: f"/approvals/{one.id}" for name, one in approvals.items()},
            "executions": "/executions",
            "executions-none": "/executions?q=no-such-thing",
            **{f"execution-{name}": f"/executions/{one.id}" for name, one in executions.items()},
            "claims": "/claims",
            "claim": f"/claims/{journey.input['syncId']}?userId={A_USER}",
            "workflows": "/workflows",
            "workflow": "/workflows/opportunity-analysis",
            "dead-letters": "/dead-letters",
            "dead-letter": f"/dead-letters/{letter}",
            "settings": "/settings",
            "definitions": "/settings/definitions",
            "definition": "/settings/definitions/opportunity-analysis",
            "definition-json": "/settings/definitions/opportunity-analysis?raw=true",
            "audit": "/audit",
            "audit-none": "/audit?by=no-one",
            "error-page": "/no-such-page",
            "error-execution": f"/executions/{new_id()}",
        },
        of_platform={
            "platform-overview": "/",
            "platform-workflows": "/workflows",
            "job": "/workflows/risk-snapshot-backfill",
            "operation": "/workflows/log-rotation",
            "backfill": "/jobs/risk-snapshot-backfill/backfill"
            "?from=2026-01-01&to=2026-01-17&days=7&key=12345678",
            "events": "/events",
            "events-none": "/events?type=no.such",
        },
        of_anyone={
            "login": "/login",
            "login-link": f"/login/{link}",
            "error-login-link": "/login/no-such-link",
            "link": open_link,
            "error-link-expired": late_link,
            "error-link": "/api/v1/hitl/links/no-such-link/page",
        },
    )


async def _executions(store: RecordStore, tenant: str) -> dict[str, ExecutionRecord]:
    began = now() - timedelta(minutes=2)
    ended: dict[str, Any] = {
        "tenant_id": tenant,
        "created_at": began,
        "started_at": began + timedelta(seconds=1),
        "completed_at": began + timedelta(seconds=9),
        "announced_at": began + timedelta(seconds=9),
    }
    refused = RefusedAnswer(
        step="forecast",
        code="schema-invalid",
        reason="revenueForecast is no number",
        event_id=new_id(),
        dead_letter_id=new_id(),
        at=began,
    )
    running = an_execution(
        tenant_id=tenant, status="awaiting_approval", created_at=began, started_at=began
    )
    completed = an_execution(status="completed", results=RESULTS, **ended)
    failed = an_execution(
        status="failed",
        error="no model for this region",
        failed_step="forecast",
        refused_answers=[refused],
        **ended,
    )
    steps = [
        a_step(
            tenant_id=tenant,
            execution_id=one.id,
            step=step,
            created_at=began + timedelta(seconds=2),
            completed_at=began + timedelta(seconds=4),
        )
        for one in (running, completed)
        for step in ("risk_analysis", "forecast")
    ]
    await _hold(store, running, completed, failed, *steps)
    return {"running": running, "completed": completed, "failed": failed}


async def _approvals(
    store: RecordStore, tenant: str, execution: ExecutionRecord
) -> dict[str, ApprovalRecord]:
    asked = HistoryEntry(what="requested", at=now())
    stages = [
        Stage(name="manager", policy=ApprovalPolicy(approvers=Approvers(users=("ann",)))),
        Stage(name="finance", policy=ApprovalPolicy(approvers=Approvers(roles=("cfo",)))),
    ]
    whole = an_approval(
        tenant_id=tenant,
        subject="Northwind renewal",
        execution_id=execution.id,
        requested_by="olga",
        owner_id="oscar",
        summary="**20 %** off for two years?",
        context=RESULTS,
        form_schema=FORM,
        due_at=now() - timedelta(hours=6),
        expires_at=now() + timedelta(days=1),
        history=[asked],
    )
    staged = an_approval(
        tenant_id=tenant,
        subject="Contoso expansion",
        execution_id=None,
        stages=stages,
        stage="manager",
        policy=stages[0].policy,
        questions=[Question(text="Why so much?", actor="ann", at=now())],
        history=[asked],
    )
    decided = an_approval(
        tenant_id=tenant,
        subject="Fabrikam pilot",
        execution_id=None,
        status="rejected",
        decided_by="bob",
        decided_at=now(),
        decided_through="page",
        comment="too early",
        history=[asked],
    )
    stand_in = a_stand_in(tenant_id=tenant, person="ann", stand_in="bea")
    await _hold(store, whole, staged, decided, stand_in)
    return {"approval": whole, "approval-staged": staged, "approval-decided": decided}


async def _a_journey(store: RecordStore, tenant: str) -> ExecutionRecord:
    """One with a claim that waits for an answer, and one that is paid."""
    journey = a_journey(tenant_id=tenant)
    asked = a_claim(journey, status="prompted", claim_type="lost_inventory")
    paid = a_claim(journey, status="paid")
    prompt = a_prompt_about(asked)
    entries = [
        an_entry(phase, tenant_id=tenant, execution_id=journey.id, duration_ms=1200)
        for phase in (1, 2, 3)
    ]
    await _hold(
        store,
        journey,
        msgspec.structs.replace(asked, approval_id=prompt.id),
        prompt,
        paid,
        a_fee(paid),
        a_packet(paid),
        *entries,
    )
    return journey


async def _a_letter(store: RecordStore, tenant: str) -> str:
    event = {"id": new_id(), "type": "order.placed", "tenantId": tenant, "data": {}}
    queue = intake_queue(load_settings({})).name
    message = a_dead_letter(body=msgspec.json.encode(event))
    return (await letters.keep(store, queue, message)).record.id


async def _settings(store: RecordStore, tenant: str) -> None:
    event = EventRecord(
        id=new_id(),
        tenant_id=SYSTEM_TENANT,
        created_at=now(),
        event_id=new_id(),
        event_type="user.registered",
        payload={"who": "bob"},
        occurred_at=now(),
        source="auth",
        digest="0" * 64,
    )
    await _hold(
        store,
        an_api_key(tenant=tenant, name="nightly"),
        a_webhook(tenant_id=tenant),
        an_audit_entry(tenant_id=tenant),
        a_tenant_record(tenant=tenant),
        event,
    )


async def _hold(store: RecordStore, *records: Record) -> None:
    for record in records:
        await store.create(record.tenant_id, record)
