"""The section `operations` of the settings: a part for each operation, beside what all share."""

from blocks.settings.operations.cache_warmup import CacheWarmup as CacheWarmup
from blocks.settings.operations.cms_sync import CmsSync as CmsSync
from blocks.settings.operations.database_backup import DatabaseBackup as DatabaseBackup
from blocks.settings.operations.health_monitoring import HealthMonitoring as HealthMonitoring
from blocks.settings.operations.log_rotation import LogRotation as LogRotation
from blocks.settings.operations.notification_digest import (
    NotificationDigest as NotificationDigest,
)
from blocks.settings.operations.performance_optimization import (
    PerformanceOptimization as PerformanceOptimization,
)
from blocks.settings.operations.sales_operations import SalesOperations as SalesOperations
from blocks.settings.operations.section import Operations as Operations
from blocks.settings.operations.security_audit import SecurityAudit as SecurityAudit
from blocks.settings.operations.user_onboarding import UserOnboarding as UserOnboarding
