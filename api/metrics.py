"""`/metrics`: what this process counts, in the text format of Prometheus."""

import hmac
from typing import Any

from litestar import Request, get
from litestar.datastructures import Headers
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from prometheus_client import generate_latest

from api.access.authentication import PUBLIC, bearer
from api.http.errors import CredentialInvalid
from api.jobs.metrics import JobMetrics

MetricsOfJobs = SkipValidation[NamedDependency[JobMetrics]]


MetricsToken = NamedDependency[str]
"""The setting `metrics.bearer_token`."""


@get(
    "/metrics",
    summary="Metrics for Prometheus",
    tags=["Operation"],
    media_type="text/plain; version=0.0.4",
    opt=PUBLIC,
    security=[{}],
)
async def metrics(request: Request[Any, Any, Any], job_metrics: MetricsOfJobs, metrics_token: MetricsToken) -> str:
    """Every metric of this process, and of the batch jobs whoever triggered them; one per line.

    With `METRICS_BEARER_TOKEN` set, only for who sends it as `Authorization: Bearer …`; otherwise 401.
    """
    if metrics_token:
        _check(request.headers, metrics_token)
    return generate_latest().decode() + await job_metrics.text()


def _check(headers: Headers, token: str) -> None:
    if not hmac.compare_digest(bearer(headers).encode(), token.encode()):
        raise CredentialInvalid("this is not the token of /metrics")
