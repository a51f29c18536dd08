"""risk-analytics evaluates an opportunity's risk: `workflow.risk.analysis.requested`."""

import math
import random

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject, StepRequested
from deployments.simulated.answer import Answer, Reply, about, draw_for, same_id

RISKS = (
    ("Budget not confirmed", "Commercial"),
    ("Decision maker not engaged", "Commercial"),
    ("Integration effort underestimated", "Technical"),
    ("Data residency clause open", "Legal"),
    ("Delivery capacity in the target quarter", "Operational"),
    ("Competitor is the incumbent", "Commercial"),
)


def _evaluation_started(request: StepRequested) -> list[Reply]:
    return [
        ("risk.evaluation.started", about(request, evaluationId=same_id(request, "evaluation")))
    ]


def _evaluation_completed(request: StepRequested) -> list[Reply]:
    draw, evaluation_id = draw_for(request, "risk"), same_id(request, "evaluation")
    risks = [
        _risk(draw, name, category) for name, category in draw.sample(RISKS, k=draw.randint(1, 4))
    ]
    risks.sort(key=lambda risk: -risk["contribution"])
    # at least one of them comes true
    score = round(1 - math.prod(1 - risk["contribution"] for risk in risks), 3)
    drivers = [
        {
            "feature": risk["riskName"],
            "contribution": risk["contribution"],
            "direction": "increases",
        }
        for risk in risks
    ]
    completed = about(
        request,
        evaluationId=evaluation_id,
        riskScore=score,
        detectedRisks=risks,
        workflowId=request.workflow_id,
        timestamp=utc_now(),
    )
    evaluated = about(
        request,
        evaluationId=evaluation_id,
        riskScore=score,
        categoryScores=_by_category(risks),
        topDrivers=drivers[:5],
        dataQuality={
            "score": 0.9,
            "completenessPct": 92,
            "missingCritical": [],
            "stalenessDays": draw.randint(0, 9),
        },
        atRiskReasons=[risk["riskName"] for risk in risks if risk["contribution"] >= 0.2],
        timestamp=utc_now(),
    )
    return [("risk.evaluation.completed", completed), ("risk.evaluated", evaluated)]


def _evaluation_failed(request: StepRequested) -> list[Reply]:
    # Like the real one: no workflowId.
    error = "The opportunity's history could not be read"
    return [
        (
            "risk.evaluation.failed",
            about(request, evaluationId=same_id(request, "evaluation"), error=error),
        )
    ]


def _risk(draw: random.Random, name: str, category: str) -> JsonObject:
    ponderation, confidence = round(draw.uniform(0.1, 0.5), 2), round(draw.uniform(0.55, 0.98), 2)
    return {
        "riskId": name.lower().replace(" ", "-"),
        "riskName": name,
        "category": category,
        "ponderation": ponderation,
        "confidence": confidence,
        "contribution": round(ponderation * confidence, 3),
        "explainability": f"{name}: seen in the opportunity's recent activity",
        "sourceShards": [],
        "lifecycleState": "identified",
    }


def _by_category(risks: list[JsonObject]) -> JsonObject:
    categories = sorted({risk["category"] for risk in risks})
    return {
        category: round(
            sum(risk["contribution"] for risk in risks if risk["category"] == category), 3
        )
        for category in categories
    }


RISK_EVALUATION = Answer(
    service="risk-analytics",
    started=_evaluation_started,
    completed=_evaluation_completed,
    failed=_evaluation_failed,
)
