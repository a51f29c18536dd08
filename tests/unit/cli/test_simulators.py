"""The simulated services answer as the platform documents theirs, over the embedded bus."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from blocks.clock import utc_now
from blocks.contracts.analysis import ANALYSIS_STEPS, STEP_BY_NAME
from blocks.contracts.envelope import Event, decode_event
from blocks.contracts.events import EventData
from blocks.messages import to_message
from blocks.ports import EventBus, Message, Queue
from blocks.services import open_bus
from blocks.settings import Settings, load_settings
from deployments.simulated.service import Mishaps, queues, run_simulators
from tests.support.factories import A_TENANT, new_id
from tests.support.waiting import eventually

ANSWERS = Queue(name="answers", bindings=["risk.#", "forecast.#", "recommendation.#"])

EVENTS = {
    "risk_analysis": {"risk.evaluation.started", "risk.evaluation.completed", "risk.evaluated"},
    "risk_scoring": {"risk.scoring.started", "risk.scoring.completed"},
    "forecast": {"forecast.decomposition.started", "forecast.completed"},
    "recommendation": {"recommendation.generation.started", "recommendation.generation.completed"},
}
SOURCE = {
    "risk_analysis": "risk-analytics",
    "risk_scoring": "risk-analytics",
    "forecast": "forecasting",
    "recommendation": "recommendations",
}
STEPS = list(EVENTS)


class Platform:
    """The bus with the simulators on it, and everything they have published."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus

    async def ask(
        self, step: str, opportunity_id: str = "opp-1", request_id: str | None = None
    ) -> Event[EventData]:
        request = STEP_BY_NAME[step].request(
            workflow_id=new_id(),
            opportunity_id=opportunity_id,
            step_id=new_id(),
            tenant_id=A_TENANT,
        )
        event: Event[EventData] = Event(
            id=request_id or new_id(), tenant_id=A_TENANT, timestamp=utc_now(), data=request
        )
        await self._bus.publish(to_message(event), required=True)
        return event

    async def repeat(self, event: Event[EventData]) -> None:
        await self._bus.publish(to_message(event), required=True)

    async def published(self, *, at_least: int) -> list[dict[str, Any]]:
        async def enough() -> list[Message]:
            answers = await self._bus.peek(ANSWERS.name, limit=2000)
            return answers if len(answers) >= at_least else []

        return [json.loads(message.body) for message in await eventually(enough)]

    async def requests_waiting(self) -> int:
        return sum([await self._bus.depth(queue.name) for queue in queues()])


def settings_at(folder: Path, *, delay_seconds: float = 0.0) -> Settings:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(folder)})
    delays = replace(
        settings.simulators, min_delay_seconds=delay_seconds, max_delay_seconds=delay_seconds
    )
    return replace(settings, simulators=delays)


@asynccontextmanager
async def platform(settings: Settings, mishaps: Mishaps | None = None) -> AsyncIterator[Platform]:
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(open_bus(settings, "test"))
        await bus.declare(ANSWERS, *queues())
        simulators = asyncio.create_task(run_simulators(settings, mishaps or Mishaps()))
        try:
            yield Platform(bus)
        finally:
            simulators.cancel()
            with suppress(asyncio.CancelledError):
                await simulators


def of_type(published: Sequence[dict[str, Any]], event_type: str) -> dict[str, Any]:
    (event,) = [event for event in published if event["type"] == event_type]
    return event


@pytest.mark.parametrize("step", STEPS)
async def test_a_request_is_answered_with_the_documented_events(tmp_path: Path, step: str) -> None:
    async with platform(settings_at(tmp_path)) as services:
        await services.ask(step)
        published = await services.published(at_least=len(EVENTS[step]))
    assert EVENTS[step] == {event["type"] for event in published}
    for event in published:
        assert ("1.0.0", A_TENANT, SOURCE[step]) == (
            event["version"],
            event["tenantId"],
            event["source"],
        )
        assert event["data"]["opportunityId"] == "opp-1"


@pytest.mark.parametrize("step", STEPS)
async def test_the_answer_echoes_the_workflow_and_is_one_that_the_listener_understands(
    tmp_path: Path, step: str
) -> None:
    answer_type = STEP_BY_NAME[step].answer.event_type
    async with platform(settings_at(tmp_path)) as services:
        request = await services.ask(step)
        answer = of_type(await services.published(at_least=len(EVENTS[step])), answer_type)
    decoded = decode_event(json.dumps(answer).encode(), received_at=utc_now())
    assert request.data.workflow_id == decoded.data.workflow_id  # type: ignore[attr-defined] # every answer has one
    assert None not in STEP_BY_NAME[step].result(decoded.data).values()


