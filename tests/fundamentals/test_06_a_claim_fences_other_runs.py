"""A claim fences other runs.

A flow run claims an execution before it works on it: the record becomes `running` under the run's
id and counts an attempt. Of two runs that carry the same execution one wins. When a worker dies,
its heartbeat stops; the reconciler schedules its flow run again, and the next worker's claim
counts the next attempt. If the first worker was only slow, its ETag is stale: whatever it writes
is refused. The attempt is a fencing token.

Code: `flows/shared/claims.py`; for a worker's death `api/reconciler/kinds/lost_runs.py`.
"""

from datetime import timedelta

import pytest

from api.reconciler import Parts
from api.reconciler.kinds.lost_runs import LostRuns
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.executions import transitions
from blocks.ports import RecordStore, Stale
from flows.shared.claims import claim
from flows.shared.runtime import Runtime
from tests.support.factories import A_TENANT, a_flow_run, a_process, an_execution, now
from tests.support.flow_runs import RememberedFlowRuns


async def test_of_two_runs_one_gets_the_execution(store: RecordStore) -> None:
    pending = (await store.create(A_TENANT, an_execution())).record

    first = await claim(store, A_TENANT, pending.id, "flow-run-1", workflow=WORKFLOW)
    second = await claim(store, A_TENANT, pending.id, "flow-run-2", workflow=WORKFLOW)

    assert first
    assert ("running", 1) == (first.record.status, first.record.attempt)
    assert second is None


async def test_a_worker_that_was_taken_for_dead_cannot_write(store: RecordStore) -> None:
    pending = (await store.create(A_TENANT, an_execution())).record
    slow = await claim(store, A_TENANT, pending.id, "flow-run-1", workflow=WORKFLOW)
    successor = await claim(store, A_TENANT, pending.id, "flow-run-1", workflow=WORKFLOW)
    assert slow
    assert successor

    with pytest.raises(Stale):
        await transitions.complete(store, slow)
    assert 2 == (await transitions.complete(store, successor)).record.attempt


async def test_the_flow_run_of_a_dead_worker_is_scheduled_again(
    runtime: Runtime, store: RecordStore, flow_runs: RememberedFlowRuns
) -> None:
    a_minute_ago = now() - timedelta(minutes=1)
    lost = a_flow_run(state="running", state_at=a_minute_ago)
    flow_runs.runs = [lost]
    await store.create(A_TENANT, an_execution(id=lost.execution_ids[0], flow_run_id=lost.id))
    await store.create(SYSTEM_TENANT, a_process(beat_at=a_minute_ago, flow_run_ids=[lost.id]))

    await LostRuns(Parts.of(runtime.settings, store, runtime.bus, flow_runs)).look()

    assert [lost.id] == flow_runs.rescheduled
