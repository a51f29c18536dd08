"""recommendations suggests the next actions: `workflow.recommendation.requested`."""

import random

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject, StepRequested
from deployments.simulated.answer import Answer, Reply, about, draw_for, same_id

ADVICE = (
    ("action", "Call the economic buyer", "No one has talked to the budget owner for three weeks."),
    (
        "risk_mitigation",
        "Bring legal in now",
        "The open clause has delayed similar deals by a month.",
    ),
    (
        "insight",
        "Similar deals closed faster with a pilot",
        "Seven of nine comparable deals began with a pilot.",
    ),
    (
        "opportunity",
        "Offer the analytics module",
        "Accounts of this size add it in the first year.",
    ),
    ("forecast_adjustment", "Move the close date", "The stage has not changed for forty days."),
)
SOURCES = ("vector_search", "collaborative", "temporal", "content", "ml", "ai")


def _recommendations_started(request: StepRequested) -> list[Reply]:
    data = about(request, recommendationId=same_id(request, "recommendation"))
    return [("recommendation.generation.started", data)]


def _recommendations_completed(request: StepRequested) -> list[Reply]:
    draw = draw_for(request, "recommendation")
    advice = draw.sample(ADVICE, k=draw.randint(2, len(ADVICE)))
    data = about(
        request,
        recommendationId=same_id(request, "recommendation"),
        recommendations=[_recommendation(draw, request, *each) for each in advice],
        workflowId=request.workflow_id,
        timestamp=utc_now(),
    )
    return [("recommendation.generation.completed", data)]


def _recommendations_failed(request: StepRequested) -> list[Reply]:
    # Like the real one: no workflowId.
    data = about(
        request,
        recommendationId=same_id(request, "recommendation"),
        error="No candidates could be ranked",
    )
    return [("recommendation.generation.failed", data)]


def _recommendation(
    draw: random.Random, request: StepRequested, type: str, title: str, description: str
) -> JsonObject:
    return {
        "id": same_id(request, title),
        "tenantId": request.tenant_id,
        "opportunityId": request.opportunity_id,
        "type": type,
        "source": draw.choice(SOURCES),
        "title": title,
        "description": description,
        "confidence": round(draw.uniform(0.5, 0.95), 2),
        "score": round(draw.uniform(0.4, 0.99), 2),
        "status": "active",
        "createdAt": utc_now(),
    }


RECOMMENDATIONS = Answer(
    service="recommendations",
    started=_recommendations_started,
    completed=_recommendations_completed,
    failed=_recommendations_failed,
)
