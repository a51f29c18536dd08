"""The four steps of an opportunity analysis: which event asks, which answers, where the result
goes.

Source of the steps, their order and which are critical: the platform's workflow contract. A
tenant's `WorkflowDefinition` may change what is critical and how long a step may take; the steps
themselves are fixed.
"""

from collections.abc import Callable

import msgspec

from blocks.contracts import events
from blocks.contracts.records import ExecutionRecord

WORKFLOW = "opportunity-analysis"


class AnalysisStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step: `name` in records and on the wire, `result_key` in the execution's results."""

    name: str
    result_key: str
    critical: bool
    request: type[events.StepRequested]
    answer: type[events.EventData]
    failure: type[events.StepFailure] | None
    default_error: str
    result: Callable[..., events.JsonObject]


def _risk(answer: events.RiskEvaluationCompleted) -> events.JsonObject:
    return {
        "evaluationId": answer.evaluation_id,
        "riskScore": answer.risk_score,
        "detectedRisks": answer.detected_risks,
    }


def _scoring(answer: events.RiskScoringCompleted) -> events.JsonObject:
    return {
        "scoringId": answer.scoring_id,
        "mlRiskScore": answer.ml_risk_score,
        "modelId": answer.model_id,
        "confidence": answer.confidence,
    }


def _forecast(answer: events.ForecastCompleted) -> events.JsonObject:
    return {
        "forecastId": answer.forecast_id,
        "revenueForecast": answer.revenue_forecast,
        "confidence": answer.confidence,
    }


def _recommendations(answer: events.RecommendationGenerationCompleted) -> events.JsonObject:
    return {
        "recommendationId": answer.recommendation_id,
        "recommendations": answer.recommendations,
        "count": len(answer.recommendations),
    }


ANALYSIS_STEPS = (
    AnalysisStep(
        name="risk_analysis",
        result_key="risk",
        critical=True,
        request=events.RiskAnalysisRequested,
        answer=events.RiskEvaluationCompleted,
        failure=events.RiskEvaluationFailed,
        default_error="Risk evaluation failed",
        result=_risk,
    ),
    AnalysisStep(
        name="risk_scoring",
        result_key="scoring",
        critical=False,
        request=events.RiskScoringRequested,
        answer=events.RiskScoringCompleted,
        failure=None,
        default_error="Risk scoring failed",
        result=_scoring,
    ),
    AnalysisStep(
        name="forecast",
        result_key="forecast",
        critical=True,
        request=events.ForecastRequested,
        answer=events.ForecastCompleted,
        failure=None,
        default_error="Forecast failed",
        result=_forecast,
    ),
    AnalysisStep(
        name="recommendation",
        result_key="recommendations",
        critical=False,
        request=events.RecommendationRequested,
        answer=events.RecommendationGenerationCompleted,
        failure=events.RecommendationGenerationFailed,
        default_error="Recommendation generation failed",
        result=_recommendations,
    ),
)

STEP_BY_NAME = {step.name: step for step in ANALYSIS_STEPS}
STEP_OF_ANSWER = {step.answer: step for step in ANALYSIS_STEPS}
STEP_OF_FAILURE = {step.failure: step for step in ANALYSIS_STEPS if step.failure}


def terminal_event(execution: ExecutionRecord) -> events.EventData:
    """The event of an analysis' end: completed with its results, or failed (cancelled included)."""
    if execution.status == "completed":
        assert execution.completed_at is not None
        return events.OpportunityAnalysisCompleted(
            workflow_id=execution.id,
            opportunity_id=execution.subject_on_wire,
            results=msgspec.convert(execution.results or {}, events.AnalysisResults),
            timestamp=execution.completed_at,
            missing_steps=execution.missing_steps,
        )
    return events.OpportunityAnalysisFailed(
        workflow_id=execution.id,
        opportunity_id=execution.subject_on_wire,
        error=execution.error or f"the analysis was {execution.status}",
        failed_step=execution.failed_step or msgspec.UNSET,
        error_code=execution.error_code or msgspec.UNSET,
    )
