"""Leads and opportunities, as the CRM has them."""

from datetime import date
from typing import Annotated, Any

import msgspec

from blocks.contracts import ids
from blocks.contracts.events import JsonObject
from blocks.contracts.operations.catalogue import SALES_OPERATIONS
from blocks.operations.http import Request, ServiceFailed, ask, filled
from blocks.settings.operations import SalesOperations

SENT_MAX = 200
"""So many leads or opportunities are sent to an analysis."""

_CLOSED = ("closed", "won", "lost", "closed_won", "closed_lost", "closed-won", "closed-lost")

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Lead(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    id: Id | int
    created_at: str = ""

    def is_of(self, day: date) -> bool:
        return self.created_at.startswith(day.isoformat())


class Opportunity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    id: Id | int
    status: str = ""
    stage: str = ""
    expected_close_date: str = ""

    @property
    def is_active(self) -> bool:
        return (self.status or self.stage).lower() not in _CLOSED

    def is_overdue(self, day: date) -> bool:
        """Whether it should have been closed by then."""
        due = self.expected_close_date[:10]
        return self.is_active and bool(due) and due < day.isoformat()


async def entries(settings: SalesOperations, url: str, what: str) -> list[JsonObject]:
    """The objects of a list, or of the list under `data`; none without an address.

    Raises `ServiceFailed`.
    """
    if not url:
        return []
    request = Request(service=f"the CRM ({what})", url=url, token=settings.crm_token)
    content = (await ask(request)).json
    inner = content.get("data") if isinstance(content, dict) else content
    if not isinstance(inner, list):
        raise ServiceFailed(f"the CRM ({what}) answered what is no list")
    return [entry for entry in inner if isinstance(entry, dict)]


def leads_in(entries: list[JsonObject]) -> list[Lead]:
    """Those that can be read."""
    return [lead for entry in entries if (lead := _read(entry, Lead))]


def opportunities_in(entries: list[JsonObject]) -> list[Opportunity]:
    """Those that can be read."""
    return [one for entry in entries if (one := _read(entry, Opportunity))]


async def note_qualification(
    settings: SalesOperations, execution_id: str, lead_id: str, found: JsonObject
) -> None:
    """The CRM has what was found about the lead. Raises `ServiceFailed`."""
    key = ids.operation_call_id(SALES_OPERATIONS.id, execution_id, f"qualification {lead_id}")
    await ask(
        Request(
            service="the CRM (qualification)",
            url=filled(settings.qualification_url, {"leadId": lead_id}),
            method="POST",
            content=found,
            token=settings.crm_token,
            headers={"idempotency-key": key},
        )
    )


def _read(entry: JsonObject, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(entry, kind)
    except msgspec.ValidationError:
        return None
