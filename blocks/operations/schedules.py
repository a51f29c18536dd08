"""Whether an operation's schedule starts it: one rule, by the settings alone, so that bootstrap,
the API, the command line and `doctor` agree wherever they run.

A schedule that finds nothing to do is not free: an idle run costs a flow run, an execution and the
records of its steps. People and events still start what is inactive.
"""

from collections.abc import Mapping
from operator import attrgetter

from blocks.contracts.operations import Operation
from blocks.contracts.operations.catalogue import (
    CACHE_WARMUP,
    CMS_SYNC,
    DATABASE_BACKUP,
    HEALTH_MONITORING,
    LOG_ROTATION,
    NOTIFICATION_DIGEST,
    SALES_OPERATIONS,
)
from blocks.settings import Settings

NEEDS: Mapping[str, Mapping[str, str]] = {
    DATABASE_BACKUP.id: {
        "DATABASE_URL": "operations.database_backup.database_url",
        "BACKUP_DATABASES": "operations.database_backup.databases",
    },
    LOG_ROTATION.id: {"LOG_ROTATION_PATHS": "operations.log_rotation.paths"},
    CMS_SYNC.id: {
        "CMS_URL": "operations.cms_sync.cms_url",
        "CORE_URL": "operations.cms_sync.core_url",
    },
    HEALTH_MONITORING.id: {
        "HEALTH_MONITORING_DOCKER_SOCKET": "operations.health_monitoring.docker_socket",
        "HEALTH_MONITORING_CONTAINERS": "operations.health_monitoring.containers",
        "HEALTH_MONITORING_ENDPOINTS": "operations.health_monitoring.endpoints",
        "DATABASE_URL": "operations.health_monitoring.database_url",
    },
    CACHE_WARMUP.id: {
        "CACHE_WARMUP_API_URLS": "operations.cache_warmup.api_urls",
        "CACHE_WARMUP_CMS_URLS": "operations.cache_warmup.cms_urls",
        "CACHE_WARMUP_SESSION_URLS": "operations.cache_warmup.session_urls",
    },
    NOTIFICATION_DIGEST.id: {
        "COMMS_HUB_URL": "notifications.comms_hub_url",
        "SMTP_URL": "notifications.smtp_url",
    },
    SALES_OPERATIONS.id: {
        "SALES_LEADS_URL": "operations.sales_operations.leads_url",
        "SALES_OPPORTUNITIES_URL": "operations.sales_operations.opportunities_url",
        "SALES_AI_WORKFLOW_URL": "operations.sales_operations.ai_workflow_url",
        "INNGEST_EVENT_KEY": "operations.sales_operations.inngest_event_key",
    },
}
"""By variable, the settings of which an operation needs one to have anything to do. What is missing
here finds work in every installation.
"""


def is_active(operation: Operation, settings: Settings) -> bool:
    """Whether the operation has a schedule, and it starts it."""
    return bool(operation.cron) and why_inactive(operation, settings) is None


def why_inactive(operation: Operation, settings: Settings) -> str | None:
    """Why the schedule of an operation that has one does not start it; None: it does."""
    operations = settings.operations
    if not operations.enabled:
        return "OPERATIONS_ENABLED is false"
    if not operations.schedule_of(operation).enabled:
        return f"{operation.setting.upper()}_ENABLED is false"
    needs = NEEDS.get(operation.id)
    if needs is None or any(attrgetter(path)(settings) for path in needs.values()):
        return None
    return f"nothing is configured for it: set {' or '.join(needs)}"
