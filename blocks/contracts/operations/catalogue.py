"""The operations that exist here."""

from datetime import timedelta

from blocks.contracts.operations.operation import Operation, Step

NOTIFY_SECONDS = 180.0
"""Of a step that notifies one recipient: that may take up to two minutes."""

ANALYSIS_SECONDS = 300.0
"""Of a step that waits for the AI workflow."""

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
        Step("notify", "Send Notification", limit_seconds=NOTIFY_SECONDS),
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

CMS_SYNC = Operation(
    id="cms-sync",
    title="CMS Content Sync",
    description="Keeps a copy of the CMS's content, and notifies of what has changed.",
    cron="*/5 * * * *",
    events=("cms.content.updated", "cms.service.created"),
    misfire="skip",  # the next tick is near
    max_lateness=timedelta(minutes=5),
    overlap="skip",
    attempts=3,
    backoff=timedelta(seconds=5),
    steps=(
        Step("fetch-cms", "Fetch CMS Data"),
        Step("update-cache", "Update Local Cache", limit_seconds=120),
        Step("notify", "Send Notification", limit_seconds=NOTIFY_SECONDS),
    ),
)

USER_ONBOARDING = Operation(
    id="user-onboarding",
    title="User Onboarding Workflow",
    description="Welcomes a new user, and has their defaults, role and workspace made.",
    events=("user.registered", "user.verified"),
    misfire="skip",  # it has no schedule
    max_lateness=timedelta(0),
    overlap="queue",
    steps=(
        Step("send-welcome", "Send Welcome Email", limit_seconds=NOTIFY_SECONDS),
        Step("setup-defaults", "Setup Defaults"),
        Step("assign-role", "Assign Role"),
        Step("create-workspace", "Create Workspace"),
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
        Step("alert-if-needed", "Send Alerts", limit_seconds=NOTIFY_SECONDS),
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


NOTIFICATION_DIGEST = Operation(
    id="notification-digest",
    title="Notification Digest",
    description="Sends each user one mail about what happened since the last one.",
    cron="0 9 * * *",
    misfire="latest",  # a digest is of use on its day
    max_lateness=timedelta(hours=12),
    overlap="skip",
    steps=(
        Step("collect-notifications", "Collect Notifications", limit_seconds=600),
        Step("compile-digest", "Compile Digest", limit_seconds=600),
        Step("send-emails", "Send Digest Emails", limit_seconds=7200),
    ),
)


SALES_OPERATIONS = Operation(
    id="sales-operations",
    title="Sales & Operations Automation",
    description="Has the AI workflow analyse sales and qualify leads, watches due dates, reports.",
    cron="0 8 * * 1-5",
    events=("sales.lead.created", "sales.opportunity.updated"),
    misfire="latest",  # a report of the morning is of use until noon
    max_lateness=timedelta(hours=4),
    overlap="skip",
    attempts=3,
    backoff=timedelta(seconds=15),
    steps=(
        # an analysis takes minutes
        Step("business-intel", "Business Intelligence", limit_seconds=ANALYSIS_SECONDS),
        Step("lead-qualification", "Lead Qualification", limit_seconds=ANALYSIS_SECONDS),
        Step("ops-monitoring", "Operations Monitoring"),
        Step("email-notifications", "Email Notifications", limit_seconds=NOTIFY_SECONDS),
    ),
)

OPERATIONS = (
    CMS_SYNC,
    DATABASE_BACKUP,
    HEALTH_MONITORING,
    CACHE_WARMUP,
    SALES_OPERATIONS,
    LOG_ROTATION,
    PERFORMANCE_OPTIMIZATION,
    USER_ONBOARDING,
    NOTIFICATION_DIGEST,
    SECURITY_AUDIT,
)

_BY_ID = {operation.id: operation for operation in OPERATIONS}


def operation_named(id: str) -> Operation | None:
    return _BY_ID.get(id)
