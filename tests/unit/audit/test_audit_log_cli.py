"""The audit log at a terminal: every command that changes something leaves one entry, and `audit
list` shows it.
"""

import asyncio
import getpass
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import msgspec
import pytest
from click.testing import CliRunner, Result

from api.audit import documents
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.contracts import ids
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord, Record
from blocks.contracts.records.audit import AuditEntry
from blocks.contracts.records.claims import ClaimRecord
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.ports import Query, Queue
from blocks.security import api_keys
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from deployments.bootstrap.provision import provision
from deployments.cli.acts import ACTION_OF, NOT_AUDITED
from deployments.cli.app import cli
from tests.support.api.every_route import a_record
from tests.support.audit_log import entries, intents
from tests.support.factories import (
    A_TENANT,
    a_stand_in,
    a_webhook,
    an_approval,
    an_approval_asked_back,
    an_execution,
    now,
)
from tests.support.older_service import left_behind, older_workflow
from tests.support.payouts.packets import a_fee
from tests.support.payouts.payments import a_claim
from tests.support.servers.ports import free_port

READING = (
    *("audit list", "claims log", "executions missing", "executions deletable"),
    *("workflows status", "workflows history"),
    *("openapi", "schemas", "settings", "version"),
)
ME = f"cli:{getpass.getuser()}"


