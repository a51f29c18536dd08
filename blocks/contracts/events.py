"""The data of every event this system publishes or consumes; field names are those of the platform's wire.

A class is its event type in PascalCase without the leading `workflow.`. Fields that are not named here are ignored on
input: services may add fields without asking us.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec

from blocks.contracts.limits import Amount, Score
from blocks.contracts.moments import Moment
from blocks.contracts.normalised import OUR_ID, Normalised

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
"""An id of somebody else's: usually a UUID, passed through unchanged whatever it is (compare by `matching_id`)."""

Uuid = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]
"""An id of ours: always a UUID."""

OurId = Annotated[str, OUR_ID]
"""An id of ours that comes back to us: a UUID in any case, in lower case from here on."""

RiskScore = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""From 0 to 1, as the platform documents; rules compare with it, so 85 is refused and not taken for 0.85."""

SubjectId = Annotated[str, msgspec.Meta(min_length=1, max_length=200, extra_json_schema={"format": "uuid"})]
"""An opportunity's id. The platform documents a UUID; one that is none is still passed through unchanged."""

JsonObject = dict[str, Any]


class EventData(Normalised, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of all event data; `event_type` is also the routing key."""

    event_type: ClassVar[str]


# --- published -------------------------------------------------------------------------------------------------------


class OpportunityAnalysisStarted(EventData, frozen=True, kw_only=True):
    """An opportunity analysis has begun; its four requests follow."""

    event_type: ClassVar[str] = "workflow.opportunity.analysis.started"
    workflow_id: Uuid
    opportunity_id: SubjectId
    timestamp: Moment


class StepRequested(EventData, frozen=True, kw_only=True):
    """What the four requests have in common: the execution to echo, the opportunity to work on."""

    workflow_id: Uuid
    opportunity_id: SubjectId
    step_id: Uuid
    # The envelope carries the tenant too; the platform's design document also asks for it here.
    tenant_id: Uuid


class RiskAnalysisRequested(StepRequested, frozen=True, kw_only=True):
    """Asks risk-analytics to evaluate the opportunity's risk."""

    event_type: ClassVar[str] = "workflow.risk.analysis.requested"


class RiskScoringRequested(StepRequested, frozen=True, kw_only=True):
    """Asks risk-analytics for the model's risk score."""

    event_type: ClassVar[str] = "workflow.risk.scoring.requested"


class ForecastRequested(StepRequested, frozen=True, kw_only=True):
    """Asks forecasting for a revenue forecast."""

    event_type: ClassVar[str] = "workflow.forecast.requested"


class RecommendationRequested(StepRequested, frozen=True, kw_only=True):
    """Asks recommendations for what to do next."""

    event_type: ClassVar[str] = "workflow.recommendation.requested"


class StepCompleted(EventData, frozen=True, kw_only=True):
    """One step of an analysis has its result."""

    event_type: ClassVar[str] = "workflow.step.completed"
    workflow_id: Uuid
    step_id: Uuid
    step_type: str
    result: JsonObject


class AnalysisResults(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the steps found; a step that is not critical and failed is absent. `approval` says who decided, if asked."""

    risk: JsonObject | msgspec.UnsetType = msgspec.UNSET
    scoring: JsonObject | msgspec.UnsetType = msgspec.UNSET
    forecast: JsonObject | msgspec.UnsetType = msgspec.UNSET
    recommendations: JsonObject | msgspec.UnsetType = msgspec.UNSET
    approval: JsonObject | msgspec.UnsetType = msgspec.UNSET


class OpportunityAnalysisCompleted(EventData, frozen=True, kw_only=True):
    """The whole analysis has finished; `missing_steps` names optional steps that gave no result."""

    event_type: ClassVar[str] = "workflow.opportunity.analysis.completed"
    workflow_id: Uuid
    opportunity_id: SubjectId
    results: AnalysisResults
    timestamp: Moment
    missing_steps: list[str] = []


class OpportunityAnalysisFailed(EventData, frozen=True, kw_only=True):
    """The analysis ended without a complete result; `failed_step` names the step that ended it, if one did."""

    event_type: ClassVar[str] = "workflow.opportunity.analysis.failed"
    workflow_id: Uuid
    opportunity_id: SubjectId
    error: str
    failed_step: str | msgspec.UnsetType = msgspec.UNSET
    error_code: str | msgspec.UnsetType = msgspec.UNSET


class HitlApprovalCompleted(EventData, frozen=True, kw_only=True):
    """A person has decided."""

    event_type: ClassVar[str] = "hitl.approval.completed"
    tenant_id: Uuid
    opportunity_id: SubjectId
    approval_id: Uuid
    approved: bool
    decided_by: str
    decided_at: Moment


class HitlApprovalReminded(EventData, frozen=True, kw_only=True):
    """Those who may decide are reminded."""

    event_type: ClassVar[str] = "hitl.approval.reminded"
    tenant_id: Uuid
    opportunity_id: SubjectId
    approval_id: Uuid
    reminded_at: Moment
    approvers: list[str] = []
    approver_roles: list[str] = []
    due_at: Moment | None = None
    expires_at: Moment | None = None


class HitlApprovalEscalated(EventData, frozen=True, kw_only=True):
    """More people may decide from now on; those named are all who may."""

    event_type: ClassVar[str] = "hitl.approval.escalated"
    tenant_id: Uuid
    opportunity_id: SubjectId
    approval_id: Uuid
    escalated_at: Moment
    approvers: list[str] = []
    approver_roles: list[str] = []
    expires_at: Moment | None = None


class JobTrigger(EventData, frozen=True, kw_only=True):
    """Tells the batch workers to run a job; published under the system tenant."""

    event_type: ClassVar[str] = "workflow.job.trigger"
    job: str
    metadata: JsonObject
    triggered_by: str
    timestamp: Moment


class JobUnreported(EventData, frozen=True, kw_only=True):
    """For operators: how a batch job ended is not known, because nobody told in time or its trigger was not sent."""

    event_type: ClassVar[str] = "workflow.job.unreported"
    job: str
    execution_id: Uuid
    triggered_by: str
    triggered_at: Moment
    error: str
    timestamp: Moment


# --- published and consumed ------------------------------------------------------------------------------------------


class HitlApprovalRequested(EventData, frozen=True, kw_only=True):
    """Somebody (risk-analytics, or an analysis of ours) asks a person to approve a risky deal."""

    event_type: ClassVar[str] = "hitl.approval.requested"
    opportunity_id: Id
    risk_score: Score
    amount: Amount
    """Always a number, as consumers expect; 0 where `amount_known` is false."""
    amount_known: bool = True
    requested_at: Moment | None = None
    tenant_id: OurId | None = None
    owner_id: str | None = None
    approver_id: str | None = None
    recipient_id: str | None = None
    correlation_id: str | None = None
    approval_url: str | None = None
    approval_id: OurId | None = None
    """Of a request of ours: where to decide."""
    evaluation_id: str | None = None


# --- consumed --------------------------------------------------------------------------------------------------------


class OpportunityEvent(EventData, frozen=True, kw_only=True):
    """Base of the events that cause an analysis: what they carry beside the fields named here counts, too."""

    received: JsonObject = msgspec.field(default_factory=dict, name="$received")
    """What `data` carries beside the named fields; set where an event is decoded."""

    @property
    def as_input(self) -> JsonObject:
        """All that it carries: what an execution keeps of it."""
        named = msgspec.to_builtins(self)
        named.pop("$received", None)
        return {**named, **self.received}


class IntegrationOpportunityUpdated(OpportunityEvent, frozen=True, kw_only=True):
    """integration-manager saw an opportunity change in the CRM."""

    event_type: ClassVar[str] = "integration.opportunity.updated"
    opportunity_id: Id
    shard_id: str | None = None
    integration_id: str | None = None
    sync_task_id: str | None = None
    correlation_id: str | None = None
    changes: JsonObject | list[Any] | None = None
    """Field to value, field to `{old, new}`, or a list of `{field, old, new}`."""
    metadata: JsonObject | None = None


class ShardUpdated(OpportunityEvent, frozen=True, kw_only=True):
    """shard-manager changed a shard; it concerns us when its type is an opportunity."""

    event_type: ClassVar[str] = "shard.updated"
    shard_id: Id | None = None
    id: Id | None = None
    shard_type: str | None = None
    shard_type_name: str | None = None
    shard_type_id: str | None = None
    opportunity_id: Id | None = None


class RiskEvaluationCompleted(EventData, frozen=True, kw_only=True):
    event_type: ClassVar[str] = "risk.evaluation.completed"
    risk_score: RiskScore
    evaluation_id: str | None = None
    opportunity_id: str | None = None
    workflow_id: OurId | None = None
    detected_risks: list[Any] = []


class RiskScoringCompleted(EventData, frozen=True, kw_only=True):
    event_type: ClassVar[str] = "risk.scoring.completed"
    ml_risk_score: RiskScore
    scoring_id: str | None = None
    opportunity_id: str | None = None
    workflow_id: OurId | None = None
    model_id: str | None = None
    confidence: Score | None = None


class ForecastCompleted(EventData, frozen=True, kw_only=True):
    event_type: ClassVar[str] = "forecast.completed"
    revenue_forecast: Any = None
    forecast_id: str | None = None
    opportunity_id: str | None = None
    workflow_id: OurId | None = None
    confidence: Score | None = None


class RecommendationGenerationCompleted(EventData, frozen=True, kw_only=True):
    event_type: ClassVar[str] = "recommendation.generation.completed"
    recommendation_id: str | None = None
    opportunity_id: str | None = None
    workflow_id: OurId | None = None
    recommendations: list[Any] = []


class StepFailure(EventData, frozen=True, kw_only=True):
    """What the failure events have in common; they usually come without a `workflowId`."""

    opportunity_id: str | None = None
    workflow_id: OurId | None = None
    error: str | None = None


class RiskEvaluationFailed(StepFailure, frozen=True, kw_only=True):
    event_type: ClassVar[str] = "risk.evaluation.failed"
    evaluation_id: str | None = None


class RecommendationGenerationFailed(StepFailure, frozen=True, kw_only=True):
    event_type: ClassVar[str] = "recommendation.generation.failed"
    recommendation_id: str | None = None


class JobCompleted(EventData, frozen=True, kw_only=True):
    """A batch worker has done a job; which of its triggers that answers is not told."""

    event_type: ClassVar[str] = "workflow.job.completed"
    job: Id
    status: str | None = None
    completed_at: Moment | None = None


class JobFailed(EventData, frozen=True, kw_only=True):
    """A batch worker could not do a job; which of its triggers that answers is not told."""

    event_type: ClassVar[str] = "workflow.job.failed"
    job: Id
    error: str | None = None
    failed_at: Moment | None = None


PUBLISHED: Mapping[str, type[EventData]] = {
    data.event_type: data
    for data in (
        OpportunityAnalysisStarted,
        RiskAnalysisRequested,
        RiskScoringRequested,
        ForecastRequested,
        RecommendationRequested,
        StepCompleted,
        OpportunityAnalysisCompleted,
        OpportunityAnalysisFailed,
        HitlApprovalRequested,
        HitlApprovalReminded,
        HitlApprovalEscalated,
        HitlApprovalCompleted,
        JobTrigger,
        JobUnreported,
    )
}

CONSUMED: Mapping[str, type[EventData]] = {
    data.event_type: data
    for data in (
        IntegrationOpportunityUpdated,
        ShardUpdated,
        RiskEvaluationCompleted,
        RiskScoringCompleted,
        ForecastCompleted,
        RecommendationGenerationCompleted,
        RiskEvaluationFailed,
        RecommendationGenerationFailed,
        HitlApprovalRequested,
        JobCompleted,
        JobFailed,
    )
}
