"""Journeys: found, opened, woken when there is work."""

import asyncio
import hashlib
from collections.abc import Collection
from contextlib import suppress

import msgspec

from blocks import signals
from blocks.actions.retrying import notify_dispatchers
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.claims.phases import WORKFLOW
from blocks.contracts.claims.requests import PhaseTrigger
from blocks.contracts.claims.workflow import journey_input
from blocks.contracts.reading.uuids import spellings
from blocks.contracts.records import ExecutionRecord, Trigger
from blocks.contracts.records.claims import (
    ClaimRecord,
    JourneyInput,
    PhaseLogEntry,
    PhaseRecord,
)
from blocks.executions import transitions
from blocks.ports import (
    AlreadyExists,
    Contains,
    EventBus,
    NotFound,
    Query,
    RecordStore,
    Stored,
    UnreadableRecord,
    Where,
)
from blocks.queries import every
from blocks.updates import update

_AT_ONCE = 16


def new_journey(
    tenant_id: str, trigger: PhaseTrigger, *, actor: str | None = None
) -> ExecutionRecord:
    """The journey of the trigger's user and sync as its first trigger opens it: pending."""
    journey_id = ids.journey_id(tenant_id, trigger.user_id, trigger.sync_id)
    now = utc_now()
    journey = JourneyInput(
        user_id=trigger.user_id,
        sync_id=trigger.sync_id,
        seller_id=trigger.seller_id,
        named_by_claim=trigger.is_of_unnamed_sync,
    )
    cause = Trigger(
        event_id=journey_id,
        event_type=f"workflow.phase.{trigger.phase}.requested",
        received_at=now,
        digest=hashlib.sha256(msgspec.json.encode(journey)).hexdigest(),
        actor=actor,
    )
    return ExecutionRecord(
        id=journey_id,
        tenant_id=tenant_id,
        workflow=WORKFLOW,
        subject=trigger.user_id,
        status="pending",
        triggers=[cause],
        trigger_ids=[journey_id],
        input=msgspec.to_builtins(journey),
        created_at=now,
        updated_at=now,
    )


async def find_journey(store: RecordStore, new: ExecutionRecord) -> Stored[ExecutionRecord] | None:
    """The journey under the id of this one, if it has been opened."""
    with suppress(NotFound):
        return await store.read(new.tenant_id, ExecutionRecord, new.id)
    return None


async def open_journey(store: RecordStore, new: ExecutionRecord) -> None:
    """There is a journey under this id. It finds nothing due, and rests, if it is carried before
    the phase for which it is opened is on record: whoever opens it wakes it after that.
    """
    with suppress(AlreadyExists):
        await store.create(new.tenant_id, new)


async def read_journey(
    store: RecordStore,
    tenant_id: str,
    sync_id: str,
    user_id: str | None = None,
    *,
    by_other_names: bool = False,
) -> Stored[ExecutionRecord]:
    """The journey under this sync id, of this user or, without one, the newest of any user of the
    tenant. Raises `NotFound`.

    `by_other_names`, for who reads it only: else the user's newest that has done a phase which its
    caller called so.
    """
    of_sync: Where = {"sync_id": sync_id}
    lines: Where = of_sync
    if user_id is not None:
        journey_id = ids.journey_id(tenant_id, user_id, sync_id)
        with suppress(NotFound):
            return await store.read(tenant_id, ExecutionRecord, journey_id)
        lines = {"user_id": spellings(user_id), "other_sync_ids": Contains(sync_id)}
        if not by_other_names:
            raise NotFound(f"the user has no journey of sync {sync_id[:80]}")
    else:
        async for phase in every(store, tenant_id, PhaseRecord, of_sync, newest_first=True):
            return await store.read(tenant_id, ExecutionRecord, phase.record.execution_id)
    # The phases of a claim that was joined lie with the sync that named it; the log stays.
    async for line in every(store, tenant_id, PhaseLogEntry, lines, newest_first=True):
        return await store.read(tenant_id, ExecutionRecord, line.record.execution_id)
    raise NotFound(f"there is no journey of sync {sync_id[:80]}")


