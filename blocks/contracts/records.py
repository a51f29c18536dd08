"""What is stored: one frozen Struct per kind of document, camelCase on disk, every one owned by a tenant.

The containers are those the platform documents: `workflow_workflows` (definitions, and what the platform keeps about
itself), `workflow_executions`, `workflow_steps`, `hitl_approvals`, `workflow_dead_letters` (see `dead_letters`) and
`workflow_audit` (see `audit`); partition key `/tenantId` in all.
"""

from datetime import datetime
from typing import Annotated, ClassVar

import msgspec

from blocks.contracts import traces
from blocks.contracts.approvals import (
    OUTCOMES,
    ApprovalPolicy,
    ApprovalRule,
    Decision,
    Escalation,
    HistoryEntry,
    OnExpiry,
    OnReject,
    Outcome,
)
from blocks.contracts.events import JsonObject
from blocks.contracts.limits import Count
from blocks.contracts.normalised import MatchingId, Normalised
from blocks.contracts.states import TERMINAL, ApprovalStatus, ExecutionStatus, StepStatus
from blocks.contracts.uuids import matching_id

CONTAINERS = (
    "workflow_workflows",
    "workflow_executions",
    "workflow_steps",
    "hitl_approvals",
    "workflow_dead_letters",
    "workflow_audit",
)


class Record(Normalised, frozen=True, kw_only=True, rename="camel", tag_field="kind"):
    """Base of all records, unique by (`tenant_id`, container, `id`); `kind` on disk tells their kinds apart."""

    container: ClassVar[str]
    append_only: ClassVar[bool] = False
    """True: created once, and no store replaces or deletes it."""

    id: str
    tenant_id: str
    created_at: datetime


class Trigger(Normalised, frozen=True, kw_only=True, rename="camel"):
    """An event that caused an execution, or was absorbed by it while it was pending."""

    event_id: MatchingId
    event_type: str
    received_at: datetime
    digest: str
    """SHA-256 of the event's body: tells a redelivery from another event under the same id."""
    actor: str | None = None
    """The user in whose name it came, if it says."""
    traceparent: str | None = None
    """The span that it came from, in W3C's words, if it says."""


class EarlierEnd(Normalised, frozen=True, kw_only=True, rename="camel"):
    """How an execution had ended before it was retried."""

    status: ExecutionStatus
    completed_at: datetime | None
    retried_at: datetime
    retried_by: str | None = None
    """The user who asked for it, if known."""
    error: str | None = None
    error_code: str | None = None
    failed_step: str | None = None
    flow_run_id: str | None = None


class RefusedAnswer(Normalised, frozen=True, kw_only=True, rename="camel"):
    """An answer to one of its steps that could not be accepted, and lies among the dead letters."""

    step: str
    code: str
    reason: str
    event_id: str
    dead_letter_id: str
    at: datetime


