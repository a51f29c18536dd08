"""Which flow run an execution belongs to: its record names it, and the ETag admits only one."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from blocks import signals
from blocks.clock import utc_now
from blocks.contracts.reading.uuids import canonical_uuid
from blocks.contracts.records import ExecutionRecord
from blocks.executions import transitions
from blocks.ports import NotFound, RecordStore, Stale, Stored, UnreadableRecord
from blocks.processes import fault_points
from blocks.queries import those
from blocks.updates import update
from flows.shared.admission import sliced
from flows.shared.runtime import Runtime

log = logging.getLogger(__name__)

NAMED_MAX = 10
"""Executions that one line of the log names."""


async def claim(
    store: RecordStore,
    tenant_id: str,
    execution_id: str,
    flow_run_id: str,
    definition_version: int = 0,
    *,
    workflow: str,
) -> Stored[ExecutionRecord] | None:
    """The execution, claimed by this flow run: it was pending, given up by another, or its own.

    None, with a log line, for an execution that has ended, that another run holds, that belongs to
    another workflow, that does not exist or cannot be read. Each claim counts one attempt, so a run
    that was presumed dead and returns finds its ETag stale. The first claim also fixes the version
    of the tenant's definition that the execution keeps.
    """
    if canonical_uuid(execution_id) is None:
        log.warning("%r is no execution's id", execution_id[:80])
        return None

    async def claimed() -> Stored[ExecutionRecord] | None:
        try:
            stored = await store.read(tenant_id, ExecutionRecord, execution_id)
        except NotFound:
            log.warning("execution %s does not exist for tenant %s", execution_id, tenant_id)
            return None
        except UnreadableRecord as error:
            log.error("not claimed: %s", error)
            return None
        changes = _changes(stored.record, flow_run_id, definition_version, workflow)
        if changes is None:
            return None
        [ours] = await transitions.change_all(store, [(stored, changes)])
        if ours is None:
            raise Stale(f"execution {execution_id}")
        return ours

    # an event was absorbed, or another run was faster
    return await update(claimed, f"execution {execution_id}")


async def claim_all(
    context: Runtime,
    tenant_id: str,
    execution_ids: Sequence[str],
    flow_run_id: str,
    definition_version: int = 0,
    *,
    workflow: str,
) -> list[Stored[ExecutionRecord]]:
    """Those of these executions that are this flow run's to do, in their order; see `claim`."""
    store, valid = context.store, [id for id in execution_ids if canonical_uuid(id)]
    known = await those(store, tenant_id, ExecutionRecord, valid, skips_unreadable=True)
    claimed: dict[str, Stored[ExecutionRecord]] = {}
    for part in sliced(execution_ids):  # what other runs of this process do goes on in between
        together = [
            (known[id], changes)
            for id in part
            if id in known
            and (changes := _changes(known[id].record, flow_run_id, definition_version, workflow))
        ]
        written = await transitions.change_all(store, together)
        changed = {
            stored.record.id
            for (stored, _), ours in zip(together, written, strict=True)
            if ours is None
        }
        alone = await asyncio.gather(
            *(
                claim(store, tenant_id, id, flow_run_id, definition_version, workflow=workflow)
                for id in part
                if id not in known or id in changed
            )
        )
        claimed |= {stored.record.id: stored for stored in (*written, *alone) if stored}
    fault_points.reached("after-claim")
    ours = [claimed[id] for id in dict.fromkeys(execution_ids) if id in claimed]
    log.info("claimed %s", _listed([stored.record for stored in ours]) or "no execution")
    return ours


def _changes(
    record: ExecutionRecord, flow_run_id: str, definition_version: int, workflow: str
) -> dict[str, Any] | None:
    """What a claim makes of the record; None, with a log line: it is not this run's to do."""
    if record.workflow != workflow:
        log.warning(
            "execution %s is of %s, not of %s: not ours", record.id, record.workflow, workflow
        )
        return None
    rests = record.status == "waiting"
    if rests or record.is_terminal or record.flow_run_id not in (None, flow_run_id):
        log.info(
            "execution %s is %s in flow run %s: not ours",
            record.id,
            record.status,
            record.flow_run_id,
        )
        return None
    taken_at = utc_now()
    ours: dict[str, Any] = {
        "flow_run_id": flow_run_id,
        "attempt": record.attempt + 1,
        "held_since": taken_at,
    }
    if record.definition_version is None:
        ours["definition_version"] = definition_version
    if record.status == "pending":
        ours |= {"status": "running", "started_at": taken_at}
    return ours


def _listed(records: Sequence[ExecutionRecord]) -> str:
    named = [
        f"execution {one.id} ({one.subject}), attempt {one.attempt}" for one in records[:NAMED_MAX]
    ]
    rest = len(records) - len(named)
    return "; ".join([*named, f"and {rest} more"] if rest else named)


async def notify_started(context: Runtime, flow_run_id: str) -> None:
    """Dispatchers send this tenant's next executions: the run has claimed its own
    and is under way.
    """
    await context.bus.broadcast(signals.FLOW_RUN_STARTED, flow_run_id.encode())


async def newest(store: RecordStore, held: Stored[ExecutionRecord]) -> Stored[ExecutionRecord]:
    """The execution as it is now, if it is still held under the same claim.

    Raises `Stale` if it was taken over or has ended.
    """
    stored = await store.read(held.record.tenant_id, ExecutionRecord, held.record.id)
    now, before = stored.record, held.record
    if now.is_terminal or (now.flow_run_id, now.attempt) != (before.flow_run_id, before.attempt):
        raise Stale(
            f"execution {now.id} is {now.status} in flow run {now.flow_run_id}, attempt "
            f"{now.attempt}"
        )
    return stored
