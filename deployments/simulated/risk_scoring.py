"""risk-analytics asks its model for a risk score: `workflow.risk.scoring.requested`."""

from blocks.contracts.events import StepRequested
from deployments.simulated.answer import Answer, Reply, about, draw_for, same_id

MODEL_ID = "risk-scoring-v3"


def _scoring_started(request: StepRequested) -> list[Reply]:
    return [
        (
            "risk.scoring.started",
            about(request, scoringId=same_id(request, "scoring"), modelId=MODEL_ID),
        )
    ]


def _scoring_completed(request: StepRequested) -> list[Reply]:
    draw = draw_for(request, "scoring")
    data = about(
        request,
        scoringId=same_id(request, "scoring"),
        mlRiskScore=round(draw.uniform(0.1, 0.95), 3),
        modelId=MODEL_ID,
        confidence=round(draw.uniform(0.6, 0.97), 2),
        workflowId=request.workflow_id,
    )
    return [("risk.scoring.completed", data)]


def _nothing(request: StepRequested) -> list[Reply]:
    """Scoring publishes nothing when it fails; the workflow notices by its deadline."""
    return []


RISK_SCORING = Answer(
    service="risk-analytics",
    started=_scoring_started,
    completed=_scoring_completed,
    failed=_nothing,
)
