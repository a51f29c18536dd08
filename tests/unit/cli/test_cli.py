"""The command line: quick help, readable refusals, and events that reach the bus."""

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from blocks.topology import intake_queue
from blocks.webhooks.subscriptions import EVENT_TYPES
from deployments.bootstrap.provision import provision
from deployments.cli.app import cli
from deployments.cli.commands import webhooks as webhook_commands
from tests.support.factories import (
    A_TENANT,
    ANOTHER_TENANT,
    a_step,
    a_tenant_record,
    an_execution,
    new_id,
    now,
)
from tests.support.servers.ports import free_port
from tests.support.servers.webhook_receiver import Answer, a_receiver

HELP_LIMIT_SECONDS = 0.5
SLOW_LIBRARIES = ("prefect", "litestar", "azure", "aio_pika", "httpx", "rich", "msgspec")


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


class Cli:
    """`orchestrator` as a user starts it, on a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "COV_"))
        }
        self.environment = inherited | {"ORCHESTRATOR_DATA_DIR": str(folder)}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        # no stack that happens to run on this machine is asked
        self.environment["PREFECT_SERVER_PORT"] = str(free_port())
        self.settings = load_settings(self.environment)

    def run(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deployments.cli", *arguments],
            env=self.environment | environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def orchestrator(tmp_path: Path) -> Cli:
    return Cli(tmp_path / "data")


def an_event(**changes: Any) -> dict[str, Any]:
    event = {
        "type": "integration.opportunity.updated",
        "tenantId": A_TENANT,
        "data": {"opportunityId": new_id(), "changes": {"stage": "won"}},
    }
    return event | changes


def refusal(run: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr; nothing else was printed."""
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: ")
    return line


# --- help -----------------------------------------------------------------------------------------


