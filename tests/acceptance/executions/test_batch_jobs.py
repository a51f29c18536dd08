"""Scheduled batch jobs on a real Prefect server and a real RabbitMQ, watched by a consumer that
shares no code.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.jobs import JOB_BY_ID, JOBS, WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Query
from deployments.bootstrap.prefect_yaml import read_deployments
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.job_bus import BatchWorker, batch_worker
from tests.support.system.orchestra import Orchestra, on_rabbitmq, whole_orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
SEVEN = [job.id for job in JOBS if job.active]


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    async with whole_orchestra(
        tmp_path, prefect_server, **real_parts(rabbitmq, tmp_path.name)
    ) as parts:
        yield parts
    await forget_deployments(prefect_server)  # the next test's ticks are the first of theirs


def real_parts(rabbitmq: RabbitMQNode, name: str) -> dict[str, str]:
    return {
        **on_rabbitmq(rabbitmq, name),
        "RECONCILER_INTERVAL_SECONDS": "1",
        "PREFECT_WORKER_QUERY_SECONDS": "0.5",
    }


@pytest.fixture
async def consumer(parts: Orchestra) -> AsyncIterator[BatchWorker]:
    async with consumer_of(parts) as consumer:
        yield consumer


def consumer_of(parts: Orchestra) -> AbstractAsyncContextManager[BatchWorker]:
    rabbitmq = parts.settings.rabbitmq
    return batch_worker(rabbitmq.url, rabbitmq.exchange, rabbitmq.batch_jobs_queue)


async def tick(
    prefect: PrefectClient, job: str, at: datetime | None = None, **parameters: Any
) -> FlowRun:
    """A run of the job's deployment for this moment (now, if none is named), as the scheduler makes
    them.
    """
    deployment = await prefect.read_deployment_by_name(f"{WORKFLOW}/{job}")
    state: State[None] = Scheduled(scheduled_time=at or utc_now())
    return await prefect.create_flow_run_from_deployment(
        deployment.id, state=state, parameters=parameters
    )


async def runs_of(prefect: PrefectClient, job: str) -> list[FlowRun]:
    deployment = await prefect.read_deployment_by_name(f"{WORKFLOW}/{job}")
    only = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    return await prefect.read_flow_runs(
        deployment_filter=only, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=5
    )


async def ended(parts: Orchestra, prefect: PrefectClient, *runs: FlowRun) -> list[tuple[str, str]]:
    """Name and message of the states in which these runs have ended."""

    async def all_ended() -> list[tuple[str, str]]:
        states = [(await prefect.read_flow_run(run.id)).state for run in runs]
        done = [
            (state.name or "", state.message or "")
            for state in states
            if state and state.is_final()
        ]
        return done if len(done) == len(runs) else []

    try:
        return await eventually(all_ended, within_seconds=60, every_seconds=0.3)
    except AssertionError:
        raise AssertionError(parts.logs()) from None


async def executions_of(parts: Orchestra, job: str) -> list[ExecutionRecord]:
    """Oldest first."""
    where = {"workflow": WORKFLOW, "subject": job}
    page = await parts.store.query(
        ids.SYSTEM_TENANT, Query(ExecutionRecord, where, newest_first=False, limit=1000)
    )
    return [stored.record for stored in page.items]


async def ticks(prefect: PrefectClient, job: str, *times: datetime) -> list[FlowRun]:
    return [await tick(prefect, job, at) for at in times]


# --- one trigger per tick -------------------------------------------------------------------------


async def test_each_of_the_seven_leaves_one_trigger_per_tick_for_a_consumer_that_comes_later(
    parts: Orchestra, prefect: PrefectClient
) -> None:
    parts.worker.start()
    at = utc_now()
    runs = [await tick(prefect, job, at) for job in SEVEN for _ in range(2)]  # as by two schedulers
    assert {"Completed"} == {name for name, _ in await ended(parts, prefect, *runs)}

    async with consumer_of(parts) as consumer:
        for job in SEVEN:
            await consumer.got(job)

    assert sorted(SEVEN) == sorted(envelope["data"]["job"] for envelope in consumer.envelopes)
    for envelope, message_id in zip(consumer.envelopes, consumer.message_ids, strict=True):
        job = envelope["data"]["job"]
        assert ids.job_trigger_event_id(job, at.isoformat()) == envelope["id"] == message_id
        assert ("workflow.job.trigger", ids.SYSTEM_TENANT) == (
            envelope["type"],
            envelope["tenantId"],
        )
        assert JOB_BY_ID[job].cron == envelope["data"]["metadata"]["schedule"]
    for run in runs:
        assert f"{at:%Y-%m-%d %H:%M}" in (await prefect.read_flow_run(run.id)).name


async def test_after_an_outage_each_job_gets_what_its_rule_says(
    parts: Orchestra, consumer: BatchWorker, prefect: PrefectClient
) -> None:
    """The worker is killed, three ticks of three jobs pass, another worker starts."""
    parts.worker.start()
    await ended(parts, prefect, await tick(prefect, "model-monitoring"))
    parts.worker.kill()
    passed = [utc_now() - timedelta(hours=hours) for hours in (3, 2, 1)]
    all_of_them, latest, none = [
        await ticks(prefect, job, *passed)
        for job in ("risk-snapshot-backfill", "risk-clustering", "propagation")
    ]

    parts.worker.start()

    assert ["Completed"] * 3 == [name for name, _ in await ended(parts, prefect, *all_of_them)]
    states = await ended(parts, prefect, *latest)
    assert ["Skipped", "Skipped", "Completed"] == [name for name, _ in states]
    assert (
        f"runs only the latest of late ticks, and {passed[2]:%Y-%m-%d %H:%M:%S} UTC is due"
        in states[0][1]
    )
    states = await ended(parts, prefect, *none)
    assert ["Skipped"] * 3 == [name for name, _ in states]
    assert "propagation skips late ticks" in states[0][1]

    sent_ticks = {
        job: [data["metadata"]["scheduledFor"] for data in consumer.of(job)] for job in SEVEN
    }
    as_sent = [moment.isoformat().replace("+00:00", "Z") for moment in passed]
    assert sorted(as_sent) == sorted(
        moment.replace("+00:00", "Z") for moment in sent_ticks["risk-snapshot-backfill"]
    )
    assert [as_sent[2]] == [
        moment.replace("+00:00", "Z") for moment in sent_ticks["risk-clustering"]
    ]
    assert [] == sent_ticks["propagation"]


async def test_a_worker_killed_in_the_middle_of_a_tick_sends_its_trigger_once(
    parts: Orchestra, consumer: BatchWorker, prefect: PrefectClient
) -> None:
    parts.api.start()
    parts.worker.start(FAULT_POINT="job-accepted")
    run = await tick(prefect, "outcome-sync")
    await parts.worker.died()

    parts.worker.start()

    [(name, _)] = await ended(parts, prefect, run)
    assert ("Completed", 1) == (name, len(consumer.envelopes))


async def test_a_tick_while_the_broker_is_down_is_sent_when_it_is_back(
    parts: Orchestra, prefect: PrefectClient, rabbitmq: RabbitMQNode
) -> None:
    parts.worker.start()
    await ended(
        parts, prefect, await tick(prefect, "outcome-sync", utc_now() - timedelta(seconds=1))
    )
    await asyncio.to_thread(rabbitmq.stop_app)
    try:
        run = await tick(prefect, "outcome-sync")
        await eventually(lambda: is_waiting_for_the_broker(parts), within_seconds=40)
    finally:
        await asyncio.to_thread(rabbitmq.start_app)

    [(name, _)] = await ended(parts, prefect, run)
    async with consumer_of(parts) as consumer:
        await consumer.got("outcome-sync", 2)
    assert ("Completed", 2) == (name, len(consumer.envelopes))


async def test_a_person_can_start_a_job_in_prefect_with_metadata(
    parts: Orchestra, consumer: BatchWorker, prefect: PrefectClient
) -> None:
    parts.worker.start()
    days = {"from": "2026-01-01", "to": "2026-01-03"}
    good, as_text, bad, none = [
        await tick(prefect, "risk-snapshot-backfill", metadata=metadata)
        for metadata in (days, json.dumps(days), {"from": "now"}, "not JSON")
    ]

    assert ["Completed", "Completed", "Refused", "Refused"] == [
        name for name, _ in await ended(parts, prefect, good, as_text, bad, none)
    ]
    for refused in (bad, none):
        run = await prefect.read_flow_run(refused.id)
        assert ("FAILED", 1) == (run.state_type, run.run_count)
    assert [("api", "prefect", "2026-01-03")] * 2 == [
        (data["triggeredBy"], data["metadata"]["channel"], data["metadata"]["to"])
        for data in consumer.of("risk-snapshot-backfill")
    ]


# --- reports --------------------------------------------------------------------------------------


async def test_reports_end_the_oldest_run_and_make_ticks_give_way_to_earlier_runs(
    parts: Orchestra, consumer: BatchWorker, prefect: PrefectClient
) -> None:
    parts.listener.start()
    parts.worker.start()
    for job in ("account-health", "outcome-sync"):
        # This job was never reported, so an open run of it blocks nothing.
        await ended(parts, prefect, await tick(prefect, job), await tick(prefect, job))
        await consumer.got(job, 2)
        await consumer.report(job, error="no such container")
        await statuses(parts, job, "failed", "running")

    skipped, held = await tick(prefect, "account-health"), await tick(prefect, "outcome-sync")

    [(name, message)] = await ended(parts, prefect, skipped)
    assert ("Skipped", True) == (name, "account-health is still at work" in message)
    await statuses(parts, "outcome-sync", "failed", "running", "pending")
    assert 2 == len(consumer.of("outcome-sync"))
    await consumer.report("outcome-sync")
    assert ["Completed"] == [name for name, _ in await ended(parts, prefect, held)]
    await consumer.got("outcome-sync", 3)
    await statuses(parts, "outcome-sync", "failed", "completed", "running")

    for _ in range(2):
        await consumer.report("account-health")
    await eventually(lambda: log_says(parts, "belongs to no open run"))
    await statuses(parts, "account-health", "failed", "completed")
    assert 0 == await parts.bus.depth(f"{parts.settings.rabbitmq.queue}.dead-letters")


# --- by hand --------------------------------------------------------------------------------------


async def test_six_months_backfilled_are_twenty_six_triggers_without_gap_or_overlap(
    parts: Orchestra, consumer: BatchWorker
) -> None:
    command = (
        "jobs",
        "backfill",
        "risk-snapshot-backfill",
        "--from",
        "2026-01-01",
        "--to",
        "2026-06-30",
    )
    dry = await orchestrator(parts, *command, "--chunk", "7d", "--rate", "1/min", "--dry-run")
    assert (
        "26 triggers of risk-snapshot-backfill, 2026-01-01 to 2026-06-30; over 25 min; nothing "
        "was sent"
    ) in dry
    assert [] == consumer.envelopes

    for _ in range(2):  # the second time, all were sent before
        await orchestrator(
            parts, *command, "--chunk", "7d", "--rate", "none", "--request-id", "half a year"
        )

    triggers = await consumer.got("risk-snapshot-backfill", 26)
    assert 26 == len(triggers)
    ranges = sorted((data["metadata"]["from"], data["metadata"]["to"]) for data in triggers)
    days = [
        date.fromisoformat(first) + timedelta(days=n)
        for first, last in ranges
        for n in range(length(first, last))
    ]
    assert [date(2026, 1, 1) + timedelta(days=n) for n in range(181)] == days
    assert {("api", "cli")} == {
        (data["triggeredBy"], data["metadata"]["channel"]) for data in triggers
    }


# --- deployments ----------------------------------------------------------------------------------


def test_prefect_deploy_registers_all_without_a_question(
    prefect_server: PrefectServer, tmp_path: Path
) -> None:
    """On a server that has nothing but the work pool."""
    environment = prefect_server.client_environment() | {"COLUMNS": "200"}

    def prefect(*arguments: str) -> str:
        command = [sys.executable, "-m", "prefect", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    prefect("work-pool", "create", "workflow-orchestrator", "--type", "in-process", "--overwrite")
    output = prefect("deploy", "--all", "--prefect-file", "prefect.yaml")
    assert len(read_deployments()) == output.count("successfully created")

    listed = prefect("deployment", "ls")
    assert [] == [job.id for job in JOBS if f"batch-job/{job.id}" not in listed]
    shown = prefect("deployment", "inspect", "batch-job/outcome-sync")
    assert JOB_BY_ID["outcome-sync"].description in shown
    assert "0 1 * * *" in shown


async def test_prefects_scheduler_makes_runs_of_every_active_job(
    parts: Orchestra, prefect: PrefectClient
) -> None:
    """With some versions of its libraries it fails at every look, and nothing but
    its log states it.
    """

    async def scheduled() -> bool:
        made = [await runs_of(prefect, job) for job in SEVEN]
        return all(runs and all(run.auto_scheduled for run in runs) for runs in made)

    await eventually(scheduled, within_seconds=60, every_seconds=0.5)
    assert [] == await runs_of(prefect, "cais-learning")


# --- on the clock ---------------------------------------------------------------------------------


@pytest.mark.slow
async def test_on_real_crons_every_tick_is_one_message(
    tmp_path: Path, prefect_server: PrefectServer, rabbitmq: RabbitMQNode
) -> None:
    """All seven fire every minute for three minutes; then the worker is away for three more."""
    crons = {job.variable: "* * * * *" for job in JOBS if job.active}
    environment = {**real_parts(rabbitmq, tmp_path.name), **crons}
    async with whole_orchestra(tmp_path, prefect_server, **environment) as parts:
        with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
            async with consumer_of(parts) as consumer:
                try:
                    await fire_for_minutes(parts, consumer)
                finally:
                    await forget_deployments(prefect_server)


async def fire_for_minutes(parts: Orchestra, consumer: BatchWorker) -> None:
    parts.api.start()
    parts.worker.start()
    for job in SEVEN:
        await consumer.got(job, 3, within_seconds=300)
    parts.worker.kill()
    killed_at = utc_now()
    before = {job: len(consumer.of(job)) for job in SEVEN}
    assert {
        job: len({data["metadata"]["scheduledFor"] for data in consumer.of(job)}) for job in SEVEN
    } == before

    await eventually(
        lambda: is_past(killed_at + timedelta(minutes=3, seconds=30)), within_seconds=300
    )
    parts.worker.start()
    began_at = utc_now()
    await consumer.got(
        "risk-snapshot-backfill", before["risk-snapshot-backfill"] + 4, within_seconds=150
    )

    for job in SEVEN:
        moments = [
            datetime.fromisoformat(data["metadata"]["scheduledFor"]) for data in consumer.of(job)
        ]
        assert len(set(moments)) == len(moments), "one message per tick"
    late = {
        job: [at for at in scheduled_for(consumer, job) if killed_at < at < began_at]
        for job in SEVEN
    }
    on_time = began_at - timedelta(seconds=60)
    assert len([at for at in late["risk-snapshot-backfill"] if at < on_time]) in (2, 3)
    assert [] == [at for at in late["propagation"] if at < on_time]
    assert [] == [at for at in late["risk-clustering"] if at < on_time]


def scheduled_for(consumer: BatchWorker, job: str) -> list[datetime]:
    return sorted(
        datetime.fromisoformat(data["metadata"]["scheduledFor"]) for data in consumer.of(job)
    )


async def forget_deployments(server: PrefectServer) -> None:
    """No later test sees these schedules and their runs."""
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        async with get_client() as prefect:
            for job in JOBS:
                deployment = await prefect.read_deployment_by_name(f"{WORKFLOW}/{job.id}")
                await prefect.delete_deployment(deployment.id)


# --- looking --------------------------------------------------------------------------------------


async def statuses(parts: Orchestra, job: str, *expected: str) -> None:
    """The job's executions, oldest first, have these statuses."""
    seen: list[str] = []

    async def look() -> bool:
        seen[:] = [execution.status for execution in await executions_of(parts, job)]
        return seen == list(expected)

    try:
        await eventually(look, within_seconds=30)
    except AssertionError:
        raise AssertionError(f"{seen} is not {expected}\n{parts.logs()}") from None


async def is_past(moment: datetime) -> bool:
    return utc_now() > moment


async def is_waiting_for_the_broker(parts: Orchestra) -> bool:
    return "waiting for the broker" in parts.worker.log


async def log_says(parts: Orchestra, text: str) -> bool:
    return text in parts.listener.log


async def orchestrator(parts: Orchestra, *arguments: str) -> str:
    """What the command says; it must succeed."""
    command = [sys.executable, "-m", "deployments.cli", *arguments]
    environment = dict(parts.environment)
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def length(first: str, last: str) -> int:
    return (date.fromisoformat(last) - date.fromisoformat(first)).days + 1
