"""Flow runs that wait for a worker in no work pool: it was deleted, and made again perhaps.

Prefect keeps such a run scheduled, hands it to no worker, and cannot put it into a queue.
"""

import logging

from api.reconciler.drift import Drift
from blocks.adapters.prefect.retries import AWAITING_RETRY
from blocks.ports import FlowRunView

log = logging.getLogger(__name__)


class UnqueuedRuns(Drift[FlowRunView]):
    """They are deleted; their executions are then dispatched, or go on, like those of any run that
    Prefect does not have.

    One that holds no execution was started by hand or by a schedule: it stays as Prefect shows
    it.
    """

    kind = "unqueued_run"

    @property
    def every_seconds(self) -> float:
        """Rare, and a query of everything that is scheduled."""
        return 3 * super().every_seconds

    async def find(self) -> list[FlowRunView]:
        scheduled = await self._parts.flow_runs.list_runs(states=("scheduled",))
        return [run for run in scheduled if not run.in_a_queue and _is_ours_to_run(run)]

    async def act(self, run: FlowRunView) -> bool:
        await self._parts.flow_runs.delete(run.id)
        log.warning("flow run %s is deleted: its work pool was, and no worker can get it", run.id)
        return True


def _is_ours_to_run(run: FlowRunView) -> bool:
    """Between two tries, it is its worker's."""
    return bool(run.execution_ids) and run.state_name != AWAITING_RETRY
