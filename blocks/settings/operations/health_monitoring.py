"""The settings of health monitoring; docs/operations/health-monitoring.md."""

from typing import Annotated

import msgspec

from blocks.contracts.reading.limits import Seconds, SecondsOrZero
from blocks.settings.operations.schedule import Scheduled

AtOnce = Annotated[int, msgspec.Meta(ge=1, le=1_000)]


class HealthMonitoring(Scheduled, frozen=True, kw_only=True):
    docker_socket: str
    """Where the Docker engine answers; empty: it is not asked, unless containers are named."""
    containers: str
    """Names or patterns, separated by commas; empty: all that are meant to run."""
    endpoints: str
    """`NAME=URL` or a URL, separated by commas; empty: none."""
    database_url: str
    """`postgresql://user:password@host/database`; empty: none."""
    at_once: AtOnce
    """So many containers or endpoints are asked at a time."""
    call_seconds: Seconds
    """So long one answer may take."""
    grace_seconds: SecondsOrZero
    """What fails or works again for so long is notified of."""

    @property
    def engine_socket(self) -> str:
        """Where the engine is asked."""
        return self.docker_socket or "/var/run/docker.sock"

    def __repr__(self) -> str:
        return f"HealthMonitoring(cron={self.cron!r}, database_url='***')"
