"""What has changed in the CMS, by conditional requests (RFC 9110, 13)."""

import asyncio

import msgspec

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.files import FileMissing, Files
from blocks.operations.cms.content import (
    ENDPOINTS,
    CmsUnavailable,
    Content,
    Fetched,
    current_of,
    digest_of,
    file_of,
    incoming_file_of,
    items_in,
)
from blocks.operations.http import Answer, Request, ServiceFailed, ask
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore
from blocks.settings.operations import CmsSync

LIMIT_SECONDS = 5.0
"""Of the request to an endpoint."""


async def fetch(store: RecordStore, settings: CmsSync, place: Files) -> JsonObject:
    """New content lies beside the current one, which readers still see; the figures name it.

    Raises `NotConfigured`, `CmsUnavailable`, and what the place of the files raises.
    """
    if not settings.cms_url:
        raise NotConfigured("CMS_URL names no CMS")
    fetched = await asyncio.gather(*(_fetch(store, settings, place, one) for one in ENDPOINTS))
    if not any(one.success for one in fetched):
        reasons = dict.fromkeys(str(one.error) for one in fetched)
        raise CmsUnavailable("; ".join(reasons))
    return {
        "endpointsSynced": sum(one.success for one in fetched),
        "totalEndpoints": len(ENDPOINTS),
        "endpointsChanged": sum(one.changed for one in fetched),
        "totalItemsCached": sum(one.count for one in fetched),
        "fetchedAt": utc_now().isoformat(),
        "fetched": msgspec.to_builtins(fetched),
        "details": [
            {"endpoint": f"/api/{one.endpoint}", "count": one.count, "success": one.success}
            for one in fetched
        ],
    }


async def _fetch(store: RecordStore, settings: CmsSync, place: Files, endpoint: str) -> Fetched:
    known = await current_of(store, endpoint)
    if known and not await _is_there(place, endpoint, known):
        known = None
    try:
        answer = await ask(
            Request(
                service=f"the CMS (/api/{endpoint})",
                url=f"{settings.cms_url.rstrip('/')}/api/{endpoint}",
                token=settings.token,
                headers=_conditions(known),
                limit_seconds=LIMIT_SECONDS,
            )
        )
        if answer.status == 304:
            return _unchanged(endpoint, known)
        content = _content_of(answer)
    except ServiceFailed as failure:
        return Fetched(endpoint=endpoint, success=False, error=str(failure))
    await place.write(incoming_file_of(endpoint), answer.body)
    return Fetched(
        endpoint=endpoint,
        success=True,
        count=content.items,
        changed=known is None or content.digest != known.digest,
        content=content,
    )


async def _is_there(place: Files, endpoint: str, content: Content) -> bool:
    """Whether readers see this content: a file may have been lost or changed."""
    try:
        return digest_of(await place.read(file_of(endpoint))) == content.digest
    except FileMissing:
        return False


def _conditions(known: Content | None) -> dict[str, str]:
    headers = {}
    if known and known.etag:
        headers["if-none-match"] = known.etag
    if known and known.last_modified:
        headers["if-modified-since"] = known.last_modified
    return headers


def _unchanged(endpoint: str, known: Content | None) -> Fetched:
    if known is None:
        raise ServiceFailed(
            f"the CMS (/api/{endpoint}) answered 304 to a request without condition"
        )
    return Fetched(endpoint=endpoint, success=True, count=known.items)


def _content_of(answer: Answer) -> Content:
    return Content(
        digest=digest_of(answer.body),
        size=len(answer.body),
        items=items_in(answer.json),
        etag=answer.headers.get("etag"),
        last_modified=answer.headers.get("last-modified"),
        fetched_at=utc_now(),
    )
