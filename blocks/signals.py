"""Transient broadcasts between our own processes: each only makes something happen sooner that a re-read would find."""

from uuid import uuid4

import msgspec

STEP_SETTLED = "step-settled"
"""Listener to workers: a step record now exists. Body: the `StepRecord` as JSON."""

FLOW_RUNS_SCHEDULED = "flow-runs-scheduled"
"""Dispatcher to workers: Prefect has a flow run for you. Empty body."""

FLOW_RUN_STARTED = "flow-run-started"
"""Worker to dispatchers: a flow run has claimed its executions and its requests are out. Body: the flow run's id."""

EXECUTION_CANCELLED = "execution-cancelled"
"""Whoever cancels to workers: do not wait for it any longer. Body: the execution's id."""

EXECUTION_OPENED = "execution-opened"
"""Whoever starts or retries one, or finds it lost, to dispatchers: it is pending. Body: `Opened` as JSON."""

DEAD_LETTERS_SCHEDULED = "dead-letters-scheduled"
"""Whoever schedules replays to the mirrors: look at this tenant's letters. Body: the tenant's id."""

DISPATCH_POLICY_CHANGED = "dispatch-policy-changed"
"""Operator to dispatchers: read the policy again. Empty body."""

MIRROR_HINT = "mirror-hint"
"""Whoever leaves something behind to the mirror: look now. Empty body."""


class Opened(msgspec.Struct, frozen=True):
    """An execution that waits for a flow run."""

    tenant_id: str
    execution_id: str
    priority: int = 0
    workflow: str = "opportunity-analysis"
    """The default is what processes of an earlier version mean, which name none."""
    telling: str = msgspec.field(default_factory=lambda: str(uuid4()))
    """Drawn each time it is told: all dispatchers that hear it ask Prefect for one run, and never for an old one."""
