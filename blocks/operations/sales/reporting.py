"""The report of sales, for people."""

from blocks.contracts.events import JsonObject
from blocks.notifications import Message
from blocks.observability.plain_text import plain, shortened
from blocks.operations import notifying
from blocks.ports import RecordStore
from blocks.settings import Settings

_LINES_MAX = 50
_LENGTH = 500


async def send_report(
    store: RecordStore, settings: Settings, execution_id: str, input: JsonObject
) -> JsonObject:
    """People have the results of the steps before, once for each execution.

    A run that an event started, and that found nothing, sends none. Raises `NotConfigured`,
    `NotDelivered`.
    """
    if "triggerEvent" in input and not _is_worth_a_mail(input):
        return {"emailsSent": 0, "reason": "there is nothing to report of this event"}
    message = Message(
        recipient=settings.operations.sales_operations.recipient,
        subject=f"Sales: operations {input.get('opsStatus', 'not monitored')}",
        body="\n".join(_lines(input)),
    )
    await notifying.send(
        store, settings.notifications, message, key=f"sales-operations {execution_id}"
    )
    return {"emailsSent": 1}


def _is_worth_a_mail(input: JsonObject) -> bool:
    return bool(input.get("leadsQualified")) or input.get("opsStatus") == "attention"


def _lines(input: JsonObject) -> list[str]:
    """Insights, leads and due dates, as far as the steps found them."""
    insights = input.get("insights")
    facts = dict(insights) if isinstance(insights, dict) else {}
    names = ("leadsQualified", "leadsChecked", "opportunitiesOverdue", "opportunitiesChecked")
    facts |= {name: input[name] for name in names if name in input}
    if leads := input.get("qualifiedLeads"):
        facts["qualifiedLeads"] = ", ".join(map(str, leads))
    lines = [f"{name}: {shortened(plain(str(value)), _LENGTH)}" for name, value in facts.items()]
    return lines[:_LINES_MAX] or ["No step had anything to report."]
