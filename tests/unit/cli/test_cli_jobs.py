"""`orchestrator jobs`: what it lists and sends, and one readable line for what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from blocks.contracts.jobs import JOBS
from blocks.services import open_bus
from blocks.topology import batch_jobs_queue
from deployments.bootstrap.provision import provision
from tests.support.factories import A_TENANT
from tests.unit.cli.test_cli import Cli, refusal

BACKFILL = ("backfill", "risk-snapshot-backfill", "--from", "2026-01-01", "--to", "2026-01-31")


@pytest.fixture
async def orchestrator(tmp_path: Path) -> Cli:
    orchestrator = Cli(tmp_path / "data")
    await provision(orchestrator.settings)
    return orchestrator


async def sent(orchestrator: Cli) -> list[dict[str, Any]]:
    async with open_bus(orchestrator.settings, "test") as bus:
        messages = await bus.peek(batch_jobs_queue(orchestrator.settings).name)
    return [json.loads(message.body)["data"] for message in messages]


async def test_jobs_are_listed_with_their_next_and_last_runs(orchestrator: Cli) -> None:
    orchestrator.run("jobs", "trigger", "outcome-sync")

    lines = orchestrator.run("jobs", "list").stdout.splitlines()
    as_json = [
        json.loads(line) for line in orchestrator.run("jobs", "list", "--json").stdout.splitlines()
    ]

    assert (
        [job.id for job in JOBS]
        == [line.split()[0] for line in lines[1:]]
        == [job["job"] for job in as_json]
    )
    assert "cli" in lines[2]
    assert "triggered, not reported yet" in lines[2]
    assert "inactive" in lines[-1]
    assert ("running", None) == (as_json[1]["lastRun"]["status"], as_json[0].get("lastRun"))


async def test_a_job_is_triggered_with_its_metadata(orchestrator: Cli) -> None:
    run = orchestrator.run(
        "jobs", "trigger", "industry-benchmarks", "--tenant", A_TENANT, "--period", "2026-Q1"
    )

    [data] = await sent(orchestrator)
    assert ("industry-benchmarks", "api", "cli") == (
        data["job"],
        data["triggeredBy"],
        data["metadata"]["channel"],
    )
    del data["metadata"]["triggeredAt"]
    metadata = {"tenantIds": [A_TENANT], "period": "2026-Q1", "channel": "cli"}
    assert metadata == data["metadata"]
    shown = orchestrator.run(*run.stdout.splitlines()[1].split()[1:])
    assert "industry-benchmarks" in shown.stdout


async def test_a_repeated_request_id_triggers_once(orchestrator: Cli) -> None:
    for _ in range(2):
        assert (
            0 == orchestrator.run("jobs", "trigger", "propagation", "--request-id", "r").returncode
        )
    assert 1 == len(await sent(orchestrator))


async def test_an_interrupted_backfill_goes_on_where_it_stopped(orchestrator: Cli) -> None:
    first = [*BACKFILL[:-1], "2026-01-14"]
    orchestrator.run("jobs", *first, "--rate", "none", "--request-id", "r")

    rest = orchestrator.run("jobs", *BACKFILL, "--rate", "none", "--request-id", "r").stdout

    assert ["2026-01-01", "2026-01-08", "2026-01-15", "2026-01-22", "2026-01-29"] == [
        data["metadata"]["from"] for data in await sent(orchestrator)
    ]
    assert 2 == rest.count("sent before")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (
            ("trigger", "outcome-sink"),
            "job is 'outcome-sink'; accepted: risk-snapshot-backfill, outcome-sync",
        ),
        (
            ("trigger", "outcome-sync", "--from", "2026-01-01"),
            "from is not taken by outcome-sync; accepted: tenantIds",
        ),
        (("trigger", "propagation", "--tenant", "acme"), "tenantIds is ['acme']; accepted: "),
        (("trigger", "cais-learning", "--outcomes-days", "none"), "--outcomes-days"),
        (
            ("trigger", "risk-snapshot-backfill", "--from", "2026-02-30", "--to", "2026-03-01"),
            "from is '2026-02-30'; accepted: a date, YYYY-MM-DD",
        ),
        (
            ("backfill", "risk-snapshot-backfill", "--from", "2026-02-01", "--to", "2026-01-01"),
            "to is 2026-01-01",
        ),
        (
            ("backfill", "outcome-sync", "--from", "2026-01-01", "--to", "2026-01-02"),
            "takes no range of days",
        ),
        ((*BACKFILL, "--chunk", "0d"), "chunk is '0d'; accepted: whole days"),
        ((*BACKFILL, "--chunk", "-7d"), "chunk is '-7d'"),
        ((*BACKFILL, "--rate", "0/min"), "rate is '0/min'; accepted: triggers per time"),
        ((*BACKFILL, "--rate", "fast"), "rate is 'fast'"),
    ],
)
async def test_bad_input_is_one_line_and_exit_code_2(
    orchestrator: Cli, arguments: tuple[str, ...], named: str
) -> None:
    run = orchestrator.run("jobs", *arguments)

    assert 2 == run.returncode
    assert named in refusal(run)
    assert [] == await sent(orchestrator)
