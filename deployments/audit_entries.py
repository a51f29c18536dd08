"""The audit log for a person at a terminal."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from blocks.contracts.audit import AuditChange, AuditEntry
from blocks.ports import Between, Contains
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.execution_records import console


async def query_entries(
    tenant_id: str, wanted: Mapping[str, str | None], limit: int, *, since: datetime | None, until: datetime | None
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
        page = await store.query(tenant_id, AuditEntry, where, limit=limit)
    return [stored.record for stored in page.items]


def print_entries(found: Sequence[AuditEntry], *, as_json: bool) -> None:
    if as_json:
        for entry in found:
            click.echo(msgspec.json.encode(entry))
        return
    if not found:
        click.echo("no entries")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("AT", "WHO", "THROUGH", "ACTION", "RESULT", "WHAT"):
        table.add_column(heading, no_wrap=heading != "WHAT")
    for entry in found:
        who = escape(entry.actor or "nobody named") + (f" by {escape(entry.service)}" if entry.service else "")
        what = "\n".join(map(_told, entry.changes)) or ", ".join(entry.targets)
        at = f"{entry.created_at:%Y-%m-%d %H:%M:%S}Z"
        table.add_row(at, who, entry.channel, entry.action, entry.result, escape(what))
    console().print(table)


def _told(change: AuditChange) -> str:
    """One record and the fields that differ; `--json` has them whole."""
    if change.before is None and change.after is not None:
        return f"{change.kind} {change.id} created"
    if change.after is None and change.before is not None:
        return f"{change.kind} {change.id} deleted"
    before, after = change.before or {}, change.after or {}
    fields = (f"{name} {_short(before.get(name))} → {_short(after.get(name))}" for name in after)
    return f"{change.kind} {change.id}: {', '.join(fields)}"


def _short(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 40 else f"{text[:39]}…"
