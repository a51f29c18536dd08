"""Acts on the audit log that only looked: what was given out, to whom."""

from contextlib import suppress

import msgspec

from blocks.clock import utc_now
from blocks.contracts.records.audit import Act, AuditEntry
from blocks.ports import AlreadyExists, RecordStore


async def record_look(store: RecordStore, tenant_id: str, id: str, act: Act) -> None:
    """The tenant's audit log has one entry under this id. Raises `Unavailable`: then nothing may be
    given out.
    """
    fields = msgspec.structs.asdict(act)
    target = fields.pop("target")
    entry = AuditEntry(
        id=id,
        tenant_id=tenant_id,
        created_at=utc_now(),
        **fields,
        result="done",
        targets=[target] if target else [],
        changes=[],
    )
    with suppress(AlreadyExists):
        await store.create(tenant_id, entry)