class ExecutionRecord(Record, frozen=True, kw_only=True, tag="execution"):
    """One piece of work of a workflow for one tenant and one subject; its `id` is the `workflowId` on the wire."""

    container: ClassVar[str] = "workflow_executions"

    workflow: str
    subject: str
    """A UUID in lower case, whatever the case it came in, so that all that is about it matches."""
    status: ExecutionStatus
    triggers: list[Trigger]
    trigger_ids: list[MatchingId]
    input: JsonObject
    updated_at: datetime
    started_at: datetime | None = None
    held_since: datetime | None = None
    """When a run last took it up; unlike `updated_at`, nothing that is only noted on it moves this."""
    completed_at: datetime | None = None
    announced_at: datetime | None = None
    """When the broker confirmed the terminal event; None on a terminal record means it is still owed."""
    priority: int = 0
    """Within its tenant, a higher one is dispatched first."""
    attempt: int = 0
    """How often a worker has taken this execution up; a worker that holds an older attempt cannot write."""
    flow_run_id: str | None = None
    results: JsonObject | None = None
    missing_steps: list[str] = []
    error: str | None = None
    error_code: str | None = None
    failed_step: str | None = None
    definition_version: int | None = None
    """The version of its tenant's workflow definition that it started with, and keeps; 0: there was none."""
    approval_ids: list[str] = []
    """Approvals that somebody else asked for while it was open: it waits for them, whatever its own rule says."""
    earlier_ends: list[EarlierEnd] = []
    """One for each time that it was retried after it had failed or had been cancelled."""
    rerun_of: str | None = None
    """The execution that somebody wanted to have run anew."""
    refused_answers: list[RefusedAnswer] = []
    """Of the present try; the newest, oldest first."""
    subject_as_sent: str | None = None
    """Its subject as the event spelled it, if that is not how `subject` does."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Records of earlier versions keep the spelling of the event.
        if (subject := matching_id(self.subject)) != self.subject:
            as_sent = self.subject_as_sent or self.subject
            msgspec.structs.force_setattr(self, "subject_as_sent", as_sent)
            msgspec.structs.force_setattr(self, "subject", subject)

    @property
    def subject_on_wire(self) -> str:
        """As services know it: an id of theirs goes back to them as it came."""
        return self.subject_as_sent or self.subject

    @property
    def retries(self) -> int:
        """Which try this is; 0 the first. Ids of what is asked and told derive from it."""
        return len(self.earlier_ends)

    @property
    def trace_id(self) -> str:
        """The trace that it is part of: the one its event came with, or its own."""
        return traces.of_execution(self).trace_id

    @property
    def waiting_since(self) -> datetime:
        """When it was accepted, or retried for the last time."""
        return self.earlier_ends[-1].retried_at if self.earlier_ends else self.created_at

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


class StepRecord(Record, frozen=True, kw_only=True, tag="step"):
    """How one step ended. Created once, never changed: the first writer (answer, failure or deadline) decides."""

    container: ClassVar[str] = "workflow_steps"

    execution_id: str
    step: str
    step_id: str
    status: StepStatus
    completed_at: datetime
    result: JsonObject | None = None
    error: str | None = None
    error_code: str | None = None
    event_id: str | None = None
    """The event that brought the answer; None when the deadline passed."""
    retry: int = 0
    """In which try of its execution; one that failed counts in that try only."""


class ApprovalRecord(Record, frozen=True, kw_only=True, tag="approval"):
    """A decision that a person owes an execution, or an outside caller."""

    container: ClassVar[str] = "hitl_approvals"

    requested_at: datetime
    opportunity_id: str | None = None
    """Of an approval about an opportunity, like the three below: as its events spell it."""
    risk_score: float = 0.0
    amount: float = 0.0
    """0 where it is not known."""
    amount_known: bool = True
    status: ApprovalStatus = "pending"
    execution_id: str | None = None
    retry: int = 0
    """In which try of the execution; what was granted counts in later ones, too."""
    workflow: str | None = None
    gate: str | None = None
    owner_id: str | None = None
    approver_id: str | None = None
    recipient_id: str | None = None
    correlation_id: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    decided_through: str | None = None
    """The channel of the decision: `api`, `cli`, `link`, `page`, `prefect-ui`."""
    comment: str | None = None

    subject: str | None = None
    """What it is about; None in records that are older than this field, which have an opportunity."""
    requested_by: str | None = None
    summary: str = ""
    """What is asked, for the person who decides; Markdown."""
    context: JsonObject = {}
    """What that person must see: of an analysis `risk`, `forecast` and `recommendations`."""
    form_schema: JsonObject | None = None
    """JSON Schema (draft 2020-12) of the form that goes with a decision."""
    options: tuple[Outcome, ...] = OUTCOMES
    # Who asked before there was a policy demanded no reason, and its clients send none.
    policy: ApprovalPolicy = ApprovalPolicy(reason_required="never")
    due_at: datetime | None = None
    expires_at: datetime | None = None
    on_expiry: OnExpiry = "fail"
    on_reject: OnReject = "fail"
    reminders: list[datetime] = []
    """When to remind; those that were sent are gone from here, and in the history."""
    escalations: list[Escalation] = []
    """Those still to come."""
    decisions: list[Decision] = []
    history: list[HistoryEntry] = []
    claimed_by: str | None = None
    handed_on: list[str] = []
    """Who let another decide in their place, and so has no vote here any more."""
    used_links: list[str] = []
    """Nonces of links through which somebody decided: none is good twice."""
    version: int = 1
    """Counts what happened to it; the ETag of the wire. Our own bookkeeping below does not count."""

    told: int = 0
    """How many entries of the history have been announced."""
    waits: int = 0
    """How often its suspended run was resumed without a decision; each wait is a new one for Prefect."""
    settled_at: datetime | None = None
    """When all that follows from the decision was done: announced, and the execution gone on. None: look after it."""
    next_at: float | None = None
    """Before this moment nothing has to be done to it: seconds since 1970, for stores to compare. None: look at it."""

    @property
    def about(self) -> str:
        """What it is about, on the wire also where only an opportunity was foreseen."""
        return self.subject or self.opportunity_id or ""


class WorkflowDefinition(Record, frozen=True, kw_only=True, tag="definition"):
    """What a tenant wants of a workflow; `id` is the workflow's name. Absent: the platform's defaults.

    A version that is replaced is kept under `earlier_id`, for the executions that have started with it.
    """

    container: ClassVar[str] = "workflow_workflows"

    critical_steps: list[str]
    step_timeout_seconds: float
    """Of every step that `step_timeouts` does not name."""
    step_timeouts: dict[str, float] = {}
    approval: ApprovalRule = ApprovalRule()
    enabled: bool = True
    """Whether events start executions."""
    version: int = 1
    is_default: bool = False
    """The tenant went back to the platform's defaults: they count, whatever the fields above say."""
    updated_at: datetime | None = None
    updated_by: str | None = None

    @staticmethod
    def earlier_id(workflow: str, version: int) -> str:
        return f"{workflow}@{version}"

    @staticmethod
    def is_earlier(id: str) -> bool:
        """Whether this is the id of a version that was replaced."""
        return "@" in id


