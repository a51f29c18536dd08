"""The data of every event this system publishes or consumes; field names are those of the
platform's wire.

A class is its event type in PascalCase without the leading `workflow.`. Fields that are not named
here are ignored on input: services may add fields without asking us.
"""

from blocks.contracts.events.analysis import (
    AnalysisResults,
    ForecastCompleted,
    ForecastRequested,
    OpportunityAnalysisCompleted,
    OpportunityAnalysisFailed,
    OpportunityAnalysisStarted,
    RecommendationGenerationCompleted,
    RecommendationGenerationFailed,
    RecommendationRequested,
    RiskAnalysisRequested,
    RiskEvaluationCompleted,
    RiskEvaluationFailed,
    RiskScoringCompleted,
    RiskScoringRequested,
    StepCompleted,
    StepFailure,
    StepRequested,
)
from blocks.contracts.events.approvals import (
    HitlApprovalAdvanced,
    HitlApprovalAnswered,
    HitlApprovalCompleted,
    HitlApprovalEscalated,
    HitlApprovalQuestioned,
    HitlApprovalReminded,
    HitlApprovalRequested,
)
from blocks.contracts.events.base import (
    EventData,
    Id,
    JsonObject,
    OurId,
    RiskScore,
    SubjectId,
    Uuid,
)
from blocks.contracts.events.catalogue import CONSUMED, PUBLISHED
from blocks.contracts.events.claims import (
    PHASE_COMPLETED,
    PHASE_EVENTS,
    PHASE_FAILED,
    PHASE_STARTED,
    ClaimRecoveryCompleted,
    ClaimRecoveryFailed,
    PhaseEvent,
)
from blocks.contracts.events.jobs import JobCompleted, JobFailed, JobTrigger, JobUnreported
from blocks.contracts.events.operations import (
    RUN_EVENTS,
    OperationCompleted,
    OperationFailed,
    OperationStarted,
    OperationStepCompleted,
    OperationStepFailed,
    OperationStepStarted,
)
from blocks.contracts.events.opportunities import (
    IntegrationOpportunityUpdated,
    OpportunityEvent,
    ShardUpdated,
)
from blocks.contracts.events.webhooks import WEBHOOK_DUE

__all__ = [
    "CONSUMED",
    "PHASE_COMPLETED",
    "PHASE_EVENTS",
    "PHASE_FAILED",
    "PHASE_STARTED",
    "PUBLISHED",
    "RUN_EVENTS",
    "WEBHOOK_DUE",
    "AnalysisResults",
    "ClaimRecoveryCompleted",
    "ClaimRecoveryFailed",
    "EventData",
    "ForecastCompleted",
    "ForecastRequested",
    "HitlApprovalAdvanced",
    "HitlApprovalAnswered",
    "HitlApprovalCompleted",
    "HitlApprovalEscalated",
    "HitlApprovalQuestioned",
    "HitlApprovalReminded",
    "HitlApprovalRequested",
    "Id",
    "IntegrationOpportunityUpdated",
    "JobCompleted",
    "JobFailed",
    "JobTrigger",
    "JobUnreported",
    "JsonObject",
    "OperationCompleted",
    "OperationFailed",
    "OperationStarted",
    "OperationStepCompleted",
    "OperationStepFailed",
    "OperationStepStarted",
    "OpportunityAnalysisCompleted",
    "OpportunityAnalysisFailed",
    "OpportunityAnalysisStarted",
    "OpportunityEvent",
    "OurId",
    "PhaseEvent",
    "RecommendationGenerationCompleted",
    "RecommendationGenerationFailed",
    "RecommendationRequested",
    "RiskAnalysisRequested",
    "RiskEvaluationCompleted",
    "RiskEvaluationFailed",
    "RiskScore",
    "RiskScoringCompleted",
    "RiskScoringRequested",
    "ShardUpdated",
    "StepCompleted",
    "StepFailure",
    "StepRequested",
    "SubjectId",
    "Uuid",
]
