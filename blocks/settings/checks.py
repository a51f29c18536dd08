"""What settings must be beyond their types, and which of them go together."""

import re
from collections.abc import Iterator

from blocks.contracts.jobs import JOBS
from blocks.contracts.operations import OPERATIONS
from blocks.contracts.operations.platform_events import check_type
from blocks.contracts.reading.limits import EMAIL_PATTERN
from blocks.contracts.reading.uuids import canonical_uuid
from blocks.schedules.cron import check_cron, check_timezone
from blocks.security.signed_links import SECRET_LENGTH_MIN as LINK_SECRET_LENGTH_MIN
from blocks.settings import auth, containers, server, urls
from blocks.settings.operations import databases
from blocks.settings.sections import BadSetting, RabbitMQ, Settings

EXECUTIONS_KEPT_DAYS_MIN = 32
"""More than the system looks back at them: usage counts the whole month, and the reconciler reads
flow runs that ended in the last seven days.
"""

_TAKEN = ("/health", "/ready", "/docs", "/schema")


def check(settings: Settings) -> None:
    """Raises `BadSetting` for the first that cannot be used."""
    cosmos = settings.cosmos_db
    if cosmos.endpoint.startswith("http") and cosmos.credential == "key" and not cosmos.key:
        raise BadSetting(
            "setting cosmos_db.key (COSMOS_DB_KEY) is empty: Cosmos DB needs its account key"
        )
    if cosmos.credential == "identity" and cosmos.key:
        raise BadSetting(
            "setting cosmos_db.key (COSMOS_DB_KEY) is set, and cosmos_db.credential "
            "(COSMOS_DB_CREDENTIAL) is identity: unset one of them"
        )
    if 0 < len(settings.approvals.link_secret) < LINK_SECRET_LENGTH_MIN:
        raise BadSetting(
            "setting approvals.link_secret (APPROVAL_LINK_SECRET) is too short: "
            f"use {LINK_SECRET_LENGTH_MIN} or more random characters"
        )
    if 0 < len(settings.pages.session_secret) < LINK_SECRET_LENGTH_MIN:
        raise BadSetting(
            "setting pages.session_secret (PAGES_SESSION_SECRET) is too short: "
            f"use {LINK_SECRET_LENGTH_MIN} or more random characters"
        )
    if settings.simulators.min_delay_seconds > settings.simulators.max_delay_seconds:
        raise BadSetting(
            "setting simulators.min_delay_seconds must not be above simulators.max_delay_seconds"
        )
    if settings.log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise BadSetting(
            f"setting log_level (LOG_LEVEL) is {settings.log_level!r}: use DEBUG, INFO, WARNING "
            "or ERROR"
        )
    if (
        not re.fullmatch(r"/[A-Za-z0-9._/-]{1,100}", settings.metrics.path)
        or settings.metrics.path in _TAKEN
    ):
        raise BadSetting(
            f"setting metrics.path (METRICS_PATH) is {settings.metrics.path!r}: use a path of "
            "its own, as /metrics"
        )
    if 0 < settings.executions.kept_days < EXECUTIONS_KEPT_DAYS_MIN:
        raise BadSetting(
            f"setting executions.kept_days (EXECUTIONS_KEPT_DAYS) is "
            f"{settings.executions.kept_days:g}: use {EXECUTIONS_KEPT_DAYS_MIN} or more (a month's "
            "usage is counted from them), or 0 to keep them for ever"
        )
    if settings.notifications.smtp_url and not settings.notifications.sender:
        raise BadSetting(
            "setting notifications.smtp_url (SMTP_URL) is set, and notifications.sender "
            "(NOTIFICATIONS_SENDER) is empty: set the address that mail comes from"
        )
    problems = (
        urls.problem_of(settings),
        _admins_problem(settings),
        server.problem_of(settings.server),
        server.internal_problem_of(settings),
        auth.problem_of(settings.auth),
        containers.problem_of(settings.cosmos_db.containers),
        databases.problem_of(settings.operations.database_backup),
        *_database_problems(settings),
        _queues_problem(settings.rabbitmq),
    )
    for problem in problems:
        if problem:
            raise BadSetting(problem)
    _check_schedules(settings)


def _database_problems(settings: Settings) -> Iterator[str | None]:
    """Of each operation that has a database."""
    for operation in OPERATIONS:
        part = getattr(settings.operations, operation.setting)
        if url := getattr(part, "database_url", ""):
            name = f"operations.{operation.setting}.database_url (DATABASE_URL)"
            yield databases.url_problem_of(url, name)


def _admins_problem(settings: Settings) -> str | None:
    admins = settings.operations.notification_digest.admin_by_tenant
    if all(
        (tenant == "*" or canonical_uuid(tenant)) and re.fullmatch(EMAIL_PATTERN, address)
        for tenant, address in admins.items()
    ):
        return None
    return (
        "setting operations.notification_digest.admins (NOTIFICATION_DIGEST_ADMINS) has an entry "
        "that is not of the form TENANT=ADDRESS or *=ADDRESS"
    )


def _queues_problem(rabbitmq: RabbitMQ) -> str | None:
    names = [rabbitmq.queue, rabbitmq.batch_jobs_queue, rabbitmq.webhooks_queue]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is None:
        return None
    return (
        f"settings rabbitmq.queue (RABBITMQ_QUEUE), rabbitmq.batch_jobs_queue "
        "(RABBITMQ_BATCH_JOBS_QUEUE) and rabbitmq.webhooks_queue (RABBITMQ_WEBHOOKS_QUEUE) name "
        f"{twice} twice: their readers would take each other's messages; name three queues"
    )


def _check_schedules(settings: Settings) -> None:
    batch_jobs, operations = settings.batch_jobs, settings.operations
    _check_timezone("batch_jobs", batch_jobs.timezone)
    for job in JOBS:
        name = f"batch_jobs.{job.setting} ({job.variable})"
        _check_cron(name, batch_jobs.cron_of(job), default=job.cron)
    _check_timezone("operations", operations.timezone)
    for operation in OPERATIONS:
        if operation.cron:
            key = operation.setting
            name = f"operations.{key}.cron ({key.upper()}_CRON)"
            _check_cron(name, operations.schedule_of(operation).cron, default=operation.cron)
    for operation in OPERATIONS:
        for event_type in operations.events_of(operation):
            _check_event(f"{operation.setting}.events", operation.setting, event_type)


def _check_event(key: str, part: str, event_type: str) -> None:
    try:
        check_type(event_type)
    except ValueError as error:
        raise BadSetting(
            f"setting operations.{key} ({part.upper()}_EVENTS) has {event_type!r}, which {error}"
        ) from None


def _check_timezone(section: str, timezone: str) -> None:
    try:
        check_timezone(timezone)
    except ValueError as error:
        raise BadSetting(
            f"setting {section}.timezone ({section.upper()}_TIMEZONE) is {timezone!r}: {error}"
        ) from None


def _check_cron(name: str, cron: str, *, default: str) -> None:
    if cron == default:
        # a test has checked it; the check imports Prefect, for which a command would wait
        return
    try:
        check_cron(cron)
    except ValueError as error:
        raise BadSetting(f"setting {name} is {cron!r}: {error}") from None
