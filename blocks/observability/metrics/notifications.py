"""Notifications, counted by the process that sends them."""

from prometheus_client import Counter, Histogram

from blocks.observability.metrics import SECONDS_OF_WORK

NOTIFICATIONS = Counter(
    "workflow_orchestrator_notifications_total",
    "Notifications by what became of them: sent, skipped (sent before, or nothing is configured) "
    "or failed",
    ["kind", "outcome"],
)
ATTEMPTS_FAILED = Counter(
    "workflow_orchestrator_notification_attempts_failed_total",
    "Attempts to hand a notification over that failed, by where: comms-hub or smtp",
    ["transport"],
)
WAIT_SECONDS = Histogram(
    "workflow_orchestrator_notification_wait_seconds",
    "Seconds that a notification waited for another process that was sending under its key",
    buckets=SECONDS_OF_WORK,
)
