"""Acts on the audit log: the changes within one leave exactly one entry, even after a crash.

The intent is durable before anything is changed; if it cannot be written, nothing is done. The
entry is written when the act has ended, before its caller is answered, and the intent is deleted.
An act that changed nothing leaves nothing. If the process dies or the store becomes unavailable in
between, the intent stays, and the reconciler makes an entry of it that states this.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import uuid4

import msgspec

from blocks.adapters.retrying import RetryingRecordStore
from blocks.audit.audited_store import AuditedStore
from blocks.audit.changes import fitting
from blocks.audit.refusals import room_for_refusal
from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.audit import Act, AuditChange, AuditEntry, AuditIntent, Result
from blocks.ports import AlreadyExists, RecordStore, Stored, Unavailable
from blocks.queries import every

log = logging.getLogger(__name__)

GIVEN_UP_AFTER = timedelta(minutes=10)
"""An act that has not ended after this long was lost with its process."""

ENTRY_SECONDS = 5.0
"""How long an act's caller waits if the store fails afterwards; then the reconciler takes over."""


@asynccontextmanager
async def audited(store: RecordStore, tenant_id: str, act: Act) -> AsyncIterator[RecordStore]:
    """What is changed through the store that this yields stands on the tenant's audit log when the
    context has ended.

    Raises `Unavailable` at its begin when the intent cannot be written.
    """
    audit = await Audit.begin(store, tenant_id, act)
    try:
        yield audit.store
    except BaseException:  # an interrupted one may have changed something, too
        await audit.end("incomplete")
        raise
    await audit.end("done")


class Audit:
    """One act in progress: its caller must `end` it once."""

    def __init__(self, store: RecordStore, intent: Stored[AuditIntent]) -> None:
        self.store = AuditedStore(store)
        """The store that the act writes through."""
        self._underneath = store
        self._intent = intent

    @classmethod
    async def begin(cls, store: RecordStore, tenant_id: str, act: Act) -> "Audit":
        """The intent is durable. Raises `Unavailable`."""
        intent = AuditIntent(
            id=str(uuid4()),
            tenant_id=SYSTEM_TENANT,
            created_at=utc_now(),
            tenant=tenant_id,
            act=act,
        )
        return cls(store, await store.create(SYSTEM_TENANT, intent))

    async def end(self, result: Result) -> None:
        """The entry of a change or refusal is durable and the intent gone, else the reconciler does
        it.

        A refusal that changed nothing leaves an entry only while its tenant has room for one this
        minute.
        """
        changes, retrying = (
            self.store.changes(),
            RetryingRecordStore(self._underneath, limit_seconds=ENTRY_SECONDS),
        )
        intent = self._intent.record
        if self.store.is_uncertain:
            result = "unknown"
        try:
            if (
                changes
                or result == "unknown"
                or (result == "refused" and room_for_refusal(intent.tenant, intent.act))
            ):
                await _write(retrying, _entry_of(intent, result, changes))
            await retrying.delete(SYSTEM_TENANT, AuditIntent, intent.id)
        except Unavailable as error:
            log.warning(
                "the audit entry of %s %s comes later: %s", intent.act.action, intent.id, error
            )


async def refuse(store: RecordStore, tenant_id: str, act: Act) -> None:
    """An attempt that the role does not permit is on the log, if there is room and a store."""
    if not room_for_refusal(tenant_id, act):
        return
    with suppress(Unavailable):
        intent = AuditIntent(
            id=str(uuid4()),
            tenant_id=SYSTEM_TENANT,
            created_at=utc_now(),
            tenant=tenant_id,
            act=act,
        )
        await _write(store, _entry_of(intent, "refused", []))


async def finish_lost_acts(store: RecordStore, before: datetime | None = None) -> int:
    """Intents from before that moment (None: `GIVEN_UP_AFTER` ago) have become entries; returns how
    many there were.
    """
    finished, before = 0, before or utc_now() - GIVEN_UP_AFTER
    async for stored in every(store, SYSTEM_TENANT, AuditIntent, skips_unreadable=True):
        intent = stored.record
        if intent.created_at >= before:
            break
        with suppress(AlreadyExists):  # its process died before the deletion
            await store.create(intent.tenant, _entry_of(intent, "unknown", []))
        await store.delete(SYSTEM_TENANT, AuditIntent, intent.id)
        log.warning(
            "it is not known what became of %s %s of tenant %s",
            intent.act.action,
            intent.id,
            intent.tenant,
        )
        finished += 1
    return finished


def _entry_of(intent: AuditIntent, result: Result, changes: Sequence[AuditChange]) -> AuditEntry:
    act = msgspec.structs.asdict(intent.act)
    named = act.pop("target")
    return AuditEntry(
        id=intent.id,
        tenant_id=intent.tenant,
        created_at=intent.created_at,
        **act,
        result=result,
        targets=list(
            dict.fromkeys([*([named] if named else []), *(change.id for change in changes)])
        ),
        changes=fitting(changes),
    )


async def _write(store: RecordStore, entry: AuditEntry) -> None:
    try:
        await store.create(entry.tenant_id, entry)
    except AlreadyExists:
        known = await store.read(entry.tenant_id, AuditEntry, entry.id)
        if known.record != entry:  # was recorded as lost; this is another
            await store.create(entry.tenant_id, msgspec.structs.replace(entry, id=str(uuid4())))
