"""The main job, by real processes: an opportunity event becomes one recorded,
announced analysis.
"""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest

from blocks.adapters.consuming import BEGINNING_BYTES
from blocks.contracts import ids
from blocks.contracts.analysis import ANALYSIS_STEPS, WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.executions.steps import step_records
from blocks.ports import Message, Query
from blocks.topology import intake_queue
from tests.support.dead_letters import body_of, letters_become
from tests.support.factories import A_TENANT
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import (
    answer_to,
    foreign_event,
    opportunity_event,
    services_on,
)
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger, ledger_of
from tests.support.system.orchestra import Orchestra, Process, on_real_parts, orchestra
from tests.support.waiting import eventually

TENANTS = [str(uuid5(NAMESPACE_URL, f"tenant {number}")) for number in range(4)]


@pytest.fixture(params=["embedded", "real"])
async def parts(
    request: pytest.FixtureRequest, tmp_path: Path, prefect_server: PrefectServer
) -> AsyncIterator[Orchestra]:
    """Listener and worker on the embedded bus and store, and on RabbitMQ and the
    Cosmos emulator.
    """
    environment = on_real_parts(request, tmp_path.name) if request.param == "real" else {}
    async with orchestra(tmp_path, prefect_server, **environment) as parts:
        yield parts


async def test_an_opportunity_event_becomes_one_recorded_announced_analysis(
    parts: Orchestra,
) -> None:
    event = opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4()))
    async with ledger_of(parts.bus, parts.name) as ledger, services_on(parts.bus, parts.name):
        parts.listener.start()
        parts.worker.start()
        await parts.bus.publish(event)
        [ended] = await ends(parts, ledger, 1)
        await ledger.holds(
            {
                "workflow.opportunity.analysis.started": 1,
                "workflow.step.completed": 4,
                **dict.fromkeys(REQUESTED, 1),
            }
        )

    execution = await execution_of(parts, event)
    assert ("completed", []) == (execution.status, execution.missing_steps)
    assert {"risk", "scoring", "forecast", "recommendations"} == set(execution.results or {})
    assert execution.announced_at
    steps = await step_records(parts.store, A_TENANT, [execution.id])
    assert {step.name for step in ANALYSIS_STEPS} == {step.step for step in steps}
    assert ended["data"]["results"] == execution.results
    assert [] == ledger.invalid()
    assert {} == ledger.second_ids()


@pytest.mark.long
async def test_killed_and_restarted_processes_complete_the_execution_once(parts: Orchestra) -> None:
    event = opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4()))
    async with (
        ledger_of(parts.bus, parts.name) as ledger,
        services_on(parts.bus, parts.name, silent=REQUESTED) as services,
    ):
        parts.api.start()
        parts.listener.start(FAULT_POINT="after-record")
        await parts.bus.publish(event)
        await eventually(lambda: dead(parts.listener), within_seconds=30)
        assert (await execution_of(parts, event)).status == "pending"
        parts.listener.start()
        parts.worker.start()
        await eventually(lambda: count(services.unanswered, 4), within_seconds=60)

        parts.worker.kill()
        parts.worker.start()
        await services.speak()
        await ends(parts, ledger, 1)

        execution = await execution_of(parts, event)
        assert ("completed", 2) == (execution.status, execution.attempt)
        assert [1, 1, 1, 1] == [len(services.asked[request]) for request in REQUESTED]
    assert {} == ledger.second_ids()
    assert await parts.bus.depth(intake_queue(parts.settings).name) == 0


@pytest.mark.long
async def test_a_hundred_events_leave_every_execution_right_and_nothing_under_a_second_id(
    parts: Orchestra,
) -> None:
    """100 events for 20 opportunities of 4 tenants, each published twice; answers early, doubled,
    out of order.
    """
    events = [
        opportunity_event(
            TENANTS[number % 4], opportunity(number % 20), id=f"{parts.settings.data_dir} {number}"
        )
        for number in range(100)
    ]
    early = [message for event in events[:20] for message in early_answers(event)]
    async with (
        ledger_of(parts.bus, parts.name) as ledger,
        services_on(parts.bus, parts.name, copies=2),
    ):
        parts.listener.start()
        parts.worker.start()
        await parts.bus.publish(*events[:20], *early, *events[:20])
        await parts.bus.publish(*events[20:], *reversed(events[20:]))

        executions = await eventually(
            lambda: all_ended_and_announced(parts, ledger, events), within_seconds=120
        )

        assert [] == [execution for execution in executions if execution.status != "completed"]
        assert sorted(event.id for event in events) == sorted(
            trigger for execution in executions for trigger in execution.trigger_ids
        )
        for execution in executions:
            results = execution.results or {}
            assert results["risk"]["evaluationId"] == f"evaluation of {execution.subject}"
            assert results["recommendations"]["count"] == 2
    assert {} == ledger.second_ids()
    assert [] == ledger.invalid()
    assert len(executions) == len(ledger.of(*TERMINAL))


