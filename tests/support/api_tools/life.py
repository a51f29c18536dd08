"""The life of an execution through the generated Python client: `life.py URL TOKEN TENANT`.

Runs in the environment of the client, not of this project.
"""

import sys
from typing import Any

from workflow_orchestrator_client import AuthenticatedClient
from workflow_orchestrator_client.api.approvals import create_approval, decide_approval
from workflow_orchestrator_client.api.audit import list_audit_entries
from workflow_orchestrator_client.api.definitions import change_definition, read_definition
from workflow_orchestrator_client.api.executions import (
    cancel_execution,
    list_executions,
    read_execution,
    start_execution,
)
from workflow_orchestrator_client.models import (
    Approval,
    ApprovalStatus,
    AuditPage,
    Cancellation,
    Definition,
    ErrorEnvelope,
    Execution,
    ExecutionPage,
    ExecutionStatus,
    JsonObject,
    NamedDecision,
    NewApproval,
    NewExecution,
)


def main(url: str, token: str, tenant_id: str) -> None:
    client = AuthenticatedClient(url, token, headers={"X-Tenant-ID": tenant_id})

    wanted = NewExecution(workflow="opportunity-analysis", subject="opportunity-1", priority=5)
    started = one(
        Execution, start_execution.sync(client=client, body=wanted, idempotency_key="start-1")
    )
    again = start_execution.sync_detailed(client=client, body=wanted, idempotency_key="start-1")
    assert again.headers["idempotency-replayed"] == "true"
    assert one(Execution, again.parsed).id == started.id

    followed = one(Execution, read_execution.sync(started.id, client=client))
    assert followed.status is ExecutionStatus.PENDING
    page = one(ExecutionPage, list_executions.sync(client=client, status=[ExecutionStatus.PENDING]))
    assert started.id in [listed.id for listed in page.items]

    asked = NewApproval(subject="opportunity-1", execution_id=started.id, risk_score=0.9)
    approval = one(Approval, create_approval.sync(client=client, body=asked))
    decision = NamedDecision(outcome="approved", reason="Checked with legal", decided_by="u-208")
    decided = decide_approval.sync_detailed(
        approval.id, client=client, body=decision, if_match=f'"{approval.version}"'
    )
    assert one(Approval, decided.parsed).status is ApprovalStatus.APPROVED

    why = Cancellation(reason="the deal is lost")
    cancelled = one(Execution, cancel_execution.sync(started.id, client=client, body=why))
    assert cancelled.status is ExecutionStatus.CANCELLED
    refused = one(ErrorEnvelope, cancel_execution.sync(started.id, client=client, body=why))
    assert refused.error.code == "EXECUTION_ENDED"

    patch = JsonObject.from_dict({"stepTimeoutSeconds": 600})
    workflow = "opportunity-analysis"
    changed = change_definition.sync_detailed(workflow, client=client, body=patch)
    assert one(Definition, changed.parsed).step_timeout_seconds == 600
    etag = changed.headers["etag"]
    known = read_definition.sync_detailed(workflow, client=client, if_none_match=etag)
    assert known.status_code == 304

    log = str(one(AuditPage, list_audit_entries.sync(client=client)).to_dict())
    for act in ("execution.start", "approval.decide", "execution.cancel"):
        assert act in log, act


def one(kind: type[Any], answer: Any) -> Any:
    """The answer, which must be of this kind."""
    assert isinstance(answer, kind), answer
    return answer


if __name__ == "__main__":
    main(*sys.argv[1:])