class TenantShare(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How much of the system a tenant gets while others want it too."""

    weight: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 1.0
    """Its share in relation to others of the same priority: 3 gets three times what 1 gets."""
    priority: Annotated[int, msgspec.Meta(ge=-100, le=100)] = 0
    """Tenants of a higher priority go first, whatever the weights."""
    running_max: Count | None = None
    """At most so many executions run at once (those that await a person do not count); None: no limit, 0: none."""


class DispatchPolicy(Record, frozen=True, kw_only=True, tag="dispatch-policy"):
    """How dispatchers share the system among tenants; one record under the system tenant, changed while they run."""

    container: ClassVar[str] = "workflow_workflows"
    ID: ClassVar[str] = "dispatch-policy"

    default: TenantShare = TenantShare()
    tenants: dict[str, TenantShare] = {}
    running_max: Count | None = None
    """At most so many executions of all tenants run at once."""
    batch_max: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    """At most so many executions share a flow run; None: the setting `dispatch.batch_max`."""

    def share_of(self, tenant_id: str) -> TenantShare:
        return self.tenants.get(tenant_id, self.default)


class TenantRecord(Record, frozen=True, kw_only=True, tag="tenant"):
    """One line of the tenant directory, kept under the system tenant: whose records a sweep has to visit."""

    container: ClassVar[str] = "workflow_workflows"

    tenant: str


class ProcessRecord(Record, frozen=True, kw_only=True, tag="process"):
    """A process's sign of life, under the system tenant: its role, and the flow runs that die with it."""

    container: ClassVar[str] = "workflow_workflows"

    role: str
    """`worker` or `listener`."""
    beat_at: datetime
    ready: bool = True
    flow_run_ids: list[str] = []


class Look(Normalised, frozen=True, kw_only=True, rename="camel"):
    """The mirror's last look for one kind of drift."""

    at: datetime
    """When it ended."""
    seconds: float
    repaired: int = 0
    """By all leaders since this record exists."""
    error: str | None = None
    """Why it could not see, or not repair."""


class MirrorRecord(Record, frozen=True, kw_only=True, tag="mirror"):
    """Which of several mirrors leads, and what it did; one record under the system tenant.

    The leader renews it every few seconds. Who sees it unchanged for `lease_seconds` may take it over; the ETag makes
    that one.
    """

    container: ClassVar[str] = "workflow_workflows"
    ID: ClassVar[str] = "mirror"

    leader: str | None
    """None: the last one stopped in good order."""
    leads_since: datetime
    renewed_at: datetime
    lease_seconds: float
    looks: dict[str, Look] = {}
    """By kind of drift."""


class EarlierSecret(Normalised, frozen=True, kw_only=True, rename="camel"):
    """A secret that was replaced; deliveries are signed with it, too, until its time is over."""

    secret: str
    valid_until: datetime

    def __repr__(self) -> str:
        return f"EarlierSecret(valid_until={self.valid_until!r})"


class WebhookSubscription(Record, frozen=True, kw_only=True, tag="webhook"):
    """Where a tenant wants to be told of events of these types; the secret signs what is sent there."""

    container: ClassVar[str] = "workflow_workflows"

    url: str
    event_types: list[str]
    secret: str
    earlier_secrets: list[EarlierSecret] = []
    active: bool = True
    version: int = 1

    def __repr__(self) -> str:  # a URL may hold a secret, too
        return f"WebhookSubscription(id={self.id!r}, tenant_id={self.tenant_id!r}, active={self.active})"


class Place(Normalised, frozen=True, kw_only=True, rename="camel"):
    """One place on a roster, and since when it is taken."""

    group: str
    since: datetime


class RosterRecord(Record, frozen=True, kw_only=True, tag="roster"):
    """Who takes the places of something of which a tenant has a limited number; see `blocks.rosters`."""

    container: ClassVar[str] = "workflow_workflows"

    places: dict[str, Place] = {}
    """By the id of the record that takes it."""

    @staticmethod
    def id_of(what: str, tenant_id: str) -> str:
        return f"roster:{what}:{tenant_id}"


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A response as it was sent: the headers that belong to its content, and the content."""

    status: int
    headers: dict[str, str]
    body: str

    def __repr__(self) -> str:  # a body may hold a secret
        return f"KeptAnswer(status={self.status})"


class IdempotencyRecord(Record, frozen=True, kw_only=True, tag="idempotency"):
    """What became of the request that came under an Idempotency-Key; its `id` says whose, to which route, which key."""

    container: ClassVar[str] = "workflow_workflows"

    digest: str
    """SHA-256 of the request: tells its repetition from another request under the same key."""
    held_until: datetime | None = None
    """While a process works on it; after that moment, that process is taken for dead."""
    answer: KeptAnswer | None = None

    @property
    def is_free(self) -> bool:
        """True once a request has ended without an answer that counts: the key may be used for any other."""
        return self.held_until is None and self.answer is None


class ApiKeyRecord(Record, frozen=True, kw_only=True, tag="api-key"):
    """A key to the API, under the system tenant, found by the key's prefix; the key itself is nowhere in it."""

    container: ClassVar[str] = "workflow_workflows"

    tenant: str
    """Whose data the key opens."""
    prefix: str
    name: str
    roles: list[str]
    acts_for_users: bool = False
    """Whether its holder may say in whose name a request is made."""
    digest: str
    """SHA-256 of the whole key."""
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    """To the minute."""

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at
