"""What the API refuses the command line refuses, and wrong input of any kind is one line that says
what is wrong.
"""

import asyncio
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from api.dead_letters import documents as letters
from api.executions import documents
from blocks.contracts.reading import limits
from blocks.services import open_store
from blocks.settings import BadSetting
from deployments.cli.actions.job_backfill import TRIGGERS_MAX
from deployments.cli.app import cli
from deployments.cli.arguments import Finite
from tests.support.factories import A_TENANT, an_execution
from tests.unit.cli.test_cli import Cli, commands, refusal

LONG = "a" * 201
BACKFILL = ("jobs", "backfill", "risk-snapshot-backfill")


@pytest.fixture
def orchestrator(tmp_path: Path) -> Cli:
    return Cli(tmp_path / "data")


# --- the same limits ------------------------------------------------------------------------------


def type_of(document: Any, name: str) -> msgspec.inspect.Type:
    struct = msgspec.inspect.type_info(document)
    assert isinstance(struct, msgspec.inspect.StructType)
    [found] = [field.type for field in struct.fields if field.name == name]
    return found.type if isinstance(found, msgspec.inspect.Metadata) else found


@pytest.mark.parametrize(
    ("document", "field", "limit"),
    [
        (documents.NewExecution, "subject", limits.Subject),
        (documents.NewExecution, "workflow", limits.Workflow),
        (documents.Cancellation, "reason", limits.CancelReason),
        (letters.DeadLetterDiscard, "reason", limits.DiscardReason),
    ],
)
def test_the_api_and_the_command_line_take_the_same(document: Any, field: str, limit: Any) -> None:
    ours, apis = msgspec.inspect.type_info(limit), type_of(document, field)
    assert isinstance(ours, msgspec.inspect.StrType)
    assert isinstance(apis, msgspec.inspect.StrType)
    assert (ours.min_length, ours.max_length, ours.pattern) == (
        apis.min_length,
        apis.max_length,
        apis.pattern,
    )


def options() -> list[tuple[str, click.Parameter]]:
    found = []
    for path in commands(cli):
        command: click.Command = cli
        for name in path:
            assert isinstance(command, click.Group)
            command = command.commands[name]
        found += [(" ".join(path), option) for option in command.params]
    return found


def test_no_option_takes_a_number_without_bounds_or_one_that_is_none() -> None:
    for command, option in options():
        if isinstance(option.type, click.FloatRange):
            assert isinstance(option.type, Finite), f"{command} {option.name}"
        assert not isinstance(option.type, click.types.FloatParamType) or isinstance(
            option.type, Finite
        ), command


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("executions", "start", ""), "SUBJECT"),
        (("executions", "start", "   "), "SUBJECT"),
        (("executions", "start", LONG), "SUBJECT"),
        (("executions", "start", "x", "--key", ""), "--key"),
        (("executions", "start", "x", "--key", LONG), "--key"),
        (("executions", "start", "x", "--key", "schlüssel"), "--key"),
        (("executions", "start", "x", "--priority", "10"), "--priority"),
        (("executions", "start", "x", "--as", LONG), "--as"),
        (("executions", "cancel", "x", "--reason", ""), "--reason"),
        (("executions", "cancel", "x", "--reason", "a" * 501), "--reason"),
        (("approvals", "approve", "x", "--as", ""), "--as"),
        (("approvals", "approve", "x", "--as", "ann", "--reason", "a" * 4001), "--reason"),
        (("dead-letters", "discard", "x", "--reason", " "), "--reason"),
        (("dead-letters", "discard", "x", "--reason", "a" * 501), "--reason"),
        (("dead-letters", "replay", "--all", "--rate", "nan"), "--rate"),
        (("dead-letters", "list", "--older-than", "999999d"), "--older-than"),
        (("dispatch", "set", "--weight", "nan"), "--weight"),
        (("dispatch", "set", "--weight", "inf"), "--weight"),
        (("dispatch", "set", "--running-max", "99999999999999999999"), "--running-max"),
        (("demo", "--timeout", "nan"), "--timeout"),
        (("simulators", "--share", "nan"), "--share"),
        (("keys", "create", "--name", "a b", "--role", "viewer"), "--name"),
        (("keys", "create", "--name", "a", "--role", "god"), "--role"),
        (("keys", "create", "--name", "a", "--role", "viewer", "--days", "0"), "--days"),
        (("jobs", "trigger", "outcome-sync", "--request-id", ""), "--request-id"),
        (("jobs", "trigger", "outcome-sync", "--tenant", "acme"), "tenantIds"),
        ((*BACKFILL, "--from", "1900-01-01", "--to", "2100-01-01", "--chunk", "1d"),
         str(TRIGGERS_MAX)),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_what_the_api_would_refuse_is_refused_in_one_line(
    orchestrator: Cli, arguments: tuple[str, ...], what: str
) -> None:
    run = orchestrator.run(*arguments, ORCHESTRATOR_TENANT=A_TENANT)
    assert run.returncode == 2
    assert what in refusal(run)


