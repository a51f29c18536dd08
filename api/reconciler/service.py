"""The reconciler of an API process: on standby until it leads, then looks periodically."""

import asyncio
import logging
from datetime import timedelta
from functools import partial
from typing import Any

from api.claims.log_keeping import keep_phase_logs
from api.dead_letters.sweep import tend_dead_letters
from api.executions.retention import delete_old_executions
from api.idempotency import forget_old_answers
from api.reconciler import metrics
from api.reconciler.backup_ages import watch_backups
from api.reconciler.bell import Bell
from api.reconciler.drift import Drift, Parts
from api.reconciler.drifts import KINDS, drifts
from api.reconciler.gauges import count_for_ever
from api.reconciler.journal import Journal
from api.reconciler.leadership import Leadership
from api.reconciler.upcoming import name_upcoming_for_ever
from blocks import signals
from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.audit.recording import finish_lost_acts
from blocks.notifications.notifier import forget_old_notifications
from blocks.operations.events.taking import forget_events
from blocks.ports import EventBus, RecordStore
from blocks.processes.duties import again_and_again
from blocks.settings import Settings

log = logging.getLogger(__name__)

_GAP_SECONDS = 0.5
"""Between two looks, however many hints come."""

_NOW_AND_THEN_SECONDS = 600.0


async def run_reconciler(settings: Settings, store: RecordStore, bus: EventBus) -> None:
    """Leads or stands by until cancelled. An unavailable part is logged once and retried."""
    bell, journal = Bell(), Journal()
    for kind in KINDS:
        metrics.REPAIRS.labels(kind)  # a count that has begun at 0 can be watched from the start
    leadership = Leadership(store, journal, bell, lease_seconds=settings.reconciler.lease_seconds)

    async def on_hint(_: bytes) -> None:
        bell.ring()

    async with (
        PrefectFlowRuns(settings.prefect.api_url or None) as flow_runs,
        flow_runs.setting_the_clock(),
    ):

        async def work() -> None:
            await _look_for_ever(Parts.of(settings, store, bus, flow_runs), journal, bell)

        async with bus.listen(signals.RECONCILER_HINT, on_hint):
            try:
                await leadership.lead(work)
            finally:
                # Another one takes over at once.
                await bus.broadcast(signals.RECONCILER_HINT, b"")


async def _look_for_ever(parts: Parts, journal: Journal, bell: Bell) -> None:
    kept_for = timedelta(days=parts.settings.operations.events_kept_days)
    async with asyncio.TaskGroup() as group:
        for drift in drifts(parts):
            group.create_task(
                look_again_and_again(drift, journal, bell), name=f"reconciler: {drift.kind}"
            )
        group.create_task(count_for_ever(parts.store), name="reconciler: what is open")
        group.create_task(
            name_upcoming_for_ever(parts.flow_runs), name="reconciler: names of upcoming runs"
        )
        for what, duty in (
            ("old answers", forget_old_answers),
            ("old notifications", forget_old_notifications),
            ("lost acts", finish_lost_acts),
            ("old events of operations", partial(forget_events, kept_for=kept_for)),
        ):
            group.create_task(
                again_and_again(what, partial(duty, parts.store), _NOW_AND_THEN_SECONDS, log),
                name=f"reconciler: {what}",
            )
        group.create_task(
            keep_phase_logs(parts.settings, parts.store), name="reconciler: logs of phases"
        )
        group.create_task(
            delete_old_executions(parts.settings, parts.store), name="reconciler: old executions"
        )
        group.create_task(watch_backups(parts.settings), name="reconciler: age of backups")
        group.create_task(
            tend_dead_letters(parts.settings, parts.store, parts.bus),
            name="reconciler: dead letters",
        )


async def look_again_and_again(drift: Drift[Any], journal: Journal, bell: Bell) -> None:
    """Looks at once, after each hint and periodically, until cancelled."""
    while True:
        rung = bell.rung
        look = await journal.look(drift)
        await asyncio.sleep(_GAP_SECONDS)
        seconds = drift.retry_seconds if look.error else drift.every_seconds
        await rung.wait(max(seconds - _GAP_SECONDS, 0))
