"""The section as a whole."""

import msgspec

from blocks.contracts.operations import OPERATIONS, Operation
from blocks.contracts.reading.limits import Days, Seconds
from blocks.settings.operations.cache_warmup import CacheWarmup
from blocks.settings.operations.cms_sync import CmsSync
from blocks.settings.operations.database_backup import DatabaseBackup
from blocks.settings.operations.health_monitoring import HealthMonitoring
from blocks.settings.operations.log_rotation import LogRotation
from blocks.settings.operations.notification_digest import NotificationDigest
from blocks.settings.operations.performance_optimization import PerformanceOptimization
from blocks.settings.operations.sales_operations import SalesOperations
from blocks.settings.operations.schedule import Scheduled, Started
from blocks.settings.operations.security_audit import SecurityAudit
from blocks.settings.operations.user_onboarding import UserOnboarding


class Operations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Maintenance workflows; docs/operations.md."""

    enabled: bool
    """Whether schedules start any of them."""
    timezone: str
    """Of their crons."""
    internal_address: str
    """`HOST:PORT` on which the routes of operations take calls without a credential; empty: none.
    """
    late_after_seconds: Seconds
    """From then on a tick is late, and the rule of its operation counts."""
    events_kept_days: Days
    """So long the log has an event that was taken in."""
    redis_url: str
    """Of the Redis on which services speak the operations service's bus; empty: no bridge."""
    database_backup: DatabaseBackup
    cms_sync: CmsSync
    cache_warmup: CacheWarmup
    health_monitoring: HealthMonitoring
    log_rotation: LogRotation
    notification_digest: NotificationDigest
    sales_operations: SalesOperations
    user_onboarding: UserOnboarding
    performance_optimization: PerformanceOptimization
    security_audit: SecurityAudit

    def __repr__(self) -> str:
        return f"Operations(enabled={self.enabled}, redis_url='***')"

    def schedule_of(self, operation: Operation) -> Scheduled:
        """Of an operation that has a cron."""
        part: Scheduled = getattr(self, operation.setting)
        return part

    def events_of(self, operation: Operation) -> list[str]:
        """The types of the events that start it."""
        part: Started = getattr(self, operation.setting)
        return [word.strip() for word in part.events.split(",") if word.strip()]

    @property
    def event_types(self) -> list[str]:
        """All that start anything, in the order of the operations."""
        named = [event for operation in OPERATIONS for event in self.events_of(operation)]
        return list(dict.fromkeys(named))
