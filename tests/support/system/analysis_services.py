"""The three analysis services as a test wants them: immediate, silent or doubled, and counting what
is asked.
"""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from blocks.ports import Accept, Delivery, EventBus, Message, Queue, Verdict
from tests.support.system.ledger import REQUESTED

Data = dict[str, Any]

ANSWERS: dict[str, Callable[[str], tuple[str, Data]]] = {
    "workflow.risk.analysis.requested": lambda subject: (
        "risk.evaluation.completed",
        {
            "evaluationId": f"evaluation of {subject}",
            "riskScore": 0.91,
            "detectedRisks": [{"riskId": "r-1"}],
        },
    ),
    "workflow.risk.scoring.requested": lambda subject: (
        "risk.scoring.completed",
        {
            "scoringId": f"scoring of {subject}",
            "mlRiskScore": 0.5,
            "modelId": "m-1",
            "confidence": 0.8,
        },
    ),
    "workflow.forecast.requested": lambda subject: (
        "forecast.completed",
        {"forecastId": f"forecast of {subject}", "revenueForecast": 100_000, "confidence": 0.7},
    ),
    "workflow.recommendation.requested": lambda subject: (
        "recommendation.generation.completed",
        {
            "recommendationId": f"recommendation for {subject}",
            "recommendations": [{"id": "1"}, {"id": "2"}],
        },
    ),
}


class AnalysisServices:
    """Answers requests while `silent` does not name their type; keeps what it could not answer for
    `speak`.
    """

    def __init__(self, bus: EventBus, *, silent: tuple[str, ...] = (), copies: int = 1) -> None:
        self.bus = bus
        self.silent = set(silent)
        self.copies = copies
        self.asked: dict[str, set[str]] = defaultdict(set)
        """Request type to the ids under which it was asked."""
        self.unanswered: list[Data] = []

    async def serve(self, delivery: Delivery) -> Verdict:
        request = json.loads(delivery.message.body)
        self.asked[request["type"]].add(request["id"])
        if request["type"] in self.silent:
            self.unanswered.append(request)
        else:
            await self.bus.publish(*[answer_to(request)] * self.copies)
        return Accept()

    async def speak(self) -> None:
        """Answers all that was held back, and whatever comes from now on."""
        self.silent.clear()
        held_back, self.unanswered = self.unanswered, []
        await self.bus.publish(*(answer_to(request) for request in held_back))


@asynccontextmanager
async def services_on(bus: EventBus, name: str, **manner: Any) -> AsyncIterator[AnalysisServices]:
    """They answer while the context lasts."""
    services = AnalysisServices(bus, **manner)
    requests = Queue(name=f"services-{name}", bindings=REQUESTED)
    await bus.declare(requests)
    async with bus.consume(requests, services.serve, concurrency=100):
        yield services


def answer_to(request: Data) -> Message:
    """The documented answer, with the `workflowId` of the request; its id follows from the
    request's.
    """
    event_type, data = ANSWERS[request["type"]](request["data"]["opportunityId"])
    about = {
        "workflowId": request["data"]["workflowId"],
        "opportunityId": request["data"]["opportunityId"],
    }
    return foreign_event(
        request["tenantId"], event_type, {**data, **about}, id=f"answer to {request['id']}"
    )


def opportunity_event(tenant_id: str, opportunity_id: str, *, id: str, **data: Any) -> Message:
    return foreign_event(
        tenant_id,
        "integration.opportunity.updated",
        {"opportunityId": opportunity_id, **data},
        id=id,
    )


def foreign_event(tenant_id: str, event_type: str, data: Data, *, id: str) -> Message:
    """An event as the platform's shared library writes it: version 1.0, the source an object."""
    now = datetime.now(UTC)
    event_id = str(uuid5(NAMESPACE_URL, id))
    envelope = {
        "id": event_id,
        "type": event_type,
        "version": "1.0",
        "timestamp": now.isoformat(),
        "tenantId": tenant_id,
        "source": {"service": "test", "instance": "test-1"},
        "data": data,
    }
    return Message(
        id=event_id, routing_key=event_type, body=json.dumps(envelope).encode(), timestamp=now
    )
