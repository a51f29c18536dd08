"""Transient broadcasts between our own processes: each only makes something happen sooner that a
re-read would find.
"""

from uuid import uuid4

import msgspec

STEPS_SETTLED = "steps-settled"
"""Listener to workers: these step records now exist. Body: a list of `StepRecord` as JSON."""

FLOW_RUNS_SCHEDULED = "flow-runs-scheduled"
"""To one worker of each work pool: Prefect has a flow run for you. Body: its id; if empty, all."""

FLOW_RUN_DISPATCHED = "flow-run-dispatched"
"""From a dispatcher to the others, and to the workers of open runs: a flow run carries these
executions. Body: `Dispatched` as JSON.
"""

FLOW_RUN_STARTED = "flow-run-started"
"""Worker to dispatchers: a flow run has claimed its executions, and its requests are out, of many
executions those of half. Body: the flow run's id.
"""

FLOW_RUN_OPEN = "flow-run-open"
"""Worker to dispatchers, in place of `FLOW_RUN_STARTED`: a flow run has started, and takes further
executions. Body: `OpenRun` as JSON.
"""

EXECUTIONS_JOINED = "executions-joined"
"""Worker to dispatchers: an open run has taken these, unless another run was faster. Body: their
ids as JSON.
"""

FLOW_RUN_CLOSED = "flow-run-closed"
"""Worker to dispatchers: it takes no more of them. Body: the flow run's id."""

INTAKE_PASSED = "intake-passed"
"""Listener to workers: it has taken a mark, and what lay in front of it, from the intake queue.
Body: the mark's id.
"""

MARK = "workflow.intake.mark"
"""Routing key of a mark: a message that a worker puts into the intake queue to see it come out."""

MARK_BODY = b'{"id":"mark","type":"workflow.intake.mark","data":{}}'
"""To a listener of an earlier version an event that it does not handle, which it accepts."""

EXECUTION_CANCELLED = "execution-cancelled"
"""From the canceller to workers: do not wait for it any longer. Body: the execution's id."""

EXECUTION_OPENED = "execution-opened"
"""From starts, retries and repairs to dispatchers: it is pending. Body: `Opened` as JSON."""

JOURNEY_WOKEN = "journey-woken"
"""From triggers of phases to workers: a journey that is being carried has more to do. Body: its
execution's id.
"""

LIVE_FOLLOWED = "live-followed"
"""Between APIs: a client follows events; receive them, it may come back to any of you. Empty body.
"""

DEAD_LETTERS_SCHEDULED = "dead-letters-scheduled"
"""From the scheduler of replays to reconcilers: look at this tenant's letters. Body: its id."""

DISPATCH_POLICY_CHANGED = "dispatch-policy-changed"
"""Operator to dispatchers: read the policy again. Empty body."""

RECONCILER_HINT = "mirror-hint"
"""From any process that leaves work behind to the reconcilers: look now. Empty body."""


class Dispatched(msgspec.Struct, frozen=True):
    """Pending executions that a dispatcher has made a flow run of, or sent to one that is open."""

    dispatcher: str
    """Drawn by each dispatcher for itself: it knows its own runs already."""
    flow_run_id: str
    tenant_id: str
    workflow: str
    execution_ids: list[str]
    joins: bool = False
    """The flow run is an open one; its worker has these from this signal only."""


class OpenRun(msgspec.Struct, frozen=True, kw_only=True):
    """A flow run that takes further executions of its tenant and workflow."""

    flow_run_id: str
    tenant_id: str
    workflow: str
    executions: int
    """How many it carries so far."""


class Opened(msgspec.Struct, frozen=True):
    """An execution that waits for a flow run."""

    tenant_id: str
    execution_id: str
    priority: int = 0
    workflow: str = "opportunity-analysis"
    """The default is what processes of an earlier version mean, which name none."""
    notice: str = msgspec.field(default_factory=lambda: str(uuid4()), name="telling")
    """Drawn for each broadcast: its receivers ask Prefect for one run, and never for an old one."""
    subject: str = ""
    """For the name of its flow run; processes of an earlier version leave it out."""
