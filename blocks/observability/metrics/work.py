"""Outcomes of executions, steps and approvals, each counted by the process that writes it.

Purpose: `created` is called for every new record; `moved`, `step_ended` and `approval_changed` by
the one function that each of these writes goes through. A write that lost a race is not counted:
every fact counts once, over all processes.
"""

from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from blocks.contracts import rejections
from blocks.contracts.records import ApprovalRecord, ExecutionRecord, Record, StepRecord
from blocks.contracts.workflows import WORKFLOWS, all_steps
from blocks.observability.metrics import SECONDS_OF_PEOPLE, SECONDS_OF_WORK, known

OPENED = Counter(
    "workflow_orchestrator_executions_opened_total", "Executions that were accepted", ["workflow"]
)
WAIT = Histogram(
    "workflow_orchestrator_execution_wait_seconds",
    "Seconds from the acceptance of an execution until a flow run claimed it",
    ["workflow"],
    buckets=SECONDS_OF_WORK,
)
ENDED = Counter(
    "workflow_orchestrator_executions_ended_total",
    "Executions by how they ended; code says why one did not complete",
    ["workflow", "status", "code"],
)
DURATION = Histogram(
    "workflow_orchestrator_execution_duration_seconds",
    "Seconds from the acceptance of an execution to its end, people's time included",
    ["workflow", "status"],
    buckets=SECONDS_OF_WORK,
)
OPEN = Gauge(
    "workflow_orchestrator_executions_open",
    "Executions that have not ended, of all tenants; set by the API whose reconciler leads",
    ["status"],
)
OVERDUE = Gauge(
    "workflow_orchestrator_executions_overdue",
    "Executions that run past their deadline and its margin, of all tenants; set by the API "
    "whose reconciler leads",
)
DELETED = Counter(
    "workflow_orchestrator_executions_deleted_total",
    "Executions that were deleted when their time was over",
    ["workflow"],
)
DELETIONS_FAILED = Counter(
    "workflow_orchestrator_execution_deletions_failed_total",
    "Executions that could not be deleted when their time was over; each is tried again",
)

RUNS_STARTED = Counter(
    "workflow_orchestrator_flow_runs_started_total",
    "Flow runs that this process had Prefect make",
    ["workflow"],
)
RUN_SIZE = Histogram(
    "workflow_orchestrator_flow_run_executions",
    "Executions in a flow run",
    ["workflow"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)

EXECUTIONS_JOINED = Counter(
    "workflow_orchestrator_executions_joined_total",
    "Executions that joined a flow run which was under way, in place of one of their own",
)

STEPS_ASKED = Counter(
    "workflow_orchestrator_steps_asked_total", "Requests of steps that went out", ["step"]
)
SLICE_SECONDS = Histogram(
    "workflow_orchestrator_slice_seconds",
    "Seconds from the first request of a slice of a large run until what lay in the intake queue "
    "had been taken",
    buckets=SECONDS_OF_WORK,
)
UNREADABLE_RECORDS = Counter(
    "workflow_orchestrator_unreadable_records_total",
    "Records that could not be read and were left out, once for each look, by kind",
    ["kind"],
)
MARKS_LATE = Counter(
    "workflow_orchestrator_marks_late_total",
    "Marks that did not come back from the intake queue in time: a listener is missing or behind",
)
STEPS_ENDED = Counter(
    "workflow_orchestrator_steps_ended_total",
    "Steps by outcome: completed, skipped, or the code of what failed",
    ["workflow", "step", "outcome"],
)
STEP_DURATION = Histogram(
    "workflow_orchestrator_step_duration_seconds",
    "Seconds from the start of an execution to the end of its step, whatever its outcome",
    ["workflow", "step"],
    buckets=SECONDS_OF_WORK,
)

REQUESTED = Counter(
    "workflow_orchestrator_approvals_requested_total", "Approvals that were asked for", ["workflow"]
)
DECIDED = Counter(
    "workflow_orchestrator_approvals_decided_total",
    "Approvals that no longer wait, by outcome; channel is none for what no person decided",
    ["outcome", "channel"],
)
APPROVAL_WAIT = Histogram(
    "workflow_orchestrator_approval_wait_seconds",
    "Seconds that an approval waited",
    ["outcome"],
    buckets=SECONDS_OF_PEOPLE,
)
PENDING = Gauge(
    "workflow_orchestrator_approvals_pending",
    "Approvals that wait for a person, of all tenants; set by the API whose reconciler leads",
    ["workflow"],
)

_CODES = frozenset(
    {
        rejections.STEP_TIMEOUT,
        rejections.STEP_FAILED,
        rejections.DEADLINE_PASSED,
        rejections.RUN_FAILED,
        rejections.WORKER_LOST,
        rejections.CANCELLED,
        rejections.APPROVAL_REJECTED,
        rejections.APPROVAL_EXPIRED,
        rejections.APPROVAL_CANCELLED,
        rejections.SERVICE_REPLACED,
        rejections.JOB_FAILED,
        rejections.JOB_UNREPORTED,
    }
)
_CHANNELS = ("api", "cli", "link", "page", "prefect-ui")


def created(record: Record) -> None:
    """This record is new."""
    match record:
        case ExecutionRecord(origin=None, workflow=workflow):
            OPENED.labels(known(workflow, WORKFLOWS)).inc()
        case ApprovalRecord(workflow=workflow):
            REQUESTED.labels(known(workflow, WORKFLOWS)).inc()


def moved(before: ExecutionRecord, after: ExecutionRecord) -> None:
    """An execution has a new status."""
    workflow = known(after.workflow, WORKFLOWS)
    if before.status == "pending" and after.started_at:
        WAIT.labels(workflow).observe(_seconds(after.waiting_since, after.started_at))
    if after.is_terminal:
        code = known(after.error_code, _CODES) if after.error_code else "none"
        ENDED.labels(workflow, after.status, code).inc()
        ended_at = after.completed_at or after.updated_at
        DURATION.labels(workflow, after.status).observe(_seconds(after.waiting_since, ended_at))


def flow_run_started(workflow: str, executions: int) -> None:
    """Prefect has a flow run that carries this many executions."""
    RUNS_STARTED.labels(known(workflow, WORKFLOWS)).inc()
    RUN_SIZE.labels(known(workflow, WORKFLOWS)).observe(executions)


def step_ended(execution: ExecutionRecord, step: StepRecord) -> None:
    """A step of this execution has ended."""
    workflow, name = known(execution.workflow, WORKFLOWS), known(step.step, all_steps())
    outcome = known(step.error_code, _CODES) if step.status == "failed" else step.status
    STEPS_ENDED.labels(workflow, name, outcome).inc()
    began = execution.started_at or execution.waiting_since
    STEP_DURATION.labels(workflow, name).observe(_seconds(began, step.completed_at))


def approval_changed(before: ApprovalRecord, after: ApprovalRecord) -> None:
    """An approval was replaced; if that ended it, it is counted."""
    if before.status == "pending" and after.status != "pending":
        channel = known(after.decided_through, _CHANNELS) if after.decided_through else "none"
        DECIDED.labels(after.status, channel).inc()
        ended_at = after.decided_at or after.created_at
        APPROVAL_WAIT.labels(after.status).observe(_seconds(after.requested_at, ended_at))


def _seconds(since: datetime, until: datetime) -> float:
    """Never negative, though two clocks may disagree by a little."""
    return max((until - since).total_seconds(), 0.0)