async def of_syncs(
    store: RecordStore, tenant_id: str, execution_ids: Collection[str]
) -> tuple[list[ExecutionRecord], UnreadableRecord | None]:
    """Those of these journeys that know of a sync, the newest last; and the error, if one cannot be
    read.
    """

    async def of_sync(id: str) -> ExecutionRecord | UnreadableRecord | None:
        try:
            journey = (await store.read(tenant_id, ExecutionRecord, id)).record
            return journey if await knows_a_sync(store, journey) else None
        except NotFound:
            return None
        except UnreadableRecord as error:
            return error

    asked, found, problem = sorted(execution_ids), list[ExecutionRecord](), None
    for start in range(0, len(asked), _AT_ONCE):
        for one in await asyncio.gather(*map(of_sync, asked[start : start + _AT_ONCE])):
            match one:
                case ExecutionRecord():
                    found.append(one)
                case UnreadableRecord():
                    problem = one
    return sorted(found, key=lambda journey: journey.created_at), problem


async def knows_a_sync(store: RecordStore, journey: ExecutionRecord) -> bool:
    """Whether a phase of the journey is about a sync, and not about a claim."""
    if journey_input(journey).named_by_claim:
        return False
    of_sync = {"execution_id": journey.id, "claim_key": None}
    return bool((await store.query(journey.tenant_id, Query(PhaseRecord, of_sync, limit=1))).items)


async def phases_of(
    store: RecordStore, tenant_id: str, execution_id: str
) -> list[Stored[PhaseRecord]]:
    """The phases of a journey and of its claims, oldest first."""
    of_journey = {"execution_id": execution_id}
    return [stored async for stored in every(store, tenant_id, PhaseRecord, of_journey)]


async def claims_of(
    store: RecordStore, tenant_id: str, execution_id: str
) -> list[Stored[ClaimRecord]]:
    """The claims that belong to a journey, oldest first."""
    of_journey = {"execution_id": execution_id}
    return [stored async for stored in every(store, tenant_id, ClaimRecord, of_journey)]


async def wake(
    store: RecordStore,
    bus: EventBus,
    tenant_id: str,
    execution_id: str,
    *,
    actor: str | None = None,
    known: Stored[ExecutionRecord] | None = None,
) -> ExecutionRecord:
    """Whoever carries the journey, now or next, finds what was written before this call.

    One at rest is pending; one that has ended is tried again, as after a retry, but one that was
    cancelled stays so. `known`: the journey as the caller read it before it wrote; one at rest is
    woken without another reading. Raises `Unavailable`.
    """

    first_seen: list[str] = []
    at_rest = [known] if known and known.record.status == "waiting" else []

    async def woken() -> ExecutionRecord:
        if at_rest:
            stored = at_rest.pop()  # its ETag shows whether it still is
        else:
            stored = await store.read(tenant_id, ExecutionRecord, execution_id)
            first_seen.append(stored.etag)
        match stored.record.status:
            case "pending" | "cancelled":
                return stored.record
            case "waiting":
                # What has failed counts again when it comes to rest again.
                moved = {"woken_at": utc_now(), "failed_step": None}
                return (await transitions.move(store, stored, "pending", **moved)).record
            case "completed" | "failed":
                if stored.record.announced_at is None:
                    await transitions.announce(store, bus, [stored])
                    stored = await store.read(tenant_id, ExecutionRecord, execution_id)
                return (await transitions.reopen(store, stored, actor)).record
        # Its run comes to rest only with a record that has not changed since it looked: what
        # another writer has changed since this call need not be changed once more.
        if stored.etag != first_seen[0]:
            return stored.record
        return (await transitions.change(store, stored, woken_at=utc_now())).record

    record = await update(woken, f"journey {execution_id}")
    if record.status == "pending":
        await notify_dispatchers(bus, record)
    elif not record.is_terminal:
        await bus.broadcast(signals.JOURNEY_WOKEN, execution_id.encode())
    return record
