"""`orchestrator workflows`, `events` and `ops`."""

import json
from pathlib import Path

import pytest

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.platform_events import POSTED
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Query
from blocks.services import open_bus, open_store
from blocks.topology import intake_queue
from deployments.bootstrap.provision import provision
from tests.unit.cli.test_cli import Cli, refusal


@pytest.fixture
async def orchestrator(tmp_path: Path) -> Cli:
    orchestrator = Cli(tmp_path / "data")
    await provision(orchestrator.settings)
    return orchestrator


async def test_a_workflow_is_triggered_once_a_request_and_shown(orchestrator: Cli) -> None:
    command = ("workflows", "trigger", "log-rotation", "--input", '{"why": "full"}')
    first = orchestrator.run(*command, "--request-id", "r1").stdout.splitlines()
    again = orchestrator.run(*command, "--request-id", "r1").stdout.splitlines()
    orchestrator.run(*command)

    assert first == again
    async with open_store(orchestrator.settings) as store:
        page = await store.query(SYSTEM_TENANT, Query(ExecutionRecord))
    assert [{"why": "full"}] * 2 == [stored.record.input for stored in page.items]
    runs = [
        json.loads(line)
        for line in orchestrator.run("workflows", "history", "--json").stdout.splitlines()
    ]
    assert 2 == len(runs)
    assert first[0] == runs[1]["runId"]
    assert first[0] in orchestrator.run("workflows", "status", "log-rotation").stdout
    assert "log-rotation" in orchestrator.run("workflows", "list").stdout
    listed = [
        json.loads(line)
        for line in orchestrator.run("workflows", "list", "--json").stdout.splitlines()
    ]
    [rotation] = [one for one in listed if one["workflow"] == "log-rotation"]
    assert runs[0]["runId"] == rotation["lastRun"]["runId"]
    assert (None, "nothing is configured for it: set LOG_ROTATION_PATHS") == (
        rotation["nextRun"],
        rotation["inactive"],
    )


async def test_an_event_is_published_under_its_id(orchestrator: Cli) -> None:
    named = orchestrator.run("events", "publish", "order.placed", "--id", "evt_1").stdout.strip()
    drawn = orchestrator.run("events", "publish", "order.placed", "--payload", "[7]").stdout.strip()

    async with open_bus(orchestrator.settings, "test") as bus:
        messages = await bus.peek(intake_queue(orchestrator.settings).name)
    assert [("evt_1", POSTED), (drawn, POSTED)] == [(one.id, one.routing_key) for one in messages]
    assert "evt_1" == named
    assert [{}, [7]] == [json.loads(one.body)["payload"] for one in messages]
    assert "no events" in orchestrator.run("events", "list").stdout


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("workflows", "trigger", "nope"), "Workflow not found: nope"),
        (("workflows", "trigger", "log-rotation", "--input", "[1]"), "--input"),
        (("workflows", "status", "nope"), "Workflow not found: nope"),
        (("events", "publish", "shard.updated"), "own"),
        (("events", "publish", "no type"), "words of letters"),
        (("events", "publish", "order.placed", "--payload", "{"), "order.placed"),
    ],
)
async def test_what_makes_no_sense_is_one_line(
    orchestrator: Cli, command: tuple[str, ...], problem: str
) -> None:
    assert problem in refusal(orchestrator.run(*command))


async def test_logs_are_rotated_now(orchestrator: Cli, tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text("one\n")
    paths = {"LOG_ROTATION_PATHS": f"{tmp_path}/*.log"}

    figures = json.loads(orchestrator.run("ops", "log-rotation", "now", "--json", **paths).stdout)

    assert 1 == figures["rotate-logs"]["logsRotated"]
    assert "0" in orchestrator.run("ops", "log-rotation", "now", **paths).stdout
    assert "LOG_ROTATION_PATHS" in orchestrator.run("ops", "log-rotation", "now").stderr
