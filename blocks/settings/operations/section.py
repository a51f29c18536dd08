"""The section as a whole."""

import msgspec

from blocks.contracts.operations import Operation
from blocks.contracts.reading.limits import Seconds
from blocks.settings.operations.cache_warmup import CacheWarmup
from blocks.settings.operations.health_monitoring import HealthMonitoring
from blocks.settings.operations.log_rotation import LogRotation
from blocks.settings.operations.schedule import Schedule


class Operations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Maintenance workflows; docs/operations.md."""

    enabled: bool
    """Whether schedules start any of them."""
    timezone: str
    """Of their crons."""
    late_after_seconds: Seconds
    """From then on a tick is late, and the rule of its operation counts."""
    cache_warmup: CacheWarmup
    health_monitoring: HealthMonitoring
    log_rotation: LogRotation

    def schedule_of(self, operation: Operation) -> Schedule:
        part: Schedule = getattr(self, operation.setting)
        return part

    def is_active(self, operation: Operation) -> bool:
        """Whether the operation's schedule starts it."""
        return self.enabled and self.schedule_of(operation).enabled
