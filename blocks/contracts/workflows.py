"""The registry: every workflow there is, one entry each, and what may be done with its executions.

Everything that depends on "which workflow?" reads it: dispatch, claims, announcements, retries,
definitions, usage, the labels of metrics, the API's lists, the reconciler, doctor and the command
line. An entry is data. It runs nothing: a workflow is a plain Prefect flow, and
docs/add-a-workflow.md shows the way from an entry to a running one.
"""

from collections.abc import Callable, Iterable

import msgspec

from blocks.contracts import analysis, events, jobs
from blocks.contracts.claims import phases as claim_phases
from blocks.contracts.claims import workflow as claims
from blocks.contracts.operations import OPERATIONS, Operation
from blocks.contracts.operations import endings as operation_endings
from blocks.contracts.records import ExecutionRecord


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """A named kind of work; its flow has the same name."""

    name: str
    title: str
    """For people, e.g. in lists: "Opportunity analysis"."""
    subject: str
    """What the subject of an execution identifies, e.g. "opportunity"."""
    steps: tuple[str, ...]
    """In their order. An execution shows each of them from its start, unless `steps_appear`."""
    critical_steps: tuple[str, ...] = ()
    """Without which an execution fails, unless its tenant's definition sets otherwise."""
    steps_appear: bool = False
    """Whether an execution shows only the steps that have been recorded."""
    terminal_events: tuple[type[events.EventData], ...]
    """What `terminal_event` may make."""
    terminal_event: Callable[[ExecutionRecord], events.EventData]
    """The event that announces the end of an execution, computed from its record alone."""
    live_events: tuple[type[events.EventData], ...] = ()
    """What tenants can follow of its executions as it happens."""
    dispatched: bool
    """Whether listeners give pending executions to Prefect; otherwise schedules make
    the flow runs.
    """
    batched: bool = False
    """Whether several executions of one tenant may share a flow run."""
    startable: bool = False
    """Whether a request may start an execution, and run one again that has ended."""
    retryable: bool = False
    """Whether an execution that failed or was cancelled may go on under its id."""
    cancellable: bool = True
    deletable: bool = False
    """Whether its executions go when their time is over; otherwise they are kept for ever."""
    definable: bool = False
    """Whether a tenant may define its approval rule and, if it `has_deadlines`, its deadlines and
    critical steps.
    """
    has_deadlines: bool = False
    """Whether its steps must be answered in time."""
    has_prompts: bool = False
    """Whether people are asked by prompts: each about one claim, which the decision moves on at
    once. Otherwise by a gate, at which a run waits.
    """
    instead: str = ""
    """What to do where it can be neither started nor retried, for error messages."""


def _operation(operation: Operation) -> Workflow:
    return Workflow(
        name=operation.id,
        title=operation.title,
        subject=operation.id.replace("-", " "),
        steps=tuple(step.id for step in operation.steps),
        terminal_events=(events.OperationCompleted, events.OperationFailed),
        terminal_event=operation_endings.terminal_event,
        dispatched=True,
        retryable=True,
        deletable=True,
        instead="trigger it again",
    )


WORKFLOWS: dict[str, Workflow] = {
    workflow.name: workflow
    for workflow in (
        Workflow(
            name=analysis.WORKFLOW,
            title="Opportunity analysis",
            subject="opportunity",
            steps=tuple(step.name for step in analysis.ANALYSIS_STEPS),
            critical_steps=tuple(step.name for step in analysis.ANALYSIS_STEPS if step.critical),
            terminal_events=(events.OpportunityAnalysisCompleted, events.OpportunityAnalysisFailed),
            terminal_event=analysis.terminal_event,
            live_events=(
                events.OpportunityAnalysisStarted,
                events.StepCompleted,
                events.OpportunityAnalysisCompleted,
                events.OpportunityAnalysisFailed,
            ),
            dispatched=True,
            batched=True,
            startable=True,
            retryable=True,
            deletable=True,
            definable=True,
            has_deadlines=True,
        ),
        Workflow(
            name=jobs.WORKFLOW,
            title="Batch job",
            subject="job",
            steps=(jobs.TRIGGER_STEP, jobs.REPORT_STEP),
            steps_appear=True,
            terminal_events=(events.JobUnreported,),
            terminal_event=jobs.terminal_event,
            dispatched=False,
            instead="trigger its job again",
        ),
        Workflow(
            name=claim_phases.WORKFLOW,
            title="Claim recovery",
            subject="journey",
            steps=claims.STEPS,
            steps_appear=True,
            terminal_events=(events.ClaimRecoveryCompleted, events.ClaimRecoveryFailed),
            terminal_event=claims.terminal_event,
            live_events=(
                *events.PHASE_STARTED,
                *events.PHASE_COMPLETED,
                *events.PHASE_FAILED,
                events.ClaimRecoveryCompleted,
                events.ClaimRecoveryFailed,
            ),
            dispatched=True,
            batched=True,
            retryable=True,
            definable=True,
            has_prompts=True,
            instead="trigger its phase again",
        ),
        *map(_operation, OPERATIONS),
    )
}


class UnknownWorkflow(LookupError):
    """No workflow has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no workflow {name[:80]!r}; there is: {', '.join(WORKFLOWS)}")


def workflow_named(name: str) -> Workflow:
    """Raises `UnknownWorkflow`."""
    try:
        return WORKFLOWS[name]
    except KeyError:
        raise UnknownWorkflow(name) from None


def names(workflows: Iterable[Workflow]) -> tuple[str, ...]:
    return tuple(workflow.name for workflow in workflows)


def dispatched() -> tuple[str, ...]:
    """Names of the workflows whose pending executions wait for a dispatcher."""
    return names(workflow for workflow in WORKFLOWS.values() if workflow.dispatched)


def startable() -> tuple[str, ...]:
    return names(workflow for workflow in WORKFLOWS.values() if workflow.startable)


def deletable() -> tuple[str, ...]:
    return names(workflow for workflow in WORKFLOWS.values() if workflow.deletable)


def about(subject: str) -> tuple[str, ...]:
    """Names of the workflows whose executions are about this kind of thing, e.g. "opportunity"."""
    return names(workflow for workflow in WORKFLOWS.values() if workflow.subject == subject)


def definable() -> tuple[str, ...]:
    return names(workflow for workflow in WORKFLOWS.values() if workflow.definable)


def with_deadlines() -> tuple[str, ...]:
    """Names of the workflows whose executions can be overdue."""
    return names(workflow for workflow in WORKFLOWS.values() if workflow.has_deadlines)


def is_dispatched(name: str) -> bool:
    """False for a workflow that this version does not know: another version's dispatchers take care
    of it.
    """
    return name in WORKFLOWS and WORKFLOWS[name].dispatched


def has_prompts(name: str | None) -> bool:
    """False for a workflow that this version does not know, and for none."""
    return name in WORKFLOWS and WORKFLOWS[name].has_prompts


def known_steps(name: str) -> tuple[str, ...]:
    """The steps that every execution of this workflow shows from its start; none of one that is not
    known here.
    """
    workflow = WORKFLOWS.get(name)
    return workflow.steps if workflow and not workflow.steps_appear else ()


def all_steps() -> frozenset[str]:
    return frozenset(step for workflow in WORKFLOWS.values() for step in workflow.steps)
