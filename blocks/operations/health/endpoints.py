"""HTTP endpoints: whether each answers with success, and how fast."""

from blocks.contracts.events import JsonObject
from blocks.operations.web_pages import ask
from blocks.operations.work import NotConfigured
from blocks.settings.operations import HealthMonitoring
from blocks.settings.operations.pages import pages_of


async def check_endpoints(settings: HealthMonitoring) -> JsonObject:
    """Every endpoint of the settings was asked.

    Returns `servicesChecked`, `healthyServices` and `details`, one entry an endpoint with
    `responseTime` in milliseconds. Raises `NotConfigured`.
    """
    pages = pages_of(settings.endpoints)
    if not pages:
        raise NotConfigured("HEALTH_MONITORING_ENDPOINTS names no endpoints")
    answers = await ask(pages, at_once=settings.at_once, limit_seconds=settings.call_seconds)
    details: list[JsonObject] = [
        {
            "name": answer.name,
            "url": answer.url,
            "healthy": answer.error is None,
            "responseTime": answer.milliseconds,
            **({"error": answer.error} if answer.error else {}),
        }
        for answer in answers
    ]
    return {
        "servicesChecked": len(details),
        "healthyServices": sum(not answer.error for answer in answers),
        "details": details,
    }
