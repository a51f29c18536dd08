"""Is this process alive (`/health`), and can it and what it depends on do their work (`/ready`)?

`/ready?deep` also asks the platform's other services how they are.
"""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Literal

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation

from api.access.authentication import PUBLIC
from api.documentation.openapi import failure, success
from api.http.deprecation import SHARED
from api.http.documents import Document
from api.http.errors import InvalidRequest
from blocks.clock import utc_now
from blocks.processes.neighbour_health import Neighbours
from blocks.processes.readiness import Probes, problems

ProbesOfApp = SkipValidation[NamedDependency[Probes]]
NeighboursOfApp = SkipValidation[NamedDependency[Neighbours]]
ServiceName = NamedDependency[str]

Deep = Annotated[
    Literal["", "true", "1", "false", "0"] | None,
    QueryParameter(
        description="Ask the platform's other services, too: `?deep`",
        schema_extra={"one_of": None, "type": "string", "enum": ["", "true", "1", "false", "0"]},
    ),
]


class Health(Document, frozen=True, kw_only=True):
    """This process answers."""

    status: Literal["healthy"]
    timestamp: datetime
    service: str


class ReadinessCheck(Document, frozen=True, kw_only=True):
    """The state of one part; `detail` is what is wrong."""

    status: Literal["ok", "error"]
    detail: str | None = None


class ServiceHealth(Document, frozen=True, kw_only=True):
    """How another service of the platform is; `detail` is what is wrong."""

    status: Literal["ok", "degraded"]
    detail: str | None = None


class Readiness(Document, frozen=True, kw_only=True):
    """Whether every part works, and which do not; services only where they were asked for."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, ReadinessCheck]
    services: dict[str, ServiceHealth] | None = None
    timestamp: datetime
    service: str


_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_OK, _LOST = (
    ReadinessCheck(status="ok"),
    ReadinessCheck(status="error", detail="no worker has sent a heartbeat"),
)
_HEALTH = Health(status="healthy", timestamp=_NOON, service="workflow-orchestrator")
_READY = Readiness(
    status="ready",
    checks={"database": _OK},
    services={
        "risk_analytics": ServiceHealth(status="ok"),
        "forecasting": ServiceHealth(status="degraded", detail="its /health answers 503"),
    },
    timestamp=_NOON,
    service="workflow-orchestrator",
)
_NOT_READY = Readiness(
    status="not_ready",
    checks={"database": _OK, "worker": _LOST},
    timestamp=_NOON,
    service="workflow-orchestrator",
)


@get(
    "/health",
    summary="Check that the process is alive",
    tags=["Service"],
    responses={200: success(_HEALTH)},
    opt=PUBLIC | SHARED,
    security=[{}],
)
async def read_health(service: ServiceName) -> Health:
    """Answers as long as the process does, whatever its surroundings: restart the process when this
    stops.
    """
    return Health(status="healthy", timestamp=utc_now(), service=service)


@get(
    "/ready",
    summary="Check that every part works",
    tags=["Service"],
    responses={
        200: success(_READY),
        400: failure(InvalidRequest),
        503: success(_NOT_READY, "At least one part does not work", named="NotReady"),
    },
    opt=PUBLIC | SHARED,
    security=[{}],
)
async def read_readiness(
    service: ServiceName,
    probes: ProbesOfApp,
    neighbours: NeighboursOfApp,
    deep: Deep = None,
) -> Response[Readiness]:
    """Probes all parts at once, each for at most two seconds: 200 if all of them work, else 503.

    With `?deep`, `services` has the health of every service whose URL is set, at most ten seconds
    old. One that is `degraded` does not change the status: work reaches it over the bus, and waits
    there.

    The service this one replaces always answered 200 and reported a failure in the body only.
    """
    found, services = await asyncio.gather(problems(probes), _services(neighbours, deep))
    checks = {
        name: ReadinessCheck(status="error", detail=problem) if problem else _OK
        for name, problem in found.items()
    }
    is_ready = not any(found.values())
    readiness = Readiness(
        status="ready" if is_ready else "not_ready",
        checks=checks,
        services=services,
        timestamp=utc_now(),
        service=service,
    )
    return Response(readiness, status_code=200 if is_ready else 503)


async def _services(neighbours: Neighbours, deep: str | None) -> dict[str, ServiceHealth] | None:
    if deep in (None, "false", "0"):
        return None
    return {
        name: ServiceHealth(status="degraded" if problem else "ok", detail=problem)
        for name, problem in (await neighbours.problems()).items()
    }
