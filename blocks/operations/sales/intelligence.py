"""How sales stand."""

from datetime import date

from blocks.contracts.events import JsonObject
from blocks.operations.sales.analysis import analysis_of, is_configured
from blocks.operations.sales.crm import SENT_MAX, entries, leads_in, opportunities_in
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore
from blocks.settings.operations import SalesOperations

STEP = "business-intel"

INSIGHTS_MAX = 30
_TEXT_MAX = 500


async def analyse(
    store: RecordStore,
    settings: SalesOperations,
    execution_id: str,
    input: JsonObject,
    today: date,
) -> JsonObject:
    """The CRM's figures, and what the AI workflow adds to them under `insights`.

    Raises `NotConfigured`, `ServiceFailed`.
    """
    has_crm = settings.leads_url or settings.opportunities_url
    if not (has_crm or is_configured(settings)):
        raise NotConfigured(
            "SALES_LEADS_URL, SALES_OPPORTUNITIES_URL, SALES_AI_WORKFLOW_URL and "
            "INNGEST_EVENT_KEY name no service"
        )
    leads = await entries(settings, settings.leads_url, "leads")
    opportunities = await entries(settings, settings.opportunities_url, "opportunities")
    insights = {
        "leadsToday": sum(lead.is_of(today) for lead in leads_in(leads)),
        "opportunitiesActive": sum(one.is_active for one in opportunities_in(opportunities)),
    }
    found: JsonObject | None = None
    if is_configured(settings):
        data = {
            "event": input.get("triggerEvent"),
            "leads": leads[:SENT_MAX],
            "opportunities": opportunities[:SENT_MAX],
            "insights": insights,
        }
        found = await analysis_of(store, settings, execution_id, STEP, data)
    # What is counted here is not for others to state.
    return {"analysisComplete": found is not None, "insights": {**_stated(found), **insights}}


def _stated(found: JsonObject | None) -> JsonObject:
    """The numbers and short texts under `insights`, as many as a report shows."""
    stated = (found or {}).get("insights")
    plain = {
        name[:_TEXT_MAX]: value[:_TEXT_MAX] if isinstance(value, str) else value
        for name, value in (stated if isinstance(stated, dict) else {}).items()
        if isinstance(value, str | int | float)
    }
    return dict(list(plain.items())[:INSIGHTS_MAX])