def test_help_takes_less_than_half_a_second_of_processor_time(orchestrator: Cli) -> None:
    def spent() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert orchestrator.run("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # Processor time: how busy the machine is, is not what this is about. Importing Prefect takes
    # 1.5 s.
    assert min(spent() for _ in range(3)) < HELP_LIMIT_SECONDS


def test_help_imports_no_slow_library(orchestrator: Cli) -> None:
    program = (
        "import sys; from deployments.cli.app import cli;"
        "cli.main(['--help'], standalone_mode=False, obj={});"
        f"print([name for name in {SLOW_LIBRARIES!r} if name in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stderr.strip() == "[]"


@pytest.mark.parametrize("path", list(commands(cli)), ids=" ".join)
def test_every_command_explains_itself_with_an_example(path: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(cli, [*path, "--help"], obj={}, prog_name="orchestrator")
    assert answer.exit_code == 0
    assert f"orchestrator {' '.join(path)}" in answer.output.split("Examples:")[1]
    assert "\b" not in answer.output, "text stands on the line of a `\\b`"


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("no-such-command",), "no-such-command"),
        (("up", "--no-such-option"), "--no-such-option"),
        (("worker", "--limit", "none"), "--limit"),
        (("executions", "list", "--tenant", "acme"), "'acme' is not a UUID"),
        (("executions", "list"), "--tenant"),
        (("emit", "no-such-file.json"), "no-such-file.json"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    orchestrator: Cli, arguments: tuple[str, ...], what: str
) -> None:
    run = orchestrator.run(*arguments)
    assert run.returncode == 2
    assert what in refusal(run)


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("PORT", "eighty", "server.port"),
        ("RABBITMQ_URL", "http://broker", "RABBITMQ_URL"),
        ("RABBITMQ_URL", "", "set it to amqp://"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL"),
    ],
)
@pytest.mark.parametrize("command", ["up", "settings", "listener", "demo"])
def test_a_bad_setting_is_one_line_that_names_it(
    orchestrator: Cli, command: str, variable: str, value: str, named: str
) -> None:
    run = orchestrator.run(command, **{variable: value})
    assert run.returncode == 2
    assert named in refusal(run)


def test_an_unknown_setting_is_refused_without_the_secrets_of_its_section(
    orchestrator: Cli, tmp_path: Path
) -> None:
    (tmp_path / "own.yaml").write_text("rabbitmq: {url: 'amqp://user:s3cret@broker/', qeue: red}")

    run = orchestrator.run("settings", ORCHESTRATOR_CONFIG=str(tmp_path / "own.yaml"))

    assert 2 == run.returncode
    refused = "rabbitmq.qeue in own.yaml is not a setting: did you mean rabbitmq.queue?"
    assert f"error: {refused}" == refusal(run)


@pytest.mark.parametrize("variable", ["PORT", "PREFECT_SERVER_PORT"])
def test_up_on_a_port_in_use_names_the_port_and_the_setting(
    orchestrator: Cli, variable: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {
            "PORT": str(free_port()),
            "PREFECT_SERVER_PORT": str(free_port()),
            variable: str(port),
        }
        run = orchestrator.run("up", **ports)
    assert run.returncode == 1
    assert str(port) in refusal(run)
    assert f"{variable}=" in refusal(run)


def test_up_with_a_prefect_server_that_does_not_answer_reports_it(orchestrator: Cli) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    run = orchestrator.run("up", PREFECT_API_URL=url, PORT=str(free_port()))
    assert run.returncode == 1
    assert f"error: Prefect does not answer at {url} (PREFECT_API_URL)" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_data_folder_that_cannot_be_made_is_one_line(orchestrator: Cli) -> None:
    run = orchestrator.run("up", ORCHESTRATOR_DATA_DIR="/dev/null/data")
    assert run.returncode == 1
    assert "ORCHESTRATOR_DATA_DIR" in refusal(run)


def test_the_traceback_is_shown_when_asked_for(orchestrator: Cli) -> None:
    run = orchestrator.run("--traceback", "settings", PORT="eighty")
    assert "Traceback" in run.stderr


# --- emit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("{", "malformed-json"),
        ("[]", "an array"),
        (json.dumps({"tenantId": A_TENANT, "data": {}}), "`type`"),
        (json.dumps(an_event(data={})), "`opportunityId`"),
        (json.dumps(an_event(data={"opportunityId": 7.5})), "opportunityId"),
        (json.dumps(an_event(tenantId=None)), "tenantId"),
        (json.dumps(an_event(tenantId="acme")), "tenantId"),
        (json.dumps(an_event(version="9")), "version"),
        (json.dumps(an_event(type="made.up")), "made.up"),
        (json.dumps(an_event(timestamp="yesterday")), "timestamp"),
        (
            json.dumps(an_event(data={"opportunityId": "x", "metadata": {"fill": "x" * 300_000}})),
            "too-large",
        ),
    ],
)
def test_emit_refuses_what_is_no_valid_event_and_names_the_field(
    orchestrator: Cli, body: str, named: str
) -> None:
    run = orchestrator.run("emit", "-", stdin=body)
    assert run.returncode == 2
    assert named in refusal(run)


async def test_emit_publishes_the_event_as_it_was_written(
    orchestrator: Cli, tmp_path: Path
) -> None:
    await provision(orchestrator.settings)
    event = an_event(id="evt-1", data={"opportunityId": "opp-1", "note": "a field we do not know"})
    (tmp_path / "event.json").write_text(json.dumps(event))

    run = orchestrator.run("emit", str(tmp_path / "event.json"))

    assert (0, "evt-1\n", "") == (run.returncode, run.stdout, run.stderr)
    (message,) = await waiting_messages(orchestrator)
    assert ("evt-1", "integration.opportunity.updated") == (message.id, message.routing_key)
    assert message.headers["tenantId"] == A_TENANT
    written = json.loads(message.body)
    assert written.pop("timestamp")
    assert event == written


