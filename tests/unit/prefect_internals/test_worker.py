"""What Prefect's worker does around the methods that ours overrides, on the real base class without
a server.
"""

from typing import Any, cast
from uuid import uuid4

import anyio
from prefect.client.schemas.objects import FlowRun, WorkPool
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.workers.process import ProcessWorker


class Observed(ProcessWorker):
    """Overrides what `InProcessWorker` overrides, and keeps what it was called with."""

    type = "observed"

    def __init__(self, due: list[FlowRun] | None = None, limit: int | None = None) -> None:
        super().__init__("a pool", limit=limit)
        self.due = due or []
        self.submitted: list[FlowRun] = []
        self.observers_set_up = 0

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        return [
            WorkerFlowRunResponse(work_pool_id=uuid4(), work_queue_id=uuid4(), flow_run=run)
            for run in self.due
        ]

    async def _submit_run(self, flow_run: FlowRun) -> None:
        self.submitted.append(flow_run)

    async def _setup_cancellation_observer(self) -> None:
        self.observers_set_up += 1


async def _poll(worker: Observed) -> None:
    """As the base class does between `setup` and `teardown`."""
    private = cast(Any, worker)
    private._has_successfully_synced = True
    async with anyio.create_task_group() as private._runs_task_group:
        await worker.get_and_submit_flow_runs()


async def test_a_poll_submits_each_due_run_once_until_its_id_is_discarded() -> None:
    run = FlowRun(id=uuid4(), flow_id=uuid4())
    worker = Observed(due=[run])

    await _poll(worker)
    await _poll(worker)
    assert [run] == worker.submitted

    worker._submitting_flow_run_ids.discard(run.id)
    await _poll(worker)
    assert [run, run] == worker.submitted


async def test_a_poll_takes_a_slot_for_each_run_which_is_free_once_released() -> None:
    runs = [FlowRun(id=uuid4(), flow_id=uuid4()) for _ in range(2)]
    worker = Observed(due=runs)
    worker._limiter = anyio.CapacityLimiter(1)

    await _poll(worker)
    assert (runs[:1], 0) == (worker.submitted, worker._limiter.available_tokens)

    worker._release_limit_slot(runs[0].id)
    worker._release_limit_slot(runs[0].id)  # harmless
    assert worker._limiter.available_tokens == 1


async def test_after_the_first_sync_the_observer_is_set_up_through_the_overridden_method() -> None:
    worker = Observed()
    private = cast(Any, worker)
    private._work_pool = WorkPool(name="a pool", type="observed", default_queue_id=uuid4())

    await private._initialize_after_sync()

    assert (1, None) == (worker.observers_set_up, private._cancelling_observer)


async def test_what_is_on_the_exit_stack_is_closed_by_teardown() -> None:
    worker = Observed()
    closed: list[str] = []
    worker._exit_stack.callback(closed.append, "closed")

    await worker.teardown(None, None, None)

    assert ["closed"] == closed
