"""Is this process alive (`/health`), and can it and what it depends on do their work (`/ready`)?"""

from datetime import UTC, datetime
from typing import Literal

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from api.access.authentication import PUBLIC
from api.documentation.openapi import success
from api.http.documents import Document
from blocks.clock import utc_now
from blocks.processes.readiness import Probes, problems

ProbesOfApp = SkipValidation[NamedDependency[Probes]]
ServiceName = NamedDependency[str]


class Health(Document, frozen=True, kw_only=True):
    """This process answers."""

    status: Literal["healthy"]
    timestamp: datetime
    service: str


class Check(Document, frozen=True, kw_only=True):
    """The state of one part; `detail` is what is wrong."""

    status: Literal["ok", "error"]
    detail: str | None = None


class Readiness(Document, frozen=True, kw_only=True):
    """Whether every part works, and which do not."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, Check]
    timestamp: datetime
    service: str


_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_OK, _LOST = Check(status="ok"), Check(status="error", detail="no worker has sent a heartbeat")
_HEALTH = Health(status="healthy", timestamp=_NOON, service="workflow-orchestrator")
_READY = Readiness(
    status="ready", checks={"database": _OK}, timestamp=_NOON, service="workflow-orchestrator"
)
_NOT_READY = Readiness(
    status="not_ready",
    checks={"database": _OK, "worker": _LOST},
    timestamp=_NOON,
    service="workflow-orchestrator",
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
    """Answers as long as the process does, whatever its surroundings: restart the process when this
    stops.
    """
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
    """Probes all parts at once, each for at most two seconds: 200 if all of them work, else 503.

    The service this one replaces always answered 200 and reported a failure in the body only.
    """
    found = await problems(probes)
    checks = {
        name: Check(status="error", detail=problem) if problem else _OK
        for name, problem in found.items()
    }
    is_ready = not any(found.values())
    readiness = Readiness(
        status="ready" if is_ready else "not_ready",
        checks=checks,
        timestamp=utc_now(),
        service=service,
    )
    return Response(readiness, status_code=200 if is_ready else 503)
