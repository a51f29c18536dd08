"""The three groups of pages; names of results are those of the platform's contract."""

import msgspec

from blocks.contracts.events import JsonObject
from blocks.operations.web_pages import Answer, ask
from blocks.operations.work import NotConfigured
from blocks.settings.operations import CacheWarmup
from blocks.settings.operations.pages import pages_of


class NothingWarmed(Exception):
    """No page answered; the message says why the first ones did not."""


class _Warmed(msgspec.Struct, frozen=True):
    answers: list[Answer]

    @property
    def count(self) -> int:
        return sum(not answer.error for answer in self.answers)

    @property
    def figures(self) -> JsonObject:
        """What is counted of every group."""
        return {
            "totalEndpoints": len(self.answers),
            "failed": len(self.answers) - self.count,
            "bytes": sum(answer.bytes for answer in self.answers),
            "slowestMilliseconds": max(answer.milliseconds for answer in self.answers),
            "details": [_detail(answer) for answer in self.answers],
        }


async def warm_api(settings: CacheWarmup) -> JsonObject:
    """Every page of the API was asked for.

    Returns `endpointsWarmed`, `totalEndpoints`, `failed`, `bytes`, `slowestMilliseconds` and
    `details`, one entry a page. Raises `NotConfigured`, `NothingWarmed`.
    """
    warmed = await _warmed(settings.api_urls, "CACHE_WARMUP_API_URLS", settings)
    return {"endpointsWarmed": warmed.count, **warmed.figures}


async def warm_cms(settings: CacheWarmup) -> JsonObject:
    """The same for the CMS; `cmsWarmed` in place of `endpointsWarmed`."""
    warmed = await _warmed(settings.cms_urls, "CACHE_WARMUP_CMS_URLS", settings)
    return {"cmsWarmed": warmed.count, **warmed.figures}


async def warm_session(settings: CacheWarmup) -> JsonObject:
    """The same for pages of sessions; `sessionCacheReady` says whether all of them answered."""
    warmed = await _warmed(settings.session_urls, "CACHE_WARMUP_SESSION_URLS", settings)
    is_ready = warmed.count == len(warmed.answers)
    return {"sessionCacheReady": is_ready, **warmed.figures}


async def _warmed(listed: str, variable: str, settings: CacheWarmup) -> _Warmed:
    pages = pages_of(listed)
    if not pages:
        raise NotConfigured(f"{variable} names no pages")
    answers = await ask(pages, at_once=settings.at_once, limit_seconds=settings.call_seconds)
    warmed = _Warmed(answers)
    if warmed.count == 0:
        reasons = "; ".join(f"{answer.name}: {answer.error}" for answer in answers[:3])
        more = f"; and {len(answers) - 3} more" if len(answers) > 3 else ""
        raise NothingWarmed(f"none of {len(answers)} pages answered: {reasons}{more}")
    return warmed


def _detail(answer: Answer) -> JsonObject:
    return {
        "name": answer.name,
        "url": answer.url,
        "warmed": answer.error is None,
        "status": answer.status,
        "bytes": answer.bytes,
        "responseTime": answer.milliseconds,
        **({"error": answer.error} if answer.error else {}),
    }