async def test_emit_draws_an_id_where_none_was_written(orchestrator: Cli) -> None:
    await provision(orchestrator.settings)
    first, second = (orchestrator.run("emit", "-", stdin=json.dumps(an_event())) for _ in range(2))
    assert first.stdout != second.stdout
    published = [message.id for message in await waiting_messages(orchestrator)]
    assert [first.stdout.strip(), second.stdout.strip()] == published


def test_emit_reports_when_no_queue_takes_the_event(orchestrator: Cli) -> None:
    run = orchestrator.run("emit", "-", stdin=json.dumps(an_event()))
    assert run.returncode == 1
    assert "orchestrator bootstrap" in refusal(run)


async def waiting_messages(orchestrator: Cli) -> list[Any]:
    async with open_bus(orchestrator.settings, "test") as bus:
        return await bus.peek(intake_queue(orchestrator.settings).name)


# --- executions -----------------------------------------------------------------------------------


async def test_executions_are_listed_for_their_tenant_only(orchestrator: Cli) -> None:
    mine, theirs = an_execution(), an_execution(tenant_id=ANOTHER_TENANT)
    async with open_store(orchestrator.settings) as store:
        await store.create(A_TENANT, mine)
        await store.create(ANOTHER_TENANT, theirs)

    run = orchestrator.run("executions", "list", ORCHESTRATOR_TENANT=A_TENANT)

    assert mine.id in run.stdout
    assert mine.subject in run.stdout
    assert theirs.id not in run.stdout


async def test_executions_are_filtered_by_status_and_subject(orchestrator: Cli) -> None:
    async with open_store(orchestrator.settings) as store:
        for subject, status in (("a", "pending"), ("a", "failed"), ("b", "failed")):
            await store.create(A_TENANT, an_execution(subject=subject, status=status))

    run = orchestrator.run(
        "executions",
        "list",
        "--tenant",
        A_TENANT.upper(),
        "--status",
        "failed",
        "--subject",
        "a",
        "--since",
        "2026-01-01",
        "--json",
    )
    before = orchestrator.run(
        "executions", "list", "--tenant", A_TENANT, "--until", "2026-01-01T12:00:00"
    )

    (only,) = map(json.loads, run.stdout.splitlines())
    assert ("a", "failed") == (only["subject"], only["status"])
    assert "no executions\n" == before.stdout


async def test_show_prints_the_record_with_its_steps(orchestrator: Cli) -> None:
    execution = an_execution(status="running", flow_run_id="run-1")
    async with open_store(orchestrator.settings) as store:
        await store.create(A_TENANT, execution)
        await store.create(
            A_TENANT,
            a_step(execution_id=execution.id, step="forecast", result={"confidence": 0.75}),
        )

    page = orchestrator.run("executions", "show", execution.id, "--tenant", A_TENANT)
    document = json.loads(
        orchestrator.run("executions", "show", execution.id, "--tenant", A_TENANT, "--json").stdout
    )

    assert "confidence 0.75" in page.stdout
    assert "risk_analysis" in page.stdout
    assert execution.id == document["id"]
    assert ["forecast"] == [
        step["step"] for step in document["steps"] if step["status"] == "completed"
    ]
    port = orchestrator.environment["PREFECT_SERVER_PORT"]
    assert f"http://127.0.0.1:{port}/runs/flow-run/run-1" in page.stdout
    assert f"http://127.0.0.1:{port}/runs/flow-run/run-1" == document["flowRunUrl"]


async def test_another_tenants_execution_is_not_found(orchestrator: Cli) -> None:
    execution = an_execution(tenant_id=ANOTHER_TENANT)
    async with open_store(orchestrator.settings) as store:
        await store.create(ANOTHER_TENANT, execution)
    run = orchestrator.run("executions", "show", execution.id, "--tenant", A_TENANT)
    assert run.returncode == 1
    assert f"has no execution {execution.id}" in refusal(run)


