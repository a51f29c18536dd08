"""The section as a whole."""

import msgspec

from blocks.contracts.operations import Operation
from blocks.contracts.reading.limits import Seconds
from blocks.settings.operations.database_backup import DatabaseBackup
from blocks.settings.operations.log_rotation import LogRotation
from blocks.settings.operations.performance_optimization import PerformanceOptimization
from blocks.settings.operations.schedule import Schedule
from blocks.settings.operations.security_audit import SecurityAudit


class Operations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Maintenance workflows; docs/operations.md."""

    enabled: bool
    """Whether schedules start any of them."""
    timezone: str
    """Of their crons."""
    late_after_seconds: Seconds
    """From then on a tick is late, and the rule of its operation counts."""
    database_backup: DatabaseBackup
    log_rotation: LogRotation
    performance_optimization: PerformanceOptimization
    security_audit: SecurityAudit

    def schedule_of(self, operation: Operation) -> Schedule:
        part: Schedule = getattr(self, operation.setting)
        return part

    def is_active(self, operation: Operation) -> bool:
        """Whether the operation's schedule starts it."""
        return self.enabled and self.schedule_of(operation).enabled
