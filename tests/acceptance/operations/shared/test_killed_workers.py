"""A worker that is killed while a step of every operation is at work, on the embedded stack."""

import json
import os
import signal
from collections import Counter
from pathlib import Path

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
from tests.support.operations import ends, troubles
from tests.support.operations.shop import Shop
from tests.support.operations.whole_system import all_requested, whole_system
from tests.support.servers.prefect_server import PrefectServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

AT_WORK = {
    SECURITY_AUDIT: "scan-vulnerabilities",
    DATABASE_BACKUP: "create-backup",
    PERFORMANCE_OPTIMIZATION: "optimize-db",
    SALES_OPERATIONS: "business-intel",
    CMS_SYNC: "fetch-cms",
    CACHE_WARMUP: "warmup-api",
    USER_ONBOARDING: "send-welcome",
    NOTIFICATION_DIGEST: "send-emails",
    HEALTH_MONITORING: "check-services",
    LOG_ROTATION: "rotate-logs",
}
"""The step of each at which the worker is killed. That of the audit waits for its second attempt,
as long as there are no advisories; that of log rotation, for another rotation; those of backup and
optimisation, for a lock on a table; the others, for a service.
"""

ADVISORY = {"id": "OSV-1", "modified": "2026-11-01T00:00:00Z", "affected": []}


async def test_another_does_the_interrupted_step_again_and_the_end_is_announced_once(
    tmp_path: Path, prefect_server: PrefectServer, shop: Shop
) -> None:
    assert {one.id for one in OPERATIONS} == {one.id for one in AT_WORK}
    await shop.query("DELETE FROM orders WHERE id <= 500")
    advisories = tmp_path / "advisories.json"
    with troubles.held_services(tmp_path) as held:
        environment = {
            "DATABASE_URL": shop.url,
            "PERFORMANCE_VACUUM_TABLES": "public.orders",
            "PERFORMANCE_VACUUM_OVER_PERCENT": "0",
            "SECURITY_AUDIT_ADVISORIES": str(advisories),
            "RECONCILER_INTERVAL_SECONDS": "1",
            **troubles.log_in(tmp_path),
            **held.variables,
        }
        async with whole_system(tmp_path, prefect_server, **environment) as (parts, ledger):
            parts.api.start()
            async with shop.connection() as connection, connection.transaction():
                await connection.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
                with troubles.another_rotation(tmp_path), ends.worker_of(parts) as worker:
                    runs = await all_requested(parts, AT_WORK)

                    async def all_at_work() -> bool:
                        return all(
                            f"{step} begins" in parts.worker.log for step in AT_WORK.values()
                        )

                    await eventually(all_at_work, within_seconds=240)
                    os.killpg(worker.pid, signal.SIGKILL)
            held.release()
            advisories.write_text(json.dumps(ADVISORY))
            with ends.worker_of(parts):
                found = await ends.all_ended(parts, runs)

            for operation in AT_WORK:
                execution = found[operation.id]
                assert ("completed", 2) == (execution.status, execution.attempt), execution
                announced = await ends.announced(ledger, execution)
                assert [("workflow.operation.completed", None)] == announced
                assert "Failed" not in await ends.states(execution)
            keys, subjects = zip(*held.mails, strict=True)
            assert len({*subjects}) == len({*keys}), Counter(subjects)
