"""The platform's core, asked for what it holds ready, so that caches on the way are filled."""

from blocks.contracts.events import JsonObject
from blocks.operations.web_pages import Answer, ask
from blocks.settings.operations import CmsSync

ENDPOINTS = ("health", "services", "config/public")
"""Below `/api/` of the core."""

LIMIT_SECONDS = 10.0
"""Of the request to an endpoint."""


async def ask_core(settings: CmsSync) -> list[JsonObject]:
    """What came of asking each endpoint; nothing without a core. One that fails is named, and stops
    nothing: health-monitoring is for that.
    """
    if not settings.core_url:
        return []
    base = settings.core_url.rstrip("/")
    pages = {f"core/{endpoint}": f"{base}/api/{endpoint}" for endpoint in ENDPOINTS}
    answers = await ask(pages, at_once=len(pages), limit_seconds=LIMIT_SECONDS)
    return [_detail(answer) for answer in answers]


def _detail(answer: Answer) -> JsonObject:
    """`duration` is in milliseconds."""
    return {
        "name": answer.name,
        "cached": answer.error is None,
        "duration": answer.milliseconds,
        **({"error": answer.error} if answer.error else {}),
    }
