"""Whether opportunities are closed when they should be."""

from datetime import date

from blocks.contracts.events import JsonObject
from blocks.operations.sales.crm import entries, opportunities_in
from blocks.operations.work import NotConfigured
from blocks.settings.operations import SalesOperations


async def monitor_operations(settings: SalesOperations, today: date) -> JsonObject:
    """`opsStatus` is `attention` when opportunities are overdue, else `normal`.

    Raises `NotConfigured`, `ServiceFailed`.
    """
    if not settings.opportunities_url:
        raise NotConfigured("SALES_OPPORTUNITIES_URL names no CRM")
    found = opportunities_in(await entries(settings, settings.opportunities_url, "opportunities"))
    overdue = sum(one.is_overdue(today) for one in found)
    return {
        "opsStatus": "attention" if overdue else "normal",
        "opportunitiesChecked": len(found),
        "opportunitiesOverdue": overdue,
    }