@pytest.mark.parametrize("parts", ["embedded"], indirect=True)
class TestSteps:
    """What a missing or failed step means for the execution."""

    async def test_a_critical_failure_without_workflow_id_ends_the_execution_at_once(
        self, parts: Orchestra
    ) -> None:
        subject = str(uuid4())
        event = opportunity_event(A_TENANT, subject, id=str(uuid4()))
        failure = foreign_event(
            A_TENANT,
            "risk.evaluation.failed",
            {"opportunityId": subject, "error": "no model"},
            id=str(uuid4()),
        )
        async with (
            ledger_of(parts.bus, parts.name) as ledger,
            services_on(parts.bus, parts.name, silent=REQUESTED) as services,
        ):
            parts.listener.start()
            parts.worker.start()
            await parts.bus.publish(event)
            await eventually(lambda: count(services.unanswered, 4), within_seconds=60)
            await parts.bus.publish(failure)
            [ended] = await ends(parts, ledger, 1)

        assert ("no model", "risk_analysis") == (
            ended["data"]["error"],
            ended["data"]["failedStep"],
        )
        assert (await execution_of(parts, event)).status == "failed"

    async def test_an_optional_step_that_fails_is_missing_from_the_results(
        self, parts: Orchestra
    ) -> None:
        subject = str(uuid4())
        event = opportunity_event(A_TENANT, subject, id=str(uuid4()))
        failure = foreign_event(
            A_TENANT,
            "recommendation.generation.failed",
            {"opportunityId": subject, "error": "none"},
            id=str(uuid4()),
        )
        silent = ("workflow.recommendation.requested",)
        async with (
            ledger_of(parts.bus, parts.name) as ledger,
            services_on(parts.bus, parts.name, silent=silent) as services,
        ):
            parts.listener.start()
            parts.worker.start()
            await parts.bus.publish(event)
            await eventually(lambda: count(services.unanswered, 1), within_seconds=60)
            await parts.bus.publish(failure)
            [ended] = await ends(parts, ledger, 1)

        assert ["recommendation"] == ended["data"]["missingSteps"]
        assert {"risk", "scoring", "forecast"} == set(ended["data"]["results"])

    async def test_a_critical_step_without_an_answer_fails_the_execution_at_its_deadline(
        self, parts: Orchestra
    ) -> None:
        event = opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4()))
        silent = ("workflow.forecast.requested",)
        async with (
            ledger_of(parts.bus, parts.name) as ledger,
            services_on(parts.bus, parts.name, silent=silent),
        ):
            parts.listener.start()
            parts.worker.start(ANALYSIS_STEP_TIMEOUT_SECONDS="2")
            await parts.bus.publish(event)
            [ended] = await ends(parts, ledger, 1)

        assert ("forecast", "step-timeout") == (
            ended["data"]["failedStep"],
            ended["data"]["errorCode"],
        )

    async def test_refused_events_are_kept_with_their_code_and_the_next_one_is_handled(
        self, parts: Orchestra
    ) -> None:
        good = opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4()))
        bad = {
            "malformed-json": with_body(good, b"{not json"),
            "too-large": with_body(good, b'{"x": "' + b"x" * 300_000 + b'"}'),
            "schema-invalid": foreign_event(
                A_TENANT, "integration.opportunity.updated", {}, id=str(uuid4())
            ),
            "unknown-tenant": foreign_event(
                "", "integration.opportunity.updated", {"opportunityId": "o"}, id="t"
            ),
        }
        async with ledger_of(parts.bus, parts.name) as ledger, services_on(parts.bus, parts.name):
            parts.listener.start()
            parts.worker.start()
            await parts.bus.publish(*bad.values(), good)
            await ends(parts, ledger, 1)

        dead = await letters_become(parts.store, len(bad), A_TENANT)
        assert {code: message.body[:BEGINNING_BYTES] for code, message in bad.items()} == {
            letter.code: await body_of(parts.store, letter) for letter in dead
        }


def opportunity(number: int) -> str:
    return str(uuid5(NAMESPACE_URL, f"opportunity {number}"))


def early_answers(event: Message) -> list[Message]:
    """Answers to requests that have not been made yet."""
    envelope = json.loads(event.body)
    execution_id = ids.execution_id(envelope["tenantId"], WORKFLOW, event.id)
    about = {"workflowId": execution_id, "opportunityId": envelope["data"]["opportunityId"]}
    return [
        answer_to(
            {
                "type": request,
                "id": f"early {execution_id}",
                "tenantId": envelope["tenantId"],
                "data": about,
            }
        )
        for request in REQUESTED[:2]
    ]


def with_body(message: Message, body: bytes) -> Message:
    return Message(
        id=str(uuid4()), routing_key=message.routing_key, body=body, timestamp=message.timestamp
    )


async def execution_of(parts: Orchestra, event: Message) -> ExecutionRecord:
    execution_id = ids.execution_id(A_TENANT, WORKFLOW, event.id)
    return (await parts.store.read(A_TENANT, ExecutionRecord, execution_id)).record


async def ends(parts: Orchestra, ledger: Ledger, count: int) -> list[dict[str, Any]]:
    """The terminal events, once there are this many and their executions' records say that they
    were announced.
    """

    async def announced_ends() -> list[dict[str, Any]]:
        found = ledger.of(*TERMINAL)
        return found if len(found) >= count and await announced(parts, found) else []

    try:
        return await eventually(announced_ends, within_seconds=60)
    except AssertionError:
        raise AssertionError(parts.logs()) from None


async def announced(parts: Orchestra, ended: list[dict[str, Any]]) -> bool:
    records = [
        (
            await parts.store.read(event["tenantId"], ExecutionRecord, event["data"]["workflowId"])
        ).record
        for event in ended
    ]
    return all(record.announced_at for record in records)


async def all_ended_and_announced(
    parts: Orchestra, ledger: Ledger, events: Sequence[Message]
) -> list[ExecutionRecord]:
    """All executions, once every event is in one of them and each has ended and been announced."""
    records = [
        stored.record
        for tenant_id in TENANTS
        for stored in (await parts.store.query(tenant_id, Query(ExecutionRecord, limit=1000))).items
    ]
    taken_in = {trigger for record in records for trigger in record.trigger_ids}
    done = all(record.announced_at for record in records) and taken_in == {
        event.id for event in events
    }
    return records if done and len(ledger.of(*TERMINAL)) == len(records) else []


async def dead(process: Process) -> bool:
    return process.is_dead


async def count(things: list[Any], wanted: int) -> bool:
    return len(things) >= wanted
