"""A record store that remembers what was changed through it."""

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from blocks.adapters.forwarding import ForwardingRecordStore
from blocks.audit.changes import change_of, is_audited
from blocks.contracts.records import Record
from blocks.contracts.records.audit import AuditChange
from blocks.ports import (
    AlreadyExists,
    NotFound,
    Page,
    Query,
    RecordStore,
    Stale,
    Stored,
    Throttled,
    Unavailable,
)

R = TypeVar("R", bound=Record)
T = TypeVar("T")


class AuditedStore(ForwardingRecordStore):
    """The store of one act. Of a record written several times it keeps the first and last state."""

    def __init__(self, store: RecordStore) -> None:
        super().__init__(store)
        self._seen: dict[str, Record] = {}
        self._written: dict[tuple[type[Record], str, str], tuple[Record | None, Record | None]] = {}
        self.is_uncertain = False
        """Whether a write was not answered: it may have been carried out."""

    def changes(self) -> list[AuditChange]:
        """In the order in which the records were first written."""
        found = (change_of(kind, id, *sides) for (kind, _, id), sides in self._written.items())
        return [change for change in found if change]

    async def create(self, tenant_id: str, record: R) -> Stored[R]:
        write = super().create(tenant_id, record)
        return await self._write(type(record), tenant_id, record.id, None, record, write)

    async def create_all(self, tenant_id: str, records: Sequence[R]) -> list[Stored[R] | None]:
        """One by one: of each it is known whether it was written."""
        created: list[Stored[R] | None] = []
        for record in records:
            try:
                created.append(await self.create(tenant_id, record))
            except AlreadyExists:
                created.append(None)
        return created

    async def read(self, tenant_id: str, kind: type[R], id: str) -> Stored[R]:
        return self._noted(await super().read(tenant_id, kind, id))

    async def replace(self, tenant_id: str, etag: str, record: R) -> Stored[R]:
        kind = type(record)
        before = self._seen.get(etag) or (
            await self._last(tenant_id, kind, record.id) if is_audited(kind) else None
        )
        write = super().replace(tenant_id, etag, record)
        return self._noted(await self._write(kind, tenant_id, record.id, before, record, write))

    async def replace_all(
        self, tenant_id: str, changed: Sequence[Stored[R]]
    ) -> list[Stored[R] | None]:
        """One by one, as `create_all`."""
        replaced: list[Stored[R] | None] = []
        for stored in changed:
            try:
                replaced.append(await self.replace(tenant_id, stored.etag, stored.record))
            except (Stale, NotFound):
                replaced.append(None)
        return replaced

    async def delete(
        self, tenant_id: str, kind: type[R], id: str, *, etag: str | None = None
    ) -> None:
        before = await self._last(tenant_id, kind, id) if is_audited(kind) else None
        write = super().delete(tenant_id, kind, id, etag=etag)
        await self._write(kind, tenant_id, id, before, None, write)

    async def query(self, tenant_id: str, query: Query[R]) -> Page[R]:
        page = await super().query(tenant_id, query)
        for stored in page.items:
            self._noted(stored)
        return page

    def _noted(self, stored: Stored[R]) -> Stored[R]:
        if is_audited(type(stored.record)):
            self._seen[stored.etag] = stored.record
        return stored

    async def _last(self, tenant_id: str, kind: type[R], id: str) -> R | None:
        """The record as it is just before the write, for callers that have read it elsewhere."""
        try:
            return (await super().read(tenant_id, kind, id)).record
        except NotFound:
            return None

    async def _write(
        self,
        kind: type[Record],
        tenant_id: str,
        id: str,
        before: Record | None,
        after: Record | None,
        write: Awaitable[T],
    ) -> T:
        try:
            written = await write
        except Throttled:
            raise  # it was refused before it did anything
        except Unavailable:
            self.is_uncertain = True
            self._note(kind, tenant_id, id, before, after)
            raise
        self._note(kind, tenant_id, id, before, after)
        return written

    def _note(
        self,
        kind: type[Record],
        tenant_id: str,
        id: str,
        before: Record | None,
        after: Record | None,
    ) -> None:
        if is_audited(kind):
            first, _ = self._written.get((kind, tenant_id, id), (before, after))
            self._written[kind, tenant_id, id] = (first, after)
