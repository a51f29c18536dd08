"""The table of operations, and that flows, settings, prefect.yaml and documents agree with it."""

import re
from datetime import UTC, datetime, timedelta
from importlib import import_module
from inspect import getsource
from pathlib import Path

import pytest
from msgspec.structs import replace

from blocks.contracts.operations import OPERATIONS, Operation
from blocks.contracts.operations.catalogue import LOG_ROTATION
from blocks.contracts.operations.endings import run_id_of
from blocks.operations import schedules
from blocks.settings import BadSetting, load_settings
from deployments.bootstrap.prefect_yaml import Deployment, read_deployments
from deployments.bootstrap.schedules import scheduled
from tests.support.factories import an_execution

DOCS = Path(__file__).parents[3] / "docs"

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)


def deployment_of(operation: Operation) -> Deployment:
    return {one.name: one for one in read_deployments()}[operation.id]


@every_operation
def test_its_flow_does_the_steps_of_the_table_in_their_order(operation: Operation) -> None:
    module = import_module(deployment_of(operation).entrypoint.rpartition(".")[0])

    done = re.findall(r'run\.step\("([a-z-]+)"', getsource(module))

    assert [step.id for step in operation.steps] == done


@every_operation
def test_table_settings_and_prefect_yaml_have_the_same_schedule(operation: Operation) -> None:
    deployment = deployment_of(operation)

    assert operation.description == deployment.description
    assert [operation.cron] * bool(operation.cron) == [one.cron for one in deployment.schedules]
    assert deployment == scheduled(deployment, load_settings({}))


@every_operation
def test_table_and_settings_have_the_same_events(operation: Operation) -> None:
    assert [*operation.events] == load_settings({}).operations.events_of(operation)


@every_operation
def test_the_documents_have_its_row_and_its_page(operation: Operation) -> None:
    row = [
        f"[`{operation.id}`](operations/{operation.id}.md)",
        f"`{operation.cron}`" if operation.cron else "",
        ", ".join(f"`{event}`" for event in operation.events),
        operation.misfire,
        "" if operation.misfire == "skip" else _words(operation.max_lateness),
        operation.overlap,
        str(operation.attempts),
    ]

    lines = [
        [cell.strip() for cell in line.strip("| ").split("|")]
        for line in (DOCS / "operations.md").read_text().splitlines()
    ]
    assert row in lines
    page = (DOCS / "operations" / f"{operation.id}.md").read_text()
    assert [] == [step.id for step in operation.steps if f"`{step.id}`" not in page]


def _words(duration: timedelta) -> str:
    hours, minutes = divmod(int(duration.total_seconds()) // 60, 60)
    return f"{hours} h" if hours else f"{minutes} min"


def test_the_wait_before_an_attempt_grows_by_the_same_each_time() -> None:
    thrice = replace(LOG_ROTATION, attempts=3, backoff=timedelta(seconds=5))

    assert [5.0, 10.0] == thrice.retry_delays_seconds
    assert [] == LOG_ROTATION.retry_delays_seconds


LOGS = {"LOG_ROTATION_PATHS": "/var/log/shop/*.log"}


A_DATABASE = "postgresql://shop@database/shop"
NEEDED = {
    "DATABASE_URL": A_DATABASE,
    "BACKUP_DATABASES": A_DATABASE,
    "HEALTH_MONITORING_CONTAINERS": "web",
    "HEALTH_MONITORING_DOCKER_SOCKET": "/var/run/docker.sock",
    "SMTP_URL": "smtp://mail.example",
}
"""Values of what is no address of a service."""


@pytest.mark.parametrize(
    ("name", "variable"),
    [(name, variable) for name, needs in schedules.NEEDS.items() for variable in needs],
)
def test_a_schedule_is_active_once_something_is_configured(name: str, variable: str) -> None:
    [operation] = [one for one in OPERATIONS if one.id == name]
    value = NEEDED.get(variable, "http://service.example/x")
    sender = {"NOTIFICATIONS_SENDER": "us@platform.example"}

    reason = schedules.why_inactive(operation, load_settings(sender))

    assert reason
    assert variable in reason
    assert schedules.is_active(operation, load_settings({variable: value, **sender}))


def test_what_finds_work_everywhere_is_active_from_the_start() -> None:
    settings = load_settings({})

    active = {one.id for one in OPERATIONS if schedules.is_active(one, settings)}

    assert {"performance-optimization", "security-audit"} == active


def test_cron_zone_and_activity_of_the_settings_are_deployed() -> None:
    deployment = deployment_of(LOG_ROTATION)

    [moved] = scheduled(
        deployment,
        load_settings(
            {"LOG_ROTATION_CRON": "5 1 * * *", "OPERATIONS_TIMEZONE": "Europe/Berlin", **LOGS}
        ),
    ).schedules
    [off] = scheduled(
        deployment, load_settings({"LOG_ROTATION_ENABLED": "false", **LOGS})
    ).schedules
    [all_off] = scheduled(
        deployment, load_settings({"OPERATIONS_ENABLED": "false", **LOGS})
    ).schedules

    assert ("5 1 * * *", "Europe/Berlin", True) == (moved.cron, moved.timezone, moved.active)
    assert (False, False) == (off.active, all_off.active)


@pytest.mark.parametrize(
    ("variable", "value", "setting"),
    [
        ("LOG_ROTATION_CRON", "0 25 * * *", "operations.log_rotation.cron (LOG_ROTATION_CRON)"),
        ("OPERATIONS_TIMEZONE", "Mars", "operations.timezone (OPERATIONS_TIMEZONE)"),
    ],
)
def test_a_bad_schedule_is_refused_with_its_names_and_value(
    variable: str, value: str, setting: str
) -> None:
    with pytest.raises(BadSetting) as refusal:
        load_settings({variable: value})

    assert f"setting {setting} is {value!r}: " in str(refusal.value)


def test_a_run_has_the_id_that_the_platform_knows_and_always_the_same() -> None:
    execution = an_execution(created_at=datetime(2026, 11, 29, 1, 2, 3, 456_000, tzinfo=UTC))

    run_id = run_id_of(execution)

    assert re.fullmatch(r"run_1795914123456_[0-9a-z]{9}", run_id)
    assert run_id == run_id_of(execution)