async def test_one_key_starts_one_execution(orchestrator: Cli) -> None:
    start = ("executions", "start", "o-1", "--tenant", A_TENANT, "--key", "k", "--input")
    runs = [
        orchestrator.run(*start, given)
        for given in ('{"amount": 5}', '{"amount": 5}', '{"amount": 6}', "[5]")
    ]

    assert "is pending: opportunity-analysis of o-1" in runs[0].stdout
    assert runs[0].stdout == runs[1].stdout
    assert "with other input" in refusal(runs[2])
    assert "the input '[5]' is no JSON object" in refusal(runs[3])


async def test_a_failed_execution_is_retried_once_and_rerun_when_it_has_ended(
    orchestrator: Cli,
) -> None:
    failed = an_execution(status="failed", error="no model", completed_at=now(), announced_at=now())
    async with open_store(orchestrator.settings) as store:
        await store.create(A_TENANT, failed)

    rerun = orchestrator.run("executions", "rerun", failed.id, "--tenant", A_TENANT)
    retried = orchestrator.run("executions", "retry", failed.id, "--tenant", A_TENANT)
    again = orchestrator.run("executions", "retry", failed.id, "--tenant", A_TENANT)

    assert f"is pending: opportunity-analysis of {failed.subject}, again" in rerun.stdout
    assert f"{failed.id} is pending again: retry 1\n" == retried.stdout
    assert again.returncode == 1
    assert f"execution {failed.id} cannot be retried: it is pending" in refusal(again)


