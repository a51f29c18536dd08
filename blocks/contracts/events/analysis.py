"""Events of an opportunity analysis: what it asks, what is answered, how it ends."""

from typing import Any, ClassVar

import msgspec

from blocks.contracts.events.base import EventData, JsonObject, OurId, RiskScore, SubjectId, Uuid
from blocks.contracts.reading.limits import Score
from blocks.contracts.reading.moments import Moment


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
    """What the steps found, without non-critical steps that failed; `approval` has the decider."""

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
    """The analysis ended without a complete result; `failed_step` names the step that ended it, if
    one did.
    """

    event_type: ClassVar[str] = "workflow.opportunity.analysis.failed"
    workflow_id: Uuid
    opportunity_id: SubjectId
    error: str
    failed_step: str | msgspec.UnsetType = msgspec.UNSET
    error_code: str | msgspec.UnsetType = msgspec.UNSET


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
