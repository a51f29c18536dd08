"""Every event type that this system publishes or consumes, with its data."""

from collections.abc import Mapping

from blocks.contracts.events.analysis import (
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
from blocks.contracts.events.base import EventData
from blocks.contracts.events.claims import (
    PHASE_COMPLETED,
    PHASE_FAILED,
    PHASE_STARTED,
    ClaimRecoveryCompleted,
    ClaimRecoveryFailed,
)
from blocks.contracts.events.jobs import JobCompleted, JobFailed, JobTrigger, JobUnreported
from blocks.contracts.events.operations import RUN_EVENTS
from blocks.contracts.events.opportunities import IntegrationOpportunityUpdated, ShardUpdated

_PUBLISHED: tuple[type[EventData], ...] = (
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
    HitlApprovalAdvanced,
    HitlApprovalQuestioned,
    HitlApprovalAnswered,
    HitlApprovalCompleted,
    JobTrigger,
    JobUnreported,
    *PHASE_STARTED,
    *PHASE_COMPLETED,
    *PHASE_FAILED,
    ClaimRecoveryCompleted,
    ClaimRecoveryFailed,
    *RUN_EVENTS,
)

PUBLISHED: Mapping[str, type[EventData]] = {data.event_type: data for data in _PUBLISHED}

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
