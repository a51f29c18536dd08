"""The operations that exist here."""

from datetime import timedelta

from blocks.contracts.operations.operation import Operation, Step

DATABASE_BACKUP = Operation(
    id="database-backup",
    title="Database Backup",
    description="Dumps databases, uploads the archives and proves that they can be restored.",
    cron="0 2 * * *",
    misfire="latest",  # a night without a backup is made up for by day
    max_lateness=timedelta(hours=20),
    overlap="skip",
    attempts=2,
    backoff=timedelta(seconds=10),
    steps=(
        # of several databases, one after the other, each within the settings' own limit
        Step("create-backup", "Create Backup", limit_seconds=21_600),
        Step("upload-backup", "Upload to Storage", limit_seconds=43_200),
        Step("cleanup-old", "Cleanup Old Backups", limit_seconds=900),
        Step("notify", "Send Notification"),
    ),
)

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

PERFORMANCE_OPTIMIZATION = Operation(
    id="performance-optimization",
    title="Performance Optimization",
    description="Measures machine, PostgreSQL and Redis; vacuums and purges what it is allowed to.",
    cron="*/15 * * * *",
    events=("performance.degraded", "memory.high"),
    misfire="skip",  # the next is a quarter of an hour away
    max_lateness=timedelta(0),
    overlap="skip",
    steps=(
        Step("analyze-metrics", "Analyze Metrics", limit_seconds=120),
        Step("optimize-memory", "Optimize Memory", limit_seconds=600),
        Step("optimize-db", "Optimize Database", limit_seconds=7200),
    ),
)

SECURITY_AUDIT = Operation(
    id="security-audit",
    title="Security Audit",
    description="Looks for vulnerabilities, open permissions, refused requests and what expires.",
    cron="0 3 * * *",
    events=("security.alert", "auth.failed.multiple"),
    misfire="latest",
    max_lateness=timedelta(hours=20),
    overlap="skip",
    attempts=2,
    backoff=timedelta(seconds=30),
    steps=(
        Step("scan-vulnerabilities", "Scan Vulnerabilities", limit_seconds=600),
        Step("check-permissions", "Check Permissions", limit_seconds=600),
        Step("review-logs", "Review Logs", limit_seconds=300),
        Step("generate-report", "Generate Report", limit_seconds=60),
    ),
)

OPERATIONS = (DATABASE_BACKUP, LOG_ROTATION, PERFORMANCE_OPTIMIZATION, SECURITY_AUDIT)

_BY_ID = {operation.id: operation for operation in OPERATIONS}


def operation_named(id: str) -> Operation | None:
    return _BY_ID.get(id)
