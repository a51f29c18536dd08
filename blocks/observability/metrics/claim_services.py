"""Calls of the services that claim recovery works with, counted by the process that makes them."""

from prometheus_client import Counter, Histogram

from blocks.observability.metrics import SECONDS_OF_WORK

CALLS = Counter(
    "workflow_orchestrator_claim_service_calls_total",
    "Calls of claim services by what became of them, retries included: completed, unavailable, "
    "refused, bad-answer or circuit-open",
    ["service", "outcome"],
)
REQUESTS = Histogram(
    "workflow_orchestrator_claim_service_request_duration_seconds",
    "Seconds from one request to a claim service to its answer or its failure",
    ["service"],
    buckets=SECONDS_OF_WORK,
)
RETRIES = Counter(
    "workflow_orchestrator_claim_service_retries_total",
    "Requests to claim services that were not the first of their call",
    ["service"],
)
