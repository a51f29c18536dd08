"""What is stored: one frozen Struct per kind of document, camelCase on disk, every one owned by a
tenant.

The containers are those the platform documents: `workflow_workflows` (definitions, and what the
platform keeps about itself), `workflow_executions`, `workflow_steps`, `hitl_approvals`,
`workflow_dead_letters` (see `dead_letters`), `workflow_audit` (see `audit`) and `workflow_claims`
(see `claims`); partition key `/tenantId` in all.
"""

from blocks.contracts.records.approvals import ApprovalRecord, StandInRecord
from blocks.contracts.records.base import CONTAINERS, Record
from blocks.contracts.records.digests import DigestRecord
from blocks.contracts.records.executions import (
    ExecutionRecord,
    PreviousOutcome,
    RefusedAnswer,
    StepRecord,
    Trigger,
)
from blocks.contracts.records.health import HealthRecord, PartHealth
from blocks.contracts.records.notifications import NotificationRecord
from blocks.contracts.records.operation_states import OperationStateRecord
from blocks.contracts.records.processes import Look, ProcessRecord, ReconcilerRecord
from blocks.contracts.records.requests import ApiKeyRecord, IdempotencyRecord, KeptAnswer
from blocks.contracts.records.tenants import (
    DispatchPolicy,
    Place,
    RosterRecord,
    TenantRecord,
    TenantShare,
    WorkflowDefinition,
)
from blocks.contracts.records.webhooks import EarlierSecret, WebhookSubscription

__all__ = [
    "CONTAINERS",
    "ApiKeyRecord",
    "ApprovalRecord",
    "DigestRecord",
    "DispatchPolicy",
    "EarlierSecret",
    "ExecutionRecord",
    "HealthRecord",
    "IdempotencyRecord",
    "KeptAnswer",
    "Look",
    "NotificationRecord",
    "OperationStateRecord",
    "PartHealth",
    "Place",
    "PreviousOutcome",
    "ProcessRecord",
    "ReconcilerRecord",
    "Record",
    "RefusedAnswer",
    "RosterRecord",
    "StandInRecord",
    "StepRecord",
    "TenantRecord",
    "TenantShare",
    "Trigger",
    "WebhookSubscription",
    "WorkflowDefinition",
]