def test_a_backfill_to_the_last_day_there_is_ends_there(orchestrator: Cli) -> None:
    days = ("--from", "2199-12-01", "--to", "2199-12-31", "--chunk", "99999d")
    run = orchestrator.run("jobs", "backfill", "risk-snapshot-backfill", *days, "--dry-run")
    assert (run.returncode, run.stderr) == (0, "")
    assert "1 trigger of risk-snapshot-backfill, 2199-12-01 to 2199-12-31" in run.stdout


# --- what cannot be reached, read or shown --------------------------------------------------------


def test_a_broker_whose_host_is_unknown_is_one_line(orchestrator: Cli, tmp_path: Path) -> None:
    event = {
        "type": "integration.opportunity.updated",
        "tenantId": A_TENANT,
        "data": {"opportunityId": A_TENANT},
    }
    (tmp_path / "event.json").write_text(json.dumps(event))
    run = orchestrator.run(
        "emit", str(tmp_path / "event.json"), RABBITMQ_URL="amqp://u:s3cret99@no-such-host.invalid/"
    )
    assert run.returncode == 1
    assert "no-such-host.invalid" in refusal(run)
    assert "s3cret99" not in run.stderr


def test_a_configuration_file_that_is_no_text_is_one_line(
    orchestrator: Cli, tmp_path: Path
) -> None:
    (tmp_path / "own.yaml").write_bytes(b"\xff\xfe\x00")
    run = orchestrator.run("settings", ORCHESTRATOR_CONFIG=str(tmp_path / "own.yaml"))
    assert run.returncode == 2
    assert "own.yaml is not UTF-8 text" in refusal(run)


async def test_an_account_key_that_is_none_is_refused_by_its_setting(orchestrator: Cli) -> None:
    cosmos = {"COSMOS_DB_ENDPOINT": "https://localhost:1/", "COSMOS_DB_KEY": "s3cret-no-key"}
    run = orchestrator.run("executions", "list", "--tenant", A_TENANT, **cosmos)
    assert run.returncode == 2
    assert "COSMOS_DB_KEY" in refusal(run)
    assert "s3cret" not in run.stderr
    assert issubclass(BadSetting, Exception)


async def test_a_terminal_that_cannot_show_a_character_gets_its_number(orchestrator: Cli) -> None:
    async with open_store(orchestrator.settings) as store:
        await store.create(A_TENANT, an_execution(subject="株式会社 – ünïcode"))
    run = orchestrator.run(
        "executions", "list", "--tenant", A_TENANT, PYTHONIOENCODING="ascii", COLUMNS="10"
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert r"\u682a\u5f0f\u4f1a\u793e \u2013 \xfcn\xefcode" in run.stdout


def test_a_reader_that_goes_away_ends_the_command_without_a_word(orchestrator: Cli) -> None:
    command = [sys.executable, "-m", "deployments.cli", "schemas"]
    with subprocess.Popen(
        command,
        env=orchestrator.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.readline()
        run.stdout.close()
        assert "" == run.stderr.read()
    assert run.returncode in (0, 1)  # what fits into the pipe was written before it was closed


# --- the data folder ------------------------------------------------------------------------------


def modes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): oct(stat.S_IMODE(path.stat().st_mode))
        for path in sorted(folder.rglob("*"))
    }


def test_what_a_command_writes_is_for_its_owner_alone(orchestrator: Cli) -> None:
    """Also what was there before, as an earlier version left it."""
    folder = Path(orchestrator.settings.data_dir)
    folder.mkdir(mode=0o755)
    (folder / "records.db").touch(mode=0o644)

    assert orchestrator.run("executions", "start", "x", "--tenant", A_TENANT).returncode == 0
    found = asyncio.run(modes_while_open(orchestrator, folder))

    assert "0o700" == oct(stat.S_IMODE(folder.stat().st_mode))
    assert {"0o600"} == set(found.values())
    assert {"bus.db", "records.db", "records.db-wal", "records.db-shm"} <= found.keys()


async def modes_while_open(orchestrator: Cli, folder: Path) -> dict[str, str]:
    """SQLite keeps its log and its index only while a process has the file open."""
    async with open_store(orchestrator.settings):
        return await asyncio.to_thread(modes, folder)


def test_without_a_command_help_is_shown_and_is_no_error() -> None:
    shown = subprocess.run(
        [Path(sys.executable).with_name("orchestrator")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 2 == shown.returncode
    assert shown.stderr.startswith("Usage: orchestrator")