async def test_what_would_be_deleted_is_counted_and_stays(orchestrator: Cli) -> None:
    long_ago = now() - timedelta(days=91)
    old = an_execution(
        status="completed", created_at=long_ago, completed_at=long_ago, announced_at=long_ago
    )
    async with open_store(orchestrator.settings) as store:
        await store.create(SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
        await store.create(A_TENANT, old)
        await store.create(A_TENANT, an_execution(status="completed"))

    count = ("executions", "deletable", "--kept-days")
    table, lines = orchestrator.run(*count, "90"), orchestrator.run(*count, "90", "--json")

    assert f"{A_TENANT}  opportunity-analysis  1" in table.stdout
    assert [{"tenantId": A_TENANT, "workflow": "opportunity-analysis", "executions": 1}] == [
        json.loads(line) for line in lines.stdout.splitlines()
    ]
    assert "none would be deleted\n" == orchestrator.run(*count, "92").stdout
    async with open_store(orchestrator.settings) as store:
        assert old == (await store.read(A_TENANT, ExecutionRecord, old.id)).record


# --- webhooks -------------------------------------------------------------------------------------


def added(orchestrator: Cli, url: str, **environment: str) -> tuple[str, str]:
    """A new webhook's id and secret."""
    run = orchestrator.run("webhooks", "add", url, "--tenant", A_TENANT, **environment)
    assert run.returncode == 0, run.stderr
    (_, id), (_, secret) = (line.split() for line in run.stdout.splitlines())
    return id, secret


def test_a_webhook_is_added_listed_without_its_secret_and_removed(orchestrator: Cli) -> None:
    id, secret = added(orchestrator, "https://hooks.example/services/canary?token=canary")

    for options in ((), ("--json",)):
        listed = orchestrator.run("webhooks", "list", "--tenant", A_TENANT, *options).stdout
        assert id in listed
        assert "https://hooks.example" in listed
        assert secret not in listed
        assert "canary" not in listed
    assert orchestrator.run("webhooks", "remove", id, "--tenant", ANOTHER_TENANT).returncode == 1
    assert orchestrator.run("webhooks", "remove", id, "--tenant", A_TENANT).returncode == 0
    assert orchestrator.run("webhooks", "list", "--tenant", A_TENANT).stdout == "no webhooks\n"


def test_a_webhooks_secret_is_rotated_and_shown_this_once(orchestrator: Cli) -> None:
    id, secret = added(orchestrator, "https://hooks.example/approvals")

    rotated = orchestrator.run("webhooks", "rotate", id, "--tenant", A_TENANT)
    listed = orchestrator.run("webhooks", "list", "--tenant", A_TENANT, "--json").stdout

    new, valid = rotated.stdout.splitlines()
    assert new.startswith("secret  whsec_")
    assert secret not in rotated.stdout
    assert valid.startswith("the earlier secret is valid until ")
    assert "whsec_" not in listed
    assert orchestrator.run("webhooks", "rotate", id, "--tenant", ANOTHER_TENANT).returncode == 1


def test_a_url_that_leads_inside_is_refused(orchestrator: Cli) -> None:
    run = orchestrator.run("webhooks", "add", "https://10.0.0.1/secret", "--tenant", A_TENANT)
    assert run.returncode == 2
    assert "10.0.0.1 is not a public address" in refusal(run)
    assert "secret" not in run.stderr


def test_a_webhook_is_tested_with_a_signed_event(orchestrator: Cli) -> None:
    with a_receiver(Answer(200), Answer(500)) as receiver:
        allowed = {"WEBHOOK_ALLOWED_HOSTS": receiver.authority}
        id, _ = added(orchestrator, receiver.url, **allowed)
        well, ill, forbidden = (
            orchestrator.run("webhooks", "test", id, "--tenant", A_TENANT, **environment)
            for environment in (allowed, allowed, {})
        )

    assert "the receiver answered 200" in well.stdout
    assert (1, 1) == (ill.returncode, forbidden.returncode)
    assert "the receiver answered 500" in refusal(ill)
    assert "127.0.0.1 is not reached by https" in refusal(forbidden)
    assert ["webhook.test"] * 2 == [
        one.headers["x-orchestrator-event"] for one in receiver.received
    ]


def test_the_events_that_can_be_chosen_are_those_that_can_be_subscribed_to() -> None:
    assert set(webhook_commands.EVENT_TYPES) == set(EVENT_TYPES)


# --- information ----------------------------------------------------------------------------------


def test_settings_are_printed_with_their_secrets_masked(orchestrator: Cli) -> None:
    run = orchestrator.run(
        "settings",
        RABBITMQ_URL="amqp://user:hunter2@broker/",
        COSMOS_DB_ENDPOINT="https://account.example/",
        COSMOS_DB_KEY="hunter2",
        APPROVAL_LINK_SECRET="hunter2" * 5,
        PREFECT_API_URL="http://user:hunter2@prefect/api",
        REDIS_URL="redis://:hunter2@redis/0",
        DATABASE_URL="postgresql://user:p@hunter2@database/shop",
        CMS_TOKEN="hunter2",
    )
    assert run.returncode == 0
    assert "hunter2" not in run.stdout
    assert "amqp://user:***@broker/" in run.stdout


def test_a_link_secret_that_is_too_short_is_refused_unseen(orchestrator: Cli) -> None:
    run = orchestrator.run("settings", APPROVAL_LINK_SECRET="hunter2")
    assert run.returncode == 2
    assert "hunter2" not in refusal(run)
    assert "32 or more random characters" in refusal(run)


def test_schemas_are_exported_one_file_per_event(orchestrator: Cli, tmp_path: Path) -> None:
    run = orchestrator.run("schemas", "--out", str(tmp_path / "schemas"))
    assert run.returncode == 0
    exported = json.loads(
        (tmp_path / "schemas" / "workflow.step.completed.schema.json").read_text()
    )
    assert (
        exported
        == json.loads(orchestrator.run("schemas").stdout)["schemas"]["workflow.step.completed"]
    )
    assert json.loads((tmp_path / "schemas" / "asyncapi.json").read_text())["asyncapi"] == "3.0.0"


def test_version_names_this_program_and_prefect(orchestrator: Cli) -> None:
    run = orchestrator.run("version")
    assert run.stdout.startswith(
        f"workflow-orchestrator {installed('workflow-orchestrator')}\nprefect 3."
    )
