"""The parts of an approval: who may decide, its votes, its history, and when one is requested."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from blocks.contracts.events import JsonObject
from blocks.contracts.identities import spelled
from blocks.contracts.reading.normalised import Normalised

Outcome = Literal["approved", "rejected"]
OUTCOMES: tuple[Outcome, ...] = ("approved", "rejected")

OnExpiry = Literal["reject", "approve", "escalate", "fail"]
"""What an expiry does; `escalate` asks more people first, and fails after the last."""

OnReject = Literal["fail", "complete"]
"""How an execution ends when a person rejects."""

OnUnknown = Literal["ask", "skip"]
"""What follows from a condition that cannot be judged: a person is asked, or it does not hold."""

ReasonRequired = Literal["never", "on-reject", "always"]

What = Literal[
    "requested",
    "claimed",
    "released",
    "delegated",
    "linked",
    "reminded",
    "escalated",
    "extended",
    "questioned",
    "answered",
    "voted",
    "advanced",
    "decided",
    "expired",
    "cancelled",
]


class Part(Normalised, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of what a record contains."""


class Approvers(Part, frozen=True, kw_only=True):
    """Who may decide: these users and holders of these roles; if none, all users of the tenant."""

    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    def include(self, actor: str, roles: frozenset[str]) -> bool:
        return self.is_everybody or self.names(actor) or not roles.isdisjoint(self.roles)

    def names(self, actor: str) -> bool:
        return spelled(actor) in {spelled(user) for user in self.users}

    @property
    def is_everybody(self) -> bool:
        return not (self.users or self.roles)


class ApprovalPolicy(Part, frozen=True, kw_only=True):
    """What makes a decision count."""

    approvers: Approvers = Approvers()
    quorum: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    """This many different people must approve; the first rejection decides."""
    allow_self: bool = False
    """Whether the requester may decide it."""
    allow_repeat: bool = False
    """Whether who has approved an earlier stage may approve this one."""
    reason_required: ReasonRequired = "on-reject"


class Escalation(Part, frozen=True, kw_only=True):
    """From this moment on, these people may decide, too."""

    at: datetime
    approvers: Approvers


class Decision(Part, frozen=True, kw_only=True):
    """One person's decision."""

    actor: str
    channel: str
    """`api`, `cli`, `link`, `page` or `prefect-ui`."""
    outcome: Outcome
    at: datetime
    form: JsonObject | None = None
    reason: str | None = None
    is_proven: bool = msgspec.field(default=True, name="proven")
    """False: the name was stated by a client that nothing authenticates."""
    on_behalf_of: str | None = None
    """Whose vote it is, if the actor is their stand-in."""
    stage: str | None = None


class HistoryEntry(Part, frozen=True, kw_only=True):
    """One thing that happened to an approval; entries are only ever added."""

    what: What
    at: datetime
    actor: str | None = None
    channel: str | None = None
    outcome: str | None = None
    note: str | None = None
    on_behalf_of: str | None = None
    """For whom the actor stood in."""
    stage: str | None = None
    """In which stage it happened; of `advanced`, the one that began."""


class Question(Part, frozen=True, kw_only=True):
    """What an approver asks back, and the answer once there is one."""

    text: str
    actor: str
    at: datetime
    on_behalf_of: str | None = None
    stage: str | None = None
    answer: str | None = None
    answered_by: str | None = None
    answered_at: datetime | None = None


# --- when a person is asked -----------------------------------------------------------------------

Operator = Literal["eq", "ne", "lt", "lte", "gt", "gte", "in", "exists"]


class Condition(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that must hold, e.g. `results.risk.riskScore` `gte` 0.8. It may turn out that it
    cannot be judged.
    """

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """Dotted, from `results` (what the steps found) or `subject` (the triggering event, with its
    `id` and `amount`).
    """
    op: Operator
    value: Any = None
    on_unknown: OnUnknown | None = None
    """If it cannot be judged; None: as the rule has it."""


_Positive = Annotated[float, msgspec.Meta(gt=0)]
"""What may be written now is bounded in `definitions`; what was written before there was a bound
can still be read.
"""


class EscalationStep(Part, frozen=True, kw_only=True):
    """This long after the request, these people are asked, too."""

    after_seconds: _Positive
    approvers: Approvers


class Terms(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who decides, until when, and what happens meanwhile; times count from when they are asked."""

    policy: ApprovalPolicy = ApprovalPolicy()
    due_after_seconds: _Positive | None = None
    expires_after_seconds: _Positive | None = None
    """None: it waits for ever."""
    on_expiry: OnExpiry = "fail"
    remind_after_seconds: list[_Positive] = []
    escalations: list[EscalationStep] = []


class Stage(Terms, frozen=True, kw_only=True, omit_defaults=True):
    """One of several rounds of approvers, asked one after the other."""

    name: str
    conditions: list[Condition] = []
    """Asked if all hold, or may hold, when the approval is requested."""


class ApprovalRule(Terms, frozen=True, kw_only=True):
    """A person must approve when the rule is enabled and all its conditions hold, or may hold."""

    enabled: bool = False
    min_risk_score: float = 0.8
    min_amount: float = 1_000_000
    conditions: list[Condition] | None = None
    """None: the risk score and the amount reach the two limits above (inclusive)."""
    on_unknown: OnUnknown = "ask"
    """If a condition cannot be judged: an amount that no event states, a value of another type."""
    form_schema: JsonObject | None = None
    on_reject: OnReject = "fail"
    stages: list[Stage] = []
    """Each with terms of its own, in the place of the rule's; none: the rule's are the only ones.
    """

    @property
    def every_condition(self) -> list[Condition]:
        if self.conditions is not None:
            return self.conditions
        return [
            Condition(path="results.risk.riskScore", op="gte", value=self.min_risk_score),
            Condition(path="subject.amount", op="gte", value=self.min_amount),
        ]
