"""Which leads are worth a call."""

from typing import Annotated

import msgspec

from blocks.contracts.events import JsonObject
from blocks.operations.http import ServiceFailed
from blocks.operations.sales.analysis import analysis_of, is_configured
from blocks.operations.sales.crm import SENT_MAX, entries, leads_in, note_qualification
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore
from blocks.settings.operations import SalesOperations

STEP = "lead-qualification"

SHOWN_MAX = 20
"""So many qualified leads are named in the figures."""


class Qualification(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the AI workflow found about a lead."""

    lead_id: str | int
    qualified: bool
    score: float | None = None
    reason: Annotated[str, msgspec.Meta(max_length=2_000)] = ""


async def qualify_leads(
    store: RecordStore, settings: SalesOperations, execution_id: str, input: JsonObject
) -> JsonObject:
    """The CRM has what the AI workflow found about each lead; the figures count the qualified ones.

    Raises `NotConfigured`, `ServiceFailed`.
    """
    if not is_configured(settings):
        raise NotConfigured("SALES_AI_WORKFLOW_URL and INNGEST_EVENT_KEY name no AI workflow")
    leads = _leads_of_event(input) or await entries(settings, settings.leads_url, "leads")
    if not leads:
        return {"leadsQualified": 0, "leadsChecked": 0}
    data = {"leads": leads[:SENT_MAX], "insights": input.get("insights")}
    found = await analysis_of(store, settings, execution_id, STEP, data)
    known = {str(lead.id) for lead in leads_in(leads[:SENT_MAX])}
    checked = [] if found is None else _qualifications(found, known)
    if settings.qualification_url:
        for one in checked:
            await note_qualification(
                settings, execution_id, str(one.lead_id), msgspec.to_builtins(one)
            )
    qualified = [str(one.lead_id) for one in checked if one.qualified]
    return {
        "leadsQualified": len(qualified),
        "leadsChecked": len(checked),
        "qualifiedLeads": qualified[:SHOWN_MAX],
    }


def _leads_of_event(input: JsonObject) -> list[JsonObject]:
    """The lead that the event is about, if it states its id."""
    match input.get("triggerEvent"):
        case {"type": "sales.lead.created", "payload": dict() as payload}:
            id = payload.get("id") or payload.get("leadId")
            return [{**payload, "id": id}] if id else []
    return []


def _qualifications(found: JsonObject, known: set[str]) -> list[Qualification]:
    """Of leads that were asked about. Raises `ServiceFailed`."""
    try:
        stated = msgspec.convert(found.get("qualifications", []), list[Qualification])
    except msgspec.ValidationError as error:
        raise ServiceFailed(f"the AI workflow answered what cannot be used: {error}") from None
    return [one for one in stated if str(one.lead_id) in known]