async def test_a_risk_and_a_recommendation_have_the_documented_fields(tmp_path: Path) -> None:
    async with platform(settings_at(tmp_path)) as services:
        await services.ask("risk_analysis")
        await services.ask("recommendation")
        published = await services.published(at_least=5)
    evaluation = of_type(published, "risk.evaluation.completed")["data"]
    assert 0 <= evaluation["riskScore"] <= 1
    risk = {
        "riskId",
        "riskName",
        "category",
        "ponderation",
        "confidence",
        "contribution",
        "lifecycleState",
    }
    assert risk <= set(evaluation["detectedRisks"][0])
    advice = {
        "id",
        "tenantId",
        "type",
        "source",
        "title",
        "description",
        "confidence",
        "score",
        "status",
        "createdAt",
    }
    assert advice <= set(
        of_type(published, "recommendation.generation.completed")["data"]["recommendations"][0]
    )


async def test_a_request_delivered_twice_is_answered_under_the_same_ids(tmp_path: Path) -> None:
    async with platform(settings_at(tmp_path)) as services:
        request = await services.ask("forecast")
        await services.repeat(request)
        published = await services.published(at_least=4)
    assert len({event["id"] for event in published}) == 2
    assert len({event["data"]["forecastId"] for event in published}) == 1


async def test_the_same_opportunity_gets_the_same_forecast_each_time(tmp_path: Path) -> None:
    async with platform(settings_at(tmp_path)) as services:
        for _ in range(2):
            await services.ask("forecast", "opp-1")
        published = await services.published(at_least=4)
    forecasts = [event["data"] for event in published if event["type"] == "forecast.completed"]
    assert forecasts[0]["revenueForecast"] == forecasts[1]["revenueForecast"]
    assert forecasts[0]["forecastId"] != forecasts[1]["forecastId"]


@pytest.mark.parametrize(
    ("step", "failure"),
    [
        ("risk_analysis", "risk.evaluation.failed"),
        ("recommendation", "recommendation.generation.failed"),
    ],
)
async def test_a_failure_names_the_opportunity_and_no_workflow(
    tmp_path: Path, step: str, failure: str
) -> None:
    async with platform(settings_at(tmp_path), Mishaps(fail=frozenset({step}))) as services:
        await services.ask(step)
        published = await services.published(at_least=2)
    data = of_type(published, failure)["data"]
    assert data["error"]
    assert data["opportunityId"] == "opp-1"
    assert "workflowId" not in data


async def test_a_silent_service_takes_the_request_and_answers_nothing(tmp_path: Path) -> None:
    async with platform(settings_at(tmp_path), Mishaps(silent=frozenset({"forecast"}))) as services:
        await services.ask("forecast")
        await services.ask("risk_scoring")
        published = await services.published(at_least=2)

        async def nothing_is_waiting() -> bool:
            return await services.requests_waiting() == 0

        await eventually(nothing_is_waiting)
    assert EVENTS["risk_scoring"] == {event["type"] for event in published}


def test_a_share_of_opportunities_is_struck_always_the_same() -> None:
    mishaps = Mishaps(share=0.1)
    struck = [mishaps.strike("forecast", f"opp-{n}") for n in range(2000)]
    assert 0.05 < sum(struck) / len(struck) < 0.15
    assert struck == [mishaps.strike("forecast", f"opp-{n}") for n in range(2000)]


async def test_requests_wait_for_their_answers_side_by_side(tmp_path: Path) -> None:
    delay_seconds, requests = 0.5, 100
    async with platform(settings_at(tmp_path, delay_seconds=delay_seconds)) as services:
        began = time.monotonic()
        await asyncio.gather(*(services.ask("risk_scoring", f"opp-{n}") for n in range(requests)))
        await services.published(at_least=2 * requests)
        took = time.monotonic() - began
    assert took < delay_seconds * requests / 10


def test_every_request_of_an_analysis_has_a_service() -> None:
    bound = [key for queue in queues() for key in queue.bindings]
    assert sorted(step.request.event_type for step in ANALYSIS_STEPS) == sorted(bound)
    assert {"risk_analytics_service", "forecasting_service", "recommendations_service"} == {
        q.name for q in queues()
    }
