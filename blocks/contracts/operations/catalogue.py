"""The operations that exist here."""

from datetime import timedelta

from blocks.contracts.operations.operation import Operation, Step

LOG_ROTATION = Operation(
    id="log-rotation",
    title="Log Rotation & Cleanup",
    description="Rotates, compresses and deletes log files, while they are written.",
    cron="0 0 * * *",
    misfire="latest",  # what was not rotated at midnight is rotated once, when it can be
    max_lateness=timedelta(hours=20),
    overlap="skip",
    steps=(
        Step("rotate-logs", "Rotate Logs"),
        Step("compress-old", "Compress Old Logs", limit_seconds=3600),
        Step("cleanup", "Cleanup Old Logs"),
    ),
)

HEALTH_MONITORING = Operation(
    id="health-monitoring",
    title="System Health Monitoring",
    description="Looks at containers, endpoints and the database, and notifies of what is down.",
    cron="* * * * *",
    events=("system.health.check",),
    misfire="skip",  # what was a minute ago is of no use now
    max_lateness=timedelta(minutes=1),
    overlap="skip",
    steps=(
        Step("check-containers", "Check Docker Containers"),
        Step("check-services", "Check Service Endpoints"),
        Step("check-database", "Check Database Connection"),
        Step("aggregate-metrics", "Aggregate Metrics"),
        Step("alert-if-needed", "Send Alerts", limit_seconds=180),
    ),
)

CACHE_WARMUP = Operation(
    id="cache-warmup",
    title="Cache Warmup",
    description="Asks for pages before people do, so that caches on the way hold them.",
    cron="*/30 * * * *",
    events=("cache.invalidated", "deployment.completed"),
    misfire="latest",
    max_lateness=timedelta(minutes=30),
    overlap="skip",
    steps=(
        Step("warmup-api", "Warm Up API Cache", limit_seconds=600),
        Step("warmup-cms", "Warm Up CMS Cache", limit_seconds=600),
        Step("warmup-session", "Warm Up Session Cache", limit_seconds=600),
    ),
)

OPERATIONS = (HEALTH_MONITORING, CACHE_WARMUP, LOG_ROTATION)

_BY_ID = {operation.id: operation for operation in OPERATIONS}


def operation_named(id: str) -> Operation | None:
    return _BY_ID.get(id)
