"""Advisories about packages, asked of a service with OSV's API
(https://google.github.io/osv.dev/api/): OSV's own, or a mirror inside the platform.

Asked here, and not by pip-audit, for the reasons that `advisories` has. Each call is bounded in
time and bytes; nothing is repeated here: the step is attempted again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from blocks.operations.http import Request, ServiceFailed, ask, filled
from blocks.operations.security.advisories import ECOSYSTEM
from blocks.operations.security.packages import Package

CALL_SECONDS = 20.0
QUERIES_MAX = 1_000
"""Of one call, the most that OSV takes."""
PAGES_MAX = 20
ADVISORIES_MAX = 2_000

_AT_ONCE = 10
_SERVICE = "the service of advisories"


class _Id(msgspec.Struct, frozen=True):
    id: str


class _Result(msgspec.Struct, frozen=True):
    vulns: list[_Id] = []
    next_page_token: str = ""


class _Results(msgspec.Struct, frozen=True):
    results: list[_Result]


async def advisories_about(url: str, packages: Sequence[Package]) -> list[bytes]:
    """Each advisory that the service has about these, once, as it answered. Raises `ServiceFailed`,
    also for more than `ADVISORIES_MAX`.
    """
    base, ids = url.rstrip("/"), set[str]()
    queries = [*map(_query, packages)]
    for first in range(0, len(queries), QUERIES_MAX):
        ids |= await _ids(base, queries[first : first + QUERIES_MAX])
    if len(ids) > ADVISORIES_MAX:
        raise ServiceFailed(f"{_SERVICE} has more than {ADVISORIES_MAX} about these packages")
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(id: str) -> bytes:
        async with places:
            return await _asked(filled(f"{base}/v1/vulns/{{id}}", {"id": id}))

    return await asyncio.gather(*map(one, sorted(ids)))


def _query(package: Package) -> Mapping[str, Any]:
    named = {"name": package.name, "ecosystem": ECOSYSTEM}
    return {"package": named, "version": package.version}


async def _ids(base: str, queries: Sequence[Mapping[str, Any]]) -> set[str]:
    """Of all advisories about what is queried, page by page."""
    ids = set[str]()
    for _ in range(PAGES_MAX):
        body = await _asked(f"{base}/v1/querybatch", {"queries": queries})
        results = _results(body, len(queries))
        ids |= {one.id for result in results for one in result.vulns}
        queries = [
            {**query, "page_token": result.next_page_token}
            for query, result in zip(queries, results, strict=True)
            if result.next_page_token
        ]
        if not queries:
            return ids
    raise ServiceFailed(f"{_SERVICE} has more than {PAGES_MAX} pages")


def _results(body: bytes, count: int) -> list[_Result]:
    try:
        results = msgspec.json.decode(body, type=_Results).results
    except msgspec.MsgspecError:
        results = []
    if len(results) != count:
        raise ServiceFailed(f"{_SERVICE} answered something else than OSV's API has")
    return results


async def _asked(url: str, content: Any = None) -> bytes:
    answer = await ask(
        Request(
            service=_SERVICE,
            url=url,
            method="GET" if content is None else "POST",
            content=content,
            limit_seconds=CALL_SECONDS,
        )
    )
    return answer.body
