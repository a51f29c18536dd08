"""A workflow definition as a tenant sees it."""

from collections.abc import Mapping
from datetime import UTC, datetime

from litestar.openapi.spec import OpenAPIType, Schema

from api.documentation.requests import add_requests, operation_with_body
from api.http.documents import Document
from blocks.contracts.approvals import ApprovalRule, Condition
from blocks.contracts.definitions import WantedDefinition, WantedRule, WantedStep
from blocks.contracts.records import TenantShare, WorkflowDefinition
from blocks.contracts.workflows import workflow_named


class DefinedStep(Document, frozen=True, kw_only=True):
    """How a step counts."""

    critical: bool
    timeout_seconds: float


class Definition(Document, frozen=True, kw_only=True, omit_defaults=False):
    """The definition for executions that start now; its `version` is the ETag."""

    workflow: str
    version: int
    is_default: bool
    """The tenant has no definition of its own; the platform's defaults hold."""
    enabled: bool
    step_timeout_seconds: float | None
    """None, and no steps: the workflow has no deadlines."""
    steps: Mapping[str, DefinedStep]
    approval: ApprovalRule
    share: TenantShare
    """How much of the system the tenant gets; set by the platform."""
    updated_at: datetime | None = None
    updated_by: str | None = None


def definition_of(definition: WorkflowDefinition, share: TenantShare) -> Definition:
    workflow = workflow_named(definition.id)
    steps = workflow.steps if workflow.has_deadlines else ()
    return Definition(
        workflow=definition.id,
        version=definition.version,
        is_default=definition.is_default,
        enabled=definition.enabled,
        step_timeout_seconds=definition.step_timeout_seconds if steps else None,
        steps={
            step: DefinedStep(
                critical=step in definition.critical_steps,
                timeout_seconds=definition.step_timeouts.get(step, definition.step_timeout_seconds),
            )
            for step in steps
        },
        approval=definition.approval,
        share=share,
        updated_at=definition.updated_at,
        updated_by=definition.updated_by,
    )


DEFINITION = definition_of(
    WorkflowDefinition(
        id="opportunity-analysis",
        tenant_id="7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10",
        created_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
        critical_steps=["risk_analysis", "forecast"],
        step_timeout_seconds=300.0,
        step_timeouts={"recommendation": 60.0},
        approval=ApprovalRule(enabled=True, min_risk_score=0.7, expires_after_seconds=172_800.0),
        version=3,
        updated_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
        updated_by="u-311",
    ),
    TenantShare(weight=3.0),
)
add_requests(
    WantedDefinition(
        step_timeout_seconds=300,
        steps={"recommendation": WantedStep(critical=False, timeout_seconds=60)},
        approval=WantedRule(
            enabled=True,
            conditions=[Condition(path="subject.amount", op="gte", value=1_000_000)],
            expires_after_seconds=172_800,
        ),
    )
)

PatchOperation = operation_with_body(
    Schema(type=OpenAPIType.OBJECT, additional_properties=Schema()),
    DefinitionPatch={"stepTimeoutSeconds": 600, "steps": {"recommendation": {"critical": False}}},
)
