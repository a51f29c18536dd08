"""Permissions, and what gives them: files, database roles, API keys, certificates, secrets."""

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ApiKeyRecord
from blocks.operations.security.certificates import check_certificates
from blocks.operations.security.database_roles import check_roles
from blocks.operations.security.file_permissions import check_files, secret_files
from blocks.operations.security.findings import Finding, finding, listed
from blocks.operations.work import Stop, in_thread
from blocks.ports import RecordStore
from blocks.queries import every
from blocks.settings import Settings
from blocks.settings.operations import SecurityAudit
from blocks.settings.operations.databases import database_at

DATABASE_URL = "operations.security_audit.database_url (DATABASE_URL)"


async def check_permissions(settings: Settings, store: RecordStore) -> JsonObject:
    """Returns `violationsFound`, `pathsChecked`, `rolesChecked`, `keysChecked`,
    `certificatesChecked`, `secretsChecked` and `violations`.

    Raises `DatabaseFailed` and `Unavailable`; certificates and files that cannot be read are
    violations.
    """
    audit, now = settings.operations.security_audit, utc_now()
    paths, of_files = await in_thread(partial(check_files, audit, Path(settings.data_dir)))
    secrets, of_secrets = await in_thread(partial(_check_secrets, audit, now))
    certificates, of_certificates = await check_certificates(audit, now)
    keys, of_keys = await _check_keys(store, now, timedelta(days=audit.expiry_days))
    roles, of_roles = 0, list[Finding]()
    if audit.database_url:
        roles, of_roles = await check_roles(
            database_at(audit.database_url, DATABASE_URL), audit, now
        )
    violations = [*of_files, *of_secrets, *of_certificates, *of_keys, *of_roles]
    return {
        "violationsFound": len(violations),
        "pathsChecked": paths,
        "rolesChecked": roles,
        "keysChecked": keys,
        "certificatesChecked": certificates,
        "secretsChecked": secrets,
        **listed("violations", violations),
    }


async def _check_keys(
    store: RecordStore, now: datetime, within: timedelta
) -> tuple[int, list[Finding]]:
    """Of the keys that are valid now: those that soon are not."""
    valid = [
        stored.record
        async for stored in every(store, SYSTEM_TENANT, ApiKeyRecord)
        if stored.record.is_live(now)
    ]
    return len(valid), [
        finding(
            "medium",
            f"API key {key.prefix} ({key.name}) of tenant {key.tenant}",
            f"it expires on {key.expires_at:%Y-%m-%d}",
            "create another: orchestrator keys create",
        )
        for key in valid
        if key.expires_at - now < within
    ]


def _check_secrets(settings: SecurityAudit, now: datetime, stop: Stop) -> tuple[int, list[Finding]]:
    """A secret's time begins when its file was last written."""
    kept, within = timedelta(days=settings.secret_days), timedelta(days=settings.expiry_days)
    checked, found = 0, list[Finding]()
    for path, status in secret_files(settings):
        stop()
        checked += 1
        written = datetime.fromtimestamp(status.st_mtime, now.tzinfo)
        if kept and written + kept - now < within:
            problem = f"it was last changed on {written:%Y-%m-%d}"
            remedy = f"replace it before {written + kept:%Y-%m-%d}"
            found.append(finding("medium", f"secret {path}", problem, remedy))
    return checked, found
