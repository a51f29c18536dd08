"""Executions that run past their deadline because their run does not end them."""

import logging
from datetime import timedelta

from api.reconciler.drift import Drift
from blocks import signals
from blocks.actions.failing import fail_execution
from blocks.contracts import rejections
from blocks.contracts.records import ExecutionRecord
from blocks.definitions.deadlines import overdue
from blocks.executions.transitions import refusals
from blocks.observability.metrics import work
from blocks.ports import Stored
from blocks.queries import tenants

log = logging.getLogger(__name__)


class OverdueExecutions(Drift[Stored[ExecutionRecord]]):
    """They fail with `deadline-passed`; a worker that still holds one finds its ETag stale and lets
    it go.
    """

    kind = "overdue_execution"

    async def find(self) -> list[Stored[ExecutionRecord]]:
        late = await overdue(
            self._parts.store, self._parts.settings, await tenants(self._parts.store)
        )
        work.OVERDUE.set(len(late))
        limit = timedelta(seconds=self._parts.settings.analysis.end_overdue_after_seconds)
        return [one.stored for one in late if one.late > limit]

    async def act(self, stored: Stored[ExecutionRecord]) -> bool:
        store, bus = self._parts.store, self._parts.bus
        why = "its deadline passed, and its flow run did not end it"
        error = why + refusals(stored.record)
        if not await fail_execution(store, bus, stored, rejections.DEADLINE_PASSED, error):
            return False  # its run has just moved it
        await bus.broadcast(signals.EXECUTION_CANCELLED, stored.record.id.encode())
        log.warning("execution %s is failed: %s", stored.record.id, error)
        return True
