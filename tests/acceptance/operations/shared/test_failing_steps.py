"""A step that fails, whatever the reason and in whichever operation, on the embedded stack: its
attempts, the reason, the steps behind it, one announcement of the end and one alert of Prefect's.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from blocks.contracts.operations.catalogue import (
    CACHE_WARMUP,
    CMS_SYNC,
    DATABASE_BACKUP,
    HEALTH_MONITORING,
    LOG_ROTATION,
    NOTIFICATION_DIGEST,
    OPERATIONS,
    PERFORMANCE_OPTIMIZATION,
    SALES_OPERATIONS,
    SECURITY_AUDIT,
    USER_ONBOARDING,
)
from tests.support.notifications.automations import (
    FAILED_RUN,
    NOTIFICATION_BLOCK,
    notification_block,
    runs_alerted,
    switch_on,
    without_automations,
)
from tests.support.notifications.comms_hub import CommsHub, comms_hub
from tests.support.operations import ends, troubles
from tests.support.operations.prefect_runs import requested
from tests.support.operations.shop import Shop
from tests.support.operations.whole_system import all_requested, whole_system
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.webhook_receiver import Receiver

pytestmark = pytest.mark.slow


class End(msgspec.Struct, frozen=True):
    """How a run ends: at which step, and a part of the reason."""

    step: str
    reason: str


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    of: "Troubled"
    ends: dict[str, End]
    """By operation; the others do not meet it."""
    alerts: int = 0
    """Of health monitoring, which reports what it finds and does not fail of it."""
    before: tuple[str, ...] = ()
    """Of the command that starts the worker."""


class Troubled(Protocol):
    def __call__(self, folder: Path, /) -> AbstractContextManager[troubles.Variables]: ...


TROUBLES = (
    Trouble(
        name="service-500",
        of=troubles.broken_services,
        ends={
            CMS_SYNC.id: End("fetch-cms", "answered 500"),
            DATABASE_BACKUP.id: End("create-backup", "check that PostgreSQL runs"),
            CACHE_WARMUP.id: End("warmup-api", "none of 1 pages answered"),
            SALES_OPERATIONS.id: End("business-intel", "answered 500: it is broken"),
            PERFORMANCE_OPTIMIZATION.id: End("analyze-metrics", "could not be reached"),
            USER_ONBOARDING.id: End("setup-defaults", "answered 500: it is broken"),
            NOTIFICATION_DIGEST.id: End("collect-notifications", "answered 500: it is broken"),
            SECURITY_AUDIT.id: End("check-permissions", "could not be reached"),
        },
        alerts=1,
    ),
    Trouble(
        name="hang",
        of=troubles.silent_services,
        ends={
            CMS_SYNC.id: End("fetch-cms", "did not answer within 5 s"),
            DATABASE_BACKUP.id: End("create-backup", "no answer within 10 s"),
            CACHE_WARMUP.id: End("warmup-api", "did not answer within 1 s"),
            SALES_OPERATIONS.id: End("business-intel", "did not answer within 10 s"),
            LOG_ROTATION.id: End("rotate-logs", "another rotation works in"),
            PERFORMANCE_OPTIMIZATION.id: End("analyze-metrics", "did not answer in 10 s"),
            USER_ONBOARDING.id: End("setup-defaults", "did not answer within 10 s"),
            NOTIFICATION_DIGEST.id: End("collect-notifications", "did not answer within 10 s"),
            SECURITY_AUDIT.id: End("check-permissions", "did not answer in 10 s"),
        },
        alerts=1,
    ),
    Trouble(
        name="disk-full",
        of=troubles.full_disk,
        ends={
            CMS_SYNC.id: End("fetch-cms", "No space left on device"),
            DATABASE_BACKUP.id: End("create-backup", "No space left on device"),
            LOG_ROTATION.id: End("compress-old", "No space left on device"),
            SECURITY_AUDIT.id: End("generate-report", "No space left on device"),
        },
    ),
    Trouble(
        name="permission-denied",
        of=troubles.foreign_folder,
        before=troubles.WITHOUT_RIGHTS,
        ends={
            CMS_SYNC.id: End("fetch-cms", "Permission denied"),
            DATABASE_BACKUP.id: End("create-backup", "Permission denied"),
            LOG_ROTATION.id: End("rotate-logs", "Permission denied"),
            SECURITY_AUDIT.id: End("generate-report", "Permission denied"),
        },
    ),
)


@pytest.fixture
def hub() -> Iterator[CommsHub]:
    with comms_hub() as hub:
        yield hub


@pytest.fixture
async def on_call(prefect_server: PrefectServer) -> AsyncIterator[Receiver]:
    async with without_automations(prefect_server), notification_block() as receiver:
        yield receiver


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda one: one.name)
async def test_it_fails_after_its_attempts_with_the_reason_and_is_announced_once(
    tmp_path: Path,
    prefect_server: PrefectServer,
    hub: CommsHub,
    on_call: Receiver,
    shop: Shop,
    trouble: Trouble,
) -> None:
    if os.geteuid() != 0 and trouble.name in ("disk-full", "permission-denied"):
        pytest.skip("only root mounts a disk and gives files away")
    operations = [one for one in OPERATIONS if one.id in trouble.ends]
    watching = [HEALTH_MONITORING] * bool(trouble.alerts)
    with trouble.of(tmp_path) as variables:
        environment = {
            "COMMS_HUB_URL": hub.url,
            "DATABASE_URL": shop.url,
            "HEALTH_MONITORING_GRACE_SECONDS": "0",
            "PREFECT_NOTIFICATION_BLOCK": NOTIFICATION_BLOCK,
            **variables,
        }
        async with whole_system(tmp_path, prefect_server, **environment) as (parts, ledger):
            await switch_on(FAILED_RUN)
            with ends.worker_of(parts, *trouble.before):
                runs = await all_requested(parts, [*operations, *watching])
                ended = await ends.all_ended(parts, runs)

            for operation in operations:
                execution, end = ended[operation.id], trouble.ends[operation.id]
                assert ("failed", end.step) == (execution.status, execution.failed_step), execution
                assert end.reason in (execution.error or "")
                assert operation.attempts == await ends.attempts(operation, execution, end.step), (
                    operation.id
                )
                steps, known = (
                    [step.id for step in operation.steps],
                    await ends.recorded(parts, execution),
                )
                assert {*steps[: steps.index(end.step) + 1]} == {*known}
                assert [end.step] == [id for id, status in known.items() if status == "failed"]
                announced = await ends.announced(ledger, execution)
                assert [("workflow.operation.failed", end.step)] == announced
                assert 1 == (await ends.states(execution)).count("Failed")
            assert trouble.alerts == sum("[CRITICAL]" in one["subject"] for one in hub.messages)
            last = await requested(parts, operations[0])
            assert {runs[one].id: 1 for one in operations} == await runs_alerted(on_call, last)
