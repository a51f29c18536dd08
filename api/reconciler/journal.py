"""The reconciler's results: in the metrics of this process, and for the `ReconcilerRecord`."""

import logging
from time import monotonic
from typing import Any

from api.reconciler import metrics
from api.reconciler.drift import Drift
from blocks.clock import utc_now
from blocks.contracts.records import Look
from blocks.ports import Unavailable

log = logging.getLogger(__name__)


class Journal:
    """The last look for each kind of drift; `looks` is what is recorded."""

    def __init__(self) -> None:
        self.looks: dict[str, Look] = {}

    def continue_from(self, looks: dict[str, Look]) -> None:
        """The counts go on from those of the leader before."""
        self.looks = dict(looks)

    async def look(self, drift: Drift[Any]) -> Look:
        """Looks for the drift and repairs it; a failure is logged once, as long as it lasts."""
        began, repairs = monotonic(), drift.repairs
        error = await self._failure_of(drift)
        repaired, before = drift.repairs - repairs, self.looks.get(drift.kind)
        metrics.REPAIRS.labels(drift.kind).inc(repaired)
        metrics.LAST_LOOK.labels(drift.kind).set_to_current_time()
        look = self.looks[drift.kind] = Look(
            at=utc_now(),
            seconds=round(monotonic() - began, 3),
            repaired=(before.repaired if before else 0) + repaired,
            error=error,
        )
        return look

    async def _failure_of(self, drift: Drift[Any]) -> str | None:
        before = self.looks.get(drift.kind)
        try:
            await drift.look()
        except Unavailable as error:
            if before is None or before.error is None:
                log.warning("the reconciler cannot look for %s: %s", drift.kind, error)
            return str(error)
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
            if before is None or before.error != failure:
                log.exception("the reconciler stumbled looking for %s", drift.kind)
            return failure
        return None
