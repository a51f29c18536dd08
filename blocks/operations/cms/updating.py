"""New content becomes what readers see, and what the core holds is asked for."""

from time import perf_counter

from blocks.contracts.events import JsonObject
from blocks.contracts.operations.catalogue import CMS_SYNC
from blocks.files import Files, FilesUnavailable
from blocks.operations import states
from blocks.operations.cms.content import (
    Content,
    Fetched,
    digest_of,
    fetched_in,
    file_of,
    incoming_file_of,
)
from blocks.operations.cms.core import ask_core
from blocks.ports import RecordStore
from blocks.settings.operations import CmsSync


async def update_cache(
    store: RecordStore, settings: CmsSync, place: Files, fetched: JsonObject
) -> JsonObject:
    """What `fetch` found is the content that readers see, each file whole; the core's endpoints,
    where there is a core, were asked for.

    `fetched` holds the figures of `fetch`. May be repeated. Raises `NotConfigured` when there is
    neither, and what the place raises.
    """
    found = fetched_in(fetched) if "fetched" in fetched or not settings.core_url else []
    details = [await _make_current(store, place, one) for one in found]
    details += await ask_core(settings)
    return {
        "cacheUpdated": sum(one["cached"] for one in details),
        "totalEndpoints": len(details),
        "details": details,
    }


async def _make_current(store: RecordStore, place: Files, one: Fetched) -> JsonObject:
    """`duration` is in milliseconds."""
    began = perf_counter()
    if one.content:
        body = await place.read(incoming_file_of(one.endpoint))
        _check(body, one.endpoint, one.content)
        await place.write(file_of(one.endpoint), body)
        await states.keep(store, CMS_SYNC, one.endpoint, one.content)
    duration = round((perf_counter() - began) * 1000)
    return {"name": one.endpoint, "cached": one.content is not None, "duration": duration}


def _check(body: bytes, endpoint: str, content: Content) -> None:
    if digest_of(body) != content.digest:
        raise FilesUnavailable(
            f"the store of CMS content holds other bytes in {incoming_file_of(endpoint)} than were "
            "written there"
        )
