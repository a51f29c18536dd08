"""Old executions go while the system works; what is recent, open or owed stays, also if the process
that deletes them dies in between.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ApprovalRecord, ExecutionRecord, Record, StepRecord
from blocks.queries import every
from tests.support.analyses import seen
from tests.support.factories import A_TENANT, a_step, a_tenant_record, an_approval, an_execution
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.orchestra import Orchestra, client_of, on_real_parts, orchestra

LONG_AGO = utc_now() - timedelta(days=100)
OVER = {"status": "completed", "completed_at": LONG_AGO, "announced_at": LONG_AGO}
OPEN = {"completed_at": None, "announced_at": None}

KEPT: dict[str, dict[str, Any]] = {
    "recent": {"completed_at": utc_now(), "announced_at": utc_now()},
    "announced lately": {"announced_at": utc_now()},
    "awaits a person": {"status": "awaiting_approval", **OPEN},
    "of claim recovery": {"workflow": "claim-recovery"},
    "of a job": {"workflow": "batch-job"},
}


@pytest.fixture(params=["embedded", "real"])
async def parts(
    request: pytest.FixtureRequest, tmp_path: Path, prefect_server: PrefectServer
) -> AsyncIterator[Orchestra]:
    real = on_real_parts(request, tmp_path.name) if request.param == "real" else {}
    environment = {**real, "EXECUTIONS_KEPT_DAYS": "90"}
    async with orchestra(tmp_path, prefect_server, **environment) as parts:
        await parts.store.create(SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
        yield parts


async def an_old_one(parts: Orchestra, **changes: Any) -> str:
    """With a step and a settled approval; over for a hundred days unless stated otherwise."""
    execution = an_execution(**{**OVER, "created_at": LONG_AGO, **changes})
    await parts.store.create(A_TENANT, execution)
    await parts.store.create(A_TENANT, a_step(execution_id=execution.id))
    await parts.store.create(
        A_TENANT, an_approval(execution_id=execution.id, status="approved", settled_at=LONG_AGO)
    )
    return execution.id


async def has(parts: Orchestra) -> dict[type[Record], set[str]]:
    """The executions that there are records of, by kind."""
    return {
        ExecutionRecord: {
            one.record.id async for one in every(parts.store, A_TENANT, ExecutionRecord)
        },
        StepRecord: {
            one.record.execution_id async for one in every(parts.store, A_TENANT, StepRecord)
        },
        ApprovalRecord: {
            one.record.execution_id or ""
            async for one in every(parts.store, A_TENANT, ApprovalRecord)
        },
    }


@pytest.mark.long
async def test_old_executions_go_and_all_others_stay_though_the_process_dies_in_between(
    parts: Orchestra,
) -> None:
    kept = {await an_old_one(parts, **changes) for changes in KEPT.values()}
    old = {await an_old_one(parts) for _ in range(5)}

    parts.api.start(FAULT_POINT="after-steps-deleted")
    await parts.api.died()

    found = await has(parts)
    assert kept | old == found[ExecutionRecord]
    assert 1 == len(old - found[StepRecord])
    assert found[StepRecord] == found[ApprovalRecord]

    parts.api.start()

    async def only_those_that_are_kept() -> bool:
        return (await has(parts))[ExecutionRecord] == kept

    await seen(parts, only_those_that_are_kept)
    assert [kept] * 3 == list((await has(parts)).values())
    async with client_of(parts) as api:
        gone = await api.post(f"/api/v1/executions/{old.pop()}/retry")
        still = await api.get(f"/api/v1/executions/{min(kept)}")
    assert (404, "EXECUTION_NOT_FOUND") == (gone.status_code, gone.json()["error"]["code"])
    assert 200 == still.status_code
