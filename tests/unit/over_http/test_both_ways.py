"""Every command that `--api` takes to the API prints what it prints from the store: both are run on
one store, beside a real API process.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import click
import httpx
import pytest
from click.testing import Result

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.operations import EventRecord
from blocks.services import open_store
from deployments.bootstrap.provision import provision
from deployments.cli.app import cli
from deployments.cli.over_http import OVER_HTTP, Access
from tests.support.factories import (
    A_TENANT,
    a_stand_in,
    a_step,
    a_webhook,
    an_approval,
    an_execution,
    new_id,
    now,
)
from tests.support.servers.ports import free_port
from tests.unit.audit.test_audit_log_cli import GOOD, Terminal, leaves
from tests.unit.cli.test_cli import commands

OF_THE_PLATFORM = ("jobs", "workflows", "events")
UNTIL = ("--until", f"{now() + timedelta(days=7):%Y-%m-%d}")
ROLES = ("--role", "admin", "--role", "operator", "--role", "approver")


class System(Terminal):
    """A terminal on a data folder, and the API that serves it on a port of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.environment |= {
            "PORT": self.url.rpartition(":")[2],
            "PREFECT_API_URL": f"http://127.0.0.1:{self.environment['PREFECT_SERVER_PORT']}/api",
            "METRICS_PORT": str(free_port()),
        }
        self.keys: dict[str, str] = {}

    def over_http(self, *arguments: str) -> Result:
        tenant = SYSTEM_TENANT if arguments[0] in OF_THE_PLATFORM else A_TENANT
        access = ("--api", self.url, "--key", self.keys[tenant], "--key-tenant", tenant)
        return self.run(*access, *arguments)

    def make_keys(self) -> None:
        for tenant in (A_TENANT, SYSTEM_TENANT):
            of = ("--tenant", tenant, "--name", "tests", "--acts-for-users")
            made = self.run("keys", "create", *of, *ROLES)
            self.keys[tenant] = made.stdout.split()[1]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(tmp_path_factory.mktemp("system"))
    with patch.dict(os.environ):  # through it, commands inform Prefect where its server is
        asyncio.run(provision(system.settings))
        system.make_keys()
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments.cli", "api"],
            env={**os.environ, **system.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            answers(system.url)
            yield system
        finally:
            process.terminate()
            process.wait(30)


def answers(url: str) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        try:
            httpx.get(f"{url}/health").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the API has not started")


# --- reading --------------------------------------------------------------------------------------


def an_id(listed: tuple[str, ...], name: str = "id") -> Callable[[System], str]:
    """That of the first that this command lists."""

    def find(system: System) -> str:
        return str(json.loads(system.run(*listed, "--json").stdout.splitlines()[0])[name])

    return find


def held(system: System) -> None:
    """Of each kind more than a page of the API, or at least something to see."""
    with_steps = an_execution(status="failed", error="no answer", error_code="step-timeout")
    system.holds(with_steps)
    system.holds(a_step(execution_id=with_steps.id, step="forecast", result={"confidence": 0.75}))
    asyncio.run(many_executions(system))
    system.holds(an_approval(execution_id=None))
    system.holds(an_approval(execution_id=None, subject="contract-7", opportunity_id=None))
    system.holds_a_letter()
    system.holds(a_stand_in())
    system.holds(a_webhook())
    system.holds(an_event())
    system.run("jobs", "trigger", "outcome-sync")
    system.run("workflows", "trigger", "log-rotation")
    system.run("definitions", "set", *GOOD["definitions set"](system), "--as", "ann")


async def many_executions(system: System) -> None:
    async with open_store(system.settings) as store:
        for _ in range(120):
            await store.create(A_TENANT, an_execution(status="completed"))


def an_event() -> EventRecord:
    return EventRecord(
        id=new_id(),
        tenant_id=SYSTEM_TENANT,
        created_at=now(),
        event_id="evt-1",
        event_type="order.placed",
        payload={"amount": 7},
        occurred_at=now(),
        source="shop",
        digest="0" * 64,
    )


READ: Mapping[str, tuple[tuple[str, ...], Callable[[System], str] | None]] = {
    "executions list": (("--limit", "115"), None),
    "executions show": ((), an_id(("executions", "list", "--status", "failed"))),
    "approvals list": (("--status", "all"), None),
    "approvals show": ((), an_id(("approvals", "list"))),
    "definitions show": ((), None),
    "jobs list": ((), None),
    "workflows list": ((), None),
    "workflows status": (("log-rotation",), None),
    "workflows history": (("--limit", "5"), None),
    "events list": ((), None),
    "stand-ins list": ((), None),
    "webhooks list": ((), None),
    "keys list": ((), None),
    "dead-letters list": (("--tenant", A_TENANT, "--code", "schema-invalid"), None),
    "dead-letters show": (("--tenant", A_TENANT), an_id(("dead-letters", "list"))),
    "audit list": (("--action", "definition.set", "--since", "2026-01-01"), None),
}


@pytest.fixture(scope="module")
def filled(system: System) -> System:
    held(system)
    return system


@pytest.mark.parametrize("as_json", [False, True], ids=["table", "json"])
@pytest.mark.parametrize("command", READ)
def test_what_is_read_looks_the_same(filled: System, command: str, as_json: bool) -> None:
    options, find = READ[command]
    line = [*command.split(), *options, *([find(filled)] if find else [])]
    line += ["--json"] if as_json else []

    over_http, from_the_store = filled.over_http(*line), filled.run(*line)

    assert (0, 0) == (over_http.exit_code, from_the_store.exit_code), over_http.output
    assert from_the_store.stdout
    assert from_the_store.stdout == over_http.stdout


def test_pages_are_followed_to_the_limit(filled: System) -> None:
    everything = filled.over_http("executions", "list", "--limit", "1000", "--json").stdout
    some = filled.over_http("executions", "list", "--limit", "107", "--json").stdout

    assert len(everything.splitlines()) > 120
    assert some.splitlines() == everything.splitlines()[:107]


# --- changing -------------------------------------------------------------------------------------


def a_new_key(terminal: Terminal) -> str:
    """Its prefix; the key with which the test itself works stays valid."""
    made = terminal.run("keys", "create", "--name", new_id(), "--role", "viewer")
    return made.stdout.split()[3]


def with_a_stand_in(terminal: Terminal) -> str:
    """Whose it is."""
    person = new_id()
    assert 0 == terminal.run("stand-ins", "name", "bob", "--as", person, *UNTIL).exit_code
    return person


def ended_by_themselves(person: str) -> list[str]:
    return [person, "--as", person]


CHANGES: Mapping[str, Callable[[Terminal], list[str]]] = {
    **{command: good for command, good in GOOD.items() if command in OVER_HTTP},
    "events publish": lambda terminal: ["order.placed"],
    "keys revoke": lambda terminal: [a_new_key(terminal)],
    "stand-ins name": lambda terminal: ["bob", "--as", new_id(), *UNTIL],
    "stand-ins end": lambda terminal: ended_by_themselves(with_a_stand_in(terminal)),
}


@pytest.mark.parametrize("command", CHANGES)
def test_what_is_changed_is_reported_the_same(system: System, command: str) -> None:
    def line() -> list[str]:
        given = CHANGES[command](system)
        as_ann = [] if "--as" in given or command == "events publish" else ["--as", "ann"]
        of_tenant = ["--tenant", A_TENANT] if command.startswith("dead-letters") else []
        return [*command.split(), *given, *as_ann, *of_tenant]

    from_the_store, over_http = system.run(*line()), system.over_http(*line())

    assert (0, 0) == (from_the_store.exit_code, over_http.exit_code), over_http.output
    assert without_ids(from_the_store.stdout) == without_ids(over_http.stdout)


def without_ids(printed: str) -> str:
    """Ids, secrets, moments and versions are of each change its own."""
    for pattern in (
        r"(wfo|whsec|run|evt)_[\w-]+",
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        r"\b[0-9a-f]{12}\b",
        r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?",
        r"version +\d+",
    ):
        printed = re.sub(pattern, "…", printed)
    return re.sub(r" +", " ", printed)


def test_a_named_request_is_carried_out_once(system: System) -> None:
    start = ("executions", "start", "deal-1", "--key", "deal-4711")
    trigger = ("jobs", "trigger", "outcome-sync", "--request-id", "today")

    assert system.over_http(*start).stdout == system.over_http(*start).stdout
    assert system.over_http(*trigger).stdout == system.over_http(*trigger).stdout


def test_a_repeated_backfill_sends_nothing_twice(system: System) -> None:
    days = ("--from", "2026-02-01", "--to", "2026-02-10", "--rate", "none", "--request-id", "b-1")
    backfill = ("jobs", "backfill", "risk-snapshot-backfill", *days)

    first, again = system.over_http(*backfill), system.over_http(*backfill)

    assert 0 == first.stdout.count("sent before")
    assert 2 == again.stdout.count("sent before")


def test_a_definition_is_changed_only_at_its_version(system: System) -> None:
    file = GOOD["definitions set"](system)

    refused = system.over_http("definitions", "set", *file, "--if-version", "777")

    assert 1 == refused.exit_code
    assert "(412 PRECONDITION_FAILED)" in str(refused.exception), refused.output


# --- every command --------------------------------------------------------------------------------


def test_every_command_over_http_is_tried_both_ways() -> None:
    assert {*READ, *CHANGES} == OVER_HTTP
    assert {*leaves(cli)} >= OVER_HTTP


def leaf(path: str) -> click.Command:
    command: click.Command = cli
    for name in path.split():
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


@pytest.mark.parametrize(
    "path", sorted({*leaves(cli)} - OVER_HTTP - {"version", "settings", "schemas", "openapi"})
)
def test_any_other_command_refuses_an_api(path: str) -> None:
    command = leaf(path)
    assert command.callback is not None
    access = {"api": Access("http://127.0.0.1:9", "a-key", None)}
    with (
        click.Context(cli, obj=access),
        pytest.raises(click.UsageError, match=f"orchestrator {path}` .* not through the API"),
    ):
        command.callback()


def test_no_group_hides_a_command() -> None:
    assert {*leaves(cli)} <= {" ".join(path) for path in commands(cli)}
