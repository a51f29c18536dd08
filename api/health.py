"""Is this process alive (`/health`), and can it and what it depends on do their work (`/ready`)?"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from api.authentication import PUBLIC
from api.documents import Document
from api.openapi import success
from blocks.clock import utc_now
from blocks.ports import Unavailable

logger = logging.getLogger(__name__)

PROBE_SECONDS = 2.0

Probe = Callable[[], Awaitable[None]]
"""Returns when its part works, raises `Unavailable` when it does not."""

Probes = Mapping[str, Probe]

ProbesOfApp = SkipValidation[NamedDependency[Probes]]
ServiceName = NamedDependency[str]


class Health(Document, frozen=True, kw_only=True):
    """This process answers."""

    status: Literal["healthy"]
    timestamp: datetime
    service: str


class Check(Document, frozen=True, kw_only=True):
    """How one part is; `detail` says what is wrong."""

    status: Literal["ok", "error"]
    detail: str | None = None


class Readiness(Document, frozen=True, kw_only=True):
    """Whether every part works, and which do not."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, Check]
    timestamp: datetime
    service: str


_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_OK, _LOST = Check(status="ok"), Check(status="error", detail="no worker has shown a sign of life")
_HEALTH = Health(status="healthy", timestamp=_NOON, service="workflow-orchestrator")
_READY = Readiness(status="ready", checks={"database": _OK}, timestamp=_NOON, service="workflow-orchestrator")
_NOT_READY = Readiness(
    status="not_ready", checks={"database": _OK, "worker": _LOST}, timestamp=_NOON, service="workflow-orchestrator"
)


@get(
    "/health",
    summary="Is this process alive?",
    tags=["Operation"],
    responses={200: success(_HEALTH)},
    opt=PUBLIC,
    security=[{}],
)
async def health(service: ServiceName) -> Health:
    """Answers as long as the process does, whatever its surroundings: restart the process when this stops."""
    return Health(status="healthy", timestamp=utc_now(), service=service)


@get(
    "/ready",
    summary="Does every part work?",
    tags=["Operation"],
    responses={200: success(_READY), 503: success(_NOT_READY, "At least one part does not work")},
    opt=PUBLIC,
    security=[{}],
)
async def ready(service: ServiceName, probes: ProbesOfApp) -> Response[Readiness]:
    """Asks every part at once, each for at most two seconds: 200 when all of them work, 503 when one does not.

    The service this one replaces always answered 200 and told only in the body that it was not ready.
    """
    results = await asyncio.gather(*(_check(name, probe) for name, probe in probes.items()))
    checks = dict(zip(probes, results, strict=True))
    is_ready = all(check.status == "ok" for check in results)
    readiness = Readiness(
        status="ready" if is_ready else "not_ready", checks=checks, timestamp=utc_now(), service=service
    )
    return Response(readiness, status_code=200 if is_ready else 503)


async def _check(name: str, probe: Probe) -> Check:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await probe()
    except TimeoutError:
        return Check(status="error", detail=f"no answer in {PROBE_SECONDS:g} s")
    except Unavailable as error:
        return Check(status="error", detail=str(error))
    except Exception:
        logger.exception("The readiness check of %s failed unexpectedly", name)
        return Check(status="error", detail="the check itself failed")
    return Check(status="ok")
