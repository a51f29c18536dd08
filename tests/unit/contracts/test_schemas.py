"""The exported schemas say what is encoded, and agree with the schemas that the
platform documents.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from blocks.contracts import events, ids
from blocks.contracts.envelope import Event, encode_event
from blocks.contracts.schemas import asyncapi, event_schemas
from tests.support.claims.phase_events import claim_recovery_events

DOCUMENTED = {
    path.stem: json.loads(path.read_text())
    for path in Path(__file__).with_name("documented").glob("*.json")
}
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TENANT, EXECUTION, OPPORTUNITY = (str(uuid4()) for _ in range(3))

STEP = {
    "workflow_id": EXECUTION,
    "opportunity_id": OPPORTUNITY,
    "step_id": str(uuid4()),
    "tenant_id": TENANT,
}
EXAMPLES: list[events.EventData] = [
    events.OpportunityAnalysisStarted(
        workflow_id=EXECUTION, opportunity_id=OPPORTUNITY, timestamp=NOW
    ),
    events.RiskAnalysisRequested(**STEP),
    events.RiskScoringRequested(**STEP),
    events.ForecastRequested(**STEP),
    events.RecommendationRequested(**STEP),
    events.StepCompleted(
        workflow_id=EXECUTION,
        step_id=STEP["step_id"],
        step_type="forecast",
        result={"confidence": 1},
    ),
    events.OpportunityAnalysisCompleted(
        workflow_id=EXECUTION,
        opportunity_id=OPPORTUNITY,
        results=events.AnalysisResults(risk={"riskScore": 0.5}, forecast={}),
        timestamp=NOW,
        missing_steps=["risk_scoring"],
    ),
    events.OpportunityAnalysisFailed(
        workflow_id=EXECUTION, opportunity_id=OPPORTUNITY, error="no answer", failed_step="forecast"
    ),
    events.HitlApprovalRequested(
        opportunity_id=OPPORTUNITY, risk_score=0.9, amount=2e6, requested_at=NOW
    ),
    events.HitlApprovalReminded(
        tenant_id=TENANT,
        opportunity_id=OPPORTUNITY,
        approval_id=str(uuid4()),
        reminded_at=NOW,
        approvers=["ann"],
    ),
    events.HitlApprovalEscalated(
        tenant_id=TENANT,
        opportunity_id=OPPORTUNITY,
        approval_id=str(uuid4()),
        escalated_at=NOW,
        approver_roles=["vp"],
    ),
    events.HitlApprovalAdvanced(
        tenant_id=TENANT,
        opportunity_id=OPPORTUNITY,
        approval_id=str(uuid4()),
        stage="finance",
        advanced_at=NOW,
        advanced_by="ann",
        approvers=["bob"],
    ),
    events.HitlApprovalQuestioned(
        tenant_id=TENANT,
        opportunity_id=OPPORTUNITY,
        approval_id=str(uuid4()),
        question="Why so much?",
        asked_by="ann",
        asked_at=NOW,
    ),
    events.HitlApprovalAnswered(
        tenant_id=TENANT,
        opportunity_id=OPPORTUNITY,
        approval_id=str(uuid4()),
        question="Why so much?",
        asked_by="ann",
        answer="A discount.",
        answered_by="req",
        answered_at=NOW,
    ),
    events.HitlApprovalCompleted(
        tenant_id=TENANT,
        opportunity_id=OPPORTUNITY,
        approval_id=str(uuid4()),
        approved=True,
        decided_by="ann",
        decided_at=NOW,
    ),
    events.JobTrigger(
        job="outcome-sync",
        metadata={"schedule": "0 1 * * *"},
        triggered_by="scheduler",
        timestamp=NOW,
    ),
    events.JobUnreported(
        job="outcome-sync",
        execution_id=EXECUTION,
        triggered_by="scheduler",
        triggered_at=NOW,
        error="not reported within 2 h",
        timestamp=NOW,
    ),
    *claim_recovery_events(EXECUTION, NOW),
    events.OperationStarted(
        run_id="run_1767323045000_0k3j9x2ab",
        workflow_id="log-rotation",
        workflow_name="Log Rotation & Cleanup",
        execution_id=EXECUTION,
    ),
    events.OperationStepStarted(
        run_id="run_1767323045000_0k3j9x2ab",
        workflow_id="log-rotation",
        step_id="rotate-logs",
        step_name="Rotate Logs",
    ),
    events.OperationStepCompleted(
        run_id="run_1767323045000_0k3j9x2ab",
        workflow_id="log-rotation",
        step_id="rotate-logs",
        result={"success": True, "logsRotated": 3},
    ),
    events.OperationStepFailed(
        run_id="run_1767323045000_0k3j9x2ab",
        workflow_id="log-rotation",
        step_id="rotate-logs",
        error="1 of 3 files: /var/log/shop/web.log: Permission denied",
    ),
    events.OperationCompleted(
        run_id="run_1767323045000_0k3j9x2ab",
        workflow_id="log-rotation",
        execution_id=EXECUTION,
        duration=1250,
        timestamp=NOW,
    ),
    events.OperationFailed(
        run_id="run_1767323045000_0k3j9x2ab",
        workflow_id="log-rotation",
        execution_id=EXECUTION,
        error="1 of 3 files: /var/log/shop/web.log: Permission denied",
        failed_step="rotate-logs",
        timestamp=NOW,
    ),
]


def on_the_wire(data: events.EventData) -> Any:
    return json.loads(
        encode_event(Event(id=str(uuid4()), tenant_id=TENANT, timestamp=NOW, data=data))
    )


def test_every_published_event_has_an_example_here() -> None:
    assert set(events.PUBLISHED) == {example.event_type for example in EXAMPLES}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.event_type)
def test_what_is_encoded_is_valid_by_its_exported_schema(example: events.EventData) -> None:
    schema = event_schemas()[example.event_type]

    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
        on_the_wire(example)
    )


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if e.event_type in DOCUMENTED], ids=lambda e: e.event_type
)
def test_what_is_encoded_is_valid_by_the_documented_schema(example: events.EventData) -> None:
    documented = DOCUMENTED[example.event_type]

    Draft7Validator(documented, format_checker=Draft7Validator.FORMAT_CHECKER).validate(
        on_the_wire(example)
    )


@pytest.mark.parametrize("event_type", DOCUMENTED)
def test_the_exported_schema_says_all_that_the_documented_one_says(event_type: str) -> None:
    exported = event_schemas()[event_type]

    assert [] == disagreements(DOCUMENTED[event_type], exported, exported.get("$defs", {}))


def disagreements(documented: Any, exported: Any, definitions: Any, at: str = "event") -> list[str]:
    """Where the exported schema is laxer than, or different from, the documented one."""
    if "$ref" in exported:
        exported = definitions[exported["$ref"].rsplit("/", 1)[-1]]
    stated = [key for key in ("type", "const", "format") if key in documented]
    found = [f"{at}: {key}" for key in stated if documented[key] != exported.get(key)]
    lax = set(documented.get("required", [])) - set(exported.get("required", []))
    found += [f"{at}: {name} is not required" for name in lax]
    for name, inner in documented.get("properties", {}).items():
        if name not in exported.get("properties", {}):
            found.append(f"{at}.{name} is missing")
        else:
            found += disagreements(inner, exported["properties"][name], definitions, f"{at}.{name}")
    return found


def test_the_asyncapi_document_names_every_event_once() -> None:
    document = asyncapi("1.2.3")

    assert set(events.PUBLISHED) | set(events.CONSUMED) == set(document["channels"])
    sent = [
        operation for operation in document["operations"].values() if operation["action"] == "send"
    ]
    assert len(events.PUBLISHED) == len(sent)
    assert ids.SYSTEM_TENANT not in json.dumps(document)
