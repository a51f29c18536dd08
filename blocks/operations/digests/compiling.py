"""The mails of a digest, as text and as HTML; what comes from outside is escaped in the HTML."""

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.digests import DigestKind, DigestRecord
from blocks.observability.plain_text import plain
from blocks.operations.digests.window import Window, window_of
from blocks.ports import RecordStore
from blocks.queries import every

HEADINGS: dict[DigestKind, str] = {
    "approval": "Waiting for your decision",
    "failure": "Failed",
    "notification": "Notifications",
}

_mails = Environment(
    loader=PackageLoader("blocks.operations.digests", "templates"),
    autoescape=select_autoescape(("html",)),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_mails.filters["plain"] = plain


async def compile_all(store: RecordStore, input: JsonObject) -> JsonObject:
    """Each address of the digest that `collect` names has its mail. May be repeated.

    Raises `NotConfigured`.
    """
    window, compiled = window_of(input), 0
    async for stored in every(store, SYSTEM_TENANT, DigestRecord, {"digest": window.digest}):
        mail = compiled_of(stored.record, window)
        await store.replace(SYSTEM_TENANT, stored.etag, mail)
        compiled += 1
    return {"digestCompiled": compiled}


def compiled_of(record: DigestRecord, window: Window) -> DigestRecord:
    """The record with its mail."""
    count = len(record.items) + record.more
    sections = {
        heading: [item for item in record.items if item.kind == kind]
        for kind, heading in HEADINGS.items()
    }
    facts = {
        "since": f"{window.since:%Y-%m-%d %H:%M} UTC",
        "sections": {heading: items for heading, items in sections.items() if items},
        "more": record.more,
    }
    return msgspec.structs.replace(
        record,
        subject=f"{count:,} notifications" if count != 1 else "1 notification",
        text=_mails.get_template("digest.txt").render(facts),
        html=_mails.get_template("digest.html").render(facts),
    )
