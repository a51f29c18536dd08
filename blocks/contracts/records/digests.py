"""Digests of notifications."""

from typing import ClassVar, Literal

from blocks.contracts.reading.normalised import Normalised
from blocks.contracts.records.base import Record

DigestKind = Literal["approval", "failure", "notification"]


class DigestItem(Normalised, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a user is notified of, on one line with a detail below it."""

    kind: DigestKind
    title: str
    detail: str = ""
    link: str = ""


class DigestRecord(Record, frozen=True, kw_only=True, tag="digest"):
    """What one digest has for one address, under the system tenant; `id` is `ids.digest_id`."""

    container: ClassVar[str] = "workflow_workflows"

    digest: str
    """The end of its time, as ISO 8601."""
    address: str
    items: list[DigestItem]
    more: int = 0
    """So many items besides those."""
    subject: str = ""
    """Empty, like the two below, until it is compiled."""
    text: str = ""
    html: str = ""