class Terminal:
    """Commands in this process, on a data folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.environment = {
            "ORCHESTRATOR_DATA_DIR": str(folder),
            "ORCHESTRATOR_TENANT": A_TENANT,
            # no stack that happens to run on this machine is asked
            "PREFECT_SERVER_PORT": str(free_port()),
        }
        self.settings = load_settings(self.environment)
        self.file = folder / "event.json"

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, obj={}, env=self.environment)

    def holds(self, record: Record) -> Record:
        return asyncio.run(self._create(record))

    def holds_a_letter(self) -> Record:
        return asyncio.run(self._letter())

    def holds_an_older_workflow(self) -> None:
        asyncio.run(self._older_workflow())

    def log(self) -> list[AuditEntry]:
        """Of the tenant and of the platform."""
        return asyncio.run(self._log())

    async def _create(self, record: Record) -> Record:
        async with open_store(self.settings) as store:
            return (await store.create(record.tenant_id, record)).record

    async def _older_workflow(self) -> None:
        async with SqliteRecordStore(self.file.parent / "records.db") as store:
            await left_behind(store, "workflow_workflows", older_workflow())

    async def _letter(self) -> Record:
        async with open_store(self.settings) as store, open_bus(self.settings, "test") as bus:
            await bus.declare(Queue(name="a-queue", bindings=[]))
            return await a_record(store, DeadLetterRecord, A_TENANT)

    async def _log(self) -> list[AuditEntry]:
        async with open_store(self.settings) as store:
            assert [] == await intents(store)
            return [*await entries(store), *await entries(store, SYSTEM_TENANT)]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    asyncio.run(provision(terminal.settings))
    with patch.dict(os.environ):  # through it, commands inform Prefect where its server is
        yield terminal


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield " ".join((*path, name))
            yield from leaves(command, (*path, name))
        else:
            yield " ".join((*path, name))


def test_every_command_is_logged_or_only_reads_or_has_a_reason() -> None:
    reading = {name for name in leaves(cli) if name.endswith((" list", " show"))} | set(READING)

    assert set(leaves(cli)) == {*ACTION_OF, *NOT_AUDITED, *reading}
    assert all(NOT_AUDITED.values())


# --- every command --------------------------------------------------------------------------------


def ended(status: str) -> ExecutionRecord:
    return an_execution(status=status, completed_at=now(), announced_at=now())


def a_key(terminal: Terminal) -> str:
    terminal.run(
        "keys", "create", "--name", "billing", "--role", "viewer", "--as", "another person"
    )

    async def prefix() -> str:
        async with open_store(terminal.settings) as store:
            return (await api_keys.keys_of(store, A_TENANT))[0].prefix

    return asyncio.run(prefix())


def a_file(terminal: Terminal, content: Any) -> str:
    terminal.file.write_bytes(msgspec.json.encode(content))
    return str(terminal.file)


def with_a_definition(terminal: Terminal) -> list[str]:
    terminal.run("definitions", "set", a_file(terminal, {"enabled": False}), "--as", "bob")
    return []


def a_mismatched_fee(terminal: Terminal) -> list[str]:
    claim = terminal.holds(a_claim())
    assert isinstance(claim, ClaimRecord)
    terminal.holds(a_fee(claim, status="mismatched", mismatch="the fee is not stated"))
    return [claim.claim_id, "--user", claim.user_id, "--charge", "ch-7"]


def with_a_share(terminal: Terminal) -> list[str]:
    terminal.run("dispatch", "set", "--tenant", A_TENANT, "--weight", "3", "--as", "bob")
    return ["--tenant", A_TENANT]


def with_an_older_workflow(terminal: Terminal) -> list[str]:
    terminal.holds_an_older_workflow()
    return ["--apply"]


def an_edited_event() -> dict[str, Any]:
    data = {"opportunityId": "opportunity-1"}
    return {
        "id": "event-1",
        "type": "integration.opportunity.updated",
        "tenantId": A_TENANT,
        "data": data,
    }


def with_a_stand_in(terminal: Terminal) -> list[str]:
    terminal.holds(a_stand_in(id=ids.stand_in_id(A_TENANT, "ann")))
    return ["ann"]


OF_A_PERSON = ("approvals approve", "approvals reject", "approvals ask", "stand-ins name")

GOOD: Mapping[str, Callable[[Terminal], list[str]]] = {
    "executions start": lambda terminal: ["opportunity-1"],
    "executions cancel": lambda terminal: [terminal.holds(an_execution()).id],
    "executions retry": lambda terminal: [terminal.holds(ended("failed")).id],
    "executions rerun": lambda terminal: [terminal.holds(ended("completed")).id],
    "approvals approve": lambda terminal: [
        terminal.holds(an_approval(execution_id=None)).id,
        "--as",
        "ann",
    ],
    "approvals reject": lambda terminal: [
        *(terminal.holds(an_approval(execution_id=None)).id, "--as", "ann"),
        *("--reason", "too risky"),
    ],
    "approvals ask": lambda terminal: [
        *(terminal.holds(an_approval(execution_id=None)).id, "--as", "ann"),
        *("--text", "Why so much?"),
    ],
    "approvals answer": lambda terminal: [
        *(terminal.holds(an_approval_asked_back()).id, "--text", "A discount.")
    ],
    "stand-ins name": lambda terminal: [
        *("bob", "--as", "ann", "--until", f"{now() + timedelta(days=7):%Y-%m-%d}")
    ],
    "stand-ins end": with_a_stand_in,
    "definitions set": lambda terminal: [a_file(terminal, {"enabled": False})],
    "definitions reset": with_a_definition,
    "claims settle-fee": a_mismatched_fee,
    "workflows trigger": lambda terminal: ["log-rotation"],
    "jobs trigger": lambda terminal: ["outcome-sync"],
    "jobs backfill": lambda terminal: [
        "risk-snapshot-backfill",
        "--from",
        "2026-01-01",
        "--to",
        "2026-01-02",
    ],
    "dispatch set": lambda terminal: ["--tenant", A_TENANT, "--weight", "3"],
    "dispatch reset": with_a_share,
    "webhooks add": lambda terminal: ["https://hooks.customer.example/approvals"],
    "webhooks rotate": lambda terminal: [terminal.holds(a_webhook()).id],
    "webhooks remove": lambda terminal: [terminal.holds(a_webhook()).id],
    "keys create": lambda terminal: ["--name", "billing", "--role", "viewer"],
    "keys revoke": lambda terminal: [a_key(terminal)],
    "login-link": lambda terminal: [],
    "dead-letters edit": lambda terminal: [
        terminal.holds_a_letter().id,
        "--file",
        a_file(terminal, an_edited_event()),
    ],
    "dead-letters replay": lambda terminal: [terminal.holds_a_letter().id],
    "dead-letters discard": lambda terminal: [terminal.holds_a_letter().id, "--reason", "a test"],
    "migrate": with_an_older_workflow,
}


@pytest.mark.parametrize("command", ACTION_OF)
def test_a_change_leaves_one_entry(terminal: Terminal, command: str) -> None:
    arguments = GOOD[command](terminal)
    before = len(terminal.log())

    run = terminal.run(*command.split(), *arguments)

    assert (0, None) == (run.exit_code, run.exception), run.output
    # A terminal decides for no one: whoever decides is named.
    actor = "ann" if command in OF_A_PERSON else ME
    [entry] = [one for one in terminal.log() if one.actor == actor]
    assert before + 1 == len(terminal.log())
    assert (ACTION_OF[command], "done", "terminal", "cli") == (
        entry.action,
        entry.result,
        entry.credential,
        entry.channel,
    )
    assert entry.changes


def test_what_is_refused_leaves_nothing(terminal: Terminal) -> None:
    done = terminal.holds(ended("completed"))

    for command in ("cancel", "retry"):
        assert 0 != terminal.run("executions", command, done.id).exit_code

    assert [] == terminal.log()


# --- who ------------------------------------------------------------------------------------------


def test_a_command_can_be_given_in_another_persons_name(terminal: Terminal) -> None:
    failed = terminal.holds(ended("failed"))
    terminal.run("executions", "retry", failed.id, "--as", "ann")
    terminal.environment["ORCHESTRATOR_USER"] = "bob"
    terminal.run("executions", "cancel", failed.id)

    assert ["ann", "bob"] == [entry.actor for entry in terminal.log()]


def test_the_record_says_who_started_retried_or_repeated_it(terminal: Terminal) -> None:
    failed, completed = terminal.holds(ended("failed")), terminal.holds(ended("completed"))
    terminal.run("executions", "start", "opportunity-1", "--as", "ann")
    terminal.run("executions", "retry", failed.id)
    terminal.run("executions", "rerun", completed.id, "--as", "bob")

    retried, _, started, rerun = asyncio.run(all_executions(terminal))

    assert ME == retried.previous_outcomes[0].retried_by
    assert ["ann", "bob"] == [one.triggers[0].actor for one in (started, rerun)]


async def all_executions(terminal: Terminal) -> list[ExecutionRecord]:
    async with open_store(terminal.settings) as store:
        page = await store.query(A_TENANT, Query(ExecutionRecord, newest_first=False))
    return [stored.record for stored in page.items]


# --- audit list -----------------------------------------------------------------------------------


def test_the_log_is_listed_with_what_changed(terminal: Terminal) -> None:
    execution = terminal.holds(an_execution())
    terminal.run("executions", "cancel", execution.id, "--as", "ann", "--reason", "lost")

    shown = terminal.run("audit", "list").output

    assert "ann" in shown
    assert "execution.cancel" in shown
    assert f'execution {execution.id}: status "pending" → "cancelled"' in shown
    assert "no entries\n" == terminal.run("audit", "list", "--actor", "bob").output
    assert "no entries\n" == terminal.run("audit", "list", "--until", "2026-01-01").output
    [line] = terminal.run("audit", "list", "--target", execution.id, "--json").output.splitlines()
    assert "lost" == msgspec.json.decode(line, type=documents.AuditEntry).changes[0].after["error"]  # type: ignore[index]
