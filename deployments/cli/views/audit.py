"""The audit log for a person at a terminal."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from api.audit.documents import AuditEntry, document_of
from blocks.contracts.records import audit as records
from blocks.contracts.records.audit import AuditChange
from blocks.observability.plain_text import cut
from blocks.ports import Between, Contains, Query
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.printing import console, say_json, say_line, table_of, text_of_lines


async def query_entries(
    tenant_id: str,
    wanted: Mapping[str, str | None],
    limit: int,
    *,
    since: datetime | None,
    until: datetime | None,
) -> list[AuditEntry]:
    """The newest that match; the moments are in UTC."""
    named = {name: value for name, value in wanted.items() if value}
    target = named.pop("target", None)
    where = {
        **named,
        **({"targets": Contains(target)} if target else {}),
        "created_at": Between(since=since, until=until),
    }
    async with open_store(load_settings()) as store:
        page = await store.query(tenant_id, Query(records.AuditEntry, where, limit=limit))
    return [document_of(stored.record) for stored in page.items]


def print_entries(found: Sequence[AuditEntry], *, as_json: bool) -> None:
    if as_json:
        for entry in found:
            say_json(entry)
        return
    if not found:
        say_line("no entries")
        return
    table = table_of("AT", "WHO", "THROUGH", "ACTION", "RESULT", "WHAT", wraps=("WHAT",))
    for entry in found:
        by = f" by {entry.actor.service}" if entry.actor.service else ""
        who = (entry.actor.id or "no user named") + by
        what = text_of_lines(map(_in_words, entry.changes) if entry.changes else [_named(entry)])
        at = f"{entry.created_at:%Y-%m-%d %H:%M:%S}Z"
        table.add_row(at, who, entry.channel, entry.action, entry.result, what)
    console().print(table)


def _named(entry: AuditEntry) -> str:
    counts = (f"{count:,} {reason}" for reason, count in (entry.failures or {}).items())
    return ": ".join(filter(None, [", ".join(entry.targets), ", ".join(counts)]))


def _in_words(change: AuditChange) -> str:
    """One record and the fields that differ; `--json` has them whole."""
    if change.before is None and change.after is not None:
        return f"{change.kind} {change.id} created"
    if change.after is None and change.before is not None:
        return f"{change.kind} {change.id} deleted"
    before, after = change.before or {}, change.after or {}
    fields = (f"{name} {_short(before.get(name))} → {_short(after.get(name))}" for name in after)
    return f"{change.kind} {change.id}: {', '.join(fields)}"


def _short(value: object) -> str:
    return cut(msgspec.json.encode(value).decode(), 40)
