"""Whether the whole system works, from the API's `/ready`."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from blocks.ports import Unavailable
from blocks.settings import Settings
from blocks.settings.links import url_of

if TYPE_CHECKING:
    import httpx


def api_url(settings: Settings) -> str:
    """Where a client on this machine reaches the API."""
    return url_of(settings.server.host, settings.server.port)


async def answers(settings: Settings) -> bool:
    """Something listens where the API should and knows `/ready`; it need not be ready yet."""
    import httpx

    async with httpx.AsyncClient(base_url=api_url(settings), timeout=5) as client:
        return bool(await _checks(client))


async def parts_becoming_ready(settings: Settings, *, limit_seconds: float) -> AsyncIterator[str]:
    """`api` once it answers, then the name of each part it knows once that works; ends when all do.

    Raises `Unavailable`, naming what is not ready, when the limit has passed.
    """
    import httpx

    deadline = time.monotonic() + limit_seconds
    seen: set[str] = set()
    async with httpx.AsyncClient(base_url=api_url(settings), timeout=5) as client:
        while True:
            checks = await _checks(client)
            ready = {name for name, detail in checks.items() if detail is None}
            for name in sorted(ready - seen):
                yield name
            seen |= ready
            waiting = {name: detail for name, detail in checks.items() if detail is not None}
            if checks and not waiting:
                return
            if time.monotonic() > deadline:
                raise Unavailable(_not_ready(settings, waiting, limit_seconds))
            await asyncio.sleep(0.1)


async def _checks(client: "httpx.AsyncClient") -> dict[str, str | None]:
    """Every part with what is wrong with it (None: nothing); empty if the API does not answer."""
    import httpx

    try:
        checks = (await client.get("/ready")).json()["checks"]
        api: dict[str, str | None] = {"api": None}
        return api | {
            name: None if check["status"] == "ok" else check.get("detail", "it does not work")
            for name, check in checks.items()
        }
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _not_ready(settings: Settings, waiting: Mapping[str, str | None], limit_seconds: float) -> str:
    if not waiting:
        return f"the API does not answer at {api_url(settings)} after {limit_seconds:g} s"
    parts = ", ".join(f"{name} ({detail})" for name, detail in waiting.items())
    return f"not ready after {limit_seconds:g} s: {parts}"
