"""What a tenant may set for a workflow.

Here, unlike in records, unknown fields are refused: a misspelt rule would request no approval.
"""

from typing import Annotated

import msgspec

from blocks.contracts.approvals import (
    ApprovalPolicy,
    ApprovalRule,
    Approvers,
    EscalationStep,
    Part,
    ReasonRequired,
    Stage,
)
from blocks.contracts.reading.limits import Amount, Score, Seconds

TIMEOUT_SECONDS_MAX = 7 * 24 * 3600.0

Timeout = Annotated[float, msgspec.Meta(gt=0, le=TIMEOUT_SECONDS_MAX)]


class WantedStep(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one step counts; unset fields have the platform's defaults."""

    critical: bool | None = None
    """Whether its failure fails the execution."""
    timeout_seconds: Timeout | None = None


class WantedApprovers(Approvers, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class WantedPolicy(ApprovalPolicy, frozen=True, kw_only=True, forbid_unknown_fields=True):
    approvers: WantedApprovers = WantedApprovers()
    reason_required: ReasonRequired | None = None  # type: ignore[assignment] # only read
    """None: as the workflow has it; `on-reject` of an analysis, `never` of a prompt."""


class WantedEscalation(EscalationStep, frozen=True, kw_only=True, forbid_unknown_fields=True):
    after_seconds: Seconds
    approvers: WantedApprovers


class WantedStage(Stage, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=60, pattern=r"^\S(.*\S)?$")]
    due_after_seconds: Seconds | None = None
    expires_after_seconds: Seconds | None = None
    remind_after_seconds: list[Seconds] = msgspec.field(default_factory=list)
    policy: WantedPolicy = WantedPolicy()
    escalations: list[WantedEscalation] = msgspec.field(default_factory=list)  # type: ignore[assignment] # only read


class WantedRule(ApprovalRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    enabled: bool | None = None  # type: ignore[assignment] # only read
    """None: as the workflow has it; false of an analysis, the platform's switch of prompts."""
    min_risk_score: Score = 0.8
    min_amount: Amount = 1_000_000
    due_after_seconds: Seconds | None = None
    expires_after_seconds: Seconds | None = None
    remind_after_seconds: list[Seconds] = msgspec.field(default_factory=list)
    policy: WantedPolicy = WantedPolicy()
    escalations: list[WantedEscalation] = msgspec.field(default_factory=list)  # type: ignore[assignment] # only read
    stages: list[WantedStage] = msgspec.field(default_factory=list)  # type: ignore[assignment] # only read


class WantedDefinition(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tenant's settings for a workflow, as a whole; unset fields have the platform's defaults."""

    enabled: bool = True
    """Whether events start executions; those that come meanwhile start none later."""
    step_timeout_seconds: Timeout | None = None
    """The deadline of every step without one of its own."""
    steps: dict[str, WantedStep] = msgspec.field(default_factory=dict)
    approval: WantedRule | None = None
