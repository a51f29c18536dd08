"""Many analyses wait for a person at once: nothing is held while they wait, and none
is forgotten.
"""

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.approvals.timers import with_next_look
from blocks.clock import utc_now
from blocks.contracts.approvals import ApprovalRule
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.ports import Message, Query
from tests.support.factories import A_TENANT, a_definition
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import opportunity_event, services_on
from tests.support.system.orchestra import Orchestra, orchestra
from tests.support.waiting import eventually

WAITING = 300


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server) as parts:
        yield parts


def a_deal(amount: float) -> Message:
    return opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4()), metadata={"amount": amount})


def resident_megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.slow
async def test_three_hundred_wait_and_a_third_expires_in_time(
    parts: Orchestra, prefect_server: PrefectServer, record_property: Any
) -> None:
    rule = ApprovalRule(enabled=True, conditions=[], expires_after_seconds=3600)
    await parts.store.create(A_TENANT, a_definition(approval=rule))
    async with (
        services_on(parts.bus, parts.name),
        PrefectFlowRuns(prefect_server.api_url) as flow_runs,
    ):
        for part in (parts.listener, parts.worker, parts.api):
            part.start()
        await parts.bus.publish(*(a_deal(1.0) for _ in range(WAITING)))

        async def all_suspended() -> bool:
            return len(await flow_runs.list_runs(states=("paused",))) >= WAITING

        await eventually(all_suspended, within_seconds=400, every_seconds=2)
        pids = {"worker": parts.worker.pid, "api": parts.api.pid, "prefect": prefect_server.pid}
        memory = {name: resident_megabytes(pid) for name, pid in pids.items()}
        work = {name: processor_seconds(pid) for name, pid in pids.items()}
        began = time.monotonic()
        await eventually(lambda: elapsed(began, 60), within_seconds=70, every_seconds=1)
        for name, pid in pids.items():
            grown, worked = (
                resident_megabytes(pid) - memory[name],
                processor_seconds(pid) - work[name],
            )
            record_property(name, f"{grown:+.1f} MB and {worked:.1f} s of processor in a minute")
            assert grown < 30, name

        soon = utc_now() + timedelta(seconds=5)
        page = await parts.store.query(
            A_TENANT, Query(ApprovalRecord, {"status": "pending"}, limit=WAITING)
        )
        for stored in page.items[: WAITING // 3]:
            expiring = with_next_look(msgspec.structs.replace(stored.record, expires_at=soon))
            await parts.store.replace(A_TENANT, stored.etag, expiring)

        async def a_third_expired() -> bool:
            return (
                await parts.store.count(A_TENANT, ApprovalRecord, {"status": "expired"})
                == WAITING // 3
            )

        await eventually(a_third_expired, within_seconds=65, every_seconds=1)
        late = (utc_now() - soon).total_seconds()
        record_property("all expired within seconds", f"{late:.1f}")

        async def failed() -> bool:
            return (
                await parts.store.count(A_TENANT, ExecutionRecord, {"status": "failed"})
                == WAITING // 3
            )

        await eventually(failed, within_seconds=240, every_seconds=1)
        assert WAITING - WAITING // 3 == await parts.store.count(
            A_TENANT, ApprovalRecord, {"status": "pending"}
        )


async def elapsed(since: float, seconds: float) -> bool:
    return time.monotonic() - since > seconds
