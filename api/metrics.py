"""`/metrics`: how many requests, how answered, how fast; in the text format of Prometheus.

Names, labels and buckets are those that the platform's dashboards already read.
"""

from litestar import get
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from prometheus_client import Counter, Histogram, disable_created_metrics, generate_latest

from api.job_metrics import JobMetrics

# They would double the series, and no dashboard reads them.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no annotation here

HTTP_REQUESTS = Counter("http_requests_total", "HTTP requests answered", ["method", "route", "status"])
HTTP_REQUEST_DURATION = Histogram(
    "http_request_duration_seconds",
    "Seconds from the first byte of a request to the last of its response",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

MetricsOfJobs = SkipValidation[NamedDependency[JobMetrics]]


@get("/metrics", summary="Metrics for Prometheus", tags=["Operation"], media_type="text/plain; version=0.0.4")
async def metrics(job_metrics: MetricsOfJobs) -> str:
    """Every metric of this process, and of the batch jobs whoever triggered them; one per line."""
    return generate_latest().decode() + await job_metrics.text()
