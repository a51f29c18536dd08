"""The files and folders that settings name, looked for on this machine."""

from collections.abc import Iterator
from pathlib import Path

from blocks.settings.auth import words
from blocks.settings.sections import Settings


def path_problems(settings: Settings) -> list[str]:
    """A line for each that is not there, naming its setting; what a process makes by itself may be
    missing.
    """
    return [
        f"setting {name} is {path!r}, and no such file or folder is there: correct it, or make it"
        for name, path in _named(settings)
        if path and not Path(path).exists()
    ]


def _named(settings: Settings) -> Iterator[tuple[str, str]]:
    operations = settings.operations
    yield "cosmos_db.ca_file (COSMOS_DB_CA_FILE)", settings.cosmos_db.ca_file
    if "://" not in settings.auth.jwt_jwks:
        yield "auth.jwt_jwks (JWT_JWKS)", settings.auth.jwt_jwks
    yield (
        "operations.database_backup.programs_folder (BACKUP_PROGRAMS_FOLDER)",
        operations.database_backup.programs_folder,
    )
    yield (
        "operations.health_monitoring.docker_socket (HEALTH_MONITORING_DOCKER_SOCKET)",
        operations.health_monitoring.docker_socket,
    )
    for path in words(operations.security_audit.lock_files):
        yield "operations.security_audit.lock_files (SECURITY_AUDIT_LOCK_FILES)", path
